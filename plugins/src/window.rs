//! Anchored FIM (fill-in-the-middle): a prompt layout in which a keystroke only appends to the last prompt.
//!
//! The usual order puts all text left of the cursor before the suffix. Each key then changes the prefix, so a KV cache
//! is valid only up to the cursor, and the whole suffix is prefilled again. Here the prefix ends at an *anchor*, a line
//! start a few lines above the cursor. Prefix and suffix are frozen there, and the text between anchor and cursor (the
//! *middle*) follows the middle marker, where the model's own answer continues it:
//!
//! ```text
//! <|fim_prefix|> text before the anchor <|fim_suffix|> text after the cursor <|fim_middle|> text since the anchor ▁
//! └────────────────────────────── Window, frozen ──────────────────────────────────────┘ └─ one key adds one token
//! ```
//!
//! A [`Window`] is everything before the middle. The prompt of one request returns its window, and the next
//! request for the document carries it. While [`reuse`] succeeds, the new prompt is the last one plus the text typed
//! since, so the engine's prefix cache covers all but one or two tokens. Three properties keep a window reusable:
//!
//! * Closing brackets and quotes that editors insert right of the cursor are left out of the suffix (`visible_suffix`),
//!   so an automatic `)` does not change it.
//! * Edits above the window move the anchor with the text instead of invalidating it.
//! * A new window starts where the last one did as long as the budget allows, so re-anchoring keeps the cached prefix.
//!
//! The anchor moves when the middle outgrows its budget or the text around it changes. [`should_reanchor`] tells the
//! server to do so early, while the user is idle. A slow machine may start from a *reduced* window, which shows only
//! the text nearest to the cursor, and replace it later by one that uses the whole budget.
//!
//! Tokens do not end where text does: the last token of the middle is usually incomplete. Such prompts ask for token
//! healing ([`Prompt::heal`](crate::Prompt::heal)).

use crate::prompt::Window;
use crate::request::{PromptOrder, Request};
use crate::text::whole_lines_len;

/// Distance from the cursor line up to a new anchor, in lines.
const ANCHOR_LINES_ABOVE_CURSOR: usize = 8;

/// Characters that editors insert right of the cursor while the user types. A rest of line made only of these stays out
/// of the suffix.
const CLOSING_CHARS: &[char] = &[')', ']', '}', '"', '\'', '`', '>', ';', ',', ':', ' ', '\t'];
/// Bytes by which a suffix that was cut at a line end may fall short of its budget and still be reused.
const SUFFIX_SLACK_BYTES: usize = 400;
/// Length of the text by which a window's beginning or end is found again in an edited document, in bytes.
const LANDMARK_BYTES: usize = 200;

/// The text right of the cursor as a prompt shows it: without a rest of line made only of closing characters.
pub(crate) fn visible_suffix(request: &Request) -> &str {
    without_closers(request.suffix())
}

/// `suffix` without its first line if that line has only closing characters; the line end stays.
pub(crate) fn without_closers(suffix: &str) -> &str {
    let line_len = suffix.find('\n').unwrap_or(suffix.len());
    let only_closers = suffix[..line_len].chars().all(|c| CLOSING_CHARS.contains(&c));
    if only_closers { &suffix[line_len..] } else { suffix }
}

/// The window of the last prompt if this request's prompt can extend it, with its anchor at the present offset.
pub(crate) fn reuse(request: &Request) -> Option<Window> {
    let anchor = locate_anchor(request)?;
    Some(Window { anchor, ..request.window.as_deref()?.clone() })
}

/// Returns true if this request's prompt can extend the last one.
pub fn is_reusable(request: &Request) -> bool {
    locate_anchor(request).is_some()
}

/// The present offset of the last window's anchor; `None` if the window no longer matches the document, has expired or
/// has no room for more text after the anchor.
fn locate_anchor(request: &Request) -> Option<usize> {
    let window = request.window.as_deref()?;
    if request.order != PromptOrder::Anchored || window.expired || !suffix_matches(window, request) {
        return None;
    }
    let document_prefix = request.prefix();
    [window.anchor, shifted_anchor(window, request)].into_iter().find(|anchor| {
        let matches = document_prefix.get(..*anchor).is_some_and(|text| text.ends_with(&window.prefix));
        matches && request.cursor - anchor <= request.budget.middle
    })
}

/// Returns true if the document still continues with the window's suffix, and that shows as much as the budget allows.
fn suffix_matches(window: &Window, request: &Request) -> bool {
    let visible = visible_suffix(request);
    let shows_all = visible.len() <= window.suffix.len();
    let fills_budget = window.reduced || window.suffix.len() + SUFFIX_SLACK_BYTES >= request.budget.suffix;
    visible.starts_with(&window.suffix) && (shows_all || fills_budget)
}

