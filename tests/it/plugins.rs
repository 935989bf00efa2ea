//! Plugins as their authors and users meet them: in ghost text, on the command line, and in the tutorial.

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

use foretype_tests::{TestEnv, repository, stub_model, text};
use serde_json::{Value, json};

use crate::lsp::{Editor, SUGGESTION, eventually};

fn plugin(name: &str, rest: &str) -> String {
    format!("return {{ api = 1, name = '{name}', {rest} }}")
}

const LOUD: &str = "finish = function(_, text) return text .. '!' end";

/// Starts an editor whose user has a plugin.
fn editor_with(name: &str, rest: &str) -> Editor {
    let env = TestEnv::new();
    env.write(&format!("config/foretype/plugins/{name}.luau"), plugin(name, rest));
    let (mut editor, _) = Editor::start_in(env, json!({ "inline": { "workAhead": false } }), &["lsp", "--standalone"]);
    let uri = editor.uri.clone();
    editor.client.open(&uri, "python", "x = 1\ny =\n");
    editor
}

/// Requests the state of the first plugin until it fits.
fn wait_for_plugin(editor: &mut Editor, fits: impl Fn(&Value) -> bool) {
    let first = |editor: &mut Editor| editor.client.request("foretype/plugins", json!({}))["plugins"][0].clone();
    eventually(editor, first, fits);
}

/// Reports that the user saved a file, as an editor does.
fn report_save(editor: &mut Editor, path: &Path) {
    let saved = json!({ "textDocument": { "uri": format!("file://{}", path.display()) } });
    editor.client.notify("textDocument/didSave", saved);
}

/// Saves a new text of the first plugin, as an editor does, and waits until it is loaded.
fn save_plugin(editor: &mut Editor, path: &Path, source: &str) {
    let old = editor.client.request("foretype/plugins", json!({}))["plugins"][0]["hash"].clone();
    std::fs::write(path, source).expect("writable");
    report_save(editor, path);
    editor.client.wait_for("textDocument/publishDiagnostics");
    wait_for_plugin(editor, |plugin| plugin["hash"] != old && plugin["state"] == "runs");
}

#[test]
fn a_plugin_changes_ghost_text_and_a_key_after_a_change_shows_it() {
    let mut editor = editor_with("loud", LOUD);
    assert_eq!(editor.suggestions((1, 3)), [format!("{SUGGESTION}!")]);
    editor.env.write("config/foretype/plugins/loud.luau", plugin("loud", &LOUD.replace('!', "?")));
    let uri = editor.uri.clone();
    let version = Cell::new(1);
    let next_key = |editor: &mut Editor| {
        version.set(version.get() + 1);
        editor.client.insert(&uri, version.get(), (0, 0), "z = 2\n");
        json!(editor.suggestions((version.get() as u32, 3)))
    };
    // Only keys cause a scan here, and the folders are scanned at most twice a second.
    eventually(&mut editor, next_key, |suggestions| *suggestions == json!([format!("{SUGGESTION}?")]));
}

#[test]
fn a_plugin_saved_between_prompt_and_finish_does_not_change_that_suggestion() {
    let first_bytes =
        |count: u32| plugin("cut", &format!("finish = function(_, text) return text:sub(1, {count}) end"));
    let env = TestEnv::new();
    let path = env.write("config/foretype/plugins/cut.luau", first_bytes(3));
    let (mut editor, _) = Editor::start_in(env, json!({}), &["lsp", "--standalone"]);
    let uri = editor.uri.clone();
    editor.client.open(&uri, "python", "x = 1\ny =\n");
    // Answered once the plugins are loaded; a key does not wait for that.
    editor.client.request("foretype/plugins", json!({}));
    assert_eq!(editor.suggestions((1, 3)), [" br"]);
    // The acceptance of the suggestion is prefetched: its prompt is built, and the model writes the whole rest.
    let generated = |editor: &mut Editor| editor.client.request("foretype/status", json!({}))["engine"].clone();
    let is_prefetched =
        |engine: &Value| engine["generated"].as_u64() > Some(SUGGESTION.len() as u64 + 4) && engine["running"] == 0;
    eventually(&mut editor, generated, is_prefetched);
    save_plugin(&mut editor, &path, &first_bytes(2));
    editor.client.insert(&uri, 2, (1, 3), " br");
    assert_eq!(editor.suggestions((1, 6)), ["own"], "finished by the plugin that the prompt was built with");
    editor.client.insert(&uri, 3, (0, 0), "z = 2\n");
    assert_eq!(editor.suggestions((2, 6)), ["ow"], "a new prompt runs the new plugin");
}

