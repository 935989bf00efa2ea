//! What a user can set. Every option is declared once, here, with its default, its limits and its manual entry.
//!
//! From these declarations come the JSON schema, the VS Code settings and the manual page ([`pages`]); a test fails when
//! a committed copy is stale. Values come, each overriding the one before, from the user's `foretype/config.toml`, the
//! workspace's `.foretype/config.toml`, the editor, and the environment ([`sources`]).

pub mod pages;
pub mod sources;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use foretype_model::Model;
use foretype_plugins::Language;
use foretype_plugins::docstring::Style;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

pub use sources::{Layer, Loaded};

/// Options of Foretype, as resolved from all sources.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// The model: a name that `foretype model list` shows, a path to a GGUF file, or a path to a Hugging Face model
    /// directory. Unset, the smallest installed model is used.
    #[schemars(extend("scope" = "machine-overridable"))]
    pub model: Option<String>,
    /// An adapter for this model, as `foretype train` writes it: a folder in the format of PEFT. A relative path begins at the
    /// workspace. It is loaded on top of the model, whose weights are shared by all adapters.
    pub adapter: Option<String>,
    /// Where the model runs: `auto` (a GPU if this build supports one and it works, else the CPU), `cpu`, `cuda`, `cuda:N`
    /// or `metal`.
    #[schemars(extend("scope" = "machine-overridable"))]
    pub device: Device,
    /// CPU threads that the model may use. Unset, one for each processor that the system shows.
    #[schemars(range(min = 1, max = 1024), extend("scope" = "machine-overridable"))]
    pub threads: Option<usize>,
    /// Which languages get suggestions, by LSP language id. `*` stands for all that are not named.
    pub enable: Languages,
    /// Suggestions while typing.
    pub inline: Inline,
    /// Questions about code.
    pub ask: Ask,
    /// Docstrings.
    pub docstring: Docstring,
    /// What besides the file itself goes into a prompt.
    pub context: Context,
    /// Plugins: what users and workspaces add to prompts and say of suggestions.
    pub plugins: Plugins,
    /// Memory for what the model has read already (the KV cache), and when to give all memory back.
    pub memory: Memory,
    /// The background process that editors share.
    pub daemon: Daemon,
    /// How much is logged. Logs never hold source text.
    pub log: Log,
}

/// Suggestions while typing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Inline {
    /// `automatic` suggests while you type, `manual` only when you ask.
    pub trigger: TriggerMode,
    /// How long the editor waits after a key before it asks, in milliseconds.
    #[schemars(range(max = 10_000))]
    pub debounce_ms: u64,
    /// Whether a suggestion may have more than one line where nothing stands right of the cursor.
    pub multi_line: bool,
    /// The most lines that a suggestion may have.
    #[schemars(range(min = 1, max = 500))]
    pub max_lines: usize,
    /// The most tokens that the model writes for a suggestion.
    #[schemars(range(min = 1, max = 2048))]
    pub max_tokens: usize,
    /// After this many milliseconds the best complete piece so far is shown; the model writes on, and the next key finds it.
    #[schemars(range(min = 50, max = 60_000))]
    pub deadline_ms: u64,
    /// How many alternatives to compute when you ask for them.
    #[schemars(range(min = 1, max = 8))]
    pub candidates: usize,
    /// An automatic suggestion is shown only if the mean log-probability of its tokens is at least this: 0 shows only what
    /// is certain, -10 shows everything.
    #[schemars(range(min = -10, max = 0))]
    pub minimum_confidence: f32,
    /// Whether the model works ahead while nobody waits: at what follows a suggestion that it is sure of, once that is accepted;
    /// when you pause, at a prompt that is nearer to the cursor; and, where the cursor comes to rest, at the prompt for that place, in editors
    /// that tell where it is. It costs processor time, and gives way at once.
    pub work_ahead: bool,
    /// Whether, where reading the text around the cursor would take more than a second, the model reads the nearest of it first, so that
    /// suggestions come soon, and the whole when you pause. Only with `inline.work_ahead`.
    pub near_first: bool,
    /// Whether the first words of a suggestion are shown before all of it is written, when the next key would soon come. The
    /// rest follows; only in editors that can lengthen what they show.
    pub show_parts: bool,
    /// Whether what followed the last letters, where they stand elsewhere in the file or in open ones, gets a share of the
    /// probability (a cache language model). `auto` for models of less than 50 million parameters, which it helps: larger
    /// ones know without it.
    pub text_cache: TextCache,
    /// When a new suggestion is shown: `none` as soon as it is there, `adaptive` when the next key is overdue, by your own
    /// speed of typing. Either way it is computed at once, and the rest of a suggestion that you type into stays.
    pub show_delay: ShowDelay,
}

impl Default for Inline {
    fn default() -> Self {
        Self {
            trigger: TriggerMode::Automatic,
            debounce_ms: 15,
            multi_line: true,
            max_lines: 12,
            max_tokens: 96,
            deadline_ms: 1500,
            candidates: 3,
            minimum_confidence: -2.0,
            work_ahead: true,
            near_first: true,
            show_parts: true,
            text_cache: TextCache::Auto,
            show_delay: ShowDelay::None,
        }
    }
}

