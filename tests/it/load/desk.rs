//! One editor's window at the daemon, which keeps the books: what it has open, what it has asked, what is owed to it.
//!
//! Whatever it hears is checked at once: each answer belongs to a question and comes once, and a suggestion fits the text
//! that was asked about, at the place that was asked about, and comes from before the next edit.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use foretype_tests::client::Client;
use foretype_tests::parrot::SONG;
use foretype_tests::repository;
use serde_json::{Value, json};

use super::Daemon;
use super::tally::Tally;

/// Every question is answered within this time, or it is lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of a line that are surely read as what was typed.
const LONG: usize = 64;

/// What a file is and where the cursor stands in it.
pub(super) struct File {
    uri: String,
    language: &'static str,
    version: i64,
    pub(super) text: String,
    pub(super) cursor: usize,
    pub(super) is_open: bool,
    /// The ghost text that an editor would show now.
    pub(super) ghost: Option<Value>,
}

/// A question that waits for its answer.
struct Asked {
    at: Instant,
    /// Its number among all messages.
    number: i64,
    cancelled: bool,
    about: Option<Place>,
}

/// What a suggestion is asked about.
struct Place {
    file: usize,
    position: Value,
    rest: Option<String>,
    /// At the beginning of a line, and in one too long to be read as what was typed, the parrot may hear only the marker of
    /// the hole.
    at_an_anchor: bool,
    /// The number of the first message after the question that changes what it is about.
    overtaken: Option<i64>,
}

/// The window.
pub(super) struct Desk {
    client: Client,
    units: &'static str,
    pub(super) files: Vec<File>,
    asked: BTreeMap<i64, Asked>,
    /// Messages that were sent, and the last of them that the server is known to have read.
    sent: i64,
    read: i64,
    /// Whether what the model has to say is known.
    sings: bool,
    pub(super) tally: Tally,
}

const TOUR: &[(&str, &str)] = &[
    ("inventory.py", "python"),
    ("matrix.rs", "rust"),
    ("queue.ts", "typescript"),
    ("cache.go", "go"),
    ("Account.java", "java"),
];

impl Desk {
    /// Opens the window that has this number, with no file open. It speaks of columns as its number says.
    pub(super) fn open(daemon: &Daemon, number: usize, options: &Value) -> Self {
        let units = ["utf-8", "utf-16", "utf-32"][number % 3];
        let folder = daemon.world.path().join(format!("workspace{number}"));
        let files = TOUR.iter().map(|(name, language)| {
            let text = std::fs::read_to_string(repository().join("tests/fixtures/tour").join(name));
            let text = text.expect("a file of the tour").repeat(4);
            daemon.world.write(&format!("workspace{number}/{name}"), &text);
            let uri = format!("file://{}/{name}", folder.display());
            File { uri, language, version: 0, cursor: text.len(), text, is_open: false, ghost: None }
        });
        let files = files.collect();
        let mut client = Client::start(daemon.window());
        client.initialize(json!({
            "processId": std::process::id(),
            "capabilities": { "general": { "positionEncodings": [units] } },
            "workspaceFolders": [{ "uri": format!("file://{}", folder.display()), "name": format!("workspace{number}") }],
            "initializationOptions": options,
        }));
        let tally = Tally { windows: 1, ..Tally::default() };
        Self { client, units, files, asked: BTreeMap::new(), sent: 0, read: 0, sings: daemon.sings, tally }
    }

    /// Whether what the model has to say is known.
    pub(super) fn sings(&self) -> bool {
        self.sings
    }

    /// How many answers are owed.
    pub(super) fn owed(&self) -> usize {
        self.asked.len()
    }

    fn notify(&mut self, method: &str, params: Value) {
        self.sent += 1;
        self.client.notify(method, params);
    }

    /// `didOpen`, at its end as all files are.
    pub(super) fn open_file(&mut self, file: usize) {
        let it = &mut self.files[file];
        (it.is_open, it.version) = (true, it.version + 1);
        let document = json!({ "uri": it.uri, "languageId": it.language, "version": it.version, "text": it.text });
        self.notify("textDocument/didOpen", json!({ "textDocument": document }));
        self.overtake(file);
    }

