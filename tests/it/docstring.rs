//! Docstrings, on the command line and in an editor.

use std::process::Command;

use foretype_tests::{TestEnv, output_of, real_model, stub_model, text};
use serde_json::{Value, json};

use crate::lsp::Editor;

const PYTHON: &str = "def scale(values, factor=2):\n    if not values:\n        raise ValueError(\"none\")\n    \
                      return [value * factor for value in values]\n";
const RUST: &str = "/// Twice.\npub fn twice(x: u8) -> u8 {\n    x * 2\n}\n\n#[inline]\npub fn scale(values: &[f32], factor: \
                    f32) -> Vec<f32> {\n    values.iter().map(|value| value * factor).collect()\n}\n";

/// Creates an environment with the stub model and both files.
fn env() -> TestEnv {
    let env = TestEnv::new();
    stub_model::write(env.path());
    env.write("a.py", PYTHON);
    env.write("b.rs", RUST);
    env
}

fn command(env: &TestEnv, model: &str, arguments: &[&str]) -> Command {
    let mut command = env.command(&[&["docstring"], arguments].concat());
    command.env("FORETYPE_MODEL", model);
    command
}

fn run(env: &TestEnv, model: &str, arguments: &[&str]) -> (bool, String, String) {
    text(&command(env, model, arguments).output().expect("the binary starts"))
}

fn prints(env: &TestEnv, model: &str, arguments: &[&str]) -> String {
    output_of(&mut command(env, model, arguments))
}

fn read(env: &TestEnv, name: &str) -> String {
    std::fs::read_to_string(env.path().join(name)).expect("a file")
}

/// The lines that `after` has and `before` has not; those of `before` must all be there, in order.
fn added<'a>(before: &str, after: &'a str) -> Vec<&'a str> {
    let mut old = before.lines().peekable();
    let added = after.lines().filter(|line| old.next_if_eq(line).is_none()).collect();
    assert_eq!(old.next(), None, "a line of the file is gone: {after}");
    added
}

#[test]
fn a_diff_is_shown_and_the_file_left_alone_unless_it_is_to_be_written() {
    let env = env();
    let out = prints(&env, "stub-model", &["a.py:4"]);
    // The stub model has something to say after a colon and a blank.
    assert!(out.contains("+        values: Brown_fx.\n+        factor: Brown_fx.\n"), "{out}");
    assert!(out.contains("+    Raises:\n+        ValueError: Brown_fx.\n"), "{out}");
    assert_eq!(read(&env, "a.py"), PYTHON);
    assert_eq!(prints(&env, "stub-model", &["a.py:1", "--write"]), "");
    let after = read(&env, "a.py");
    let lines = added(PYTHON, &after);
    assert!(lines[0].starts_with("    \"\"\"") && lines.last() == Some(&"    \"\"\""), "{after}");
}

#[test]
fn a_plugin_has_the_last_word_on_a_docstring_and_cannot_change_code() {
    let env = env();
    let plugin = |finish: &str| {
        let source = format!(
            "return {{ api = 1, name = 'rules', tasks = {{ 'docstring' }},
            context = function() return 'Be short.' end, finish = function(request, text) {finish} end }}"
        );
        env.write("config/foretype/plugins/rules.luau", source);
    };
    plugin("return (text:gsub('Brown', 'Red'))");
    let out = prints(&env, "stub-model", &["a.py:4"]);
    assert!(out.contains("+        values: Red_fx.\n") && !out.contains("Brown"), "{out}");
    plugin("return false");
    let (good, _, err) = run(&env, "stub-model", &["a.py:4"]);
    assert!(!good && err.contains("the plugin rules rejects this docstring"), "{err}");
    plugin("return text .. 'import os\\n'");
    let (good, _, err) = run(&env, "stub-model", &["a.py:4", "--write"]);
    assert!(!good && err.contains("would have changed code"), "{err}");
    assert_eq!(read(&env, "a.py"), PYTHON);
}

#[test]
fn holes_share_what_the_model_has_read() {
    let report: Value =
        serde_json::from_str(&prints(&env(), "stub-model", &["a.py:1", "--json", "--style", "numpy"])).expect("JSON");
    assert_eq!(report[0]["parameters"], json!(["values", "factor"]));
    assert_eq!(report[0]["style"], "numpy");
    let tokens = |name: &str| report[0]["usage"][name].as_u64().expect("a number");
    // Five holes: each prompt but the first is in the cache as far as the one before went.
    assert!(tokens("reused") > 3 * tokens("evaluated") / 2, "{report}");
}

