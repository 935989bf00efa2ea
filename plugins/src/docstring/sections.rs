//! The lines of a docstring in each style, without marks of comments.

use super::doc_template::Field;
use super::item::{DocItem, Parameter, Returns};
use super::style::DocStyle;

/// A line, and the hole that it ends with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TemplateLine {
    pub(super) text: String,
    pub(super) field: Option<Field>,
    /// What follows the hole.
    pub(super) suffix: &'static str,
    /// Spaces that the hole's further lines begin with.
    pub(super) hanging_indent: usize,
    /// Whether it is a line of a docstring that is there, with its marks.
    pub(super) existing: bool,
}

impl TemplateLine {
    /// A line that is there.
    pub(super) fn existing(text: impl Into<String>) -> Self {
        Self { existing: true, ..text_line(text) }
    }
}

fn text_line(text: impl Into<String>) -> TemplateLine {
    TemplateLine { text: text.into(), field: None, suffix: "", hanging_indent: 0, existing: false }
}

fn field_line(text: impl Into<String>, about: Field, hang: usize) -> TemplateLine {
    TemplateLine { field: Some(about), hanging_indent: hang, ..text_line(text) }
}

/// The lines of a docstring.
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

/// A comment of Go begins with the name of what it is about.
fn opening_words(item: &DocItem) -> String {
    if item.kind == super::ItemKind::Module { format!("Package {} ", item.name) } else { format!("{} ", item.name) }
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

/// A section with its title, if there is anything in it.
fn push_section(lines: &mut Vec<TemplateLine>, titles: &[String], content: Vec<TemplateLine>) {
    if !content.is_empty() {
        lines.push(text_line(""));
        lines.extend(titles.iter().map(text_line));
        lines.extend(content);
    }
}

fn google(item: &DocItem) -> Vec<TemplateLine> {
    let mut lines = vec![field_line("", Field::Summary, 0)];
    let entry = |name: &str, about| field_line(format!("    {name}: "), about, 8);
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
    let entry = |name: String, about| [text_line(name), field_line("    ", about, 4)];
    let typed = |it: &Parameter| {
        let of_type = it.type_name.as_ref().map(|of_type| one_line(of_type));
        let default = it
            .default
            .as_deref()
            .filter(|default| is_safe_default(default))
            .map(|default| format!("default {}", one_line(default)));
        let facts: Vec<_> = of_type.into_iter().chain(default).collect();
        let colon = if facts.is_empty() { "" } else { " : " };
        format!("{}{colon}{}", it.name, facts.join(", "))
    };
    let parameters = item.parameters.iter().flat_map(|it| entry(typed(it), parameter_field(it))).collect();
    push_section(&mut lines, &titles("Parameters"), parameters);
    if let Some((title, of_type)) = returns_section(item) {
        let of_type = if of_type.is_empty() { "object".to_owned() } else { one_line(of_type) };
        push_section(&mut lines, &titles(title), entry(of_type, Field::Returns).into());
    }
    let raises = item.raises.iter().flat_map(|it| entry(it.clone(), Field::Raises(it.clone()))).collect();
    push_section(&mut lines, &titles("Raises"), raises);
    lines
}

fn rustdoc(item: &DocItem) -> Vec<TemplateLine> {
    let mut lines = vec![field_line("", Field::Summary, 0)];
    let titles = |title: &str| [format!("# {title}"), String::new()];
    let entry = |name: &str, about| field_line(format!("* `{name}` - "), about, 2);
    let generics = item.type_parameters.iter().map(|it| entry(it, Field::TypeParameter(it.clone()))).collect();
    push_section(&mut lines, &titles("Type parameters"), generics);
    let arguments = item.parameters.iter().map(|it| entry(&it.name, parameter_field(it))).collect();
    push_section(&mut lines, &titles("Arguments"), arguments);
    let Some((title, of_type)) = returns_section(item).or(Some(("", ""))) else { return lines };
    if !title.is_empty() {
        push_section(&mut lines, &titles(title), vec![field_line("", Field::Returns, 0)]);
    }
    if of_type.split('<').next().is_some_and(|it| it.ends_with("Result")) {
        push_section(&mut lines, &titles("Errors"), vec![field_line("", Field::Raises("Errors".into()), 0)]);
    }
    if item.raises.iter().any(|it| it == "panic") {
        push_section(&mut lines, &titles("Panics"), vec![field_line("", Field::Raises("Panics".into()), 0)]);
    }
    lines
}

/// Styles with a tag for each part.
fn tagged(style: DocStyle, item: &DocItem) -> Vec<TemplateLine> {
    let brief = if style == DocStyle::Doxygen { "@brief " } else { "" };
    let mut lines = vec![field_line(brief, Field::Summary, 0)];
    let hang = if style == DocStyle::Doxygen || style == DocStyle::Rest { 4 } else { 2 };
    let entry = |(tag, about): (String, Field)| field_line(tag, about, hang);
    let generics = item
        .type_parameters
        .iter()
        .filter_map(|it| Some((type_parameter_tag(style, it)?, Field::TypeParameter(it.clone()))));
    let parameters = item.parameters.iter().map(|it| (parameter_tag(style, it), parameter_field(it)));
    let returns =
        returns_section(item).map(|(title, of_type)| (returns_tag(style, title, &one_line(of_type)), Field::Returns));
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
    let (name, of_type) = (&it.name, it.type_name.as_deref().map(one_line));
    match style {
        DocStyle::Rest => format!(":param {}: ", name.replace('*', "\\\\*")),
        DocStyle::Jsdoc => {
            let of_type = of_type.unwrap_or_else(|| "*".into());
            it.default.as_deref().filter(|default| is_safe_default(default)).map_or_else(
                || format!("@param {{{of_type}}} {name} - "),
                |default| format!("@param {{{of_type}}} [{name}={}] - ", one_line(default)),
            )
        }
        DocStyle::Tsdoc => format!("@param {name} - "),
        DocStyle::Yard => format!("@param {name} [Object] "),
        DocStyle::Phpdoc => format!("@param {} {name} ", of_type.unwrap_or_else(|| "mixed".into())),
        _ => format!("@param {name} "),
    }
}

fn returns_tag(style: DocStyle, title: &str, of_type: &str) -> String {
    let or = |other: &str| if of_type.is_empty() { other.to_owned() } else { of_type.to_owned() };
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
    let element = |open: String, after, about| TemplateLine { suffix: after, ..field_line(open, about, 0) };
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

/// Whether a default can stand in any docstring.
fn is_safe_default(default: &str) -> bool {
    !["\"\"\"", "'''", "*/", "\\", "\n"].iter().any(|mark| default.contains(mark))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
