//! Tests for each language with a real snippet: the item that is read from it, and the docstring with fallback words in
//! its fields.

use super::*;
use crate::Language;

/// Returns the item at the line with `▁`, and the text without that mark.
fn item(language: Language, marked: &str) -> (DocItem, String) {
    let line = marked[..marked.find('▁').expect("a mark")].matches('\n').count();
    let text = marked.replace('▁', "");
    let tree = crate::syntax::parse(language, &text, None);
    let item = find_item(language, tree.as_ref(), &text, line).unwrap_or_else(|why| panic!("{language:?}: {why}"));
    (item, text)
}

/// Returns the text with a docstring for the item, and checks that it is the same program.
fn documented(language: Language, style: DocStyle, marked: &str, prose: &[&str]) -> String {
    let (item, text) = item(language, marked);
    let task = DocTask::new(item, language, style, &text, 80).expect("it can be documented");
    let prose: Vec<_> = prose.iter().map(|it| (*it).to_owned()).collect();
    let after = task.edit(&text, &prose).apply(&text);
    let [one, other] = [&text, &after].map(|it| crate::syntax::parse(language, it, None).expect("a tree"));
    assert!(same_code(language, (&one, &text), (&other, &after)), "{language:?} {style}: {after}");
    after
}

fn check(language: Language, style: DocStyle, marked: &str, expected: &str) {
    let after = documented(language, style, marked, &[]);
    assert_eq!(after, expected, "{language:?} {style}\n{after}");
}

#[test]
fn google_lists_parameters_with_stars_and_without_receiver() {
    check(
        Language::Python,
        DocStyle::Google,
        "class A:\n    def f(self, x▁: int = 3, *rest, key=None, **more) -> int:\n        # first\n        if x:\n            raise ValueError(x)\n        return x\n",
        "class A:\n    def f(self, x: int = 3, *rest, key=None, **more) -> int:\n        \"\"\"F.\n\n        Args:\n            x: The x.\n            *rest: The rest.\n            key: The key.\n            **more: The more.\n\n        Returns:\n            The result.\n\n        Raises:\n            ValueError: If the input is not valid.\n        \"\"\"\n        # first\n        if x:\n            raise ValueError(x)\n        return x\n",
    );
}

#[test]
fn numpy_lists_types_defaults_and_yields() {
    check(
        Language::Python,
        DocStyle::Numpy,
        "@cached\ndef f(a: list[int], b=2):▁\n    for x in a:\n        yield x + b\n",
        "@cached\ndef f(a: list[int], b=2):\n    \"\"\"F.\n\n    Parameters\n    ----------\n    a : list[int]\n        The a.\n    b : default 2\n        The b.\n\n    Yields\n    ------\n    object\n        The result.\n    \"\"\"\n    for x in a:\n        yield x + b\n",
    );
}

#[test]
fn a_body_after_the_colon_moves_below_the_docstring() {
    check(
        Language::Python,
        DocStyle::Rest,
        "def f(a):▁ return a\n",
        "def f(a):\n    \"\"\"F.\n\n    :param a: The a.\n    :returns: The result.\n    \"\"\"\n    return a\n",
    );
}

#[test]
fn rustdoc_precedes_attributes_and_documents_errors_and_panics() {
    check(
        Language::Rust,
        DocStyle::Rustdoc,
        "impl A {\n    #[inline]\n    pub fn f<T: Ord>(&self, mut x: u8, y: &[T]) -> Result<u8, E> {\n        assert!(x > 0);▁\n        Ok(x)\n    }\n}\n",
        "impl A {\n    /// F.\n    ///\n    /// # Type parameters\n    ///\n    /// * `T` - The t.\n    ///\n    /// # Arguments\n    ///\n    /// * `x` - The x.\n    /// * `y` - The y.\n    ///\n    /// # Returns\n    ///\n    /// The result.\n    ///\n    /// # Errors\n    ///\n    /// If it fails.\n    ///\n    /// # Panics\n    ///\n    /// If an assumption does not hold.\n    #[inline]\n    pub fn f<T: Ord>(&self, mut x: u8, y: &[T]) -> Result<u8, E> {\n        assert!(x > 0);\n        Ok(x)\n    }\n}\n",
    );
}

