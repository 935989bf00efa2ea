//! The orders in which a prompt can be sent to llama-server.
//!
//! `Infill` is llama.vim's protocol: the lines around the cursor go to `/infill`, which puts them into the order prefix,
//! suffix, middle, so that the suffix moves with each key. `Middle` is Foretype's order, sent to `/completion`: prefix and
//! suffix are frozen at an anchor, and what was typed since stands after the middle marker.

use foretype_plugins::prompt::FimFormat;
use serde_json::{Value, json};

use super::super::simulated_editor::SimulatedEditor;
use super::completion_cache::CursorContext;

/// Lines before and after the cursor's line, and tokens at most, as llama.vim has them.
const MAX_CONTEXT_LINES: (usize, usize) = (256, 64);
const MAX_TOKENS: usize = 128;
/// Bytes of prefix, suffix and middle: what Foretype's default of 2048 tokens leaves for them.
const MAX_CONTEXT_BYTES: (usize, usize, usize) = (2548, 849, 1132);
/// Lines above the cursor at which the anchor is set.
const ANCHOR_DISTANCE_LINES: usize = 8;

/// A prompt's order and what it has to remember.
#[derive(Debug, Clone)]
pub(super) enum PromptOrder {
    /// llama.vim's.
    Infill,
    /// Foretype's, with the markers of the model and the last anchor.
    Middle(&'static FimFormat, Option<Anchor>),
}

/// Frozen text around the place where the typist is at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Anchor {
    file: usize,
    /// Byte offset.
    at: usize,
    before: String,
    after: String,
}

/// A request that could be sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct CompletionRequest {
    pub(super) path: &'static str,
    pub(super) body: Value,
    pub(super) context: CursorContext,
    /// White space of the line that an answer may repeat.
    pub(super) indent: usize,
    /// The rest of the line right of the cursor.
    pub(super) right_of_cursor: String,
    /// Whether the answer replaces that.
    pub(super) replaces_right: bool,
}

impl PromptOrder {
    /// The request for the cursor's place. All are greedy, end at the line's end and stream.
    pub(super) fn request(&mut self, desk: &SimulatedEditor) -> CompletionRequest {
        let mut ask = match self {
            Self::Infill => infill_request(desk),
            Self::Middle(format, anchor) => middle_request(desk, format, anchor),
        };
        let same = json!({
            "n_predict": MAX_TOKENS, "temperature": 0.0, "top_k": 1, "samplers": ["top_k"], "stop": ["\n"],
            "stream": true, "cache_prompt": true,
        });
        if let (Value::Object(body), Value::Object(same)) = (&mut ask.body, same) {
            body.extend(same);
        }
        desk.right_of_cursor().clone_into(&mut ask.right_of_cursor);
        ask
    }
}

fn infill_request(desk: &SimulatedEditor) -> CompletionRequest {
    let (before, after) = desk.text().split_at(desk.cursor());
    let line = before.rfind('\n').map_or(0, |at| at + 1);
    let (above, mut typed) = before.split_at(line);
    let (mut right, below) = after.split_at(after.find('\n').unwrap_or(after.len()));
    let mut indent = typed.len() - typed.trim_start().len();
    // A line of white space is completed from its beginning.
    let blank = typed.trim().is_empty() && right.trim().is_empty();
    if blank {
        (typed, right) = ("", "");
    }
    let start = above.rmatch_indices('\n').nth(MAX_CONTEXT_LINES.0).map_or(0, |(at, _)| at + 1);
    let end = below.match_indices('\n').nth(MAX_CONTEXT_LINES.1).map_or(below.len(), |(at, _)| at + 1);
    let (prefix, suffix) = (&above[start..], [right, &below[..end]].concat());
    let body = json!({
        "input_prefix": prefix, "input_suffix": suffix, "input_extra": [], "prompt": typed,
        "n_indent": if blank { 0 } else { indent }, "t_max_prompt_ms": 500, "t_max_predict_ms": 250,
    });
    indent = if blank { indent } else { 0 };
    let place = CursorContext { before: [prefix, typed].concat(), after: suffix };
    CompletionRequest { path: "/infill", body, context: place, indent, ..CompletionRequest::default() }
}

fn middle_request(desk: &SimulatedEditor, format: &FimFormat, kept: &mut Option<Anchor>) -> CompletionRequest {
    let (before, mut after) = desk.text().split_at(desk.cursor());
    let right = desk.right_of_cursor();
    // What an editor closes by itself stays out of the suffix and is written again.
    let replaces = !right.is_empty() && right.chars().all(|mark| ")]}>\"'`;,: ".contains(mark));
    if replaces {
        after = &after[right.len()..];
    }
    let anchor = match kept.take().filter(|anchor| anchor.is_reusable(desk.file(), before, after)) {
        Some(anchor) => anchor,
        None => Anchor::set(desk.file(), before, after),
    };
    let typed = &before[anchor.at..];
    let marker = format.middle.unwrap_or_default();
    let (own, rest) = ([format.prefix, &anchor.before], [format.suffix, &anchor.after]);
    let parts = if format.suffix_first { [rest, own] } else { [own, rest] };
    let prompt = [&parts.concat().concat(), marker, typed].concat();
    let place = CursorContext { before: before.to_owned(), after: after.to_owned() };
    let ask = CompletionRequest { path: "/completion", body: json!({ "prompt": prompt }), context: place, replaces_right: replaces, ..CompletionRequest::default() };
    *kept = Some(anchor);
    ask
}

