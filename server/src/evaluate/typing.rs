//! Types what is expected, without a clock: whoever types looks at each suggestion, and takes it when its first line is
//! right. So evaluation counts what suggestions save, and `foretype plugin check` what a plugin changes about that.

use std::sync::Arc;

use anyhow::Result;
use foretype_plugins::{Request, Trigger};
use serde::{Deserialize, Serialize};

use crate::request_builder;
use crate::completion::{self, Outcome};

/// What came of typing the expected text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct TypingEffort {
    /// Characters to write; a line end and the indentation below it are one.
    pub characters: usize,
    /// Of these, characters that came from accepted suggestions.
    pub suggested: usize,
    /// Keys that were pressed, one for each accepted suggestion among them.
    pub keys: usize,
}

/// Types `expected` at the request's cursor. `complete` is asked with what the model wrote last as its drafts, at most once
/// for each key.
pub fn simulate_typing(
    mut request: Request,
    expected: &str,
    mut complete: impl FnMut(Request, Vec<String>) -> Result<Outcome>,
) -> Result<TypingEffort> {
    request.trigger = Trigger::Automatic;
    let mut raw = Vec::new();
    accept_or_type(expected, |typed| {
        insert_at_cursor(&mut request, typed);
        let drafts = raw.iter().filter_map(|text: &String| text.strip_prefix(typed)).map(str::to_owned).collect();
        let outcome = complete(request.clone(), drafts)?;
        request.window = outcome.prompt.window.clone().map(Arc::new);
        raw = outcome.suggestions.iter().map(|suggestion| suggestion.raw.clone()).chain(outcome.vetoed).collect();
        Ok(outcome.suggestions.into_iter().next().map(|suggestion| suggestion.text))
    })
}

/// Puts text at the cursor.
fn insert_at_cursor(request: &mut Request, text: &str) {
    if !text.is_empty() {
        let new = [request.before(), text, request.after()].concat();
        request.document = Arc::new(request_builder::parse_document(request.document.path.clone(), new));
        request.cursor += text.len();
    }
}

/// `ask` is told what was typed since it was asked last, and gives the suggestion. It is not asked while what is typed is
/// what it suggested: an editor then goes on showing the rest.
fn accept_or_type(expected: &str, mut ask: impl FnMut(&str) -> Result<Option<String>>) -> Result<TypingEffort> {
    let keys = keys(expected);
    let mut typing = TypingEffort { characters: keys.len(), ..TypingEffort::default() };
    let (mut at, mut typed, mut shown) = (0, String::new(), String::new());
    while at < keys.len() {
        if shown.is_empty() {
            shown = ask(&typed)?.unwrap_or_default();
            typed.clear();
        }
        let right = accepted_keys(&shown, &keys[at..]);
        let written = keys[at..at + right.max(1)].concat();
        let taken = if right > 0 { None } else { shown.strip_prefix(&written) };
        shown = taken.unwrap_or_default().to_owned();
        typed += &written;
        typing.suggested += right;
        typing.keys += 1;
        at += right.max(1);
    }
    Ok(typing)
}

/// The keys that write a text: its characters, but a line end brings the indentation below it along.
fn keys(text: &str) -> Vec<&str> {
    let mut keys = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let blank = |text: &str| text.len() - text.trim_start_matches([' ', '\t']).len();
        let length = match rest.strip_prefix("\r\n").or(rest.strip_prefix('\n')) {
            Some(below) => rest.len() - below.len() + blank(below),
            None => first.len_utf8(),
        };
        let (key, left) = rest.split_at(length);
        keys.push(key);
        rest = left;
    }
    keys
}

/// How many of the keys to come the first line of a suggestion spares; none if it is wrong or ends inside a word.
fn accepted_keys(shown: &str, keys: &[&str]) -> usize {
    let ink = shown.len() - shown.trim_start().len();
    let line = shown[ink..].find('\n').map_or(shown, |end| &shown[..ink + end]).trim_end();
    let (mut length, mut count) = (0, 0);
    while length < line.len() {
        let Some(key) = keys.get(count).filter(|key| line[length..].starts_with(**key)) else { return 0 };
        length += key.len();
        count += 1;
    }
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let inside = line.ends_with(word) && keys.get(count).is_some_and(|key| key.starts_with(word));
    if inside { 0 } else { count }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Types a text; the suggestions belong to what stands before the cursor. Says what came of it and when it was asked.
    fn typed(expected: &str, suggestions: &[(&str, &str)]) -> (TypingEffort, Vec<String>) {
        let (mut before, mut asked) = (String::new(), Vec::new());
        let typing = accept_or_type(expected, |typed| {
            before += typed;
            asked.push(before.clone());
            Ok(suggestions.iter().find(|(place, _)| *place == before).map(|(_, text)| (*text).to_owned()))
        });
        (typing.expect("no model that could fail"), asked)
    }

    #[test]
    fn a_right_suggestion_costs_one_key() {
        let (typing, asked) = typed("return x", &[("re", "turn x")]);
        assert_eq!(typing, TypingEffort { characters: 8, suggested: 6, keys: 3 });
        assert_eq!(asked, ["", "r", "re"]);
    }

    #[test]
    fn while_the_suggestion_is_typed_nobody_is_asked() {
        let (typing, asked) = typed("return x", &[("", "return y"), ("return x", "never")]);
        assert_eq!(typing, TypingEffort { characters: 8, suggested: 0, keys: 8 });
        assert_eq!(asked, [""], "the wrong end shows only at the last key");
    }

    #[test]
    fn the_first_line_is_taken_alone_and_line_ends_bring_their_indentation() {
        let (typing, _) =
            typed("\n    a = 1\n    b = 2", &[("", "\n    a = 1\n    c = 3"), ("\n    a = 1", "\n    b = 2")]);
        assert_eq!(typing, TypingEffort { characters: 12, suggested: 12, keys: 2 });
    }

    #[test]
    fn what_ends_inside_a_word_is_not_right() {
        assert_eq!(typed("value_sum", &[("", "value")]).0.suggested, 0);
        assert_eq!(typed("value.sum", &[("", "value")]).0.suggested, 5);
        assert_eq!(typed("größe", &[("g", "röße")]).0, TypingEffort { characters: 5, suggested: 4, keys: 2 });
    }
}
