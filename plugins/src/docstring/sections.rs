//! Lines of a docstring in each style, without comment marks.

use super::field::Field;
use super::item::{DocItem, ItemKind, Parameter, Returns};
use super::style::DocStyle;

/// Line of a docstring template, which may end with a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TemplateLine {
    /// Text before the field.
    pub(super) text: String,
    /// Field at its end.
    pub(super) field: Option<Field>,
    /// Text after the field.
    pub(super) suffix: &'static str,
    /// Spaces before the field's further lines.
    pub(super) hanging_indent: usize,
    /// True for a line of an existing docstring, with its comment marks.
    pub(super) existing: bool,
}

impl TemplateLine {
    /// Returns a line of an existing docstring.
    pub(super) fn existing(text: impl Into<String>) -> Self {
        Self { existing: true, ..text_line(text) }
    }
}

fn text_line(text: impl Into<String>) -> TemplateLine {
    TemplateLine { text: text.into(), field: None, suffix: "", hanging_indent: 0, existing: false }
}

fn field_line(text: impl Into<String>, field: Field, hanging_indent: usize) -> TemplateLine {
    TemplateLine { field: Some(field), hanging_indent, ..text_line(text) }
}

/// Returns the lines of a docstring for `item`.
pub(super) fn template_lines(style: DocStyle, item: &DocItem) -> Vec<TemplateLine> {
    match style {
        DocStyle::Google => google(item),
        DocStyle::Numpy => numpy(item),
        DocStyle::Rustdoc => rustdoc(item),
        DocStyle::Godoc => vec![field_line(opening_words(item), Field::Summary, 0)],
        DocStyle::Xmldoc => xmldoc(item),
        DocStyle::Luacats => luacats(item),
        DocStyle::Rest
        | DocStyle::Jsdoc
        | DocStyle::Tsdoc
        | DocStyle::Javadoc
        | DocStyle::Doxygen
        | DocStyle::Yard
        | DocStyle::Phpdoc => tagged(style, item),
    }
}

/// Returns the beginning of a Go comment, which names its item.
fn opening_words(item: &DocItem) -> String {
    if item.kind == ItemKind::Module { format!("Package {} ", item.name) } else { format!("{} ", item.name) }
}

fn parameter_field(it: &Parameter) -> Field {
    Field::Parameter(it.name.clone())
}

fn returns_section(item: &DocItem) -> Option<(&'static str, &str)> {
    match &item.returns {
        Returns::Nothing => None,
        Returns::Value(it) => Some(("Returns", it.as_deref().unwrap_or_default())),
        Returns::Yields(it) => Some(("Yields", it.as_deref().unwrap_or_default())),
    }
}

/// Appends a section with its title unless it is empty.
fn push_section(lines: &mut Vec<TemplateLine>, titles: &[String], content: Vec<TemplateLine>) {
    if !content.is_empty() {
        lines.push(text_line(""));
        lines.extend(titles.iter().map(text_line));
        lines.extend(content);
    }
}

fn google(item: &DocItem) -> Vec<TemplateLine> {
    let mut lines = vec![field_line("", Field::Summary, 0)];
    let entry = |name: &str, field| field_line(format!("    {name}: "), field, 8);
    let arguments = item.parameters.iter().map(|it| entry(&it.name, parameter_field(it))).collect();
    push_section(&mut lines, &["Args:".into()], arguments);
    if let Some((title, _)) = returns_section(item) {
        push_section(&mut lines, &[format!("{title}:")], vec![field_line("    ", Field::Returns, 4)]);
    }
    let raises = item.raises.iter().map(|it| entry(it, Field::Raises(it.clone()))).collect();
    push_section(&mut lines, &["Raises:".into()], raises);
    lines
}

fn numpy(item: &DocItem) -> Vec<TemplateLine> {
    let titles = |title: &str| [title.to_owned(), "-".repeat(title.len())];
    let mut lines = vec![field_line("", Field::Summary, 0)];
    let entry = |name: String, field| [text_line(name), field_line("    ", field, 4)];
    let with_facts = |it: &Parameter| {
        let type_name = it.type_name.as_ref().map(|type_name| one_line(type_name));
        let default = safe_default(it).map(|default| format!("default {default}"));
        let facts: Vec<_> = type_name.into_iter().chain(default).collect();
        let colon = if facts.is_empty() { "" } else { " : " };
        format!("{}{colon}{}", it.name, facts.join(", "))
    };
    let parameters = item.parameters.iter().flat_map(|it| entry(with_facts(it), parameter_field(it))).collect();
    push_section(&mut lines, &titles("Parameters"), parameters);
    if let Some((title, type_name)) = returns_section(item) {
        let type_name = if type_name.is_empty() { "object".to_owned() } else { one_line(type_name) };
        push_section(&mut lines, &titles(title), entry(type_name, Field::Returns).into());
    }
    let raises = item.raises.iter().flat_map(|it| entry(it.clone(), Field::Raises(it.clone()))).collect();
    push_section(&mut lines, &titles("Raises"), raises);
    lines
}

fn rustdoc(item: &DocItem) -> Vec<TemplateLine> {
    let mut lines = vec![field_line("", Field::Summary, 0)];
    let titles = |title: &str| [format!("# {title}"), String::new()];
    let entry = |name: &str, field| field_line(format!("* `{name}` - "), field, 2);
    let generics = item.type_parameters.iter().map(|it| entry(it, Field::TypeParameter(it.clone()))).collect();
    push_section(&mut lines, &titles("Type parameters"), generics);
    let arguments = item.parameters.iter().map(|it| entry(&it.name, parameter_field(it))).collect();
    push_section(&mut lines, &titles("Arguments"), arguments);
    if let Some((title, type_name)) = returns_section(item) {
        push_section(&mut lines, &titles(title), vec![field_line("", Field::Returns, 0)]);
        if type_name.split('<').next().is_some_and(|it| it.ends_with("Result")) {
            push_section(&mut lines, &titles("Errors"), vec![field_line("", Field::Raises("Errors".into()), 0)]);
        }
    }
    if item.raises.iter().any(|it| it == "panic") {
        push_section(&mut lines, &titles("Panics"), vec![field_line("", Field::Raises("Panics".into()), 0)]);
    }
    lines
}