#[test]
fn tsdoc_omits_types() {
    check(
        Language::TypeScript,
        DocStyle::Tsdoc,
        "export class A {\n  sum▁<T>(items: T[], start = 0, ...more: number[]): number {\n    if (!items) throw new RangeError(\"no\");\n    return start;\n  }\n}\n",
        "export class A {\n  /**\n   * Sum.\n   *\n   * @typeParam T - The t.\n   * @param items - The items.\n   * @param start - The start.\n   * @param more - The more.\n   * @returns The result.\n   * @throws {@link RangeError} If the input is not valid.\n   */\n  sum<T>(items: T[], start = 0, ...more: number[]): number {\n    if (!items) throw new RangeError(\"no\");\n    return start;\n  }\n}\n",
    );
}

#[test]
fn jsdoc_documents_a_function_assigned_to_a_constant() {
    check(
        Language::JavaScript,
        DocStyle::Jsdoc,
        "export const addAll = (a, b = 2, {c}) => a + b▁;\n",
        "/**\n * Add all.\n *\n * @param {*} a - The a.\n * @param {*} [b=2] - The b.\n * @param {*} options - The options.\n * @returns {*} The result.\n */\nexport const addAll = (a, b = 2, {c}) => a + b;\n",
    );
}

#[test]
fn javadoc_documents_type_parameters_and_the_throws_clause() {
    check(
        Language::Java,
        DocStyle::Javadoc,
        "class A {\n    @Override\n    public <T> int f(final int x, T... more) throws IOException {\n        throw new IllegalStateException();▁\n    }\n}\n",
        "class A {\n    /**\n     * F.\n     *\n     * @param <T> The t.\n     * @param x The x.\n     * @param more The more.\n     * @return The result.\n     * @throws IOException If the input is not valid.\n     * @throws IllegalStateException If the input is not valid.\n     */\n    @Override\n    public <T> int f(final int x, T... more) throws IOException {\n        throw new IllegalStateException();\n    }\n}\n",
    );
}

#[test]
fn godoc_begins_with_the_name() {
    let after = documented(
        Language::Go,
        DocStyle::Godoc,
        "package p\n\nfunc (a *A) Sum(x, y int) int {\n\treturn x▁\n}\n",
        &["adds two numbers."],
    );
    assert_eq!(after, "package p\n\n// Sum adds two numbers.\nfunc (a *A) Sum(x, y int) int {\n\treturn x\n}\n");
    let (item, _) = item(Language::Go, "package p\n\nfunc F▁(x, y int, z ...string) {}\n");
    assert_eq!(item.parameters.iter().map(|it| &*it.name).collect::<Vec<_>>(), ["x", "y", "z"]);
}

#[test]
fn doxygen_reads_declarators_templates_and_prototypes() {
    check(
        Language::Cpp,
        DocStyle::Doxygen,
        "template <typename T>\nT *find(const std::vector<T> &all, int *at, char name[]▁ = 0) {\n  throw std::out_of_range(\"no\");\n}\n",
        "/**\n * @brief Find.\n *\n * @tparam T The t.\n * @param all The all.\n * @param at The at.\n * @param name The name.\n * @return The result.\n * @throws std::out_of_range If the input is not valid.\n */\ntemplate <typename T>\nT *find(const std::vector<T> &all, int *at, char name[] = 0) {\n  throw std::out_of_range(\"no\");\n}\n",
    );
    check(
        Language::C,
        DocStyle::Doxygen,
        "/// One.\nint one(void);\n\nint two(int x▁);\n",
        "/// One.\nint one(void);\n\n/// @brief Two.\n///\n/// @param x The x.\n/// @return The result.\nint two(int x);\n",
    );
}

