//! `generate`: code for a comment, or the body of a function for its signature. The model goes on behind what is there, and what
//! it writes ends where the function does.

use std::ops::Range;

use tree_sitter::Tree;

use super::code::{self, CodePrompt};
use crate::docstring::Edit;
use crate::{Language, syntax};

/// What stands for a body that is yet to be written.
const PLACEHOLDER_BODIES: [&str; 5] = ["", "pass", "...", "todo!()", "unimplemented!()"];

/// A place where code is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerationTarget {
    /// The comment or signature, whole lines.
    given: Range<usize>,
    /// What the new code replaces: nothing, or a body that is empty.
    replaced: Range<usize>,
    /// What is written of the code behind `begun` without asking.
    separator: &'static str,
    /// Whether the closing brace stands there already.
    has_closing_brace: bool,
    /// Whether it is a function.
    is_function: bool,
}

/// Why nothing can be written at a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenerationRefusal {
    /// The line is empty or outside.
    #[error("line {0} holds no comment or signature: write one, then name its line")]
    NoTarget(usize),
    /// The function is written already.
    #[error("`{0}` has a body already: `foretype edit` changes it")]
    HasBody(String),
}

impl GenerationTarget {
    /// The hole at a line that counts from 0.
    ///
    /// # Errors
    /// If nothing is there to go on from.
    pub fn at(language: Language, tree: Option<&Tree>, text: &str, line: usize) -> Result<Self, GenerationRefusal> {
        let start = text.split_inclusive('\n').take(line).map(str::len).sum::<usize>();
        let own = text[start..].lines().next().unwrap_or_default();
        if own.trim().is_empty() {
            return Err(GenerationRefusal::NoTarget(line + 1));
        }
        let end = start + own.len();
        let mark = language.line_comment().unwrap_or("//");
        if own.trim_start().starts_with(mark) {
            let begun = comment_start(text, start, mark)..comment_end(text, end, mark);
            let replaced = begun.end..begun.end;
            return Ok(Self { given: begun, replaced, separator: "\n", has_closing_brace: false, is_function: false });
        }
        let at = start + own.len() - own.trim_start().len() + 1;
        let around = tree.map(|tree| syntax::enclosing_items(tree, text, at)).unwrap_or_default();
        // What follows a signature without a body may look like its body to the grammar.
        let item = around.iter().rev().find(|item| item.signature.contains(&(at - 1)));
        match item.zip(tree) {
            Some((item, tree)) => Self::for_item(language, tree, text, item, mark),
            None => Ok(Self::signature_on_last_line(language, comment_start(text, start, mark)..end)),
        }
    }

    /// A signature that ends with its line.
    fn signature_on_last_line(language: Language, begun: Range<usize>) -> Self {
        let opening = if language == Language::Python { "\n" } else { "" };
        Self {
            replaced: begun.end..begun.end,
            given: begun,
            separator: opening,
            has_closing_brace: false,
            is_function: true,
        }
    }

    fn for_item(
        language: Language,
        tree: &Tree,
        text: &str,
        item: &syntax::SyntaxItem,
        mark: &str,
    ) -> Result<Self, GenerationRefusal> {
        let line = text[..item.range.start].rfind('\n').map_or(0, |at| at + 1);
        let start = comment_start(text, line, mark);
        let body = item.signature.end..item.range.end;
        let inner = text[body.clone()].trim();
        let written = || GenerationRefusal::HasBody(item.name.clone());
        let signature = item.range.start + text[item.signature.clone()].trim_end().len();
        if let Some(inside) = inner.strip_prefix('{').and_then(|it| it.strip_suffix('}')) {
            let bare: String = inside.lines().filter(|line| !line.trim().starts_with(mark)).collect();
            let open = body.start + text[body.clone()].find('{').unwrap_or_default() + 1;
            let placeholder = PLACEHOLDER_BODIES.contains(&bare.trim().trim_end_matches(';'));
            let replaced = open..open + inside.len();
            let hole =
                Self { given: start..open, replaced, separator: "\n", has_closing_brace: true, is_function: true };
            return placeholder.then_some(hole).ok_or_else(written);
        }
        if language != Language::Python {
            let whole = Self::signature_on_last_line(language, start..signature);
            return PLACEHOLDER_BODIES.contains(&inner.trim_end_matches(';')).then_some(whole).ok_or_else(written);
        }
        let end = syntax::docstring_end(tree, text, &body).unwrap_or(signature);
        let rest = text[end.max(body.start).min(body.end)..body.end].trim();
        let replaced = end..if rest.is_empty() { end } else { body.end };
        let hole = Self { given: start..end, replaced, separator: "\n", has_closing_brace: false, is_function: true };
        PLACEHOLDER_BODIES.contains(&rest).then_some(hole).ok_or_else(written)
    }

