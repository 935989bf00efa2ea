//! Results of a plugin's functions, read from the virtual machine. Types and sizes are checked, and an error says what
//! is expected.

use std::borrow::Cow;

use mlua::{Table, Value};

use crate::prompt::{PluginLayout, Stability, Window};
use crate::{FimFormat, Part, PartSource, Request};

/// Snippets that one call may return.
const MAX_SNIPPETS: usize = 16;
/// Parts of a prompt, and stop tokens.
const MAX_PROMPT_PARTS: usize = 512;
/// Bytes of the name of a special token.
const MAX_TOKEN_NAME_BYTES: usize = 200;
/// Bytes that a prompt may have beyond the budget of its request, for paths, markers and imports.
const EXTRA_PROMPT_BYTES: usize = 2 << 10;

/// Snippet of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginSnippet {
    /// File that it comes from, or the plugin's name.
    pub path: String,
    /// Text.
    pub text: String,
    /// Period in which it does not change.
    pub stability: Stability,
}

/// Verdict of a plugin on a suggestion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Keep it.
    Keep,
    /// Show this text instead.
    Change(String),
    /// Do not show it.
    Veto,
}

/// Reader of a plugin's results.
pub(super) struct ResultReader<'a> {
    /// Name of the plugin.
    pub(super) plugin: &'a str,
    /// Bytes of text that one call may return.
    pub(super) max_bytes: usize,
}

impl ResultReader<'_> {
    /// Reads the result of `context`: a snippet or a list of snippets.
    ///
    /// # Errors
    /// If it has another type or too much text.
    pub(super) fn snippets(&self, value: &Value) -> mlua::Result<Vec<PluginSnippet>> {
        let is_snippet = |table: &Table| Ok::<_, mlua::Error>(table.raw_get::<Value>("text")? != Value::Nil);
        let values = match value {
            Value::Nil => Vec::new(),
            Value::Table(list) if !is_snippet(list)? => list_values(list, MAX_SNIPPETS)?,
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

    /// Reads the result of `finish` for a text.
    ///
    /// # Errors
    /// If it has another type or too much text.
    pub(super) fn verdict(&self, value: &Value, text: &str) -> mlua::Result<Verdict> {
        match value {
            Value::Nil | Value::Boolean(true) => Ok(Verdict::Keep),
            Value::Boolean(false) => Ok(Verdict::Veto),
            Value::String(new) if *new.as_bytes() == *text.as_bytes() => Ok(Verdict::Keep),
            Value::String(new) => Ok(Verdict::Change(self.text(new)?)),
            other => Err(type_error("finish", "a text, false or nothing", other)),
        }
    }

    /// Reads the result of `prompt` for a window: the parts before the typed text.
    ///
    /// # Errors
    /// If it has another type, exceeds the budget of the request, or names a special token that the model lacks.
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
        // Checked before anything is copied, because one text may occur many times.
        let size = parts.iter().map(|part| part.as_string().map_or(0, |text| text.as_bytes().len())).sum::<usize>();
        let room = request.budget.prefix + request.budget.suffix + request.budget.snippets + EXTRA_PROMPT_BYTES;
        if size > room {
            return Err(mlua::Error::runtime(format!("its prompt has {size} bytes: the budget is {room}")));
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

    /// Returns a text of the virtual machine with invalid UTF-8 replaced, if it is within the limit.
    fn text(&self, text: &mlua::LuaString) -> mlua::Result<String> {
        self.check_size(text.as_bytes().len())?;
        Ok(text.to_string_lossy())
    }

    fn check_size(&self, size: usize) -> mlua::Result<()> {
        if size > self.max_bytes {
            let limit = self.max_bytes;
            return Err(mlua::Error::runtime(format!("it returned {size} bytes: a call may return {limit}")));
        }
        Ok(())
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

/// Returns a special token of the model. Without a model, as in a dry run, every name is accepted.
fn special_token(name: String, request: &Request) -> mlua::Result<Part> {
    match request.tokenizer.as_ref().is_none_or(|tokens| tokens.has_special_token(&name)) {
        true => Ok(Part::special(name)),
        false => Err(mlua::Error::runtime(format!(
            "the model has no special token {name:?}: ask foretype.special({name:?}) before"
        ))),
    }
}

/// Returns the stop tokens: those that the plugin names, or else those of the model's fill-in-the-middle format.
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
        other => Err(type_error("a stop token", "the name of a special token", other)),
    };
    names.iter().map(name).collect()
}

/// Returns the name of a special token.
fn token_name(name: &mlua::LuaString) -> mlua::Result<String> {
    match name.as_bytes().len() <= MAX_TOKEN_NAME_BYTES {
        true => Ok(name.to_string_lossy()),
        false => {
            Err(mlua::Error::runtime(format!("no special token has a name of more than {MAX_TOKEN_NAME_BYTES} bytes")))
        }
    }
}

/// Returns at most the first `limit` values of a list.
fn list_values(list: &Table, limit: usize) -> mlua::Result<Vec<Value>> {
    (1..=list.raw_len().min(limit)).map(|at| list.raw_get(at)).collect()
}

fn type_error(what: &str, expected: &str, found: &Value) -> mlua::Error {
    mlua::Error::runtime(format!("{what} must be {expected}, not a {}", found.type_name()))
}
