"""What users do, a sentence each."""