#[test]
fn a_plugin_vetoes_ghost_text() {
    let mut editor = editor_with("tidy", "finish = function(_, text) return not text:find('brown') end");
    assert_eq!(editor.suggestions((1, 3)), [""; 0]);
}

#[test]
fn a_hostile_plugin_is_reported_once_and_does_not_stop_ghost_text() {
    let forever =
        "context = function()\nwhile true do pcall(error) end\nend, finish = function() while true do end end";
    let mut editor = editor_with("hostile", forever);
    let uri = editor.uri.clone();
    for round in 0..4 {
        let started = Instant::now();
        assert_eq!(editor.suggestions((1 + round, 3)), [SUGGESTION]);
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        editor.client.insert(&uri, 2 + i64::from(round), (0, 0), "z = 2\n");
    }
    let message = editor.client.wait_for("window/showMessage")["params"]["message"].clone();
    assert!(
        message.as_str().is_some_and(|text| text.contains("hostile.luau") && text.contains("longer than 20 ms")),
        "{message}"
    );
    let published = editor.client.wait_for("textDocument/publishDiagnostics");
    assert!(published["params"]["uri"].as_str().is_some_and(|uri| uri.ends_with("/hostile.luau")), "{published}");
}

#[test]
fn a_failure_is_a_diagnostic_at_its_line() {
    let mut editor = editor_with("broken", "\ncontext = function()\nlocal x = nil\nreturn x.y end");
    assert_eq!(editor.suggestions((1, 3)), [SUGGESTION]);
    editor.client.wait_for("window/showMessage");
    let published = editor.client.wait_for("textDocument/publishDiagnostics");
    assert_eq!(published["params"]["diagnostics"][0]["range"]["start"]["line"], 3, "{published}");
}

#[test]
fn a_fixed_plugin_loses_its_diagnostic_and_a_new_fault_shows_as_soon_as_it_is_saved() {
    let mut editor = editor_with("broken", "context = function() error('no') end");
    assert_eq!(editor.suggestions((1, 3)), [SUGGESTION]);
    let marks = |editor: &mut Editor| {
        let published = editor.client.wait_for("textDocument/publishDiagnostics");
        published["params"]["diagnostics"].as_array().expect("a list").len()
    };
    assert_eq!(marks(&mut editor), 1);
    editor.client.wait_for("window/showMessage");
    let path = editor.env.write("config/foretype/plugins/broken.luau", plugin("broken", LOUD));
    assert_eq!(marks(&mut editor), 0, "the change is found without a report that it was saved");
    let uri = editor.uri.clone();
    editor.client.insert(&uri, 2, (0, 0), "z = 2\n");
    assert_eq!(editor.suggestions((2, 3)), [format!("{SUGGESTION}!")]);
    std::fs::write(&path, "return {").expect("writable");
    report_save(&mut editor, &path);
    assert_eq!((marks(&mut editor), marks(&mut editor)), (0, 1), "cleared, then found to be broken");
    editor.client.wait_for("window/showMessage");
}

#[test]
fn a_client_gets_the_state_of_the_plugins_and_their_folders() {
    let mut editor = editor_with("loud", LOUD);
    assert_eq!(editor.suggestions((1, 3)), [format!("{SUGGESTION}!")]);
    let report = editor.client.request("foretype/plugins", json!({}));
    let plugin = &report["plugins"][0];
    assert_eq!(
        (&plugin["name"], &plugin["state"], &plugin["workspace"]),
        (&json!("loud"), &json!("runs"), &json!(false))
    );
    assert!(plugin["calls"].as_u64() >= Some(1) && plugin["changed"].as_u64() >= Some(1), "{plugin}");
    assert!(
        plugin["p95Ms"].is_number() && plugin["words"].as_str().is_some_and(|words| words.contains("calls")),
        "{plugin}"
    );
    let ends = |name: &str, end: &str| report[name].as_str().is_some_and(|path| path.ends_with(end));
    assert!(ends("folder", "workspace/.foretype/plugins") && ends("userFolder", "config/foretype/plugins"), "{report}");
}

