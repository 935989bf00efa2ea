//! Options of Foretype. Each option is declared once, here, with its default, its limits and its manual entry.
//!
//! The JSON schema, the VS Code settings and the manual page are generated from these declarations (`generated`); a
//! test fails when a committed copy is stale. Values come from the user's `foretype/config.toml`, the workspace's
//! `.foretype/config.toml`, the editor and the environment, each overriding the one before (`sources`).

mod declarations;
#[cfg(test)]
pub(crate) mod generated;
pub(crate) mod sources;

use std::collections::BTreeMap;

use foretype_model::Model;
use foretype_plugins::Language;
use foretype_plugins::docstring::DocStyle;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

pub(crate) use sources::Layer;

/// Options of Foretype, as resolved from all sources.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Model to run: a name from `foretype model list`, a path to a GGUF file, or a path to a Hugging Face model
    /// directory. If unset, the smallest installed model is used.
    #[schemars(extend("scope" = "machine-overridable"))]
    pub model: Option<String>,
    /// LoRA adapter to apply to the model: a folder in PEFT format, as written by `foretype train`. A relative path is
    /// resolved against the workspace. The weights of the model are shared between adapters.
    pub(crate) adapter: Option<String>,
    /// Device that runs the model: `auto`, `cpu`, `cuda`, `cuda:N` or `metal`. `auto` uses a GPU if this build supports
    /// one and it works, and the CPU otherwise.
    #[schemars(extend("scope" = "machine-overridable"))]
    pub(crate) device: DeviceName,
    /// Number of CPU threads for the model. If unset, one per logical processor.
    #[schemars(range(min = 1, max = 1024), extend("scope" = "machine-overridable"))]
    pub(crate) threads: Option<usize>,
    /// Languages that get suggestions, by LSP language ID. `*` stands for every language that is not listed.
    pub(crate) enable: EnabledLanguages,
    /// Inline suggestions.
    pub inline: InlineConfig,
    /// Questions about code.
    pub(crate) ask: AskConfig,
    /// Docstring generation.
    pub(crate) docstring: DocstringConfig,
    /// Context that goes into a prompt in addition to the file itself.
    pub(crate) context: ContextConfig,
    /// Plugins, which add to prompts and filter suggestions.
    pub(crate) plugins: PluginsConfig,
    /// Memory of the model.
    pub(crate) memory: MemoryConfig,
    /// Background process that editor windows share.
    pub(crate) daemon: DaemonConfig,
    /// Verbosity of the log. Logs never contain source text.
    pub(crate) log: LogLevel,
}

/// Inline suggestions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct InlineConfig {
    /// When to suggest.
    pub(crate) trigger: TriggerMode,
    /// Milliseconds that the editor waits after a keystroke before it requests a suggestion.
    #[schemars(range(max = 10_000))]
    pub(crate) debounce_ms: u64,
    /// Allow suggestions of several lines when there is no text to the right of the cursor.
    pub(crate) multi_line: bool,
    /// Maximum number of lines in a suggestion.
    #[schemars(range(min = 1, max = 500))]
    pub max_lines: usize,
    /// Maximum number of tokens that the model generates for a suggestion.
    #[schemars(range(min = 1, max = 2048))]
    pub max_tokens: usize,
    /// Milliseconds after which the best complete part of a suggestion is shown. The model keeps generating, and the
    /// next keystroke picks up the result.
    #[schemars(range(min = 50, max = 60_000))]
    pub(crate) deadline_ms: u64,
    /// Number of alternatives to generate when you explicitly request suggestions.
    #[schemars(range(min = 1, max = 8))]
    pub(crate) candidates: usize,
    /// Minimum mean log-probability of the tokens in an automatic suggestion. Less likely suggestions are hidden: 0
    /// shows only certain ones, -10 shows all.
    #[schemars(range(min = -10, max = 0))]
    pub(crate) minimum_confidence: f32,
    /// Prefetch while the model is idle: the suggestion after a likely one, in case you accept it; a prompt anchored
    /// closer to the cursor, when you pause; and the prompt where the cursor rests, in editors that report it.
    /// Prefetching costs processor time, but is interrupted as soon as you type.
    pub(crate) work_ahead: bool,
    /// Read only the text nearest to the cursor first when reading the full context would take more than a second, so
    /// that suggestions appear sooner. The full context is read when you pause. Requires `inline.work_ahead`.
    #[serde(alias = "near_first")]
    pub(crate) progressive_context: bool,
    /// Show the first words of a suggestion before the rest is generated if your next keystroke is due. The rest
    /// follows. Only in editors that can extend a visible suggestion.
    pub(crate) show_parts: bool,
    /// Mix an n-gram cache model of the current and the open files into the probabilities of the model. It helps small
    /// models to repeat names and phrases from these files; larger models do so by themselves.
    pub(crate) text_cache: TextCache,
    /// Delay before a new suggestion is shown. The suggestion is computed immediately in any case, and one that you are
    /// typing through stays visible.
    pub(crate) show_delay: ShowDelay,
}

