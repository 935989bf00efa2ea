"""Test cases. The name of each function is a sentence about what a user sees."""
