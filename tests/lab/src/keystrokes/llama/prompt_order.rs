//! Orders of the prompt that can be sent to llama-server.
//!
//! `Infill` is llama.vim's protocol: the lines around the cursor go to `/infill`, which orders them as prefix, suffix,
//! middle, so that the suffix moves with each key. `Middle` is Foretype's anchored order, sent to `/completion`: prefix
//! and suffix are frozen at an anchor, and the text typed since then follows the middle marker.

use foretype_plugins::fim_format::FimFormat;
use serde_json::{Value, json};

use super::super::simulated_editor::SimulatedEditor;
use super::completion_cache::CursorContext;

/// llama.vim's limit for lines before the cursor's line.
const MAX_LINES_BEFORE: usize = 256;
/// llama.vim's limit for lines after the cursor's line.
const MAX_LINES_AFTER: usize = 64;
/// llama.vim's limit for generated tokens.
const MAX_TOKENS: usize = 128;
/// Byte limits of the anchored order, as Foretype's default of 2048 prompt tokens gives them.
const MAX_PREFIX_BYTES: usize = 2548;
const MAX_SUFFIX_BYTES: usize = 849;
const MAX_MIDDLE_BYTES: usize = 1132;
/// Lines between a new anchor and the cursor.
const ANCHOR_DISTANCE_LINES: usize = 8;
/// Marks that an editor inserts automatically.
const AUTO_CLOSED_MARKS: &str = ")]}>\"'`;,: ";

/// A prompt order and its state.
#[derive(Debug, Clone)]
pub(super) enum PromptOrder {
    /// llama.vim's order.
    Infill,
    /// Foretype's order, with the markers of the model and the last anchor.
    Middle(&'static FimFormat, Option<Anchor>),
}

/// Frozen text around the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Anchor {
    file: usize,
    /// Byte offset of the anchor.
    offset: usize,
    before: String,
    after: String,
}

/// A request to llama-server.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct CompletionRequest {
    pub(super) path: &'static str,
    pub(super) body: Value,
    pub(super) context: CursorContext,
    /// Bytes of indentation that the answer may repeat.
    pub(super) indent: usize,
    /// Rest of the line right of the cursor.
    pub(super) right_of_cursor: String,
    /// True if the answer replaces the rest of the line.
    pub(super) replaces_right: bool,
}

impl PromptOrder {
    /// Request at the cursor. All requests are greedy, stop at the end of the line and stream.
    pub(super) fn request(&mut self, editor: &SimulatedEditor) -> CompletionRequest {
        let mut request = match self {
            Self::Infill => infill_request(editor),
            Self::Middle(format, anchor) => middle_request(editor, format, anchor),
        };
        let common = json!({
            "n_predict": MAX_TOKENS, "temperature": 0.0, "top_k": 1, "samplers": ["top_k"], "stop": ["\n"],
            "stream": true, "cache_prompt": true,
        });
        if let (Value::Object(body), Value::Object(common)) = (&mut request.body, common) {
            body.extend(common);
        }
        editor.right_of_cursor().clone_into(&mut request.right_of_cursor);
        request
    }
}

fn infill_request(editor: &SimulatedEditor) -> CompletionRequest {
    let (before, after) = editor.text().split_at(editor.cursor());
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let (above, mut typed) = before.split_at(line_start);
    let (mut right, below) = after.split_at(after.find('\n').unwrap_or(after.len()));
    let line_indent = typed.len() - typed.trim_start().len();
    // A line of white space is completed from its start, and the answer repeats the indentation.
    let is_blank = typed.trim().is_empty() && right.trim().is_empty();
    if is_blank {
        (typed, right) = ("", "");
    }
    let start = above.rmatch_indices('\n').nth(MAX_LINES_BEFORE).map_or(0, |(at, _)| at + 1);
    let end = below.match_indices('\n').nth(MAX_LINES_AFTER).map_or(below.len(), |(at, _)| at + 1);
    let (prefix, suffix) = (&above[start..], [right, &below[..end]].concat());
    let body = json!({
        "input_prefix": prefix, "input_suffix": suffix, "input_extra": [], "prompt": typed,
        "n_indent": if is_blank { 0 } else { line_indent }, "t_max_prompt_ms": 500, "t_max_predict_ms": 250,
    });
    let indent = if is_blank { line_indent } else { 0 };
    let context = CursorContext { before: [prefix, typed].concat(), after: suffix };
    CompletionRequest { path: "/infill", body, context, indent, ..CompletionRequest::default() }
}