#[test]
fn the_other_styles_list_every_parameter() {
    check(
        Language::Ruby,
        DocStyle::Yard,
        "class A\n  def f(x▁, y = 2, *rest, key:)\n    raise ArgumentError, \"no\" unless x\n    return y\n  end\nend\n",
        "class A\n  # F.\n  #\n  # @param x [Object] The x.\n  # @param y [Object] The y.\n  # @param rest [Object] The rest.\n  # @param key [Object] The key.\n  # @return [Object] The result.\n  # @raise [ArgumentError] If the input is not valid.\n  def f(x, y = 2, *rest, key:)\n    raise ArgumentError, \"no\" unless x\n    return y\n  end\nend\n",
    );
    check(
        Language::Php,
        DocStyle::Phpdoc,
        "<?php\nfunction f(int $x, $y = 2): string {\n    return \"\";▁\n}\n",
        "<?php\n/**\n * F.\n *\n * @param int $x The x.\n * @param mixed $y The y.\n * @return string The result.\n */\nfunction f(int $x, $y = 2): string {\n    return \"\";\n}\n",
    );
    check(
        Language::CSharp,
        DocStyle::Xmldoc,
        "class A {\n    int F(int x, string y = \"\") {\n        throw new ArgumentException();▁\n    }\n}\n",
        "class A {\n    /// <summary>\n    /// F.\n    /// </summary>\n    /// <param name=\"x\">The x.</param>\n    /// <param name=\"y\">The y.</param>\n    /// <returns>The result.</returns>\n    /// <exception cref=\"ArgumentException\">If the input is not\n    /// valid.</exception>\n    int F(int x, string y = \"\") {\n        throw new ArgumentException();\n    }\n}\n",
    );
    check(
        Language::Lua,
        DocStyle::Luacats,
        "local function f(x, y)▁\n  return x\nend\n",
        "--- F.\n--- @param x any The x.\n--- @param y any The y.\n--- @return any # The result.\nlocal function f(x, y)\n  return x\nend\n",
    );
}

#[test]
fn types_and_modules_get_only_a_summary() {
    check(
        Language::Rust,
        DocStyle::Rustdoc,
        "#[derive(Debug)]\nstruct▁ Big {\n    x: u8,\n}\n",
        "/// Big.\n#[derive(Debug)]\nstruct Big {\n    x: u8,\n}\n",
    );
    check(
        Language::Python,
        DocStyle::Google,
        "class Big:▁\n    x = 1\n",
        "class Big:\n    \"\"\"Big.\"\"\"\n    x = 1\n",
    );
    check(
        Language::Python,
        DocStyle::Google,
        "#!/bin/env python▁\nimport os\n",
        "#!/bin/env python\n\"\"\"This module.\"\"\"\nimport os\n",
    );
    check(Language::Rust, DocStyle::Rustdoc, "use std::fmt;▁\n", "//! This module.\nuse std::fmt;\n");
}

#[test]
fn an_existing_docstring_is_replaced() {
    check(
        Language::Python,
        DocStyle::Google,
        "def f(x):\n    '''Old▁\n\n    words.\n    '''\n    return x\n",
        "def f(x):\n    \"\"\"F.\n\n    Args:\n        x: The x.\n\n    Returns:\n        The result.\n    \"\"\"\n    return x\n",
    );
    check(
        Language::Rust,
        DocStyle::Rustdoc,
        "// a remark\n\n/// Old\n/// words.▁\n#[inline]\nfn f() {}\n",
        "// a remark\n\n/// F.\n#[inline]\nfn f() {}\n",
    );
    check(
        Language::Java,
        DocStyle::Javadoc,
        "class A {\n    /**\n     * Old▁\n     */\n    void f() {}\n}\n",
        "class A {\n    /**\n     * F.\n     */\n    void f() {}\n}\n",
    );
}

#[test]
fn lines_respect_the_width() {
    let long = "word ".repeat(40);
    let after = documented(Language::Rust, DocStyle::Rustdoc, "mod m {\n    fn f▁(x: u8) {}\n}\n", &[&long, &long]);
    assert!(after.lines().all(|line| line.chars().count() <= 80), "{after}");
    assert!(after.lines().count() > 8, "{after:?}");
    assert!(after.contains("\n    ///   word"), "lines below a bullet are indented: {after}");
}

