//! `foretype plugin test`: runs the fixtures of plugins.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::check::plugin_file;
use crate::cli::output::print_json;
use crate::plugins::fixtures::{self, FixtureCase};
use crate::plugins::{user_folder, workspace_folder};

/// Arguments of `foretype plugin test`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Names or files of plugins; by default all plugins of this workspace and your own that have fixtures
    #[arg(value_name = "NAME|FILE")]
    plugins: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs `foretype plugin test`.
pub(super) fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    let files = match args.plugins.as_slice() {
        [] => files_with_fixtures(root),
        names => names.iter().map(|name| plugin_file(root, name)).collect::<Result<_>>()?,
    };
    ensure!(
        !files.is_empty(),
        "no plugin has fixtures: write NAME.fixtures next to NAME.luau (docs/guides/plugins.md)"
    );
    let mut results = Vec::new();
    for file in &files {
        for (case, failure) in test(file)? {
            if !args.json {
                print_result(file, &case, failure.as_deref());
            }
            results.push(json!({ "plugin": file, "case": case.name, "line": case.line, "failure": failure }));
        }
    }
    let failed = results.iter().filter(|result| result["failure"] != Value::Null).count();
    if args.json {
        print_json(&results)?;
    } else {
        println!("{} passed, {failed} failed", results.len() - failed);
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns the plugin files of both folders that have fixtures.
fn files_with_fixtures(root: &Path) -> Vec<PathBuf> {
    let folders = user_folder().into_iter().chain([workspace_folder(root)]);
    let files = folders.flat_map(|folder| crate::plugins::list_plugin_files(&folder)).map(|file| file.path);
    files.filter(|path| fixtures::fixtures_path(path).is_file()).collect()
}

/// Runs each case of a plugin; returns the cases with their failures.
fn test(file: &Path) -> Result<Vec<(FixtureCase, Option<String>)>> {
    let read = |path: &Path| std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    let source = read(file)?;
    let path = fixtures::fixtures_path(file);
    ensure!(
        path.is_file(),
        "{} has no fixtures: write {} (docs/guides/plugins.md); `foretype plugin check` looks at a plugin without them",
        file.display(),
        path.display()
    );
    let cases = fixtures::parse(&read(&path)?).with_context(|| format!("{}", path.display()))?;
    let result = |case: FixtureCase| {
        let failure = case.run(file, &source).unwrap_or_else(|error| Some(format!("{error:#}\n")));
        (case, failure)
    };
    Ok(cases.into_iter().map(result).collect())
}

fn print_result(file: &Path, case: &FixtureCase, failure: Option<&str>) {
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    match failure {
        None => println!("ok      {name}: {}", case.name),
        Some(failure) => {
            println!("FAILED  {name}: {} ({}:{})", case.name, fixtures::fixtures_path(file).display(), case.line);
            for line in failure.lines() {
                println!("        {line}");
            }
        }
    }
}
