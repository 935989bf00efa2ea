//! Command lines of the documentation, checked against the declarations of the command lines themselves.

use std::path::Path;

use clap::Command;
use clap::error::{ContextKind, ErrorKind};

/// Programs of ours that the documentation runs.
pub(super) struct Programs {
    product: Command,
    lab: Command,
    /// Package that `cargo run` runs where none is named, if there is exactly one.
    default_package: Option<String>,
}

/// Arguments of `cargo run` that take a value.
const CARGO_OPTIONS_WITH_VALUES: [&str; 6] = ["-p", "--package", "--bin", "--features", "--profile", "--config"];

impl Programs {
    /// Declarations of the product's and the laboratory's command line. The manifests tell what `cargo run` runs.
    pub(super) fn new(manifests: &[toml::Table]) -> Self {
        let defaults =
            manifests.iter().map(|manifest| &manifest["package"]).filter_map(|package| package.get("default-run"));
        let defaults: Vec<&str> = defaults.filter_map(toml::Value::as_str).collect();
        let default_package = if let [package] = defaults[..] { Some(package.to_owned()) } else { None };
        Self { product: foretype::cli::command(), lab: foretype_lab::command(), default_package }
    }

    /// Checks one command. Other programs than ours pass.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the arguments.
    pub(super) fn check(&self, words: &[String], mention: Mention) -> Result<(), String> {
        match self.resolve(words)? {
            Some((program, arguments)) => check_arguments(program.clone(), arguments, mention),
            None => Ok(()),
        }
    }

    /// Returns the program of ours that a command runs, and the arguments that it gets.
    fn resolve<'a>(&self, words: &'a [String]) -> Result<Option<(&Command, &'a [String])>, String> {
        let program = words.first().and_then(|word| Path::new(word).file_name()).and_then(|name| name.to_str());
        match program {
            Some("foretype") => Ok(Some((&self.product, &words[1..]))),
            Some("foretype-lab") => Ok(Some((&self.lab, &words[1..]))),
            Some("cargo") if words.get(1).is_some_and(|word| word == "run") => {
                let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
                let arguments = words.get(end + 1..).unwrap_or_default();
                match package(&words[2..end]).or(self.default_package.as_deref()) {
                    Some("foretype") => Ok(Some((&self.product, arguments))),
                    Some("foretype-lab") => Ok(Some((&self.lab, arguments))),
                    Some(package) => Err(format!("no program to run in the package {package}")),
                    None => Err("the workspace has several programs: name the package".to_owned()),
                }
            }
            _ => Ok(None),
        }
    }
}

/// The package that `cargo run` is told to run.
fn package(options: &[String]) -> Option<&str> {
    let mut options = options.iter();
    while let Some(option) = options.next() {
        if CARGO_OPTIONS_WITH_VALUES.contains(&option.as_str()) {
            let value = options.next();
            if matches!(option.as_str(), "-p" | "--package") {
                return value.map(String::as_str);
            }
        }
    }
    None
}

/// Place of a command in a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mention {
    /// A line to type: complete but for placeholders.
    Block,
    /// Code in a sentence, which may name a command without all of its arguments.
    Span,
}

fn check_arguments(mut command: Command, words: &[String], mention: Mention) -> Result<(), String> {
    command.build();
    let is_complete = mention == Mention::Block && !words.iter().any(|word| is_ellipsis(word));
    let arguments: Vec<&str> =
        words.iter().filter(|word| !is_ellipsis(word)).map(|word| without_brackets(word)).collect();
    let names: Vec<&str> = arguments.iter().copied().filter(|word| !word.starts_with('-')).collect();
    if let Some(name) = hidden_command(&command, &names) {
        return Err(format!("`{name}` is not a command that users see"));
    }
    let mut accepts_any_value = false;
    loop {
        let line = [command.get_name()].into_iter().chain(arguments.iter().copied());
        let Err(error) = command.clone().try_get_matches_from(line) else { return Ok(()) };
        let context = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => return Ok(()),
            ErrorKind::MissingRequiredArgument
            | ErrorKind::MissingSubcommand
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                if !is_complete =>
            {
                return Ok(());
            }
            // An option without its value.
            ErrorKind::InvalidValue if !is_complete && context(ContextKind::InvalidValue).is_empty() => return Ok(()),
            ErrorKind::InvalidSubcommand if is_placeholder(&context(ContextKind::InvalidSubcommand)) => return Ok(()),
            // A placeholder cannot be parsed: accept any value and check the rest of the line.
            ErrorKind::ValueValidation | ErrorKind::InvalidValue
                if !accepts_any_value && is_placeholder(&context(ContextKind::InvalidValue)) =>
            {
                command = accepting_any_value(command);
                accepts_any_value = true;
            }
            _ => return Err(error.to_string().lines().next().unwrap_or_default().to_owned()),
        }
    }
}

