//! `foretype plugin`: lists, creates, checks, tests and trusts plugins.

mod builtins;
mod check;
mod loaded;
mod replay;
mod test;
mod unknown_names;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use foretype_plugins::luau::declarations;
use serde_json::json;

use super::output::print_json;
use crate::config::Config;
use crate::daemon;
use crate::plugins::{self, PluginEntry, PluginReport, PluginState, trust};
use loaded::loaded_plugins;

/// Text of a new plugin.
const TEMPLATE: &str = include_str!("plugin/template.luau");

/// Arguments of `foretype plugin`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: PluginCommand,
}

#[derive(Debug, clap::Subcommand)]
enum PluginCommand {
    /// List the plugins of this workspace and your own with their state, and the built-ins
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Create a commented plugin, and the types of the interface next to it
    New {
        /// Name: lowercase letters, digits and hyphens
        name: String,
        /// Create it in your own folder, for all workspaces
        #[arg(long)]
        user: bool,
    },
    /// Load a plugin within its limits and report faults, or with --replay measure its cost and benefit
    Check(check::Args),
    /// Test plugins with their fixtures
    Test(test::Args),
    /// Trust the current plugins of this workspace; a changed plugin needs to be trusted again
    Trust,
    /// Revoke the trust in all plugins of this workspace
    Untrust,
}

/// Runs `foretype plugin`.
pub(crate) fn run(args: Args) -> Result<ExitCode> {
    let root = super::source_file::workspace_root(&std::env::current_dir()?.join("x"))?;
    match args.command {
        PluginCommand::List { json } => list(&root, json),
        PluginCommand::New { name, user } => create(&root, &name, user),
        PluginCommand::Check(args) => {
            crate::log::show_plugin_messages();
            check::run(&root, &args)
        }
        PluginCommand::Test(args) => {
            crate::log::show_plugin_messages();
            test::run(&root, &args)
        }
        PluginCommand::Trust => trust(&root),
        PluginCommand::Untrust => untrust(&root),
    }
}

fn list(root: &Path, as_json: bool) -> Result<ExitCode> {
    let plugins = loaded_plugins(root)?;
    let builtins = builtins::all(root, &plugins)?;
    let on_disk: Vec<_> = plugins.entries().iter().map(PluginReport::from_entry).collect();
    let (reports, source) = match daemon::plugins(root) {
        Ok(Some(Some(running))) => (with_running_reports(on_disk, &running), "state in the daemon"),
        Ok(Some(None)) => (on_disk, "state on disk: no editor has this workspace open"),
        Ok(None) => (on_disk, "state on disk: no daemon is running"),
        Err(error) => {
            eprintln!(
                "foretype: {error:#}; `foretype daemon stop` ends it, and the next editor window starts it again"
            );
            (on_disk, "state on disk: the daemon did not answer")
        }
    };
    if as_json {
        print_json(&json!({ "source": source, "plugins": reports, "builtins": builtins }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if reports.is_empty() {
        println!("no plugins: `foretype plugin new NAME` creates one");
    }
    for report in &reports {
        println!("{:<20} {}\n{:20} {}", report.name, report.summary(), "", report.path.display());
    }
    if !reports.is_empty() {
        println!("({source})");
    }
    builtins::print(&builtins);
    unknown_names::warn_of_unknown(&plugins.entries(), &Config::load(Some(root))?);
    Ok(ExitCode::SUCCESS)
}

/// Replaces the reports of plugins that the daemon runs with the same content by the daemon's.
fn with_running_reports(on_disk: Vec<PluginReport>, running: &[PluginReport]) -> Vec<PluginReport> {
    let same =
        |report: &PluginReport| running.iter().find(|it| it.path == report.path && it.hash == report.hash).cloned();
    on_disk.into_iter().map(|report| same(&report).unwrap_or(report)).collect()
}

/// Returns the state of a plugin in one line.
pub(super) fn state(entry: &PluginEntry) -> String {
    PluginReport::from_entry(entry).summary()
}

fn create(root: &Path, name: &str, user: bool) -> Result<ExitCode> {
    let is_valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    ensure!(
        !name.is_empty() && name.len() <= 40 && name.bytes().all(is_valid),
        "{name:?} is not a plugin's name: use at most 40 lowercase letters, digits and hyphens"
    );
    let folder = if user {
        plugins::user_folder().context("there is no configuration folder: set HOME or XDG_CONFIG_HOME")?
    } else {
        plugins::workspace_folder(root)
    };
    let path = folder.join(format!("{name}.luau"));
    ensure!(!path.exists(), "{} exists already", path.display());
    let source = TEMPLATE.replace("NAME", name);
    let write = |path: &Path, text: &str| {
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    write(&path, &source)?;
    write(&folder.join("foretype.d.luau"), &declarations())?;
    if !user {
        trust::add(root, &[plugins::source_hash(&source)])?;
    }
    println!("{}", path.display());
    Ok(ExitCode::SUCCESS)
}

fn trust(root: &Path) -> Result<ExitCode> {
    let entries = loaded_plugins(root)?.entries();
    let new: Vec<_> = entries.iter().filter(|entry| matches!(entry.state, PluginState::Untrusted)).collect();
    trust::add(root, &new.iter().map(|entry| entry.hash.clone()).collect::<Vec<_>>())?;
    for entry in &new {
        println!("trusted: {}", entry.path.display());
    }
    if new.is_empty() {
        println!("nothing to trust in {}", plugins::workspace_folder(root).display());
    }
    Ok(ExitCode::SUCCESS)
}

fn untrust(root: &Path) -> Result<ExitCode> {
    let was = trust::revoke(root)?;
    println!("{} {}", if was { "no longer trusted:" } else { "nothing was trusted in" }, root.display());
    Ok(ExitCode::SUCCESS)
}
