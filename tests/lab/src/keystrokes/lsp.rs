//! A language server with inline completion, driven as an editor does it: each key sends the edit and a request, and
//! cancels the request of the previous key if that is still running.

mod chat_load;
mod connection;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use chat_load::ChatLoad;
use connection::LspConnection;
use foretype::trace::TraceFile;
use foretype_plugins::Language;
use lsp_server::{Message, RequestId};
use serde_json::{Value, json};

use super::simulated_editor::{SimulatedEditor, TextChange};
use super::system::{CompletionSystem, ServerUsage, SuggestionUpdate};

/// Time limit for loading the model.
const LOAD_TIMEOUT: Duration = Duration::from_secs(120);
/// Delay before the first key, for a server that does not report when it is ready.
const STARTUP_DELAY: Duration = Duration::from_secs(2);
/// Time limit for the statistics of the server.
const STATUS_TIMEOUT: Duration = Duration::from_secs(10);
/// `textDocumentSync` of a server that wants whole documents.
const FULL_SYNC_KIND: u64 = 1;

/// A running server and the state of its client.
pub(super) struct LanguageServer {
    connection: LspConnection,
    /// Positions count bytes. Otherwise they count UTF-16 code units.
    utf8: bool,
    /// Changes are sent as whole documents.
    full_sync: bool,
    /// The server is Foretype, which reports when it is ready and what it has done.
    is_foretype: bool,
    documents: Vec<OpenDocument>,
    pending: Option<PendingRequest>,
    /// Command to execute when the visible suggestion is accepted.
    command: Option<Value>,
    chat_load: Option<ChatLoad>,
}

struct OpenDocument {
    uri: String,
    version: i64,
    /// Text as the server knows it.
    text: String,
}

/// Request for the newest key.
struct PendingRequest {
    id: RequestId,
    key_number: usize,
    file: usize,
    cursor: usize,
    is_answered: bool,
    /// The server has answered in part and will send `foretype/more`.
    is_incomplete: bool,
}

impl LanguageServer {
    /// Starts a server for the folder `root` and opens the files.
    ///
    /// # Errors
    /// If the server cannot be started or is not ready in time.
    pub(super) fn start(command: Command, root: &Path, options: &Value, files: &[TraceFile]) -> Result<Self> {
        let mut connection = LspConnection::start(command)?;
        let folder = format!("file://{}", root.display());
        let params = json!({
            "processId": std::process::id(),
            "clientInfo": { "name": "foretype-lab" },
            "rootUri": folder,
            "workspaceFolders": [{ "uri": folder, "name": "lab" }],
            "capabilities": {
                "general": { "positionEncodings": ["utf-8", "utf-16"] },
                "textDocument": { "inlineCompletion": { "dynamicRegistration": false } },
                "experimental": { "foretype": { "more": true } },
            },
            "initializationOptions": options,
        });
        let initialized = connection.request("initialize", params, LOAD_TIMEOUT)?;
        connection.notify("initialized", json!({}))?;
        let capabilities = &initialized["capabilities"];
        let sync = &capabilities["textDocumentSync"];
        let mut server = Self {
            utf8: capabilities["positionEncoding"] == "utf-8",
            full_sync: *sync == FULL_SYNC_KIND || sync["change"] == FULL_SYNC_KIND,
            is_foretype: initialized["serverInfo"]["name"] == "foretype",
            documents: Vec::new(),
            pending: None,
            command: None,
            chat_load: None,
            connection,
        };
        for file in files {
            server.open(&folder, file)?;
        }
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Adds a load of chat questions, one after the other.
    pub(super) fn with_chat_load(mut self) -> Self {
        self.chat_load = Some(ChatLoad::new());
        self
    }

    fn open(&mut self, folder: &str, file: &TraceFile) -> Result<()> {
        let uri = format!("{folder}/{}", file.path);
        let language = Language::from_path(&file.path).lsp_id();
        let item = json!({ "uri": uri, "languageId": language, "version": 1, "text": file.text });
        self.documents.push(OpenDocument { uri, version: 1, text: file.text.clone() });
        self.connection.notify("textDocument/didOpen", json!({ "textDocument": item }))
    }

    /// Waits until Foretype reports that its model is loaded. For another server, waits for a fixed time.
    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + if self.is_foretype { LOAD_TIMEOUT } else { STARTUP_DELAY };
        while let Some((_, message)) = self.connection.receive(deadline)? {
            let Message::Notification(notification) = message else { continue };
            let status = &notification.params;
            if !self.is_foretype || notification.method != "foretype/status" || status["busy"] != false {
                continue;
            }
            if status["kind"] == "Normal" {
                return Ok(());
            }
            bail!("the server has no model: {}", status["message"]);
        }
        if self.is_foretype { bail!("the server has not loaded its model in time") } else { Ok(()) }
    }