/// Offset of the window's anchor after an edit above the window. The end of the window's prefix serves as the landmark;
/// where it is not found, the anchor stays.
fn shifted_anchor(window: &Window, request: &Request) -> usize {
    let tail_start = window.prefix.len().saturating_sub(LANDMARK_BYTES);
    let landmark = &window.prefix[window.prefix.floor_char_boundary(tail_start)..];
    if landmark.is_empty() {
        return window.anchor;
    }
    let text = request.prefix();
    let from = text.floor_char_boundary(text.len().saturating_sub(request.budget.middle + landmark.len()));
    text[from..].rfind(landmark).map_or(window.anchor, |at| from + at + landmark.len())
}

impl Window {
    /// A new window around the request's cursor, without header and plugin layout. It starts where the last window did
    /// if the budget allows, so that the first tokens of the prompt stay cached when the anchor moves.
    pub fn new(request: &Request) -> Self {
        let text = request.prefix();
        let anchor = match request.order {
            PromptOrder::Plain => request.cursor,
            PromptOrder::Anchored => anchor_offset(text, request.budget.middle / 2),
        };
        let start = prefix_start(request, anchor);
        let visible = visible_suffix(request);
        let suffix_len = whole_lines_len(visible, request.budget.suffix);
        Self {
            header: Vec::new(),
            prefix: text[start..anchor].to_owned(),
            anchor,
            suffix: visible[..suffix_len].to_owned(),
            layout: None,
            expired: false,
            reduced: request.budget.reduced && (start > 0 || suffix_len < visible.len()),
        }
    }
}

/// Estimate of the prefill that a new window costs: bytes of its prompt that the last window's prompt does not share.
pub fn uncached_bytes(request: &Request) -> usize {
    let new = Window::new(request);
    let old_prefix = request.window.as_deref().map_or("", |window| &window.prefix);
    let shared = new.prefix.bytes().zip(old_prefix.bytes()).take_while(|(new, old)| new == old).count();
    new.prefix.len() - shared + new.suffix.len() + request.cursor - new.anchor
}

/// Returns true if the window is reusable but a new one is worth a prefill while the user is idle: it is reduced, or
/// the middle fills half of its budget and a new anchor would shorten it by at least half of that.
pub fn should_reanchor(request: &Request) -> bool {
    let Some(old_anchor) = locate_anchor(request) else { return false };
    if request.window.as_ref().is_some_and(|window| window.reduced) {
        return true;
    }
    let half = request.budget.middle / 2;
    let new_anchor = anchor_offset(request.prefix(), half);
    request.cursor - old_anchor > half && new_anchor.saturating_sub(old_anchor) > half / 2
}

/// Offset of a new anchor in `text`, which ends at the cursor: the start of the line [`ANCHOR_LINES_ABOVE_CURSOR`]
/// lines above the cursor, or of a later line if more than `max_bytes` would follow it.
fn anchor_offset(text: &str, max_bytes: usize) -> usize {
    let line_breaks = text.matches('\n').take(ANCHOR_LINES_ABOVE_CURSOR).count();
    if line_breaks < ANCHOR_LINES_ABOVE_CURSOR && text.len() <= max_bytes {
        return 0;
    }
    let line_starts = text.rmatch_indices('\n').map(|(at, _)| at + 1).take(ANCHOR_LINES_ABOVE_CURSOR);
    let farthest = line_starts.take_while(|start| text.len() - start <= max_bytes).last();
    farthest.unwrap_or(text.len())
}

/// Offset at which the window's prefix starts: the start of the last window if that is still within budget, else a line
/// start that leaves a quarter of the budget to grow into.
fn prefix_start(request: &Request, anchor: usize) -> usize {
    let text = request.prefix();
    let budget = request.budget.prefix;
    if anchor <= budget {
        return 0;
    }
    let window = request.window.as_deref();
    let replaces_reduced = window.is_some_and(|window| window.reduced && !request.budget.reduced);
    if !replaces_reduced && let Some(start) = window.and_then(|window| last_start(window, &text[..anchor], budget)) {
        return start;
    }
    // The full window is prefilled while the user is idle, and a key may interrupt it. Rounding makes the next attempt
    // start at the same place, so that it resumes on what the cache has.
    let step = if replaces_reduced { (budget / 4).max(1) } else { 1 };
    let from = text.floor_char_boundary((anchor - budget * 3 / 4) / step * step);
    text[from..anchor].find('\n').map_or(from, |at| from + at + 1)
}

/// Offset at which the last window's prefix starts in `text`, if that lies within the last `budget` bytes.
fn last_start(window: &Window, text: &str, budget: usize) -> Option<usize> {
    let landmark = &window.prefix[..window.prefix.floor_char_boundary(LANDMARK_BYTES)];
    if landmark.is_empty() {
        return None;
    }
    let from = text.floor_char_boundary(text.len().saturating_sub(budget));
    text[from..].find(landmark).map(|at| from + at)
}
