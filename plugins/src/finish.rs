//! Finishing rules: they stop decoding, trim the answer and repair it.
//!
//! Small models rarely end by themselves. They write on past the hole, close brackets that are closed already, repeat
//! the lines that follow, and even begin to chat. A *stop rule* looks at the answer so far and finds the byte at which
//! it should end; the earliest end of all rules counts. The same rules stop decoding ([`is_done`]) and trim the answer
//! ([`finish`]), so no token is decoded that would be dropped. *Repair rules* then change the whole answer: its
//! indentation, syntax and closing brackets.
//!
//! To add a rule, add a file here and a row to [`FINISH_RULES`].

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

/// A built-in finishing rule.
#[derive(Debug)]
pub struct FinishRule {
    /// Name in the configuration.
    pub name: &'static str,
    /// Effect of the rule, for listings.
    pub description: &'static str,
    /// Finds the byte at which an answer ends, if the answer so far shows it; `None` for a repair rule.
    find_end: Option<fn(&Request, &str) -> Option<usize>>,
}

const fn stop_rule(
    name: &'static str,
    description: &'static str,
    find_end: fn(&Request, &str) -> Option<usize>,
) -> FinishRule {
    FinishRule { name, description, find_end: Some(find_end) }
}

const fn repair_rule(name: &'static str, description: &'static str) -> FinishRule {
    FinishRule { name, description, find_end: None }
}

const SCOPE_RULE: &str = "scope";
const OVERLAP_RULE: &str = "overlap";
const INDENTATION_RULE: &str = "indentation";
const WHOLE_RULE: &str = "whole";
const CLOSE_BELOW_RULE: &str = "close-below";

/// All rules: stop rules, then repair rules.
pub static FINISH_RULES: &[FinishRule] = &[
    stop_rule("markers", "ends before a FIM marker, a code fence or a sentence of chat", markers::end),
    stop_rule("inside", "ends with the comment or string around the cursor", inside::end),
    stop_rule("single-line", "ends with the line if text follows the cursor on it", lines::single_line_end),
    stop_rule(
        "statement",
        "ends with the line if the cursor is behind the beginning of a statement",
        lines::statement_line_end,
    ),
    stop_rule("block", "ends with the block, by indentation, or after 16 lines", lines::block_end),
    stop_rule("brackets", "ends before a closing bracket that has no partner", brackets::end),
    stop_rule(OVERLAP_RULE, "ends before text that follows the cursor already", overlap::end),
    stop_rule("repetition", "ends before a line that the answer repeats", repetition::end),
    stop_rule(SCOPE_RULE, "ends with the statement or block in the syntax tree", scope::end),
    repair_rule(INDENTATION_RULE, "adopts the file's tabs, spaces and line ends"),
    repair_rule(WHOLE_RULE, "cuts the answer back to the last line with which the file parses"),
    repair_rule(CLOSE_BELOW_RULE, "moves closing brackets right of the cursor below an answer of several lines"),
];

/// The part of `text` that the rule `name` keeps; `None` for an unknown rule.
pub(crate) fn trim_by_rule<'a>(name: &str, request: &Request, text: &'a str) -> Option<&'a str> {
    let rule = FINISH_RULES.iter().find(|rule| rule.name == name)?;
    let end = rule.find_end.and_then(|find_end| find_end(request, text));
    Some(&text[..end.unwrap_or(text.len())])
}

/// The earliest end that an enabled rule finds. The `scope` rule costs a parse and takes part only if `with_scope` is
/// set.
fn earliest_end(request: &Request, text: &str, with_scope: bool) -> Option<usize> {
    let rules = FINISH_RULES.iter().filter(|rule| request.builtins.is_enabled(rule.name));
    let rules = rules.filter(|rule| with_scope || rule.name != SCOPE_RULE);
    rules.filter_map(|rule| rule.find_end?(request, text)).min()
}

/// Returns true if nothing generated after `text` would be kept. Syntax is checked at line ends only.
pub(crate) fn is_done(request: &Request, text: &str) -> bool {
    earliest_end(request, text, text.ends_with('\n')).is_some() || text.len() > request.budget.answer
}

/// Text to show for an answer; `None` to show nothing.
pub(crate) fn finish(request: &Request, answer: &Answer) -> Option<String> {
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
    if is_worth_showing(request, &text) { Some(text) } else { None }
}

/// Applies the repair rules.
fn repair(request: &Request, text: &mut String) {
    let enabled = |name: &str| request.builtins.is_enabled(name);
    if enabled(OVERLAP_RULE) {
        overlap::trim_rest_of_line(request, text);
    }
    if enabled(INDENTATION_RULE) {
        *text = indentation::match_file_indentation(request, text);
    }
    if enabled(WHOLE_RULE) {
        whole::cut_to_parsing_lines(request, text);
    }
    if enabled(CLOSE_BELOW_RULE) {
        lines::close_below(request, text);
    }
}

/// Returns true unless the text is blank or repeats a line next to the cursor.
fn is_worth_showing(request: &Request, text: &str) -> bool {
    let says_something = text.chars().any(|c| !c.is_whitespace());
    let repeats = request.builtins.is_enabled(OVERLAP_RULE) && overlap::repeats_adjacent_line(request, text);
    says_something && !repeats
}

/// Returns true if two suggestions differ in white space at most, so that one of them is enough.
pub fn equal_ignoring_whitespace(one: &str, other: &str) -> bool {
    let without_whitespace = |text: &str| text.split_whitespace().collect::<String>();
    without_whitespace(one) == without_whitespace(other)
}

#[cfg(test)]
pub(crate) mod tests;
