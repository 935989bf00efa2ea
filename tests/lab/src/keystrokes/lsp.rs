//! A language server with inline completion, driven as an editor does: an edit, then a request, and a cancelled request
//! where the next key comes first.

mod answers;
mod wire;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::super::trace::File;
use super::desk::{Change, Desk};
use super::system::{Costs, Said, System};
use answers::Answers;
use wire::Wire;

/// A server may take so long to load its model.
const LOADING: Duration = Duration::from_secs(120);
/// A server that does not say when it is ready gets so long.
const UNSAID: Duration = Duration::from_secs(2);

/// A running server and what it knows.
pub(super) struct LanguageServer {
    wire: Wire,
    /// Positions count bytes; else UTF-16 code units.
    utf8: bool,
    /// Documents are sent whole.
    whole: bool,
    /// Whether it is Foretype, which tells what it has done.
    foretype: bool,
    documents: Vec<Document>,
    asked: Option<Asked>,
    /// What to run when the shown suggestion is taken.
    command: Option<Value>,
    /// Of somebody who asks meanwhile, and since when.
    answers: Option<(Answers, Instant)>,
}

struct Document {
    uri: String,
    version: i64,
    /// The text as the server knows it.
    text: String,
}

/// The newest request.
struct Asked {
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
    pub(super) fn start(command: Command, root: &Path, options: &Value, files: &[File]) -> Result<Self> {
        let mut wire = Wire::start(command)?;
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
        let about = wire.request("initialize", parameters, LOADING)?;
        wire.notify("initialized", &json!({}))?;
        let facts = &about["capabilities"];
        let sync = &facts["textDocumentSync"];
        let mut server = Self {
            utf8: facts["positionEncoding"] == "utf-8",
            whole: *sync == 1 || sync["change"] == 1,
            foretype: about["serverInfo"]["name"] == "foretype",
            documents: Vec::new(),
            asked: None,
            command: None,
            answers: None,
            wire,
        };
        files.iter().try_for_each(|file| server.open(&folder, file))?;
        server.ready()?;
        Ok(server)
    }

    /// From now on questions are answered, one after the other.
    pub(super) fn answering(mut self) -> Self {
        self.answers = Some((Answers::default(), Instant::now()));
        self
    }

    fn open(&mut self, folder: &str, file: &File) -> Result<()> {
        let uri = format!("{folder}/{}", file.path);
        let language = foretype_plugins::Language::from_path(&file.path).id();
        let item = json!({ "uri": uri, "languageId": language, "version": 1, "text": file.text });
        self.documents.push(Document { uri, version: 1, text: file.text.clone() });
        self.wire.notify("textDocument/didOpen", &json!({ "textDocument": item }))
    }

    /// Foretype tells when its model is there.
    fn ready(&mut self) -> Result<()> {
        let until = Instant::now() + if self.foretype { LOADING } else { UNSAID };
        while let Some((_, message)) = self.wire.listen(until)? {
            if self.foretype && message["method"] == "foretype/status" && message["params"]["busy"] == false {
                if message["params"]["kind"] == "Normal" {
                    return Ok(());
                }
                bail!("the server has no model: {}", message["params"]["message"]);
            }
        }
        if self.foretype { bail!("the server has not loaded its model in time") } else { Ok(()) }
    }