#[cfg(unix)]
#[test]
fn the_list_shows_what_the_daemon_has_seen_of_the_plugins() {
    let env = TestEnv::new();
    env.write("config/foretype/plugins/loud.luau", plugin("loud", LOUD));
    env.write("config/foretype/plugins/broken.luau", plugin("broken", "\ncontext = function() error('no') end"));
    env.write("workspace/.foretype/config.toml", "");
    assert!(prints(&env, &["plugin", "list"]).contains("no daemon is running"));
    let options = json!({ "inline": { "workAhead": false }, "daemon": { "idleMinutes": 1 } });
    let (mut editor, _) = Editor::start_in(env, options, &["lsp"]);
    let uri = editor.uri.clone();
    editor.client.open(&uri, "python", "x = 1\ny =\n");
    assert_eq!(editor.suggestions((1, 3)), [format!("{SUGGESTION}!")]);
    // A new prompt calls all of them, however late they were loaded.
    editor.client.insert(&uri, 2, (0, 0), "z = 2\n");
    assert_eq!(editor.suggestions((2, 3)), [format!("{SUGGESTION}!")]);
    editor.client.wait_for("window/showMessage");
    editor.client.wait_for("textDocument/publishDiagnostics");
    let listed: Value = serde_json::from_str(&prints(&editor.env, &["plugin", "list", "--json"])).expect("JSON");
    let text = prints(&editor.env, &["plugin", "list"]);
    editor.env.run(&["daemon", "stop"]);
    assert_eq!(listed["source"], "state in the daemon", "{listed}");
    let named = |name: &str| {
        let found = listed["plugins"].as_array().expect("a list").iter().find(|plugin| plugin["name"] == name);
        found.expect("it is listed").clone()
    };
    assert!(named("loud")["calls"].as_u64() >= Some(1) && named("loud")["meanMs"].is_number(), "{listed}");
    let broken = named("broken");
    assert_eq!((&broken["state"], &broken["failures"], &broken["line"]), (&json!("stopped"), &json!(1), &json!(2)));
    assert!(text.contains("broken               stopped: broken.luau:2: no; 1 calls"), "{text}");
}

#[test]
fn a_workspace_s_plugins_run_only_once_they_are_trusted_and_again_after_the_user_s_own_changes() {
    let env = TestEnv::new();
    let path = env.write("workspace/.foretype/plugins/loud.luau", plugin("loud", LOUD));
    let (mut editor, _) = Editor::start_in(env, json!({ "inline": { "workAhead": false } }), &["lsp", "--standalone"]);
    let uri = editor.uri.clone();
    editor.client.open(&uri, "python", "x = 1\ny =\n");
    assert_eq!(editor.suggestions((1, 3)), [SUGGESTION]);
    let asked = editor.client.answers("window/showMessageRequest", json!({ "title": "Trust and run" }));
    assert!(asked["message"].as_str().is_some_and(|text| text.contains("loud")), "{asked}");
    wait_for_plugin(&mut editor, |plugin| plugin["state"] == "runs");
    editor.client.insert(&uri, 2, (0, 0), "z = 2\n");
    assert_eq!(editor.suggestions((2, 3)), [format!("{SUGGESTION}!")]);
    // The user's own change, saved in the editor.
    save_plugin(&mut editor, &path, &plugin("loud", &LOUD.replace('!', "?")));
    editor.client.insert(&uri, 3, (0, 0), "z = 3\n");
    assert_eq!(editor.suggestions((3, 3)), [format!("{SUGGESTION}?")]);
}

/// Runs a command that succeeds in the workspace of an environment with the stub model, and returns its output.
fn prints(env: &TestEnv, arguments: &[&str]) -> String {
    let mut command = env.command(arguments);
    command.env("FORETYPE_MODEL", stub_model::write(env.path())).current_dir(env.path().join("workspace"));
    let (ok, out, err) = text(&command.output().expect("the binary starts"));
    assert!(ok, "{arguments:?}: {err}");
    out + &err
}

