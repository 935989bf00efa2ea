//! Commands that have moved to the laboratory, the crate `foretype-lab`. For one release they say where they went.

use std::ffi::OsString;
use std::process::ExitCode;

/// Exit code for a command line that this program does not accept, as clap has it.
const USAGE_ERROR_EXIT_CODE: u8 = 2;

/// Arguments of a command that has moved. They are ignored.
#[derive(Debug, clap::Args)]
pub(crate) struct MovedArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<OsString>,
}

impl MovedArgs {
    /// First argument: the subcommand of a moved group of commands.
    pub(super) fn subcommand(&self) -> &str {
        self.arguments.first().and_then(|argument| argument.to_str()).unwrap_or("COMMAND")
    }
}

/// Says where `foretype old` has moved and returns the exit code of a usage error.
pub(super) fn report(old: &str, new: &str) -> ExitCode {
    eprintln!(
        "foretype: `foretype {old}` has moved to the laboratory in Foretype's repository: run \
         `cargo run --release -p foretype-lab -- {new} …` there"
    );
    ExitCode::from(USAGE_ERROR_EXIT_CODE)
}
