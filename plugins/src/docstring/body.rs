//! Results and errors of a function, read from its signature and its body.

use tree_sitter::Node;

use super::item::Returns;
use super::parameters::Signature;
use crate::Language;
use crate::syntax::nodes;

/// Returns the line, from 1, of the first syntax error in a node.
pub(super) fn first_error_line(node: Node<'_>) -> Option<usize> {
    if !node.has_error() {
        return None;
    }
    let error = nodes(node, |it| it.has_error()).find(|it| it.is_error() || it.is_missing());
    Some(error.unwrap_or(node).start_position().row + 1)
}

/// Returns the nodes of a body without those of functions and classes inside it.
fn own_nodes(body: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    let is_nested = |it: Node<'_>| {
        let kind = it.kind();
        let function = kind.contains("function") || kind.contains("lambda") || kind.contains("closure");
        function || kind.starts_with("class") || kind.starts_with("method_d")
    };
    nodes(body, move |it| it == body || !is_nested(it))
}

/// Returns the result of a function, by its declared type or else by its `return` statements.
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

/// Returns the type of the result as the signature declares it.
fn declared_result(signature: &Signature<'_>, text: &str) -> Option<String> {
    let written = signature.result.filter(|it| *it != signature.name).and_then(|it| text.get(it.byte_range()));
    written.map(|it| it.trim_start_matches([':', '-', '>']).trim().to_owned()).filter(|it| !it.is_empty())
}

/// Returns true if the signature declares that the function has no result, not even a promise of completion.
pub(super) fn declares_no_result(language: Language, node: Node<'_>, signature: &Signature<'_>, text: &str) -> bool {
    match declared_result(signature, text) {
        Some(it) => matches!(&*it, "void" | "None" | "()") && !returns_pointer(node),
        None => matches!(language, Language::Rust | Language::Go),
    }
}

/// Returns true for types without a value, and for promises of nothing.
fn is_void(type_name: &str) -> bool {
    let inner = type_name.trim_start_matches("Promise<").trim_start_matches("Promise<").trim_end_matches('>');
    matches!(inner, "void" | "None" | "()" | "!" | "never" | "undefined" | "NoReturn" | "Task")
}

/// Returns true for a function such as `void *f()`, whose result is a pointer.
fn returns_pointer(node: Node<'_>) -> bool {
    node.child_by_field_name("declarator").is_some_and(|it| it.kind() == "pointer_declarator")
}

fn is_constructor(signature: &Signature<'_>, text: &str) -> bool {
    matches!(text.get(signature.name.byte_range()), Some("constructor" | "__init__" | "initialize" | "__construct"))
}

/// Returns true if a body returns a value, or is the expression of an arrow function.
fn returns_value(body: Node<'_>) -> bool {
    let returns = |it: Node<'_>| {
        let statement = matches!(it.kind(), "return_statement" | "return");
        let value = |value: Node<'_>| !value.kind().contains("comment") && value.kind() != "none";
        statement && it.is_named() && it.named_child(0).is_some_and(value)
    };
    let arrow = body.parent().is_some_and(|it| it.kind() == "arrow_function") && body.kind() != "statement_block";
    arrow || own_nodes(body).any(returns)
}

/// Returns the errors that the signature names or the body raises, each once.
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

/// Returns the class of the error that a node raises.
fn raised_error<'a>(language: Language, node: Node<'_>, text: &'a str) -> Option<&'a str> {
    let of = |node: Node<'_>| text.get(node.byte_range());
    match node.kind() {
        "raise_statement" | "throw_statement" | "throw_expression" => error_class(node.named_child(0)?, text),
        "macro_invocation" if language == Language::Rust => {
            let name = node.child_by_field_name("macro").and_then(of)?;
            if matches!(name, "panic" | "assert" | "assert_eq" | "assert_ne") { Some("panic") } else { None }
        }
        "call" if language == Language::Ruby => {
            let method = node.child_by_field_name("method").and_then(of)?;
            let first = node.child_by_field_name("arguments")?.named_child(0)?;
            if method == "raise" { error_class(first, text) } else { None }
        }
        _ => None,
    }
}

/// Returns `a.B` for `a.B(…)`, `new a.B(…)` and `a.B`; `None` for a variable, whose class is unknown.
fn error_class<'a>(thrown: Node<'_>, text: &'a str) -> Option<&'a str> {
    /// Bytes of the longest name that is taken for a class.
    const MAX_CLASS_BYTES: usize = 80;
    let constructed =
        ["function", "constructor", "type", "receiver"].into_iter().find_map(|name| thrown.child_by_field_name(name));
    let first = thrown.named_child(0).filter(|it| matches!(it.kind(), "name" | "qualified_name"));
    let name = text.get(constructed.or(first).unwrap_or(thrown).byte_range())?;
    let last = name.rsplit(['.', ':', '\\']).next()?;
    let is_path = name.chars().all(|c| c.is_alphanumeric() || "_.:\\".contains(c));
    let is_class = constructed.is_some() && name.contains("::") || last.starts_with(char::is_uppercase);
    if is_path && is_class && name.len() < MAX_CLASS_BYTES { Some(name) } else { None }
}
