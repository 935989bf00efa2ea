//! The language server as an editor sees it.

use std::time::{Duration, Instant};

use foretype_tests::client::Client;
use foretype_tests::{TestEnv, real_model, repository, stub_model};
use serde_json::{Value, json};

const PYTHON: &str = "x = 1\ny =\n";

/// Editor with one document.
pub(crate) struct Editor {
    pub(crate) client: Client,
    pub(crate) env: TestEnv,
    pub(crate) uri: String,
}

impl Editor {
    /// Starts an editor with initialization options and command-line arguments.
    pub(crate) fn start_with(options: Value, arguments: &[&str]) -> (Self, Value) {
        let env = TestEnv::new();
        Self::start_in(env, options, arguments)
    }

    /// Starts an editor in an environment.
    pub(crate) fn start_in(env: TestEnv, options: Value, arguments: &[&str]) -> (Self, Value) {
        Self::start_as(env, json!({}), options, arguments)
    }

    /// Starts an editor with these client capabilities.
    pub(crate) fn start_as(env: TestEnv, capabilities: Value, options: Value, arguments: &[&str]) -> (Self, Value) {
        let model = stub_model::write(env.path());
        let mut command = env.command(arguments);
        command.env("FORETYPE_MODEL", model);
        let root = format!("file://{}/workspace", env.path().display());
        env.write("workspace/main.py", PYTHON);
        let mut client = Client::start(command);
        let result = client.initialize(json!({
            "processId": std::process::id(),
            "capabilities": capabilities,
            "workspaceFolders": [{ "uri": root, "name": "workspace" }],
            "initializationOptions": options,
        }));
        (Self { client, env, uri: format!("{root}/main.py") }, result)
    }

    fn start() -> Self {
        Self::start_with(json!({}), &["lsp", "--standalone"]).0
    }

    /// Starts an editor with a document open.
    fn open(language: &str, text: &str) -> Self {
        let mut editor = Self::start();
        let uri = editor.uri.clone();
        editor.client.open(&uri, language, text);
        editor
    }

    fn params(&self, (line, character): (u32, u32)) -> Value {
        json!({
            "textDocument": { "uri": self.uri },
            "position": { "line": line, "character": character },
            "context": { "triggerKind": 2 },
        })
    }

    fn ask(&mut self, at: (u32, u32)) -> i64 {
        let params = self.params(at);
        self.client.send("textDocument/inlineCompletion", params)
    }

    /// Requests the suggestions at a position.
    pub(crate) fn suggestions(&mut self, at: (u32, u32)) -> Vec<String> {
        let id = self.ask(at);
        texts(&self.client.answer(id).expect("an answer"))
    }

    /// Asserts that the server still works.
    fn lives(&mut self) -> bool {
        let uri = self.uri.replace("main.py", "alive.py");
        self.client.open(&uri, "python", PYTHON);
        let params = json!({ "textDocument": { "uri": uri }, "position": { "line": 1, "character": 3 } });
        texts(&self.client.request("textDocument/inlineCompletion", params)) == [SUGGESTION]
    }
}

/// Suggestion of the stub model after an equals sign.
pub(crate) const SUGGESTION: &str = " brown_fx";

/// Texts of the items of a completion list.
pub(crate) fn texts(answer: &Value) -> Vec<String> {
    let text = |item: &Value| item["insertText"].as_str().expect("a text").to_owned();
    answer["items"].as_array().expect("items").iter().map(text).collect()
}

#[test]
fn a_position_becomes_ghost_text() {
    let (mut editor, result) = Editor::start_with(json!({}), &["lsp", "--standalone"]);
    assert!(result["capabilities"]["inlineCompletionProvider"].is_object(), "{result}");
    let uri = editor.uri.clone();
    editor.client.open(&uri, "python", PYTHON);
    let id = editor.ask((1, 3));
    let answer = editor.client.answer(id).expect("an answer");
    let at = json!({ "line": 1, "character": 3 });
    assert_eq!(answer["items"][0]["insertText"], SUGGESTION);
    assert_eq!(answer["items"][0]["range"], json!({ "start": at, "end": at }));
    let command = &answer["items"][0]["command"];
    let arguments = command["arguments"].clone();
    editor.client.request("workspace/executeCommand", json!({ "command": command["command"], "arguments": arguments }));
    let statistics = editor.client.request("foretype/status", json!({}))["statistics"].clone();
    assert_eq!((&statistics["shown"], &statistics["accepted"]), (&json!(1), &json!(1)));
    assert!(editor.client.shut_down().success());
}

