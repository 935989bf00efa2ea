//! The frozen part of a fill prompt, which makes a keystroke cost one or two tokens.
//!
//! Prefix and suffix are frozen at an *anchor* a few lines above the cursor; what was typed since stands after the middle
//! marker. As long as nothing outside anchor..cursor changes, the next prompt is the last one plus what was typed, and a
//! model's cache of the last prompt is good for the next one.

use crate::prompt::Window;
use crate::request::{Order, Request};
use crate::text::line_end;

/// Lines that the anchor lies above the cursor when it is set anew.
const LINES_ABOVE: usize = 8;

/// Characters of a rest of line that editors insert by themselves while the user types. They stay out of the frozen text,
/// so that they cost no new anchor.
const CLOSERS: &[char] = &[')', ']', '}', '"', '\'', '`', '>', ';', ',', ':', ' ', '\t', '\r'];

/// The text right of the cursor as a prompt shows it: a rest of line made only of closing marks is left out.
pub fn after(request: &Request) -> &str {
    shown(request.after())
}

/// [`after`] of a text right of a cursor.
pub(crate) fn shown(after: &str) -> &str {
    let end = after.find('\n').unwrap_or(after.len());
    if after[..end].chars().all(|c| CLOSERS.contains(&c)) { &after[end..] } else { after }
}

/// The window of the last prompt, if it still holds for this request: the anchor may have been shifted by edits above
/// everything that the window shows.
pub fn kept(request: &Request) -> Option<Window> {
    let (window, anchor) = request.window.as_deref().zip(held(request))?;
    Some(Window { anchor, ..window.clone() })
}

/// Whether the window of the last prompt still holds for this request.
pub fn holds(request: &Request) -> bool {
    held(request).is_some()
}

/// Where the anchor of the last prompt's window lies now, if that still holds.
fn held(request: &Request) -> Option<usize> {
    let window = request.window.as_deref().filter(|window| request.order == Order::Anchored && !window.spent)?;
    let before = request.before();
    let anchor = [window.anchor, shifted(window, request)?].into_iter().find(|anchor| {
        let ends = before.get(..*anchor).is_some_and(|text| text.ends_with(&window.before));
        ends && request.cursor - anchor <= request.budget.middle
    })?;
    let rest = after(request);
    let cut = rest.len() > window.after.len();
    let enough = window.near || window.after.len() + SLACK >= request.budget.after;
    let same = rest.starts_with(&window.after) && (!cut || enough);
    same.then_some(anchor)
}

/// Bytes by which a frozen suffix may fall short of its budget where it was cut at a line end.
const SLACK: usize = 400;

/// Where the anchor lies if text was added or removed above the window and nothing changed below it.
fn shifted(window: &Window, request: &Request) -> Option<usize> {
    let tail = tail(&window.before, 200);
    if tail.is_empty() {
        return Some(window.anchor);
    }
    let from = request.before().floor_char_boundary(request.cursor.saturating_sub(request.budget.middle + tail.len()));
    let found = request.before()[from..].rfind(tail).map(|at| from + at + tail.len());
    Some(found.unwrap_or(window.anchor))
}

/// A new window for this request. Where the last one shares its beginning it stays there, so that the first tokens of the
/// prompt stay put when the anchor moves.
pub fn set(request: &Request) -> Window {
    let text = request.before();
    let anchor = match request.order {
        Order::Plain => request.cursor,
        Order::Anchored => anchor(text, request.budget.middle / 2),
    };
    let start = start(request, anchor);
    let rest = after(request);
    let end = line_end(rest, request.budget.after);
    Window {
        header: Vec::new(),
        before: text[start..anchor].to_owned(),
        anchor,
        after: rest[..end].to_owned(),
        layout: None,
        spent: false,
        near: request.budget.near && (start > 0 || end < rest.len()),
    }
}

/// About how many bytes of text a prompt on a new window has that one on the last window did not have.
pub fn unread(request: &Request) -> usize {
    let new = set(request);
    let old = request.window.as_deref().map_or("", |window| &window.before);
    let same = new.before.bytes().zip(old.bytes()).take_while(|(new, old)| new == old).count();
    new.before.len() - same + new.after.len() + request.cursor - new.anchor
}

/// Whether a new window is worth reading a prompt for while nobody waits: this one shows little, or so much was typed since its anchor
/// that the middle has half of its budget and a new anchor would take a good part of it away.
pub fn outgrown(request: &Request) -> bool {
    let Some(old) = held(request) else { return false };
    if request.window.as_ref().is_some_and(|window| window.near) {
        return true;
    }
    let half = request.budget.middle / 2;
    let new = anchor(request.before(), half);
    request.cursor - old > half && new.saturating_sub(old) > half / 2
}

/// The beginning of the line that lies [`LINES_ABOVE`] the last line of `text`, nearer where those lines are long.
fn anchor(text: &str, most: usize) -> usize {
    let breaks = text.rmatch_indices('\n').map(|(at, _)| at + 1);
    let near = breaks.take(LINES_ABOVE).take_while(|at| text.len() - at <= most).last();
    // The text has fewer lines than that: everything is middle, unless its only line is too long.
    match text.matches('\n').take(LINES_ABOVE).count() {
        LINES_ABOVE => near.unwrap_or(text.len()),
        _ if text.len() <= most => 0,
        _ => near.unwrap_or(text.len()),
    }
}

/// Where the text before the anchor begins: at the beginning of the last window if that is still within budget, else at a
/// line that leaves a quarter of the budget free to grow into.
fn start(request: &Request, anchor: usize) -> usize {
    let text = request.before();
    let budget = request.budget.before;
    if anchor <= budget {
        return 0;
    }
    let (window, near) = (request.window.as_deref(), request.budget.near);
    // The whole begins far above what is near, and at the same place if it is not read at once and the cursor goes on meanwhile.
    let whole = window.is_some_and(|window| window.near && !near);
    let old = window.filter(|_| !whole).and_then(|window| {
        let head = &window.before[..window.before.floor_char_boundary(200)];
        let from = text.floor_char_boundary(anchor.saturating_sub(budget));
        text[from..anchor].find(head).filter(|_| !head.is_empty()).map(|at| from + at)
    });
    old.unwrap_or_else(|| {
        let (from, step) = (anchor - budget * 3 / 4, if whole { (budget / 4).max(1) } else { 1 });
        let from = text.floor_char_boundary(from / step * step);
        text[from..anchor].find('\n').map_or(from, |at| from + at + 1)
    })
}

fn tail(text: &str, bytes: usize) -> &str {
    &text[text.floor_char_boundary(text.len().saturating_sub(bytes))..]
}
