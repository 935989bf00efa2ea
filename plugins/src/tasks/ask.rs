//! `ask`: questions about code. What the model reads is short: the code in question with what it needs to be understood, each
//! piece under its `path:line`, and then the question.

mod callers;
mod citations;
mod excerpt;
mod excerpts;
mod intent;
mod wanted;

use std::fmt::Write;

pub use citations::{Citation, cited};
pub use excerpt::{About, Excerpt, Hit};
pub use excerpts::excerpts;
pub use intent::Intent;
pub use wanted::{Wanted, wanted};

/// What the model is told to be where nobody says otherwise.
pub const SYSTEM: &str =
    "You answer questions about program code. Be short and exact. Speak only of the code that you were given.";

/// What the model reads: the pieces of code, and the question.
pub fn message(question: &str, excerpts: &[Excerpt]) -> String {
    let mut message = String::new();
    for excerpt in excerpts {
        // Writing to a string does not fail.
        let _ = writeln!(message, "{} ({}):\n{}\n", excerpt.place(), excerpt.why, fenced(excerpt));
    }
    message.push_str(question.trim());
    message
}

fn fenced(excerpt: &Excerpt) -> String {
    super::code::fenced(excerpt.language, &excerpt.text)
}

#[cfg(test)]
mod tests;
