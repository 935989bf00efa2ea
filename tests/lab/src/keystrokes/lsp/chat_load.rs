//! Somebody who asks one question after the other while a typist types.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::connection::LspConnection;

/// Asks for a long answer.
const CHAT_QUESTION: &str = "Explain in detail, line by line, what this code does, and what could go wrong in each line.";
/// What the pieces of answers are sent with.
const PARTIAL_RESULT_TOKEN: &str = "answer";

/// The answer that is being written.
#[derive(Debug, Default)]
pub(super) struct ChatLoad {
    running: Option<i64>,
    /// Bytes of all answers.
    written: usize,
}

impl ChatLoad {
    /// Asks about a document, unless an answer is being written.
    pub(super) fn ask_if_idle(&mut self, wire: &mut LspConnection, uri: &str) -> Result<()> {
        if self.running.is_none() {
            let document = json!({ "uri": uri });
            let parameters = json!({ "question": CHAT_QUESTION, "textDocument": document, "partialResultToken": PARTIAL_RESULT_TOKEN });
            self.running = Some(wire.send_request("foretype/ask", parameters)?);
        }
        Ok(())
    }

    /// Takes a message if it belongs to an answer.
    pub(super) fn handle(&mut self, message: &Value) -> Result<bool> {
        let parameters = &message["params"];
        if message["method"] == "$/progress" && parameters["token"] == PARTIAL_RESULT_TOKEN {
            self.written += parameters["value"]["text"].as_str().map_or(0, str::len);
            return Ok(true);
        }
        let ended = self.running.is_some_and(|id| message["id"] == id) && message.get("method").is_none();
        if ended {
            ensure!(message.get("error").is_none(), "a question was not answered: {}", message["error"]["message"]);
            self.running = None;
        }
        Ok(ended)
    }

    /// Says how much was written.
    ///
    /// # Errors
    /// If a question was asked and nothing came: then nothing was measured.
    pub(super) fn report(&self, typed: Duration) -> Result<()> {
        if self.running.is_some() || self.written > 0 {
            ensure!(self.written > 0, "no answer was written while the typist typed");
            eprintln!("  answers: {:.0} bytes a second meanwhile", self.written as f64 / typed.as_secs_f64());
        }
        Ok(())
    }
}
