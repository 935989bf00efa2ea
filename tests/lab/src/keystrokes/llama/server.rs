//! A llama-server process of the benchmark, on a free port.

use std::io::{Read, Seek};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use foretype_plugins::fim_format::FimFormat;
use serde_json::{Value, json};

use super::super::system::ServerUsage;
use super::http;

/// Time limit for loading the model.
const LOAD_TIMEOUT: Duration = Duration::from_secs(120);
/// Lines of the log that an error message shows.
const MAX_LOG_LINES: usize = 8;

/// Version that a llama-server reports, in one line.
///
/// # Errors
/// If the program cannot be run.
pub(crate) fn version(program: &Path) -> Result<String> {
    let output = Command::new(program).arg("--version").output();
    let output = output.with_context(|| format!("cannot start {}", program.display()))?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let version = text.lines().find_map(|line| line.strip_prefix("version:"));
    Ok(version.map_or("of an unknown version", str::trim).to_owned())
}

/// A running server. Dropping it ends the process.
#[derive(Debug)]
pub(crate) struct LlamaServer {
    child: Child,
    /// Log of the server.
    log: std::fs::File,
    /// Port on this machine.
    pub(crate) port: u16,
}

impl LlamaServer {
    /// Starts `program` with a model and waits until it is ready. Batch sizes and cache reuse are those of llama.cpp's
    /// own presets for completion (`--fim-qwen-1.5b-default`).
    ///
    /// # Errors
    /// If the server cannot be started or does not load its model in time.
    pub(crate) fn start(program: &Path, model: &Path, threads: usize, arguments: &[String]) -> Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(program);
        command.arg("--model").arg(model).args(["--host", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--threads", &threads.to_string(), "--parallel", "1", "--ctx-size", "4096"]);
        command.args(["--batch-size", "1024", "--ubatch-size", "1024", "--cache-reuse", "256"]);
        command.args(["--metrics", "--no-webui", "--offline"]).args(arguments);
        let log = tempfile::tempfile().context("cannot make a temporary file")?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.try_clone()?);
        let child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let mut server = Self { child, log, port };
        server.wait_until_ready()?;
        Ok(server)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + LOAD_TIMEOUT;
        while Instant::now() < deadline {
            if http::call(self.port, "GET", "/health", "").is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("llama-server ended: {status}; its last messages:\n{}", self.log_tail());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("llama-server has not loaded its model in time")
    }

    fn log_tail(&mut self) -> String {
        let mut text = Vec::new();
        // An unreadable log is left out: there is an error to report already.
        let _ = self.log.rewind().and_then(|()| self.log.read_to_end(&mut text));
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(MAX_LOG_LINES)..].join("\n")
    }

    /// Process of the server.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Fill-in-the-middle format of the model, detected by its special tokens.
    pub(super) fn fim_format(&self, model: &Path) -> Result<&'static FimFormat> {
        let name = model.file_stem().unwrap_or_default().to_string_lossy();
        let has = |token: &str| {
            let body = json!({ "content": token, "parse_special": true }).to_string();
            let answer = http::call(self.port, "POST", "/tokenize", &body).ok();
            let answer: Option<Value> = answer.and_then(|text| serde_json::from_str(&text).ok());
            answer.and_then(|answer| Some(answer["tokens"].as_array()?.len() == 1)).unwrap_or(false)
        };
        FimFormat::detect(&name, has).context("the model has no known fill-in-the-middle format")
    }

    /// Usage since the start, including cancelled requests.
    pub(super) fn usage(&self) -> Result<ServerUsage> {
        let text = http::call(self.port, "GET", "/metrics", "")?;
        let drafted = metric(&text, "spec_decode_num_draft_tokens_total").filter(|count| *count > 0.0);
        Ok(ServerUsage {
            prompt_tokens: metric(&text, "prompt_tokens_total"),
            generated_tokens: metric(&text, "tokens_predicted_total"),
            draft_tokens: drafted,
            accepted_tokens: drafted.and(metric(&text, "spec_decode_num_accepted_tokens_total")),
            cpu_seconds: None,
        })
    }
}

impl Drop for LlamaServer {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on this machine")?;
    Ok(listener.local_addr()?.port())
}

/// Value of a metric of llama-server in the format of Prometheus.
fn metric(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("llamacpp:")?.strip_prefix(name)?.strip_prefix(' '))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_the_metrics_endpoint() {
        let page =
            "# HELP llamacpp:prompt_tokens_total x\nllamacpp:prompt_tokens_total 250\nllamacpp:prompt_seconds 1\n";
        assert_eq!(metric(page, "prompt_tokens_total"), Some(250.0));
        assert_eq!(metric(page, "prompt_tokens"), None);
    }
}
