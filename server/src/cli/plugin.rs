//! `foretype plugin`: which plugins there are, a new one, what is wrong with one, what its fixtures say, and whom to trust.

mod builtins;
mod test;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use foretype_plugins::luau::{Plugin, declarations};
use serde_json::json;

use super::print_json;
use crate::config::Config;
use crate::plugins::{self, Entry, EntryState, Open, Plugins, trust};

/// What a new plugin looks like.
const TEMPLATE: &str = include_str!("plugin/template.luau");

/// Arguments of `foretype plugin`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, clap::Subcommand)]
enum Task {
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
    /// Load a plugin's file within its limits and say what is wrong with it
    Check {
        /// The file
        file: PathBuf,
    },
    /// Test plugins with the fixtures beside them
    Test(test::Args),
    /// Let the plugins that this workspace has now run; changed ones are asked about again
    Trust,
    /// Let no plugin of this workspace run any more
    Untrust,
}

/// Runs `foretype plugin`.
pub fn run(args: Args) -> Result<ExitCode> {
    let root = super::complete::root_of(&std::env::current_dir()?.join("x"))?;
    match args.command {
        Task::List { json } => list(&root, json),
        Task::New { name, user } => new(&root, &name, user),
        Task::Check { file } => check(&root, &file),
        Task::Test(args) => test::run(&root, &args),
        Task::Trust => trust(&root),
        Task::Untrust => untrust(&root),
    }
}

/// The plugins of the workspace at `root`, loaded.
fn look(root: &Path) -> Result<std::sync::Arc<Plugins>> {
    let config = Config::load(Some(root))?;
    let plugins = Open::default().of(Some(root), &config);
    plugins.look(&config);
    Ok(plugins)
}

fn list(root: &Path, as_json: bool) -> Result<ExitCode> {
    let plugins = look(root)?;
    let (entries, builtins) = (plugins.entries(), builtins::all(root, &plugins)?);
    if as_json {
        let entry = |entry: &Entry| json!({ "name": entry.name, "path": entry.path, "workspace": entry.of_workspace, "state": state(entry) });
        let entries = entries.iter().map(entry);
        print_json(&entries.chain(builtins.iter().map(|place| json!(place))).collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    if entries.is_empty() {
        println!("no plugins; `foretype plugin new NAME` writes one");
    }
    for entry in &entries {
        println!("{:<20} {}\n{:20} {}", entry.name, state(entry), "", entry.path.display());
    }
    builtins::print(&builtins);
    Ok(ExitCode::SUCCESS)
}

/// What became of a plugin, in a few words.
pub(super) fn state(entry: &Entry) -> String {
    match &entry.state {
        EntryState::Untrusted => "not trusted, so not run: foretype plugin trust".to_owned(),
        EntryState::Off => "switched off (option plugins.disabled)".to_owned(),
        EntryState::Broken(fault, _) => format!("cannot be loaded: {fault}"),
        EntryState::Loaded(plugin) => running(plugin),
    }
}

fn running(plugin: &Plugin) -> String {
    let tally = plugin.tally();
    match plugin.fault() {
        Some(fault) => format!("stopped: {fault}"),
        None if tally.calls == 0 => "ready".to_owned(),
        None => format!(
            "{} calls, {:.1} ms in all, {} failures, {} suggestions changed, {} vetoed",
            tally.calls,
            tally.time.as_secs_f64() * 1000.0,
            tally.failures,
            tally.changed,
            tally.vetoed
        ),
    }
}

fn new(root: &Path, name: &str, user: bool) -> Result<ExitCode> {
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
        trust::add(root, &[plugins::hash(&source)])?;
    }
    println!("{}", path.display());
    Ok(ExitCode::SUCCESS)
}

fn check(root: &Path, file: &Path) -> Result<ExitCode> {
    let source = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let config = Config::load(Some(root))?;
    let checked = Open::default().of(Some(root), &config).check(file, &source, &config);
    let plugin = match checked {
        Ok(plugin) => plugin,
        Err(fault) => bail!("{fault}"),
    };
    println!("{}: {}", plugin.file, running(&plugin));
    analyze(file)
}

/// What the types say, if `luau-analyze` is installed.
fn analyze(file: &Path) -> Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let types = folder.path().join("foretype.d.luau");
    std::fs::write(&types, declarations())?;
    let definitions = format!("--definitions={}", types.display());
    match Command::new("luau-analyze").arg(definitions).arg(file).status() {
        Ok(status) if status.success() => Ok(ExitCode::SUCCESS),
        Ok(_) => Ok(ExitCode::FAILURE),
        Err(_) => {
            println!("types are not checked: luau-analyze is not installed");
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn trust(root: &Path) -> Result<ExitCode> {
    let entries = look(root)?.entries();
    let new: Vec<_> = entries.iter().filter(|entry| matches!(entry.state, EntryState::Untrusted)).collect();
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
    let was = trust::remove(root)?;
    println!("{} {}", if was { "no longer trusted:" } else { "nothing was trusted in" }, root.display());
    Ok(ExitCode::SUCCESS)
}
