//! Docstrings as `foretype docstring` writes them, and checks of their form, which must be correct whatever the model
//! generates.

use std::time::Instant;

use anyhow::{Context, Result};
use foretype::ask::AnswerSampling;
use foretype::config::DocstringConfig;
use foretype::evaluate::items::DocstringForm;
use foretype_plugins::docstring::{self, DocItem, DocPromptContext, DocStyle, DocTask};
use foretype_plugins::{Language, syntax};

use crate::problems::ProblemContext;

/// A docstring that Foretype has written for a function.
pub(super) struct WrittenDocstring {
    /// Docstring with its comment marks.
    pub(super) text: String,
    pub(super) form: DocstringForm,
    pub(super) milliseconds: f64,
}

/// Writes the docstring of the function at a line of a file.
///
/// # Errors
/// If there is no function at the line or the model fails.
pub(super) fn write(context: &ProblemContext, file: &str, text: &str, line: usize) -> Result<WrittenDocstring> {
    let language = Language::from_path(file);
    let task = new_task(language, text, line)?;
    let model = context.engine.model();
    let max_bytes = foretype::docstring::max_context_bytes(model, context.config());
    let format = model.fim_format();
    let ground = DocPromptContext { language, path: file, text, max_bytes, format, snippets: &[] };
    let started = Instant::now();
    let sampling = AnswerSampling::Greedy;
    let written = foretype::docstring::write_docstring(&context.engine, &ground, &task, None, sampling, &|| true)?;
    let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
    let after = written.edit.apply(text);
    let form = check_form(language, task.template.style(), &task.item, (text, &after));
    Ok(WrittenDocstring { text: written.edit.text.trim().to_owned(), form, milliseconds })
}

fn new_task(language: Language, text: &str, line: usize) -> Result<DocTask> {
    let tree = syntax::parse(language, text, None);
    let item = docstring::find_item(language, tree.as_ref(), text, line)?;
    let style = DocStyle::detect(language, []).context("the language has no docstrings")?;
    Ok(DocTask::new(item, language, style, text, DocstringConfig::default().width)?)
}

/// Checks the form of the docstring by parsing the new text, without knowledge of how the docstring was made.
fn check_form(language: Language, style: DocStyle, item: &DocItem, (before, after): (&str, &str)) -> DocstringForm {
    let trees = [before, after].map(|text| syntax::parse(language, text, None));
    let [Some(one), Some(other)] = &trees else { return DocstringForm::default() };
    let found = docstring::items(language, other, after).into_iter().find(|it| it.name == item.name);
    let own = found.and_then(|it| after.get(it.existing?)).unwrap_or_default();
    let expected: Vec<_> = item.parameters.iter().map(|it| it.name.clone()).collect();
    // Go's style names no parameters.
    let parameters = if style == DocStyle::Godoc { None } else { Some(named_parameters(style, own) == expected) };
    DocstringForm {
        well_formed: !own.is_empty() && one.root_node().has_error() == other.root_node().has_error(),
        parameters,
        unchanged: docstring::same_code(language, (one, before), (other, after)),
    }
}

/// Parameters that a docstring names, in its order.
fn named_parameters(style: DocStyle, docstring: &str) -> Vec<String> {
    let lines = docstring.lines().map(|line| line.trim_start_matches([' ', '/']));
    let first = |text: &str, end: &str| text.split(end).next().unwrap_or_default().trim().to_owned();
    let part = |text: &str, title: &str| text.split(title).nth(1).unwrap_or_default().to_owned();
    match style {
        DocStyle::Google => {
            let section = part(docstring, "Args:\n").split("\n\n").next().unwrap_or_default().to_owned();
            let indent = section.len() - section.trim_start().len();
            let entry = |line: &&str| line.len() - line.trim_start().len() == indent && line.contains(": ");
            section.lines().filter(entry).map(|line| first(line, ":")).collect()
        }
        DocStyle::Rustdoc => lines.filter_map(|line| Some(first(line.strip_prefix("* `")?, "`"))).collect(),
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
    fn parameters_are_found_in_docstrings_of_all_styles() {
        let google = "\"\"\"F.\n\n    Args:\n        x: A: b.\n            on: it goes\n        *y: C.\n\n    \
                      Returns:\n        z: D.\n    \"\"\"";
        assert_eq!(named_parameters(DocStyle::Google, google), ["x", "*y"]);
        assert_eq!(
            named_parameters(DocStyle::Rustdoc, "/// F.\n///\n/// * `x` - A.\n///   `b`\n/// * `y` - C."),
            ["x", "y"]
        );
        let jsdoc = "/**\n * F.\n *\n * @param {*} x - A.\n * @param {*} [y=2] - B.\n * @returns {*} C.\n */";
        assert_eq!(named_parameters(DocStyle::Jsdoc, jsdoc), ["x", "y"]);
        assert_eq!(named_parameters(DocStyle::Javadoc, "/**\n * F.\n *\n * @param x A.\n */"), ["x"]);
    }

    #[test]
    fn a_wrong_name_a_missing_docstring_and_changed_code_are_detected() {
        let before = "def f(x):\n    return x\n";
        let item = new_task(Language::Python, before, 0).expect("a function").item;
        let look = |after: &str| check_form(Language::Python, DocStyle::Google, &item, (before, after));
        let good = "def f(x):\n    \"\"\"F.\n\n    Args:\n        x: A.\n    \"\"\"\n    return x\n";
        assert_eq!(look(good), DocstringForm { well_formed: true, parameters: Some(true), unchanged: true });
        assert_eq!(look(&good.replace("x: A", "y: A")).parameters, Some(false));
        assert!(!look(&good.replace("return x", "return 1")).unchanged);
        assert!(!look(before).well_formed);
    }
}