#[test]
fn a_plugin_is_created_listed_trusted_and_disabled_on_the_command_line() {
    let env = TestEnv::new();
    env.write("workspace/.foretype/config.toml", "");
    assert!(prints(&env, &["plugin", "list"]).contains("no plugins"));
    prints(&env, &["plugin", "new", "first"]);
    assert!(prints(&env, &["plugin", "list"]).contains("first                ready"));
    assert!(env.path().join("workspace/.foretype/plugins/foretype.d.luau").is_file());
    prints(&env, &["plugin", "untrust"]);
    assert!(prints(&env, &["plugin", "list"]).contains("not trusted"));
    assert!(prints(&env, &["plugin", "trust"]).contains("first.luau"));
    assert!(prints(&env, &["plugin", "list"]).contains("ready"));
    assert!(prints(&env, &["plugin", "check", ".foretype/plugins/first.luau"]).contains("first.luau: "));
    env.write("workspace/.foretype/config.toml", "[plugins]\ndisabled = [\"first\"]\n");
    assert!(prints(&env, &["plugin", "list"]).contains("disabled"));
    for (name, source, says) in [
        ("bad", "return {", "bad.luau:1"),
        ("loop", "while true do end", "loop.luau:1: loading it took longer than 200 ms"),
    ] {
        let file = env.write(&format!("workspace/{name}.luau"), source);
        let output = env.run(&["plugin", "check", &file.to_string_lossy()]);
        assert!(!output.status.success() && text(&output).2.contains(says), "{:?}", text(&output));
    }
}

#[test]
fn what_a_plugin_prints_is_shown_where_it_is_looked_at() {
    let env = TestEnv::new();
    env.write("workspace/.foretype/config.toml", "");
    env.write("workspace/a.py", "y =\n");
    let says = "context = function() print('here', 5, nil) foretype.log('and here') end";
    env.write("config/foretype/plugins/talks.luau", plugin("talks", says));
    for command in [&["plugin", "check", "talks"][..], &["complete", "a.py:1", "--explain"]] {
        let said = prints(&env, command);
        assert!(
            said.contains("plugin talks.luau: here\t5\tnil\n") && said.contains("talks.luau: and here\n"),
            "{said}"
        );
    }
    assert!(!prints(&env, &["complete", "a.py:1"]).contains("here"));
}

/// Runs `complete --json --explain` for each key of " abc", typed after an equals sign below twelve lines.
fn typed_keys(env: &TestEnv) -> Vec<Value> {
    let model = stub_model::write(env.path());
    let mut command = env.command(&["complete", "src/a.py:13", "--type", " abc", "--json", "--explain"]);
    command.env("FORETYPE_MODEL", model).current_dir(env.path().join("workspace"));
    let (ok, out, err) = text(&command.output().expect("the binary starts"));
    assert!(ok, "{err}");
    serde_json::from_str(&out).expect("JSON")
}

#[test]
fn a_plugin_lays_out_what_the_model_reads_and_a_key_costs_what_it_does_with_the_built_in_format() {
    let env = TestEnv::new();
    env.write("workspace/.foretype/config.toml", "");
    let lines: Vec<String> = (0..12).map(|number| format!("x{number} = '<fim_middle>'\n")).collect();
    env.write("workspace/src/a.py", lines.concat() + "y =\nz = 1\n");
    let built_in = typed_keys(&env);
    let layout = "prompt = function(request, window) return { parts = { { special = '<fim_suffix>' }, window.after,
        { special = '<fim_prefix>' }, 'at ' .. request.path .. '\\n', window.before, { special = '<fim_middle>' } } } end";
    env.write("config/foretype/plugins/own.luau", plugin("own", layout));
    let own = typed_keys(&env);
    let special = |name: &str| json!({ "source": { "kind": "format" }, "special": true, "text": name });
    let piece = |kind: &str, text: &str| json!({ "source": { "kind": kind }, "special": false, "text": text });
    let mut header = piece("plugin", "at src/a.py\n");
    header["source"]["name"] = json!("own");
    for (answer, typed) in own.iter().zip(["", " ", " a", " ab", " abc"]) {
        let expected = json!([
            special("<fim_suffix>"),
            piece("after", "\nz = 1\n"),
            special("<fim_prefix>"),
            header,
            piece("before", &lines[..5].concat()),
            special("<fim_middle>"),
            piece("middle", &(lines[5..].concat() + "y =" + typed)),
        ]);
        assert_eq!((&answer["prompt"], &answer["laid_out_by"]), (&expected, &json!("own")));
    }
    let evaluated = |keys: &[Value]| keys[1..].iter().map(|key| key["evaluated"].clone()).collect::<Vec<_>>();
    assert_eq!(evaluated(&own), evaluated(&built_in));
    assert_ne!(own[0]["evaluated"], built_in[0]["evaluated"]);
}

