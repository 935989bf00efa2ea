//! Prefetching, and suggestions that are shown in part.

use foretype_tests::client::Client;
use foretype_tests::{TestEnv, real_model};
use serde_json::{Value, json};

use crate::lsp::{Editor, SUGGESTION, eventually, real_place, texts};

/// Opens a document in an editor with the given options.
fn open(text: &str, options: Value) -> Editor {
    let (mut editor, _) = Editor::start_with(options, &["lsp", "--standalone"]);
    let uri = editor.uri.clone();
    editor.client.open(&uri, "python", text);
    editor
}

fn short() -> Value {
    json!({ "context": { "maxTokens": 512 }, "inline": { "maxTokens": 64 } })
}

fn engine(editor: &mut Editor) -> Value {
    editor.client.request("foretype/status", json!({}))["engine"].clone()
}

/// Counters of the engine: prompt tokens evaluated, and tokens generated.
fn counters(editor: &mut Editor) -> (u64, u64) {
    let engine = engine(editor);
    (engine["evaluated"].as_u64().expect("a count"), engine["generated"].as_u64().expect("a count"))
}

/// Waits until at least `at_least` prompt tokens have been evaluated and nothing runs, and returns their number.
fn wait_for_prefill(editor: &mut Editor, at_least: u64) -> u64 {
    let count = |engine: &Value| engine["evaluated"].as_u64().expect("a count");
    count(&eventually(editor, engine, |engine| count(engine) >= at_least && engine["running"] == 0))
}

/// Waits until every scheduled prefetch has run or has been given up.
fn wait_for_prefetches(editor: &mut Editor) {
    let prefetching = |editor: &mut Editor| editor.client.request("foretype/status", json!({}))["prefetching"].clone();
    eventually(editor, prefetching, |prefetching| *prefetching == false);
}

fn focus(editor: &mut Editor, (line, character): (u32, u32)) {
    let position = json!({ "line": line, "character": character });
    let params = json!({ "textDocument": { "uri": editor.uri }, "position": position });
    editor.client.notify("textDocument/didFocus", params);
}

/// Generates lines of which no two are the same.
fn lines(count: usize) -> String {
    (0..count).map(|number| format!("name_{number} = {}\n", number * 37)).collect()
}

#[test]
fn the_prompt_where_the_cursor_rests_is_prefetched() {
    let mut editor = open(&format!("{}y\n{}", lines(60), lines(30)), short());
    focus(&mut editor, (60, 1));
    let read = wait_for_prefill(&mut editor, 100);
    let uri = editor.uri.clone();
    editor.client.insert(&uri, 2, (60, 1), " =");
    assert_eq!(editor.suggestions((60, 3)), [SUGGESTION]);
    let (now, _) = counters(&mut editor);
    assert!(now - read <= 4, "the first key evaluated {} prompt tokens after {read}", now - read);
}

#[test]
fn an_idle_cursor_prefetches_at_most_three_prompts() {
    let mut editor = open(&lines(400), short());
    let mut read = 0;
    for place in 1..=3 {
        focus(&mut editor, (place * 80, 3));
        read = wait_for_prefill(&mut editor, read + 50);
    }
    focus(&mut editor, (390, 3));
    wait_for_prefetches(&mut editor);
    assert_eq!(counters(&mut editor).0, read);
    let uri = editor.uri.clone();
    editor.client.insert(&uri, 2, (390, 0), "#");
    focus(&mut editor, (390, 1));
    wait_for_prefill(&mut editor, read + 50);
}

#[test]
fn a_moving_cursor_prefetches_nothing() {
    let mut editor = open(&lines(400), short());
    for line in (0..399).chain([200]) {
        focus(&mut editor, (line, 0));
    }
    let read = wait_for_prefill(&mut editor, 50);
    assert!(read < 1000, "{read} prompt tokens were evaluated");
}

#[test]
fn prefetch_can_be_disabled_and_needs_automatic_suggestions() {
    for options in [json!({ "inline": { "workAhead": false } }), json!({ "inline": { "trigger": "manual" } })] {
        let mut editor = open(&lines(100), options);
        focus(&mut editor, (50, 3));
        wait_for_prefetches(&mut editor);
        assert_eq!(counters(&mut editor), (0, 0));
    }
}

#[test]
fn acceptance_is_prefetched() {
    let mut editor = open("x = 1\ny =\n", json!({}));
    assert_eq!(editor.suggestions((1, 3)), [SUGGESTION]);
    let written = counters(&mut editor).1;
    let ahead = eventually(&mut editor, |editor| json!(counters(editor).1), |now| now.as_u64() > Some(written));
    let uri = editor.uri.clone();
    editor.client.insert(&uri, 2, (1, 3), SUGGESTION);
    let before = wait_for_prefill(&mut editor, 0);
    editor.suggestions((1, 3 + SUGGESTION.len() as u32));
    assert_eq!(counters(&mut editor), (before, ahead.as_u64().expect("a count")), "the model was asked again");
}

