//! Load of chat questions: one after the other is asked and answered while the typist types.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use lsp_server::{Message, RequestId};
use serde_json::json;

use super::connection::LspConnection;

/// A question with a long answer.
const CHAT_QUESTION: &str =
    "Explain in detail, line by line, what this code does, and what could go wrong in each line.";
/// Token of the partial results.
const PARTIAL_RESULT_TOKEN: &str = "answer";

/// The running question and the length of all answers.
#[derive(Debug)]
pub(super) struct ChatLoad {
    running: Option<RequestId>,
    answer_bytes: usize,
    started: Instant,
}

impl ChatLoad {
    /// A load that starts now.
    pub(super) fn new() -> Self {
        Self { running: None, answer_bytes: 0, started: Instant::now() }
    }

    /// Asks about a document, unless a question is running.
    pub(super) fn ask_if_idle(&mut self, connection: &mut LspConnection, uri: &str) -> Result<()> {
        if self.running.is_none() {
            let params = json!({
                "question": CHAT_QUESTION, "textDocument": { "uri": uri }, "partialResultToken": PARTIAL_RESULT_TOKEN,
            });
            self.running = Some(connection.send_request("foretype/ask", params)?);
        }
        Ok(())
    }

    /// Handles a message if it belongs to an answer. Returns true if so.
    ///
    /// # Errors
    /// If the server answers a question with an error.
    pub(super) fn handle(&mut self, message: &Message) -> Result<bool> {
        match message {
            Message::Notification(it) if it.method == "$/progress" && it.params["token"] == PARTIAL_RESULT_TOKEN => {
                self.answer_bytes += it.params["value"]["text"].as_str().map_or(0, str::len);
                Ok(true)
            }
            Message::Response(response) if self.running.as_ref() == Some(&response.id) => {
                if let Err(error) = &response.response_result {
                    bail!("a question was not answered: {}", error.message);
                }
                self.running = None;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Prints how fast the answers were.
    ///
    /// # Errors
    /// If a question was asked and no answer arrived: then there was no load.
    pub(super) fn report(&self) -> Result<()> {
        if self.running.is_some() || self.answer_bytes > 0 {
            ensure!(self.answer_bytes > 0, "no answer was generated while the typist typed");
            let elapsed: Duration = self.started.elapsed();
            eprintln!("  answers: {:.0} bytes per second meanwhile", self.answer_bytes as f64 / elapsed.as_secs_f64());
        }
        Ok(())
    }
}
