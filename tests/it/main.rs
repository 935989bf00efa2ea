//! Black-box tests in one binary, with a module per feature.

mod architecture;
mod ask;
mod bench;
mod cli;
mod docstring;
mod documentation;
mod evaluate;
#[cfg(unix)]
mod git;
mod learn;
mod line_ends;
#[cfg(target_os = "linux")]
mod load;
mod lsp;
mod model_pull;
mod plugins;
mod prefetch;
mod rewrite;
mod search;
mod train;