#[test]
fn a_pause_after_much_typing_moves_the_anchor() {
    let mut editor = open(&format!("{}\n{}", lines(40), lines(20)), short());
    let uri = editor.uri.clone();
    let mut version = 1;
    let mut line = 40;
    let mut write = |editor: &mut Editor, text: &str| {
        version += 1;
        let column = 0;
        editor.client.insert(&uri, version, (line, column), text);
        line += 1;
        editor.suggestions((line, 0))
    };
    (0..9).for_each(|number| drop(write(&mut editor, &format!("other_{number} = {number}{number}\n"))));
    let before = wait_for_prefill(&mut editor, 0);
    let read = wait_for_prefill(&mut editor, before + 100);
    write(&mut editor, "last = 1\n");
    let (now, _) = counters(&mut editor);
    assert!(now - read <= 10, "the key after the pause evaluated {} prompt tokens", now - read);
}

/// Remarks of a few words, of which no two are the same.
fn remarks(count: usize) -> String {
    const WORDS: [&str; 7] = ["river", "stone", "morning", "garden", "letter", "window", "harbour"];
    let word = |number: usize| WORDS[number % WORDS.len()];
    let line = |number: usize| format!("# the {} and the {} of {}\n", word(number), word(number / 7), word(number / 3));
    (0..count).map(line).collect()
}

#[test]
fn a_slow_prefill_starts_with_a_reduced_window_and_a_pause_completes_it() {
    let Some(model) = real_model() else { return };
    let uri = "file:///w/main.py";
    let status = |client: &mut Client| client.request("foretype/status", json!({}))["engine"].clone();
    let count = |engine: &Value| engine["evaluated"].as_u64().expect("a count");
    let start = |progressive: bool| {
        let env = TestEnv::new();
        let mut command = env.command(&["lsp", "--standalone"]);
        command.env("FORETYPE_MODEL", &model);
        let mut client = Client::start(command);
        let inline = json!({ "max_tokens": 16, "progressive_context": progressive });
        let options = json!({ "context": { "max_tokens": 32_768 }, "inline": inline });
        client.initialize(json!({ "capabilities": {}, "initializationOptions": options }));
        let engine = eventually(&mut client, status, |engine| engine["reading_speed"].is_number());
        (env, client, engine["reading_speed"].as_f64().expect("tokens a second"))
    };
    let (_env, mut client, speed) = start(true);
    // Four seconds of prefill by this daemon's estimate, at four bytes per token.
    let lines = (4.0 * speed).max(600.0) as u32 * 4 / 36;
    let text = format!("{}x = \n", remarks(lines as usize));
    let key = |client: &mut Client, character: u32| {
        let position = json!({ "line": lines, "character": character });
        client
            .request("textDocument/inlineCompletion", json!({ "textDocument": { "uri": uri }, "position": position }));
    };
    let (_other_env, mut other, _) = start(false);
    other.open(uri, "python", &text);
    key(&mut other, 4);
    let whole = count(&eventually(&mut other, status, |engine| count(engine) > 0));
    assert!(other.shut_down().success());
    client.open(uri, "python", &text);
    key(&mut client, 4);
    let reduced = count(&eventually(&mut client, status, |engine| count(engine) > 0));
    assert!(reduced * 2 < whole, "{reduced} prompt tokens for the first key, {whole} for the whole window");
    let is_whole = |engine: &Value| count(engine) >= reduced + whole / 2 && engine["running"] == 0;
    let read = count(&eventually(&mut client, status, is_whole));
    client.insert(uri, 2, (lines, 4), "y");
    key(&mut client, 5);
    let now = count(&eventually(&mut client, status, |engine| engine["running"] == 0));
    assert!(now - read <= 4, "the key after the pause evaluated {} prompt tokens", now - read);
    assert!(client.shut_down().success());
}

#[test]
fn a_suggestion_is_shown_in_part_if_the_editor_can_extend_it() {
    let env = TestEnv::new();
    let about = json!({ "capabilities": { "experimental": { "foretype": { "more": true } } } });
    let Some((mut client, place)) = real_place(&env, about) else { return };
    let uri = "file:///w/matrix.rs";
    // Somebody who types as fast as this wants to see something soon.
    client.insert(uri, 2, (21, 16), "/");
    client.insert(uri, 3, (21, 17), " ");
    let back = json!({ "start": { "line": 21, "character": 16 }, "end": { "line": 21, "character": 18 } });
    let document = json!({ "uri": uri, "version": 4 });
    let changes = json!([{ "range": back, "text": "" }]);
    client.notify("textDocument/didChange", json!({ "textDocument": document, "contentChanges": changes }));
    let part = client.request("textDocument/inlineCompletion", place.clone());
    assert_eq!(part["isIncomplete"], true, "{part}");
    assert_eq!(client.wait_for("foretype/more")["params"], json!({ "textDocument": { "uri": uri } }));
    let whole = client.request("textDocument/inlineCompletion", place);
    assert!(whole.get("isIncomplete").is_none(), "{whole}");
    let (part, whole) = (texts(&part).join(""), texts(&whole).join(""));
    assert!(whole.len() > part.len() && whole.starts_with(&part), "{whole:?} after {part:?}");
    assert!(client.shut_down().success());
}
