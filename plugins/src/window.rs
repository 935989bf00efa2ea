//! The frozen part of a fill prompt, which makes a keystroke cost one or two tokens.
//!
//! Prefix and suffix are frozen at an *anchor* a few lines above the cursor; what was typed since stands after the middle
//! marker. As long as nothing outside anchor..cursor changes, the next prompt is the last one plus what was typed, and a
//! model's cache of the last prompt is good for the next one.

use crate::prompt::Window;
use crate::request::{PromptOrder, Request};
use crate::text::whole_lines_len;

/// Lines that the anchor lies above the cursor when it is set anew.
const ANCHOR_LINES_ABOVE_CURSOR: usize = 8;

/// Characters of a rest of line that editors insert by themselves while the user types. They stay out of the frozen text,
/// so that they cost no new anchor.
const CLOSING_CHARS: &[char] = &[')', ']', '}', '"', '\'', '`', '>', ';', ',', ':', ' ', '\t', '\r'];

/// The text right of the cursor as a prompt shows it: a rest of line made only of closing marks is left out.
pub fn visible_suffix(request: &Request) -> &str {
    without_closers(request.suffix())
}

/// [`after`] of a text right of a cursor.
pub(crate) fn without_closers(after: &str) -> &str {
    let end = after.find('\n').unwrap_or(after.len());
    if after[..end].chars().all(|c| CLOSING_CHARS.contains(&c)) { &after[end..] } else { after }
}

/// The window of the last prompt, if it still holds for this request: the anchor may have been shifted by edits above
/// everything that the window shows.
pub fn reuse(request: &Request) -> Option<Window> {
    let (window, anchor) = request.window.as_deref().zip(locate_anchor(request))?;
    Some(Window { anchor, ..window.clone() })
}

/// Whether the window of the last prompt still holds for this request.
pub fn is_reusable(request: &Request) -> bool {
    locate_anchor(request).is_some()
}

/// Where the anchor of the last prompt's window lies now, if that still holds.
fn locate_anchor(request: &Request) -> Option<usize> {
    let window =
        request.window.as_deref().filter(|window| request.order == PromptOrder::Anchored && !window.expired)?;
    let before = request.prefix();
    let anchor = [window.anchor, shifted_anchor(window, request)?].into_iter().find(|anchor| {
        let ends = before.get(..*anchor).is_some_and(|text| text.ends_with(&window.prefix));
        ends && request.cursor - anchor <= request.budget.middle
    })?;
    let rest = visible_suffix(request);
    let cut = rest.len() > window.suffix.len();
    let enough = window.reduced || window.suffix.len() + SUFFIX_SLACK_BYTES >= request.budget.suffix;
    let same = rest.starts_with(&window.suffix) && (!cut || enough);
    same.then_some(anchor)
}

/// Bytes by which a frozen suffix may fall short of its budget where it was cut at a line end.
const SUFFIX_SLACK_BYTES: usize = 400;

/// Where the anchor lies if text was added or removed above the window and nothing changed below it.
fn shifted_anchor(window: &Window, request: &Request) -> Option<usize> {
    let tail = last_bytes(&window.prefix, 200);
    if tail.is_empty() {
        return Some(window.anchor);
    }
    let from = request.prefix().floor_char_boundary(request.cursor.saturating_sub(request.budget.middle + tail.len()));
    let found = request.prefix()[from..].rfind(tail).map(|at| from + at + tail.len());
    Some(found.unwrap_or(window.anchor))
}

/// A new window for this request. Where the last one shares its beginning it stays there, so that the first tokens of the
/// prompt stay put when the anchor moves.
pub fn set(request: &Request) -> Window {
    let text = request.prefix();
    let anchor = match request.order {
        PromptOrder::Plain => request.cursor,
        PromptOrder::Anchored => anchor_offset(text, request.budget.middle / 2),
    };
    let start = prefix_start(request, anchor);
    let rest = visible_suffix(request);
    let end = whole_lines_len(rest, request.budget.suffix);
    Window {
        header: Vec::new(),
        prefix: text[start..anchor].to_owned(),
        anchor,
        suffix: rest[..end].to_owned(),
        layout: None,
        expired: false,
        reduced: request.budget.reduced && (start > 0 || end < rest.len()),
    }
}

/// About how many bytes of text a prompt on a new window has that one on the last window did not have.
pub fn uncached_bytes(request: &Request) -> usize {
    let new = set(request);
    let old = request.window.as_deref().map_or("", |window| &window.prefix);
    let same = new.prefix.bytes().zip(old.bytes()).take_while(|(new, old)| new == old).count();
    new.prefix.len() - same + new.suffix.len() + request.cursor - new.anchor
}

/// Whether a new window is worth reading a prompt for while nobody waits: this one shows little, or so much was typed since its anchor
/// that the middle has half of its budget and a new anchor would take a good part of it away.
pub fn should_reanchor(request: &Request) -> bool {
    let Some(old) = locate_anchor(request) else { return false };
    if request.window.as_ref().is_some_and(|window| window.reduced) {
        return true;
    }
    let half = request.budget.middle / 2;
    let new = anchor_offset(request.prefix(), half);
    request.cursor - old > half && new.saturating_sub(old) > half / 2
}

/// The beginning of the line that lies [`LINES_ABOVE`] the last line of `text`, nearer where those lines are long.
fn anchor_offset(text: &str, most: usize) -> usize {
    let breaks = text.rmatch_indices('\n').map(|(at, _)| at + 1);
    let near = breaks.take(ANCHOR_LINES_ABOVE_CURSOR).take_while(|at| text.len() - at <= most).last();
    // The text has fewer lines than that: everything is middle, unless its only line is too long.
    match text.matches('\n').take(ANCHOR_LINES_ABOVE_CURSOR).count() {
        ANCHOR_LINES_ABOVE_CURSOR => near.unwrap_or(text.len()),
        _ if text.len() <= most => 0,
        _ => near.unwrap_or(text.len()),
    }
}

/// Where the text before the anchor begins: at the beginning of the last window if that is still within budget, else at a
/// line that leaves a quarter of the budget free to grow into.
fn prefix_start(request: &Request, anchor: usize) -> usize {
    let text = request.prefix();
    let budget = request.budget.prefix;
    if anchor <= budget {
        return 0;
    }
    let (window, near) = (request.window.as_deref(), request.budget.reduced);
    // The whole begins far above what is near, and at the same place if it is not read at once and the cursor goes on meanwhile.
    let whole = window.is_some_and(|window| window.reduced && !near);
    let old = window.filter(|_| !whole).and_then(|window| {
        let head = &window.prefix[..window.prefix.floor_char_boundary(200)];
        let from = text.floor_char_boundary(anchor.saturating_sub(budget));
        text[from..anchor].find(head).filter(|_| !head.is_empty()).map(|at| from + at)
    });
    old.unwrap_or_else(|| {
        let (from, step) = (anchor - budget * 3 / 4, if whole { (budget / 4).max(1) } else { 1 });
        let from = text.floor_char_boundary(from / step * step);
        text[from..anchor].find('\n').map_or(from, |at| from + at + 1)
    })
}

fn last_bytes(text: &str, bytes: usize) -> &str {
    &text[text.floor_char_boundary(text.len().saturating_sub(bytes))..]
}
