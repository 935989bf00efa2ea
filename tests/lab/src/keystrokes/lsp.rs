//! A language server with inline completion, driven as an editor does: an edit, then a request, and a cancelled request
//! where the next key comes first.

mod chat_load;
mod connection;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use foretype::trace::TraceFile;
use super::simulated_editor::{TextChange, SimulatedEditor};
use super::system::{ServerUsage, SuggestionUpdate, CompletionSystem};
use chat_load::ChatLoad;
use connection::LspConnection;

/// A server may take so long to load its model.
const LOAD_TIMEOUT: Duration = Duration::from_secs(120);
/// A server that does not say when it is ready gets so long.
const STARTUP_DELAY: Duration = Duration::from_secs(2);

/// A running server and what it knows.
pub(super) struct LanguageServer {
    wire: LspConnection,
    /// Positions count bytes; else UTF-16 code units.
    utf8: bool,
    /// Documents are sent whole.
    full_sync: bool,
    /// Whether it is Foretype, which tells what it has done.
    is_foretype: bool,
    documents: Vec<OpenDocument>,
    pending: Option<PendingRequest>,
    /// What to run when the shown suggestion is taken.
    command: Option<Value>,
    /// Of somebody who asks meanwhile, and since when.
    answers: Option<(ChatLoad, Instant)>,
}

struct OpenDocument {
    uri: String,
    version: i64,
    /// The text as the server knows it.
    text: String,
}

/// The newest request.
struct PendingRequest {
    id: i64,
    key: usize,
    file: usize,
    cursor: usize,
    answered: bool,
    /// Whether the server has more and will say when.
    incomplete: bool,
}

impl LanguageServer {
    /// Starts a server for the folder `root` and opens the files.
    pub(super) fn start(command: Command, root: &Path, options: &Value, files: &[TraceFile]) -> Result<Self> {
        let mut wire = LspConnection::start(command)?;
        let folder = format!("file://{}", root.display());
        let inline = json!({ "inlineCompletion": { "dynamicRegistration": false } });
        let parameters = json!({
            "processId": std::process::id(),
            "clientInfo": { "name": "foretype bench" },
            "rootUri": folder,
            "workspaceFolders": [{ "uri": folder, "name": "bench" }],
            "capabilities": {
                "general": { "positionEncodings": ["utf-8", "utf-16"] },
                "textDocument": inline,
                "experimental": { "foretype": { "more": true } },
            },
            "initializationOptions": options,
        });
        let about = wire.request("initialize", parameters, LOAD_TIMEOUT)?;
        wire.notify("initialized", &json!({}))?;
        let facts = &about["capabilities"];
        let sync = &facts["textDocumentSync"];
        let mut server = Self {
            utf8: facts["positionEncoding"] == "utf-8",
            full_sync: *sync == 1 || sync["change"] == 1,
            is_foretype: about["serverInfo"]["name"] == "foretype",
            documents: Vec::new(),
            pending: None,
            command: None,
            answers: None,
            wire,
        };
        files.iter().try_for_each(|file| server.open(&folder, file))?;
        server.wait_until_ready()?;
        Ok(server)
    }

    /// From now on questions are answered, one after the other.
    pub(super) fn answering(mut self) -> Self {
        self.answers = Some((ChatLoad::default(), Instant::now()));
        self
    }

    fn open(&mut self, folder: &str, file: &TraceFile) -> Result<()> {
        let uri = format!("{folder}/{}", file.path);
        let language = foretype_plugins::Language::from_path(&file.path).id();
        let item = json!({ "uri": uri, "languageId": language, "version": 1, "text": file.text });
        self.documents.push(OpenDocument { uri, version: 1, text: file.text.clone() });
        self.wire.notify("textDocument/didOpen", &json!({ "textDocument": item }))
    }

    /// Foretype tells when its model is there.
    fn wait_until_ready(&mut self) -> Result<()> {
        let until = Instant::now() + if self.is_foretype { LOAD_TIMEOUT } else { STARTUP_DELAY };
        while let Some((_, message)) = self.wire.listen(until)? {
            if self.is_foretype && message["method"] == "foretype/status" && message["params"]["busy"] == false {
                if message["params"]["kind"] == "Normal" {
                    return Ok(());
                }
                bail!("the server has no model: {}", message["params"]["message"]);
            }
        }
        if self.is_foretype { bail!("the server has not loaded its model in time") } else { Ok(()) }
    }

    fn send_change(&mut self, desk: &SimulatedEditor, change: &TextChange) -> Result<()> {
        let (utf8, whole) = (self.utf8, self.full_sync);
        let document = self.documents.get_mut(desk.file()).context("a file that was not opened")?;
        document.version += 1;
        let [start, end] = [change.range.start, change.range.end].map(|at| position(&document.text, at, utf8));
        let change = match whole {
            true => json!({ "text": desk.text() }),
            false => json!({ "range": { "start": start, "end": end }, "text": change.text }),
        };
        desk.text().clone_into(&mut document.text);
        let about = json!({ "uri": document.uri, "version": document.version });
        self.wire.notify("textDocument/didChange", &json!({ "textDocument": about, "contentChanges": [change] }))
    }

