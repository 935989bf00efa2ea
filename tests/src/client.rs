//! LSP client over the standard input and output of the real binary.
//!
//! It keeps messages until a test reads them and fails when it is dropped with an unread one, so that no test passes
//! while the server sends something unexpected.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Time after which a test gives up waiting, even on a busy machine.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Notifications that may arrive at any time and that a test need not read.
const IGNORED_METHODS: &[&str] = &["foretype/status", "$/progress", "window/logMessage"];

/// Client and its server process.
pub struct Client {
    child: Child,
    input: Option<ChildStdin>,
    messages: Receiver<Value>,
    unread: VecDeque<Value>,
    last_id: i64,
}

impl Client {
    /// Starts the server.
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let output = child.stdout.take().expect("a pipe");
        let (send, messages) = channel();
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            while let Some(message) = read(&mut output) {
                if send.send(message).is_err() {
                    return;
                }
            }
        });
        Self { input: child.stdin.take(), child, messages, unread: VecDeque::new(), last_id: 0 }
    }

    /// Process ID of the server.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("not closed");
        input.write_all(bytes).and_then(|()| input.flush()).expect("the server reads");
    }

    /// Sends a message body with its header.
    pub fn body(&mut self, body: &[u8]) {
        let header = format!("Content-Length: {}\r\n\r\n", body.len());
        self.raw(&[header.as_bytes(), body].concat());
    }

    /// Sends a notification.
    pub fn notify(&mut self, method: &str, params: Value) {
        self.body(json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string().as_bytes());
    }

    /// Sends a request and returns its ID.
    pub fn send(&mut self, method: &str, params: Value) -> i64 {
        self.last_id += 1;
        let request = json!({ "jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params });
        self.body(request.to_string().as_bytes());
        self.last_id
    }

    /// Waits for the answer to a request: its result or its error.
    pub fn answer(&mut self, id: i64) -> Result<Value, Value> {
        let mut answer = self.take(|message| message["id"] == id && message.get("method").is_none());
        match answer.get("error") {
            Some(error) => Err(error.clone()),
            None => Ok(answer["result"].take()),
        }
    }

    /// Sends a request and waits for its result.
    pub fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params);
        self.answer(id).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Waits for a notification or request of the server.
    pub fn wait_for(&mut self, method: &str) -> Value {
        self.take(|message| message["method"] == method)
    }

    /// Waits for a request of the server, answers it and returns its parameters.
    pub fn answers(&mut self, method: &str, result: Value) -> Value {
        let mut request = self.wait_for(method);
        let answer = json!({ "jsonrpc": "2.0", "id": request["id"], "result": result });
        self.body(answer.to_string().as_bytes());
        request["params"].take()
    }

    /// Waits for the first message that fits.
    pub fn take(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        loop {
            if let Some(at) = self.unread.iter().position(&fits) {
                return self.unread.remove(at).expect("just found");
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.messages.recv_timeout(left) {
                Ok(message) => self.unread.push_back(message),
                Err(error) => panic!("no such message ({error}); unread: {:?}", self.unread),
            }
        }
    }

    /// Returns the next unread message; `None` if none arrives in time.
    pub fn next(&mut self, patience: Duration) -> Option<Value> {
        self.unread.pop_front().or_else(|| self.messages.recv_timeout(patience).ok())
    }

    /// Kills the server process. Unread messages are lost.
    pub fn kill(mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        self.unread.clear();
        self.messages = channel().1;
    }

    /// Sends `initialize` and `initialized`, and waits until the model is loaded.
    pub fn initialize(&mut self, params: Value) -> Value {
        let result = self.request("initialize", params);
        self.notify("initialized", json!({}));
        self.take(|message| message["method"] == "foretype/status" && message["params"]["busy"] == false);
        result
    }

    /// Opens a document.
    pub fn open(&mut self, uri: &str, language: &str, text: &str) {
        let document = json!({ "uri": uri, "languageId": language, "version": 1, "text": text });
        self.notify("textDocument/didOpen", json!({ "textDocument": document }));
    }

    /// Inserts `text` at a position.
    pub fn insert(&mut self, uri: &str, version: i64, (line, character): (u32, u32), text: &str) {
        let at = json!({ "line": line, "character": character });
        let change = json!({ "range": { "start": at, "end": at }, "text": text });
        let document = json!({ "uri": uri, "version": version });
        self.notify("textDocument/didChange", json!({ "textDocument": document, "contentChanges": [change] }));
    }

    /// Closes the input, as a terminated editor does, and waits for the server to exit.
    pub fn close(&mut self) -> ExitStatus {
        self.input = None;
        self.wait()
    }

    /// Sends `shutdown` and `exit`, and waits for the server to exit.
    pub fn shut_down(&mut self) -> ExitStatus {
        let id = self.send("shutdown", Value::Null);
        assert_eq!(self.answer(id), Ok(Value::Null));
        self.body(br#"{"jsonrpc":"2.0","method":"exit"}"#);
        self.wait()
    }

    /// Waits for the server to exit.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("our own child") {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the server does not exit");
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            self.unread.extend(self.messages.iter());
            self.unread.retain(|message| !IGNORED_METHODS.iter().any(|method| message["method"] == *method));
            assert!(self.unread.is_empty(), "unread messages: {:?}", self.unread);
        }
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
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    output.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}