impl Default for InlineConfig {
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
            progressive_context: true,
            show_parts: true,
            text_cache: TextCache::Auto,
            show_delay: ShowDelay::None,
        }
    }
}

/// Questions about code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct AskConfig {
    /// System prompt for questions. If unset, the model is told to answer questions about code briefly.
    pub(crate) system: Option<String>,
    /// Maximum number of tokens in an answer.
    #[schemars(range(min = 16, max = 32_768))]
    pub(crate) max_tokens: usize,
    /// Maximum number of tokens in a conversation, including the answer. The oldest questions are dropped first. A
    /// shorter context length of the model takes precedence.
    #[schemars(range(min = 512, max = 131_072))]
    pub(crate) context_tokens: usize,
    /// Index the files of the workspace so that questions find relevant code. The index is kept in your cache folder
    /// and contains words and positions, but no source text.
    pub(crate) search: bool,
}

impl Default for AskConfig {
    fn default() -> Self {
        Self { system: None, max_tokens: 512, context_tokens: 4096, search: true }
    }
}

/// Docstring generation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DocstringConfig {
    /// Docstring style by LSP language ID, for example `{ python = "numpy" }`. For other languages, the style is
    /// detected from the file, then from neighbouring files; failing that, it is the first style listed in
    /// `docs/guides/docstrings.md`.
    #[schemars(schema_with = "styles")]
    pub(crate) style: BTreeMap<String, DocStyle>,
    /// Maximum line length of a docstring in characters, including indentation.
    #[schemars(range(min = 40, max = 400))]
    pub width: usize,
}

fn styles(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<_> = DocStyle::all().map(|style| style.to_string()).collect();
    json_schema!({ "type": "object", "additionalProperties": { "type": "string", "enum": names } })
}

impl Default for DocstringConfig {
    fn default() -> Self {
        Self { style: BTreeMap::new(), width: 88 }
    }
}

impl DocstringConfig {
    /// Returns the style for a language: the configured one, else the one detected in the first text that shows a
    /// style, else the default of the language.
    pub(crate) fn style_of<'a>(
        &self,
        language: Language,
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Option<DocStyle> {
        self.style.get(language.lsp_id()).copied().or_else(|| DocStyle::detect(language, texts))
    }
}

/// Context that goes into a prompt in addition to the file itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct ContextConfig {
    /// Include definitions, from anywhere in the workspace, of the names around the cursor.
    pub(crate) definitions: bool,
    /// Include your recent edits in any file.
    pub(crate) recent_edits: bool,
    /// Include relevant parts of other open files.
    pub(crate) open_files: bool,
    /// Maximum number of tokens in a prompt. A shorter context length of the model takes precedence.
    #[schemars(range(min = 256, max = 131_072))]
    pub(crate) max_tokens: usize,
    /// Patterns of files that are never read, in `.gitignore` syntax. Lists from several sources are combined. Files
    /// that git or `.foretypeignore` ignores, and files that usually contain secrets (`.env`, keys), are always
    /// excluded.
    pub(crate) excluded: Vec<String>,
}

