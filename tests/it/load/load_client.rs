//! Editor window of the load tests. It tracks open files and pending requests.
//!
//! Every message is checked when it arrives: an answer belongs to a pending request and comes once, and a suggestion
//! fits the text and the position of its request and is not stale.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use foretype_tests::client::Client;
use foretype_tests::stub_model::STUB_COMPLETION;
use foretype_tests::{TestEnv, repository};
use serde_json::{Value, json};

use super::request_counts::RequestCounts;

/// Time within which every request must be answered.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Length in bytes up to which a line is certainly part of the middle of the prompt.
const MAX_LINE_BYTES: usize = 64;

/// Open file and its cursor.
pub(super) struct OpenFile {
    uri: String,
    language: &'static str,
    version: i64,
    pub(super) text: String,
    pub(super) cursor: usize,
    pub(super) is_open: bool,
    /// The ghost text that an editor would show now.
    pub(super) ghost: Option<Value>,
}

/// Request that waits for its answer.
struct PendingRequest {
    at: Instant,
    /// Index among all messages of the client.
    number: i64,
    cancelled: bool,
    query: Option<CompletionQuery>,
}

/// Position of a completion request, and the text that is expected there.
struct CompletionQuery {
    file: usize,
    position: Value,
    rest: Option<String>,
    /// True at the start of a line and in a very long one, where the stub model may see only the middle marker.
    may_see_only_marker: bool,
    /// Index of the first message that supersedes the request.
    superseded_by: Option<i64>,
}

/// Editor window.
pub(super) struct LoadClient {
    client: Client,
    units: &'static str,
    pub(super) files: Vec<OpenFile>,
    pending: BTreeMap<i64, PendingRequest>,
    /// Number of messages sent, and index of the last one that the server is known to have read.
    sent: i64,
    read: i64,
    /// True if the model is the stub model, whose output is known.
    has_stub_model: bool,
    pub(super) tally: RequestCounts,
}

const TOUR: &[(&str, &str)] = &[
    ("inventory.py", "python"),
    ("matrix.rs", "rust"),
    ("queue.ts", "typescript"),
    ("cache.go", "go"),
    ("Account.java", "java"),
];

impl LoadClient {
    /// Opens window `number` without open files. The number determines the position encoding.
    pub(super) fn open(env: &TestEnv, command: Command, has_stub_model: bool, number: usize, options: &Value) -> Self {
        let units = ["utf-8", "utf-16", "utf-32"][number % 3];
        let folder = env.path().join(format!("workspace{number}"));
        let files = TOUR.iter().map(|(name, language)| {
            let text = std::fs::read_to_string(repository().join("tests/fixtures/tour").join(name));
            let text = text.expect("a file of the tour").repeat(4);
            env.write(&format!("workspace{number}/{name}"), &text);
            let uri = format!("file://{}/{name}", folder.display());
            OpenFile { uri, language, version: 0, cursor: text.len(), text, is_open: false, ghost: None }
        });
        let files = files.collect();
        let mut client = Client::start(command);
        client.initialize(json!({
            "processId": std::process::id(),
            "capabilities": { "general": { "positionEncodings": [units] } },
            "workspaceFolders": [{ "uri": format!("file://{}", folder.display()), "name": format!("workspace{number}") }],
            "initializationOptions": options,
        }));
        let tally = RequestCounts { windows: 1, ..RequestCounts::default() };
        Self { client, units, files, pending: BTreeMap::new(), sent: 0, read: 0, has_stub_model, tally }
    }

    /// Returns true if the model is the stub model.
    pub(super) fn has_stub_model(&self) -> bool {
        self.has_stub_model
    }

    /// Number of pending requests.
    pub(super) fn pending_count(&self) -> usize {
        self.pending.len()
    }

    fn notify(&mut self, method: &str, params: Value) {
        self.sent += 1;
        self.client.notify(method, params);
    }

    /// Sends `didOpen`. The cursor is at the end of the file.
    pub(super) fn open_file(&mut self, file: usize) {
        let opened = &mut self.files[file];
        opened.is_open = true;
        opened.version += 1;
        let OpenFile { uri, language, version, text, .. } = opened;
        let document = json!({ "uri": uri, "languageId": language, "version": version, "text": text });
        self.notify("textDocument/didOpen", json!({ "textDocument": document }));
        self.supersede(file);
    }

