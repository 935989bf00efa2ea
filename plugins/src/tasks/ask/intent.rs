//! Ready-made questions.

/// A ready-made question, worded for small models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Intent {
    /// Explain the code.
    Explain,
    /// Find bugs in the code.
    FindBugs,
    /// Suggest tests for the code.
    SuggestTests,
    /// Suggest names for the code.
    Name,
    /// Simplify the code.
    Simplify,
    /// Write the commit message of a diff.
    CommitMessage,
}

impl Intent {
    /// All intents.
    pub(crate) const ALL: [Self; 6] =
        [Self::Explain, Self::FindBugs, Self::SuggestTests, Self::Name, Self::Simplify, Self::CommitMessage];

    /// Text of the question.
    pub fn question(self) -> &'static str {
        match self {
            Self::Explain => "What does this code do? Explain it in a few sentences, in the order of the code.",
            Self::FindBugs => {
                "Is there a bug in this code? Go through it line by line. For each bug say which line is wrong, \
                 what happens there, and how to mend it. If there is none, say: I see no bug."
            }
            Self::SuggestTests => {
                "Give five tests for this code, one a line, written as: the call -> what must come out. Take empty, \
                 small, large and wrong values. Give nothing else."
            }
            Self::Name => {
                "What would be a good name for this code? Give three names, one a line, the best first, and nothing \
                 else. Write them as the code writes its own names."
            }
            Self::Simplify => {
                "Write this code more simply, so that it does exactly the same. Give the whole code in one block, \
                 and after it one sentence on what is simpler. If it is simple already, say: This is simple \
                 already."
            }
            Self::CommitMessage => {
                "Write the commit message for this diff. The first line says what changes, begins with a verb such \
                 as Add, Fix or Remove, and has at most 60 characters. Give nothing but the message."
            }
        }
    }

    /// Returns true for an intent that small models answer badly.
    pub fn needs_capable_model(self) -> bool {
        matches!(self, Self::FindBugs | Self::SuggestTests | Self::Simplify)
    }
}
