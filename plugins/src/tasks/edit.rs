//! Task `edit`: selected lines rewritten by an instruction. The model writes new versions of these lines; nothing else
//! can change.

use std::ops::Range;

use tree_sitter::Tree;

use super::code::{self, CodeFault, CodePrompt, MAX_FAULT_CHARS};
use crate::docstring::Edit;
use crate::{Language, syntax};

/// Lines selected for a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectedLines {
    /// Byte range of whole lines, without the last line end.
    pub range: Range<usize>,
    /// The lines without the indentation that they share, with `\n` line ends.
    pub dedented: String,
    /// Indentation that the lines share.
    pub indent: String,
}

impl SelectedLines {
    /// The lines that a selection touches.
    pub fn touching(text: &str, selection: Range<usize>) -> Self {
        let start = text[..selection.start].rfind('\n').map_or(0, |at| at + 1);
        // A selection that ends at a line start does not touch that line.
        let last = if selection.end > selection.start.max(start) && text[..selection.end].ends_with('\n') {
            selection.end - 1
        } else {
            selection.end
        };
        let end = text[last..].find('\n').map_or(text.len(), |at| last + at);
        let (dedented, indent) = code::dedent(&text[start..end]);
        Self { range: start..end, dedented, indent }
    }

    /// Prompt for a change. `instruction` is in the user's words, `signature` the first line of the item around the
    /// lines.
    pub fn prompt(&self, language: Language, instruction: &str, signature: Option<&str>) -> CodePrompt {
        let system = format!("You change {} code as you are told, and nothing else. Give only code.", language.name());
        let place = signature.map(|it| format!("These lines stand in `{}`:\n\n", it.trim())).unwrap_or_default();
        let block = code::fenced_block(language, &self.dedented);
        let question = format!("{place}{block}\n\n{}\n\nWrite all of this code with that change.", instruction.trim());
        CodePrompt::new(language, &system, question, &self.dedented, "")
    }

    /// Replacement of the lines by the model's `code`, with their indentation.
    pub fn replacement(&self, code: &str) -> Edit {
        let (dedented, _) = code::dedent(code);
        let lines = code::indent(dedented.trim_end(), &self.indent);
        Edit { range: self.range.clone(), text: lines }
    }
}

/// First line of the innermost item that contains the lines and begins above them.
pub fn enclosing_signature<'a>(tree: Option<&Tree>, text: &'a str, lines: &SelectedLines) -> Option<&'a str> {
    let items = syntax::enclosing_items(tree?, text, lines.range.start + lines.indent.len() + 1);
    let encloses =
        |item: &&syntax::SyntaxItem| item.range.start < lines.range.start && lines.range.end <= item.range.end;
    let item = items.iter().rev().find(encloses)?;
    text.get(item.signature.clone())?.lines().next()
}

/// Fault that an edit introduces: the first syntax error, if the text has more of them afterwards. `None` for a
/// language without a grammar.
pub fn introduced_fault(language: Language, text: &str, edit: &Edit) -> Option<CodeFault> {
    let after = edit.apply(text);
    let (old, new) = (syntax::parse(language, text, None)?, syntax::parse(language, &after, None)?);
    let errors_before = syntax::count_errors(&old, &(0..text.len()));
    let offset = if syntax::count_errors(&new, &(0..after.len())) > errors_before {
        syntax::first_error_offset(&new)?
    } else {
        let [clauses_before, clauses] = [&old, &new].map(|tree| package_clauses(language, tree));
        if clauses.len() <= clauses_before.len().max(1) {
            return None;
        }
        *clauses.iter().find(|at| edit.range.start <= **at).or(clauses.last())?
    };
    // Only lines of the edit are named: an error below it follows from it.
    let offset = offset.max(edit.range.start).min(edit.range.start + edit.text.len());
    let offset = after.floor_char_boundary(offset);
    let line_start = after[..offset].rfind('\n').map_or(0, |at| at + 1);
    let line_end = after[offset..].find('\n').map_or(after.len(), |at| offset + at);
    Some(CodeFault::SyntaxError {
        number: 1 + after[edit.range.start..offset].matches('\n').count(),
        text: after[line_start..line_end].trim().chars().take(MAX_FAULT_CHARS).collect(),
    })
}

/// Offsets of Go's package clauses. The grammar accepts any number of them, the language one.
fn package_clauses(language: Language, tree: &Tree) -> Vec<usize> {
    let mut cursor = tree.walk();
    let children = tree.root_node().children(&mut cursor);
    let clauses = children.filter(|it| language == Language::Go && it.kind() == "package_clause");
    clauses.map(|it| it.start_byte()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "def f(x):\n    y = x\n    return y\n\nz = 1\n";

    fn lines(selected: &str) -> SelectedLines {
        let start = TEXT.find(selected).expect("it is there");
        SelectedLines::touching(TEXT, start..start + selected.len())
    }

    #[test]
    fn whole_lines_are_replaced_with_their_indentation() {
        let lines = lines("x\n    ret");
        assert_eq!((lines.dedented.as_str(), lines.indent.as_str()), ("y = x\nreturn y", "    "));
        let after = lines.replacement("return x\n").apply(TEXT);
        assert_eq!(after, "def f(x):\n    return x\n\nz = 1\n");
        assert_eq!(self::lines("y = x\n").dedented, "y = x");
    }

    #[test]
    fn the_prompt_contains_the_instruction_and_the_enclosing_signature() {
        let lines = lines("y = x");
        let tree = syntax::parse(Language::Python, TEXT, None);
        let head = enclosing_signature(tree.as_ref(), TEXT, &lines);
        let asked = lines.prompt(Language::Python, "Double it.", head).messages[1].content.clone();
        assert!(asked.contains("`def f(x):`") && asked.contains("```python\ny = x\n```\n\nDouble it."), "{asked}");
    }

    #[test]
    fn an_edit_that_breaks_the_syntax_names_the_line() {
        let lines = lines("return y");
        let check = |code| introduced_fault(Language::Python, TEXT, &lines.replacement(code));
        assert_eq!(check("return x * 2"), None);
        let broken = check("y += 1\nreturn (y").map(|fault| fault.to_string());
        assert!(broken.as_deref().is_some_and(|it| it.contains("return (y")), "{broken:?}");
    }

    #[test]
    fn a_second_go_package_clause_is_a_fault() {
        let text = "package m\n\nfunc f() {}\n";
        let edit = |written: &str| Edit { range: 11..text.len(), text: written.to_owned() };
        let broken = introduced_fault(Language::Go, text, &edit("package main\n\nfunc f() {}\n")).expect("a fault");
        assert!(broken.to_string().contains("package main"), "{broken}");
        assert_eq!(introduced_fault(Language::Go, text, &edit("func f() int { return 1 }\n")), None);
    }
}