#[test]
fn a_whole_file_gets_what_is_missing_and_nothing_else() {
    let env = env();
    prints(&env, "stub-model", &["b.rs", "--all", "--write"]);
    let after = read(&env, "b.rs");
    let lines = added(RUST, &after);
    assert!(lines.iter().all(|line| line.starts_with("///")) && after.contains("/// Twice.\npub fn twice"), "{after}");
    assert!(after.contains("/// * `factor` - Brown_fx.") && after.contains("\n#[inline]\npub fn scale"), "{after}");
    let (good, _, err) = run(&env, "stub-model", &["b.rs", "--all"]);
    assert!(!good && err.contains("every item in b.rs has a docstring"), "{err}");
}

/// `scale` as it was documented before `factor` came and `ratio` went.
fn outdated() -> String {
    let docstring = "    \"\"\"Make them larger.\n\n    Args:\n        values: Any\n            numbers.\n        ratio: How much.\n\n    \
                     Returns:\n        New ones.\n    \"\"\"\n";
    PYTHON.replacen(":\n", &format!(":\n{docstring}"), 1)
}

#[test]
fn an_update_writes_what_is_new_and_leaves_what_still_holds() {
    let env = env();
    env.write("c.py", outdated());
    let (good, out, err) = run(&env, "stub-model", &["c.py", "--all", "--update", "--write"]);
    assert!(good && out.is_empty(), "{err}");
    let expected = outdated()
        .replace("ratio: How much.", "factor: Brown_fx.")
        .replace("New ones.\n", "New ones.\n\n    Raises:\n        ValueError: Brown_fx.\n");
    assert_eq!(read(&env, "c.py"), expected);
    for (place, says) in [(&["c.py:2"][..], "nothing to update"), (&["c.py", "--all"], "nothing to update")] {
        let (good, out, err) = run(&env, "stub-model", &[place, &["--update"]].concat());
        assert!(good && out.is_empty() && err.contains(says), "{err}");
    }
    for (place, says) in [
        (&["a.py:1"][..], "no docstring of `scale` to update: write one first"),
        (&["a.py", "--all"], "no item in a.py has a docstring to update"),
    ] {
        let (good, _, err) = run(&env, "stub-model", &[place, &["--update"]].concat());
        assert!(!good && err.contains(says), "{err}");
    }
    // What only goes needs no words, so the model that is part of the program will do.
    env.write("d.py", "def f():\n    \"\"\"F.\n\n    Args:\n        x: Gone.\n    \"\"\"\n");
    let command = ["docstring", "d.py:1", "--update", "--write"];
    let (good, _, err) = text(&env.command(&command).output().expect("the binary starts"));
    assert!(good, "{err}");
    assert_eq!(read(&env, "d.py"), "def f():\n    \"\"\"F.\n    \"\"\"\n");
}

#[test]
fn what_cannot_be_documented_is_said_and_left_alone() {
    let env = env();
    env.write("bad.py", "def f(:\n    pass\n");
    env.write("data.json", "{}\n");
    env.write("plain.py", "x = 1\ny = 2\n");
    env.write("latin.py", b"# \xe9\n");
    for (arguments, says) in [
        (&["a.py"][..], "write FILE:LINE"),
        (&["a.py:99"], "4 lines"),
        (&["missing.py:1"], "cannot read missing.py"),
        (&["bad.py:1"], "is broken at line 1"),
        (&["data.json:1"], "no docstring style for json"),
        (&["plain.py:2"], "no function, method, class or module at line 2"),
        (&["latin.py:1"], "UTF-8"),
        (&["a.py:1", "--style", "javadoc"], "google, numpy or rest"),
        (&["a.py:1", "--style", "sphinx"], "there is no docstring style \"sphinx\""),
    ] {
        let (good, out, err) = run(&env, "stub-model", arguments);
        assert!(!good && err.contains(says) && !err.contains("panicked"), "{arguments:?}: {out}{err}");
    }
    assert_eq!(read(&env, "bad.py"), "def f(:\n    pass\n");
}

#[test]
fn the_configuration_says_the_style_and_the_width_and_flags_win() {
    let env = env();
    env.write(".foretype/config.toml", "[docstring]\nstyle = { python = \"numpy\" }\nwidth = 40\n");
    env.write("long.py", format!("def {}(x):\n    pass\n", "many_words_".repeat(8)).as_str());
    let out = prints(&env, "stub-model", &["a.py:1"]);
    assert!(out.contains("+    Parameters\n+    ----------\n"), "{out}");
    assert!(prints(&env, "stub-model", &["a.py:1", "--style", "rest"]).contains("+    :param values:"));
    // The flag may be wider than the option, and the stub model's one word fits either way.
    assert!(prints(&env, "stub-model", &["long.py:1", "--width", "400"]).contains("Parameters"));
    env.write(".foretype/config.toml", "[docstring]\nstyle = { python = \"sphinx\" }\n");
    let (_, out, err) = run(&env, "stub-model", &["a.py:1"]);
    assert!(err.contains("docstring.style") || err.contains("sphinx"), "{out}{err}");
}