#[test]
fn a_built_in_is_listed_disabled_for_a_language_given_a_budget_and_replaced() {
    let env = TestEnv::new();
    env.write("workspace/.foretype/config.toml", "");
    env.write("workspace/shop.py", "def price(item):\n    return item\n");
    env.write("workspace/a.py", "total = price(\n");
    let listed = |env: &TestEnv| prints(env, &["plugin", "list"]);
    let explained = |env: &TestEnv| prints(env, &["complete", "a.py:1", "--explain"]);
    assert!(listed(&env).contains("brackets             built in: ends before a closing bracket"), "{}", listed(&env));
    let first = explained(&env);
    assert!(
        first.contains("--- definition from shop.py") && first.contains("definitions          built in, at most "),
        "{first}"
    );
    let set = |options: &str| env.write("workspace/.foretype/config.toml", format!("[plugins]\n{options}\n"));
    set("disabled = ['definitions:python']\nbudgets = { open-files = 7 }");
    let second = explained(&env);
    assert!(
        !second.contains("--- definition from") && second.contains("definitions          built in, disabled"),
        "{second}"
    );
    assert!(second.contains("open-files           built in, at most 7 tokens"), "{second}");
    assert!(listed(&env).contains("definitions          built in, at most "));
    set("");
    let wraps = "context = function() return foretype.builtin()[1].text .. '-- wrapped' end";
    env.write("config/foretype/plugins/definitions.luau", plugin("definitions", wraps));
    let third = explained(&env);
    assert!(third.contains("--- definitions from definitions") && third.contains("-- wrapped"), "{third}");
    assert!(third.contains("definitions          built in, replaced by a plugin"), "{third}");
    assert!(!third.contains("--- definition from"), "{third}");
    let report: Value = serde_json::from_str(&prints(&env, &["plugin", "list", "--json"])).expect("JSON");
    let replaced = json!({ "name": "definitions", "builtin": true, "part": "context", "state": "replaced" });
    let is = |place: &Value| {
        replaced.as_object().is_some_and(|fields| fields.iter().all(|(key, value)| place[key] == *value))
    };
    assert!(report["builtins"].as_array().is_some_and(|places| places.iter().any(is)), "{report}");
}

/// Trace that types a line which the stub model completes after the equals sign.
fn trace(env: &TestEnv) {
    let keys: Vec<_> = "\ny = brown_fx".chars().map(|key| json!([100, key.to_string()])).collect();
    let stint = json!({ "file": 0, "offset": 5, "wait": 0, "accepts": true, "keys": keys });
    let trace = json!({ "about": "by hand", "files": [{ "path": "a.py", "text": "x = 1\n" }], "stints": [stint] });
    env.write("workspace/trace.json", trace.to_string());
}

#[test]
fn a_replay_says_what_a_plugin_costs_and_what_it_gains() {
    let env = TestEnv::new();
    env.write("workspace/.foretype/config.toml", "");
    trace(&env);
    let wordy = "context = function() return ('word '):rep(50) end, finish = function() return false end";
    env.write("config/foretype/plugins/wordy.luau", plugin("wordy", wordy));
    let command = ["plugin", "check", "wordy", "--replay", "trace.json", "--seed", "7", "--json"];
    let report: Value = serde_json::from_str(&prints(&env, &command)).expect("JSON");
    let figures = &report["figures"];
    let completed = &figures["completed"];
    assert!(completed["without"].as_f64() > Some(50.0) && completed["with"] == 0.0, "{figures}");
    assert_eq!(completed["interval"]["low"], completed["difference"], "one place has no spread: {figures}");
    assert!(figures["evaluated_per_100"]["difference"].as_f64() > Some(100.0), "{figures}");
    assert!(figures["plugin_ms_p95"].as_f64() > Some(0.0), "{figures}");
    assert!(report["notes"][0].as_str().is_some_and(|note| note.contains("wordy --replay trace.json")), "{report}");
    let again: Value = serde_json::from_str(&prints(&env, &command)).expect("JSON");
    assert_eq!(
        (&again["figures"]["completed"], &again["figures"]["evaluated_per_key"]),
        (completed, &figures["evaluated_per_key"])
    );
    let table = prints(&env, &command[..5]);
    assert!(table.contains("characters from suggestions") && table.contains("--most 40 --open 6 --seed 1"), "{table}");
}