    fn send_change(&mut self, editor: &SimulatedEditor, change: &TextChange) -> Result<()> {
        let (utf8, full_sync) = (self.utf8, self.full_sync);
        let document = self.documents.get_mut(editor.file()).context("the file is not open")?;
        document.version += 1;
        let change = if full_sync {
            json!({ "text": editor.text() })
        } else {
            let [start, end] = [change.range.start, change.range.end].map(|at| position(&document.text, at, utf8));
            json!({ "range": { "start": start, "end": end }, "text": change.text })
        };
        editor.text().clone_into(&mut document.text);
        let identifier = json!({ "uri": document.uri, "version": document.version });
        let params = json!({ "textDocument": identifier, "contentChanges": [change] });
        self.connection.notify("textDocument/didChange", params)
    }

    fn position_params(&self, file: usize, cursor: usize) -> Result<Value> {
        let document = self.documents.get(file).context("the file is not open")?;
        let position = position(&document.text, cursor, self.utf8);
        Ok(json!({ "textDocument": { "uri": document.uri }, "position": position }))
    }

    fn request_completion(&mut self, key_number: usize, file: usize, cursor: usize) -> Result<()> {
        let mut params = self.position_params(file, cursor)?;
        params["context"] = json!({ "triggerKind": 2 });
        let id = self.connection.send_request("textDocument/inlineCompletion", params)?;
        self.pending = Some(PendingRequest { id, key_number, file, cursor, is_answered: false, is_incomplete: false });
        Ok(())
    }

    /// Requests the rest of a suggestion that the server has sent in part.
    fn request_rest(&mut self, params: &Value) -> Result<()> {
        let Some(pending) = self.pending.as_ref().filter(|pending| pending.is_incomplete) else { return Ok(()) };
        let PendingRequest { key_number, file, cursor, .. } = *pending;
        if self.documents.get(file).is_some_and(|document| params["textDocument"]["uri"] == document.uri) {
            self.request_completion(key_number, file, cursor)?;
        }
        Ok(())
    }

    /// Suggestion of a response to the newest request. `result` is null if the server answers with an error.
    fn suggestion_from(&mut self, arrived_at: Instant, result: &Value) -> Option<SuggestionUpdate> {
        let pending = self.pending.as_mut()?;
        pending.is_answered = true;
        let document = self.documents.get(pending.file)?;
        pending.is_incomplete = result["isIncomplete"] == true;
        let item = result.get("items").unwrap_or(result).get(0);
        let nothing = SuggestionUpdate::new(arrived_at, pending.key_number, String::new());
        let Some(item) = item else { return Some(nothing) };
        self.command = item.get("command").filter(|command| command.is_object()).cloned();
        Some(match insertion(item, &document.text, pending.cursor, self.utf8) {
            Some((text, replaced_bytes)) => {
                SuggestionUpdate { text, replaced_bytes, is_complete: !pending.is_incomplete, ..nothing }
            }
            None => SuggestionUpdate { stale: true, ..nothing },
        })
    }
}

impl CompletionSystem for LanguageServer {
    fn key_pressed(
        &mut self,
        key_number: usize,
        editor: &SimulatedEditor,
        change: Option<&TextChange>,
    ) -> Result<Option<SuggestionUpdate>> {
        if let Some(change) = change {
            self.send_change(editor, change)?;
        }
        if let Some(superseded) = self.pending.take()
            && !superseded.is_answered
        {
            self.connection.notify("$/cancelRequest", json!({ "id": superseded.id }))?;
        }
        self.request_completion(key_number, editor.file(), editor.cursor())?;
        if let (Some(chat_load), Some(document)) = (&mut self.chat_load, self.documents.get(editor.file())) {
            chat_load.ask_if_idle(&mut self.connection, &document.uri)?;
        }
        Ok(None)
    }

    fn cursor_moved(&mut self, editor: &SimulatedEditor) -> Result<()> {
        if !self.is_foretype {
            return Ok(());
        }
        // The rest of a suggestion at the old place is of no use.
        if let Some(pending) = &mut self.pending {
            pending.is_incomplete = false;
        }
        let params = self.position_params(editor.file(), editor.cursor())?;
        self.connection.notify("textDocument/didFocus", params)
    }

