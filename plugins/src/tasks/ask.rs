//! `ask`: questions about code. What the model reads is short: the code in question with what it needs to be understood, each
//! piece under its `path:line`, and then the question.

mod callers;
mod citations;
mod excerpt;
mod excerpts;
mod intent;
mod search_terms;

use std::fmt::Write;

pub use citations::{Citation, find_citations};
pub use excerpt::{Excerpt, QuestionContext, SearchHit};
pub use excerpts::excerpts;
pub use intent::Intent;
pub use search_terms::{SearchTerm, search_terms};

/// What the model is told to be where nobody says otherwise.
pub const SYSTEM_PROMPT: &str =
    "You answer questions about program code. Be short and exact. Speak only of the code that you were given.";

/// What the model reads: the pieces of code, and the question.
pub fn user_message(question: &str, excerpts: &[Excerpt]) -> String {
    let mut message = String::new();
    for excerpt in excerpts {
        // Writing to a string does not fail.
        let _ = writeln!(message, "{} ({}):\n{}\n", excerpt.location(), excerpt.reason, fenced_excerpt(excerpt));
    }
    message.push_str(question.trim());
    message
}

fn fenced_excerpt(excerpt: &Excerpt) -> String {
    super::code::fenced(excerpt.language, &excerpt.text)
}

#[cfg(test)]
mod tests;