#[test]
fn the_style_of_the_first_text_that_shows_one_is_detected() {
    let numpy = "def f(x):\n    '''F.\n\n    Parameters\n    ----------\n    x\n        Y.\n    '''\n";
    let rest = "def f(x):\n    '''F.\n\n    :param x: Y.\n    '''\n";
    let detect = |texts: &[&str]| DocStyle::detect(Language::Python, texts.iter().copied());
    assert_eq!(detect(&["x = 1\n"]), Some(DocStyle::Google));
    assert_eq!(detect(&["x = 1\n", rest, numpy]), Some(DocStyle::Rest));
    assert_eq!(detect(&[numpy, rest]), Some(DocStyle::Numpy));
    assert_eq!(
        DocStyle::detect(Language::TypeScript, ["/**\n * @param {number} x - Y.\n */\n"]),
        Some(DocStyle::Jsdoc)
    );
    assert_eq!(DocStyle::detect(Language::Json, ["{}"]), None);
    assert!("sphinx".parse::<DocStyle>().is_err_and(|why| why.contains("google") && why.contains("luacats")));
}

#[test]
fn an_error_says_what_to_do() {
    let refusal = |language: Language, text: &str, line, style| {
        let tree = crate::syntax::parse(language, text, None);
        let found =
            find_item(language, tree.as_ref(), text, line).and_then(|it| DocTask::new(it, language, style, text, 80));
        found.expect_err(text).to_string()
    };
    assert!(refusal(Language::Json, "{}", 0, DocStyle::Google).contains("python, rust"));
    assert!(refusal(Language::Python, "x = 1\ny = 2\n", 1, DocStyle::Google).contains("line 2"));
    let broken = "x = 1\n\ndef f(:\n    pass\n";
    assert!(refusal(Language::Python, broken, 2, DocStyle::Google).contains("of `f` is broken at line 3"));
    assert!(refusal(Language::Python, broken, 0, DocStyle::Google).contains("of the file is broken at line 3"));
    assert!(refusal(Language::Python, "def f():\n    pass\n", 0, DocStyle::Javadoc).contains("google, numpy or rest"));
    assert!(refusal(Language::Java, "class A { void f() {} }\n", 0, DocStyle::Javadoc).contains("a line of its own"));
}

#[test]
fn only_comments_and_docstrings_may_differ_in_the_same_code() {
    let same = |language: Language, one: &str, other: &str| {
        let [left, right] = [one, other].map(|it| crate::syntax::parse(language, it, None).expect("a tree"));
        same_code(language, (&left, one), (&right, other))
    };
    let python = "def f(x):\n    return x\n";
    assert!(same(Language::Python, python, "def f(x):\n    '''Y.'''\n    # z\n    return x\n"));
    assert!(!same(Language::Python, python, "def f(x):\n    '''Y.'''; x = 1\n    return x\n"));
    assert!(!same(Language::Python, python, "def f(x):\n    x\n    '''Y.'''\n    return x\n"));
    assert!(!same(Language::Python, "a = 'b'\n", "a = 'c'\n"));
    assert!(!same(Language::Rust, "fn f() { g() }\n", "fn f() { g(); }\n"));
    assert!(!same(Language::Java, "class A {}\n", "/** x */ int y; /* */ class A {}\n"));
}

/// Returns the cleaned answer for the second field, the parameter `x`.
fn cleaned(language: Language, style: DocStyle, answer: &str) -> String {
    let marked = match language {
        Language::Python => "def f(x: int, other):▁\n    pass\n",
        Language::CSharp => "class A {\n    void F(int x, int other) {▁}\n}\n",
        _ => "class A {\n    void f(int x, int other) {▁}\n}\n",
    };
    let (item, text) = item(language, marked);
    DocTask::new(item, language, style, &text, 80).expect("it can be documented").clean(1, answer)
}