    fn position_params(&self, file: usize, cursor: usize) -> Result<Value> {
        let document = self.documents.get(file).context("a file that was not opened")?;
        let position = position(&document.text, cursor, self.utf8);
        Ok(json!({ "textDocument": { "uri": document.uri }, "position": position }))
    }

    fn request_completion(&mut self, key: usize, file: usize, cursor: usize) -> Result<()> {
        let mut parameters = self.position_params(file, cursor)?;
        parameters["context"] = json!({ "triggerKind": 2 });
        let id = self.wire.send_request("textDocument/inlineCompletion", parameters)?;
        self.pending = Some(PendingRequest { id, key, file, cursor, answered: false, incomplete: false });
        Ok(())
    }

    /// What was shown in part is complete now.
    fn request_rest(&mut self, about: &Value) -> Result<()> {
        let Some(asked) = self.pending.take_if(|asked| asked.incomplete) else { return Ok(()) };
        if self.documents.get(asked.file).is_some_and(|document| about["textDocument"]["uri"] == document.uri) {
            return self.request_completion(asked.key, asked.file, asked.cursor);
        }
        self.pending = Some(asked);
        Ok(())
    }

    /// What an answer to the newest request says.
    fn suggestion_from(&mut self, at: Instant, answer: &Value) -> Option<SuggestionUpdate> {
        let asked = self.pending.as_mut()?;
        asked.answered = true;
        let document = self.documents.get(asked.file)?;
        let result = &answer["result"];
        asked.incomplete = result["isIncomplete"] == true;
        let item = result.get("items").unwrap_or(result).get(0);
        let nothing = SuggestionUpdate::new(at, asked.key, String::new());
        let Some(item) = item else { return Some(nothing) };
        self.command = item.get("command").filter(|command| command.is_object()).cloned();
        Some(match insertion(item, &document.text, asked.cursor, self.utf8) {
            Some((text, replaces)) => SuggestionUpdate { text, replaced_bytes: replaces, is_complete: !asked.incomplete, ..nothing },
            None => SuggestionUpdate { stale: true, ..nothing },
        })
    }
}

impl CompletionSystem for LanguageServer {
    fn key_pressed(&mut self, number: usize, desk: &SimulatedEditor, change: Option<&TextChange>) -> Result<Option<SuggestionUpdate>> {
        if let Some(change) = change {
            self.send_change(desk, change)?;
        }
        if let Some(old) = self.pending.take().filter(|asked| !asked.answered) {
            self.wire.notify("$/cancelRequest", &json!({ "id": old.id }))?;
        }
        self.request_completion(number, desk.file(), desk.cursor())?;
        if let (Some((answers, _)), Some(document)) = (&mut self.answers, self.documents.get(desk.file())) {
            answers.ask_if_idle(&mut self.wire, &document.uri)?;
        }
        Ok(None)
    }

    fn cursor_moved(&mut self, desk: &SimulatedEditor) -> Result<()> {
        if !self.is_foretype {
            return Ok(());
        }
        // What was shown in part at the old place is not asked for again.
        self.pending.iter_mut().for_each(|asked| asked.incomplete = false);
        let place = self.position_params(desk.file(), desk.cursor())?;
        self.wire.notify("textDocument/didFocus", &place)
    }

    fn next_update(&mut self, until: Instant) -> Result<Option<SuggestionUpdate>> {
        while let Some((at, message)) = self.wire.listen(until)? {
            if let Some((answers, _)) = &mut self.answers
                && answers.handle(&message)?
            {
                continue;
            }
            if message["method"] == "foretype/more" {
                self.request_rest(&message["params"])?;
            }
            let newest = self.pending.as_ref().is_some_and(|asked| message["id"] == asked.id);
            if newest && message.get("method").is_none() {
                return Ok(self.suggestion_from(at, &message));
            }
        }
        Ok(None)
    }

    fn suggestion_accepted(&mut self) -> Result<()> {
        let Some(command) = self.command.take() else { return Ok(()) };
        let parameters = json!({ "command": command["command"], "arguments": command["arguments"] });
        self.wire.send_request("workspace/executeCommand", parameters).map(|_| ())
    }

    fn usage(&mut self) -> Result<ServerUsage> {
        if !self.is_foretype {
            return Ok(ServerUsage::default());
        }
        if let Some((answers, since)) = &self.answers {
            answers.report(since.elapsed())?;
        }
        let status = self.wire.request("foretype/status", json!({}), Duration::from_secs(10))?;
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
        self.wire.pid()
    }
}

/// What an item puts at the cursor: the first line of it, and how many bytes right of the cursor it replaces. `None` if it
/// does not fit the text.
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

/// A byte offset as the protocol says it.
fn position(text: &str, at: usize, utf8: bool) -> Value {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    let character = if utf8 { line.len() } else { line.encode_utf16().count() };
    json!({ "line": before.matches('\n').count(), "character": character })
}

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
    fn positions_go_there_and_back_in_both_encodings() {
        let text = "aä\n😀b\n";
        for utf8 in [true, false] {
            for at in [0, 1, 3, 4, 8, 9, 10] {
                assert_eq!(offset(text, &position(text, at, utf8), utf8), Some(at), "{utf8} {at}");
            }
        }
        assert_eq!(position(text, 9, false), json!({ "line": 1, "character": 3 }));
    }

    #[test]
    fn an_item_may_begin_before_the_cursor_and_end_behind_it() {
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
