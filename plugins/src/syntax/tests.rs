//! Queries on a snippet of each language; the cursor is marked `▁`.

use super::*;

const SNIPPETS: &[(Language, &str, &str)] = &[
    (Language::Python, "import os\nclass A:\n    def f(self, x):\n        return ▁x\n", "A f"),
    (Language::Rust, "use std::fmt;\nimpl A {\n    fn f(x: u8) -> u8 {\n        ▁x\n    }\n}\n", "A f"),
    (Language::JavaScript, "import a from 'a';\nclass A {\n  f(x) {\n    return ▁x;\n  }\n}\n", "A f"),
    (Language::TypeScript, "import a from 'a';\nclass A {\n  f(x: number) {\n    return ▁x;\n  }\n}\n", "A f"),
    (Language::Tsx, "import a from 'a';\nfunction F() {\n  return <p>{▁x}</p>;\n}\n", "F"),
    (Language::Go, "package p\n\nfunc f(x int) int {\n\treturn ▁x\n}\n", "f"),
    (Language::Java, "import a.B;\nclass A {\n  int f(int x) {\n    return ▁x;\n  }\n}\n", "A f"),
    (Language::C, "#include <a.h>\nint f(int x) {\n  return ▁x;\n}\n", "f"),
    (Language::Cpp, "#include <a>\nclass A {\n  int f(int x) {\n    return ▁x;\n  }\n};\n", "A f"),
    (Language::CSharp, "using A;\nclass A {\n  int f(int x) {\n    return ▁x;\n  }\n}\n", "A f"),
    (Language::Ruby, "class A\n  def f(x)\n    ▁x\n  end\nend\n", "A f"),
    (Language::Php, "<?php\nclass A {\n  function f($x) {\n    return ▁$x;\n  }\n}\n", "A f"),
    (Language::Lua, "local function f(x)\n  return ▁x\nend\n", "f"),
    (Language::Bash, "f() {\n  echo ▁$1\n}\n", "f"),
];

fn split(marked: &str) -> (String, usize) {
    let at = marked.find('▁').expect("a mark");
    (marked.replace('▁', ""), at)
}

#[test]
fn enclosing_items_are_listed_from_outside_in() {
    for (language, marked, names) in SNIPPETS {
        let (text, offset) = split(marked);
        let tree = parse(*language, &text, None).expect("a tree");
        let found: Vec<_> = enclosing_items(&tree, &text, offset).into_iter().map(|item| item.name).collect();
        assert_eq!(found.join(" "), *names, "{language:?}");
        let all: Vec<_> = items(&tree, &text, 100).into_iter().map(|item| item.name).collect();
        for name in names.split(' ') {
            assert!(all.iter().any(|other| other == name), "{language:?}: {all:?}");
        }
    }
}

#[test]
fn imports_are_found() {
    for (language, marked, _) in
        SNIPPETS.iter().filter(|(l, ..)| !matches!(l, Language::Ruby | Language::Php | Language::Lua | Language::Bash))
    {
        let (text, _) = split(marked);
        let tree = parse(*language, &text, None).expect("a tree");
        assert_eq!(import_ranges(&tree).first().map(|range| range.start), Some(0), "{language:?}");
    }
}

fn check_region(language: Language, marked: &str, expected: Region) {
    let (text, offset) = split(marked);
    let tree = parse(language, &text, None);
    assert_eq!(region_at(tree.as_ref(), offset), expected, "{language:?} {marked:?}");
}

#[test]
fn comments_strings_and_code_are_distinguished() {
    check_region(Language::Python, "x = 1  # a co▁mment\n", Region::Comment);
    check_region(Language::Python, "x = 'a str▁ing'\n", Region::String);
    check_region(Language::Python, "x = y▁ + 1\n", Region::Code);
    check_region(Language::Rust, "/// A doc▁ comment\nfn f() {}\n", Region::Comment);
    check_region(Language::Rust, "fn f() { g(\"a▁b\") }\n", Region::String);
    check_region(Language::Go, "package p\n// wo▁rd\n", Region::Comment);
    check_region(Language::PlainText, "any▁thing", Region::Code);
}

#[test]
fn errors_are_counted_within_a_range() {
    let text = "def f(:\n    pass\n\n\ndef g():\n    return 1\n";
    let tree = parse(Language::Python, text, None).expect("a tree");
    assert!(count_errors(&tree, &(0..8)) > 0);
    assert_eq!(count_errors(&tree, &(25..text.len())), 0);
}

#[test]
fn the_nearest_names_come_first() {
    let text = "alpha beta\ngamma(delta, beta)";
    assert_eq!(identifiers_near(text, text.len(), 100), ["beta", "delta", "gamma", "alpha"]);
}

#[test]
fn pathological_texts_are_parsed_in_time() {
    let deep = "(".repeat(100_000);
    let wide = format!("x = '{}'", "a".repeat(5_000_000));
    for language in Language::all() {
        for text in [deep.as_str(), &wide, "\0\0\0", "\u{feff}x", "a\r\nb\r\n", "🙂{[("] {
            let started = Instant::now();
            if let Some(tree) = parse_within(language, text, None, Duration::from_millis(100)) {
                region_at(Some(&tree), text.len());
                enclosing_items(&tree, text, text.len());
                items(&tree, text, 10);
                count_errors(&tree, &(0..text.len()));
            }
            assert!(started.elapsed() < Duration::from_secs(20), "{language:?}");
        }
    }
}

#[test]
fn docstrings_and_doc_comments_are_found() {
    let cases = [
        (
            Language::Python,
            concat!(
                "# c\n\"\"\"⟦Mod.⟧\"\"\"\nclass A:\n    'no'.x\ndef f():\n    # c\n    r'''⟦One.\n\n",
                "    Two.⟧'''\n    'no'\n    x = 'no'\n",
            ),
        ),
        (
            Language::Rust,
            concat!(
                "/// ⟦One.\n///\n/// Two.⟧\n#[inline]\nfn f() {}\n\n// no\nfn g() {}\nstruct S {\n",
                "    /// ⟦Field.⟧\n    a: u8,\n}\n//// no\nfn h() {}\n/// at the end\n",
            ),
        ),
        (
            Language::JavaScript,
            concat!(
                "/** ⟦Adds.⟧ */\nexport function f(a) {}\n/* no */\nclass A {\n  /**⟦\n   * Does.⟧\n   */\n",
                "  m() {}\n}\n/**/\nf()\n",
            ),
        ),
        (Language::Java, "class A {\n  /** ⟦Does.⟧ */\n  void m() {}\n}\n"),
    ];
    for (language, marked) in cases {
        let text = marked.replace(['⟦', '⟧'], "");
        let tree = parse(language, &text, None).expect("a tree");
        let expected: Vec<_> = marked.split('⟦').skip(1).filter_map(|it| it.split('⟧').next()).collect();
        let found: Vec<_> = docstring_ranges(&tree, &text, 100).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, expected, "{language:?}");
    }
}
