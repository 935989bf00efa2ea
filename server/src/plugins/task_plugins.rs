//! Plugins in tasks other than suggestions: docstrings, questions, translations, edits and generated code.

use std::ops::Range;
use std::sync::Arc;

use foretype_plugins::luau::Plugin;
use foretype_plugins::request::TaskKind;
use foretype_plugins::{Document, Request, Snippet, plugin_strategy};

use super::workspace_plugins::WorkspacePlugins;
use crate::config::Config;
use crate::request_builder;
use crate::workspace::Workspace;

/// Plugins that take part in a task, and the request of the task.
pub struct TaskPlugins {
    plugins: Vec<Arc<Plugin>>,
    request: Request,
    /// Bytes of each plugin's snippets.
    snippet_bytes: usize,
}

impl WorkspacePlugins {
    /// Returns the plugins for a task in a document with the cursor at byte `cursor`. Scans the plugin folders first.
    pub(crate) fn for_task(&self, task: TaskKind, document: Document, cursor: usize, config: &Config) -> TaskPlugins {
        self.refresh_blocking(config);
        let plugins = self.plugins_for(document.language, config);
        let request = request_builder::request_for_format(document, cursor, None, config.context.max_tokens, config);
        let workspace = self.files.workspace();
        let request = Request { task, repository: workspace.and_then(Workspace::name), ..request };
        TaskPlugins { plugins, request, snippet_bytes: config.plugins.max_tokens * request_builder::BYTES_PER_TOKEN }
    }

    /// Returns the snippets of plugins for a question about a document, if any.
    pub(crate) fn question_snippets(
        &self,
        place: Option<&(Document, Option<Range<usize>>)>,
        question: &str,
        workspace: Option<&Workspace>,
        config: &Config,
    ) -> Vec<Snippet> {
        let (document, cursor) = match place {
            Some((document, selection)) => (document.clone(), selection.as_ref().map_or(0, |range| range.start)),
            None => (request_builder::parse_document(String::new(), String::new()), 0),
        };
        self.for_task(TaskKind::Ask, document, cursor, config).with_question(Some(question), workspace).snippets()
    }
}

impl TaskPlugins {
    /// Adds the text of the question and the symbols of the workspace to the request.
    pub(crate) fn with_question(mut self, question: Option<&str>, workspace: Option<&Workspace>) -> Self {
        self.request.question = question.map(Arc::from);
        self.request.symbols = workspace.map_or_else(Arc::default, |workspace| workspace.symbols.clone());
        self
    }

    /// Returns the snippets of the plugins.
    pub(crate) fn snippets(&self) -> Vec<Snippet> {
        plugin_strategy::snippets(&self.plugins, &self.request, self.snippet_bytes)
    }

    /// Passes a text through the plugins' `finish` functions.
    ///
    /// # Errors
    /// If a plugin vetoes the text: its name.
    pub(crate) fn finish(&self, text: String) -> Result<String, String> {
        plugin_strategy::finish(&self.plugins, &self.request, text)
    }
}

/// Plugins that take part in writing code, with their snippets.
#[derive(Default)]
pub struct CodePlugins {
    plugins: Option<TaskPlugins>,
    /// Snippets for the prompt.
    pub(crate) snippets: Vec<Snippet>,
}

impl From<TaskPlugins> for CodePlugins {
    fn from(plugins: TaskPlugins) -> Self {
        Self { snippets: plugins.snippets(), plugins: Some(plugins) }
    }
}

impl CodePlugins {
    /// Passes new code through the plugins' `finish` functions.
    ///
    /// # Errors
    /// If a plugin vetoes the code.
    pub(crate) fn finish(&self, code: String) -> Result<String, anyhow::Error> {
        let Some(plugins) = &self.plugins else { return Ok(code) };
        plugins.finish(code).map_err(|name| anyhow::anyhow!("the plugin {name} vetoed this code"))
    }
}
