//! What the functions of a plugin give back, read from the machine: shapes and sizes are checked, and a wrong one says what is
//! expected.

use std::borrow::Cow;

use mlua::{Table, Value};

use crate::prompt::{PluginLayout, Stability, Window};
use crate::{FimFormat, Part, PartSource, Request};

/// Snippets of one call.
const MAX_SNIPPETS: usize = 16;
/// Parts of a prompt, and tokens that end an answer.
const MAX_PROMPT_PARTS: usize = 512;
/// Bytes of the name of a special token.
const MAX_TOKEN_NAME_BYTES: usize = 200;
/// Bytes that a prompt may have beside what its request has room for: paths, markers, imports.
const EXTRA_PROMPT_BYTES: usize = 2 << 10;

/// A snippet that a plugin found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginSnippet {
    /// The file that it comes from, or the plugin's name.
    pub path: String,
    /// The text.
    pub text: String,
    /// How long it stays as it is.
    pub stability: Stability,
}

/// What a plugin says of a suggestion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Keep,
    /// Another text is to be shown.
    Change(String),
    /// It is not to be shown.
    Veto,
}

/// Reads what a plugin gave.
pub(super) struct ResultReader<'a> {
    /// Its name.
    pub(super) plugin: &'a str,
    /// Bytes that one call may give.
    pub(super) max_bytes: usize,
}

impl ResultReader<'_> {
    /// What `context` gave: a snippet or a list of them.
    pub(super) fn snippets(&self, value: &Value) -> mlua::Result<Vec<PluginSnippet>> {
        let single = |table: &Table| Ok::<_, mlua::Error>(table.raw_get::<Value>("text")? != Value::Nil);
        let values = match value {
            Value::Nil => Vec::new(),
            Value::Table(list) if !single(list)? => list_values(list, MAX_SNIPPETS)?,
            value => vec![value.clone()],
        };
        let found = values.iter().map(|value| self.snippet(value)).collect::<mlua::Result<Vec<_>>>()?;
        self.check_size(found.iter().map(|snippet| snippet.text.len()).sum())?;
        Ok(found)
    }

    fn snippet(&self, value: &Value) -> mlua::Result<PluginSnippet> {
        let (text, path, stability) = match value {
            Value::String(text) => (text.clone(), Value::Nil, Value::Nil),
            Value::Table(table) => match table.raw_get("text")? {
                Value::String(text) => (text, table.raw_get("path")?, table.raw_get("stability")?),
                other => return Err(type_error("a snippet's text", "a text", &other)),
            },
            other => return Err(type_error("context", "snippets", other)),
        };
        let path = match &path {
            Value::Nil => self.plugin.to_owned(),
            Value::String(path) => self.text(path)?,
            other => return Err(type_error("a snippet's path", "a text", other)),
        };
        Ok(PluginSnippet { path, text: self.text(&text)?, stability: parse_stability(&stability)? })
    }

    /// What `finish` gave for a text.
    pub(super) fn verdict(&self, value: &Value, text: &str) -> mlua::Result<Verdict> {
        match value {
            Value::Nil | Value::Boolean(true) => Ok(Verdict::Keep),
            Value::Boolean(false) => Ok(Verdict::Veto),
            Value::String(new) if *new.as_bytes() == *text.as_bytes() => Ok(Verdict::Keep),
            Value::String(new) => Ok(Verdict::Change(self.text(new)?)),
            other => Err(type_error("finish", "a text, false or nothing", other)),
        }
    }

    /// What `prompt` gave for a window: the parts before what is typed, within the room of the request.
    pub(super) fn layout(
        &self,
        value: &Value,
        request: &Request,
        window: &Window,
    ) -> mlua::Result<Option<PluginLayout>> {
        let table = match value {
            Value::Nil => return Ok(None),
            Value::Table(table) => table,
            other => return Err(type_error("prompt", "a table of parts, or nothing", other)),
        };
        let parts = match table.raw_get("parts")? {
            Value::Table(list) => list_values(&list, MAX_PROMPT_PARTS)?,
            other => return Err(type_error("a prompt's parts", "a list of texts and { special = NAME }", &other)),
        };
        // Before anything is copied: one text may stand there many times.
        let size = parts.iter().map(|part| part.as_string().map_or(0, |text| text.as_bytes().len())).sum::<usize>();
        let room = request.budget.prefix + request.budget.suffix + request.budget.snippets + EXTRA_PROMPT_BYTES;
        if size > room {
            return Err(mlua::Error::runtime(format!("its prompt has {size} bytes: this model has room for {room}")));
        }
        let parts = parts.iter().map(|part| self.part(part, request, window)).collect::<mlua::Result<Vec<_>>>()?;
        let stops = stop_tokens(&table.raw_get("stop")?, request.format)?;
        Ok(Some(PluginLayout { plugin: self.plugin.to_owned(), parts, stop_tokens: stops }))
    }

    fn part(&self, value: &Value, request: &Request, window: &Window) -> mlua::Result<Part> {
        match value {
            Value::String(text) => {
                let text = self.text(text)?;
                let source = match &text {
                    text if *text == window.prefix => PartSource::Prefix,
                    text if *text == window.suffix => PartSource::Suffix,
                    _ => PartSource::Plugin { name: self.plugin.to_owned() },
                };
                Ok(Part::text(text, source))
            }
            Value::Table(table) => match table.raw_get("special")? {
                Value::String(name) => special_token(token_name(&name)?, request),
                other => Err(type_error("special", "the name of a special token", &other)),
            },
            other => Err(type_error("a part of a prompt", "a text or { special = NAME }", other)),
        }
    }

    /// A text of the machine, within the limit; what is no UTF-8 is replaced.
    fn text(&self, text: &mlua::LuaString) -> mlua::Result<String> {
        self.check_size(text.as_bytes().len())?;
        Ok(text.to_string_lossy())
    }

    fn check_size(&self, size: usize) -> mlua::Result<()> {
        let most = self.max_bytes;
        let large = || mlua::Error::runtime(format!("it gave {size} bytes: a call may give {most}"));
        if size > most { Err(large()) } else { Ok(()) }
    }
}