#[test]
fn a_real_model_describes_a_function_of_python_and_of_rust() {
    let Some(model) = real_model() else { return };
    let env = env();
    for (place, name, before) in [("a.py:1", "a.py", PYTHON), ("b.rs:7", "b.rs", RUST)] {
        prints(&env, &model.to_string_lossy(), &[place, "--write"]);
        let after = read(&env, name);
        println!("{after}");
        let lines = added(before, &after);
        let prose: Vec<_> = lines.iter().filter(|line| line.contains("factor") || line.contains("values")).collect();
        assert!(prose.len() >= 2 && lines.iter().all(|line| line.chars().count() <= 88), "{after}");
        let words = lines.iter().flat_map(|line| line.split_whitespace()).count();
        assert!(words > 20, "more than names: {after}");
    }
}

/// An editor that takes versioned edits, with this text open.
fn editor(text: &str) -> Editor {
    let capabilities = json!({ "workspace": { "workspaceEdit": { "documentChanges": true } } });
    let (mut editor, _) = Editor::start_as(TestEnv::new(), capabilities, json!({}), &["lsp", "--standalone"]);
    let uri = editor.uri.clone();
    editor.client.open(&uri, "python", text);
    editor
}

/// The code actions at a line.
fn actions(editor: &mut Editor, line: u32) -> Value {
    let at = json!({ "line": line, "character": 4 });
    let params = json!({
        "textDocument": { "uri": editor.uri }, "range": { "start": at, "end": at }, "context": { "diagnostics": [] },
    });
    editor.client.request("textDocument/codeAction", params)
}

#[test]
fn an_action_writes_a_docstring_as_one_edit_of_one_version() {
    let mut editor = editor(PYTHON);
    let offered = actions(&mut editor, 3);
    assert_eq!(offered[0]["kind"], "refactor.rewrite");
    assert_eq!(offered[0]["title"], "Write a docstring for `scale`");
    let command = &offered[0]["command"];
    let params = json!({ "command": command["command"], "arguments": command["arguments"] });
    let id = editor.client.send("workspace/executeCommand", params);
    let edit = editor.client.answers("workspace/applyEdit", json!({ "applied": true }));
    let changes = edit["edit"]["documentChanges"].as_array().expect("one document").clone();
    assert_eq!((changes.len(), &changes[0]["textDocument"]["version"]), (1, &json!(1)));
    let edits = changes[0]["edits"].as_array().expect("edits");
    assert_eq!((edits.len(), &edits[0]["range"]["start"]), (1, &json!({ "line": 1, "character": 0 })));
    assert_eq!(edits[0]["range"]["start"], edits[0]["range"]["end"]);
    assert!(edits[0]["newText"].as_str().is_some_and(|it| it.contains("    Args:\n        values: ")), "{edit}");
    assert_eq!(editor.client.answer(id).expect("an answer")["applied"], true);
}

#[test]
fn an_update_is_offered_where_a_docstring_and_its_signature_differ() {
    let mut editor = editor(&outdated());
    let offered = actions(&mut editor, 3);
    assert_eq!(offered[0]["title"], "Update the docstring for `scale`");
    assert_eq!(offered[1]["title"], "Write the docstring again for `scale`");
    let uri = editor.uri.clone();
    let ask = json!({ "textDocument": { "uri": uri }, "update": true });
    let answer = editor.client.request("foretype/docstring", ask.clone());
    let new: Vec<_> = answer["hunks"].as_array().expect("changes").iter().map(|hunk| &hunk["newText"]).collect();
    assert_eq!(new, ["        factor: Brown_fx.\n", "\n    Raises:\n        ValueError: Brown_fx.\n"], "{answer}");
    let right = json!([{ "text": outdated().replace("ratio", "factor").replace("New ones.\n", "New ones.\n\n    Raises:\n        ValueError: No.\n") }]);
    let document = json!({ "uri": uri, "version": 2 });
    editor.client.notify("textDocument/didChange", json!({ "textDocument": document, "contentChanges": right }));
    assert_eq!(actions(&mut editor, 3).as_array().map(Vec::len), Some(1));
    let id = editor.client.send("foretype/docstring", ask);
    let error = editor.client.answer(id).expect_err("nothing to do");
    assert!(error["message"].as_str().is_some_and(|it| it.contains("nothing to update")), "{error}");
}