/// Questions about code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Ask {
    /// What the model is told to be before the first question. Unset, that it answers questions about code briefly.
    pub system: Option<String>,
    /// The most tokens that the model writes for an answer.
    #[schemars(range(min = 16, max = 32_768))]
    pub max_tokens: usize,
    /// The most tokens of a conversation, the answer among them; what is older is left out. A shorter context of the model is
    /// respected.
    #[schemars(range(min = 512, max = 131_072))]
    pub context_tokens: usize,
    /// Whether the files of a workspace are indexed for a search, so that questions find code by their words. The index lies in
    /// the cache folder and holds words and places of files, no text.
    pub search: bool,
}

impl Default for Ask {
    fn default() -> Self {
        Self { system: None, max_tokens: 512, context_tokens: 4096, search: true }
    }
}

/// Docstrings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Docstring {
    /// The style of docstrings by LSP language id, for example `{ python = "numpy" }`. A language that is not named has that of
    /// the file, else of files near it, else the first that the page on docstrings lists.
    #[schemars(schema_with = "styles")]
    pub style: BTreeMap<String, Style>,
    /// The most characters that a line of a docstring may have, with its indentation.
    #[schemars(range(min = 40, max = 400))]
    pub width: usize,
}

fn styles(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<_> = Style::all().map(|style| style.to_string()).collect();
    json_schema!({ "type": "object", "additionalProperties": { "type": "string", "enum": names } })
}

impl Default for Docstring {
    fn default() -> Self {
        Self { style: BTreeMap::new(), width: 88 }
    }
}

impl Docstring {
    /// The style for a language: the one that is set, else that of the first text that shows one, else the language's default.
    pub fn style_of<'a>(&self, language: Language, texts: impl IntoIterator<Item = &'a str>) -> Option<Style> {
        self.style.get(language.id()).copied().or_else(|| Style::detect(language, texts))
    }
}

/// What besides the file itself goes into a prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Context {
    /// Definitions, from anywhere in the workspace, of the names around the cursor.
    pub definitions: bool,
    /// What you changed lately, in any file.
    pub recent_edits: bool,
    /// The other open files.
    pub open_files: bool,
    /// The most tokens of a prompt, all parts together. A shorter context of the model is respected.
    #[schemars(range(min = 256, max = 131_072))]
    pub max_tokens: usize,
    /// Files that are never read, in the notation of `.gitignore`. Lists from several sources add up; git-ignored files,
    /// `.foretypeignore` and files that usually hold secrets (`.env`, keys) are always excluded.
    pub excluded: Vec<String>,
}

impl Default for Context {
    fn default() -> Self {
        Self { definitions: true, recent_edits: true, open_files: true, max_tokens: 2048, excluded: Vec::new() }
    }
}

/// Plugins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Plugins {
    /// Whether plugins run: those in `foretype/plugins` of your configuration folder, and those in `.foretype/plugins` of a
    /// workspace whose plugins you trust.
    pub enabled: bool,
    /// Names of plugins and of built-ins (`foretype plugin list` shows them) that take no part, or `NAME:LANGUAGE` for one
    /// language. Lists from several sources add up.
    pub disabled: Vec<String>,
    /// Names of plugins and of built-in sources of context in the order in which they are asked and in which their snippets stand,
    /// as far as those stay equally long; `NAME:LANGUAGE` for one language. Those not named follow, built-ins first.
    pub order: Vec<String>,
    /// The most tokens, about, that one plugin adds to a prompt. All together get at most half of the room for snippets.
    #[schemars(range(max = 16_384))]
    pub max_tokens: usize,
    /// The most tokens, about, of the snippets of a plugin or a built-in source of context, by its name, or `NAME:LANGUAGE` for one
    /// language. A plugin that is not named has `max_tokens`, a built-in its share of the room.
    pub budgets: BTreeMap<String, usize>,
    /// Milliseconds that one call of a plugin may take while you type. One that takes longer three times in a row, or in more than a third of its calls, is stopped.
    #[schemars(range(min = 1, max = 1000))]
    pub time_ms: u64,
    /// The same for one call for a docstring, a question, a translation, an edit or code that is asked for.
    #[schemars(range(min = 1, max = 10_000))]
    pub task_time_ms: u64,
    /// Options of plugins: a table for each, by name, which it reads as `foretype.options`.
    pub options: BTreeMap<String, BTreeMap<String, Setting>>,
}

impl Default for Plugins {
    fn default() -> Self {
        Self {
            enabled: true,
            disabled: Vec::new(),
            order: Vec::new(),
            max_tokens: 200,
            budgets: BTreeMap::new(),
            time_ms: 20,
            task_time_ms: 100,
            options: BTreeMap::new(),
        }
    }
}

impl Plugins {
    /// The options of the plugin with that name.
    pub fn options_of(&self, name: &str) -> Vec<(String, foretype_plugins::luau::Setting)> {
        let own = self.options.get(name).into_iter().flatten();
        own.map(|(name, value)| (name.clone(), value.into())).collect()
    }
}

