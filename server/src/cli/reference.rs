//! Generates `docs/reference/cli.md` from the declarations of the commands.

use std::fmt::Write as _;

use clap::{Arg, Command};

use crate::config::generated::check_copy;

/// Returns the page: a section per command and subcommand, in the order of the help.
fn page() -> String {
    let mut command = super::command().max_term_width(0);
    command.build();
    let mut page =
        "# Command line\n\n<!-- Generated from server/src/cli by `FORETYPE_UPDATE=1 cargo test -p foretype`. -->\n\n\
        `foretype help COMMAND` prints the same on the terminal.\n"
            .to_owned();
    for command in visible(&command) {
        section(&mut page, command, "foretype", 2);
    }
    page
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help")
}

fn section(page: &mut String, command: &Command, parent: &str, level: usize) {
    let name = format!("{parent} {}", command.get_name());
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    let _ = write!(page, "\n{} `{name}`\n\n{}\n\n```\n{usage}\n```\n", "#".repeat(level), sentences(&about));
    let arguments: Vec<&Arg> = command.get_arguments().filter(|argument| is_listed(argument)).collect();
    if !arguments.is_empty() {
        page.push('\n');
    }
    for argument in arguments {
        let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
        let help = (one_line(&help) + &choices(argument)).replace(". ", ".\n  ");
        let _ = writeln!(page, "* `{}`: {help}", spelling(argument));
    }
    for command in visible(command) {
        section(page, command, &name, (level + 1).min(4));
    }
}

/// True for an argument that is the command's own: help and version are everywhere.
fn is_listed(argument: &Arg) -> bool {
    !argument.is_hide_set() && !matches!(argument.get_id().as_str(), "help" | "version")
}

/// An argument as it is typed.
fn spelling(argument: &Arg) -> String {
    let Some(long) = argument.get_long() else {
        return argument.to_string();
    };
    let values = if argument.get_action().takes_values() {
        let names = argument.get_value_names().unwrap_or_default();
        names.iter().map(|name| format!(" <{name}>")).collect()
    } else {
        String::new()
    };
    match argument.get_short() {
        Some(short) => format!("-{short}, --{long}{values}"),
        None => format!("--{long}{values}"),
    }
}

/// Default and possible values, in brackets.
fn choices(argument: &Arg) -> String {
    let mut notes = Vec::new();
    let defaults: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if !defaults.is_empty() && argument.get_action().takes_values() {
        notes.push(format!("default: `{}`", defaults.join(",")));
    }
    let values = argument.get_possible_values();
    if !values.is_empty() && argument.get_action().takes_values() {
        let names: Vec<_> = values.iter().map(|value| format!("`{}`", value.get_name())).collect();
        notes.push(format!("one of {}", names.join(", ")));
    }
    notes.iter().map(|note| format!(" [{note}]")).collect()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Paragraphs with one sentence per line.
fn sentences(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|paragraph| one_line(paragraph).replace(". ", ".\n"));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

#[test]
fn the_command_line_page_is_up_to_date() {
    check_copy("docs/reference/cli.md", &page());
}
