//! Who is compared, and how each is started.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use foretype::trace::Trace;
use super::llama::{self, LlamaClient, LlamaVariant};
use super::lsp::LanguageServer;
use super::system::CompletionSystem;
use super::{Args, KeystrokeBenchmark};

/// What the names of [`Contender::Plugged`] begin with.
pub(super) const PLUGIN_SYSTEM_PREFIX: &str = "Foretype with ";
/// The name of [`Contender::Answering`].
pub(super) const ANSWERING_SYSTEM: &str = "Foretype beside an answer";

/// One way to get completions.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Contender {
    Foretype,
    /// Foretype with a user's plugin.
    WithPlugin(PathBuf),
    /// Foretype that answers questions at the same time.
    Answering,
    Llama(LlamaVariant),
    Server {
        name: String,
        words: Vec<String>,
    },
}

impl Contender {
    /// What a report calls it.
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

    /// Starts it, with the files of a trace open. `folder` is empty.
    pub(super) fn start(&self, bench: &KeystrokeBenchmark, folder: &Path, trace: &Trace) -> Result<Box<dyn CompletionSystem>> {
        Ok(match self {
            Self::Foretype => Box::new(start_foretype(bench, folder, trace)?),
            Self::WithPlugin(file) => {
                install_plugin(file, folder)?;
                Box::new(start_foretype(bench, folder, trace)?)
            }
            Self::Answering => Box::new(start_foretype(bench, folder, trace)?.answering()),
            Self::Llama(variant) => {
                let program = bench.args.llama_server.as_deref().context("no llama-server")?;
                let more = &bench.args.llama_argument;
                Box::new(LlamaClient::start(program, &bench.model, bench.setting.threads, more, *variant)?)
            }
            Self::Server { words, .. } => {
                let (program, rest) = words.split_first().context("no command")?;
                let mut command = Command::new(program);
                command.args(rest);
                let root = write_workspace(folder, trace)?;
                Box::new(LanguageServer::start(command, &root, &bench.args.options, &trace.files)?)
            }
        })
    }
}

/// This executable as an editor starts it, without the user's own settings, counting into no statistics of the user's.
fn start_foretype(bench: &KeystrokeBenchmark, folder: &Path, trace: &Trace) -> Result<LanguageServer> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["lsp", "--standalone"]);
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_foretype_option(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    for (name, place) in [("XDG_CONFIG_HOME", "config"), ("XDG_STATE_HOME", "state"), ("XDG_CACHE_HOME", "cache")] {
        command.env(name, folder.join(place));
    }
    let mut options = json!({
        "model": bench.model, "threads": bench.setting.threads,
        "inline": { "multi_line": false, "near_first": false },
        "context": { "definitions": false, "recent_edits": false, "open_files": false },
    });
    merge_json(&mut options, &bench.args.options);
    let root = write_workspace(folder, trace)?;
    LanguageServer::start(command, &root, &options, &trace.files)
}

/// Makes a plugin the user's own, in the folder that [`foretype`] is started with.
fn install_plugin(file: &Path, folder: &Path) -> Result<()> {
    let plugins = folder.join("config/foretype/plugins");
    std::fs::create_dir_all(&plugins)?;
    let name = file.file_name().with_context(|| format!("{} is no file", file.display()))?;
    std::fs::copy(file, plugins.join(name)).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(())
}

/// Whether a variable of the environment sets an option of Foretype. The choice of kernels is not one.
fn is_foretype_option(name: &str) -> bool {
    name.starts_with("FORETYPE_") && name != "FORETYPE_KERNELS"
}

/// Lays values over others.
fn merge_json(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            over.iter().for_each(|(name, value)| merge_json(under.entry(name).or_insert(Value::Null), value));
        }
        (under, over) => *under = over.clone(),
    }
}

/// The files of a trace as they are at the beginning, on disk.
fn write_workspace(folder: &Path, trace: &Trace) -> Result<PathBuf> {
    let root = folder.join("workspace");
    for file in &trace.files {
        let plain = Path::new(&file.path).components().all(|part| matches!(part, std::path::Component::Normal(_)));
        ensure!(plain, "the trace names a file outside its folder: {}", file.path);
        let path = root.join(&file.path);
        std::fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
        std::fs::write(path, &file.text)?;
    }
    Ok(root)
}

/// Foretype first, then with each plugin and beside an answer, then the ways to use llama-server, then other language servers.
pub(super) fn from_args(args: &Args) -> Result<Vec<Contender>> {
    let mut contenders = vec![Contender::Foretype];
    for file in &args.plugins {
        let plugin = file.extension().is_some_and(|ending| ending == "luau") && file.is_file();
        ensure!(plugin, "--plugin wants the .luau file of a plugin, which {} is not", file.display());
        contenders.push(Contender::WithPlugin(file.clone()));
    }
    contenders.extend(args.answering.then_some(Contender::Answering));
    if args.llama_server.is_some() {
        let variants = if args.variants.is_empty() { llama::ALL_VARIANTS } else { &args.variants };
        contenders.extend(variants.iter().copied().map(Contender::Llama));
    }
    for server in &args.servers {
        let (name, command) = server.split_once('=').context("--lsp wants NAME=COMMAND")?;
        let words: Vec<_> = command.split_whitespace().map(str::to_owned).collect();
        ensure!(!words.is_empty(), "--lsp wants NAME=COMMAND");
        contenders.push(Contender::Server { name: name.to_owned(), words });
    }
    Ok(contenders)
}

#[cfg(test)]
mod tests {
    use foretype::trace::TraceFile;
    use super::*;

    #[test]
    fn options_are_laid_over_each_other() {
        let mut under = json!({ "inline": { "multi_line": false }, "threads": 2 });
        merge_json(&mut under, &json!({ "inline": { "max_lines": 3 }, "threads": 1 }));
        assert_eq!(under, json!({ "inline": { "multi_line": false, "max_lines": 3 }, "threads": 1 }));
    }

    #[test]
    fn a_trace_writes_no_file_outside_its_folder() {
        let folder = tempfile::tempdir().expect("a writable folder");
        for path in ["../a.py", "/etc/a.py"] {
            let file = TraceFile { path: path.into(), text: String::new() };
            let trace = Trace { command: String::new(), files: vec![file], segments: Vec::new() };
            assert!(write_workspace(folder.path(), &trace).is_err(), "{path}");
        }
    }
}
