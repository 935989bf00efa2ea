//! Task `generate`: code for a comment, or the body of a function for its signature.
//!
//! The model continues the comment or signature. The code of a function ends where the function ends.

use std::ops::Range;

use tree_sitter::Tree;

use super::code::{self, CodePrompt};
use crate::docstring::Edit;
use crate::{Language, syntax};

/// Bodies that stand for code yet to be written.
const PLACEHOLDER_BODIES: [&str; 5] = ["", "pass", "...", "todo!()", "unimplemented!()"];
/// Length of the text above a function up to which the answer repeats it.
const MAX_REPEATED_BYTES: usize = 1024;

/// Position at which code is generated, with the comment or signature above it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerationTarget {
    /// Byte range of the comment or signature: whole lines.
    given: Range<usize>,
    /// Byte range that the code replaces: empty, or a placeholder body.
    replaced: Range<usize>,
    /// Text between the given lines and the code.
    separator: &'static str,
    /// True if the closing brace of the body exists already.
    has_closing_brace: bool,
    /// True for the body of a function, false for the code of a comment.
    is_function: bool,
}

/// Reason why nothing can be generated at a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenerationRefusal {
    /// The line is blank or outside the text. Lines count from 1.
    #[error("line {0} holds no comment or signature: write one, then name its line")]
    NoTarget(usize),
    /// The function has a body.
    #[error("`{0}` has a body already: `foretype edit` changes it")]
    HasBody(String),
}

impl GenerationTarget {
    /// The target at `line`, counted from 0.
    ///
    /// # Errors
    /// If the line is blank or belongs to a function that has a body.
    pub fn at(language: Language, tree: Option<&Tree>, text: &str, line: usize) -> Result<Self, GenerationRefusal> {
        let start = text.split_inclusive('\n').take(line).map(str::len).sum::<usize>();
        let own = text[start..].lines().next().unwrap_or_default();
        if own.trim().is_empty() {
            return Err(GenerationRefusal::NoTarget(line + 1));
        }
        let end = start + own.len();
        let mark = language.line_comment().unwrap_or("//");
        if own.trim_start().starts_with(mark) {
            let given = comment_start(text, start, mark)..comment_end(text, end, mark);
            let replaced = given.end..given.end;
            return Ok(Self { given, replaced, separator: "\n", has_closing_brace: false, is_function: false });
        }
        let at = start + own.len() - own.trim_start().len() + 1;
        let items = tree.map(|tree| syntax::enclosing_items(tree, text, at)).unwrap_or_default();
        // The innermost item need not be it: the grammar may take the text after a signature without a body for its
        // body.
        let item = items.iter().rev().find(|item| item.signature.contains(&(at - 1)));
        match item.zip(tree) {
            Some((item, tree)) => Self::for_item(language, tree, text, item, mark),
            None => Ok(Self::signature_on_last_line(language, comment_start(text, start, mark)..end)),
        }
    }

    /// The body of a signature that ends with its line.
    fn signature_on_last_line(language: Language, given: Range<usize>) -> Self {
        let separator = if language == Language::Python { "\n" } else { "" };
        Self { replaced: given.end..given.end, given, separator, has_closing_brace: false, is_function: true }
    }