#[test]
fn an_answer_becomes_a_sentence_without_labels_marks_or_code() {
    let python = |answer| cleaned(Language::Python, DocStyle::Google, answer);
    assert_eq!(python(" the number of rows\n    other: x"), "The number of rows.");
    assert_eq!(python("(int): The number."), "The number.");
    assert_eq!(python("int: The number."), "The number.");
    assert_eq!(python("`x` (int) - The number."), "The number.");
    assert_eq!(python("The path, as in \"C:\\x\".\"\"\" + evil()"), "The path, as in 'C:\\\\x'.");
    assert_eq!(python("A `broken code mark"), "A broken code mark.");
    for nothing in ["", "  ", "other: The rest.", "x = f(y)", "return x", "\"\"\"", "--- ***", "The docstring of f."] {
        assert_eq!(python(nothing), "", "{nothing:?}");
    }
    assert_eq!(cleaned(Language::Java, DocStyle::Javadoc, "A List<String> */ int y; @see z"), "A List&lt;String&gt;.");
    assert_eq!(cleaned(Language::CSharp, DocStyle::Xmldoc, "Less & <more>"), "Less &amp; &lt;more&gt;.");
    let long = python(&"A sentence of words. ".repeat(60));
    assert!(long.len() <= 400 && long.ends_with("words."), "{long}");
}

/// Returns the cleaned answer for the summary of `f(x)`, and the docstring with it.
fn summary(language: Language, style: DocStyle, answer: &str) -> (String, String) {
    let marked = match language {
        Language::Python => "def f(x):▁\n    pass\n",
        Language::Go => "package a\n\nfunc Find(x int) {▁\n}\n",
        _ => "fn f(x: i32) {▁}\n",
    };
    let (item, text) = item(language, marked);
    let task = DocTask::new(item, language, style, &text, 80).expect("it can be documented");
    let words = task.clean(0, answer);
    let written = task.edit(&text, &[words.clone(), "The number.".to_owned()]).text;
    (words, written)
}

#[test]
fn a_summary_is_the_first_paragraph_without_tags_and_marks_or_repetition() {
    let python = |answer| summary(Language::Python, DocStyle::Google, answer).0;
    assert_eq!(python(" gives it\n    back\n\n    Args:\n        x: y"), "Gives it back.");
    assert_eq!(python("Gives it back\n@param x y"), "Gives it back.");
    assert_eq!(python("@brief Gives it back.\n * And more\n * @return it"), "Gives it back.\n\nAnd more.");
    assert_eq!(python("This function gives it back."), "Gives it back.");
    let repetitive = "Gives it. It is not a list. It has one x. It is not a set. It is not a map.";
    assert_eq!(python(repetitive), "Gives it.\n\nIt is not a list. It has one x.");
    assert_eq!(python("A b. C d. E f. G h. I j."), "A b.\n\nC d. E f. G h.");
    assert_eq!(python("f(x) -> int Gives it back."), "Gives it back.");
    assert_eq!(python("f(x, (y)): Gives it back."), "Gives it back.");
    assert_eq!(python("Gives it back. Then x = 3 is set. It ends."), "Gives it back.");
    assert_eq!(python("x = 3. It ends."), "");
    let long = "words and ".repeat(200);
    assert!((600..=642).contains(&python(&long).len()), "{}", python(&long));
    assert_eq!(python("@param x the number"), "");
    assert_eq!(python("(x, y) == z) and so on"), "");
    assert_eq!(python("Gives e.g. It. Then stops, i.e. Ends."), "Gives e.g. It.\n\nThen stops, i.e. Ends.");
    let go = |answer| summary(Language::Go, DocStyle::Godoc, answer).0;
    assert_eq!(go("Find finds it. It is quick."), "finds it. It is quick.");
    assert_eq!(go("find finds it."), "finds it.");
}