    /// Sends `didClose`.
    pub(super) fn close_file(&mut self, file: usize) {
        self.files[file].is_open = false;
        let document = json!({ "uri": self.files[file].uri });
        self.notify("textDocument/didClose", json!({ "textDocument": document }));
        self.supersede(file);
    }

    /// Replaces a range of bytes and moves the cursor after the new text.
    pub(super) fn replace(&mut self, file: usize, bytes: std::ops::Range<usize>, text: &str) {
        let range = json!({ "start": self.position(file, bytes.start), "end": self.position(file, bytes.end) });
        let changed = &mut self.files[file];
        changed.cursor = bytes.start + text.len();
        changed.text.replace_range(bytes, text);
        changed.version += 1;
        let document = json!({ "uri": changed.uri, "version": changed.version });
        let change = json!({ "range": range, "text": text });
        self.notify("textDocument/didChange", json!({ "textDocument": document, "contentChanges": [change] }));
        self.supersede(file);
    }

    /// Types text at the cursor.
    pub(super) fn type_in(&mut self, file: usize, text: &str) {
        let at = self.files[file].cursor;
        self.replace(file, at..at, text);
    }

    /// Sends changed settings.
    pub(super) fn settings(&mut self, options: &Value) {
        self.notify("workspace/didChangeConfiguration", json!({ "settings": options }));
    }

    /// Marks pending requests for a file as superseded and hides its ghost text.
    fn supersede(&mut self, file: usize) {
        self.files[file].ghost = None;
        for query in self.pending.values_mut().filter_map(|request| request.query.as_mut()) {
            if query.file == file {
                query.superseded_by.get_or_insert(self.sent);
            }
        }
    }

    fn position(&self, file: usize, at: usize) -> Value {
        let before = &self.files[file].text[..at];
        let line = before.rsplit('\n').next().unwrap_or_default();
        let character = match self.units {
            "utf-8" => line.len(),
            "utf-16" => line.encode_utf16().count(),
            _ => line.chars().count(),
        };
        json!({ "line": before.matches('\n').count(), "character": character })
    }

    /// Requests a completion at the cursor.
    pub(super) fn request_completion(&mut self, file: usize, by_hand: bool) -> i64 {
        let position = self.position(file, self.files[file].cursor);
        let params = json!({
            "textDocument": { "uri": self.files[file].uri },
            "position": position,
            "context": { "triggerKind": if by_hand { 1 } else { 2 } },
        });
        self.sent += 1;
        self.supersede(file);
        let before = &self.files[file].text[..self.files[file].cursor];
        let rest = if self.has_stub_model { Some(stub_continuation(before).to_owned()) } else { None };
        let line = before.rsplit('\n').next().unwrap_or_default();
        let may_see_only_marker = line.is_empty() || line.len() > MAX_LINE_BYTES;
        let query = CompletionQuery { file, position, rest, may_see_only_marker, superseded_by: None };
        self.send_request("textDocument/inlineCompletion", params, Some(query))
    }

    /// Requests the status, which is answered at any time.
    pub(super) fn request_status(&mut self) -> i64 {
        self.sent += 1;
        self.send_request("foretype/status", json!({}), None)
    }

    /// Accepts the shown ghost text, or its first half.
    pub(super) fn accept(&mut self, file: usize, whole: bool) {
        let Some(item) = self.files[file].ghost.take() else { return };
        let text = item["insertText"].as_str().expect("a text").to_owned();
        let accepted: String = text.chars().take(if whole { usize::MAX } else { text.chars().count() / 2 }).collect();
        self.type_in(file, &accepted);
        if whole {
            let command = &item["command"];
            let params = json!({ "command": command["command"], "arguments": command["arguments"] });
            self.sent += 1;
            self.send_request("workspace/executeCommand", params, None);
        } else {
            let length = accepted.encode_utf16().count();
            let params = json!({ "item": item, "acceptedLength": length });
            self.notify("textDocument/didPartiallyAcceptCompletion", params);
        }
    }