/// A value of a plugin's option: true or false, a number, a text, or a list of these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Setting {
    Truth(bool),
    Number(f64),
    Text(String),
    List(Vec<Plain>),
}

/// A value in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Plain {
    Truth(bool),
    Number(f64),
    Text(String),
}

impl From<&Setting> for foretype_plugins::luau::Setting {
    fn from(value: &Setting) -> Self {
        match value {
            Setting::Truth(value) => Self::Truth(*value),
            Setting::Number(value) => Self::Number(*value),
            Setting::Text(text) => Self::Text(text.clone()),
            Setting::List(values) => Self::List(values.iter().map(Self::from).collect()),
        }
    }
}

impl From<&Plain> for foretype_plugins::luau::Setting {
    fn from(value: &Plain) -> Self {
        match value {
            Plain::Truth(value) => Self::Truth(*value),
            Plain::Number(value) => Self::Number(*value),
            Plain::Text(text) => Self::Text(text.clone()),
        }
    }
}

/// Memory of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Memory {
    /// Megabytes for what the model has read already (the KV cache).
    #[schemars(range(min = 16, max = 1_048_576), extend("scope" = "machine-overridable"))]
    pub kv_mb: usize,
    /// Unload the model after this many minutes without a request; the next request loads it again. 0 keeps it.
    #[schemars(range(max = 100_000))]
    pub unload_after_minutes: u64,
}

impl Default for Memory {
    fn default() -> Self {
        Self { kv_mb: 512, unload_after_minutes: 0 }
    }
}

/// The background process that editors share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Daemon {
    /// Share one process, and so one copy of the model, between all editor windows. Off, each window has its own.
    #[schemars(extend("scope" = "machine-overridable"))]
    pub enabled: bool,
    /// The daemon ends after this many minutes without an editor.
    #[schemars(range(max = 100_000), extend("scope" = "machine-overridable"))]
    pub idle_minutes: u64,
}

impl Default for Daemon {
    fn default() -> Self {
        Self { enabled: true, idle_minutes: 10 }
    }
}

/// When to suggest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TriggerMode {
    /// While you type.
    #[default]
    Automatic,
    /// Only when you ask.
    Manual,
}

/// Whether the texts at hand are mixed into what the model says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TextCache {
    /// Where the model is small.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

impl TextCache {
    /// Whether they are for this model.
    pub fn holds(self, model: &Model) -> bool {
        const SMALL: usize = 50_000_000;
        match self {
            Self::Auto => model.decoder.config().parameters() < SMALL,
            Self::On => true,
            Self::Off => false,
        }
    }
}

/// How long a new suggestion waits to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ShowDelay {
    /// Not at all.
    #[default]
    None,
    /// Until the gap between two keys that is usual for you has passed.
    Adaptive,
}

/// How much to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Log {
    /// Nothing.
    Off,
    /// What failed.
    Error,
    /// What is wrong, too.
    #[default]
    Warn,
    /// What happens.
    Info,
    /// Every request.
    Debug,
    /// Everything.
    Trace,
}

impl Log {
    /// The name, as `tracing` filters know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// The name of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Device(pub String);

impl Default for Device {
    fn default() -> Self {
        Self("auto".into())
    }
}

impl std::ops::Deref for Device {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Languages and whether they get suggestions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Languages(pub BTreeMap<String, bool>);

impl Default for Languages {
    fn default() -> Self {
        Self([("*".to_owned(), true)].into())
    }
}

impl Config {
    /// The configuration for the workspace at `root`, from files and environment. Warnings go to standard error.
    ///
    /// # Errors
    /// If a source is unreadable or holds a wrong value; the message names the file, the line and the key.
    pub fn load(root: Option<&Path>) -> Result<Self> {
        let loaded = sources::load(root, &[], |name| std::env::var(name).ok());
        if let Some(error) = loaded.errors.into_iter().next() {
            anyhow::bail!(error);
        }
        for warning in &loaded.warnings {
            eprintln!("foretype: {warning}");
        }
        Ok(loaded.config)
    }

    /// Whether a language, by its LSP id, gets suggestions.
    pub fn enables(&self, language: &str) -> bool {
        let languages = &self.enable.0;
        *languages.get(language).or_else(|| languages.get("*")).unwrap_or(&true)
    }

    /// Bytes for the KV cache.
    pub fn kv_bytes(&self) -> usize {
        self.memory.kv_mb << 20
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_that_is_not_named_follows_the_star() {
        let enables = |map: &[(&str, bool)], language: &str| {
            let map = map.iter().map(|(name, on)| ((*name).to_owned(), *on)).collect();
            Config { enable: Languages(map), ..Config::default() }.enables(language)
        };
        assert!(enables(&[("*", true), ("markdown", false)], "rust"));
        assert!(!enables(&[("*", true), ("markdown", false)], "markdown"));
        assert!(!enables(&[("*", false), ("rust", true)], "markdown"));
        assert!(enables(&[("markdown", false)], "rust"));
    }

    #[test]
    fn every_default_lies_within_its_limits() {
        let value = serde_json::to_value(Config::default()).expect("a plain structure");
        assert_eq!(pages::out_of_limits(&value), Vec::<String>::new());
    }
}