#[test]
fn typing_into_the_ghost_text_asks_the_model_nothing() {
    let (mut editor, _) = Editor::start_with(json!({ "inline": { "workAhead": false } }), &["lsp", "--standalone"]);
    let uri = editor.uri.clone();
    editor.client.open(&uri, "python", PYTHON);
    assert_eq!(editor.suggestions((1, 3)), [SUGGESTION]);
    let written =
        |editor: &mut Editor| editor.client.request("foretype/status", json!({}))["engine"]["generated"].clone();
    let before = written(&mut editor);
    for (number, letter) in SUGGESTION.chars().take(4).enumerate() {
        let column = 3 + number as u32;
        editor.client.insert(&uri, 2 + number as i64, (1, column), &letter.to_string());
        assert_eq!(editor.suggestions((1, column + 1)), [&SUGGESTION[number + 1..]]);
    }
    assert_eq!(written(&mut editor), before);
}

#[test]
fn typing_ahead_of_a_run_that_goes_elsewhere_begins_another() {
    let mut editor = Editor::start();
    for round in 0..30 {
        editor.uri = format!("untitled:{round}");
        let uri = editor.uri.clone();
        editor.client.open(&uri, "python", "y");
        let first = editor.ask((0, 1));
        editor.client.insert(&uri, 2, (0, 1), " =");
        // The run for `y` may end before it is known that it does not write ` =`.
        assert_eq!(editor.suggestions((0, 3)), [SUGGESTION], "round {round}");
        assert_eq!(editor.client.answer(first).map(|answer| texts(&answer)), Ok(vec![]));
    }
}

#[test]
fn an_edit_elsewhere_takes_nothing_from_a_request_that_waits() {
    let mut editor = Editor::start();
    let elsewhere = "untitled:elsewhere";
    editor.client.open(elsewhere, "json", "{}");
    for round in 0..30 {
        editor.uri = format!("untitled:{round}");
        let uri = editor.uri.clone();
        editor.client.open(&uri, "python", &format!("y{round} ="));
        let asked = editor.ask((0, 4 + u32::from(round > 9)));
        // The model may be at it, or may not have begun.
        editor.client.insert(elsewhere, 2 + round, (0, 1), " ");
        assert_eq!(
            editor.client.answer(asked).map(|answer| texts(&answer)),
            Ok(vec![SUGGESTION.to_owned()]),
            "{round}"
        );
    }
}

#[test]
fn edits_count_in_the_order_of_the_wire() {
    let mut editor = Editor::open("python", "");
    let uri = editor.uri.clone();
    for (number, letter) in "abc =".chars().enumerate() {
        editor.client.insert(&uri, 2 + number as i64, (0, number as u32), &letter.to_string());
    }
    assert_eq!(editor.suggestions((0, 5)), [SUGGESTION]);
}

#[test]
fn a_superseded_request_is_answered_once_and_with_nothing() {
    let mut editor = Editor::open("python", PYTHON);
    let first = editor.ask((0, 0));
    let uri = editor.uri.clone();
    editor.client.insert(&uri, 2, (0, 0), "# ");
    let second = editor.ask((1, 3));
    assert_eq!(editor.client.answer(second).map(|answer| texts(&answer)), Ok(vec![SUGGESTION.to_owned()]));
    assert_eq!(editor.client.answer(first).map(|answer| texts(&answer)), Ok(vec![]));
}

