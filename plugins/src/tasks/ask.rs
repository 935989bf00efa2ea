//! Task `ask`: questions about code.
//!
//! The message to the model is short: excerpts of the code in question and of what it depends on, each under its
//! `path:line`, then the question. The answer's citations of these lines become links.

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

/// Default system prompt.
pub const SYSTEM_PROMPT: &str =
    "You answer questions about program code. Be short and exact. Speak only of the code that you were given.";

/// Message of the user: the excerpts, then the question.
pub fn user_message(question: &str, excerpts: &[Excerpt]) -> String {
    let mut message = String::new();
    for excerpt in excerpts {
        // Writing to a string cannot fail.
        let _ = writeln!(message, "{} ({}):\n{}\n", excerpt.location(), excerpt.reason, fenced_excerpt(excerpt));
    }
    message.push_str(question.trim());
    message
}

fn fenced_excerpt(excerpt: &Excerpt) -> String {
    super::code::fenced_block(excerpt.language, &excerpt.text)
}

#[cfg(test)]
mod tests;
