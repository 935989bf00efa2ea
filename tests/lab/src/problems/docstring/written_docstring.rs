//! A docstring as `foretype docstring` writes it, and what must be right about it whatever the model says.

use std::time::Instant;

use anyhow::{Context, Result};
use foretype::config::DocstringConfig;
use foretype::evaluate::items::DocstringForm;
use foretype_plugins::docstring::{self, Ground, Item, Style, Task};
use foretype_plugins::{Language, syntax};

use crate::problems::ProblemContext;

/// What was written for a function.
pub(super) struct WrittenDocstring {
    /// The docstring with its marks.
    pub(super) text: String,
    pub(super) form: DocstringForm,
    pub(super) milliseconds: f64,
}

/// Writes the docstring of the function at a line of a text.
pub(super) fn write(asking: &ProblemContext, file: &str, text: &str, line: usize) -> Result<WrittenDocstring> {
    let language = Language::from_path(file);
    let task = new_task(language, text, line)?;
    let most = foretype::docstring::max_context_bytes(asking.engine.model(), asking.config());
    let ground = Ground { language, path: file, text, most, format: asking.engine.model().fim_format(), snippets: &[] };
    let start = Instant::now();
    let written = foretype::docstring::write_docstring(&asking.engine, &ground, &task, None, foretype::ask::AnswerSampling::Greedy, &|| true)?;
    let milliseconds = start.elapsed().as_secs_f64() * 1000.0;
    let after = written.edit.apply(text);
    let form = check_form(language, task.frame.style(), &task.item, (text, &after));
    Ok(WrittenDocstring { text: written.edit.text.trim().to_owned(), form, milliseconds })
}

fn new_task(language: Language, text: &str, line: usize) -> Result<Task> {
    let tree = syntax::parse(language, text, None);
    let item = docstring::find(language, tree.as_ref(), text, line)?;
    let style = Style::detect(language, []).context("the language has no docstrings")?;
    Ok(Task::new(item, language, style, text, DocstringConfig::default().width)?)
}

/// What the text says once it is read again, as somebody who knows nothing of the frame would read it.
fn check_form(language: Language, style: Style, item: &Item, (before, after): (&str, &str)) -> DocstringForm {
    let trees = [before, after].map(|text| syntax::parse(language, text, None));
    let [Some(one), Some(other)] = &trees else { return DocstringForm::default() };
    let found = docstring::items(language, other, after).into_iter().find(|it| it.name == item.name);
    let own = found.and_then(|it| after.get(it.existing?)).unwrap_or_default();
    let expected: Vec<_> = item.parameters.iter().map(|it| it.name.clone()).collect();
    DocstringForm {
        well_formed: !own.is_empty() && one.root_node().has_error() == other.root_node().has_error(),
        parameters: (style != Style::Godoc).then(|| named_parameters(style, own) == expected),
        unchanged: docstring::same_code(language, (one, before), (other, after)),
    }
}

/// The parameters that a docstring names, in its order.
fn named_parameters(style: Style, docstring: &str) -> Vec<String> {
    let lines = docstring.lines().map(|line| line.trim_start_matches([' ', '/']));
    let first = |text: &str, end: &str| text.split(end).next().unwrap_or_default().trim().to_owned();
    let part = |text: &str, title: &str| text.split(title).nth(1).unwrap_or_default().to_owned();
    match style {
        Style::Google => {
            let section = part(docstring, "Args:\n").split("\n\n").next().unwrap_or_default().to_owned();
            let indent = section.len() - section.trim_start().len();
            let entry = |line: &&str| line.len() - line.trim_start().len() == indent && line.contains(": ");
            section.lines().filter(entry).map(|line| first(line, ":")).collect()
        }
        Style::Rustdoc => lines.filter_map(|line| Some(first(line.strip_prefix("* `")?, "`"))).collect(),
        _ => {
            let tag = |line: &str| Some(line.trim_start_matches("* ").strip_prefix("@param ")?.to_owned());
            let name = |rest: &String| match rest.split_once("} ") {
                Some((_, rest)) if rest.starts_with('[') => first(&rest[1..], "="),
                Some((_, rest)) => first(rest, " "),
                None => first(rest, " "),
            };
            lines.filter_map(tag).map(|rest| name(&rest)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_docstring_is_read_without_its_frame() {
        let google = "\"\"\"F.\n\n    Args:\n        x: A: b.\n            on: it goes\n        *y: C.\n\n    Returns:\n        z: D.\n    \"\"\"";
        assert_eq!(named_parameters(Style::Google, google), ["x", "*y"]);
        assert_eq!(named_parameters(Style::Rustdoc, "/// F.\n///\n/// * `x` - A.\n///   `b`\n/// * `y` - C."), ["x", "y"]);
        let jsdoc = "/**\n * F.\n *\n * @param {*} x - A.\n * @param {*} [y=2] - B.\n * @returns {*} C.\n */";
        assert_eq!(named_parameters(Style::Jsdoc, jsdoc), ["x", "y"]);
        assert_eq!(named_parameters(Style::Javadoc, "/**\n * F.\n *\n * @param x A.\n */"), ["x"]);
    }

    #[test]
    fn a_wrong_name_a_lost_docstring_and_changed_code_are_seen() {
        let before = "def f(x):\n    return x\n";
        let item = new_task(Language::Python, before, 0).expect("a function").item;
        let look = |after: &str| check_form(Language::Python, Style::Google, &item, (before, after));
        let good = "def f(x):\n    \"\"\"F.\n\n    Args:\n        x: A.\n    \"\"\"\n    return x\n";
        assert_eq!(look(good), DocstringForm { well_formed: true, parameters: Some(true), unchanged: true });
        assert_eq!(look(&good.replace("x: A", "y: A")).parameters, Some(false));
        assert!(!look(&good.replace("return x", "return 1")).unchanged);
        assert!(!look(before).well_formed);
    }
}
