//! Types and defaults in a docstring that contradict the signature.

use std::ops::Range;

use super::super::item::Parameter;
use super::super::style::DocStyle;

/// Names of plain types, in docstrings and in programming languages. Other types can be described in many ways.
const TYPE_SYNONYMS: &[&[&str]] =
    &[&["int", "integer"], &["float", "double"], &["str", "string"], &["bool", "boolean"], &["bytes"], &["number"]];

/// Returns the corrected first line of a parameter's entry; `None` if it is right.
pub(super) fn corrected(style: DocStyle, raw: &str, parameter: &Parameter) -> Option<String> {
    let mut text = raw.to_owned();
    let facts = [
        (type_range(style, &text), parameter.type_name.as_deref(), contradicts as fn(&str, &str) -> bool),
        (default_range(style, &text), parameter.default.as_deref(), |written, right| written != right),
    ];
    // The last fact first, so that the ranges of the others stay valid.
    for (range, right, is_wrong) in facts.into_iter().rev() {
        if let (Some(range), Some(right)) = (range, right)
            && is_wrong(&text[range.clone()], right)
        {
            text.replace_range(range, right);
        }
    }
    if text == raw { None } else { Some(text) }
}

fn contradicts(written: &str, right: &str) -> bool {
    let plain = |name: &str| TYPE_SYNONYMS.iter().position(|names| names.contains(&name));
    plain(written).zip(plain(right)).is_some_and(|(written, right)| written != right)
}

/// Returns the bytes of the type.
fn type_range(style: DocStyle, raw: &str) -> Option<Range<usize>> {
    match style {
        DocStyle::Google => {
            let head = &raw[..raw.find(':')?];
            if !head.contains(')') {
                return None;
            }
            range_between(raw, head.find('(')?, &[',', ')'])
        }
        DocStyle::Numpy => range_between(raw, raw.find(" : ")? + 2, &[',']),
        DocStyle::Jsdoc => range_between(raw, raw.find('{')?, &['}']),
        DocStyle::Phpdoc => word_range(raw, raw.find("@param ")? + "@param ".len()),
        DocStyle::Rest => match raw.find(":type ") {
            Some(at) => range_between(raw, at + raw[at + 1..].find(':')? + 1, &[]),
            None => {
                let start = raw.find(":param ")? + ":param ".len();
                let words = raw[start..].split(':').next()?.split_whitespace().count();
                if words != 2 {
                    return None;
                }
                word_range(raw, start)
            }
        },
        _ => None,
    }
}

/// Returns the bytes of the default.
fn default_range(style: DocStyle, raw: &str) -> Option<Range<usize>> {
    match style {
        DocStyle::Numpy => {
            let at = raw.find("default ")?;
            if at < raw.find(" : ")? {
                return None;
            }
            range_between(raw, at + "default".len(), &[','])
        }
        DocStyle::Jsdoc => {
            let open = raw.find(" [")?;
            let close = open + raw[open..].find(']')?;
            let equals = open + raw[open..close].find('=')?;
            Some(equals + 1..close)
        }
        _ => None,
    }
}

/// Returns the bytes after the character at `open` and before one of `ends`, without the blanks around them.
fn range_between(raw: &str, open: usize, ends: &[char]) -> Option<Range<usize>> {
    let inner = raw.get(open + 1..)?;
    let inner = &inner[..inner.find(ends).unwrap_or(inner.len())];
    let start = open + 1 + (inner.len() - inner.trim_start().len());
    Some(start..start + inner.trim().len())
}

fn word_range(raw: &str, start: usize) -> Option<Range<usize>> {
    let end = raw.get(start..)?.find(char::is_whitespace)?;
    Some(start..start + end)
}