fn middle_request(editor: &SimulatedEditor, format: &FimFormat, last_anchor: &mut Option<Anchor>) -> CompletionRequest {
    let (before, mut after) = editor.text().split_at(editor.cursor());
    let right = editor.right_of_cursor();
    // Marks that the editor has closed automatically stay out of the suffix, and the answer writes them again.
    let replaces_right = !right.is_empty() && right.chars().all(|mark| AUTO_CLOSED_MARKS.contains(mark));
    if replaces_right {
        after = &after[right.len()..];
    }
    let anchor = match last_anchor.take() {
        Some(anchor) if anchor.is_reusable(editor.file(), before, after) => anchor,
        _ => Anchor::new(editor.file(), before, after),
    };
    let typed = &before[anchor.offset..];
    let marker = format.middle.unwrap_or_default();
    let (prefix, suffix) = ([format.prefix, &anchor.before], [format.suffix, &anchor.after]);
    let parts = if format.suffix_first { [suffix, prefix] } else { [prefix, suffix] };
    let prompt = [&parts.concat().concat(), marker, typed].concat();
    let context = CursorContext { before: before.to_owned(), after: after.to_owned() };
    *last_anchor = Some(anchor);
    CompletionRequest {
        path: "/completion",
        body: json!({ "prompt": prompt }),
        context,
        replaces_right,
        ..CompletionRequest::default()
    }
}

impl Anchor {
    /// Returns true if only the text between anchor and cursor has changed, and that text is not too long.
    fn is_reusable(&self, file: usize, before: &str, after: &str) -> bool {
        let keeps_prefix = before.get(..self.offset).is_some_and(|prefix| prefix.ends_with(&self.before));
        file == self.file
            && keeps_prefix
            && before.len() - self.offset <= MAX_MIDDLE_BYTES
            && after.starts_with(&self.after)
    }

    /// Sets an anchor some lines above the cursor.
    fn new(file: usize, before: &str, after: &str) -> Self {
        let line_starts = before.rmatch_indices('\n').map(|(at, _)| at + 1).take(ANCHOR_DISTANCE_LINES);
        let near_starts = line_starts.take_while(|start| before.len() - start <= MAX_MIDDLE_BYTES / 2);
        let is_near_top = before.matches('\n').count() < ANCHOR_DISTANCE_LINES;
        let offset = if is_near_top { 0 } else { near_starts.last().unwrap_or(before.len()) };
        let start = before.floor_char_boundary(offset.saturating_sub(MAX_PREFIX_BYTES));
        let end = after.floor_char_boundary(MAX_SUFFIX_BYTES);
        Self { file, offset, before: before[start..offset].to_owned(), after: after[..end].to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use foretype::trace::{TraceFile, TypingSegment};

    use super::*;

    fn editor(text: &str, offset: usize, keys: &[&str]) -> SimulatedEditor {
        let mut editor = SimulatedEditor::new(&[TraceFile { path: "a.rs".into(), text: text.into() }]);
        let keys: Vec<_> = keys.iter().map(|key| (1, (*key).to_owned())).collect();
        editor.move_to(&TypingSegment { file: 0, offset, delay_ms: 0, accepts_suggestions: true, keys: keys.clone() });
        for (_, key) in &keys {
            editor.press(key, false);
        }
        editor
    }

    fn prompt(order: &mut PromptOrder, editor: &SimulatedEditor) -> String {
        order.request(editor).body["prompt"].as_str().expect("a prompt").to_owned()
    }

    #[test]
    fn infill_sends_the_lines_around_and_the_typed_part_of_the_line() {
        let request = PromptOrder::Infill.request(&editor("a\n  b\nc\n", 5, &[" ", "="]));
        assert_eq!((&request.body["input_prefix"], &request.body["prompt"]), (&json!("a\n"), &json!("  b =")));
        assert_eq!((&request.body["input_suffix"], &request.body["n_indent"]), (&json!("\nc\n"), &json!(2)));
    }

    #[test]
    fn a_line_of_white_space_is_completed_from_its_start() {
        let request = PromptOrder::Infill.request(&editor("a\nc\n", 1, &["\n    "]));
        assert_eq!((&request.body["prompt"], request.indent), (&json!(""), 4));
        assert_eq!(request.context.before, "a\n");
    }

    #[test]
    fn typing_only_appends_to_the_prompt_after_the_middle_marker() {
        let format = &foretype_plugins::fim_format::FIM_FORMATS[0];
        let text = "line\n".repeat(40);
        let mut order = PromptOrder::Middle(format, None);
        let first = prompt(&mut order, &editor(&text, 99, &["f"]));
        let second = prompt(&mut order, &editor(&text, 99, &["f", "(", "x", "y"]));
        assert_eq!(second, first.clone() + "(xy");
        assert!(first.contains("<|fim_suffix|>\nline\n"), "{first}");
        let elsewhere = prompt(&mut order, &editor(&text, 149, &["f"]));
        assert_ne!(elsewhere, first);
    }

    #[test]
    fn automatically_closed_marks_are_replaced() {
        let format = &foretype_plugins::fim_format::FIM_FORMATS[0];
        let request = PromptOrder::Middle(format, None).request(&editor("a\n", 1, &["f", "(", "x", ")"][..]));
        assert!(!request.replaces_right);
        let mut open = editor("a\n", 1, &["f", "(", ")"]);
        open.move_to(&TypingSegment { file: 0, offset: 3, delay_ms: 0, accepts_suggestions: true, keys: Vec::new() });
        let request = PromptOrder::Middle(format, None).request(&open);
        assert!(request.replaces_right && request.context.after == "\n", "{request:?}");
    }
}
