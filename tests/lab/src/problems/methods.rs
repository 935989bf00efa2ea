//! Ways to put a problem to a model: plain continuation, Foretype's own commands, and the chat endpoint of a llama-server that
//! has the same model.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use foretype::config::Config;
use foretype::models;
use serde_json::{Value, json};

use super::ProblemSetArgs;
use crate::keystrokes::llama::server::LlamaServer;

/// An answer may take so long on a busy machine.
const CHAT_TIMEOUT: Duration = Duration::from_secs(600);

/// Options of sets that can be asked in several ways.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) set: ProblemSetArgs,
    /// How the model is asked; several can be compared. Unset, by plain continuation (docstrings: and as Foretype does it)
    #[arg(long = "way", value_enum, value_delimiter = ',')]
    methods: Vec<MethodArg>,
    /// The llama-server of `--way llama-server`; it is started and ended
    #[arg(long, value_name = "PROGRAM")]
    llama_server: Option<PathBuf>,
    #[arg(skip)]
    server: std::sync::OnceLock<LlamaServer>,
}

/// Names of ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum MethodArg {
    /// The bare model, from left to right
    Plain,
    /// `foretype translate`, `generate` or `docstring`
    Foretype,
    /// The chat endpoint of llama-server
    LlamaServer,
}

/// A way that is ready.
#[derive(Debug, Clone, Copy)]
pub(super) enum AnswerMethod<'a> {
    Plain,
    Foretype,
    Llama(&'a LlamaServer),
}

impl Args {
    /// The ways that were asked for, with their names in a report; plain continuation where none was.
    pub(super) fn methods(&self, plain: &'static str) -> Result<Vec<(&'static str, AnswerMethod<'_>)>> {
        if self.methods.is_empty() { Ok(vec![(plain, AnswerMethod::Plain)]) } else { self.chosen_methods(plain, "foretype") }
    }

    /// [`ways`](Self::ways), and beside plain continuation the way of a command of Foretype's, where none was asked for.
    pub(super) fn methods_or_both(&self, plain: &'static str, command: &'static str) -> Result<Vec<(&'static str, AnswerMethod<'_>)>> {
        match self.methods.is_empty() {
            true => Ok(vec![(plain, AnswerMethod::Plain), (command, AnswerMethod::Foretype)]),
            false => self.chosen_methods(plain, command),
        }
    }

    fn chosen_methods(&self, plain: &'static str, command: &'static str) -> Result<Vec<(&'static str, AnswerMethod<'_>)>> {
        let way = |name: &MethodArg| {
            Ok(match name {
                MethodArg::Plain => (plain, AnswerMethod::Plain),
                MethodArg::Foretype => (command, AnswerMethod::Foretype),
                MethodArg::LlamaServer => ("llama-server chat", AnswerMethod::Llama(self.server()?)),
            })
        };
        self.methods.iter().map(way).collect()
    }

    fn server(&self) -> Result<&LlamaServer> {
        if let Some(server) = self.server.get() {
            return Ok(server);
        }
        let program = self.llama_server.as_ref().context("say which llama-server with --llama-server PROGRAM")?;
        let config = Config::load(None)?;
        let model = models::resolve(self.set.which.model.as_deref().or(config.model.as_deref()))?;
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let server = LlamaServer::start(program, &model, threads, &[])?;
        Ok(self.server.get_or_init(|| server))
    }
}

/// The code of the answer to one message, greedy, and the milliseconds that it took; an empty text where the server gives none.
pub(super) fn chat_code(server: &LlamaServer, message: &str) -> (String, f64) {
    let started = Instant::now();
    let answer = chat(server.port, message).inspect_err(|why| eprintln!("note: {why:#}"));
    (first_code_block(&answer.unwrap_or_default()).to_owned(), started.elapsed().as_secs_f64() * 1000.0)
}

fn chat(port: u16, message: &str) -> Result<String> {
    /// As many as Foretype writes at the least.
    const TOKENS: usize = 512;
    let body = json!({
        "messages": [{ "role": "user", "content": message }], "temperature": 0, "max_tokens": TOKENS,
    });
    let agent = ureq::Agent::new_with_config(ureq::Agent::config_builder().timeout_global(Some(CHAT_TIMEOUT)).build());
    let request = agent.post(format!("http://127.0.0.1:{port}/v1/chat/completions")).content_type("application/json");
    let text = request.send(body.to_string())?.body_mut().read_to_string()?;
    let answer: Value = serde_json::from_str(&text)?;
    let text = answer["choices"][0]["message"]["content"].as_str();
    ensure!(text.is_some(), "llama-server answers without a message");
    Ok(text.unwrap_or_default().to_owned())
}

/// The first block of code in Markdown; all of it where there is none.
fn first_code_block(text: &str) -> &str {
    let Some(open) = text.find("```") else { return text };
    let inner = text[open..].find('\n').map_or("", |at| &text[open + at + 1..]);
    inner.find("\n```").map_or(inner, |end| &inner[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_block_is_the_code() {
        assert_eq!(first_code_block("Sure:\n```python\nx = 1\n```\nand\n```\ny\n```"), "x = 1\n");
        assert_eq!(first_code_block("```python\nx = 1"), "x = 1");
        assert_eq!(first_code_block("x = 1"), "x = 1");
    }
}