#[test]
fn source_files_are_typed_block_by_block_and_what_cannot_be_measured_says_why() {
    let env = TestEnv::new();
    env.write("workspace/.foretype/config.toml", "");
    let code = "def first(x):\n    y = brown_fx\n    return y\n\n\ndef second(x):\n    z = brown_fx\n    return z\n";
    env.write("workspace/src/a.py", code);
    env.write("workspace/src/notes.txt", "y = brown_fx\n");
    env.write("config/foretype/plugins/quiet.luau", plugin("quiet", "context = function() return nil end"));
    let command = ["plugin", "check", "quiet", "--replay", "src", "--most", "5", "--json"];
    let report: Value = serde_json::from_str(&prints(&env, &command)).expect("JSON");
    assert_eq!(report["places"].as_array().map(Vec::len), Some(2), "{report}");
    assert_eq!(report["figures"]["completed"]["difference"], 0.0, "it does nothing: {report}");
    env.write(
        "config/foretype/plugins/fails.luau",
        plugin("fails", "context = function(r) if r.path == 'src/a.py' then error('no') end end"),
    );
    env.write(
        "config/foretype/plugins/asks.luau",
        plugin("asks", "tasks = { 'ask' }, context = function() return nil end"),
    );
    for (arguments, says) in [
        (&["quiet", "--replay", "src/notes.txt"][..], "no readable source file"),
        (&["quiet", "--replay", "nowhere"], "cannot read nowhere"),
        (&["missing", "--replay", "src"], "there is no plugin missing"),
        (&["--replay", "src"], "--replay measures one plugin"),
        (&["fails", "--replay", "src"], "fails.luau:1: no"),
        (&["asks", "--replay", "src"], "takes part in no suggestions"),
    ] {
        let mut command = env.command(&[&["plugin", "check"], arguments].concat());
        command.env("FORETYPE_MODEL", stub_model::write(env.path())).current_dir(env.path().join("workspace"));
        let (ok, _, err) = text(&command.output().expect("the binary starts"));
        assert!(!ok && err.contains(says) && !err.contains("panicked"), "{arguments:?}: {err}");
    }
    // Without a name, all that may run.
    assert!(prints(&env, &["plugin", "check"]).contains("quiet.luau: "));
}

#[test]
fn what_an_author_may_not_have_meant_is_said() {
    let env = TestEnv::new();
    env.write(
        "workspace/.foretype/config.toml",
        "plugins.disabled = [\"firsts\"]\nplugins.order = [\"definitions\", \"other\"]\n",
    );
    let source = "return { api = 1, name = \"first\", languages = { \"pyhton\", \"python\" },
        applies = function() return false end, context = function() return nil + 1 end }";
    env.write("workspace/.foretype/plugins/first.luau", source);
    let run = |arguments: &[&str]| {
        let mut command = env.command(arguments);
        text(&command.current_dir(env.path().join("workspace")).output().expect("the binary starts"))
    };
    let (ok, out, err) = run(&["plugin", "check", "first"]);
    assert!(ok && out.contains("no document ever has the language pyhton\n"), "{out}{err}");
    assert!(out.contains("applies returned false"), "{out}");
    assert!(err.contains("plugins.disabled names firsts") && err.contains("did you mean first?"), "{err}");
    assert!(err.contains("plugins.order names other") && !err.contains("names definitions"), "{err}");
    let (ok, _, err) = run(&["plugin", "check"]);
    assert!(!ok && err.contains("not trusted, so not checked: first (foretype plugin trust)"), "{err}");
    let (ok, _, err) = run(&["plugin", "check", ".foretype/config.toml"]);
    assert!(!ok && err.contains("is not a plugin: its file must end with .luau"), "{err}");
    env.write("workspace/.foretype/plugins/first.fixtures", "=== none\n--- at a.py\n▁\n--- no snippets\n");
    for name in ["first", ".foretype/plugins/first.luau", ".foretype/plugins/first.fixtures"] {
        let (ok, out, err) = run(&["plugin", "test", name]);
        assert!(ok && out.contains("1 passed, 0 failed"), "{name}: {out}{err}");
    }
}