#[test]
fn the_first_sentence_is_a_paragraph_in_python_and_rust() {
    let (_, python) = summary(Language::Python, DocStyle::Google, "Gives it back. It may be nothing.");
    assert_eq!(
        python.trim_start(),
        "\"\"\"Gives it back.\n\n    It may be nothing.\n\n    Args:\n        x: The number.\n    \"\"\"\n"
    );
    let (_, rust) = summary(Language::Rust, DocStyle::Rustdoc, "Gives it back. It may be nothing.");
    assert!(rust.starts_with("/// Gives it back.\n///\n/// It may be nothing.\n///\n"), "{rust}");
    let (_, go) = summary(Language::Go, DocStyle::Godoc, "Gives it back. It may be nothing.");
    assert!(go.starts_with("// Find gives it back. It may be nothing.\n"), "{go}");
    let (item, text) = item(Language::Python, "def f():▁\n    pass\n");
    let task = DocTask::new(item, Language::Python, DocStyle::Google, &text, 80).expect("it can be documented");
    let written = task.edit(&text, &["One.\n\nTwo.".to_owned()]).text;
    assert_eq!(written.trim_start(), "\"\"\"One.\n\n    Two.\n    \"\"\"\n");
}

#[test]
fn a_summary_is_complete_after_its_first_paragraph() {
    for (answer, over) in [
        ("Gives it", false),
        ("Gives it\n * back", false),
        ("Gives it\n * back.\n", false),
        ("Gives it\n * back.\n *\n", true),
        ("Gives it back.\n\n", true),
        ("Gives it back.\n    Args:\n", true),
        ("\n    Gives it back.\n", false),
    ] {
        assert_eq!(is_summary_complete(answer), over, "{answer:?}");
    }
}

/// Returns a field's prompt as one text.
fn shown(ground: &DocPromptContext<'_>, task: &DocTask, prose: &[String]) -> String {
    joined(prompt(ground, task, prose))
}

fn joined(prompt: crate::Prompt) -> String {
    let text = |part: crate::Part| match part.content {
        crate::Content::Text(text) => text,
        crate::Content::Special(name) => name.into_owned(),
    };
    prompt.parts.into_iter().map(text).collect()
}

#[test]
fn an_infill_prompt_ends_with_the_item() {
    let format = crate::FimFormat::detect("qwen2.5-coder", |name| name.starts_with("<|"));
    let format = format.filter(|it| it.middle.is_some());
    for marked in [
        "def f(x):▁\n    return x\n\n\ndef g(y):\n    pass\n",
        "def f(x):▁\n    'Old.'\n    return x\n\n\ndef g(y):\n    pass\n",
    ] {
        let (item, text) = item(Language::Python, marked);
        let task = DocTask::new(item, Language::Python, DocStyle::Google, &text, 80).expect("it can be documented");
        let ground = DocPromptContext {
            language: Language::Python,
            path: "a.py",
            text: &text,
            max_bytes: 3000,
            format,
            snippets: &[],
        };
        let shown = shown(&ground, &task, &[]);
        assert!(shown.contains("return x<|fim_middle|>") && !shown.contains("Old"), "{shown}");
    }
}

#[test]
fn the_summary_prompt_follows_the_code_and_omits_the_old_docstring() {
    for (language, marked, ends) in [
        (
            Language::Python,
            "def f(x):▁\n    'Old.'\n    return x\n\n\ndef g(y):\n    pass\n",
            "    return x\n\n# Docstring of the function above:\n\"\"\"",
        ),
        (
            Language::Rust,
            "/// Old.\nfn f(x: i32) {▁}\n\nfn g() {}\n",
            "fn f(x: i32) {}\n\n// Documentation of the function above:\n/**\n * This function",
        ),
        (
            Language::Ruby,
            "# Old.\nclass A▁\nend\n\nclass G\nend\n",
            "class A\nend\n\n# Documentation of the type above:\n# This type",
        ),
    ] {
        let (item, text) = item(language, marked);
        let style = DocStyle::for_language(language)[0];
        let task = DocTask::new(item, language, style, &text, 80).expect("it can be documented");
        let ground =
            DocPromptContext { language, path: "a", text: &text, max_bytes: 3000, format: None, snippets: &[] };
        let read = joined(summary_prompt(&ground, &task));
        assert!(read.ends_with(ends) && !read.contains("Old"), "{read}");
    }
}