    fn next_update(&mut self, deadline: Instant) -> Result<Option<SuggestionUpdate>> {
        while let Some((arrived_at, message)) = self.connection.receive(deadline)? {
            if let Some(chat_load) = &mut self.chat_load
                && chat_load.handle(&message)?
            {
                continue;
            }
            match message {
                Message::Notification(notification) if notification.method == "foretype/more" => {
                    self.request_rest(&notification.params)?;
                }
                Message::Response(response) if self.pending.as_ref().is_some_and(|it| it.id == response.id) => {
                    let result = response.response_result.unwrap_or_default();
                    return Ok(self.suggestion_from(arrived_at, &result));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    fn suggestion_accepted(&mut self) -> Result<()> {
        if let Some(command) = self.command.take() {
            let params = json!({ "command": command["command"], "arguments": command["arguments"] });
            self.connection.send_request("workspace/executeCommand", params)?;
        }
        Ok(())
    }

    fn usage(&mut self) -> Result<ServerUsage> {
        if !self.is_foretype {
            return Ok(ServerUsage::default());
        }
        if let Some(chat_load) = &self.chat_load {
            chat_load.report()?;
        }
        let status = self.connection.request("foretype/status", json!({}), STATUS_TIMEOUT)?;
        let count = |name: &str| status["engine"][name].as_f64();
        Ok(ServerUsage {
            prompt_tokens: count("evaluated"),
            generated_tokens: count("generated"),
            draft_tokens: count("drafted"),
            accepted_tokens: count("accepted"),
            cpu_seconds: None,
        })
    }

    fn pid(&self) -> u32 {
        self.connection.pid()
    }
}

/// First line that an item inserts at the cursor, and the bytes right of the cursor that it replaces. `None` if the
/// item does not fit the text.
fn insertion(item: &Value, text: &str, cursor: usize, utf8: bool) -> Option<(String, usize)> {
    let insert = item["insertText"].as_str().or_else(|| item["insertText"]["value"].as_str())?;
    let (start, end) = match item.get("range").filter(|range| range.is_object()) {
        Some(range) => (offset(text, &range["start"], utf8)?, offset(text, &range["end"], utf8)?),
        None => (cursor, cursor),
    };
    let rest = insert.strip_prefix(text.get(start..cursor)?)?;
    let line = rest.split('\n').next().unwrap_or_default().trim_end_matches('\r');
    Some((line.to_owned(), end.checked_sub(cursor)?))
}

/// Converts a byte offset to a position of the protocol.
fn position(text: &str, at: usize, utf8: bool) -> Value {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    let character = if utf8 { line.len() } else { line.encode_utf16().count() };
    json!({ "line": before.matches('\n').count(), "character": character })
}

/// Converts a position of the protocol to a byte offset.
fn offset(text: &str, position: &Value, utf8: bool) -> Option<usize> {
    let (line, character) = (position["line"].as_u64()? as usize, position["character"].as_u64()? as usize);
    let start = match line {
        0 => 0,
        line => text.match_indices('\n').nth(line - 1)?.0 + 1,
    };
    let rest = text[start..].split('\n').next()?;
    let mut units = 0;
    for (at, letter) in rest.char_indices() {
        if units >= character {
            return Some(start + at);
        }
        units += if utf8 { letter.len_utf8() } else { letter.len_utf16() };
    }
    Some(start + rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_survive_a_round_trip_in_both_encodings() {
        let text = "aä\n😀b\n";
        for utf8 in [true, false] {
            for at in [0, 1, 3, 4, 8, 9, 10] {
                assert_eq!(offset(text, &position(text, at, utf8), utf8), Some(at), "{utf8} {at}");
            }
        }
        assert_eq!(position(text, 9, false), json!({ "line": 1, "character": 3 }));
    }

    #[test]
    fn an_item_may_start_before_the_cursor_and_end_after_it() {
        let at = |character: u32| json!({ "line": 0, "character": character });
        let check = |item: Value, expected: Option<(&str, usize)>| {
            let found = insertion(&item, "let x)\n", 5, true);
            assert_eq!(found, expected.map(|(text, count)| (text.to_owned(), count)), "{item}");
        };
        check(json!({ "insertText": " = 1\nmore" }), Some((" = 1", 0)));
        check(json!({ "insertText": { "value": "y" } }), Some(("y", 0)));
        let range = json!({ "start": at(4), "end": at(6) });
        check(json!({ "insertText": "xyz", "range": range }), Some(("yz", 1)));
        check(json!({ "insertText": "qyz", "range": range }), None);
        check(json!({ "insertText": "z", "range": { "start": at(6), "end": at(6) } }), None);
        check(json!({}), None);
    }
}
