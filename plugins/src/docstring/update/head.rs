//! Types and defaults that a docstring gives beside a name, where the signature says something else.

use std::ops::Range;

use super::super::item::Parameter;
use super::super::style::DocStyle;

/// Plain types by their names: what a docstring calls them and what languages do. Others may be described in many right ways.
const PLAIN: &[&[&str]] =
    &[&["int", "integer"], &["float", "double"], &["str", "string"], &["bool", "boolean"], &["bytes"], &["number"]];

/// The first line of a parameter's part as it must be; nothing where it is right.
pub(super) fn mended(style: DocStyle, raw: &str, parameter: &Parameter) -> Option<String> {
    let mut text = raw.to_owned();
    let facts = [
        (of_type(style, &text), parameter.type_name.as_deref(), contradicts as fn(&str, &str) -> bool),
        (default(style, &text), parameter.default.as_deref(), |written, right| written != right),
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
    let plain = |name: &str| PLAIN.iter().position(|names| names.contains(&name));
    plain(written).zip(plain(right)).is_some_and(|(written, right)| written != right)
}

/// Where the type stands.
fn of_type(style: DocStyle, raw: &str) -> Option<Range<usize>> {
    match style {
        DocStyle::Google => {
            let head = &raw[..raw.find(':')?];
            between(raw, head.find('(').filter(|_| head.contains(')'))?, &[',', ')'])
        }
        DocStyle::Numpy => between(raw, raw.find(" : ")? + 2, &[',']),
        DocStyle::Jsdoc => between(raw, raw.find('{')?, &['}']),
        DocStyle::Phpdoc => word(raw, raw.find("@param ")? + "@param ".len()),
        DocStyle::Rest => match raw.find(":type ") {
            Some(at) => between(raw, at + raw[at + 1..].find(':')? + 1, &[]),
            None => {
                let start = raw.find(":param ")? + ":param ".len();
                let words = raw[start..].split(':').next()?.split_whitespace().count();
                (words == 2).then(|| word(raw, start))?
            }
        },
        _ => None,
    }
}

/// Where the default stands.
fn default(style: DocStyle, raw: &str) -> Option<Range<usize>> {
    match style {
        DocStyle::Numpy => {
            let at = raw.find("default ")?;
            (at > raw.find(" : ")?).then(|| between(raw, at + "default".len(), &[',']))?
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
fn between(raw: &str, open: usize, ends: &[char]) -> Option<Range<usize>> {
    let inner = raw.get(open + 1..)?;
    let inner = &inner[..inner.find(ends).unwrap_or(inner.len())];
    let start = open + 1 + (inner.len() - inner.trim_start().len());
    Some(start..start + inner.trim().len())
}

fn word(raw: &str, start: usize) -> Option<Range<usize>> {
    let end = raw.get(start..)?.find(char::is_whitespace)?;
    Some(start..start + end)
}
