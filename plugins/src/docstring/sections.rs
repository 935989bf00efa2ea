//! The lines of a docstring in each style, without marks of comments.

use super::frame::About;
use super::item::{Item, Parameter, Returns};
use super::style::Style;

/// A line, and the hole that it ends with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) hole: Option<About>,
    /// What follows the hole.
    pub(super) after: &'static str,
    /// Spaces that the hole's further lines begin with.
    pub(super) hang: usize,
    /// Whether it is a line of a docstring that is there, with its marks.
    pub(super) whole: bool,
}

impl Line {
    /// A line that is there.
    pub(super) fn whole(text: impl Into<String>) -> Self {
        Self { whole: true, ..plain(text) }
    }
}

fn plain(text: impl Into<String>) -> Line {
    Line { text: text.into(), hole: None, after: "", hang: 0, whole: false }
}

fn hole(text: impl Into<String>, about: About, hang: usize) -> Line {
    Line { hole: Some(about), hang, ..plain(text) }
}

/// The lines of a docstring.
pub(super) fn lines(style: Style, item: &Item) -> Vec<Line> {
    match style {
        Style::Google => google(item),
        Style::Numpy => numpy(item),
        Style::Rustdoc => rustdoc(item),
        Style::Godoc => vec![hole(opening_words(item), About::Summary, 0)],
        Style::Xmldoc => xmldoc(item),
        Style::Luacats => luacats(item),
        Style::Rest | Style::Jsdoc | Style::Tsdoc | Style::Javadoc | Style::Doxygen | Style::Yard | Style::Phpdoc => {
            tagged(style, item)
        }
    }
}

/// A comment of Go begins with the name of what it is about.
fn opening_words(item: &Item) -> String {
    if item.kind == super::Kind::Module { format!("Package {} ", item.name) } else { format!("{} ", item.name) }
}

fn parameter(it: &Parameter) -> About {
    About::Parameter(it.name.clone())
}

fn returned(item: &Item) -> Option<(&'static str, &str)> {
    match &item.returns {
        Returns::Nothing => None,
        Returns::Value(it) => Some(("Returns", it.as_deref().unwrap_or_default())),
        Returns::Yields(it) => Some(("Yields", it.as_deref().unwrap_or_default())),
    }
}

/// A section with its title, if there is anything in it.
fn section(lines: &mut Vec<Line>, titles: &[String], content: Vec<Line>) {
    if !content.is_empty() {
        lines.push(plain(""));
        lines.extend(titles.iter().map(plain));
        lines.extend(content);
    }
}

fn google(item: &Item) -> Vec<Line> {
    let mut lines = vec![hole("", About::Summary, 0)];
    let entry = |name: &str, about| hole(format!("    {name}: "), about, 8);
    let arguments = item.parameters.iter().map(|it| entry(&it.name, parameter(it))).collect();
    section(&mut lines, &["Args:".into()], arguments);
    if let Some((title, _)) = returned(item) {
        section(&mut lines, &[format!("{title}:")], vec![hole("    ", About::Returns, 4)]);
    }
    let raises = item.raises.iter().map(|it| entry(it, About::Raises(it.clone()))).collect();
    section(&mut lines, &["Raises:".into()], raises);
    lines
}

fn numpy(item: &Item) -> Vec<Line> {
    let titles = |title: &str| [title.to_owned(), "-".repeat(title.len())];
    let mut lines = vec![hole("", About::Summary, 0)];
    let entry = |name: String, about| [plain(name), hole("    ", about, 4)];
    let typed = |it: &Parameter| {
        let of_type = it.of_type.as_ref().map(|of_type| one_line(of_type));
        let default = it
            .default
            .as_deref()
            .filter(|default| is_plain(default))
            .map(|default| format!("default {}", one_line(default)));
        let facts: Vec<_> = of_type.into_iter().chain(default).collect();
        let colon = if facts.is_empty() { "" } else { " : " };
        format!("{}{colon}{}", it.name, facts.join(", "))
    };
    let parameters = item.parameters.iter().flat_map(|it| entry(typed(it), parameter(it))).collect();
    section(&mut lines, &titles("Parameters"), parameters);
    if let Some((title, of_type)) = returned(item) {
        let of_type = if of_type.is_empty() { "object".to_owned() } else { one_line(of_type) };
        section(&mut lines, &titles(title), entry(of_type, About::Returns).into());
    }
    let raises = item.raises.iter().flat_map(|it| entry(it.clone(), About::Raises(it.clone()))).collect();
    section(&mut lines, &titles("Raises"), raises);
    lines
}

fn rustdoc(item: &Item) -> Vec<Line> {
    let mut lines = vec![hole("", About::Summary, 0)];
    let titles = |title: &str| [format!("# {title}"), String::new()];
    let entry = |name: &str, about| hole(format!("* `{name}` - "), about, 2);
    let generics = item.generics.iter().map(|it| entry(it, About::Generic(it.clone()))).collect();
    section(&mut lines, &titles("Type parameters"), generics);
    let arguments = item.parameters.iter().map(|it| entry(&it.name, parameter(it))).collect();
    section(&mut lines, &titles("Arguments"), arguments);
    let Some((title, of_type)) = returned(item).or(Some(("", ""))) else { return lines };
    if !title.is_empty() {
        section(&mut lines, &titles(title), vec![hole("", About::Returns, 0)]);
    }
    if of_type.split('<').next().is_some_and(|it| it.ends_with("Result")) {
        section(&mut lines, &titles("Errors"), vec![hole("", About::Raises("Errors".into()), 0)]);
    }
    if item.raises.iter().any(|it| it == "panic") {
        section(&mut lines, &titles("Panics"), vec![hole("", About::Raises("Panics".into()), 0)]);
    }
    lines
}

