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
pub struct FinishRule {
    /// By which the configuration knows it.
    pub name: &'static str,
    /// What it does.
    pub description: &'static str,
    /// Looks at the text so far and says where it ends, if it can tell already; `None` for a rule that mends the whole.
    find_end: Option<fn(&Request, &str) -> Option<usize>>,
}

const fn stop_rule(name: &'static str, about: &'static str, end: fn(&Request, &str) -> Option<usize>) -> FinishRule {
    FinishRule { name, description: about, find_end: Some(end) }
}

const fn repair_rule(name: &'static str, about: &'static str) -> FinishRule {
    FinishRule { name, description: about, find_end: None }
}

const SCOPE_RULE: &str = "scope";
const OVERLAP_RULE: &str = "overlap";
const INDENTATION_RULE: &str = "indentation";
const WHOLE_RULE: &str = "whole";
const CLOSE_BELOW_RULE: &str = "close-below";

/// All rules: those that say where an answer ends, then those that mend it.
pub static FINISH_RULES: &[FinishRule] = &[
    stop_rule("markers", "ends before a marker, a fence or a sentence of chat", markers::end),
    stop_rule("inside", "ends with the comment or the string around the cursor", inside::end),
    stop_rule("single-line", "ends with the line where a rest of line follows", lines::single_line_end),
    stop_rule("statement", "ends with the statement that the cursor's line begins", lines::statement_line_end),
    stop_rule("block", "ends with the block, by indentation, or after so many lines", lines::block_end),
    stop_rule("brackets", "ends before a bracket that closes too much", brackets::end),
    stop_rule(OVERLAP_RULE, "ends before what stands in the document already", overlap::end),
    stop_rule("repetition", "ends before a line that comes again and again", repetition::end),
    stop_rule(SCOPE_RULE, "ends where the syntax says that the statement or the block does", scope::end),
    repair_rule(INDENTATION_RULE, "gives the answer the file's tabs, spaces and line ends"),
    repair_rule(WHOLE_RULE, "cuts an answer back to the last line with which the file parses"),
    repair_rule(CLOSE_BELOW_RULE, "puts closing brackets right of the cursor below an answer that has lines"),
];

/// The text as far as the rule of that name keeps it, if there is such a rule.
pub fn trim_by_rule<'a>(name: &str, request: &Request, text: &'a str) -> Option<&'a str> {
    let rule = FINISH_RULES.iter().find(|rule| rule.name == name)?;
    let end = rule.find_end.and_then(|end| end(request, text)).map_or(text.len(), |at| at);
    Some(&text[..end])
}

/// The earliest end that a rule sees. The syntax is asked only where that is wanted: it has to parse.
fn earliest_end(request: &Request, text: &str, by_syntax: bool) -> Option<usize> {
    let asked = |rule: &&FinishRule| (by_syntax || rule.name != SCOPE_RULE) && request.builtins.is_enabled(rule.name);
    let ends = FINISH_RULES.iter().filter(asked).filter_map(|rule| rule.find_end?(request, text));
    ends.min()
}

/// Whether nothing that comes after `text` would be kept.
pub fn is_done(request: &Request, text: &str) -> bool {
    earliest_end(request, text, text.ends_with('\n')).is_some() || text.len() > request.budget.answer
}

/// What to show of an answer; `None` for nothing.
pub fn finish(request: &Request, answer: &Answer) -> Option<String> {
    if request.trigger == Trigger::Automatic && answer.confidence < request.min_confidence {
        return None;
    }
    let text = answer.text.replace("\r\n", "\n");
    let end = earliest_end(request, &text, true);
    let mut text = text[..end.unwrap_or(text.len())].to_owned();
    if end.is_none() && !answer.reached_end_token {
        lines::drop_partial_line(&mut text);
    }
    text.truncate(text.trim_end().len());
    repair(request, &mut text);
    is_worth_showing(request, &text).then_some(text)
}

fn repair(request: &Request, text: &mut String) {
    let runs = |name: &str| request.builtins.is_enabled(name);
    if runs(OVERLAP_RULE) {
        overlap::trim_rest_of_line(request, text);
    }
    if runs(INDENTATION_RULE) {
        *text = indentation::match_file_indentation(request, text);
    }
    if runs(WHOLE_RULE) {
        whole::cut_to_parsing_lines(request, text);
    }
    if runs(CLOSE_BELOW_RULE) {
        lines::close_below(request, text);
    }
}

fn is_worth_showing(request: &Request, text: &str) -> bool {
    let says_something = text.chars().any(|c| !c.is_whitespace());
    let repeats = request.builtins.is_enabled(OVERLAP_RULE) && overlap::repeats_adjacent_line(request, text);
    says_something && !repeats
}

/// Whether two suggestions differ in nothing but white space, so that showing both tells the user nothing.
pub fn equal_ignoring_whitespace(one: &str, other: &str) -> bool {
    let ink = |text: &'_ str| text.split_whitespace().collect::<String>();
    ink(one) == ink(other)
}

#[cfg(test)]
pub(crate) mod tests;
