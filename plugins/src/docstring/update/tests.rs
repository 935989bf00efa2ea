//! Tests: outdated docstrings are updated to their signatures, and nothing else changes.

use crate::docstring::{DocStyle, DocTask, DocstringError, DocstringMode, find_item, items, same_code};
use crate::{Language, syntax};

/// Returns the text with the docstring of the item at `line`, from 0, updated; `None` if it is up to date.
fn updated(language: Language, style: DocStyle, text: &str, line: usize) -> Option<String> {
    let tree = syntax::parse(language, text, None);
    let item = find_item(language, tree.as_ref(), text, line).expect("an item");
    let task = DocTask::update(item, language, style, text, 80, false).expect("it can be documented")?;
    let after = task.edit(text, &[]).apply(text);
    let [one, other] = [text, &after].map(|it| syntax::parse(language, it, None).expect("a tree"));
    assert!(same_code(language, (&one, text), (&other, &after)), "{after}");
    Some(after)
}

/// Returns the updated docstring of a Python function; `None` if it is up to date.
fn python(style: DocStyle, signature: &str, body: &str, docstring: &str) -> Option<String> {
    let lines = docstring.replace('\n', "\n    ").replace("\n    \n", "\n\n");
    let text = format!("def f{signature}:\n    {lines}\n    {body}\n");
    let after = updated(Language::Python, style, &text, 0)?;
    let inner = after.strip_prefix(&format!("def f{signature}:\n    "))?.strip_suffix(&format!("\n    {body}\n"))?;
    Some(inner.replace("\n    ", "\n"))
}

#[test]
fn a_docstring_that_matches_its_signature_is_unchanged() {
    let google = "\"\"\"Adds.\n\nWith care.\n\nArgs:\n    a (int): One.\n\n    b: Two, which\n        is longer.\n\nReturns:\n    int: The sum.\n\nExample:\n    >>> f(1, 2)\n\"\"\"";
    assert_eq!(python(DocStyle::Google, "(a, b)", "return a + b", google), None);
    let numpy = "'''\nAdds.\n\nParameters\n----------\na, b : int\n    What is added.\n\nReturns\n-------\nint\n'''";
    assert_eq!(python(DocStyle::Google, "(a, b)", "return a + b", numpy), None);
    let tags = "\"\"\"Adds.\n\n:param int a: One.\n:type b: int\n:param b: Two.\n:rtype: int\n:raises KeyError: Never.\n\"\"\"";
    assert_eq!(python(DocStyle::Google, "(a, b)", "return a + b", tags), None);
    let prose = "\"\"\"Adds.\n\nArgs:\n    What is added.\n\nReturns:\n    The sum.\n\"\"\"";
    assert_eq!(python(DocStyle::Google, "(a, b)", "return a + b", prose), None);
    let rust = "/// Adds.\n///\n/// # Errors\n/// Never.\nfn f(a: u8) -> Result<u8, ()> {\n    Ok(a)\n}\n";
    assert_eq!(updated(Language::Rust, DocStyle::Rustdoc, rust, 4), None);
    let go = "package p\n\n// F adds.\nfunc F(a int) int { return a }\n";
    assert_eq!(updated(Language::Go, DocStyle::Godoc, go, 3), None);
}

#[test]
fn google_entries_are_deleted_added_and_reordered_and_keep_their_words() {
    let before = "\"\"\"Adds.  \n\nArgs:\n  gone: No more.\n  b (str): Two, which\n    is longer.\n  a: One.\n\nNote:\n    Slow.\"\"\"";
    let after = "\"\"\"Adds.  \n\nArgs:\n  a: One.\n  b (int): Two, which\n    is longer.\n  *c: The c.\n\nReturns:\n    The result.\n\nNote:\n    Slow.\"\"\"";
    assert_eq!(python(DocStyle::Google, "(a, b: int, *c)", "return a", before).as_deref(), Some(after));
}

