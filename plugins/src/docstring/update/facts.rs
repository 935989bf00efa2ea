//! Types and defaults that a docstring gives beside a name, where the signature says something else.

use std::ops::Range;

use super::super::item::Parameter;
use super::super::style::DocStyle;

/// Plain types by their names: what a docstring calls them and what languages do. Others may be described in many right ways.
const TYPE_SYNONYMS: &[&[&str]] =
    &[&["int", "integer"], &["float", "double"], &["str", "string"], &["bool", "boolean"], &["bytes"], &["number"]];

/// The first line of a parameter's part as it must be; nothing where it is right.
pub(super) fn corrected(style: DocStyle, raw: &str, parameter: &Parameter) -> Option<String> {
    let mut text = raw.to_owned();
    let facts = [
        (type_range(style, &text), parameter.type_name.as_deref(), contradicts as fn(&str, &str) -> bool),
        (default_range(style, &text), parameter.default.as_deref(), |written, right| written != right),
    ];
    // The last one first: the places of the others stay.
    for (written, right, wrong) in facts.into_iter().rev() {
        if let (Some(at), Some(right)) = (written, right)
            && wrong(&text[at.clone()], right)
        {
            text.replace_range(at, right);
        }
    }
    (text != raw).then_some(text)
}

fn contradicts(written: &str, right: &str) -> bool {
    let plain = |name: &str| TYPE_SYNONYMS.iter().position(|names| names.contains(&name));
    plain(written).zip(plain(right)).is_some_and(|(written, right)| written != right)
}

/// Where the type stands.
fn type_range(style: DocStyle, raw: &str) -> Option<Range<usize>> {
    match style {
        DocStyle::Google => {
            let head = &raw[..raw.find(':')?];
            range_between(raw, head.find('(').filter(|_| head.contains(')'))?, &[',', ')'])
        }
        DocStyle::Numpy => range_between(raw, raw.find(" : ")? + 2, &[',']),
        DocStyle::Jsdoc => range_between(raw, raw.find('{')?, &['}']),
        DocStyle::Phpdoc => word_range(raw, raw.find("@param ")? + "@param ".len()),
        DocStyle::Rest => match raw.find(":type ") {
            Some(at) => range_between(raw, at + raw[at + 1..].find(':')? + 1, &[]),
            None => {
                let start = raw.find(":param ")? + ":param ".len();
                let words = raw[start..].split(':').next()?.split_whitespace().count();
                (words == 2).then(|| word_range(raw, start))?
            }
        },
        _ => None,
    }
}

/// Where the default stands.
fn default_range(style: DocStyle, raw: &str) -> Option<Range<usize>> {
    match style {
        DocStyle::Numpy => {
            let at = raw.find("default ")?;
            (at > raw.find(" : ")?).then(|| range_between(raw, at + "default".len(), &[',']))?
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

/// What lies behind the byte at `open`, to one of `ends`, without the blanks around it.
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
