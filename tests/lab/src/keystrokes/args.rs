//! Command line of `foretype-lab keystrokes`.

use std::path::PathBuf;

use serde_json::Value;

use super::llama::LlamaVariant;

/// Arguments of `foretype-lab keystrokes`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Traces that `foretype-lab trace` made
    pub(super) traces: Vec<PathBuf>,
    /// The model: a name that `foretype model list` shows, or a path; other systems need a GGUF file
    #[arg(long)]
    pub(super) model: Option<String>,
    /// Threads of each system; all cores by default
    #[arg(long)]
    pub(super) threads: Option<usize>,
    /// Compare with this llama-server
    #[arg(long, value_name = "PROGRAM")]
    pub(super) llama_server: Option<PathBuf>,
    /// Ways to use llama-server; all by default
    #[arg(long = "variant", value_enum)]
    pub(super) variants: Vec<LlamaVariant>,
    /// Additional arguments for llama-server
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true)]
    pub(super) llama_argument: Vec<String>,
    /// Compare with another language server that has inline completion; spaces separate the words of the command
    #[arg(long = "lsp", value_name = "NAME=COMMAND")]
    pub(super) servers: Vec<String>,
    /// Compare with Foretype running this plugin, in turns; a plugin that fails is run as well
    #[arg(long = "plugin", value_name = "FILE")]
    pub(super) plugins: Vec<PathBuf>,
    /// Compare with Foretype answering one chat question after the other at the same time, in turns
    #[arg(long)]
    pub(super) answering: bool,
    /// Options for Foretype that override those of the benchmark, as JSON
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = parse_json)]
    pub(super) options: Value,
    /// Repetitions of each trace with each system; the report has medians
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) repeat: u16,
    /// Milliseconds that a suggestion must be visible before the typist accepts it
    #[arg(long, default_value_t = 300)]
    pub(super) reaction_ms: u64,
    /// Characters of the shortest suggestion that the typist accepts
    #[arg(long, default_value_t = 4)]
    pub(super) shortest: usize,
    /// Factor by which to type faster than the traces say
    #[arg(long, default_value_t = 1.0)]
    pub(super) speed: f64,
    /// Repeat a run, at most twice, if other processes used more than this share of the machine's CPU time, in percent
    #[arg(long, default_value_t = 10.0)]
    pub(super) disturbed: f64,
    /// Write the report with every key of every run as JSON
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Add the runs of an earlier `--json` file to the report
    #[arg(long, value_name = "FILE")]
    pub(super) from: Vec<PathBuf>,
    /// Print the table as Markdown
    #[arg(long)]
    pub(super) markdown: bool,
    /// Draw a chart to NAME.svg and NAME.png
    #[arg(long, value_name = "NAME")]
    pub(super) picture: Option<PathBuf>,
}

impl Args {
    /// Number of threads that each system gets.
    pub(super) fn thread_count(&self) -> usize {
        self.threads.unwrap_or_else(available_processors)
    }
}

/// Number of processors that this process may use.
pub(super) fn available_processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn parse_json(text: &str) -> serde_json::Result<Value> {
    serde_json::from_str(text)
}