/// Styles with a tag for each part.
fn tagged(style: Style, item: &Item) -> Vec<Line> {
    let brief = if style == Style::Doxygen { "@brief " } else { "" };
    let mut lines = vec![hole(brief, About::Summary, 0)];
    let hang = if style == Style::Doxygen || style == Style::Rest { 4 } else { 2 };
    let entry = |(tag, about): (String, About)| hole(tag, about, hang);
    let generics = item.generics.iter().filter_map(|it| Some((generic_tag(style, it)?, About::Generic(it.clone()))));
    let parameters = item.parameters.iter().map(|it| (parameter_tag(style, it), parameter(it)));
    let returns =
        returned(item).map(|(title, of_type)| (returns_tag(style, title, &one_line(of_type)), About::Returns));
    let raises = item.raises.iter().map(|it| (raises_tag(style, it), About::Raises(it.clone())));
    section(&mut lines, &[], generics.chain(parameters).chain(returns).chain(raises).map(entry).collect());
    lines
}

fn generic_tag(style: Style, name: &str) -> Option<String> {
    Some(match style {
        Style::Jsdoc => format!("@template {name} - "),
        Style::Tsdoc => format!("@typeParam {name} - "),
        Style::Javadoc => format!("@param <{name}> "),
        Style::Doxygen => format!("@tparam {name} "),
        _ => return None,
    })
}

fn parameter_tag(style: Style, it: &Parameter) -> String {
    let (name, of_type) = (&it.name, it.of_type.as_deref().map(one_line));
    match style {
        Style::Rest => format!(":param {}: ", name.replace('*', "\\\\*")),
        Style::Jsdoc => {
            let of_type = of_type.unwrap_or_else(|| "*".into());
            it.default.as_deref().filter(|default| is_plain(default)).map_or_else(
                || format!("@param {{{of_type}}} {name} - "),
                |default| format!("@param {{{of_type}}} [{name}={}] - ", one_line(default)),
            )
        }
        Style::Tsdoc => format!("@param {name} - "),
        Style::Yard => format!("@param {name} [Object] "),
        Style::Phpdoc => format!("@param {} {name} ", of_type.unwrap_or_else(|| "mixed".into())),
        _ => format!("@param {name} "),
    }
}

fn returns_tag(style: Style, title: &str, of_type: &str) -> String {
    let or = |other: &str| if of_type.is_empty() { other.to_owned() } else { of_type.to_owned() };
    match style {
        Style::Rest if title == "Yields" => ":yields: ".into(),
        Style::Rest => ":returns: ".into(),
        Style::Jsdoc => format!("@returns {{{}}} ", or("*")),
        Style::Tsdoc => "@returns ".into(),
        Style::Yard => "@return [Object] ".into(),
        Style::Phpdoc => format!("@return {} ", or("mixed")),
        _ => "@return ".into(),
    }
}

fn raises_tag(style: Style, name: &str) -> String {
    match style {
        Style::Rest => format!(":raises {name}: "),
        Style::Jsdoc => format!("@throws {{{name}}} "),
        Style::Tsdoc => format!("@throws {{@link {name}}} "),
        Style::Yard => format!("@raise [{name}] "),
        _ => format!("@throws {name} "),
    }
}

fn xmldoc(item: &Item) -> Vec<Line> {
    let element = |open: String, after, about| Line { after, ..hole(open, about, 0) };
    let mut lines = vec![plain("<summary>"), hole("", About::Summary, 0), plain("</summary>")];
    for it in &item.generics {
        lines.push(element(format!("<typeparam name=\"{it}\">"), "</typeparam>", About::Generic(it.clone())));
    }
    for it in &item.parameters {
        lines.push(element(format!("<param name=\"{}\">", it.name), "</param>", parameter(it)));
    }
    if returned(item).is_some() {
        lines.push(element("<returns>".into(), "</returns>", About::Returns));
    }
    for it in &item.raises {
        lines.push(element(format!("<exception cref=\"{it}\">"), "</exception>", About::Raises(it.clone())));
    }
    lines
}

fn luacats(item: &Item) -> Vec<Line> {
    let mut lines = vec![hole("", About::Summary, 0)];
    let entry = |it: &Parameter| hole(format!("@param {} any ", it.name), parameter(it), 0);
    lines.extend(item.parameters.iter().map(entry));
    if returned(item).is_some() {
        lines.push(hole("@return any # ", About::Returns, 0));
    }
    lines
}

/// Whether a default can stand in any docstring.
fn is_plain(default: &str) -> bool {
    !["\"\"\"", "'''", "*/", "\\", "\n"].iter().any(|mark| default.contains(mark))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
