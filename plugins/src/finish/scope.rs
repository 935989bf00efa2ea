//! Rule `scope`: an answer ends where the statement or block around the cursor ends in the syntax tree.
//!
//! Indentation tells sooner ([`lines`](super::lines) stops at the first character of the next line), but not in code
//! with unusual indentation. This rule costs a parse, so it runs at line ends only.

use super::whole;
use crate::language::BlockStyle;
use crate::request::Request;
use crate::syntax;

/// Ends after the statement that begins on the cursor's line or, on a blank line, after the block around it, once other
/// text follows.
pub(super) fn end(request: &Request, text: &str) -> Option<usize> {
    if !text.contains('\n') || request.document.language.block_style() == BlockStyle::None {
        return None;
    }
    let tree = whole::parse_with_inserted(request, text)?;
    let statement_start = request.line_before().trim_start();
    let cursor = request.cursor;
    let end = if statement_start.is_empty() {
        let first = cursor + text.len() - text.trim_start().len();
        syntax::block_end(&tree, cursor, first)?
    } else {
        let before_and_text = [request.prefix(), text].concat();
        syntax::statement_end(&tree, &before_and_text, cursor - statement_start.len(), cursor)?
    };
    let end = end.checked_sub(cursor)?;
    let is_followed = text.get(end..).is_some_and(|rest| !rest.trim().is_empty());
    if is_followed { Some(end) } else { None }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check_done_in, check_in};

    #[test]
    fn a_statement_ends_whatever_its_indentation() {
        check_in("a.rs", "fn f() {\n  if x ▁\n}\n", "{\n      a();\n  }\n      b();\n", Some("{\n      a();\n  }"));
        check_in("a.js", "if (x) {▁\n", "\n    f();\n  }\n    g();\n", Some("\n    f();\n  }"));
        check_in("a.lua", "if x then▁\n", "\n  f()\n  end\n  g()\n", Some("\n  f()\n  end"));
        check_in("a.rb", "class A▁\n", "\n  def f\n  end\n  end\n  g\n", Some("\n  def f\n  end\n  end"));
    }

    #[test]
    fn a_block_ends_whatever_its_indentation() {
        check_in("a.c", "int f() {\n▁\n", "return 1;\n}\nint g() {\n", Some("return 1;\n}"));
        check_in("a.go", "package p\n\nfunc f() {\n▁\n", "g()\n}\nfunc h() {\n", Some("g()\n}"));
    }

    #[test]
    fn decoding_stops_after_the_line_below_the_block() {
        check_done_in("a.js", "if (x) {▁\n", "\n    f();\n  }", false);
        check_done_in("a.js", "if (x) {▁\n", "\n    f();\n  }\n    g();\n", true);
    }

    #[test]
    fn a_block_that_continues_in_the_file_does_not_end_the_answer() {
        check_in("a.js", "function f() {\n  ▁\n  return x;\n}\n", "a();\n  b();\n", Some("a();\n  b();"));
    }
}