/// Returns the lines of styles with a tag for each field.
fn tagged(style: DocStyle, item: &DocItem) -> Vec<TemplateLine> {
    let brief = if style == DocStyle::Doxygen { "@brief " } else { "" };
    let mut lines = vec![field_line(brief, Field::Summary, 0)];
    let hang = if style == DocStyle::Doxygen || style == DocStyle::Rest { 4 } else { 2 };
    let entry = |(tag, field): (String, Field)| field_line(tag, field, hang);
    let generics = item
        .type_parameters
        .iter()
        .filter_map(|it| Some((type_parameter_tag(style, it)?, Field::TypeParameter(it.clone()))));
    let parameters = item.parameters.iter().map(|it| (parameter_tag(style, it), parameter_field(it)));
    let returns = returns_section(item)
        .map(|(title, type_name)| (returns_tag(style, title, &one_line(type_name)), Field::Returns));
    let raises = item.raises.iter().map(|it| (raises_tag(style, it), Field::Raises(it.clone())));
    push_section(&mut lines, &[], generics.chain(parameters).chain(returns).chain(raises).map(entry).collect());
    lines
}

fn type_parameter_tag(style: DocStyle, name: &str) -> Option<String> {
    Some(match style {
        DocStyle::Jsdoc => format!("@template {name} - "),
        DocStyle::Tsdoc => format!("@typeParam {name} - "),
        DocStyle::Javadoc => format!("@param <{name}> "),
        DocStyle::Doxygen => format!("@tparam {name} "),
        _ => return None,
    })
}

fn parameter_tag(style: DocStyle, it: &Parameter) -> String {
    let (name, type_name) = (&it.name, it.type_name.as_deref().map(one_line));
    match style {
        DocStyle::Rest => format!(":param {}: ", name.replace('*', "\\\\*")),
        DocStyle::Jsdoc => {
            let type_name = type_name.unwrap_or_else(|| "*".into());
            match safe_default(it) {
                Some(default) => format!("@param {{{type_name}}} [{name}={default}] - "),
                None => format!("@param {{{type_name}}} {name} - "),
            }
        }
        DocStyle::Tsdoc => format!("@param {name} - "),
        DocStyle::Yard => format!("@param {name} [Object] "),
        DocStyle::Phpdoc => format!("@param {} {name} ", type_name.unwrap_or_else(|| "mixed".into())),
        _ => format!("@param {name} "),
    }
}

fn returns_tag(style: DocStyle, title: &str, type_name: &str) -> String {
    let or = |other: &str| if type_name.is_empty() { other.to_owned() } else { type_name.to_owned() };
    match style {
        DocStyle::Rest if title == "Yields" => ":yields: ".into(),
        DocStyle::Rest => ":returns: ".into(),
        DocStyle::Jsdoc => format!("@returns {{{}}} ", or("*")),
        DocStyle::Tsdoc => "@returns ".into(),
        DocStyle::Yard => "@return [Object] ".into(),
        DocStyle::Phpdoc => format!("@return {} ", or("mixed")),
        _ => "@return ".into(),
    }
}

fn raises_tag(style: DocStyle, name: &str) -> String {
    match style {
        DocStyle::Rest => format!(":raises {name}: "),
        DocStyle::Jsdoc => format!("@throws {{{name}}} "),
        DocStyle::Tsdoc => format!("@throws {{@link {name}}} "),
        DocStyle::Yard => format!("@raise [{name}] "),
        _ => format!("@throws {name} "),
    }
}

fn xmldoc(item: &DocItem) -> Vec<TemplateLine> {
    let element = |open: String, after, field| TemplateLine { suffix: after, ..field_line(open, field, 0) };
    let mut lines = vec![text_line("<summary>"), field_line("", Field::Summary, 0), text_line("</summary>")];
    for it in &item.type_parameters {
        lines.push(element(format!("<typeparam name=\"{it}\">"), "</typeparam>", Field::TypeParameter(it.clone())));
    }
    for it in &item.parameters {
        lines.push(element(format!("<param name=\"{}\">", it.name), "</param>", parameter_field(it)));
    }
    if returns_section(item).is_some() {
        lines.push(element("<returns>".into(), "</returns>", Field::Returns));
    }
    for it in &item.raises {
        lines.push(element(format!("<exception cref=\"{it}\">"), "</exception>", Field::Raises(it.clone())));
    }
    lines
}

fn luacats(item: &DocItem) -> Vec<TemplateLine> {
    let mut lines = vec![field_line("", Field::Summary, 0)];
    let entry = |it: &Parameter| field_line(format!("@param {} any ", it.name), parameter_field(it), 0);
    lines.extend(item.parameters.iter().map(entry));
    if returns_section(item).is_some() {
        lines.push(field_line("@return any # ", Field::Returns, 0));
    }
    lines
}

/// Returns the default of a parameter on one line if it cannot break any docstring.
fn safe_default(parameter: &Parameter) -> Option<String> {
    let default = parameter.default.as_deref()?;
    if ["\"\"\"", "'''", "*/", "\\", "\n"].iter().any(|mark| default.contains(mark)) {
        return None;
    }
    Some(one_line(default))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