/// The hidden command that the words lead to: one that only says where it has moved, or one that is not for users.
fn hidden_command<'a>(command: &'a Command, words: &[&str]) -> Option<&'a str> {
    let child = command.find_subcommand(words.first()?)?;
    if child.is_hide_set() { Some(child.get_name()) } else { hidden_command(child, &words[1..]) }
}

/// The command with arguments, its own and those of the commands below it, that accept any text.
fn accepting_any_value(command: Command) -> Command {
    let command = command.mut_args(|argument| {
        let takes_value = argument.get_action().takes_values();
        if takes_value { argument.value_parser(clap::value_parser!(String)) } else { argument }
    });
    command.mut_subcommands(accepting_any_value)
}

fn is_ellipsis(word: &str) -> bool {
    matches!(word, "…" | "...")
}

/// `[NAME]`, `<NAME>` and `FILE...` stand for `NAME` and `FILE`.
fn without_brackets(word: &str) -> &str {
    word.trim_start_matches(['[', '<']).trim_end_matches(['…', '.', ']', '>'])
}

/// True for a word with a part to fill in: a run of capital letters, as in `FILE:LINE`, or a variable of the shell.
fn is_placeholder(word: &str) -> bool {
    let capitals = word.split(|c: char| !c.is_ascii_uppercase() && c != '_');
    word.contains('$') || capitals.into_iter().any(|run| run.len() > 1 || run == word)
}

#[cfg(test)]
mod tests {
    use super::super::shell;
    use super::{Mention, Programs};

    fn manifest(package: &str) -> toml::Table {
        format!("[package]\n{package}").parse().expect("TOML")
    }

    fn check(line: &str, mention: Mention) -> Result<(), String> {
        let programs = Programs::new(&[manifest("default-run = 'foretype'"), manifest("")]);
        shell::commands(line).iter().try_for_each(|command| programs.check(&command.words, mention))
    }

    #[test]
    fn a_command_line_that_works_passes() {
        for line in [
            "foretype complete a.py:3 --explain",
            "foretype edit FILE:LINE[-LINE] 'do it' --write",
            "foretype evaluate repository <FOLDER> --kinds line,rest --most 20 --json $name.json",
            "foretype help COMMAND && foretype model --help",
            "cargo run --release -- complete tests/fixtures/tour/inventory.py:25 | head",
            "cargo run --release -p foretype-lab -- model --model MODEL --rows N",
            "ls --no-such-flag",
        ] {
            assert_eq!(check(line, Mention::Block), Ok(()), "{line}");
        }
        for line in [
            "foretype model",
            "foretype complete --explain",
            "foretype complete --type",
            "foretype plugin test [NAME|FILE...]",
        ] {
            assert_eq!(check(line, Mention::Span), Ok(()), "{line}");
        }
        assert_eq!(check("foretype model pull …", Mention::Block), Ok(()));
    }

    #[test]
    fn a_command_line_that_does_not_work_is_found() {
        for line in [
            "foretype compete a.py:3",
            "foretype complete a.py:3 --explian",
            "foretype complete FILE:LINE --explian",
            "foretype evaluate repository FOLDER --kinds lines",
            "foretype evaluate repository FOLDER --most many",
            "cargo run --release -p foretype-lab -- model --modell MODEL",
            "cargo run --release -p foretype-model -- model",
        ] {
            assert!(check(line, Mention::Block).is_err(), "{line}");
            assert!(check(line, Mention::Span).is_err(), "{line}");
        }
        for line in ["foretype model pull", "foretype complete a.py:3 --type"] {
            assert!(check(line, Mention::Block).is_err(), "a line to type is complete: {line}");
        }
    }

    #[test]
    fn cargo_run_needs_a_package_where_there_is_no_default() {
        let words = ["cargo", "run", "--", "doctor"].map(str::to_owned);
        let check = |manifests: &[toml::Table]| Programs::new(manifests).check(&words, Mention::Block).is_ok();
        assert!(check(&[manifest("default-run = 'foretype'"), manifest("")]));
        assert!(!check(&[manifest(""), manifest("")]));
        assert!(!check(&[manifest("default-run = 'foretype'"), manifest("default-run = 'other'")]));
    }

    #[test]
    fn a_command_that_only_says_where_it_went_does_not_work() {
        for line in ["foretype bench keystrokes", "foretype evaluate humaneval", "foretype evaluate translate --x"] {
            assert!(check(line, Mention::Span).is_err(), "{line}");
        }
    }
}
