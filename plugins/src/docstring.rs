//! Docstrings: the syntax of an item, a template of its docstring, and the prose that a model writes into it.
//!
//! The template (sections, names, indentation, comment marks) is generated from the syntax tree, so it is complete and
//! correct whatever the model writes. The model writes only the prose of the template's fields, one after the other,
//! and its answers are cleaned. [`same_code`] checks that nothing but comments has changed.

mod body;
mod body_docstring;
mod comment_marks;
mod doc_template;
mod edit;
mod error;
mod field;
mod find;
mod item;
mod leading_comment;
mod parameters;
mod prompt;
mod prose;
mod same_code;
mod sections;
mod style;
mod task;
mod update;

pub use doc_template::DocTemplate;
pub use edit::Edit;
pub use error::DocstringError;
pub use field::Field;
pub use find::{find_item, items};
pub use item::{DocItem, DocstringPosition, ItemKind, Parameter, Returns};
pub use prompt::{DocPromptContext, FIELD_STOPS, SUMMARY_STOPS, prompt, summary_prompt};
pub use prose::is_summary_complete;
pub use same_code::same_code;
pub use style::DocStyle;
pub use task::{DocTask, DocstringMode};

#[cfg(test)]
mod tests;