    fn send_request(&mut self, method: &str, params: Value, query: Option<CompletionQuery>) -> i64 {
        let id = self.client.send(method, params);
        self.tally.asked += 1;
        self.pending.insert(id, PendingRequest { at: Instant::now(), number: self.sent, cancelled: false, query });
        id
    }

    /// Cancels the latest pending request.
    pub(super) fn cancel_last(&mut self) {
        let Some((id, request)) = self.pending.iter_mut().next_back() else { return };
        request.cancelled = true;
        let id = *id;
        self.notify("$/cancelRequest", json!({ "id": id }));
    }

    /// Receives all messages that have arrived, waiting up to `patience` for the first.
    pub(super) fn receive(&mut self, patience: Duration) {
        let mut patience = patience;
        while let Some(message) = self.client.next(patience) {
            self.handle_message(message);
            patience = Duration::ZERO;
        }
        for (id, request) in &self.pending {
            assert!(request.at.elapsed() <= ANSWER_TIMEOUT, "request {id} has no answer after {ANSWER_TIMEOUT:?}");
        }
    }

    /// Receives until at most `left` requests are pending.
    pub(super) fn receive_until(&mut self, left: usize) {
        while self.pending_count() > left {
            self.receive(Duration::from_millis(100));
        }
    }

    /// Receives until request `id` is answered.
    pub(super) fn receive_answer(&mut self, id: i64) {
        while self.pending.contains_key(&id) {
            self.receive(Duration::from_millis(100));
        }
    }

    fn handle_message(&mut self, message: Value) {
        if let Some(method) = message["method"].as_str() {
            let allowed = ["foretype/status", "$/progress", "window/logMessage"];
            return assert!(allowed.contains(&method), "unexpected: {message}");
        }
        let id = message["id"].as_i64().unwrap_or_else(|| panic!("an answer to nothing: {message}"));
        let request =
            self.pending.remove(&id).unwrap_or_else(|| panic!("a second answer, or an answer to nothing: {message}"));
        self.tally.answered += 1;
        self.read = self.read.max(request.number);
        if message.get("error").is_some() {
            assert!(request.cancelled && message["error"]["code"] == -32800, "{message}");
            self.tally.cancelled += 1;
            return;
        }
        if let Some(query) = request.query {
            let items = message["result"]["items"].as_array().expect("a list of suggestions");
            self.check_suggestion(&query, items, request.at);
        }
    }

    fn check_suggestion(&mut self, query: &CompletionQuery, items: &[Value], at: Instant) {
        let Some(item) = items.first() else { return };
        let text = item["insertText"].as_str().expect("a text");
        assert_eq!(item["range"], json!({ "start": query.position, "end": query.position }));
        if let Some(rest) = &query.rest {
            let continues = rest.starts_with(text);
            let follows_marker = query.may_see_only_marker && STUB_COMPLETION.trim().starts_with(text);
            assert!(!text.is_empty() && (continues || follows_marker), "{text:?} instead of {rest:?}");
        }
        let stale = query.superseded_by.is_some_and(|number| number < self.read);
        assert!(!stale, "{text:?} although the document was known to have changed");
        self.tally.suggested += 1;
        self.tally.waits.push(at.elapsed().as_secs_f64() * 1e3);
        if query.superseded_by.is_none() {
            self.files[query.file].ghost = Some(item.clone());
        }
    }

    /// Shuts down as an editor does, after every request has been answered.
    pub(super) fn shut_down(mut self) -> RequestCounts {
        self.receive_until(0);
        let id = self.client.send("shutdown", Value::Null);
        let answer = self.client.answer(id);
        assert_eq!(answer, Ok(Value::Null));
        self.client.body(br#"{"jsonrpc":"2.0","method":"exit"}"#);
        assert!(self.client.wait().success());
        self.tally
    }

    /// Kills the client as a crash would.
    pub(super) fn kill(self) -> RequestCounts {
        self.client.kill();
        self.tally
    }
}

/// Text that the stub model generates after `before`.
fn stub_continuation(before: &str) -> &'static str {
    let line = STUB_COMPLETION.trim_end_matches('\n');
    match before.chars().next_back() {
        // At the start of a file it sees the middle marker.
        None => line.trim_start(),
        Some('=') => line,
        Some(last) => line.split_once(last).map_or("", |(_, rest)| rest),
    }
}
