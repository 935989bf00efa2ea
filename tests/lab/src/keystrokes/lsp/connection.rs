//! Messages to and from a language server's process, over its standard input and output.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

/// A message larger than this is not believed.
const MOST: usize = 64 << 20;

/// A process and the connection to it. It ends with this.
pub(super) struct LspConnection {
    child: Child,
    input: ChildStdin,
    messages: Receiver<(Instant, Value)>,
    last_id: i64,
}

impl LspConnection {
    /// Starts the process.
    pub(super) fn start(mut command: Command) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().with_context(|| format!("cannot start {program}"))?;
        let (input, output) = (child.stdin.take().context("no pipe")?, child.stdout.take().context("no pipe")?);
        let (send, messages) = channel();
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            while let Some(message) = read(&mut output) {
                if send.send((Instant::now(), message)).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, input, messages, last_id: 0 })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a notification.
    pub(super) fn notify(&mut self, method: &str, parameters: &Value) -> Result<()> {
        self.write(&json!({ "jsonrpc": "2.0", "method": method, "params": parameters }))
    }

    /// Sends a request and returns its number.
    pub(super) fn send_request(&mut self, method: &str, parameters: Value) -> Result<i64> {
        self.last_id += 1;
        self.write(&json!({ "jsonrpc": "2.0", "id": self.last_id, "method": method, "params": parameters }))?;
        Ok(self.last_id)
    }

    /// Sends a request and waits for its result; what else comes meanwhile is of no interest.
    pub(super) fn request(&mut self, method: &str, parameters: Value, patience: Duration) -> Result<Value> {
        let id = self.send_request(method, parameters)?;
        let until = Instant::now() + patience;
        while let Some((_, mut message)) = self.listen(until)? {
            if message["id"] == id && message.get("method").is_none() {
                ensure!(message.get("error").is_none(), "{method}: {}", message["error"]["message"]);
                return Ok(message["result"].take());
            }
        }
        bail!("{method} was not answered in time")
    }

    /// Waits for a message and says when it came. What the server asks is answered with nothing.
    pub(super) fn listen(&mut self, until: Instant) -> Result<Option<(Instant, Value)>> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let (at, message) = match self.messages.recv_timeout(left) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => bail!("the language server has ended"),
            };
            if message.get("method").is_none() || message.get("id").is_none() {
                return Ok(Some((at, message)));
            }
            self.write(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": null }))?;
        }
    }

    fn write(&mut self, message: &Value) -> Result<()> {
        let body = message.to_string();
        let message = format!("Content-Length: {}\r\n\r\n{body}", body.len());
        let written = self.input.write_all(message.as_bytes()).and_then(|()| self.input.flush());
        written.context("the language server does not read any more")
    }
}

impl Drop for LspConnection {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(output: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if output.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("Content-Length:") {
            length = value.trim().parse().ok().filter(|length| *length <= MOST)?;
        }
    }
    let mut body = vec![0; length];
    output.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}
