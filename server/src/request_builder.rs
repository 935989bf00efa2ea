//! Builds prompt requests from documents and the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use foretype_model::Model;
use foretype_plugins::{Budget, Builtins, Document, FimFormat, Language, Request, syntax};

use crate::config::{Config, PluginsConfig};

/// Approximate bytes per token of code. A budget in bytes costs nothing to check.
pub(crate) const BYTES_PER_TOKEN: usize = 3;

/// Parses a document. Its language follows from `path`, which is relative to the workspace, with `/`.
pub fn parse_document(path: String, text: String) -> Document {
    let language = Language::from_path(&path);
    let tree = syntax::parse(language, &text, None);
    Document { path, language, text: text.into(), tree }
}

/// Request at `cursor`, a byte offset, with no context beyond the document.
pub fn request_for_model(document: Document, cursor: usize, model: &Model, config: &Config) -> Request {
    let context_length = model.decoder.config().context_length;
    let request = request_for_format(document, cursor, model.fim_format(), context_length, config);
    Request { tokenizer: Some(model.tokenizer.clone()), ..request }
}

/// [`request_for_model`] for any model with this FIM format and context length (in tokens).
pub(crate) fn request_for_format(
    document: Document,
    cursor: usize,
    format: Option<&'static FimFormat>,
    context_length: usize,
    config: &Config,
) -> Request {
    Request {
        format,
        budget: budget(context_length, config),
        builtins: Arc::new(builtins_for(&config.plugins, document.language)),
        multi_line: config.inline.multi_line,
        min_confidence: config.inline.minimum_confidence,
        ..Request::new(document, cursor)
    }
}

/// Prompt budget for a model of this context length (in tokens).
pub(crate) fn budget(context_length: usize, config: &Config) -> Budget {
    Budget::for_context(context_length.min(config.context.max_tokens), config.inline.max_tokens)
}

/// Configuration of built-ins and plugins for documents of a language.
pub(crate) fn builtins_for(config: &PluginsConfig, language: Language) -> Builtins {
    let names =
        |entries: &[String]| entries.iter().filter_map(|entry| name_for(entry, language)).map(str::to_owned).collect();
    let mut room = BTreeMap::new();
    // A budget for one language overrides the general one, so it is inserted later.
    let (particular, general): (Vec<_>, Vec<_>) = config.budgets.iter().partition(|(entry, _)| entry.contains(':'));
    for (entry, tokens) in general.into_iter().chain(particular) {
        if let Some(name) = name_for(entry, language) {
            room.insert(name.to_owned(), tokens * BYTES_PER_TOKEN);
        }
    }
    Builtins { disabled: names(&config.disabled), order: names(&config.order), byte_limits: room }
}

/// Name in an entry `NAME` or `NAME:LANGUAGE`; `None` if the entry is for another language.
fn name_for(entry: &str, language: Language) -> Option<&str> {
    match entry.split_once(':') {
        None => Some(entry),
        Some((name, id)) if id == language.lsp_id() => Some(name),
        Some(_) => None,
    }
}
