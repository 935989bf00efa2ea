//! What a function's body and signature say about its result and its errors.

use tree_sitter::Node;

use super::item::Returns;
use super::parameters::Signature;
use crate::Language;
use crate::syntax::nodes;

/// The line, from 1, of the first syntax error in a node.
pub(super) fn first_error_line(node: Node<'_>) -> Option<usize> {
    let found = || nodes(node, |it| it.has_error()).find(|it| it.is_error() || it.is_missing());
    node.has_error().then(|| found().unwrap_or(node).start_position().row + 1)
}

/// The nodes of a body without those of functions and classes inside it.
fn own_nodes(body: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    let foreign = |it: Node<'_>| {
        let kind = it.kind();
        let function = kind.contains("function") || kind.contains("lambda") || kind.contains("closure");
        function || kind.starts_with("class") || kind.starts_with("method_d")
    };
    nodes(body, move |it| it == body || !foreign(it))
}

/// What a function returns, by its type or else by its `return` statements.
pub(super) fn returns(language: Language, node: Node<'_>, signature: &Signature<'_>, text: &str) -> Returns {
    let body = signature.body;
    let yields = body.is_some_and(|body| own_nodes(body).any(|it| it.kind() == "yield"));
    let written = declared_result(signature, text);
    if yields && language == Language::Python {
        return Returns::Yields(written);
    }
    match written {
        Some(it) if is_void(&it) && !returns_pointer(node) => Returns::Nothing,
        Some(it) => Returns::Value(Some(it)),
        None if matches!(language, Language::Rust | Language::Go | Language::Java | Language::C | Language::Cpp) => {
            Returns::Nothing
        }
        None if body.is_some_and(returns_value) && !is_constructor(signature, text) => Returns::Value(None),
        None => Returns::Nothing,
    }
}

/// The type of the result as the signature has it.
fn declared_result(signature: &Signature<'_>, text: &str) -> Option<String> {
    let written = signature.result.filter(|it| *it != signature.name).and_then(|it| text.get(it.byte_range()));
    written.map(|it| it.trim_start_matches([':', '-', '>']).trim().to_owned()).filter(|it| !it.is_empty())
}

/// Whether a signature says that nothing comes back, and not even that something is over.
pub(super) fn declares_no_result(language: Language, node: Node<'_>, signature: &Signature<'_>, text: &str) -> bool {
    match declared_result(signature, text) {
        Some(it) => matches!(&*it, "void" | "None" | "()") && !returns_pointer(node),
        None => matches!(language, Language::Rust | Language::Go),
    }
}

fn is_void(of_type: &str) -> bool {
    let inner = of_type.trim_start_matches("Promise<").trim_start_matches("Promise<").trim_end_matches('>');
    matches!(inner, "void" | "None" | "()" | "!" | "never" | "undefined" | "NoReturn" | "Task")
}

/// `void *f()` returns something.
fn returns_pointer(node: Node<'_>) -> bool {
    node.child_by_field_name("declarator").is_some_and(|it| it.kind() == "pointer_declarator")
}

fn is_constructor(signature: &Signature<'_>, text: &str) -> bool {
    matches!(text.get(signature.name.byte_range()), Some("constructor" | "__init__" | "initialize" | "__construct"))
}

/// Whether a body returns a value; the body of an arrow function may be one.
fn returns_value(body: Node<'_>) -> bool {
    let returns = |it: Node<'_>| {
        let statement = matches!(it.kind(), "return_statement" | "return");
        let value = |value: Node<'_>| !value.kind().contains("comment") && value.kind() != "none";
        statement && it.is_named() && it.named_child(0).is_some_and(value)
    };
    let arrow = body.parent().is_some_and(|it| it.kind() == "arrow_function") && body.kind() != "statement_block";
    arrow || own_nodes(body).any(returns)
}

/// The errors that a body raises and a signature names, once each.
pub(super) fn raises(language: Language, node: Node<'_>, signature: &Signature<'_>, text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut add = |name: &str| {
        if !name.is_empty() && !found.iter().any(|it| it == name) {
            found.push(name.to_owned());
        }
    };
    let mut cursor = node.walk();
    for clause in node.children(&mut cursor).filter(|it| it.kind() == "throws") {
        let mut cursor = clause.walk();
        clause.named_children(&mut cursor).filter_map(|it| text.get(it.byte_range())).for_each(&mut add);
    }
    for node in signature.body.into_iter().flat_map(own_nodes) {
        raised_error(language, node, text).into_iter().for_each(&mut add);
    }
    found
}

/// The class of the error that a node raises.
fn raised_error<'a>(language: Language, node: Node<'_>, text: &'a str) -> Option<&'a str> {
    let of = |node: Node<'_>| text.get(node.byte_range());
    match node.kind() {
        "raise_statement" | "throw_statement" | "throw_expression" => error_class(node.named_child(0)?, text),
        "macro_invocation" if language == Language::Rust => {
            let name = node.child_by_field_name("macro").and_then(of)?;
            matches!(name, "panic" | "assert" | "assert_eq" | "assert_ne").then_some("panic")
        }
        "call" if language == Language::Ruby => {
            let method = node.child_by_field_name("method").and_then(of)?;
            let first = node.child_by_field_name("arguments")?.named_child(0)?;
            (method == "raise").then(|| error_class(first, text)).flatten()
        }
        _ => None,
    }
}

/// `a.B` of `a.B(…)`, `new a.B(…)` and `a.B`; a variable has no class to name.
fn error_class<'a>(thrown: Node<'_>, text: &'a str) -> Option<&'a str> {
    let made =
        ["function", "constructor", "type", "receiver"].into_iter().find_map(|name| thrown.child_by_field_name(name));
    let first = thrown.named_child(0).filter(|it| matches!(it.kind(), "name" | "qualified_name"));
    let name = text.get(made.or(first).unwrap_or(thrown).byte_range())?;
    let last = name.rsplit(['.', ':', '\\']).next()?;
    let plain = name.chars().all(|c| c.is_alphanumeric() || "_.:\\".contains(c));
    let typed = made.is_some_and(|_| name.contains("::")) || last.starts_with(char::is_uppercase);
    (plain && typed && name.len() < 80).then_some(name)
}