    /// Where the comment or signature begins.
    pub(crate) fn start(&self) -> usize {
        self.given.start
    }

    /// The question. At most `room` bytes above the place are shown.
    pub fn prompt(&self, language: Language, text: &str, room: usize) -> CodePrompt {
        /// Bytes above the place that the answer repeats at the most, as a model does that is left to itself.
        const REPEATED: usize = 1024;
        let (begun, indent) = self.given_text(text);
        let above = &text[..self.given.start];
        let from = above.floor_char_boundary(above.len().saturating_sub(room));
        let from = if from == 0 { 0 } else { above[from..].find('\n').map_or(above.len(), |at| from + at + 1) };
        let shown = format!("{}{}", above[from..].replace("\r\n", "\n"), begun);
        let repeats = from == 0 && above.len() <= REPEATED && indent.is_empty();
        let begun = if repeats && self.is_function { &shown } else { &begun };
        let name = language.name();
        let block = code::fenced(language, &shown);
        let question = match self.is_function {
            true => format!("Complete this {name} function. Give the whole function.\n\n{block}"),
            false => format!("Write the {name} code that the last comment describes. Give only that.\n\n{block}"),
        };
        CodePrompt::new(language, "", question, &shown, begun)
    }

    /// What is there, without its indentation.
    fn given_text(&self, text: &str) -> (String, String) {
        let (bare, indent) = code::dedented(&text[self.given.clone()].replace("\r\n", "\n"));
        (bare + self.separator, indent)
    }

    /// The insertion of what was written: `code` begins with what was begun, or with what stands above that.
    pub fn insertion(&self, language: Language, text: &str, code: &str) -> Edit {
        let (begun, indent) = self.given_text(text);
        let code = code.find(&begun).map_or(code, |at| &code[at..]);
        let end = if self.is_function { self.end_of_item(language, text, code, &begun) } else { code.len() };
        let written = code.get(begun.len()..end.max(begun.len())).unwrap_or_default().trim_end();
        // Models like to leave blanks in empty lines.
        let lines: Vec<_> = written.split('\n').map(|line| if line.trim().is_empty() { "" } else { line }).collect();
        let mut written = lines.join("\n");
        if self.has_closing_brace && written.ends_with('}') {
            written.pop();
            written.truncate(written.trim_end().len());
        }
        let whole = code::indented(&format!("{begun}{written}"), &indent);
        let mut added = whole[code::indented(&begun, &indent).len().min(whole.len())..].to_owned();
        if !added.is_empty() {
            // The line end that the opening stands for.
            added.insert_str(0, self.separator);
            if self.has_closing_brace {
                added.push('\n');
                added.push_str(&indent);
            }
        }
        Edit { range: self.replaced.clone(), text: super::edit::match_line_ends(text, added) }
    }

    /// Where in what was written the item ends that is begun, or the last of the functions behind it that it calls and that are not
    /// there yet.
    fn end_of_item(&self, language: Language, text: &str, code: &str, begun: &str) -> usize {
        let Some(tree) = syntax::parse(language, code, None) else { return code.len() };
        let around = |at: usize| syntax::enclosing_items(&tree, code, code.floor_char_boundary(at)).into_iter().next();
        let Some(item) = around(begun.trim_end().len().min(code.len())) else { return code.len() };
        let mut end = item.range.end;
        // Behind a closing brace that is there nothing can follow.
        let next = |end: usize| {
            let at = code[end..].find(|c: char| !c.is_whitespace()).filter(|_| !self.has_closing_brace)?;
            let helper = around(end + at + 1).filter(|next| next.range.start >= end && !next.name.is_empty())?;
            let call = format!("{}(", helper.name);
            (code[..end].contains(&call) && !text.contains(&call)).then_some(helper.range.end)
        };
        while let Some(helper) = next(end) {
            end = helper;
        }
        end
    }
}

/// Where the comment begins that ends above the line at `start`.
fn comment_start(text: &str, start: usize, mark: &str) -> usize {
    let lines = text[..start].split_inclusive('\n').rev();
    let above = lines.take_while(|line| line.trim_start().starts_with(mark) || line.trim_start().starts_with('@'));
    start - above.map(str::len).sum::<usize>()
}