#[test]
fn the_settings_of_the_editor_say_the_style() {
    let options = json!({ "docstring": { "style": { "python": "rest" }, "width": 60 } });
    let (mut editor, _) = Editor::start_as(TestEnv::new(), json!({}), options, &["lsp", "--standalone"]);
    let uri = editor.uri.clone();
    editor.client.open(&uri, "python", PYTHON);
    let params = json!({ "command": "foretype.docstring", "arguments": [{ "uri": uri, "line": 0 }] });
    let id = editor.client.send("workspace/executeCommand", params);
    let edit = editor.client.answers("workspace/applyEdit", json!({ "applied": true }));
    assert!(edit.to_string().contains(":param values: "), "{edit}");
    assert_eq!(editor.client.answer(id).expect("an answer")["applied"], true);
}

#[test]
fn nothing_is_offered_or_written_where_there_is_nothing_to_document() {
    let mut editor = editor("x = 1\ny = 2\n");
    assert_eq!(actions(&mut editor, 1), Value::Null);
    for (arguments, says) in [
        (json!([{ "uri": editor.uri, "line": 1 }]), "no function, method, class or module at line 2"),
        (json!([{ "uri": "file:///nowhere.py", "line": 1 }]), "not open"),
        (json!([]), "foretype.docstring"),
    ] {
        let params = json!({ "command": "foretype.docstring", "arguments": arguments });
        let id = editor.client.send("workspace/executeCommand", params);
        let error = editor.client.answer(id).expect_err("an error");
        assert!(error["message"].as_str().is_some_and(|it| it.contains(says)), "{error}");
    }
}

#[test]
fn docstrings_are_shown_as_changes_before_anything_is_written() {
    let mut editor = editor(PYTHON);
    let uri = editor.uri.clone();
    let place = json!({ "start": { "line": 3, "character": 6 }, "end": { "line": 3, "character": 6 } });
    let ask = json!({ "textDocument": { "uri": uri }, "range": place, "partialResultToken": "t" });
    let answer = editor.client.request("foretype/docstring", ask);
    let hunks = answer["hunks"].as_array().expect("changes");
    assert_eq!((answer["version"].as_i64(), hunks.len()), (Some(1), 1), "{answer}");
    assert!(hunks[0]["newText"].as_str().is_some_and(|it| it.contains("values: Brown_fx.")), "{answer}");
    let piece = editor.client.take(|message| message["method"] == "$/progress" && message["params"]["token"] == "t");
    assert_eq!(piece["params"]["value"]["text"], "1/1 scale\n");
}

#[test]
fn docstrings_of_a_whole_document_are_named_as_they_come_and_stop_when_nobody_waits() {
    let many: String = (0..300).map(|number| format!("def f{number}(x):\n    return x\n\n\n")).collect();
    let mut editor = editor(&many);
    let uri = editor.uri.clone();
    let named = |editor: &mut Editor| {
        let piece =
            editor.client.take(|message| message["method"] == "$/progress" && message["params"]["token"] == "t");
        piece["params"]["value"]["text"].as_str().unwrap_or_default().to_owned()
    };
    let document = json!({ "uri": uri });
    let id = editor.client.send("foretype/docstring", json!({ "textDocument": document, "partialResultToken": "t" }));
    assert_eq!([named(&mut editor), named(&mut editor)], ["1/300 f0\n", "2/300 f1\n"]);
    editor.client.notify("$/cancelRequest", json!({ "id": id }));
    assert_eq!(editor.client.answer(id).expect_err("cancelled")["code"], -32800);
    let lines = json!({ "start": { "line": 0, "character": 0 }, "end": { "line": 5, "character": 0 } });
    let params = json!({ "textDocument": document, "range": lines, "attempt": 3 });
    let answer = editor.client.request("foretype/docstring", params);
    assert_eq!(answer["hunks"].as_array().map(Vec::len), Some(2), "{answer}");
    for (params, why) in [
        (json!({ "textDocument": { "uri": "file:///no.py" } }), "not open"),
        (json!({ "textDocument": document, "style": "loud" }), "loud"),
    ] {
        let id = editor.client.send("foretype/docstring", params);
        let error = editor.client.answer(id).expect_err(why);
        assert!(error["message"].as_str().is_some_and(|it| it.contains(why)), "{error}");
    }
}