impl Anchor {
    /// Whether nothing outside anchor and cursor has changed, and the text between is not too long.
    fn is_reusable(&self, file: usize, before: &str, after: &str) -> bool {
        let above = before.get(..self.at).is_some_and(|above| above.ends_with(&self.before));
        file == self.file && above && before.len() - self.at <= MAX_CONTEXT_BYTES.2 && after.starts_with(&self.after)
    }

    fn set(file: usize, before: &str, after: &str) -> Self {
        let lines = before.rmatch_indices('\n').map(|(at, _)| at + 1);
        let near = lines.take(ANCHOR_DISTANCE_LINES).take_while(|at| before.len() - at <= MAX_CONTEXT_BYTES.2 / 2).last();
        let at = if before.matches('\n').count() < ANCHOR_DISTANCE_LINES { 0 } else { near.unwrap_or(before.len()) };
        let start = floor(before, at.saturating_sub(MAX_CONTEXT_BYTES.0));
        let end = floor(after, MAX_CONTEXT_BYTES.1.min(after.len()));
        Self { file, at, before: before[start..at].to_owned(), after: after[..end].to_owned() }
    }
}

/// The nearest character border at or below.
fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use foretype::trace::{TraceFile, TypingSegment};
    use super::*;

    fn desk(text: &str, offset: usize, keys: &[&str]) -> SimulatedEditor {
        let mut desk = SimulatedEditor::new(&[TraceFile { path: "a.rs".into(), text: text.into() }]);
        let keys: Vec<_> = keys.iter().map(|key| (1, (*key).to_owned())).collect();
        desk.move_to(&TypingSegment { file: 0, offset, delay_ms: 0, accepts_suggestions: true, keys: keys.clone() });
        keys.iter().for_each(|(_, key)| drop(desk.press(key, false)));
        desk
    }

    fn prompt(order: &mut PromptOrder, desk: &SimulatedEditor) -> String {
        order.request(desk).body["prompt"].as_str().expect("a prompt").to_owned()
    }

    #[test]
    fn infill_sends_lines_around_and_the_typed_part_of_the_line() {
        let ask = PromptOrder::Infill.request(&desk("a\n  b\nc\n", 5, &[" ", "="]));
        assert_eq!((&ask.body["input_prefix"], &ask.body["prompt"]), (&json!("a\n"), &json!("  b =")));
        assert_eq!((&ask.body["input_suffix"], &ask.body["n_indent"]), (&json!("\nc\n"), &json!(2)));
    }

    #[test]
    fn a_line_of_white_space_is_completed_from_its_beginning() {
        let ask = PromptOrder::Infill.request(&desk("a\nc\n", 1, &["\n    "]));
        assert_eq!((&ask.body["prompt"], ask.indent), (&json!(""), 4));
        assert_eq!(ask.context.before, "a\n");
    }

    #[test]
    fn typing_only_appends_to_the_prompt_after_the_middle_marker() {
        let format = &foretype_plugins::prompt::FORMATS[0];
        let text = "line\n".repeat(40);
        let mut order = PromptOrder::Middle(format, None);
        let first = prompt(&mut order, &desk(&text, 99, &["f"]));
        let second = prompt(&mut order, &desk(&text, 99, &["f", "(", "x", "y"]));
        assert_eq!(second, first.clone() + "(xy");
        assert!(first.contains("<|fim_suffix|>\nline\n"), "{first}");
        let elsewhere = prompt(&mut order, &desk(&text, 149, &["f"]));
        assert_ne!(elsewhere, first);
    }

    #[test]
    fn marks_that_the_editor_put_there_are_replaced() {
        let format = &foretype_plugins::prompt::FORMATS[0];
        let ask = PromptOrder::Middle(format, None).request(&desk("a\n", 1, &["f", "(", "x", ")"][..]));
        assert!(!ask.replaces_right);
        let mut open = desk("a\n", 1, &["f", "(", ")"]);
        open.move_to(&TypingSegment { file: 0, offset: 3, delay_ms: 0, accepts_suggestions: true, keys: Vec::new() });
        let ask = PromptOrder::Middle(format, None).request(&open);
        assert!(ask.replaces_right && ask.context.after == "\n", "{ask:?}");
    }
}
