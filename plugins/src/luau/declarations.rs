//! `foretype.d.luau`: the types of the plugin interface, for editors and `luau-analyze`, generated from the
//! declarations.

use super::api::FUNCTIONS;
use super::tables::{REQUEST_FIELDS, WINDOW_FIELDS};
use crate::wrap;

/// Characters of a comment line behind its mark.
const COMMENT_COLUMNS: usize = 113;

/// Returns the text of `foretype.d.luau`.
pub fn declarations() -> String {
    let mut text = String::from(HEADER_TEXT);
    text += "export type Request = {\n";
    for field in REQUEST_FIELDS {
        text += &member(field.description, field.name, field.luau_type);
    }
    text += "}\n\n-- Contents of a prompt. The text typed since the window was set follows the parts that a plugin returns.\n";
    text += "export type Window = {\n";
    for field in WINDOW_FIELDS {
        text += &member(field.description, field.name, field.luau_type);
    }
    text += "}\n\n";
    text += PLUGIN_TYPES_TEXT;
    text += "declare foretype: {\n";
    for function in FUNCTIONS {
        text += &member(function.description, function.name, function.luau_type);
    }
    text += "\t-- Options of the plugin: the table plugins.options.NAME of the configuration.\n";
    text += "\toptions: { [string]: any },\n}\n";
    text
}

/// Returns the declaration of a table's member with its description as a comment.
fn member(description: &str, name: &str, luau_type: &str) -> String {
    let words = wrap::words(description);
    let mut text = String::new();
    for line in wrap::wrap(&words, COMMENT_COLUMNS, COMMENT_COLUMNS) {
        text += &format!("\t-- {line}\n");
    }
    text + &format!("\t{name}: {luau_type},\n")
}

const HEADER_TEXT: &str = "\
-- Types of Foretype's plugin interface, version 1, generated from plugins/src/luau/{api,tables}.rs by
-- `FORETYPE_UPDATE=1 cargo test -p foretype-plugins --lib luau`.

";

const PLUGIN_TYPES_TEXT: &str = "\
export type Snippet = {
\t-- Text to show the model.
\ttext: string,
\t-- File that the text comes from; unset, the plugin's name.
\tpath: string?,
\t-- Period in which the text does not change. \"stable\": always. \"file\" (unset): while the cursor is in this file.
\t-- \"edit\": until the next edit. Stable snippets come first in the prompt, so that the prefix cache covers them.
\tstability: (\"stable\" | \"file\" | \"edit\")?,
}

export type Prompt = {
\t-- Parts of the prompt before the typed text: texts, and special tokens by name. The name of a special token inside a
\t-- text is plain text. Each text is tokenized separately.
\tparts: { string | { special: string } },
\t-- Special tokens that end an answer, in addition to the model's own; unset, those of the built-in format.
\tstop: { string }?,
}

export type Plugin = {
\t-- Version of this interface: 1.
\tapi: number,
\t-- Name in the configuration and in `foretype complete --explain`: lowercase letters, digits and hyphens.
\tname: string,
\t-- Languages that the plugin takes part in, by LSP id; unset, all.
\tlanguages: { string }?,
\t-- Tasks that the plugin takes part in; unset, { \"fill\" }.
\ttasks: { \"fill\" | \"docstring\" | \"ask\" | \"translate\" | \"edit\" | \"generate\" }?,
\t-- Returns true if the plugin runs for this request; unset, it always does.
\tapplies: ((request: Request) -> boolean)?,
\t-- Returns snippets for the prompt, the most important first. Called when a new prompt is built, not at every
\t-- keystroke.
\tcontext: ((request: Request) -> { Snippet | string } | Snippet | string | nil)?,
\t-- Lays out the prompt of a suggestion in place of the built-in format; nil leaves it to other plugins and the
\t-- built-in format. Called when a new prompt is built. At later keystrokes the host appends the typed text to the
\t-- result.
\tprompt: ((request: Request, window: Window) -> Prompt?)?,
\t-- Gets a suggestion before it is shown, or a docstring or new code before it is inserted. Returns another text to use
\t-- instead, false to discard it, or nil to keep it. Not called for answers to questions, which are streamed.
\tfinish: ((request: Request, text: string) -> string | boolean | nil)?,
}

";