    fn change(&mut self, desk: &Desk, change: &Change) -> Result<()> {
        let (utf8, whole) = (self.utf8, self.whole);
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

    fn place(&self, file: usize, cursor: usize) -> Result<Value> {
        let document = self.documents.get(file).context("a file that was not opened")?;
        let position = position(&document.text, cursor, self.utf8);
        Ok(json!({ "textDocument": { "uri": document.uri }, "position": position }))
    }

    fn ask(&mut self, key: usize, file: usize, cursor: usize) -> Result<()> {
        let mut parameters = self.place(file, cursor)?;
        parameters["context"] = json!({ "triggerKind": 2 });
        let id = self.wire.send("textDocument/inlineCompletion", parameters)?;
        self.asked = Some(Asked { id, key, file, cursor, answered: false, incomplete: false });
        Ok(())
    }

    /// What was shown in part is complete now.
    fn ask_for_more(&mut self, about: &Value) -> Result<()> {
        let Some(asked) = self.asked.take_if(|asked| asked.incomplete) else { return Ok(()) };
        if self.documents.get(asked.file).is_some_and(|document| about["textDocument"]["uri"] == document.uri) {
            return self.ask(asked.key, asked.file, asked.cursor);
        }
        self.asked = Some(asked);
        Ok(())
    }

    /// What an answer to the newest request says.
    fn read(&mut self, at: Instant, answer: &Value) -> Option<Said> {
        let asked = self.asked.as_mut()?;
        asked.answered = true;
        let document = self.documents.get(asked.file)?;
        let result = &answer["result"];
        asked.incomplete = result["isIncomplete"] == true;
        let item = result.get("items").unwrap_or(result).get(0);
        let nothing = Said::new(at, asked.key, String::new());
        let Some(item) = item else { return Some(nothing) };
        self.command = item.get("command").filter(|command| command.is_object()).cloned();
        Some(match insertion(item, &document.text, asked.cursor, self.utf8) {
            Some((text, replaces)) => Said { text, replaces, whole: !asked.incomplete, ..nothing },
            None => Said { stale: true, ..nothing },
        })
    }
}

impl System for LanguageServer {
    fn key(&mut self, number: usize, desk: &Desk, change: Option<&Change>) -> Result<Option<Said>> {
        if let Some(change) = change {
            self.change(desk, change)?;
        }
        if let Some(old) = self.asked.take().filter(|asked| !asked.answered) {
            self.wire.notify("$/cancelRequest", &json!({ "id": old.id }))?;
        }
        self.ask(number, desk.file(), desk.cursor())?;
        if let (Some((answers, _)), Some(document)) = (&mut self.answers, self.documents.get(desk.file())) {
            answers.ask(&mut self.wire, &document.uri)?;
        }
        Ok(None)
    }

    fn goes(&mut self, desk: &Desk) -> Result<()> {
        if !self.foretype {
            return Ok(());
        }
        // What was shown in part at the old place is not asked for again.
        self.asked.iter_mut().for_each(|asked| asked.incomplete = false);
        let place = self.place(desk.file(), desk.cursor())?;
        self.wire.notify("textDocument/didFocus", &place)
    }

    fn listen(&mut self, until: Instant) -> Result<Option<Said>> {
        while let Some((at, message)) = self.wire.listen(until)? {
            if let Some((answers, _)) = &mut self.answers
                && answers.hear(&message)?
            {
                continue;
            }
            if message["method"] == "foretype/more" {
                self.ask_for_more(&message["params"])?;
            }
            let newest = self.asked.as_ref().is_some_and(|asked| message["id"] == asked.id);
            if newest && message.get("method").is_none() {
                return Ok(self.read(at, &message));
            }
        }
        Ok(None)
    }

    fn took(&mut self) -> Result<()> {
        let Some(command) = self.command.take() else { return Ok(()) };
        let parameters = json!({ "command": command["command"], "arguments": command["arguments"] });
        self.wire.send("workspace/executeCommand", parameters).map(|_| ())
    }

    fn costs(&mut self) -> Result<Costs> {
        if !self.foretype {
            return Ok(Costs::default());
        }
        if let Some((answers, since)) = &self.answers {
            answers.check(since.elapsed())?;
        }
        let status = self.wire.request("foretype/status", json!({}), Duration::from_secs(10))?;
        let count = |name: &str| status["engine"][name].as_f64();
        Ok(Costs {
            prompt: count("evaluated"),
            written: count("generated"),
            drafted: count("drafted"),
            confirmed: count("accepted"),
            processor: None,
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