#[test]
fn each_prompt_extends_the_previous_one_up_to_its_field() {
    let (item, text) = item(Language::Python, "import os\n\n\ndef f(x):▁\n    '''Old words.'''\n    return x\n");
    let task = DocTask::new(item, Language::Python, DocStyle::Google, &text, 80).expect("it can be documented");
    let ground = DocPromptContext {
        language: Language::Python,
        path: "a.py",
        text: &text,
        max_bytes: 3000,
        format: None,
        snippets: &[],
    };
    let read = |prose: &[String]| shown(&ground, &task, prose);
    let (first, second) = (read(&[]), read(&["Does.".to_owned()]));
    assert!(first.ends_with("def f(x):\n    \"\"\"") && second.starts_with(&first), "{first}\n{second}");
    assert!(second.ends_with("\"\"\"Does.\n\n    Args:\n        x: "), "{second}");
    assert!(first.contains("    return x\n") && !first.contains("Old words"), "{first}");
}

#[test]
fn snippets_of_plugins_precede_the_code() {
    let (item, text) = item(Language::Python, "def f(x):▁\n    return x\n");
    let task = DocTask::new(item, Language::Python, DocStyle::Google, &text, 80).expect("it can be documented");
    let snippet = |text: &str| crate::Snippet { path: "RULES.md".into(), text: text.into(), origin: "rules".into() };
    let snippets = [snippet("Be short.\nBe kind.\n")];
    let qwen = crate::fim_format::FIM_FORMATS.iter().find(|format| format.name == "qwen2.5-coder");
    let other = crate::fim_format::FIM_FORMATS.iter().find(|format| format.name == "deepseek-coder");
    for (format, begins) in [
        (None, "# RULES.md:\n# Be short.\n# Be kind.\n# a.py\n"),
        (qwen, "<|file_sep|>RULES.md\nBe short.\nBe kind.\n<|file_sep|>a.py\n<|fim_prefix|>def f(x)"),
        (other, "<｜fim▁begin｜># RULES.md:\n# Be short.\n# Be kind.\ndef f(x)"),
    ] {
        let (language, path) = (Language::Python, "a.py");
        let ground = DocPromptContext { language, path, text: &text, max_bytes: 3000, format, snippets: &snippets };
        let read = shown(&ground, &task, &[]);
        assert!(read.starts_with(begins), "{read}");
    }
}

#[test]
fn a_docstring_is_found_above_a_first_member_and_after_a_byte_order_mark() {
    let (ruby, text) = item(Language::Ruby, "class A\n  # Gives one.\n  def f▁\n    1\n  end\nend\n");
    assert_eq!(ruby.existing.map(|range| text[range].to_owned()).as_deref(), Some("# Gives one."));
    let (rust, text) = item(Language::Rust, "\u{feff}/// Gives one.\nfn f▁() {}\n");
    assert_eq!(rust.existing.map(|range| text[range].to_owned()).as_deref(), Some("/// Gives one."));
    let after = documented(Language::Rust, DocStyle::Rustdoc, "\u{feff}fn f▁() {}\n", &["Gives one."]);
    assert_eq!(after, "\u{feff}/// Gives one.\nfn f() {}\n");
}

#[test]
fn template_parameters_have_names_and_a_default_cannot_end_a_docstring() {
    let (template, _) =
        item(Language::Cpp, "template <typename T, int N, class = void, template <class> class C>\nvoid f▁() {}\n");
    assert_eq!(template.type_parameters, ["T", "N", "C"]);
    let after = documented(Language::Python, DocStyle::Numpy, "def f▁(a=\"\"\"x\ny\"\"\"):\n    pass\n", &[]);
    assert!(after.contains("    a\n        The a.\n"), "{after}");
}