#[test]
fn an_empty_section_is_deleted_and_errors_of_called_functions_are_kept() {
    let before =
        "\"\"\"Adds.\n\nArgs:\n    a: One.\n\nReturns:\n    Nothing.\n\nRaises:\n    KeyError: Deep down.\n\"\"\"";
    let after = "\"\"\"Adds.\n\nRaises:\n    KeyError: Deep down.\n    ValueError: If the input is not valid.\n\"\"\"";
    assert_eq!(python(DocStyle::Google, "() -> None", "raise ValueError()", before).as_deref(), Some(after));
}

#[test]
fn a_one_line_docstring_gets_more_lines() {
    let after = "\"\"\"Adds.\n\nArgs:\n    a: The a.\n\nReturns:\n    The result.\n\"\"\"";
    for before in ["\"\"\"Adds.\"\"\"", "\"Adds.\""] {
        assert_eq!(python(DocStyle::Google, "(a)", "return a", before).as_deref(), Some(after));
    }
    let script = "/** Adds. */\nfunction f(a, b = 2) {}\n";
    let expected =
        "/**\n * Adds.\n *\n * @param {*} a - The a.\n * @param {*} [b=2] - The b.\n */\nfunction f(a, b = 2) {}\n";
    assert_eq!(updated(Language::JavaScript, DocStyle::Jsdoc, script, 1).as_deref(), Some(expected));
}

#[test]
fn numpy_types_and_defaults_are_corrected() {
    let before = "\"\"\"Adds.\n\nParameters\n----------\na : int, default 3\n    One.\nb : array_like\n    Two.\n\nReturns\n-------\nint\n    The sum.\n\"\"\"";
    let after = before
        .replace("a : int, default 3", "a : str, default \"x\"")
        .replace("    Two.\n", "    Two.\nc : default None\n    The c.\n");
    let signature = "(a: str = \"x\", b: list[int] = (), c=None)";
    assert_eq!(python(DocStyle::Numpy, signature, "return a", before), Some(after));
}

#[test]
fn all_rest_fields_of_a_parameter_are_deleted_together() {
    let before = "\"\"\"Adds.\n\n:param a: One.\n:type a: int\n:param str b: Two.\n:type gone: str\n:param gone: No more.\n:returns: The sum.\n\"\"\"";
    let after = "\"\"\"Adds.\n\n:param a: One.\n:type a: int\n:param bool b: Two.\n:returns: The sum.\n\"\"\"";
    assert_eq!(python(DocStyle::Rest, "(a: int, b: bool)", "return a", before).as_deref(), Some(after));
    for (mark, stars) in [("", "\\\\*"), ("r", "\\*")] {
        let before = format!("{mark}\"\"\"Adds.\n\n:param a: One.\n\"\"\"");
        let after = before.replace("One.", &format!("One.\n:param {stars}b: The b."));
        assert_eq!(python(DocStyle::Rest, "(a, *b)", "pass", &before), Some(after));
    }
}

#[test]
fn rust_sections_are_kept_and_errors_and_panics_are_added() {
    let before = "impl A {\n    /// Adds.\n    ///\n    /// # Arguments\n    ///\n    /// * `a` - One\n    ///   that is long.\n    /// * `gone` - No more.\n    ///\n    /// # Examples\n    ///\n    /// ```\n    /// # use a::b;\n    /// ```\n    pub fn f(&self, a: u8, b: u8) -> io::Result<u8> {\n        assert!(a > b);\n        Ok(a)\n    }\n}\n";
    let after = "impl A {\n    /// Adds.\n    ///\n    /// # Arguments\n    ///\n    /// * `a` - One\n    ///   that is long.\n    /// * `b` - The b.\n    ///\n    /// # Errors\n    ///\n    /// If it fails.\n    ///\n    /// # Panics\n    ///\n    /// If an assumption does not hold.\n    ///\n    /// # Examples\n    ///\n    /// ```\n    /// # use a::b;\n    /// ```\n    pub fn f(&self, a: u8, b: u8) -> io::Result<u8> {\n        assert!(a > b);\n        Ok(a)\n    }\n}\n";
    assert_eq!(updated(Language::Rust, DocStyle::Rustdoc, before, 15).as_deref(), Some(after));
    let plain = "/// Adds `a`.\nfn f(a: u8) -> u8 {\n    a\n}\n";
    assert_eq!(updated(Language::Rust, DocStyle::Rustdoc, plain, 1), None);
    let panics = "/// Adds.\n///\n/// # Panics\n///\n/// Always.\nfn f() -> Result<u8, ()> {\n    panic!()\n}\n";
    let both = panics.replace("/// # Panics", "/// # Errors\n///\n/// If it fails.\n///\n/// # Panics");
    assert_eq!(updated(Language::Rust, DocStyle::Rustdoc, panics, 5), Some(both));
}