/// Where the comment ends that goes on below the line that ends at `end`.
fn comment_end(text: &str, end: usize, mark: &str) -> usize {
    let more = text[end..].split_inclusive('\n').skip(1).take_while(|line| line.trim_start().starts_with(mark));
    let length = more.map(str::len).sum::<usize>();
    let first = text[end..].find('\n').map_or(0, |at| at + 1);
    if length == 0 { end } else { end + text[end..end + first + length].trim_end().len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of a text when the model writes `answer` behind what was begun at a line.
    fn check(language: Language, text: &str, line: usize, answer: &str, expected: &str) {
        let tree = syntax::parse(language, text, None);
        let hole = GenerationTarget::at(language, tree.as_ref(), text, line).expect("a hole");
        let code = hole.prompt(language, text, 1000).extract_code(answer);
        assert_eq!(hole.insertion(language, text, &code).apply(text), expected, "{text:?}");
    }

    #[test]
    fn code_goes_below_a_comment() {
        let text = "def f(x):\n    # Twice\n    # that.\n    return y\n";
        check(
            Language::Python,
            text,
            1,
            "y = x * 2\n",
            "def f(x):\n    # Twice\n    # that.\n    y = x * 2\n    return y\n",
        );
        check(Language::Rust, "// One.", 0, "const ONE: u8 = 1;", "// One.\nconst ONE: u8 = 1;");
    }

    #[test]
    fn a_body_follows_a_signature_and_its_docstring_and_ends_with_the_function() {
        let text = "class A:\n    def f(self):\n        \"\"\"One.\"\"\"\n        pass\n\nx = 2\n";
        let answer = "    x = 1\n    \n    return x\n\nprint(A().f())\n";
        check(
            Language::Python,
            text,
            1,
            answer,
            "class A:\n    def f(self):\n        \"\"\"One.\"\"\"\n        x = 1\n\n        return x\n\nx = 2\n",
        );
        check(Language::Python, "def f():\n", 0, "    return 1\n\nf()\n", "def f():\n    return 1\n");
    }

    #[test]
    fn functions_that_a_body_calls_come_with_it_unless_they_are_there() {
        let answer = "    return g(2)\n\n\ndef g(x):\n    return x\n\n\ndef h():\n    pass\n";
        let written = "def f():\n    return g(2)\n\n\ndef g(x):\n    return x\n";
        check(Language::Python, "def f():\n", 0, answer, written);
        let text = "def g(x): pass\n\ndef f():\n";
        check(Language::Python, text, 2, answer, "def g(x): pass\n\ndef f():\n    return g(2)\n");
        let rust = "    g()\n}\n\nfn g() -> u8 {\n    1\n}\n";
        check(Language::Rust, "fn f() -> u8 {\n}\n", 0, rust, "fn f() -> u8 {\n    g()\n}\n");
    }

    #[test]
    fn the_answer_to_a_function_begins_with_what_stands_above_it() {
        let text = "import math\n\ndef f():\n";
        let tree = syntax::parse(Language::Python, text, None);
        let hole = GenerationTarget::at(Language::Python, tree.as_ref(), text, 2).expect("a hole");
        assert!(hole.prompt(Language::Python, text, 1000).answer_prefix().ends_with("\nimport math\n\ndef f():\n"));
    }

    #[test]
    fn braces_that_are_there_are_filled() {
        let text = "fn one() -> u8 {\n    todo!()\n}\n\nfn two() {}\n";
        check(Language::Rust, text, 0, "    1\n}\n\nfn main() {}\n", "fn one() -> u8 {\n    1\n}\n\nfn two() {}\n");
        check(Language::JavaScript, "function f() {}", 0, "  return 1;\n}", "function f() {\n  return 1;\n}");
        check(Language::Go, "func f() int", 0, " {\n\treturn 1\n}\n", "func f() int {\n\treturn 1\n}");
    }

    #[test]
    fn what_cannot_be_generated_says_why() {
        let refuses = |text: &str, line| {
            let tree = syntax::parse(Language::Python, text, None);
            GenerationTarget::at(Language::Python, tree.as_ref(), text, line).expect_err("refused").to_string()
        };
        assert!(refuses("def f():\n    return 1\n", 0).contains("`f` has a body already"));
        assert!(refuses("\n\n", 1).contains("line 2 holds no comment"));
    }
}
