//! Methods to solve a problem: plain continuation, Foretype's commands, and the chat endpoint of a llama-server with
//! the same model.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use foretype::config::Config;
use foretype::models;
use serde_json::{Value, json};

use super::ProblemSetArgs;
use crate::keystrokes::llama::server::LlamaServer;

/// Time limit for an answer, on a busy machine.
const CHAT_TIMEOUT: Duration = Duration::from_secs(600);
/// Token limit of an answer: the smallest limit of Foretype's own commands.
const MAX_CHAT_TOKENS: usize = 512;

/// Options of the problem sets that several methods can solve.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) set: ProblemSetArgs,
    /// Methods to compare; by default plain continuation, and for docstrings also Foretype's command
    #[arg(long = "way", value_enum, value_delimiter = ',')]
    methods: Vec<MethodArg>,
    /// Program of `--way llama-server`; it is started and stopped
    #[arg(long, value_name = "PROGRAM")]
    llama_server: Option<PathBuf>,
    #[arg(skip)]
    server: std::sync::OnceLock<LlamaServer>,
}

/// Methods on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum MethodArg {
    /// The model alone, from left to right
    Plain,
    /// `foretype translate`, `generate` or `docstring`
    Foretype,
    /// The chat endpoint of llama-server
    LlamaServer,
}

/// A method that is ready to use.
#[derive(Debug, Clone, Copy)]
pub(super) enum AnswerMethod<'a> {
    Plain,
    Foretype,
    Llama(&'a LlamaServer),
}

impl Args {
    /// Chosen methods with their names in the report. The default is plain continuation.
    pub(super) fn methods(&self, plain: &'static str) -> Result<Vec<(&'static str, AnswerMethod<'_>)>> {
        if self.methods.is_empty() {
            return Ok(vec![(plain, AnswerMethod::Plain)]);
        }
        self.chosen_methods(plain, "foretype")
    }

    /// Chosen methods with their names in the report. The default is plain continuation and Foretype's command.
    pub(super) fn methods_or_both(
        &self,
        plain: &'static str,
        command: &'static str,
    ) -> Result<Vec<(&'static str, AnswerMethod<'_>)>> {
        if self.methods.is_empty() {
            return Ok(vec![(plain, AnswerMethod::Plain), (command, AnswerMethod::Foretype)]);
        }
        self.chosen_methods(plain, command)
    }

    fn chosen_methods(
        &self,
        plain: &'static str,
        command: &'static str,
    ) -> Result<Vec<(&'static str, AnswerMethod<'_>)>> {
        let method = |argument: &MethodArg| {
            Ok(match argument {
                MethodArg::Plain => (plain, AnswerMethod::Plain),
                MethodArg::Foretype => (command, AnswerMethod::Foretype),
                MethodArg::LlamaServer => ("llama-server chat", AnswerMethod::Llama(self.server()?)),
            })
        };
        self.methods.iter().map(method).collect()
    }

    /// The llama-server, started at the first call.
    fn server(&self) -> Result<&LlamaServer> {
        if let Some(server) = self.server.get() {
            return Ok(server);
        }
        let program = self.llama_server.as_ref().context("--way llama-server needs --llama-server PROGRAM")?;
        let config = Config::load(None)?;
        let model = models::resolve(self.set.which.model.as_deref().or(config.model.as_deref()))?;
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let server = LlamaServer::start(program, &model, threads, &[])?;
        Ok(self.server.get_or_init(|| server))
    }
}

/// Sends one message to the chat endpoint, greedy. Returns the code of the answer, which is empty if the server gives
/// none, and the milliseconds.
pub(super) fn chat_code(server: &LlamaServer, message: &str) -> (String, f64) {
    let started = Instant::now();
    let answer = chat(server.port, message).inspect_err(|error| eprintln!("note: {error:#}"));
    (first_code_block(&answer.unwrap_or_default()).to_owned(), started.elapsed().as_secs_f64() * 1000.0)
}

fn chat(port: u16, message: &str) -> Result<String> {
    let body = json!({
        "messages": [{ "role": "user", "content": message }], "temperature": 0, "max_tokens": MAX_CHAT_TOKENS,
    });
    let agent = ureq::Agent::new_with_config(ureq::Agent::config_builder().timeout_global(Some(CHAT_TIMEOUT)).build());
    let request = agent.post(format!("http://127.0.0.1:{port}/v1/chat/completions")).content_type("application/json");
    let text = request.send(body.to_string())?.body_mut().read_to_string()?;
    let answer: Value = serde_json::from_str(&text)?;
    let text = answer["choices"][0]["message"]["content"].as_str();
    Ok(text.context("llama-server answers without a message")?.to_owned())
}

/// First code block of a Markdown text, or all of the text if there is none.
fn first_code_block(text: &str) -> &str {
    let Some(open) = text.find("```") else { return text };
    let inner = text[open..].find('\n').map_or("", |at| &text[open + at + 1..]);
    inner.find("\n```").map_or(inner, |end| &inner[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_code_block_is_the_code() {
        assert_eq!(first_code_block("Sure:\n```python\nx = 1\n```\nand\n```\ny\n```"), "x = 1\n");
        assert_eq!(first_code_block("```python\nx = 1"), "x = 1");
        assert_eq!(first_code_block("x = 1"), "x = 1");
    }
}
