//! `foretype plugin`: which plugins there are, a new one, what is wrong with one, what its fixtures say, and whom to trust.

mod builtins;
mod check;
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
use crate::plugins::{self, PluginEntry, PluginRegistry, PluginReport, PluginState, WorkspacePlugins, trust};

/// What a new plugin looks like.
const TEMPLATE: &str = include_str!("plugin/template.luau");

/// Arguments of `foretype plugin`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: PluginCommand,
}

#[derive(Debug, clap::Subcommand)]
enum PluginCommand {
    /// Show the plugins of this workspace and your own, what became of each, and the built-ins
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Write a new plugin with comments that explain it, and the types beside it
    New {
        /// Its name: small letters, digits and hyphens
        name: String,
        /// In your own folder, for all workspaces, rather than in this one's
        #[arg(long)]
        user: bool,
    },
    /// Load a plugin within its limits and say what is wrong with it, or with --replay what it costs and gains
    Check(check::Args),
    /// Test plugins with the fixtures beside them
    Test(test::Args),
    /// Let the plugins that this workspace has now run; changed ones are asked about again
    Trust,
    /// Let no plugin of this workspace run any more
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

/// The plugins of the workspace at `root`, loaded.
fn loaded_plugins(root: &Path) -> Result<std::sync::Arc<WorkspacePlugins>> {
    let config = Config::load(Some(root))?;
    let plugins = PluginRegistry::default().for_workspace(Some(root), &config);
    plugins.refresh(&config);
    Ok(plugins)
}

fn list(root: &Path, as_json: bool) -> Result<ExitCode> {
    let plugins = loaded_plugins(root)?;
    let builtins = builtins::all(root, &plugins)?;
    let on_disk: Vec<_> = plugins.entries().iter().map(PluginReport::from_entry).collect();
    let (reports, source) = match daemon::plugins(root) {
        Ok(Some(Some(running))) => (with_running_reports(on_disk, &running), "as the daemon has them"),
        Ok(Some(None)) => (on_disk, "no editor has this workspace open with the daemon: as they lie on disk"),
        Ok(None) => (on_disk, "no daemon is running: as they lie on disk"),
        Err(error) => {
            eprintln!(
                "foretype: {error:#}; `foretype daemon stop` ends it, and the next editor window starts it again"
            );
            (on_disk, "the daemon does not say: as they lie on disk")
        }
    };
    if as_json {
        print_json(&json!({ "source": source, "plugins": reports, "builtins": builtins }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if reports.is_empty() {
        println!("no plugins; `foretype plugin new NAME` writes one");
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

/// What lies on disk, where the daemon runs the same content as it is there.
fn with_running_reports(on_disk: Vec<PluginReport>, running: &[PluginReport]) -> Vec<PluginReport> {
    let same =
        |own: &PluginReport| running.iter().find(|other| other.path == own.path && other.hash == own.hash).cloned();
    on_disk.into_iter().map(|own| same(&own).unwrap_or(own)).collect()
}

/// What became of a plugin, in a few words.
pub(super) fn state(entry: &PluginEntry) -> String {
    PluginReport::from_entry(entry).summary()
}

fn create(root: &Path, name: &str, user: bool) -> Result<ExitCode> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    ensure!(
        !name.is_empty() && name.len() <= 40 && name.bytes().all(fits),
        "a plugin's name has small letters, digits and hyphens, at most 40: {name:?}"
    );
    let folder = match user {
        true => {
            plugins::user_folder().context("no folder for configuration: neither XDG_CONFIG_HOME nor HOME is set")?
        }
        false => plugins::workspace_folder(root),
    };
    let path = folder.join(format!("{name}.luau"));
    ensure!(!path.exists(), "{} is there already", path.display());
    let source = TEMPLATE.replace("NAME", name);
    let write = |path: &Path, text: &str| {
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
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
