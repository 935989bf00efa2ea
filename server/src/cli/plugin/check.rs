//! `foretype plugin check`: what is wrong with a plugin, and with `--replay` what it costs and what it gains.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use foretype_plugins::Language;
use foretype_plugins::luau::{Plugin, declarations};
use serde_json::json;

use super::{loaded_plugins, replay, unknown_names};
use crate::cli::output::print_json;
use crate::config::Config;
use crate::plugins::report::describe_tally;
use crate::plugins::{PluginEntry, PluginRegistry, PluginState, user_folder, uses_search, workspace_folder};
use crate::workspace::Workspaces;

/// Arguments of `foretype plugin check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A plugin's name or file; when left out, all plugins of this workspace that are trusted, and your own
    #[arg(value_name = "NAME|FILE")]
    plugin: Option<String>,
    #[command(flatten)]
    replay: replay::ReplayArgs,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs `foretype plugin check`.
pub(super) fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    let config = Config::load(Some(root))?;
    if !args.replay.is_requested() {
        return check_all(root, args, &config);
    }
    let name = args.plugin.as_deref().context("say whose cost to measure: foretype plugin check NAME --replay ...")?;
    let file = plugin_file(root, name)?;
    let load = |config: &Config| load(root, &file, config);
    let report = replay::run(root, name, load, &args.replay, config)?;
    if args.json {
        print_json(&report.json())?;
    } else {
        print!("{}", report.text());
    }
    Ok(ExitCode::SUCCESS)
}

fn check_all(root: &Path, args: &Args, config: &Config) -> Result<ExitCode> {
    let entries = loaded_plugins(root)?.entries();
    let files = match &args.plugin {
        Some(name) => vec![plugin_file(root, name)?],
        None => runnable_files(&entries),
    };
    ensure!(!files.is_empty(), "no plugin may run here; `foretype plugin list` shows which there are");
    let mut results = Vec::new();
    let mut typed = true;
    for file in &files {
        let checked = load(root, file, config);
        let types = check_types(file)?;
        typed &= types.is_some();
        let doubts = checked.as_ref().map(|plugin| warnings(plugin)).unwrap_or_default();
        if !args.json {
            print_result(file, &checked, &doubts, types.as_ref());
        }
        let good = checked.is_ok() && types.as_ref().is_none_or(|types| types.passed);
        let said = types.map(|types| types.output);
        results.push(json!({
            "plugin": file, "good": good, "fault": checked.err().map(|error| format!("{error:#}")), "types": said,
            "doubts": doubts,
        }));
    }
    if args.json {
        print_json(&results)?;
    } else if !typed {
        println!("types are not checked: luau-analyze (of luau.org) is not installed");
    }
    unknown_names::warn_of_unknown(&entries, config);
    let good = results.iter().all(|result| result["good"] == true);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_result(file: &Path, checked: &Result<Arc<Plugin>>, doubts: &[String], types: Option<&TypeCheck>) {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    match checked {
        Ok(plugin) => println!("{name}: {}", describe_tally(&plugin.tally())),
        Err(error) => eprintln!("foretype: {error:#}"),
    }
    doubts.iter().for_each(|doubt| println!("{name}: {doubt}"));
    if let Some(types) = types {
        print!("{}", types.output);
    }
}

/// What its author may not have meant, after a dry run.
fn warnings(plugin: &Plugin) -> Vec<String> {
    let known = |id: &str| Language::all().any(|language| language.lsp_id() == id);
    let named = plugin.languages().unwrap_or_default().iter();
    let mut doubts: Vec<_> =
        named.filter(|id| !known(id)).map(|id| format!("no document is ever of the language {id}")).collect();
    let tally = plugin.tally();
    if tally.calls > 0 && tally.calls == tally.declined {
        doubts.push(
            "its applies said no to an empty document, so nothing else was called: fixtures test it (foretype plugin test)"
                .to_owned(),
        );
    }
    doubts
}

/// The file of a plugin that was named, or its name's in this workspace or among the user's own.
pub(super) fn plugin_file(root: &Path, name: &str) -> Result<PathBuf> {
    let file = match Path::new(name).extension() {
        Some(ending) if ending == "fixtures" => Path::new(name).with_extension("luau"),
        _ => PathBuf::from(name),
    };
    if file.is_file() {
        ensure!(
            file.extension().is_some_and(|ending| ending == "luau"),
            "{name} is no plugin: its file ends with .luau"
        );
        return Ok(file);
    }
    let folders = [workspace_folder(root)].into_iter().chain(user_folder());
    let places: Vec<_> = folders.map(|folder| folder.join(format!("{name}.luau"))).collect();
    let found = places.iter().find(|place| place.is_file()).cloned();
    let looked = || places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", ");
    found.with_context(|| format!("there is no plugin {name}: neither the file {name} nor {}", looked()))
}

/// The files of all plugins that the user trusts and has not switched off; says which are not trusted.
fn runnable_files(entries: &[PluginEntry]) -> Vec<PathBuf> {
    let (mut files, mut untrusted) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry.state {
            PluginState::Loaded(_) | PluginState::Broken(..) => files.push(entry.path.clone()),
            PluginState::Untrusted => untrusted.push(entry.name.as_str()),
            PluginState::Off => {}
        }
    }
    if !untrusted.is_empty() {
        eprintln!("foretype: not trusted, so not checked: {} (foretype plugin trust)", untrusted.join(", "));
    }
    files
}

/// Loads a plugin and calls it within its limits.
fn load(root: &Path, file: &Path, config: &Config) -> Result<Arc<Plugin>> {
    let source = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    if uses_search(&source) {
        super::super::search::refresh_with_bar(&Workspaces::default().open(root, config), None)?;
    }
    match PluginRegistry::default().for_workspace(Some(root), config).check(file, &source, config) {
        Ok(plugin) => Ok(plugin),
        Err(fault) => bail!("{fault}"),
    }
}

/// What `luau-analyze` found.
struct TypeCheck {
    passed: bool,
    output: String,
}

/// What the types say; `None` if `luau-analyze` is not installed.
fn check_types(file: &Path) -> Result<Option<TypeCheck>> {
    let folder = tempfile::tempdir()?;
    let types = folder.path().join("foretype.d.luau");
    std::fs::write(&types, declarations())?;
    let definitions = format!("--definitions={}", types.display());
    let Ok(output) = Command::new("luau-analyze").arg(definitions).arg(file).output() else { return Ok(None) };
    let said = [output.stdout, output.stderr].concat();
    Ok(Some(TypeCheck { passed: output.status.success(), output: String::from_utf8_lossy(&said).into_owned() }))
}
