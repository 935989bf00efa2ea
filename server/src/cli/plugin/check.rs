//! `foretype plugin check`: faults of a plugin, and with `--replay` its cost and benefit.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use foretype_plugins::Language;
use foretype_plugins::luau::{Plugin, declarations};
use serde_json::json;

use super::loaded::loaded_plugins;
use super::{replay, unknown_names};
use crate::cli::output::print_json;
use crate::config::Config;
use crate::plugins::report::describe_tally;
use crate::plugins::{PluginEntry, PluginRegistry, PluginState, user_folder, uses_search, workspace_folder};
use crate::workspace::Workspaces;

/// Arguments of `foretype plugin check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name or file of a plugin; by default all trusted plugins of this workspace and your own
    #[arg(value_name = "NAME|FILE")]
    plugin: Option<String>,
    #[command(flatten)]
    replay: replay::ReplayArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs `foretype plugin check`.
pub(super) fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    let config = Config::load(Some(root))?;
    if !args.replay.is_requested() {
        return check_all(root, args, &config);
    }
    let name =
        args.plugin.as_deref().context("--replay measures one plugin: use foretype plugin check NAME --replay ...")?;
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
    ensure!(!files.is_empty(), "no plugin may run here: `foretype plugin list` shows all");
    let mut results = Vec::new();
    let mut has_type_checker = true;
    for file in &files {
        let checked = load(root, file, config);
        let types = check_types(file)?;
        has_type_checker &= types.is_some();
        let warnings = checked.as_ref().map(|plugin| warnings(plugin)).unwrap_or_default();
        if !args.json {
            print_result(file, &checked, &warnings, types.as_ref());
        }
        let good = checked.is_ok() && types.as_ref().is_none_or(|types| types.passed);
        let output = types.map(|types| types.output);
        results.push(json!({
            "plugin": file, "good": good, "fault": checked.err().map(|error| format!("{error:#}")), "types": output,
            "doubts": warnings,
        }));
    }
    if args.json {
        print_json(&results)?;
    } else if !has_type_checker {
        println!("types are not checked: luau-analyze (from luau.org) is not installed");
    }
    unknown_names::warn_of_unknown(&entries, config);
    let good = results.iter().all(|result| result["good"] == true);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_result(file: &Path, checked: &Result<Arc<Plugin>>, warnings: &[String], types: Option<&TypeCheck>) {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    match checked {
        Ok(plugin) => println!("{name}: {}", describe_tally(&plugin.tally())),
        Err(error) => eprintln!("foretype: {error:#}"),
    }
    for warning in warnings {
        println!("{name}: {warning}");
    }
    if let Some(types) = types {
        print!("{}", types.output);
    }
}

/// Returns warnings about probable mistakes, after a dry run.
fn warnings(plugin: &Plugin) -> Vec<String> {
    let is_known = |id: &str| Language::all().any(|language| language.lsp_id() == id);
    let named = plugin.languages().unwrap_or_default().iter();
    let mut warnings: Vec<_> =
        named.filter(|id| !is_known(id)).map(|id| format!("no document ever has the language {id}")).collect();
    let tally = plugin.tally();
    if tally.calls > 0 && tally.calls == tally.declined {
        warnings.push(
            "applies returned false for an empty document, so nothing else was called: \
             test it with fixtures (foretype plugin test)"
                .to_owned(),
        );
    }
    warnings
}

/// Returns the file of a plugin by its path, or by its name in this workspace or the user's folder.
///
/// # Errors
/// If there is no such plugin, or the file is not a Luau file.
pub(super) fn plugin_file(root: &Path, name: &str) -> Result<PathBuf> {
    let file = match Path::new(name).extension() {
        Some(ending) if ending == "fixtures" => Path::new(name).with_extension("luau"),
        _ => PathBuf::from(name),
    };
    if file.is_file() {
        ensure!(
            file.extension().is_some_and(|ending| ending == "luau"),
            "{name} is not a plugin: its file must end with .luau"
        );
        return Ok(file);
    }
    let folders = [workspace_folder(root)].into_iter().chain(user_folder());
    let places: Vec<_> = folders.map(|folder| folder.join(format!("{name}.luau"))).collect();
    let found = places.iter().find(|place| place.is_file()).cloned();
    let paths = || places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", ");
    found.with_context(|| format!("there is no plugin {name}: neither the file {name} nor {}", paths()))
}

/// Returns the files of all plugins that are trusted and not disabled, and warns of untrusted ones.
fn runnable_files(entries: &[PluginEntry]) -> Vec<PathBuf> {
    let (mut files, mut untrusted) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry.state {
            PluginState::Loaded(_) | PluginState::Broken { .. } => files.push(entry.path.clone()),
            PluginState::Untrusted => untrusted.push(entry.name.as_str()),
            PluginState::Disabled => {}
        }
    }
    if !untrusted.is_empty() {
        eprintln!("foretype: not trusted, so not checked: {} (foretype plugin trust)", untrusted.join(", "));
    }
    files
}

/// Loads a plugin and calls its functions within its limits.
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

/// Result of `luau-analyze`.
struct TypeCheck {
    passed: bool,
    output: String,
}

/// Checks the types of a file; `None` if `luau-analyze` is not installed.
fn check_types(file: &Path) -> Result<Option<TypeCheck>> {
    let folder = tempfile::tempdir()?;
    let types = folder.path().join("foretype.d.luau");
    std::fs::write(&types, declarations())?;
    let definitions = format!("--definitions={}", types.display());
    let Ok(output) = Command::new("luau-analyze").arg(definitions).arg(file).output() else { return Ok(None) };
    let said = [output.stdout, output.stderr].concat();
    Ok(Some(TypeCheck { passed: output.status.success(), output: String::from_utf8_lossy(&said).into_owned() }))
}