#[test]
fn a_cancelled_request_is_answered_once() {
    let mut editor = Editor::open("python", PYTHON);
    let id = editor.ask((1, 3));
    editor.client.notify("$/cancelRequest", json!({ "id": id }));
    match editor.client.answer(id) {
        Ok(answer) => assert_eq!(texts(&answer), [SUGGESTION], "it was faster"),
        Err(error) => assert_eq!(error["code"], -32800),
    }
    assert!(editor.lives());
}

#[test]
fn a_suggestion_begins_with_the_item_that_is_selected_in_the_popup() {
    let mut editor = Editor::open("python", "x = 1\ny = b\n");
    let mut params = editor.params((1, 5));
    let range = json!({ "start": { "line": 1, "character": 4 }, "end": { "line": 1, "character": 5 } });
    params["context"]["selectedCompletionInfo"] = json!({ "range": range, "text": "brow" });
    let answer = editor.client.request("textDocument/inlineCompletion", params);
    assert_eq!((texts(&answer), &answer["items"][0]["range"]), (vec!["brown_fx".to_owned()], &range));
}

#[test]
fn positions_count_what_was_agreed_on() {
    for (encoding, column) in [("utf-8", 8), ("utf-16", 6), ("utf-32", 5)] {
        let capabilities = json!({ "general": { "positionEncodings": [encoding] } });
        let (mut editor, result) = Editor::start_as(TestEnv::new(), capabilities, json!({}), &["lsp", "--standalone"]);
        assert_eq!(result["capabilities"]["positionEncoding"], encoding);
        let uri = editor.uri.clone();
        editor.client.open(&uri, "python", "𝄞 x =\n");
        let id = editor.ask((0, column));
        let answer = editor.client.answer(id).expect("an answer");
        assert_eq!(texts(&answer), [SUGGESTION], "{encoding}");
        assert_eq!(answer["items"][0]["range"]["start"], json!({ "line": 0, "character": column }), "{encoding}");
    }
}

#[test]
fn what_a_client_can_register_is_registered() {
    let dynamic = json!({ "dynamicRegistration": true });
    let capabilities = json!({
        "textDocument": { "inlineCompletion": dynamic },
        "workspace": { "didChangeWatchedFiles": dynamic, "didChangeConfiguration": dynamic },
    });
    let (mut editor, result) = Editor::start_as(TestEnv::new(), capabilities, json!({}), &["lsp", "--standalone"]);
    assert!(result["capabilities"]["inlineCompletionProvider"].is_null(), "{result}");
    let registered = editor.client.answers("client/registerCapability", Value::Null);
    let methods: Vec<_> =
        registered["registrations"].as_array().expect("a list").iter().map(|it| it["method"].as_str()).collect();
    for method in
        ["textDocument/inlineCompletion", "workspace/didChangeWatchedFiles", "workspace/didChangeConfiguration"]
    {
        assert!(methods.contains(&Some(method)), "{methods:?}");
    }
    assert!(editor.lives());
}

#[test]
fn reading_the_workspace_shows_its_progress() {
    let capabilities = json!({ "window": { "workDoneProgress": true } });
    let (mut editor, _) = Editor::start_as(TestEnv::new(), capabilities, json!({}), &["lsp", "--standalone"]);
    let token = editor.client.answers("window/workDoneProgress/create", Value::Null)["token"].clone();
    let begin = editor.client.wait_for("$/progress");
    assert_eq!((&begin["params"]["token"], &begin["params"]["value"]["kind"]), (&token, &json!("begin")));
    assert!(begin["params"]["value"]["title"].as_str().is_some_and(|title| title.contains("workspace")), "{begin}");
    let kind = |message: &Value| message["params"]["value"]["kind"].clone();
    editor.client.take(|message| message["method"] == "$/progress" && kind(message) == "end");
}

