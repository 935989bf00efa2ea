//! Compared systems, and the way to start each of them.

use std::path::{Component, Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use foretype::trace::Trace;
use serde_json::{Value, json};

use super::args::Args;
use super::llama::{self, LlamaClient, LlamaVariant};
use super::lsp::LanguageServer;
use super::system::CompletionSystem;

/// Beginning of the names of Foretype with a plugin.
pub(super) const PLUGIN_SYSTEM_PREFIX: &str = "Foretype with ";
/// Name of Foretype under the load of chat questions.
pub(super) const ANSWERING_SYSTEM: &str = "Foretype beside an answer";

/// A compared system.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Contender {
    Foretype,
    /// Foretype with the plugin in this file.
    WithPlugin(PathBuf),
    /// Foretype that answers chat questions at the same time.
    Answering,
    Llama(LlamaVariant),
    /// Another language server.
    Server {
        name: String,
        words: Vec<String>,
    },
}

/// Everything that a system needs to start.
pub(super) struct StartContext<'a> {
    pub(super) args: &'a Args,
    /// Absolute path of the model.
    pub(super) model: &'a Path,
    /// Empty folder of the run.
    pub(super) folder: &'a Path,
    pub(super) trace: &'a Trace,
}

impl Contender {
    /// Name in reports.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Foretype => "Foretype".to_owned(),
            Self::WithPlugin(file) => {
                format!("{PLUGIN_SYSTEM_PREFIX}{}", file.file_stem().unwrap_or_default().to_string_lossy())
            }
            Self::Answering => ANSWERING_SYSTEM.to_owned(),
            Self::Llama(variant) => variant.label().to_owned(),
            Self::Server { name, .. } => name.clone(),
        }
    }

    /// Starts the system and opens the files of the trace.
    pub(super) fn start(&self, context: &StartContext) -> Result<Box<dyn CompletionSystem>> {
        let args = context.args;
        Ok(match self {
            Self::Foretype => Box::new(start_foretype(context)?),
            Self::WithPlugin(file) => {
                install_plugin(file, context.folder)?;
                Box::new(start_foretype(context)?)
            }
            Self::Answering => Box::new(start_foretype(context)?.with_chat_load()),
            Self::Llama(variant) => {
                let program = args.llama_server.as_deref().context("no llama-server")?;
                let threads = args.thread_count();
                Box::new(LlamaClient::start(program, context.model, threads, &args.llama_argument, *variant)?)
            }
            Self::Server { words, .. } => {
                let (program, arguments) = words.split_first().context("no command")?;
                let mut command = Command::new(program);
                command.args(arguments);
                let root = write_workspace(context.folder, context.trace)?;
                Box::new(LanguageServer::start(command, &root, &args.options, &context.trace.files)?)
            }
        })
    }
}

/// Starts this executable as a language server, as an editor would start Foretype, but without the user's settings and
/// usage statistics.
fn start_foretype(context: &StartContext) -> Result<LanguageServer> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["lsp", "--standalone"]);
    for (name, _) in std::env::vars_os() {
        if is_foretype_option(&name.to_string_lossy()) {
            command.env_remove(name);
        }
    }
    for (name, folder) in [("XDG_CONFIG_HOME", "config"), ("XDG_STATE_HOME", "state"), ("XDG_CACHE_HOME", "cache")] {
        command.env(name, context.folder.join(folder));
    }
    let mut options = json!({
        "model": context.model, "threads": context.args.thread_count(),
        "inline": { "multi_line": false, "progressive_context": false },
        "context": { "definitions": false, "recent_edits": false, "open_files": false },
    });
    merge_json(&mut options, &context.args.options);
    let root = write_workspace(context.folder, context.trace)?;
    LanguageServer::start(command, &root, &options, &context.trace.files)
}

/// Copies a plugin into the configuration folder of the Foretype that [`start_foretype`] starts.
fn install_plugin(file: &Path, folder: &Path) -> Result<()> {
    let plugins = folder.join("config/foretype/plugins");
    std::fs::create_dir_all(&plugins)?;
    let name = file.file_name().with_context(|| format!("{} is not a file", file.display()))?;
    std::fs::copy(file, plugins.join(name)).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(())
}

/// Returns true if the environment variable sets an option of Foretype. The choice of kernels is not an option.
fn is_foretype_option(name: &str) -> bool {
    name.starts_with("FORETYPE_") && name != "FORETYPE_KERNELS"
}

/// Overrides values in `base`, object by object.
fn merge_json(base: &mut Value, overrides: &Value) {
    match (base, overrides) {
        (Value::Object(base), Value::Object(overrides)) => {
            for (name, value) in overrides {
                merge_json(base.entry(name).or_insert(Value::Null), value);
            }
        }
        (base, overrides) => *base = overrides.clone(),
    }
}

/// Writes the initial files of a trace to disk and returns their folder.
fn write_workspace(folder: &Path, trace: &Trace) -> Result<PathBuf> {
    let root = folder.join("workspace");
    for file in &trace.files {
        let is_inside = Path::new(&file.path).components().all(|part| matches!(part, Component::Normal(_)));
        ensure!(is_inside, "the trace names a file outside its folder: {}", file.path);
        let path = root.join(&file.path);
        std::fs::create_dir_all(path.parent().context("the file has no folder")?)?;
        std::fs::write(path, &file.text)?;
    }
    Ok(root)
}

/// All systems that the command line asks for: Foretype, Foretype with each plugin and under chat load, the variants of
/// llama-server, other language servers.
pub(super) fn from_args(args: &Args) -> Result<Vec<Contender>> {
    let mut contenders = vec![Contender::Foretype];
    for file in &args.plugins {
        let is_plugin = file.extension().is_some_and(|extension| extension == "luau") && file.is_file();
        ensure!(is_plugin, "--plugin needs the .luau file of a plugin, and {} is not one", file.display());
        contenders.push(Contender::WithPlugin(file.clone()));
    }
    if args.answering {
        contenders.push(Contender::Answering);
    }
    if args.llama_server.is_some() {
        let variants = if args.variants.is_empty() { llama::ALL_VARIANTS } else { &args.variants };
        contenders.extend(variants.iter().copied().map(Contender::Llama));
    }
    for server in &args.servers {
        let (name, command) = server.split_once('=').context("--lsp needs NAME=COMMAND")?;
        let words: Vec<_> = command.split_whitespace().map(str::to_owned).collect();
        ensure!(!words.is_empty(), "--lsp needs NAME=COMMAND");
        contenders.push(Contender::Server { name: name.to_owned(), words });
    }
    Ok(contenders)
}

#[cfg(test)]
mod tests {
    use foretype::trace::TraceFile;

    use super::*;

    #[test]
    fn options_are_merged_object_by_object() {
        let mut options = json!({ "inline": { "multi_line": false }, "threads": 2 });
        merge_json(&mut options, &json!({ "inline": { "max_lines": 3 }, "threads": 1 }));
        assert_eq!(options, json!({ "inline": { "multi_line": false, "max_lines": 3 }, "threads": 1 }));
    }

    #[test]
    fn a_trace_cannot_write_outside_its_folder() {
        let folder = tempfile::tempdir().expect("a writable folder");
        for path in ["../a.py", "/etc/a.py"] {
            let file = TraceFile { path: path.into(), text: String::new() };
            let trace = Trace { command: String::new(), files: vec![file], segments: Vec::new() };
            assert!(write_workspace(folder.path(), &trace).is_err(), "{path}");
        }
    }
}
