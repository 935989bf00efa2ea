//! What of a model's answer is worth showing.
//!
//! Small models rarely end by themselves: they write on past the hole, close brackets that are closed already, repeat the
//! lines that follow, even begin to chat. Each rule here finds where an answer ought to end, by looking at the answer so
//! far; the first end counts. The same rules stop decoding ([`done`]) and trim ([`finish`]), so that no token is computed
//! that would be thrown away.

mod brackets;
mod indentation;
mod inside;
mod lines;
mod markers;
mod overlap;
mod repetition;
mod scope;
mod whole;

use crate::request::{Answer, Request, Trigger};

/// Where an answer ought to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct End(pub(crate) usize);

/// A rule looks at the text so far and says where it ends, if it can tell already.
type Rule = fn(&Request, &str) -> Option<End>;

const RULES: &[Rule] = &[
    markers::end,
    inside::end,
    lines::single,
    lines::statement,
    lines::block,
    brackets::end,
    overlap::end,
    repetition::end,
];

/// The earliest end that a rule sees.
fn end(request: &Request, text: &str) -> Option<usize> {
    RULES.iter().filter_map(|rule| rule(request, text)).min().map(|End(at)| at)
}

/// Whether nothing that comes after `text` would be kept.
pub fn done(request: &Request, text: &str) -> bool {
    let ends = end(request, text).is_some() || text.ends_with('\n') && scope::end(request, text).is_some();
    ends || text.len() > request.budget.answer
}

/// What to show of an answer; `None` for nothing.
pub fn finish(request: &Request, answer: &Answer) -> Option<String> {
    if request.trigger == Trigger::Automatic && answer.confidence < request.minimum_confidence {
        return None;
    }
    let text = answer.text.replace("\r\n", "\n");
    let end = [end(request, &text), scope::end(request, &text).map(|End(at)| at)].into_iter().flatten().min();
    let mut text = text[..end.unwrap_or(text.len())].to_owned();
    if end.is_none() && !answer.ended {
        lines::drop_partial(&mut text);
    }
    text.truncate(text.trim_end().len());
    overlap::trim(request, &mut text);
    let mut text = indentation::adapt(request, &text);
    whole::cut_back(request, &mut text);
    lines::close_below(request, &mut text);
    worth_showing(request, &text).then_some(text)
}

fn worth_showing(request: &Request, text: &str) -> bool {
    let says_something = text.chars().any(|c| !c.is_whitespace());
    says_something && !overlap::is_neighbour(request, text) && follows_selected(request, text)
}

/// Whether the text goes on from the item that is selected in the completion popup.
fn follows_selected(request: &Request, text: &str) -> bool {
    let Some(selected) = &request.selected else { return true };
    let from = request.cursor.saturating_sub(selected.replaces);
    let typed = request.before().get(from..).unwrap_or_default();
    format!("{typed}{text}").starts_with(&selected.text)
}

/// Whether two suggestions differ in nothing but white space, so that showing both tells the user nothing.
pub fn alike(one: &str, other: &str) -> bool {
    let ink = |text: &'_ str| text.split_whitespace().collect::<String>();
    ink(one) == ink(other)
}

/// The line of the cursor up to the cursor.
pub(crate) fn line_before(request: &Request) -> &str {
    request.before().rsplit('\n').next().unwrap_or_default()
}

/// The line of the cursor from the cursor on, without its line end.
pub(crate) fn line_after(request: &Request) -> &str {
    request.after().split('\n').next().unwrap_or_default().trim_end_matches('\r')
}

/// Columns of white space at the beginning of a line, a tab to the next multiple of 4.
pub(crate) fn indent(line: &str) -> usize {
    let blank = line.chars().take_while(|c| matches!(c, ' ' | '\t'));
    blank.fold(0, |column, c| if c == '\t' { column / 4 * 4 + 4 } else { column + 1 })
}

#[cfg(test)]
pub(crate) mod tests;