impl Default for ContextConfig {
    fn default() -> Self {
        Self { definitions: true, recent_edits: true, open_files: true, max_tokens: 2048, excluded: Vec::new() }
    }
}

/// Plugins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct PluginsConfig {
    /// Run plugins: your own in `foretype/plugins` in your configuration folder, and those in `.foretype/plugins` of
    /// workspaces whose plugins you trust.
    pub(crate) enabled: bool,
    /// Plugins and built-ins to turn off, by the names that `foretype plugin list` shows. `NAME:LANGUAGE` turns one off
    /// for a single language. Lists from several sources are combined.
    pub(crate) disabled: Vec<String>,
    /// Order in which plugins and built-in context sources are called and their snippets appear in the prompt, among
    /// snippets that are equally stable. `NAME:LANGUAGE` applies to a single language. Names that are not listed
    /// follow, built-ins first.
    pub(crate) order: Vec<String>,
    /// Approximate maximum number of tokens that one plugin may add to a prompt. All plugins together get at most half
    /// of the space for snippets.
    #[schemars(range(max = 16_384))]
    pub(crate) max_tokens: usize,
    /// Approximate maximum number of tokens for the snippets of a plugin or a built-in context source, by name, or by
    /// `NAME:LANGUAGE` for a single language. A plugin that is not listed gets `plugins.max_tokens`, a built-in its
    /// share of the space.
    pub(crate) budgets: BTreeMap<String, usize>,
    /// Time limit in milliseconds for one call of a plugin while you type. A plugin that exceeds it three times in a
    /// row, or in more than a third of its calls, is stopped.
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) time_ms: u64,
    /// Time limit in milliseconds for one call of a plugin for a docstring, a question, a translation, an edit or
    /// generated code.
    #[schemars(range(min = 1, max = 10_000))]
    pub(crate) task_time_ms: u64,
    /// Options of plugins: one table per plugin, by name. The plugin reads it as `foretype.options`.
    pub(crate) options: BTreeMap<String, BTreeMap<String, PluginOptionValue>>,
}

impl Default for PluginsConfig {
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

impl PluginsConfig {
    /// Returns the options of the plugin `name`.
    pub(crate) fn options_of(&self, name: &str) -> Vec<(String, foretype_plugins::luau::OptionValue)> {
        let own = self.options.get(name).into_iter().flatten();
        own.map(|(name, value)| (name.clone(), value.into())).collect()
    }
}

/// Value of a plugin's option: a boolean, a number, a string, or a list of these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[allow(missing_docs, reason = "the names say it")]
pub(crate) enum PluginOptionValue {
    Truth(bool),
    Number(f64),
    Text(String),
    List(Vec<PluginOptionScalar>),
}

/// Value in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[allow(missing_docs, reason = "the names say it")]
pub(crate) enum PluginOptionScalar {
    Truth(bool),
    Number(f64),
    Text(String),
}

impl From<&PluginOptionValue> for foretype_plugins::luau::OptionValue {
    fn from(value: &PluginOptionValue) -> Self {
        match value {
            PluginOptionValue::Truth(value) => Self::Bool(*value),
            PluginOptionValue::Number(value) => Self::Number(*value),
            PluginOptionValue::Text(text) => Self::Text(text.clone()),
            PluginOptionValue::List(values) => Self::List(values.iter().map(Self::from).collect()),
        }
    }
}

impl From<&PluginOptionScalar> for foretype_plugins::luau::OptionValue {
    fn from(value: &PluginOptionScalar) -> Self {
        match value {
            PluginOptionScalar::Truth(value) => Self::Bool(*value),
            PluginOptionScalar::Number(value) => Self::Number(*value),
            PluginOptionScalar::Text(text) => Self::Text(text.clone()),
        }
    }
}

/// Memory of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct MemoryConfig {
    /// Size of the KV cache in megabytes. It holds the text that the model has already read.
    #[schemars(range(min = 16, max = 1_048_576), extend("scope" = "machine-overridable"))]
    pub(crate) kv_mb: usize,
    /// Minutes without a request after which the model is unloaded. The next request loads it again. 0 keeps it loaded.
    #[schemars(range(max = 100_000))]
    pub(crate) unload_after_minutes: u64,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self { kv_mb: 512, unload_after_minutes: 0 }
    }
}

