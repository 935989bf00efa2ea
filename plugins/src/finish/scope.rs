//! An answer ends where the syntax says that the statement or the block around the cursor ends.
//!
//! Indentation says so sooner ([`lines`](super::lines) stops at the first letter of the next line) but not in code that is
//! indented in a way of its own. This rule costs a parse, so it is asked at the end of a line.

use super::whole;
use crate::language::BlockStyle;
use crate::request::Request;
use crate::syntax;

/// Ends after the statement that the cursor's line begins, or on an empty line after the block around it, once something
/// follows it.
pub(super) fn end(request: &Request, text: &str) -> Option<usize> {
    if !text.contains('\n') || request.document.language.block_style() == BlockStyle::None {
        return None;
    }
    let tree = whole::parse_with_inserted(request, text)?;
    let begun = request.line_before().trim_start();
    let cursor = request.cursor;
    let end = if begun.is_empty() {
        let first = cursor + text.len() - text.trim_start().len();
        syntax::block_end(&tree, cursor, first)?
    } else {
        let before_and_text = [request.prefix(), text].concat();
        syntax::statement_end(&tree, &before_and_text, cursor - begun.len(), cursor)?
    };
    let end = end.checked_sub(cursor)?;
    let followed = text.get(end..).is_some_and(|rest| !rest.trim().is_empty());
    followed.then_some(end)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check_done_in, check_in};

    #[test]
    fn the_end_of_a_statement_is_seen_whatever_its_indentation() {
        check_in("a.rs", "fn f() {\n  if x ▁\n}\n", "{\n      a();\n  }\n      b();\n", Some("{\n      a();\n  }"));
        check_in("a.js", "if (x) {▁\n", "\n    f();\n  }\n    g();\n", Some("\n    f();\n  }"));
        check_in("a.lua", "if x then▁\n", "\n  f()\n  end\n  g()\n", Some("\n  f()\n  end"));
        check_in("a.rb", "class A▁\n", "\n  def f\n  end\n  end\n  g\n", Some("\n  def f\n  end\n  end"));
    }

    #[test]
    fn the_end_of_a_block_is_seen_whatever_its_indentation() {
        check_in("a.c", "int f() {\n▁\n", "return 1;\n}\nint g() {\n", Some("return 1;\n}"));
        check_in("a.go", "package p\n\nfunc f() {\n▁\n", "g()\n}\nfunc h() {\n", Some("g()\n}"));
    }

    #[test]
    fn it_is_done_at_the_end_of_the_line_that_follows() {
        check_done_in("a.js", "if (x) {▁\n", "\n    f();\n  }", false);
        check_done_in("a.js", "if (x) {▁\n", "\n    f();\n  }\n    g();\n", true);
    }

    #[test]
    fn a_block_that_goes_on_in_the_file_does_not_end_the_answer() {
        check_in("a.js", "function f() {\n  ▁\n  return x;\n}\n", "a();\n  b();\n", Some("a();\n  b();"));
    }
}
