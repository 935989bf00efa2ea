//! Faults of plugins, with file and line.

use std::time::Duration;

use super::deadline::OVERTIME_MESSAGE;

/// Bytes of a plugin's error message that are kept.
const MAX_MESSAGE_BYTES: usize = 400;

/// Failure of a plugin, or a limit that it exceeded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {message}", line.map_or_else(String::new, |line| format!(":{line}")))]
pub struct PluginFault {
    /// Name of the plugin's file.
    pub file: String,
    /// Line in the file, from 1, if it is known.
    pub line: Option<u32>,
    /// Fault and remedy.
    pub message: String,
}

impl PluginFault {
    /// Returns a fault of a file without a line.
    pub(crate) fn in_file(file: &str, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: None, message: message.into() }
    }

    /// Returns the fault that an error of the virtual machine describes.
    pub(super) fn from_error(file: &str, error: &mlua::Error) -> Self {
        let text = error.to_string();
        let line = first_line_in(&text, file);
        let message = match root_cause(error) {
            mlua::Error::MemoryError(_) => "it used more memory than its limit".to_owned(),
            other => bare_message(&other.to_string(), file),
        };
        Self { file: file.to_owned(), line, message }
    }

    /// Adds the limit of a call that took too long, and the option that sets it.
    pub(super) fn with_call_limit(self, (limit, option): (Duration, &str)) -> Self {
        if !self.is_overtime() {
            return self;
        }
        let limit = limit.as_millis();
        Self { message: format!("it took longer than {limit} ms (option {option})"), ..self }
    }

    /// Adds the limit for a file that took too long to load, which no option sets.
    pub(super) fn with_load_limit(self, limit: Duration) -> Self {
        if !self.is_overtime() {
            return self;
        }
        Self { message: format!("loading it took longer than {} ms", limit.as_millis()), ..self }
    }

    /// Returns true if a call was only slow, which a busy machine can cause.
    pub(super) fn is_overtime(&self) -> bool {
        self.message == OVERTIME_MESSAGE
    }
}

/// Returns the innermost cause of an error, without the traces that were added to it.
fn root_cause(error: &mlua::Error) -> &mlua::Error {
    match error {
        mlua::Error::CallbackError { cause: inner, .. } | mlua::Error::WithContext { cause: inner, .. } => {
            root_cause(inner)
        }
        error => error,
    }
}

/// Returns the first line of `file` that a message or a trace names.
fn first_line_in(text: &str, file: &str) -> Option<u32> {
    text.match_indices(file).find_map(|(at, _)| {
        let rest = text[at + file.len()..].strip_prefix(':')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..digits].parse().ok()
    })
}

/// Returns a message without the kind of the error and the position before it, and without the trace after it.
fn bare_message(text: &str, file: &str) -> String {
    let text = ["runtime error: ", "syntax error: "].iter().find_map(|kind| text.strip_prefix(kind)).unwrap_or(text);
    let after_file = text.strip_prefix(file).and_then(|rest| rest.strip_prefix(':'));
    let text = match after_file {
        Some(rest) => rest.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches(':'),
        None => text,
    };
    let text = text.split("\nstack traceback:").next().unwrap_or(text).trim();
    text[..text.floor_char_boundary(MAX_MESSAGE_BYTES)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_position_in_a_message_becomes_the_line_of_the_fault() {
        let error = mlua::Error::RuntimeError("a.luau:12: no such thing\nstack traceback:\na.luau:3".to_owned());
        let fault = PluginFault::from_error("a.luau", &error);
        assert_eq!((fault.line, fault.message.as_str()), (Some(12), "no such thing"));
        assert_eq!(fault.to_string(), "a.luau:12: no such thing");
    }
}