#[test]
fn tags_keep_their_marks_and_other_tags_are_untouched() {
    let script = "/**\n * Adds.\n *\n * @param {Object} props - Those.\n * @param {number} props.size - How large.\n * @param gone\n * @deprecated Not any more.\n * @example\n * f({ size: 1 }, 2)\n */\nexport const f = ({ size }, b) => size + b;\n";
    let expected = "/**\n * Adds.\n *\n * @param {Object} props - Those.\n * @param {number} props.size - How large.\n * @param {*} b - The b.\n * @returns {*} The result.\n * @deprecated Not any more.\n * @example\n * f({ size: 1 }, 2)\n */\nexport const f = ({ size }, b) => size + b;\n";
    assert_eq!(updated(Language::JavaScript, DocStyle::Jsdoc, script, 10).as_deref(), Some(expected));
    let c = "/*!\n * \\brief Adds.\n *\n * \\param[in] a One.\n * \\return The sum.\n */\nint f(int a, int b);\n";
    let expected = c.replace("One.\n", "One.\n * \\param b The b.\n");
    assert_eq!(updated(Language::C, DocStyle::Doxygen, c, 6), Some(expected));
    let java = "class A {\n    /**\n     * Adds.\n     *\n     * @param <T> A kind.\n     * @param b Two.\n     * @param a One.\n     * @return Never.\n     * @throws java.io.IOException Often.\n     */\n    <T> void f(int a, int b) throws IOException {}\n}\n";
    let expected = java
        .replace("     * @param b Two.\n     * @param a One.\n", "     * @param a One.\n     * @param b Two.\n")
        .replace("     * @return Never.\n", "");
    assert_eq!(updated(Language::Java, DocStyle::Javadoc, java, 10), Some(expected));
    let ruby = "# Adds.\n#\n# @param a [Integer] One.\n# @return [Integer] The sum.\ndef f(a, b)\n  a + b\nend\n";
    let expected = ruby.replace("One.\n", "One.\n# @param b [Object] The b.\n");
    assert_eq!(updated(Language::Ruby, DocStyle::Yard, ruby, 4), Some(expected));
    let php = "<?php\n/**\n * Adds.\n *\n * @param int $a One.\n * @param int[] $b Two.\n */\nfunction f(string $a, array $b): void {}\n";
    let expected = php.replace("@param int $a", "@param string $a");
    assert_eq!(updated(Language::Php, DocStyle::Phpdoc, php, 7), Some(expected));
    let lua = "--- Adds.\n---@param gone any\nlocal function f() end\n";
    assert_eq!(
        updated(Language::Lua, DocStyle::Luacats, lua, 2).as_deref(),
        Some("--- Adds.\nlocal function f() end\n")
    );
}

#[test]
fn xml_elements_are_added_and_deleted_whole() {
    let before = "class A {\n    /// <summary>Adds.</summary>\n    /// <param name=\"gone\">\n    /// No more.\n    /// </param>\n    /// <param name=\"a\">One.</param>\n    int F(int a, int b) { return a; }\n}\n";
    let after = "class A {\n    /// <summary>Adds.</summary>\n    /// <param name=\"a\">One.</param>\n    /// <param name=\"b\">The b.</param>\n    /// <returns>The result.</returns>\n    int F(int a, int b) { return a; }\n}\n";
    assert_eq!(updated(Language::CSharp, DocStyle::Xmldoc, before, 6).as_deref(), Some(after));
}