#[test]
fn the_examples_do_what_their_fixtures_say() {
    let examples = repository().join("plugins/examples");
    let files = std::fs::read_dir(&examples).expect("the examples").flatten().map(|entry| entry.path());
    let mut plugins: Vec<_> = files.filter(|path| path.extension().is_some_and(|ending| ending == "luau")).collect();
    plugins.sort();
    for plugin in &plugins {
        let output = TestEnv::new().run(&["plugin", "test", &plugin.to_string_lossy()]);
        let (ok, out, err) = text(&output);
        assert!(ok && out.contains(" passed, 0 failed") && !out.starts_with('0'), "{}: {out}{err}", plugin.display());
    }
    assert!(plugins.len() > 2, "{plugins:?}");
}

#[test]
fn a_plugin_that_does_something_else_fails_its_fixtures_with_the_difference() {
    let env = TestEnv::new();
    env.write("workspace/.foretype/config.toml", "");
    prints(&env, &["plugin", "new", "first"]);
    let fixtures =
        "=== todo\n--- at a.py\n▁\n--- writes\n# TODO\n--- kept\n=== code\n--- at a.py\n▁\n--- writes\nx\n--- kept\n";
    env.write("workspace/.foretype/plugins/first.fixtures", fixtures);
    let mut command = env.command(&["plugin", "test"]);
    let (ok, out, _) = text(&command.current_dir(env.path().join("workspace")).output().expect("the binary starts"));
    assert!(!ok && out.contains("FAILED  first: todo") && out.contains("first.fixtures:1)"), "{out}");
    assert!(out.contains("        +--- dropped") && out.contains("1 passed, 1 failed"), "{out}");
}

/// Extracts the code blocks of a language from a page.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    page.split(&opening).skip(1).filter_map(|rest| rest.split("\n```").next()).map(|code| format!("{code}\n")).collect()
}

#[test]
fn the_tutorial_holds_what_it_says() {
    let page = std::fs::read_to_string(repository().join("docs/guides/plugins.md")).expect("the guide");
    let (steps, settings) = (blocks(&page, "luau"), blocks(&page, "toml"));
    let env = TestEnv::new();
    env.write("workspace/.foretype/config.toml", "");
    env.write("workspace/src/a.py", "x = 1\ny =\n");
    env.write("workspace/CONTRIBUTING.md", "# Rules\n\nNames are whole words.\n");
    prints(&env, &["plugin", "new", "house-rules"]);
    let try_out = |step: usize| {
        env.write("workspace/.foretype/plugins/house-rules.luau", &steps[step]);
        prints(&env, &["plugin", "trust"]);
        prints(&env, &["complete", "src/a.py:2", "--explain"])
    };
    let first = try_out(0);
    assert!(
        first.contains("--- house-rules from CONTRIBUTING.md") && first.contains("Names are whole words."),
        "{first}"
    );
    assert!(first.contains(SUGGESTION.trim()), "{first}");
    let second = try_out(1);
    assert!(second.contains("1 vetoed") && second.contains("nothing to suggest"), "{second}");
    env.write("workspace/.foretype/config.toml", &settings[0]);
    let third = try_out(2);
    env.write("workspace/.foretype/plugins/house-rules.fixtures", &blocks(&page, "text")[0]);
    assert!(prints(&env, &["plugin", "test"]).contains("2 passed, 0 failed"));
    assert!(third.contains("Names are whole words.") && !third.contains("nothing to suggest"), "{third}");
}

#[test]
fn the_other_code_of_the_guide_loads_and_runs() {
    let read = |page: &str| std::fs::read_to_string(repository().join(page)).expect("a page of the documentation");
    let page = ["docs/guides/plugins.md", "docs/reference/plugin-api.md"].map(read).concat();
    let env = TestEnv::new();
    let pieces = blocks(&page, "lua");
    for piece in &pieces {
        let name =
            piece.split_once("name = \"").map_or("piece", |(_, rest)| rest.split('"').next().unwrap_or_default());
        let whole = if piece.starts_with("return") { piece.clone() } else { plugin(name, piece) };
        let file = env.write(&format!("workspace/{name}.luau"), whole);
        let (ok, out, err) = text(&env.run(&["plugin", "check", &file.to_string_lossy()]));
        assert!(ok, "{piece}: {out}{err}");
    }
    assert_eq!(pieces.len(), 2);
}