/// Background process that editor windows share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct DaemonConfig {
    /// Share one background process, and so one copy of the model, among all editor windows. If off, each window runs
    /// its own.
    #[schemars(extend("scope" = "machine-overridable"))]
    pub(crate) enabled: bool,
    /// Minutes without an editor after which the background process exits.
    #[schemars(range(max = 100_000), extend("scope" = "machine-overridable"))]
    pub(crate) idle_minutes: u64,
}

impl Default for DaemonConfig {
    fn default() -> Self {
        Self { enabled: true, idle_minutes: 10 }
    }
}

/// Trigger of suggestions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TriggerMode {
    /// As you type.
    #[default]
    Automatic,
    /// Only when you request one.
    Manual,
}

/// Use of the n-gram cache model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TextCache {
    /// For models with fewer than 50 million parameters.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

impl TextCache {
    /// Returns true if the n-gram cache model is used with `model`.
    pub(crate) fn is_enabled_for(self, model: &Model) -> bool {
        const MAX_AUTO_PARAMETERS: usize = 50_000_000;
        match self {
            Self::Auto => model.decoder.config().parameter_count() < MAX_AUTO_PARAMETERS,
            Self::On => true,
            Self::Off => false,
        }
    }
}

/// Delay of a new suggestion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ShowDelay {
    /// Shown as soon as it is ready.
    #[default]
    None,
    /// Shown when your next keystroke is overdue, judged by your own typing speed.
    Adaptive,
}

/// Verbosity of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    /// Nothing.
    Off,
    /// Failures.
    Error,
    /// Failures and warnings.
    #[default]
    Warn,
    /// Notable events.
    Info,
    /// Every request.
    Debug,
    /// All details.
    Trace,
}

impl LogLevel {
    /// Returns the name in `tracing` filters.
    pub(crate) fn name(self) -> &'static str {
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

/// Name of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct DeviceName(pub(crate) String);

impl Default for DeviceName {
    fn default() -> Self {
        Self("auto".into())
    }
}

impl std::ops::Deref for DeviceName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Languages, each with a flag that turns its suggestions on or off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct EnabledLanguages(pub(crate) BTreeMap<String, bool>);

impl Default for EnabledLanguages {
    fn default() -> Self {
        Self([("*".to_owned(), true)].into())
    }
}

impl Config {
    /// Returns true if a language, given by its LSP ID, gets suggestions.
    pub(crate) fn enables(&self, language: &str) -> bool {
        let languages = &self.enable.0;
        *languages.get(language).or_else(|| languages.get("*")).unwrap_or(&true)
    }

    /// Returns the size of the KV cache in bytes.
    pub(crate) fn kv_bytes(&self) -> usize {
        self.memory.kv_mb << 20
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_that_is_not_listed_uses_the_wildcard() {
        let enables = |map: &[(&str, bool)], language: &str| {
            let map = map.iter().map(|(name, on)| ((*name).to_owned(), *on)).collect();
            Config { enable: EnabledLanguages(map), ..Config::default() }.enables(language)
        };
        assert!(enables(&[("*", true), ("markdown", false)], "rust"));
        assert!(!enables(&[("*", true), ("markdown", false)], "markdown"));
        assert!(!enables(&[("*", false), ("rust", true)], "markdown"));
        assert!(enables(&[("markdown", false)], "rust"));
    }

    #[test]
    fn every_default_is_within_its_limits() {
        let value = serde_json::to_value(Config::default()).expect("a plain structure");
        assert_eq!(declarations::out_of_limits(&value), Vec::<String>::new());
    }
}