#[test]
fn items_with_syntax_errors_or_without_docstring_are_not_updated() {
    let text = "def f(a):\n    return a\n";
    assert_eq!(updated(Language::Python, DocStyle::Google, text, 0), None);
    let broken = "def f(a:\n    \"\"\"Adds.\"\"\"\n    return a\n";
    let tree = syntax::parse(Language::Python, broken, None);
    if let Ok(item) = find_item(Language::Python, tree.as_ref(), broken, 0) {
        let task = DocTask::update(item, Language::Python, DocStyle::Google, broken, 80, false);
        assert!(matches!(task, Ok(None) | Err(DocstringError::SyntaxError { .. })), "{task:?}");
    }
}

#[test]
fn with_many_items_only_docstrings_with_entries_are_updated() {
    let text = "def a(x):\n    return x\n\ndef b(x):\n    \"\"\"B.\"\"\"\n\ndef c(x):\n    \"\"\"C.\n\n    Args:\n        y: The y.\n    \"\"\"\n";
    let tree = syntax::parse(Language::Python, text, None).expect("a tree");
    let all = items(Language::Python, &tree, text).into_iter().filter(|item| DocstringMode::Update.selects(item));
    let tasks =
        all.filter_map(|item| DocTask::update(item, Language::Python, DocStyle::Google, text, 80, true).expect("safe"));
    assert_eq!(tasks.map(|task| task.item.name).collect::<Vec<_>>(), ["c"]);
}

#[test]
fn fields_that_the_signature_does_not_show_are_kept() {
    let class =
        "class A:\n    \"\"\"An A.\n\n    Args:\n        x: One.\n    \"\"\"\n\n    def __init__(self, x): pass\n";
    assert_eq!(updated(Language::Python, DocStyle::Google, class, 0), None);
    let record = "/**\n * A point.\n *\n * @param x One.\n */\nrecord P(int x) {}\n";
    assert_eq!(updated(Language::Java, DocStyle::Javadoc, record, 5), None);
    let stub = "\"\"\"Loads.\n\nReturns:\n    What was loaded.\n\"\"\"";
    assert_eq!(python(DocStyle::Google, "()", "...", stub), None);
    let generator = "/**\n * Counts.\n *\n * @yields {number} One.\n */\nfunction* f() { yield 1; }\n";
    assert_eq!(updated(Language::JavaScript, DocStyle::Jsdoc, generator, 5), None);
    let php = "<?php\n/**\n * Ends.\n *\n * @return void\n */\nfunction f(): void {}\n";
    assert_eq!(updated(Language::Php, DocStyle::Phpdoc, php, 6), None);
    let c = "/**\n * @brief Prints.\n *\n * @param ... The rest.\n * @param gone No more.\n */\nint f(const char *form, ...);\n";
    let expected = c.replace(" * @param gone No more.\n", " * @param form The form.\n * @return The result.\n");
    assert_eq!(updated(Language::C, DocStyle::Doxygen, c, 6), Some(expected));
    let ruby = "# Sets.\n#\n# @overload f(a)\n#   @param a One.\ndef f(*all)\n  1\nend\n";
    assert_eq!(updated(Language::Ruby, DocStyle::Yard, ruby, 4), None);
}

#[test]
fn paragraphs_stay_with_their_entry() {
    let script = "/**\n * Adds.\n *\n * @param a - One\n * and\n *\n * more.\n */\nexport function f(a: number, b: number): void {}\n";
    let expected = script.replace(" * more.\n", " * more.\n * @param b - The b.\n");
    assert_eq!(updated(Language::TypeScript, DocStyle::Tsdoc, script, 8), Some(expected));
    let rest = "\"\"\"Adds.\n\n:param gone: No more.\n\n    Not this.\n\n:param a: One.\n\nThat is all.\n\"\"\"";
    let expected = "\"\"\"Adds.\n\n:param a: One.\n\nThat is all.\n\"\"\"";
    assert_eq!(python(DocStyle::Rest, "(a) -> None", "pass", rest).as_deref(), Some(expected));
    let google = "\"\"\"Adds.\n\nArgs:\n    a: One.\n    gone: No more.\n\n    All of them are numbers.\n\"\"\"";
    let expected = google.replace("    gone: No more.\n", "");
    assert_eq!(python(DocStyle::Google, "(a)", "pass", google), Some(expected));
}
