//! `foretype daemon`: manages the background process that editor windows share.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use super::output::print_json;
use crate::daemon;

/// Arguments of `foretype daemon`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the status of the daemon; exit with code 1 if it is not running
    Status {
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Stop the daemon; the next editor window starts it again
    Stop,
    /// Run the daemon in the foreground
    #[command(hide = true)]
    Serve,
}

/// Runs `foretype daemon`.
pub(crate) fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        Command::Status { json } => return status(json),
        Command::Stop if daemon::stop()? => println!("The daemon has stopped."),
        Command::Stop => println!("No daemon is running."),
        Command::Serve => daemon::serve()?,
    }
    Ok(ExitCode::SUCCESS)
}

fn status(json: bool) -> Result<ExitCode> {
    let status = daemon::status()?;
    if json {
        print_json(&status)?;
    } else if let Some(status) = &status {
        let editors = match status["clients"].as_u64() {
            Some(1) => "one editor".to_owned(),
            Some(0) | None => "no editor".to_owned(),
            Some(many) => format!("{many} editors"),
        };
        println!("The daemon is running as process {} for {editors}.", status["pid"]);
        for model in status["models"].as_array().into_iter().flatten() {
            let text = |name: &str| model[name].as_str().unwrap_or_default();
            println!("  {} {}{}", text("state"), text("model"), text("message"));
            if let Some(engine) = model["engine"].as_object() {
                let count = |name: &str| engine.get(name).and_then(serde_json::Value::as_u64).unwrap_or_default();
                println!(
                    "    {} prompt tokens evaluated, {} reused, {} generated ({} of {} drafted tokens accepted)",
                    count("evaluated"),
                    count("reused"),
                    count("generated"),
                    count("accepted"),
                    count("drafted"),
                );
            }
        }
    } else {
        println!("No daemon is running.");
    }
    Ok(if status.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
