//! Why a plugin was stopped, with the line.

use std::time::Duration;

use super::deadline::OVERTIME_MESSAGE;

/// Bytes of a plugin's own message that are kept.
const MAX_MESSAGE_BYTES: usize = 400;

/// What went wrong in a plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {message}", line.map_or_else(String::new, |line| format!(":{line}")))]
pub struct PluginFault {
    /// The plugin's file.
    pub file: String,
    /// The line in it, counted from 1, if it is known.
    pub line: Option<u32>,
    /// What went wrong and what to do.
    pub message: String,
}

impl PluginFault {
    /// Of the file itself rather than a line of it.
    pub fn in_file(file: &str, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: None, message: message.into() }
    }

    pub(super) fn from_error(file: &str, error: &mlua::Error) -> Self {
        let text = error.to_string();
        let line = first_line_in(&text, file);
        let message = match root_cause(error) {
            mlua::Error::MemoryError(_) => "it used more memory than its limit".to_owned(),
            cause => bare_message(&cause.to_string(), file),
        };
        Self { file: file.to_owned(), line, message }
    }

    /// With the limit of a call that took too long, and the option that sets it.
    pub(super) fn with_call_limit(self, (limit, option): (Duration, &str)) -> Self {
        if !self.is_overtime() {
            return self;
        }
        let limit = limit.as_millis();
        Self { message: format!("it took longer than {limit} ms (option {option})"), ..self }
    }

    /// With the limit for a file that took too long to load, which no option sets.
    pub(super) fn with_load_limit(self, limit: Duration) -> Self {
        if !self.is_overtime() {
            return self;
        }
        Self { message: format!("loading it took longer than {} ms", limit.as_millis()), ..self }
    }

    /// Whether it was only slow, which a busy machine can make of any plugin.
    pub(super) fn is_overtime(&self) -> bool {
        self.message == OVERTIME_MESSAGE
    }
}

/// The innermost cause, without the traces that were added on the way.
fn root_cause(error: &mlua::Error) -> &mlua::Error {
    match error {
        mlua::Error::CallbackError { cause: inner, .. } | mlua::Error::WithContext { cause: inner, .. } => {
            root_cause(inner)
        }
        error => error,
    }
}

/// The first line of `file` that a message or trace names.
fn first_line_in(text: &str, file: &str) -> Option<u32> {
    text.match_indices(file).find_map(|(at, _)| {
        let rest = text[at + file.len()..].strip_prefix(':')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..digits].parse().ok()
    })
}

/// The message without the kind of error and the place that stand before it, and without what follows its first lines.
fn bare_message(text: &str, file: &str) -> String {
    let text = ["runtime error: ", "syntax error: "].iter().find_map(|kind| text.strip_prefix(kind)).unwrap_or(text);
    let place = text.strip_prefix(file).and_then(|rest| rest.strip_prefix(':'));
    let text = place.map_or(text, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches(':'));
    let text = text.split("\nstack traceback:").next().unwrap_or(text).trim();
    text[..text.floor_char_boundary(MAX_MESSAGE_BYTES)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_keeps_its_line_and_loses_what_stands_before_it() {
        let error = mlua::Error::RuntimeError("a.luau:12: no such thing\nstack traceback:\na.luau:3".to_owned());
        let fault = PluginFault::from_error("a.luau", &error);
        assert_eq!((fault.line, fault.message.as_str()), (Some(12), "no such thing"));
        assert_eq!(fault.to_string(), "a.luau:12: no such thing");
    }
}