    /// `didClose`.
    pub(super) fn close_file(&mut self, file: usize) {
        self.files[file].is_open = false;
        let document = json!({ "uri": self.files[file].uri });
        self.notify("textDocument/didClose", json!({ "textDocument": document }));
        self.overtake(file);
    }

    /// Replaces these bytes of a file and puts the cursor behind what is new.
    pub(super) fn replace(&mut self, file: usize, bytes: std::ops::Range<usize>, text: &str) {
        let range = json!({ "start": self.position(file, bytes.start), "end": self.position(file, bytes.end) });
        let it = &mut self.files[file];
        it.cursor = bytes.start + text.len();
        it.text.replace_range(bytes, text);
        it.version += 1;
        let document = json!({ "uri": it.uri, "version": it.version });
        let change = json!({ "range": range, "text": text });
        self.notify("textDocument/didChange", json!({ "textDocument": document, "contentChanges": [change] }));
        self.overtake(file);
    }

    /// Types at the cursor.
    pub(super) fn type_in(&mut self, file: usize, text: &str) {
        let at = self.files[file].cursor;
        self.replace(file, at..at, text);
    }

    /// The settings have changed.
    pub(super) fn settings(&mut self, options: &Value) {
        self.notify("workspace/didChangeConfiguration", json!({ "settings": options }));
    }

