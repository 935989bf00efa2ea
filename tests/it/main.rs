//! One binary for all black-box tests; one module for each thing that a user does.

mod ahead;
mod ask;
mod bench;
mod cli;
mod docstring;
mod evaluate;
#[cfg(unix)]
mod git;
mod house;
mod learn;
#[cfg(target_os = "linux")]
mod load;
mod lsp;
mod model_pull;
mod plugins;
mod rewrite;
mod search;
mod train;
