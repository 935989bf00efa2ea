//! `edit`: lines of a text changed as somebody says. The model writes the lines anew; nothing else can change.

use std::ops::Range;

use tree_sitter::Tree;

use super::code::{self, CodeFault, CodePrompt};
use crate::docstring::Edit;
use crate::{Language, syntax};

/// Lines that are to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectedLines {
    /// Where they are: whole lines, without the last line end.
    pub range: Range<usize>,
    /// The lines without the indentation that they share, with `\n` at their ends.
    pub dedented: String,
    /// That indentation.
    pub indent: String,
}

impl SelectedLines {
    /// The lines that a selection touches.
    pub fn touching(text: &str, selection: Range<usize>) -> Self {
        let start = text[..selection.start].rfind('\n').map_or(0, |at| at + 1);
        // A selection that ends where a line begins does not touch that line.
        let last = if selection.end > selection.start.max(start) && text[..selection.end].ends_with('\n') {
            selection.end - 1
        } else {
            selection.end
        };
        let end = text[last..].find('\n').map_or(text.len(), |at| last + at);
        let end = if text[start..end].ends_with('\r') { end - 1 } else { end };
        let (bare, indent) = code::dedented(&text[start..end].replace("\r\n", "\n"));
        Self { range: start..end, dedented: bare, indent }
    }

    /// The question: `instruction` is in the user's words. `head` is what the lines stand in, if they stand in something.
    pub fn prompt(&self, language: Language, instruction: &str, head: Option<&str>) -> CodePrompt {
        let system = format!("You change {} code as you are told, and nothing else. Give only code.", language.name());
        let head = head.map(|head| format!("These lines stand in `{}`:\n\n", head.trim())).unwrap_or_default();
        let block = code::fenced(language, &self.dedented);
        let question = format!("{head}{block}\n\n{}\n\nWrite all of this code with that change.", instruction.trim());
        CodePrompt::new(language, &system, question, &self.dedented, "")
    }

    /// The replacement of the lines by what was written.
    pub fn replacement(&self, text: &str, code: &str) -> Edit {
        let (bare, _) = code::dedented(code);
        let lines = code::indented(bare.trim_end(), &self.indent);
        Edit { range: self.range.clone(), text: match_line_ends(text, lines) }
    }
}

/// `written` with the line ends of `text`.
pub(super) fn match_line_ends(text: &str, written: String) -> String {
    if text.contains("\r\n") { written.replace('\n', "\r\n") } else { written }
}

/// The first line of the innermost item that holds the lines and more than them.
pub fn enclosing_signature<'a>(tree: Option<&Tree>, text: &'a str, lines: &SelectedLines) -> Option<&'a str> {
    let around = syntax::enclosing_items(tree?, text, lines.range.start + lines.indent.len() + 1);
    let holds = |item: &&syntax::SyntaxItem| item.range.start < lines.range.start && lines.range.end <= item.range.end;
    let item = around.iter().rev().find(holds)?;
    text.get(item.signature.clone())?.lines().next()
}

/// What an edit breaks: the first syntax error of a text that had none. `None` for texts without a grammar and for those that
/// had errors before and have no more now.
pub fn introduced_fault(language: Language, text: &str, edit: &Edit) -> Option<CodeFault> {
    let after = edit.apply(text);
    let (old, new) = (syntax::parse(language, text, None)?, syntax::parse(language, &after, None)?);
    let (whole, changed) = (0..text.len(), 0..after.len());
    let errors = syntax::count_errors(&new, &changed) > syntax::count_errors(&old, &whole);
    let packages = [&old, &new].map(|tree| package_clauses(language, tree));
    let first = match (errors, &packages) {
        (true, _) => syntax::first_error_offset(&new)?,
        (false, [old, new]) if new.len() > old.len().max(1) => {
            *new.iter().find(|at| edit.range.start <= **at).or(new.last())?
        }
        _ => return None,
    };
    let at = first.max(edit.range.start).min(edit.range.start + edit.text.len());
    let at = after.floor_char_boundary(at);
    let line = 1 + after[edit.range.start..at].matches('\n').count();
    let shown = after[at..].lines().next().unwrap_or_default();
    let start = after[..at].rfind('\n').map_or(0, |at| at + 1);
    Some(CodeFault::SyntaxError {
        number: line,
        text: format!("{}{shown}", &after[start..at]).trim().chars().take(120).collect(),
    })
}

/// Where Go's package clauses stand: the grammar takes any number, the language one.
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
    fn whole_lines_are_changed_and_keep_their_indentation() {
        let lines = lines("x\n    ret");
        assert_eq!((lines.dedented.as_str(), lines.indent.as_str()), ("y = x\nreturn y", "    "));
        let after = lines.replacement(TEXT, "return x\n").apply(TEXT);
        assert_eq!(after, "def f(x):\n    return x\n\nz = 1\n");
        assert_eq!(self::lines("y = x\n").dedented, "y = x");
    }

    #[test]
    fn line_ends_stay_as_they_are() {
        let text = TEXT.replace('\n', "\r\n");
        let at = text.find("y = x").expect("it is there");
        let after = SelectedLines::touching(&text, at..at).replacement(&text, "a = x\ny = a\n").apply(&text);
        assert!(after.contains("\r\n    a = x\r\n    y = a\r\n    return y\r\n"), "{after:?}");
    }

    #[test]
    fn the_question_says_what_to_do_and_where_the_lines_stand() {
        let lines = lines("y = x");
        let tree = syntax::parse(Language::Python, TEXT, None);
        let head = enclosing_signature(tree.as_ref(), TEXT, &lines);
        let asked = lines.prompt(Language::Python, "Double it.", head).messages[1].content.clone();
        assert!(asked.contains("`def f(x):`") && asked.contains("```python\ny = x\n```\n\nDouble it."), "{asked}");
    }

    #[test]
    fn an_edit_that_breaks_the_syntax_is_known_by_its_line() {
        let lines = lines("return y");
        let check = |code| introduced_fault(Language::Python, TEXT, &lines.replacement(TEXT, code));
        assert_eq!(check("return x * 2"), None);
        let broken = check("y += 1\nreturn (y").map(|fault| fault.to_string());
        assert!(broken.as_deref().is_some_and(|it| it.contains("return (y")), "{broken:?}");
    }

    #[test]
    fn a_second_package_clause_breaks_a_file_of_go() {
        let text = "package m\n\nfunc f() {}\n";
        let edit = |written: &str| Edit { range: 11..text.len(), text: written.to_owned() };
        let broken = introduced_fault(Language::Go, text, &edit("package main\n\nfunc f() {}\n")).expect("a fault");
        assert!(broken.to_string().contains("package main"), "{broken}");
        assert_eq!(introduced_fault(Language::Go, text, &edit("func f() int { return 1 }\n")), None);
    }
}
