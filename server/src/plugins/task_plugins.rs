//! Plugins that take part where nobody types: in docstrings, in questions, in translations, edits and generated code.

use std::ops::Range;
use std::sync::Arc;

use foretype_plugins::luau::Plugin;
use foretype_plugins::request::TaskKind;
use foretype_plugins::{Document, Request, Snippet, plugin_strategy};

use super::WorkspacePlugins;
use crate::config::Config;
use crate::request_builder;
use crate::workspace::Workspace;

/// What is to be written, and the plugins that have something to do with it.
pub struct TaskPlugins {
    plugins: Vec<Arc<Plugin>>,
    request: Request,
    /// Bytes of each plugin's snippets.
    snippet_bytes: usize,
}

impl WorkspacePlugins {
    /// Those that run for a task in this document, which has the cursor at a byte. Looks at the folders, which reads files.
    pub fn for_task(&self, task: TaskKind, document: Document, cursor: usize, config: &Config) -> TaskPlugins {
        self.refresh_blocking(config);
        let plugins = self.plugins_for(document.language, config);
        let request = request_builder::request_for_format(document, cursor, None, config.context.max_tokens, config);
        let workspace = self.files.workspace();
        let request = Request { task, repository: workspace.and_then(Workspace::name), ..request };
        TaskPlugins { plugins, request, snippet_bytes: config.plugins.max_tokens * request_builder::BYTES_PER_TOKEN }
    }
}

impl WorkspacePlugins {
    /// What those for questions add to one, about a document or about none.
    pub fn question_snippets(
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
    /// With what the question says and the workspace's symbols.
    pub fn with_question(mut self, question: Option<&str>, workspace: Option<&Workspace>) -> Self {
        self.request.question = question.map(Arc::from);
        self.request.symbols = workspace.map_or_else(Arc::default, |workspace| workspace.symbols.clone());
        self
    }

    /// What the plugins want the model to read.
    pub fn snippets(&self) -> Vec<Snippet> {
        plugin_strategy::snippets(&self.plugins, &self.request, self.snippet_bytes)
    }

    /// What is left of a text after all have had their word; `Err` is the name of the plugin that does not want it.
    pub fn finish(&self, text: String) -> Result<String, String> {
        plugin_strategy::finish(&self.plugins, &self.request, text)
    }
}

/// What plugins want a model to read before it writes code, and those that have the last word on the code.
#[derive(Default)]
pub struct CodePlugins {
    plugins: Option<TaskPlugins>,
    /// What they show.
    pub snippets: Vec<Snippet>,
}

impl From<TaskPlugins> for CodePlugins {
    fn from(asked: TaskPlugins) -> Self {
        Self { snippets: asked.snippets(), plugins: Some(asked) }
    }
}

impl CodePlugins {
    /// What is left of new code after all have had their word.
    ///
    /// # Errors
    /// If one does not want it.
    pub fn finish(&self, code: String) -> Result<String, anyhow::Error> {
        let Some(asked) = &self.plugins else { return Ok(code) };
        asked.finish(code).map_err(|name| anyhow::anyhow!("the plugin {name} does not want this code"))
    }
}
