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

/// A built-in rule of finishing.
#[derive(Debug)]
pub struct Rule {
    /// By which the configuration knows it.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    /// Looks at the text so far and says where it ends, if it can tell already; `None` for a rule that mends the whole.
    end: Option<fn(&Request, &str) -> Option<usize>>,
}

const fn ends(name: &'static str, about: &'static str, end: fn(&Request, &str) -> Option<usize>) -> Rule {
    Rule { name, about, end: Some(end) }
}

const fn mends(name: &'static str, about: &'static str) -> Rule {
    Rule { name, about, end: None }
}

const SCOPE: &str = "scope";
const OVERLAP: &str = "overlap";
const INDENTATION: &str = "indentation";
const WHOLE: &str = "whole";
const CLOSE_BELOW: &str = "close-below";

/// All rules: those that say where an answer ends, then those that mend it.
pub static RULES: &[Rule] = &[
    ends("markers", "ends before a marker, a fence or a sentence of chat", markers::end),
    ends("inside", "ends with the comment or the string around the cursor", inside::end),
    ends("single-line", "ends with the line where a rest of line follows", lines::single),
    ends("statement", "ends with the statement that the cursor's line begins", lines::statement),
    ends("block", "ends with the block, by indentation, or after so many lines", lines::block),
    ends("brackets", "ends before a bracket that closes too much", brackets::end),
    ends(OVERLAP, "ends before what stands in the document already", overlap::end),
    ends("repetition", "ends before a line that comes again and again", repetition::end),
    ends(SCOPE, "ends where the syntax says that the statement or the block does", scope::end),
    mends(INDENTATION, "gives the answer the file's tabs, spaces and line ends"),
    mends(WHOLE, "cuts an answer back to the last line with which the file parses"),
    mends(CLOSE_BELOW, "puts closing brackets right of the cursor below an answer that has lines"),
];

/// The text as far as the rule of that name keeps it, if there is such a rule.
pub fn kept_by<'a>(name: &str, request: &Request, text: &'a str) -> Option<&'a str> {
    let rule = RULES.iter().find(|rule| rule.name == name)?;
    let end = rule.end.and_then(|end| end(request, text)).map_or(text.len(), |at| at);
    Some(&text[..end])
}

/// The earliest end that a rule sees. The syntax is asked only where that is wanted: it has to parse.
fn end(request: &Request, text: &str, by_syntax: bool) -> Option<usize> {
    let asked = |rule: &&Rule| (by_syntax || rule.name != SCOPE) && request.builtins.runs(rule.name);
    let ends = RULES.iter().filter(asked).filter_map(|rule| rule.end?(request, text));
    ends.min()
}

/// Whether nothing that comes after `text` would be kept.
pub fn done(request: &Request, text: &str) -> bool {
    end(request, text, text.ends_with('\n')).is_some() || text.len() > request.budget.answer
}

/// What to show of an answer; `None` for nothing.
pub fn finish(request: &Request, answer: &Answer) -> Option<String> {
    if request.trigger == Trigger::Automatic && answer.confidence < request.minimum_confidence {
        return None;
    }
    let text = answer.text.replace("\r\n", "\n");
    let end = end(request, &text, true);
    let mut text = text[..end.unwrap_or(text.len())].to_owned();
    if end.is_none() && !answer.ended {
        lines::drop_partial(&mut text);
    }
    text.truncate(text.trim_end().len());
    mend(request, &mut text);
    worth_showing(request, &text).then_some(text)
}

fn mend(request: &Request, text: &mut String) {
    let runs = |name: &str| request.builtins.runs(name);
    if runs(OVERLAP) {
        overlap::trim(request, text);
    }
    if runs(INDENTATION) {
        *text = indentation::adapt(request, text);
    }
    if runs(WHOLE) {
        whole::cut_back(request, text);
    }
    if runs(CLOSE_BELOW) {
        lines::close_below(request, text);
    }
}

fn worth_showing(request: &Request, text: &str) -> bool {
    let says_something = text.chars().any(|c| !c.is_whitespace());
    let repeats = request.builtins.runs(OVERLAP) && overlap::is_neighbour(request, text);
    says_something && !repeats
}

/// Whether two suggestions differ in nothing but white space, so that showing both tells the user nothing.
pub fn alike(one: &str, other: &str) -> bool {
    let ink = |text: &'_ str| text.split_whitespace().collect::<String>();
    ink(one) == ink(other)
}

#[cfg(test)]
pub(crate) mod tests;
