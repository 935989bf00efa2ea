//! Connection to the process of a language server, over its standard input and output.

use std::io::{BufReader, BufWriter};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lsp_server::{Message, Notification, Request, RequestId, Response};
use serde_json::Value;

/// A language server and the connection to it. Dropping it ends the process.
pub(super) struct LspConnection {
    child: Child,
    /// Buffered, so that a message is one write.
    input: BufWriter<ChildStdin>,
    messages: Receiver<(Instant, Message)>,
    last_id: i32,
}

impl LspConnection {
    /// Starts the process.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub(super) fn start(mut command: Command) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().with_context(|| format!("cannot start {program}"))?;
        let (input, output) = (child.stdin.take().context("no pipe")?, child.stdout.take().context("no pipe")?);
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            // The end of the output and a malformed message both end the connection.
            while let Ok(Some(message)) = Message::read(&mut output) {
                if sender.send((Instant::now(), message)).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, input: BufWriter::new(input), messages, last_id: 0 })
    }

    /// Process of the server.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a notification.
    pub(super) fn notify(&mut self, method: &str, params: Value) -> Result<()> {
        self.write(Notification { method: method.to_owned(), params }.into())
    }

    /// Sends a request and returns its id.
    pub(super) fn send_request(&mut self, method: &str, params: Value) -> Result<RequestId> {
        self.last_id += 1;
        let id = RequestId::from(self.last_id);
        self.write(Request { id: id.clone(), method: method.to_owned(), params }.into())?;
        Ok(id)
    }

    /// Sends a request and waits for its result. Other messages that arrive meanwhile are dropped.
    ///
    /// # Errors
    /// If the server answers with an error, or not within `timeout`.
    pub(super) fn request(&mut self, method: &str, params: Value, timeout: Duration) -> Result<Value> {
        let id = self.send_request(method, params)?;
        let deadline = Instant::now() + timeout;
        while let Some((_, message)) = self.receive(deadline)? {
            if let Message::Response(response) = message
                && response.id == id
            {
                return match response.response_result {
                    Ok(result) => Ok(result),
                    Err(error) => bail!("{method}: {}", error.message),
                };
            }
        }
        bail!("{method} was not answered in time")
    }

    /// Waits until `deadline` for a notification or response and returns it with its time of arrival. Requests of the
    /// server are answered with null.
    ///
    /// # Errors
    /// If the server has ended.
    pub(super) fn receive(&mut self, deadline: Instant) -> Result<Option<(Instant, Message)>> {
        loop {
            let timeout = deadline.saturating_duration_since(Instant::now());
            match self.messages.recv_timeout(timeout) {
                Ok((_, Message::Request(request))) => self.write(Response::new_ok(request.id, Value::Null).into())?,
                Ok(received) => return Ok(Some(received)),
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => bail!("the language server has ended"),
            }
        }
    }

    fn write(&mut self, message: Message) -> Result<()> {
        message.write(&mut self.input).context("the language server has closed its input")
    }
}

impl Drop for LspConnection {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