fn parse_stability(value: &Value) -> mlua::Result<Stability> {
    match value {
        Value::Nil => Ok(Stability::default()),
        Value::String(name) if *name == "stable" => Ok(Stability::Stable),
        Value::String(name) if *name == "file" => Ok(Stability::File),
        Value::String(name) if *name == "edit" => Ok(Stability::Edit),
        _ => Err(mlua::Error::runtime("a snippet's stability is \"stable\", \"file\" or \"edit\"")),
    }
}

/// A special token that the model has. Where no model is at hand, as in a dry run, every name will do.
fn special_token(name: String, request: &Request) -> mlua::Result<Part> {
    match request.tokenizer.as_ref().is_none_or(|tokens| tokens.has_special_token(&name)) {
        true => Ok(Part::special(name)),
        false => Err(mlua::Error::runtime(format!(
            "the model has no special token {name:?}: ask foretype.special({name:?}) before"
        ))),
    }
}

/// The tokens that end an answer: those named, else those of the format that the model is known for.
fn stop_tokens(value: &Value, format: Option<&'static FimFormat>) -> mlua::Result<Vec<Cow<'static, str>>> {
    let names = match value {
        Value::Nil => {
            return Ok(format.map_or(&[][..], |format| format.stop_tokens).iter().copied().map(Cow::from).collect());
        }
        Value::Table(list) => list_values(list, MAX_PROMPT_PARTS)?,
        other => return Err(type_error("a prompt's stop", "a list of names of special tokens", other)),
    };
    let name = |value: &Value| match value {
        Value::String(name) => token_name(name).map(Cow::from),
        other => Err(type_error("what stops an answer", "the name of a special token", other)),
    };
    names.iter().map(name).collect()
}

/// The name of a special token.
fn token_name(name: &mlua::LuaString) -> mlua::Result<String> {
    match name.as_bytes().len() <= MAX_TOKEN_NAME_BYTES {
        true => Ok(name.to_string_lossy()),
        false => {
            Err(mlua::Error::runtime(format!("no special token has a name of more than {MAX_TOKEN_NAME_BYTES} bytes")))
        }
    }
}

/// The first values of a list.
fn list_values(list: &Table, most: usize) -> mlua::Result<Vec<Value>> {
    (1..=list.raw_len().min(most)).map(|at| list.raw_get(at)).collect()
}

fn type_error(what: &str, expected: &str, found: &Value) -> mlua::Error {
    mlua::Error::runtime(format!("{what} has to be {expected}, not a {}", found.type_name()))
}