#[test]
fn a_partial_acceptance_is_counted() {
    let mut editor = Editor::open("python", PYTHON);
    let id = editor.ask((1, 3));
    let item = editor.client.answer(id).expect("an answer")["items"][0].clone();
    let params = json!({ "item": item, "acceptedLength": 6 });
    editor.client.notify("textDocument/didShowCompletion", json!({ "item": item }));
    editor.client.notify("textDocument/didPartiallyAcceptCompletion", params);
    let counted = |editor: &mut Editor| editor.client.request("foretype/status", json!({}))["statistics"].clone();
    let statistics = eventually(&mut editor, counted, |it| it["partially_accepted"] == 1);
    assert_eq!((&statistics["characters"], &statistics["accepted"]), (&json!(6), &json!(0)));
}

/// Time after which a test gives up waiting for a state, even on a busy machine.
const STATE_TIMEOUT: Duration = Duration::from_secs(120);

/// Calls `look` until its result fits: notifications are handled concurrently with later requests.
pub(crate) fn eventually<T>(from: &mut T, look: impl Fn(&mut T) -> Value, fits: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + STATE_TIMEOUT;
    loop {
        let seen = look(from);
        if fits(&seen) {
            return seen;
        }
        assert!(Instant::now() < deadline, "it stays {seen}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn where_suggestions_are_manual_only_a_request_brings_one() {
    let (mut editor, _) = Editor::start_with(json!({ "inline": { "trigger": "manual" } }), &["lsp", "--standalone"]);
    let uri = editor.uri.clone();
    editor.client.open(&uri, "python", PYTHON);
    assert!(editor.suggestions((1, 3)).is_empty());
    let mut params = editor.params((1, 3));
    params["context"]["triggerKind"] = json!(1);
    assert!(texts(&editor.client.request("textDocument/inlineCompletion", params)).contains(&SUGGESTION.to_owned()));
}

#[test]
fn a_document_without_a_file_gets_suggestions() {
    let mut editor = Editor::start();
    editor.uri = "untitled:Untitled-1".to_owned();
    let uri = editor.uri.clone();
    editor.client.open(&uri, "python", PYTHON);
    assert_eq!(editor.suggestions((1, 3)), [SUGGESTION]);
}

#[test]
fn a_document_that_was_closed_is_forgotten() {
    let mut editor = Editor::open("python", PYTHON);
    assert_eq!(editor.suggestions((1, 3)), [SUGGESTION]);
    let uri = editor.uri.clone();
    editor.client.notify("textDocument/didClose", json!({ "textDocument": { "uri": uri } }));
    assert!(editor.suggestions((1, 3)).is_empty());
    editor.client.open(&uri, "python", "z =\n");
    assert_eq!(editor.suggestions((0, 3)), [SUGGESTION], "opened again");
}

#[test]
fn rules_that_change_on_disk_and_folders_that_come_and_go_are_followed() {
    let mut editor = Editor::open("python", PYTHON);
    assert_eq!(editor.suggestions((1, 3)), [SUGGESTION]);
    let file = editor.env.write("workspace/.foretypeignore", "main.py\n");
    let changes = json!({ "changes": [{ "uri": format!("file://{}", file.display()), "type": 1 }] });
    editor.client.notify("workspace/didChangeWatchedFiles", changes);
    let enabled = |editor: &mut Editor| {
        let document = json!({ "textDocument": { "uri": editor.uri } });
        editor.client.request("foretype/status", document)["document"]["enabled"].clone()
    };
    eventually(&mut editor, enabled, |it| *it == false);
    assert!(editor.suggestions((1, 3)).is_empty());
    let folder = json!({ "uri": format!("file://{}/workspace", editor.env.path().display()), "name": "workspace" });
    let event = json!({ "event": { "added": [], "removed": [folder] } });
    editor.client.notify("workspace/didChangeWorkspaceFolders", event);
    eventually(&mut editor, enabled, |it| *it == true);
}

/// Starts a client with a real model and these `initialize` parameters, with a tour file open. Returns it with the
/// parameters of a completion request; `None` if there is no model.
pub(crate) fn real_place(env: &TestEnv, about: Value) -> Option<(Client, Value)> {
    let mut command = env.command(&["lsp", "--standalone"]);
    command.env("FORETYPE_MODEL", real_model()?);
    let mut client = Client::start(command);
    client.initialize(about);
    let text = std::fs::read_to_string(repository().join("tests/fixtures/tour/matrix.rs")).expect("a file of the tour");
    let uri = "file:///w/matrix.rs";
    client.open(uri, "rust", &text);
    let place = json!({ "textDocument": { "uri": uri }, "position": { "line": 21, "character": 16 } });
    Some((client, place))
}

#[test]
fn an_answer_at_the_deadline_is_the_beginning_of_the_whole() {
    let env = TestEnv::new();
    let options = json!({ "inline": { "deadline_ms": 50 } });
    let about = json!({ "capabilities": {}, "initializationOptions": options });
    let Some((mut client, place)) = real_place(&env, about) else { return };
    let mut ask = || texts(&client.request("textDocument/inlineCompletion", place.clone())).join("");
    // It may be empty: on a slow machine not even a word is there after so many deadlines.
    let first = ask();
    let deadline = Instant::now() + STATE_TIMEOUT;
    let mut last = first.clone();
    while !last.ends_with(';') {
        assert!(Instant::now() < deadline, "the run never came to its end: {last:?}");
        let next = ask();
        assert!(next.starts_with(&last), "{next:?} after {last:?}");
        last = next;
    }
    assert!(last.len() > first.len(), "50 ms were enough for {last:?}");
}

#[test]
fn options_come_from_the_editor() {
    let options = json!({ "enable": { "*": true, "python": false } });
    let (mut editor, _) = Editor::start_with(options, &["lsp", "--standalone"]);
    let uri = editor.uri.clone();
    editor.client.open(&uri, "python", PYTHON);
    assert!(editor.suggestions((1, 3)).is_empty());
    let report = editor.client.request("foretype/status", json!({ "textDocument": { "uri": uri } }));
    assert!(report["document"]["reason"].as_str().is_some_and(|why| why.contains("python")), "{report}");
    editor.client.notify("workspace/didChangeConfiguration", json!({ "settings": { "foretype": {} } }));
    let options = json!({ "settings": { "foretype": { "enable": { "*": true, "python": true } } } });
    editor.client.notify("workspace/didChangeConfiguration", options);
    let enabled = |editor: &mut Editor| !editor.suggestions((1, 3)).is_empty();
    eventually(&mut editor, |editor| json!(enabled(editor)), |on| *on == true);
}

#[test]
fn another_adapter_answers_without_a_restart() {
    let env = TestEnv::new();
    let [first, second] =
        [("first", b'b'), ("second", b'o')].map(|it| stub_model::write_adapter(env.path(), it.0, it.1));
    let (mut editor, _) = Editor::start_in(env, json!({ "adapter": first }), &["lsp", "--standalone"]);
    let (uri, server) = (editor.uri.clone(), editor.client.pid());
    editor.client.open(&uri, "python", PYTHON);
    assert_eq!(editor.suggestions((1, 3)), ["rown_fx"]);
    for (adapter, text) in [(json!(second), "wn_fx"), (json!(null), SUGGESTION), (json!(first), "rown_fx")] {
        let options = json!({ "settings": { "foretype": { "adapter": adapter } } });
        editor.client.notify("workspace/didChangeConfiguration", options);
        eventually(&mut editor, |editor| json!(editor.suggestions((1, 3))), |seen| *seen == json!([text]));
    }
    assert_eq!(editor.client.pid(), server);
    assert!(editor.client.shut_down().success());
}

#[test]
fn ignored_and_secret_files_get_no_suggestions() {
    let env = TestEnv::new();
    env.write("workspace/.gitignore", "local/\n");
    let (mut editor, _) = Editor::start_in(env, json!({}), &["lsp", "--standalone"]);
    for name in ["local/a.py", ".env", "server.pem"] {
        let uri = editor.uri.replace("main.py", name);
        editor.client.open(&uri, "python", PYTHON);
        let params = json!({ "textDocument": { "uri": uri }, "position": { "line": 1, "character": 3 } });
        assert!(texts(&editor.client.request("textDocument/inlineCompletion", params)).is_empty(), "{name}");
    }
    assert!(editor.lives());
}

#[test]
fn a_missing_model_is_reported_once_and_says_what_to_do() {
    let env = TestEnv::new();
    let mut client = Client::start(env.command(&["lsp", "--standalone"]));
    client.initialize(json!({ "capabilities": {}, "initializationOptions": { "model": "qwen2.5-coder-7b" } }));
    let message = client.wait_for("window/showMessage")["params"]["message"].to_string();
    assert!(message.contains("foretype model pull"), "{message}");
    client.open("file:///a.py", "python", PYTHON);
    let params = json!({ "textDocument": { "uri": "file:///a.py" }, "position": { "line": 1, "character": 3 } });
    for _ in 0..3 {
        assert!(texts(&client.request("textDocument/inlineCompletion", params.clone())).is_empty());
    }
    assert!(client.shut_down().success());
}

#[test]
fn a_wrong_option_is_reported_once_and_one_that_is_unset_no_longer_applies() {
    let capabilities = json!({ "workspace": { "configuration": true } });
    let options = json!({ "nonsense": 1, "inline": { "trigger": "manual" } });
    let env = TestEnv::new();
    let model = stub_model::write(env.path());
    let mut command = env.command(&["lsp", "--standalone"]);
    command.env("FORETYPE_MODEL", model);
    let mut client = Client::start(command);
    client.request("initialize", json!({ "capabilities": capabilities, "initializationOptions": options }));
    client.notify("initialized", json!({}));
    client.answers("workspace/configuration", json!([options]));
    assert!(client.wait_for("window/showMessage")["params"]["message"].to_string().contains("nonsense"));
    client.open("file:///a.py", "python", PYTHON);
    let params = json!({ "textDocument": { "uri": "file:///a.py" }, "position": { "line": 1, "character": 3 } });
    client.notify("workspace/didChangeConfiguration", json!({ "settings": null }));
    client.answers("workspace/configuration", json!([{}]));
    let ask = |client: &mut Client| client.request("textDocument/inlineCompletion", params.clone());
    eventually(&mut client, ask, |list| !texts(list).is_empty());
    assert!(client.shut_down().success());
}

#[test]
fn an_answer_about_settings_that_comes_late_does_not_undo_a_later_one() {
    let env = TestEnv::new();
    let model = stub_model::write(env.path());
    let mut client = Client::start(env.command(&["lsp", "--standalone"]));
    client.request("initialize", json!({ "capabilities": { "workspace": { "configuration": true } } }));
    client.notify("initialized", json!({}));
    let first = client.wait_for("workspace/configuration");
    client.notify("workspace/didChangeConfiguration", json!({ "settings": null }));
    client.answers("workspace/configuration", json!([{ "model": model }]));
    client.take(|message| message["method"] == "foretype/status" && message["params"]["busy"] == false);
    let old = json!([{ "model": model, "inline": { "trigger": "manual" } }]);
    client.body(json!({ "jsonrpc": "2.0", "id": first["id"], "result": old }).to_string().as_bytes());
    client.open("file:///a.py", "python", PYTHON);
    let params = json!({ "textDocument": { "uri": "file:///a.py" }, "position": { "line": 1, "character": 3 } });
    for _ in 0..20 {
        assert_eq!(texts(&client.request("textDocument/inlineCompletion", params.clone())), [SUGGESTION]);
    }
    assert!(client.shut_down().success());
}

#[test]
fn settings_that_come_after_nobody_waited_any_more_count_and_end_nothing() {
    let env = TestEnv::new();
    let mut command = env.command(&["lsp", "--standalone"]);
    command.env("FORETYPE_MODEL", stub_model::write(env.path()));
    let mut client = Client::start(command);
    client.request("initialize", json!({ "capabilities": { "workspace": { "configuration": true } } }));
    client.notify("initialized", json!({}));
    let asked = client.wait_for("workspace/configuration");
    // The server goes on without an answer after ten seconds, and takes the model that the environment names.
    client.take(|message| message["method"] == "foretype/status" && message["params"]["busy"] == false);
    client.open("file:///a.py", "python", PYTHON);
    let params = json!({ "textDocument": { "uri": "file:///a.py" }, "position": { "line": 1, "character": 3 } });
    assert_eq!(texts(&client.request("textDocument/inlineCompletion", params.clone())), [SUGGESTION]);
    let settings = json!([{ "inline": { "trigger": "manual" } }]);
    client.body(json!({ "jsonrpc": "2.0", "id": asked["id"], "result": settings }).to_string().as_bytes());
    let ask = |client: &mut Client| client.request("textDocument/inlineCompletion", params.clone());
    eventually(&mut client, ask, |list| texts(list).is_empty());
    assert!(client.shut_down().success());
}

#[test]
fn a_model_that_only_the_settings_name_is_not_missed_before_they_are_asked_for() {
    let env = TestEnv::new();
    let model = stub_model::write(env.path());
    let mut client = Client::start(env.command(&["lsp", "--standalone"]));
    client.request("initialize", json!({ "capabilities": { "workspace": { "configuration": true } } }));
    client.notify("initialized", json!({}));
    client.answers("workspace/configuration", json!([{ "model": model }]));
    client.take(|message| message["method"] == "foretype/status" && message["params"]["busy"] == false);
    client.open("file:///a.py", "python", PYTHON);
    let params = json!({ "textDocument": { "uri": "file:///a.py" }, "position": { "line": 1, "character": 3 } });
    assert_eq!(texts(&client.request("textDocument/inlineCompletion", params)), [SUGGESTION]);
    assert!(client.shut_down().success());
}

#[test]
fn exit_without_shutdown_and_a_closed_input_end_the_server_with_an_error() {
    let mut editor = Editor::start();
    editor.client.body(br#"{"jsonrpc":"2.0","method":"exit"}"#);
    assert_eq!(editor.client.wait().code(), Some(1));
    let mut editor = Editor::start();
    assert_eq!(editor.client.close().code(), Some(1));
}

#[test]
fn the_server_ends_with_its_editor() {
    let mut stand_in = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
    let env = TestEnv::new();
    let mut client = Client::start(env.command(&["lsp", "--standalone"]));
    let options = json!({ "model": "qwen2.5-coder-7b" });
    client.initialize(json!({ "processId": stand_in.id(), "capabilities": {}, "initializationOptions": options }));
    client.wait_for("window/showMessage");
    stand_in.kill().and_then(|()| stand_in.wait()).expect("our own child");
    assert_eq!(client.wait().code(), Some(1));
}

#[test]
fn malformed_messages_and_unknown_methods_get_the_protocols_error() {
    let mut editor = Editor::start();
    let id = editor.client.send("foretype/nonsense", json!({}));
    assert_eq!(editor.client.answer(id).expect_err("unknown")["code"], -32601);
    editor.client.notify("foretype/nonsense", json!({}));
    editor.client.notify("$/nonsense", json!({}));
    for body in [&b"{\"jsonrpc\": \"2.0\", "[..], b"\xff\xfe\xfd", b"{\"jsonrpc\":\"2.0\",\"id\":[],\"method\":7}"] {
        editor.client.body(body);
        let error = editor.client.take(|message| message["id"].is_null() && message.get("error").is_some());
        assert!([-32700, -32600].contains(&error["error"]["code"].as_i64().expect("a code")), "{error}");
    }
    let id = editor.client.send("textDocument/inlineCompletion", json!({ "textDocument": 3 }));
    assert_eq!(editor.client.answer(id).expect_err("wrong parameters")["code"], -32602);
    editor.client.notify("textDocument/didChange", json!({ "nothing": true }));
    assert!(editor.lives());
}

#[test]
fn edits_and_positions_that_fit_nothing_do_no_harm() {
    let mut editor = Editor::open("python", PYTHON);
    for at in [(7, 0), (u32::MAX, u32::MAX), (0, u32::MAX)] {
        editor.suggestions(at);
    }
    let uri = editor.uri.clone();
    editor.client.insert(&uri, 1, (999, 999), "x");
    editor.client.insert(&uri, -7, (0, 0), "y");
    assert!(editor.suggestions((0, 1)).is_empty(), "out of sync");
    let whole = json!({ "textDocument": { "uri": uri, "version": 9 }, "contentChanges": [{ "text": PYTHON }] });
    editor.client.notify("textDocument/didChange", whole);
    assert_eq!(editor.suggestions((1, 3)), [SUGGESTION], "in sync again");
    let never = uri.replace("main", "never-opened");
    editor.client.insert(&never, 2, (0, 0), "x");
    editor.uri = never;
    assert!(editor.suggestions((0, 0)).is_empty());
    assert!(editor.lives());
}

#[test]
fn strange_texts_are_completed_or_left_alone() {
    let deep = "(".repeat(50_000);
    let long = format!("x = \"{}\"\ny =", "a".repeat(5 << 20));
    let texts = ["", "x =", "\u{feff}x =", "a = 1\r\nx =\r\n", "x = \0\0\0", "𝄞é =", "\n\n\n", &deep, &long];
    let mut editor = Editor::start();
    for (number, text) in texts.iter().enumerate() {
        editor.uri = editor.uri.replace("main", &format!("strange{number}"));
        let uri = editor.uri.clone();
        editor.client.open(&uri, "python", text);
        let last = text.lines().count().saturating_sub(1) as u32;
        editor.suggestions((last, 3));
        editor.suggestions((0, 0));
        editor.client.insert(&uri, 2, (0, 0), "z");
        editor.suggestions((0, 1));
        editor.client.notify("textDocument/didClose", json!({ "textDocument": { "uri": uri } }));
        editor.uri = editor.uri.replace(&format!("strange{number}"), "main");
    }
    assert!(editor.lives());
    assert!(editor.client.shut_down().success());
}

#[cfg(unix)]
#[test]
fn two_windows_share_one_daemon() {
    let (mut first, _) = Editor::start_with(json!({}), &["lsp"]);
    let mut command = first.env.command(&["lsp"]);
    command.env("FORETYPE_MODEL", first.env.path().join("stub-model"));
    let mut second = Client::start(command);
    second.initialize(json!({ "capabilities": {} }));
    let pid = |client: &mut Client| client.request("foretype/status", json!({}))["pid"].as_u64();
    let daemon = pid(&mut first.client);
    assert!(daemon.is_some() && daemon == pid(&mut second) && daemon != Some(first.client.pid().into()));
    assert!(first.lives());
    let status = |env: &TestEnv| String::from_utf8_lossy(&env.run(&["daemon", "status"]).stdout).into_owned();
    assert!(status(&first.env).contains("for 2 editors"));
    assert!(second.shut_down().success());
    assert!(status(&first.env).contains("for one editor"));
    assert_eq!(first.client.close().code(), Some(1), "gone without a word");
    assert!(first.env.run(&["daemon", "status"]).status.success());
    assert!(first.env.run(&["daemon", "stop"]).status.success());
}

#[cfg(unix)]
#[test]
fn a_session_that_switches_models_drops_the_old_one() {
    let mut env = TestEnv::new();
    let [first, second] = ["first", "second"].map(|name| stub_model::write(&env.path().join(name)));
    let mut client = Client::start(env.command(&["lsp"]));
    client.initialize(json!({ "capabilities": {}, "initializationOptions": { "model": first } }));
    let settings = json!({ "settings": { "foretype": { "model": second } } });
    client.notify("workspace/didChangeConfiguration", settings);
    let models = |env: &mut TestEnv| {
        let status = env.run(&["daemon", "status", "--json"]).stdout;
        serde_json::from_slice::<Value>(&status).expect("JSON")["models"].clone()
    };
    eventually(&mut env, models, |seen| seen[0]["path"] == json!(second) && seen.get(1).is_none());
    assert!(client.shut_down().success());
    assert!(env.run(&["daemon", "stop"]).status.success());
}