    /// The body of an item; its body must be empty or a placeholder.
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
        let has_body = || GenerationRefusal::HasBody(item.name.clone());
        let signature = item.range.start + text[item.signature.clone()].trim_end().len();
        if let Some(inside) = inner.strip_prefix('{').and_then(|it| it.strip_suffix('}')) {
            let code: String = inside.lines().filter(|line| !line.trim().starts_with(mark)).collect();
            if !PLACEHOLDER_BODIES.contains(&code.trim().trim_end_matches(';')) {
                return Err(has_body());
            }
            let open = body.start + text[body].find('{').unwrap_or_default() + 1;
            let replaced = open..open + inside.len();
            return Ok(Self {
                given: start..open,
                replaced,
                separator: "\n",
                has_closing_brace: true,
                is_function: true,
            });
        }
        if language != Language::Python {
            if !PLACEHOLDER_BODIES.contains(&inner.trim_end_matches(';')) {
                return Err(has_body());
            }
            return Ok(Self::signature_on_last_line(language, start..signature));
        }
        let end = syntax::docstring_end(tree, text, &body).unwrap_or(signature);
        let rest = text[end.max(body.start).min(body.end)..body.end].trim();
        if !PLACEHOLDER_BODIES.contains(&rest) {
            return Err(has_body());
        }
        let replaced = if rest.is_empty() { end..end } else { end..body.end };
        Ok(Self { given: start..end, replaced, separator: "\n", has_closing_brace: false, is_function: true })
    }

    /// Byte offset of the comment or signature.
    pub(crate) fn start(&self) -> usize {
        self.given.start
    }

    /// Prompt for the code, which shows at most `max_bytes` bytes above the given lines.
    pub fn prompt(&self, language: Language, text: &str, max_bytes: usize) -> CodePrompt {
        let (given, indent) = self.given_text(text);
        let above = &text[..self.given.start];
        let from = above.floor_char_boundary(above.len().saturating_sub(max_bytes));
        let from = if from == 0 { 0 } else { above[from..].find('\n').map_or(above.len(), |at| from + at + 1) };
        let shown = format!("{}{}", &above[from..], given);
        // Left to itself, a model repeats a short text before it continues it. The answer then begins with that text.
        let repeats = from == 0 && above.len() <= MAX_REPEATED_BYTES && indent.is_empty();
        let code_prefix = if repeats && self.is_function { &shown } else { &given };
        let name = language.name();
        let block = code::fenced_block(language, &shown);
        let question = if self.is_function {
            format!("Complete this {name} function. Give the whole function.\n\n{block}")
        } else {
            format!("Write the {name} code that the last comment describes. Give only that.\n\n{block}")
        };
        CodePrompt::new(language, "", question, &shown, code_prefix)
    }

    /// The given lines without their indentation, followed by the separator, and that indentation.
    fn given_text(&self, text: &str) -> (String, String) {
        let (dedented, indent) = code::dedent(&text[self.given.clone()]);
        (dedented + self.separator, indent)
    }

    /// Edit that inserts the model's `code`, which begins with the given lines or with text above them.
    pub fn insertion(&self, language: Language, text: &str, code: &str) -> Edit {
        let (given, indent) = self.given_text(text);
        let code = code.find(&given).map_or(code, |at| &code[at..]);
        let end = if self.is_function { self.end_of_item(language, text, code, &given) } else { code.len() };
        let written = code.get(given.len()..end.max(given.len())).unwrap_or_default().trim_end();
        // Models tend to leave spaces in blank lines.
        let lines: Vec<_> = written.split('\n').map(|line| if line.trim().is_empty() { "" } else { line }).collect();
        let mut written = lines.join("\n");
        if self.has_closing_brace && written.ends_with('}') {
            written.pop();
            written.truncate(written.trim_end().len());
        }
        let whole = code::indent(&format!("{given}{written}"), &indent);
        let mut added = whole[code::indent(&given, &indent).len().min(whole.len())..].to_owned();
        if !added.is_empty() {
            // The separator belongs to the given text of the prompt, not to the document.
            added.insert_str(0, self.separator);
            if self.has_closing_brace {
                added.push('\n');
                added.push_str(&indent);
            }
        }
        Edit { range: self.replaced.clone(), text: added }
    }

    /// End of the given item in the model's `code`, or of the last function after it that the code before calls and the
    /// document lacks.
    fn end_of_item(&self, language: Language, text: &str, code: &str, given: &str) -> usize {
        let Some(tree) = syntax::parse(language, code, None) else { return code.len() };
        let item_at = |at: usize| syntax::enclosing_items(&tree, code, code.floor_char_boundary(at)).into_iter().next();
        let Some(item) = item_at(given.trim_end().len().min(code.len())) else { return code.len() };
        let mut end = item.range.end;
        if self.has_closing_brace {
            // The document's brace follows, so no other function can.
            return end;
        }
        let next_helper = |end: usize| {
            let at = code[end..].find(|c: char| !c.is_whitespace())?;
            let helper = item_at(end + at + 1)?;
            let call = format!("{}(", helper.name);
            let is_new = helper.range.start >= end && !helper.name.is_empty();
            let is_missing = code[..end].contains(&call) && !text.contains(&call);
            if is_new && is_missing { Some(helper.range.end) } else { None }
        };
        while let Some(helper_end) = next_helper(end) {
            end = helper_end;
        }
        end
    }
}

