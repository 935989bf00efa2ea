//! Simulated typing without a clock: a typist looks at each suggestion and accepts it if its first line is right.
//!
//! `foretype evaluate` counts the keystrokes that suggestions save, and `foretype plugin check` how a plugin changes
//! that.

use std::sync::Arc;

use anyhow::Result;
use foretype_plugins::{Request, Trigger};
use serde::{Deserialize, Serialize};

use crate::completion::CompletionOutcome;
use crate::request_builder;

/// Effort of typing a text with suggestions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct TypingEffort {
    /// Characters of the text. A line break and the indentation after it count as one.
    pub characters: usize,
    /// Characters that came from accepted suggestions.
    pub suggested: usize,
    /// Key presses. Accepting a suggestion is one of them.
    pub keys: usize,
}

/// Types `expected` at the request's cursor. `complete` gets a request and the previous generations as drafts; it is
/// called at most once per key.
///
/// # Errors
/// If `complete` fails.
pub(crate) fn simulate_typing(
    mut request: Request,
    expected: &str,
    mut complete: impl FnMut(Request, Vec<String>) -> Result<CompletionOutcome>,
) -> Result<TypingEffort> {
    request.trigger = Trigger::Automatic;
    let mut generations: Vec<String> = Vec::new();
    accept_or_type(expected, |typed| {
        insert_at_cursor(&mut request, typed);
        let drafts = generations.iter().filter_map(|text| text.strip_prefix(typed)).map(str::to_owned).collect();
        let outcome = complete(request.clone(), drafts)?;
        request.window = outcome.prompt.window.clone().map(Arc::new);
        generations =
            outcome.suggestions.iter().map(|suggestion| suggestion.raw.clone()).chain(outcome.vetoed).collect();
        Ok(outcome.suggestions.into_iter().next().map(|suggestion| suggestion.text))
    })
}

/// Inserts text at the cursor and moves the cursor behind it.
fn insert_at_cursor(request: &mut Request, text: &str) {
    if !text.is_empty() {
        let new = [request.prefix(), text, request.suffix()].concat();
        request.document = Arc::new(request_builder::parse_document(request.document.path.clone(), new));
        request.cursor += text.len();
    }
}

/// `suggest` gets the text that was typed since its last call and returns a suggestion. It is not called while the
/// typed text follows the suggestion: an editor keeps showing the rest then.
fn accept_or_type(expected: &str, mut suggest: impl FnMut(&str) -> Result<Option<String>>) -> Result<TypingEffort> {
    let keys = keys(expected);
    let mut effort = TypingEffort { characters: keys.len(), ..TypingEffort::default() };
    let (mut position, mut typed, mut shown) = (0, String::new(), String::new());
    while position < keys.len() {
        if shown.is_empty() {
            shown = suggest(&typed)?.unwrap_or_default();
            typed.clear();
        }
        let accepted = accepted_keys(&shown, &keys[position..]);
        let count = accepted.max(1);
        let inserted = keys[position..position + count].concat();
        // An accepted suggestion is gone. The rest of one that was typed into stays visible.
        let rest = if accepted > 0 { None } else { shown.strip_prefix(&inserted) };
        shown = rest.unwrap_or_default().to_owned();
        typed += &inserted;
        effort.suggested += accepted;
        effort.keys += 1;
        position += count;
    }
    Ok(effort)
}

/// Splits a text into keys: its characters, but a line break includes the indentation after it.
fn keys(text: &str) -> Vec<&str> {
    let mut keys = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match rest.strip_prefix("\r\n").or(rest.strip_prefix('\n')) {
            Some(next_line) => rest.len() - next_line.trim_start_matches([' ', '\t']).len(),
            None => first.len_utf8(),
        };
        let (key, left) = rest.split_at(length);
        keys.push(key);
        rest = left;
    }
    keys
}

/// Number of the coming keys that the first line of a suggestion replaces. Zero if it is wrong or ends inside a word.
fn accepted_keys(shown: &str, keys: &[&str]) -> usize {
    let lead = shown.len() - shown.trim_start().len();
    let line = shown[lead..].find('\n').map_or(shown, |end| &shown[..lead + end]).trim_end();
    let (mut length, mut count) = (0, 0);
    while length < line.len() {
        let Some(key) = keys.get(count) else { return 0 };
        if !line[length..].starts_with(key) {
            return 0;
        }
        length += key.len();
        count += 1;
    }
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let ends_inside_word = line.ends_with(is_word) && keys.get(count).is_some_and(|key| key.starts_with(is_word));
    if ends_inside_word { 0 } else { count }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Types a text with suggestions that are keyed by the text before the cursor. Returns the effort and the texts for
    /// which a suggestion was requested.
    fn typed(expected: &str, suggestions: &[(&str, &str)]) -> (TypingEffort, Vec<String>) {
        let (mut before, mut requested) = (String::new(), Vec::new());
        let typing = accept_or_type(expected, |typed| {
            before += typed;
            requested.push(before.clone());
            Ok(suggestions.iter().find(|(place, _)| *place == before).map(|(_, text)| (*text).to_owned()))
        });
        (typing.expect("no model that could fail"), requested)
    }

    #[test]
    fn a_right_suggestion_costs_one_key() {
        let (typing, requested) = typed("return x", &[("re", "turn x")]);
        assert_eq!(typing, TypingEffort { characters: 8, suggested: 6, keys: 3 });
        assert_eq!(requested, ["", "r", "re"]);
    }

    #[test]
    fn typing_along_a_suggestion_requests_no_new_one() {
        let (typing, requested) = typed("return x", &[("", "return y"), ("return x", "never")]);
        assert_eq!(typing, TypingEffort { characters: 8, suggested: 0, keys: 8 });
        assert_eq!(requested, [""], "the wrong end shows only at the last key");
    }

    #[test]
    fn only_the_first_line_is_accepted_and_line_breaks_include_indentation() {
        let (typing, _) =
            typed("\n    a = 1\n    b = 2", &[("", "\n    a = 1\n    c = 3"), ("\n    a = 1", "\n    b = 2")]);
        assert_eq!(typing, TypingEffort { characters: 12, suggested: 12, keys: 2 });
    }

    #[test]
    fn a_suggestion_that_ends_inside_a_word_is_rejected() {
        assert_eq!(typed("value_sum", &[("", "value")]).0.suggested, 0);
        assert_eq!(typed("value.sum", &[("", "value")]).0.suggested, 5);
        assert_eq!(typed("größe", &[("g", "röße")]).0, TypingEffort { characters: 5, suggested: 4, keys: 2 });
    }
}