    /// What was asked about this file, and what is shown in it, has had its time.
    fn overtake(&mut self, file: usize) {
        self.files[file].ghost = None;
        for place in self.asked.values_mut().filter_map(|asked| asked.about.as_mut()).filter(|it| it.file == file) {
            place.overtaken.get_or_insert(self.sent);
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

    /// Asks for a suggestion at the cursor; the answer is heard later.
    pub(super) fn ask(&mut self, file: usize, by_hand: bool) -> i64 {
        let position = self.position(file, self.files[file].cursor);
        let params = json!({
            "textDocument": { "uri": self.files[file].uri },
            "position": position,
            "context": { "triggerKind": if by_hand { 1 } else { 2 } },
        });
        self.sent += 1;
        self.overtake(file);
        let it = &self.files[file];
        let rest = self.sings.then(|| rest_of_song(&it.text[..it.cursor]).to_owned());
        let at_an_anchor =
            it.text[..it.cursor].rsplit('\n').next().is_some_and(|line| line.is_empty() || line.len() > LONG);
        let about = Some(Place { file, position, rest, at_an_anchor, overtaken: None });
        self.expect("textDocument/inlineCompletion", params, about)
    }

    /// Asks something that any time has an answer.
    pub(super) fn ask_status(&mut self) -> i64 {
        self.sent += 1;
        self.expect("foretype/status", json!({}), None)
    }

    /// Takes the ghost text that is shown, whole or its first half.
    pub(super) fn accept(&mut self, file: usize, whole: bool) {
        let Some(item) = self.files[file].ghost.take() else { return };
        let text = item["insertText"].as_str().expect("a text").to_owned();
        let taken: String = text.chars().take(if whole { usize::MAX } else { text.chars().count() / 2 }).collect();
        self.type_in(file, &taken);
        if whole {
            let command = &item["command"];
            let params = json!({ "command": command["command"], "arguments": command["arguments"] });
            self.sent += 1;
            self.expect("workspace/executeCommand", params, None);
        } else {
            let length = taken.encode_utf16().count();
            let params = json!({ "item": item, "acceptedLength": length });
            self.notify("textDocument/didPartiallyAcceptCompletion", params);
        }
    }

    fn expect(&mut self, method: &str, params: Value, about: Option<Place>) -> i64 {
        let id = self.client.send(method, params);
        self.tally.asked += 1;
        self.asked.insert(id, Asked { at: Instant::now(), number: self.sent, cancelled: false, about });
        id
    }

    /// Takes back the question that was asked last and is not answered yet.
    pub(super) fn cancel_last(&mut self) {
        let Some((id, asked)) = self.asked.iter_mut().next_back() else { return };
        asked.cancelled = true;
        let id = *id;
        self.notify("$/cancelRequest", json!({ "id": id }));
    }

    /// Hears what has come, waiting so long for the first message.
    pub(super) fn hear(&mut self, patience: Duration) {
        let mut patience = patience;
        while let Some(message) = self.client.next(patience) {
            self.heard(message);
            patience = Duration::ZERO;
        }
        let oldest = self.asked.iter().min_by_key(|(_, asked)| asked.at);
        let late = oldest.filter(|(_, asked)| asked.at.elapsed() > PATIENCE);
        assert!(late.is_none(), "question {:?} has no answer after {PATIENCE:?}", late.map(|(id, _)| id));
    }

    /// Hears until at most `left` answers are owed.
    pub(super) fn hear_until(&mut self, left: usize) {
        while self.owed() > left {
            self.hear(Duration::from_millis(100));
        }
    }

    /// Hears until this question is answered.
    pub(super) fn hear_answer(&mut self, id: i64) {
        while self.asked.contains_key(&id) {
            self.hear(Duration::from_millis(100));
        }
    }

    fn heard(&mut self, mut message: Value) {
        if let Some(method) = message["method"].as_str() {
            let chatter = ["foretype/status", "$/progress", "window/logMessage"];
            return assert!(chatter.contains(&method), "nobody expects {message}");
        }
        let id = message["id"].as_i64().unwrap_or_else(|| panic!("an answer to nothing: {message}"));
        let asked =
            self.asked.remove(&id).unwrap_or_else(|| panic!("a second answer, or an answer to nothing: {message}"));
        self.tally.answered += 1;
        self.read = self.read.max(asked.number);
        if message.get("error").is_some() {
            assert!(asked.cancelled && message["error"]["code"] == -32800, "{message}");
            self.tally.cancelled += 1;
            return;
        }
        if let Some(place) = asked.about {
            let items = message["result"]["items"].take();
            self.suggested(&place, items.as_array().unwrap_or_else(|| panic!("no list of suggestions")), asked.at);
        }
    }

    fn suggested(&mut self, place: &Place, items: &[Value], at: Instant) {
        let Some(item) = items.first() else { return };
        let text = item["insertText"].as_str().expect("a text");
        assert_eq!(item["range"], json!({ "start": place.position, "end": place.position }));
        if let Some(rest) = &place.rest {
            let fits = |song: &str| song.starts_with(text);
            let fits = fits(rest) || place.at_an_anchor && fits(SONG.trim());
            assert!(!text.is_empty() && fits, "{text:?} where {rest:?} is to come");
        }
        let stale = place.overtaken.is_some_and(|number| number < self.read);
        assert!(!stale, "{text:?} for a place that was known to have changed");
        self.tally.suggested += 1;
        self.tally.waits.push(at.elapsed().as_secs_f64() * 1e3);
        if place.overtaken.is_none() {
            self.files[place.file].ghost = Some(item.clone());
        }
    }

    /// Ends as an editor does: `shutdown`, `exit`. Nothing is left unanswered or unread.
    pub(super) fn leave(mut self) -> Tally {
        self.hear_until(0);
        let id = self.client.send("shutdown", Value::Null);
        let answer = self.client.answer(id);
        assert_eq!(answer, Ok(Value::Null));
        self.client.body(br#"{"jsonrpc":"2.0","method":"exit"}"#);
        assert!(self.client.wait().success());
        self.tally
    }

    /// Ends in the middle of everything, as an editor that is killed.
    pub(super) fn vanish(self) -> Tally {
        self.client.vanish();
        self.tally
    }
}

/// What the parrot writes after a text.
fn rest_of_song(before: &str) -> &'static str {
    let line = SONG.trim_end_matches('\n');
    match before.chars().next_back() {
        // At the beginning of a file it hears the marker of the hole.
        None => line.trim_start(),
        Some('=') => line,
        Some(last) => line.split_once(last).map_or("", |(_, rest)| rest),
    }
}
