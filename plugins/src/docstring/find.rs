//! Search for items that can be documented.

use std::ops::Range;

use tree_sitter::{Node, Tree};

use super::error::DocstringError;
use super::item::{DocItem, ItemKind, Returns};
use super::parameters::{self, Signature};
use super::style::DocStyle;
use super::{body, body_docstring, leading_comment};
use crate::Language;
use crate::syntax::nodes;

/// Returns all items of a text in its order, without the file itself.
pub fn items(language: Language, tree: &Tree, text: &str) -> Vec<DocItem> {
    nodes(tree.root_node(), |_| true).filter_map(|node| item(language, node, text)).collect()
}

/// Returns the innermost item whose docstring, signature or body is at `line`, from 0. At the first line, or at the
/// file's own docstring, that is the file.
fn item_at(language: Language, tree: &Tree, text: &str, line: usize) -> Option<DocItem> {
    let start = text.split_inclusive('\n').take(line).map(str::len).sum::<usize>();
    let line_text = text.get(start..)?.split('\n').next().unwrap_or_default();
    // An item that ends before the first letter of the line is not at the line.
    let first_letter = start + line_text.len() - line_text.trim_start().len();
    let touches = |range: &Range<usize>| range.start <= start + line_text.len() && first_letter < range.end;
    let has_docstring_here = |item: &DocItem| item.existing.as_ref().is_some_and(touches);
    let is_here = |item: &DocItem| touches(&item.range) || has_docstring_here(item);
    let found = items(language, tree, text).into_iter().filter(is_here).min_by_key(|item| item.range.len());
    if found.is_some() {
        return found;
    }
    let module = body_docstring::module_item(language, tree, text)?;
    if line == 0 || has_docstring_here(&module) { Some(module) } else { None }
}

/// Returns the item at `line`, from 0.
///
/// # Errors
/// If the language has no docstring style, the text has no tree, or no item is at the line.
pub fn find_item(language: Language, tree: Option<&Tree>, text: &str, line: usize) -> Result<DocItem, DocstringError> {
    if DocStyle::for_language(language).is_empty() {
        return Err(DocstringError::UnsupportedLanguage(language.lsp_id()));
    }
    item_at(language, tree.ok_or(DocstringError::ParseTimeout)?, text, line).ok_or(DocstringError::NoItem(line + 1))
}

/// Returns the kind of item that a node is; `None` if it cannot be documented.
fn item_kind(language: Language, node: Node<'_>) -> Option<ItemKind> {
    use Language::{C, Cpp, Go, JavaScript, Ruby, Tsx, TypeScript};
    let kind = match node.kind() {
        "function_definition" if language == Language::Lua => return None,
        "function_definition" | "function_item" | "function_signature_item" | "function_declaration" => {
            ItemKind::Function
        }
        "generator_function_declaration" | "function_signature" | "method_signature" => ItemKind::Function,
        "method_definition" | "method_declaration" | "constructor_declaration" => ItemKind::Function,
        "abstract_method_signature" => ItemKind::Function,
        "method" | "singleton_method" if language == Ruby => ItemKind::Function,
        // Inside a function, a declaration that looks like a prototype is a variable.
        "declaration" | "field_declaration" if matches!(language, C | Cpp) && !is_nested(node) => ItemKind::Function,
        "lexical_declaration" | "variable_declaration" if matches!(language, JavaScript | TypeScript | Tsx) => {
            let is_top_level = node.parent().is_some_and(|it| matches!(it.kind(), "program" | "export_statement"));
            if !is_top_level || parameters::signature(language, node).is_none() {
                return None;
            }
            ItemKind::Function
        }
        "class_definition" | "class_declaration" | "abstract_class_declaration" | "interface_declaration" => {
            ItemKind::Type
        }
        "enum_declaration" | "record_declaration" | "struct_declaration" | "trait_declaration" => ItemKind::Type,
        "struct_item" | "enum_item" | "trait_item" | "union_item" | "type_item" => ItemKind::Type,
        "type_alias_declaration" => ItemKind::Type,
        "type_declaration" if language == Go => ItemKind::Type,
        "class" if language == Ruby && node.is_named() => ItemKind::Type,
        "module" if language == Ruby && node.is_named() => ItemKind::Module,
        "class_specifier" | "struct_specifier" | "enum_specifier" | "union_specifier" => {
            return node.child_by_field_name("body").map(|_| ItemKind::Type);
        }
        "mod_item" => return node.child_by_field_name("body").map(|_| ItemKind::Module),
        "package_clause" if language == Go => ItemKind::Module,
        _ => return None,
    };
    Some(kind)
}

fn item(language: Language, node: Node<'_>, text: &str) -> Option<DocItem> {
    let kind = item_kind(language, node)?;
    let signature = parameters::signature(language, node)?;
    let of = |node: Node<'_>| text.get(node.byte_range()).map(str::to_owned);
    let whole = leading_comment::with_wrappers(node);
    let (place, existing, range) = if language == Language::Python {
        let (place, existing) = body_docstring::position_in_body(node, text)?;
        (place, existing, whole.byte_range())
    } else {
        leading_comment::position_above(language, whole, text)
    };
    let is_function = kind == ItemKind::Function;
    let parameters = match signature.parameters {
        Some(list) if is_function => parameters::parameters(language, list, text),
        _ => Vec::new(),
    };
    Some(DocItem {
        kind,
        name: of(signature.name)?,
        parameters,
        type_parameters: signature.generics.map(|list| parameters::type_parameters(list, text)).unwrap_or_default(),
        returns: if is_function { body::returns(language, node, &signature, text) } else { Returns::Nothing },
        declares_no_result: is_function && body::declares_no_result(language, node, &signature, text),
        raises: if is_function { body::raises(language, node, &signature, text) } else { Vec::new() },
        range,
        existing,
        position: place,
        nested: is_nested(node),
        error_line: error_line(node, &signature),
    })
}

/// Returns true if a node lies inside a function.
fn is_nested(node: Node<'_>) -> bool {
    let function = |it: Node<'_>| {
        let kind = it.kind();
        kind.contains("function")
            || kind.contains("lambda")
            || kind.starts_with("method")
            || kind == "closure_expression"
    };
    std::iter::successors(node.parent(), Node::parent).any(function)
}

/// Returns the line, from 1, of the first syntax error in an item or in an error node around it.
fn error_line(node: Node<'_>, signature: &Signature<'_>) -> Option<usize> {
    let around = std::iter::successors(Some(node), Node::parent).find(|it| it.is_error() && it.parent().is_some());
    let parts = [signature.parameters, Some(signature.name), Some(signature.body.unwrap_or(node))];
    parts.into_iter().flatten().chain(around).find_map(body::first_error_line)
}
