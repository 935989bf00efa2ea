//! Signatures: names, parameters, types and defaults.

use tree_sitter::Node;

use super::item::Parameter;
use crate::Language;

/// Nested declarators that are followed to a name.
const MAX_DECLARATOR_DEPTH: usize = 16;

/// Nodes of a definition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signature<'a> {
    /// Name.
    pub(super) name: Node<'a>,
    /// List of parameters.
    pub(super) parameters: Option<Node<'a>>,
    /// List of type parameters.
    pub(super) generics: Option<Node<'a>>,
    /// Type of the result.
    pub(super) result: Option<Node<'a>>,
    /// Body.
    pub(super) body: Option<Node<'a>>,
}

/// Returns the nodes of a definition; `None` if it has no name, or is a declaration of C that is not a function.
pub(super) fn signature(language: Language, node: Node<'_>) -> Option<Signature<'_>> {
    let field = |name| node.child_by_field_name(name);
    match node.kind() {
        "lexical_declaration" | "variable_declaration" => assigned_function(node),
        "function_definition" | "declaration" | "field_declaration"
            if matches!(language, Language::C | Language::Cpp) =>
        {
            declared_function(node)
        }
        "type_declaration" => {
            let only = only_child(node)?;
            let name = only.child_by_field_name("name")?;
            Some(Signature { generics: only.child_by_field_name("type_parameters"), ..name_only(name) })
        }
        "package_clause" => Some(name_only(node.named_child(0)?)),
        _ => Some(Signature {
            name: field("name")?,
            parameters: field("parameters"),
            generics: field("type_parameters"),
            result: field("return_type")
                .or_else(|| field("result"))
                .or_else(|| field("returns"))
                .or_else(|| field("type")),
            body: field("body"),
        }),
    }
}

/// Returns the named child of a node; `None` if it has none or several.
fn only_child(node: Node<'_>) -> Option<Node<'_>> {
    if node.named_child_count() == 1 { node.named_child(0) } else { None }
}

fn name_only(name: Node<'_>) -> Signature<'_> {
    Signature { name, parameters: None, generics: None, result: None, body: None }
}

/// Returns the signature of a function that is the value of a variable.
fn assigned_function(node: Node<'_>) -> Option<Signature<'_>> {
    let declarator = only_child(node)?;
    if declarator.kind() != "variable_declarator" {
        return None;
    }
    let value = declarator.child_by_field_name("value")?;
    if !matches!(value.kind(), "arrow_function" | "function_expression" | "generator_function") {
        return None;
    }
    let field = |name| value.child_by_field_name(name);
    Some(Signature {
        name: declarator.child_by_field_name("name")?,
        parameters: field("parameters").or_else(|| field("parameter")),
        generics: field("type_parameters"),
        result: field("return_type"),
        body: field("body"),
    })
}

/// Returns the signature of a C or C++ function, whose name and parameters lie inside declarators.
fn declared_function(node: Node<'_>) -> Option<Signature<'_>> {
    let first = node.child_by_field_name("declarator")?;
    let mut declarators = std::iter::successors(Some(first), |it| inner(*it)).take(MAX_DECLARATOR_DEPTH);
    let function = declarators.find(|it| it.kind() == "function_declarator")?;
    let template = node.parent().filter(|it| it.kind() == "template_declaration");
    let name = function.child_by_field_name("declarator")?;
    // A pointer to a function is a variable.
    if name.kind().contains("parenthesized") {
        return None;
    }
    Some(Signature {
        name: last_name(name),
        parameters: function.child_by_field_name("parameters"),
        generics: template.and_then(|it| it.child_by_field_name("parameters")),
        result: node.child_by_field_name("type"),
        body: node.child_by_field_name("body"),
    })
}

/// Returns the declarator inside a declarator.
fn inner(node: Node<'_>) -> Option<Node<'_>> {
    match node.child_by_field_name("declarator") {
        None if node.kind() == "reference_declarator" => node.named_child(0),
        declarator => declarator,
    }
}

/// Returns `c` for `a::b::c`.
fn last_name(name: Node<'_>) -> Node<'_> {
    std::iter::successors(Some(name), |it| it.child_by_field_name("name")).last().unwrap_or(name)
}

/// Returns the parameters of a list in order, without the receiver.
pub(super) fn parameters(language: Language, list: Node<'_>, text: &str) -> Vec<Parameter> {
    if list.kind() == "identifier" {
        let name = text.get(list.byte_range()).unwrap_or_default().to_owned();
        return vec![Parameter { name, ..Parameter::default() }];
    }
    let mut cursor = list.walk();
    let children: Vec<_> = list.named_children(&mut cursor).collect();
    let mut all: Vec<_> = children.into_iter().flat_map(|node| parameters_of(language, node, text)).collect();
    let is_receiver = |it: &Parameter| match language {
        Language::Python => matches!(it.name.as_str(), "self" | "cls") && it.type_name.is_none() && in_class(list),
        Language::TypeScript | Language::Tsx => it.name == "this",
        _ => false,
    };
    if all.first().is_some_and(is_receiver) {
        all.remove(0);
    }
    all
}

fn in_class(list: Node<'_>) -> bool {
    let mut around = std::iter::successors(list.parent(), Node::parent).skip(1);
    around
        .find(|it| matches!(it.kind(), "class_definition" | "function_definition"))
        .is_some_and(|it| it.kind() == "class_definition")
}

/// Returns the parameters of one node: several for `a, b int` in Go, none for separators and comments.
fn parameters_of(language: Language, node: Node<'_>, text: &str) -> Vec<Parameter> {
    const IGNORED_KINDS: &[&str] =
        &["self_parameter", "receiver_parameter", "attribute_item", "keyword_separator", "positional_separator"];
    let field = |name| node.child_by_field_name(name);
    let of = |node: Node<'_>| text.get(node.byte_range()).unwrap_or_default();
    if node.kind().contains("comment") || IGNORED_KINDS.contains(&node.kind()) {
        return Vec::new();
    }
    let type_name = field("type").map(|it| of(it).trim_start_matches(':').trim().to_owned());
    let default =
        field("value").or_else(|| field("default_value")).or_else(|| field("right")).map(|it| of(it).to_owned());
    let parameter =
        |name: &str| Parameter { name: name.to_owned(), type_name: type_name.clone(), default: default.clone() };
    if language == Language::Go {
        let mut cursor = node.walk();
        return node
            .children_by_field_name("name", &mut cursor)
            .map(|it| parameter(of(it)))
            .filter(|it| it.name != "_")
            .collect();
    }
    let name = name(node, text);
    // `_`, `...` and a lone `*` need no documentation.
    if name.chars().any(char::is_alphanumeric) { vec![parameter(&name)] } else { Vec::new() }
}

/// Returns the name by which callers or readers know a parameter; empty if it has none.
fn name(node: Node<'_>, text: &str) -> String {
    let of = |node: Node<'_>| text.get(node.byte_range()).unwrap_or_default().to_owned();
    let mut at = node;
    for _ in 0..MAX_DECLARATOR_DEPTH {
        let next =
            ["name", "pattern", "left", "declarator"].into_iter().find_map(|field| at.child_by_field_name(field));
        at = match (next, at.kind()) {
            (_, "object_pattern" | "array_pattern") => return "options".into(),
            (_, "list_splat_pattern" | "dictionary_splat_pattern" | "vararg_expression") => return of(at),
            (Some(next), _) => next,
            // A type without a name, as in a prototype of C.
            (None, "parameter_declaration" | "optional_parameter_declaration") => return String::new(),
            (None, "tuple_pattern" | "tuple_struct_pattern" | "struct_pattern" | "slice_pattern") => {
                return String::new();
            }
            (None, _)
                if at.named_child_count() > 0 && !at.kind().contains("identifier") && at.kind() != "variable_name" =>
            {
                match last_identifier(at) {
                    Some(inner) => inner,
                    None => return String::new(),
                }
            }
            (None, _) => return of(at),
        };
    }
    String::new()
}

/// Returns the node of a name that no field of the grammar holds: the last one in Java's `spread_parameter`, the first
/// one in `typed_parameter`, `mut_pattern` and `rest_pattern`.
fn last_identifier(node: Node<'_>) -> Option<Node<'_>> {
    let mut cursor = node.walk();
    let children: Vec<_> = node.named_children(&mut cursor).filter(|it| !it.kind().contains("comment")).collect();
    if node.kind() == "spread_parameter" {
        children.last().copied()
    } else {
        children.iter().find(|it| !it.kind().contains("specifier")).copied()
    }
}

/// Returns the names of type parameters, without lifetimes.
pub(super) fn type_parameters(list: Node<'_>, text: &str) -> Vec<String> {
    let mut cursor = list.walk();
    let children: Vec<_> = list.named_children(&mut cursor).collect();
    let name = |node: Node<'_>| {
        match node.kind() {
            // C++: `int N`, `template <class> class C`, and `class = void`, which has no name.
            "parameter_declaration" | "optional_parameter_declaration" => {
                return Some(name(node, text)).filter(|name| !name.is_empty());
            }
            "template_template_parameter_declaration" => {
                let word = text.get(node.byte_range())?.rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next()?;
                return Some(word.to_owned()).filter(|word| !word.is_empty() && word != "class");
            }
            "optional_type_parameter_declaration" if node.child_by_field_name("name").is_none() => return None,
            kind if kind.contains("lifetime") => return None,
            _ => {}
        }
        let named = node.child_by_field_name("name").or_else(|| node.child_by_field_name("left"));
        let text = text.get(named.unwrap_or(node).byte_range())?;
        if text.starts_with('\'') {
            return None;
        }
        let word = text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|it| !it.is_empty());
        let found = if named.is_some() {
            word.take(1).last()
        } else {
            word.filter(|it| !matches!(*it, "typename" | "class")).take(1).last()
        };
        found.map(str::to_owned)
    };
    children.into_iter().filter_map(name).collect()
}
