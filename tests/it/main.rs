//! One binary for all black-box tests; one module for each thing that a user does.

mod bench;
mod cli;
mod house;
mod lsp;
mod model_pull;
