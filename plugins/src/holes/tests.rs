//! Holes in sources of each language, marked with `⟦⟧`.

use super::*;
use crate::syntax::parse;

/// Texts of the holes of one kind.
fn found(path: &str, text: &str, kind: HoleKind) -> Vec<String> {
    let language = Language::from_path(path);
    let tree = parse(language, text, None).expect("a small text");
    assert!(!tree.root_node().has_error(), "{path} is sound");
    let holes = find_holes(language, text, &tree, &[kind], 1);
    assert!(holes.iter().all(|hole| hole.kind == kind));
    holes.into_iter().map(|hole| text[hole.range].to_owned()).collect()
}

/// Asserts that exactly the parts in `⟦⟧` are found.
fn check(path: &str, marked: &str, kind: HoleKind) {
    assert_eq!(found(path, &marked.replace(['⟦', '⟧'], ""), kind), marked_pieces(marked), "{path}");
}

fn marked_pieces(marked: &str) -> Vec<&str> {
    marked.split('⟦').skip(1).map(|piece| piece.split('⟧').next().unwrap_or_default()).collect()
}

#[test]
fn block_bodies_are_found_in_every_language() {
    let brackets = |head: &str, body: &str, tail: &str| format!("{head}{{⟦\n    {body}⟧\n}}{tail}\n");
    for (path, head, body, tail) in [
        ("a.rs", "fn f(x: u8) -> u8 ", "let y = x;\n    y", ""),
        ("a.js", "function f(x) ", "return x;", ""),
        ("a.ts", "function f(x: number) ", "return x;", ""),
        ("a.tsx", "function f(x: number) ", "return x;", ""),
        ("a.go", "package p\n\nfunc f(x int) int ", "return x", ""),
        ("a.java", "class A { int f(int x) ", "return x;", " }"),
        ("a.c", "int f(int x) ", "return x;", ""),
        ("a.cpp", "int A::f(int x) ", "return x;", ""),
        ("a.cs", "class A { int F(int x) ", "return x;", " }"),
        ("a.php", "<?php\nfunction f($x) ", "return $x;", ""),
    ] {
        check(path, &brackets(head, body, tail), HoleKind::Block);
    }
    check("a.py", "def f(x):⟦\n    y = x\n    return y⟧\n\n\nz = 1\n", HoleKind::Block);
}

#[test]
fn docstrings_stay_above_the_hole() {
    check("a.py", "def f(x):\n    \"\"\"Doc.\"\"\"\n    ⟦y = x\n    return y⟧\n", HoleKind::Block);
    check("a.py", "def f(x):\n    \"\"\"Doc.\"\"\"\n", HoleKind::Block);
}

#[test]
fn one_line_and_long_bodies_are_left_out() {
    check("a.rs", "fn f() {}\nfn g() { h() }\nfn h() { // why\n    g()\n}\n", HoleKind::Block);
    check("a.py", "if x: f()\n", HoleKind::Block);
    let long = "    f();\n".repeat(9);
    check("a.js", &format!("function f() {{\n{long}}}\n"), HoleKind::Block);
}

#[test]
fn arguments_are_found_in_every_language() {
    for (path, marked) in [
        ("a.py", "f(⟦a, b⟧)\nh()\n@d(⟦2⟧)\nclass A(B): pass\n"),
        ("a.rs", "fn f() {\n    g(⟦a, &b⟧);\n    x.h();\n    m!(c);\n}\n"),
        ("a.js", "f(⟦a, b⟧);\nnew A(b);\n"),
        ("a.ts", "f<T>(⟦a⟧);\n"),
        ("a.go", "package p\n\nfunc f() {\n\tg(⟦a, b⟧)\n}\n"),
        ("a.java", "class A { void f() { g(⟦a, b⟧); } }\n"),
        ("a.c", "int f() { return g(⟦a, b⟧); }\n"),
        ("a.cs", "class A { void F() { G(⟦a, b⟧); } }\n"),
        ("a.php", "<?php\nf(⟦$a, $b⟧);\n"),
    ] {
        check(path, marked, HoleKind::Arguments);
    }
    assert_eq!(found("a.py", "x = f(a, b=g(1))\n", HoleKind::Arguments), ["a, b=g(1)", "1"], "calls in calls");
}

#[test]
fn member_calls_are_found_in_every_language() {
    for (path, marked) in [
        ("a.py", "x = client.⟦fetch(url)⟧\nf(x)\n"),
        ("a.rs", "fn f() {\n    x.⟦push(1)⟧;\n    Vec::⟦with_capacity(2)⟧;\n    g(3);\n}\n"),
        ("a.js", "list.⟦map(f)⟧;\nf(list);\n"),
        ("a.ts", "const x: T = a.b.⟦c()⟧;\n"),
        ("a.go", "package p\n\nfunc f() {\n\tfmt.⟦Println(x)⟧\n\tg(x)\n}\n"),
        ("a.java", "class A { void f() { list.⟦add(1)⟧; g(2); } }\n"),
        ("a.c", "void f() { ops->⟦read(p)⟧; g(p); }\n"),
        ("a.cpp", "void f() { std::⟦move(p)⟧; g(p); }\n"),
        ("a.cs", "class A { void F() { list.⟦Add(1)⟧; G(2); } }\n"),
        ("a.php", "<?php\n$list->⟦add(1)⟧;\nA::⟦make(2)⟧;\nf(3);\n"),
    ] {
        check(path, marked, HoleKind::Call);
    }
}

#[test]
fn lines_are_found_without_their_indentation() {
    let text = concat!(
        "import os\n\n⟦def f(x):⟧\n    \"\"\"Doc\n    of two lines.\"\"\"\n    # a comment\n",
        "    ⟦y = [⟧\n    ]\n    ⟦return y⟧\n",
    );
    // `y = [` has five characters and a letter; the bracket below has none.
    check("a.py", text, HoleKind::Line);
    check("a.rs", "//! Doc.\n⟦fn f() {⟧\n    // why\n    ⟦g(1);⟧\r\n}\n", HoleKind::Line);
}

#[test]
fn a_rest_always_begins_at_the_same_column() {
    let text = "x = 1\ntotal_price = compute_total(items)\n";
    let rests = found("a.py", text, HoleKind::Rest);
    assert_eq!(rests, found("a.py", text, HoleKind::Rest));
    let line = "total_price = compute_total(items)";
    assert!(rests.len() == 1 && line.ends_with(&rests[0]) && rests[0].len() < line.len(), "{rests:?}");
}

#[test]
fn the_cursor_is_inside_the_line_and_depends_on_the_seed() {
    let line = "        for idx2, elem2 in enumerate(numbers):";
    for name in ["a", "b", "c"] {
        let at = cursor_in_line(line, name, 1);
        assert!(at > 8 && at < line.len());
        assert_eq!(at, cursor_in_line(line, name, 1));
    }
    assert_ne!(cursor_in_line(line, "a", 1), cursor_in_line(line, "a", 2));
}

#[test]
fn broken_syntax_has_no_holes() {
    let text = "def f(:\n    return g(1\n";
    let tree = parse(Language::Python, text, None).expect("a tree of broken text");
    let kinds = [HoleKind::Block, HoleKind::Call];
    assert!(find_holes(Language::Python, text, &tree, &kinds, 1).is_empty());
    assert!(find_holes(Language::Json, "{}", &tree, &HoleKind::ALL, 1).is_empty(), "no row, no holes");
}