/// Start of the comments and decorators that end above the line at `start`.
fn comment_start(text: &str, start: usize, mark: &str) -> usize {
    let lines = text[..start].split_inclusive('\n').rev();
    let above = lines.take_while(|line| line.trim_start().starts_with(mark) || line.trim_start().starts_with('@'));
    start - above.map(str::len).sum::<usize>()
}

/// End of the comment that continues below the line that ends at `end`.
fn comment_end(text: &str, end: usize, mark: &str) -> usize {
    let more = text[end..].split_inclusive('\n').skip(1).take_while(|line| line.trim_start().starts_with(mark));
    let length = more.map(str::len).sum::<usize>();
    let first = text[end..].find('\n').map_or(0, |at| at + 1);
    if length == 0 { end } else { end + text[end..end + first + length].trim_end().len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asserts the text after the model answered at a line.
    fn check(language: Language, text: &str, line: usize, answer: &str, expected: &str) {
        let tree = syntax::parse(language, text, None);
        let hole = GenerationTarget::at(language, tree.as_ref(), text, line).expect("a hole");
        let code = hole.prompt(language, text, 1000).extract_code(answer);
        assert_eq!(hole.insertion(language, text, &code).apply(text), expected, "{text:?}");
    }

    #[test]
    fn code_is_inserted_below_a_comment() {
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
    fn a_body_follows_its_docstring_and_ends_with_the_function() {
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
    fn missing_functions_that_a_body_calls_are_kept() {
        let answer = "    return g(2)\n\n\ndef g(x):\n    return x\n\n\ndef h():\n    pass\n";
        let written = "def f():\n    return g(2)\n\n\ndef g(x):\n    return x\n";
        check(Language::Python, "def f():\n", 0, answer, written);
        let text = "def g(x): pass\n\ndef f():\n";
        check(Language::Python, text, 2, answer, "def g(x): pass\n\ndef f():\n    return g(2)\n");
        let rust = "    g()\n}\n\nfn g() -> u8 {\n    1\n}\n";
        check(Language::Rust, "fn f() -> u8 {\n}\n", 0, rust, "fn f() -> u8 {\n    g()\n}\n");
    }

    #[test]
    fn a_function_answer_begins_with_the_text_above_it() {
        let text = "import math\n\ndef f():\n";
        let tree = syntax::parse(Language::Python, text, None);
        let hole = GenerationTarget::at(Language::Python, tree.as_ref(), text, 2).expect("a hole");
        assert!(hole.prompt(Language::Python, text, 1000).answer_prefix().ends_with("\nimport math\n\ndef f():\n"));
    }

    #[test]
    fn existing_braces_are_filled() {
        let text = "fn one() -> u8 {\n    todo!()\n}\n\nfn two() {}\n";
        check(Language::Rust, text, 0, "    1\n}\n\nfn main() {}\n", "fn one() -> u8 {\n    1\n}\n\nfn two() {}\n");
        check(Language::JavaScript, "function f() {}", 0, "  return 1;\n}", "function f() {\n  return 1;\n}");
        check(Language::Go, "func f() int", 0, " {\n\treturn 1\n}\n", "func f() int {\n\treturn 1\n}");
    }

    #[test]
    fn refusals_name_the_reason() {
        let refuses = |text: &str, line| {
            let tree = syntax::parse(Language::Python, text, None);
            GenerationTarget::at(Language::Python, tree.as_ref(), text, line).expect_err("refused").to_string()
        };
        assert!(refuses("def f():\n    return 1\n", 0).contains("`f` has a body already"));
        assert!(refuses("\n\n", 1).contains("line 2 holds no comment"));
    }
}
