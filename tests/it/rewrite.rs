//! Translations, edits and generated code: on the command line and over the protocol.

use foretype_tests::client::Client;
use foretype_tests::{TestEnv, error_of, output_of, real_model, stub_model, text};
use serde_json::{Value, json};

const SHOP: &str = "class Shop:\n    def total(self, items):\n        # Adds up.\n        return tax(sum(items))\n\n    def empty(self):\n        pass\n";

/// Creates an environment whose stub model answers `answer` in a code block.
fn env(answer: &str) -> TestEnv {
    let env = TestEnv::new();
    stub_model::write_with_reply(env.path(), answer);
    env.write("stub-model/chat_template.jinja", "{% for m in messages %}{{ m.content }}\n{% endfor %}");
    env.write("work/.git/HEAD", "ref: refs/heads/main\n");
    env.write("work/shop.py", SHOP);
    env
}

fn prints(env: &TestEnv, arguments: &[&str]) -> String {
    output_of(&mut env.with_stub_model(arguments))
}

fn complains(env: &TestEnv, arguments: &[&str]) -> String {
    let err = error_of(&mut env.with_stub_model(arguments));
    assert_eq!(read(env, "shop.py"), SHOP, "the file was touched");
    err
}

fn read(env: &TestEnv, name: &str) -> String {
    std::fs::read_to_string(env.path().join("work").join(name)).expect("a file")
}

#[test]
fn a_translation_is_the_code_of_the_answer() {
    let env = env("fn total() {}\n```\nThat is Rust.");
    assert_eq!(prints(&env, &["translate", "shop.py", "--to", "rust"]), "fn total() {}\n");
    let report: Value =
        serde_json::from_str(&prints(&env, &["translate", "shop.py:2-4", "--to", "rs", "--json"])).expect("JSON");
    assert_eq!(
        (&report["language"], &report["text"], &report["broken"]),
        (&json!("rust"), &json!("fn total() {}\n"), &json!([]))
    );
    prints(&env, &["translate", "shop.py", "--to", "Rust", "-o", "shop.rs"]);
    assert_eq!(read(&env, "shop.rs"), "fn total() {}\n");
    assert!(complains(&env, &["translate", "shop.py", "--to", "rust", "-o", "shop.rs"]).contains("--force"));
    prints(&env, &["translate", "shop.py", "--to", "rust", "-o", "shop.rs", "--force"]);
}

#[test]
fn a_file_that_is_larger_than_the_context_goes_item_by_item() {
    let env = env("fn one() {}\n");
    let item = |number: usize| format!("def f{number}():\n    return '{}'\n\n\n", "x".repeat(1000));
    env.write("work/many.py", (0..5).map(item).collect::<String>());
    let out = prints(&env, &["translate", "many.py", "--to", "rust"]);
    assert!(out.matches("fn one() {}").count() > 2, "{out}");
    env.write("work/large.py", format!("def f():\n    return '{}'\n", "x".repeat(5000)));
    assert!(
        complains(&env, &["translate", "large.py", "--to", "rust"])
            .contains("lines 1 to 2: the code and the question have")
    );
}

#[test]
fn a_translation_that_does_not_parse_is_said_to_be_so() {
    let env = env("fn one( {\n");
    let err = complains(&env, &["translate", "shop.py", "--to", "rust"]);
    assert!(err.contains("no valid Rust for lines 1 to 7 (line 1 has a syntax error: fn one( {)"), "{err}");
    let err = complains(&env, &["translate", "shop.py", "--to", "rust", "-o", "shop.rs"]);
    assert!(err.contains("nothing was written") && !env.path().join("work/shop.rs").exists(), "{err}");
    let broken = complains(&env, &["edit", "shop.py:4", "Break it.", "--write"]);
    assert!(broken.contains("would break"), "{broken}");
}

#[test]
fn an_edit_changes_the_lines_that_were_named_and_nothing_else() {
    let env = env("items = list(items)\nreturn sum(items)\n");
    let out = prints(&env, &["edit", "shop.py:4", "No tax."]);
    assert!(
        out.contains("-        return tax(sum(items))\n+        items = list(items)\n+        return sum(items)\n"),
        "{out}"
    );
    assert_eq!(read(&env, "shop.py"), SHOP);
    let report: Value = serde_json::from_str(&prints(&env, &["edit", "shop.py:4", "No tax.", "--json"])).expect("JSON");
    assert_eq!((&report["hunks"][0]["line"], &report["hunks"][1]), (&json!(4), &Value::Null));
    assert!(complains(&env, &["edit", "shop.py:4", "No tax.", "--choose"]).contains("terminal"));
    prints(&env, &["edit", "shop.py:4", "No tax.", "--write"]);
    let new = "        items = list(items)\n        return sum(items)";
    assert_eq!(read(&env, "shop.py"), SHOP.replace("        return tax(sum(items))", new));
}

#[test]
fn code_is_generated_below_a_comment_and_a_signature() {
    let env = env("total = 1\n");
    prints(&env, &["generate", "shop.py:3", "--write"]);
    assert_eq!(read(&env, "shop.py"), SHOP.replace("# Adds up.\n", "# Adds up.\n        total = 1\n"));
    let env = self::env("    return True\n\nprint(empty())\n");
    prints(&env, &["generate", "shop.py:6", "--write"]);
    assert_eq!(read(&env, "shop.py"), SHOP.replace("pass", "return True"));
}

#[test]
fn what_cannot_be_written_says_why_and_touches_nothing() {
    let env = env("x = 1\n");
    env.write("work/broken.py", "def f(:\n    pass\n");
    env.write("work/large.py", "x = [1, 2, 3]\n".repeat(80_000));
    env.write("work/.env", "KEY=1\n");
    for (arguments, says) in [
        (&["translate", "shop.py", "--to", "klingon"][..], "Python, Rust"),
        (&["translate", "shop.py", "--to", "python"], "is already Python"),
        (&["translate", "broken.py", "--to", "rust"], "does not parse (line 1"),
        (&["translate", "large.py", "--to", "rust"], "select less"),
        (&["translate", "shop.py:99", "--to", "rust"], "line 99 is past the end"),
        (&["translate", ".env", "--to", "rust"], "secrets"),
        (&["translate", "nowhere.py", "--to", "rust"], "cannot read nowhere.py"),
        (&["edit", "large.py:1-80000", "Shorter."], "select less"),
        (&["edit", "shop.py", "Shorter."], "has no line number"),
        (&["edit", "shop.py:5", "Shorter."], "nothing is selected"),
        (&["generate", "shop.py"], "has no line number"),
        (&["generate", "shop.py:2"], "`total` has a body already"),
        (&["generate", "shop.py:5"], "line 5 holds no comment"),
    ] {
        let err = complains(&env, arguments);
        assert!(err.contains(says), "{arguments:?}: {err}");
    }
    std::fs::remove_file(env.path().join("stub-model/chat_template.jinja")).expect("it is there");
    for arguments in
        [&["translate", "shop.py", "--to", "rust"][..], &["edit", "shop.py:4", "x"], &["generate", "shop.py:3"]]
    {
        assert!(complains(&env, arguments).contains("not trained to follow instructions"));
    }
}

/// An editor with the shop open.
fn editor(env: &TestEnv) -> (Client, Value) {
    let mut client = Client::start(env.with_stub_model(&["lsp", "--standalone"]));
    let root = format!("file://{}/work", env.path().display());
    client.initialize(json!({
        "processId": std::process::id(), "capabilities": {}, "workspaceFolders": [{ "uri": root, "name": "work" }],
        "initializationOptions": { "ask": { "max_tokens": 32768, "context_tokens": 65536 } },
    }));
    let uri = format!("{root}/shop.py");
    client.open(&uri, "python", SHOP);
    (client, json!({ "uri": uri }))
}

fn line(line: u32) -> Value {
    json!({ "start": { "line": line, "character": 8 }, "end": { "line": line, "character": 20 } })
}

#[test]
fn an_editor_gets_hunks_for_the_version_that_it_has() {
    let env = env("return sum(items)\n");
    let (mut client, document) = editor(&env);
    let params = json!({
        "textDocument": document, "range": line(3), "instruction": "No tax.", "partialResultToken": "t",
    });
    let answer = client.request("foretype/edit", params);
    assert_eq!(answer["version"], 1);
    let range = json!({ "start": { "line": 3, "character": 0 }, "end": { "line": 3, "character": 30 } });
    assert_eq!(answer["hunks"], json!([{ "range": range, "newText": "        return sum(items)" }]), "{answer}");
    let piece = client.take(|message| message["method"] == "$/progress" && message["params"]["token"] == "t");
    assert!(piece["params"]["value"]["text"].as_str().is_some_and(|it| it.contains("sum")), "{piece}");
    let place = json!({ "start": { "line": 5, "character": 0 }, "end": { "line": 5, "character": 0 } });
    let params = json!({ "textDocument": document, "range": place, "instruction": "No tax." });
    let answer = client.request("foretype/edit", params);
    let lines = answer["hunks"][0]["range"].clone();
    assert_eq!((&lines["start"]["line"], &lines["end"]["line"]), (&json!(5), &json!(6)), "the method there: {answer}");
    let answer = client.request("foretype/generate", json!({ "textDocument": document, "range": line(2) }));
    assert_eq!(answer["hunks"][0]["newText"], "\n        return sum(items)", "{answer}");
    let answer =
        client.request("foretype/translate", json!({ "textDocument": document, "to": "javascript", "range": line(3) }));
    assert_eq!((&answer["languageId"], &answer["hunks"]), (&json!("javascript"), &json!([])), "{answer}");
}

/// Gives the user a plugin that takes part where code is written.
fn add_plugin(env: &TestEnv, rest: &str) {
    let head = "api = 1, name = 'code', tasks = { 'translate', 'edit', 'generate' }";
    env.write("config/foretype/plugins/code.luau", format!("return {{ {head}, {rest} }}"));
}

#[test]
fn plugins_have_the_last_word_on_new_code_and_know_what_was_asked() {
    let env = env("return sum(items)\n");
    add_plugin(
        &env,
        "finish = function(request, code)
            if request.task == 'generate' then return false end
            return (code:gsub('sum', request.question)) end",
    );
    assert!(prints(&env, &["edit", "shop.py:4", "total"]).contains("+        return total(items)"));
    assert!(complains(&env, &["generate", "shop.py:3"]).contains("the plugin code vetoed this code"));
    assert!(
        complains(&env, &["edit", "shop.py:4", "total("])
            .contains("the code as changed by plugins would break shop.py")
    );
    let (mut client, document) = editor(&env);
    let id = client.send("foretype/generate", json!({ "textDocument": document, "range": line(2) }));
    let error = client.answer(id).expect_err("vetoed");
    assert!(error["message"].as_str().is_some_and(|it| it.contains("vetoed this code")), "{error}");
}

#[test]
fn a_plugin_changes_a_translation_into_code_that_parses() {
    let env = env("fn total() {}\n");
    add_plugin(&env, "finish = function(request, code) return code .. '// ' .. request.question .. '\\n' end");
    assert_eq!(prints(&env, &["translate", "shop.py", "--to", "rust"]), "fn total() {}\n// rust\n");
    add_plugin(&env, "finish = function(_, code) return code .. '}' end");
    assert!(complains(&env, &["translate", "shop.py", "--to", "rust"]).contains("plugins turned the translation"));
}

#[test]
fn the_model_reads_what_plugins_show_before_it_writes_code() {
    let env = env("return sum(items)\n");
    let read_tokens = || {
        let report: Value =
            serde_json::from_str(&prints(&env, &["edit", "shop.py:4", "No tax.", "--json"])).expect("JSON");
        report["usage"]["evaluated"].as_u64().expect("a number")
    };
    let alone = read_tokens();
    add_plugin(&env, "context = function() return { path = 'RULES.md', text = ('be kind\\n'):rep(10) } end");
    let behind = read_tokens();
    assert!(behind > alone + 20, "{behind} after {alone}");
    // What leaves the answer no room is left out.
    env.write("config/foretype/config.toml", "[ask]\ncontext_tokens = 512\n");
    assert_eq!(read_tokens(), alone);
}

#[test]
fn an_editor_that_asks_wrongly_stops_or_types_on_gets_one_answer() {
    // It has so much to say that nobody waits for the end.
    let env = env("");
    let (mut client, document) = editor(&env);
    for (method, params, why) in [
        ("foretype/translate", json!({ "textDocument": document, "to": "klingon" }), "Python, Rust"),
        ("foretype/edit", json!({ "textDocument": document, "instruction": "x" }), "give range"),
        ("foretype/edit", json!({ "textDocument": document, "range": line(3) }), "say what to change"),
        ("foretype/generate", json!({ "textDocument": { "uri": "file:///no.py" }, "range": line(3) }), "not open"),
    ] {
        let id = client.send(method, params);
        let error = client.answer(id).expect_err(why);
        assert!(error["message"].as_str().is_some_and(|it| it.contains(why)), "{error}");
    }
    // Each has a token of its own: pieces of a request that was stopped may still be on their way.
    let endless = |client: &mut Client, token: &str| {
        let params =
            json!({ "textDocument": document, "range": line(3), "instruction": "Go on.", "partialResultToken": token });
        let id = client.send("foretype/edit", params);
        client.take(|message| message["method"] == "$/progress" && message["params"]["token"] == token);
        id
    };
    let id = endless(&mut client, "cancelled");
    client.notify("$/cancelRequest", json!({ "id": id }));
    assert_eq!(client.answer(id).expect_err("cancelled")["code"], -32800);
    let id = endless(&mut client, "changed");
    client.insert(document["uri"].as_str().expect("a name"), 2, (0, 0), "# New.\n");
    let error = client.answer(id).expect_err("changed");
    assert!(error["message"].as_str().is_some_and(|it| it.contains("changed in the meantime")), "{error}");
    endless(&mut client, "left");
    client.kill();
    assert_eq!(read(&env, "shop.py"), SHOP);
}

#[test]
fn comments_are_translated_and_code_stays() {
    let env = env("Die Summe der Preise.\n");
    let text = "# The sum of all prices.\nx = 1  # noqa\n";
    env.write("work/sum.py", text);
    let (ok, out, err) = env.run_with_stub_model(&["translate", "sum.py", "--comments", "german"]);
    assert!(ok && out.contains("-# The sum of all prices.\n+# Die Summe der Preise.\n"), "{out}{err}");
    assert_eq!(read(&env, "sum.py"), text);
    assert!(complains(&env, &["translate", "sum.py", "--comments", "klingon"]).contains("Chinese, English"));
    env.write("work/none.py", "x = 1\n");
    assert!(complains(&env, &["translate", "none.py", "--comments", "de"]).contains("no comment"));
    assert!(complains(&env, &["translate", "sum.py", "--to", "rust", "--write"]).contains("--comments"));
    let (ok, _, err) = env.run_with_stub_model(&["translate", "sum.py", "--comments", "zh"]);
    assert!(ok && err.contains("the comment at line 1 is unchanged: the model did not write Chinese"), "{err}");
    assert!(env.run_with_stub_model(&["translate", "sum.py", "--comments", "Deutsch", "--write"]).0);
    assert_eq!(read(&env, "sum.py"), "# Die Summe der Preise.\nx = 1  # noqa\n");
    let (mut client, document) = editor(&env);
    let uri = document["uri"].as_str().expect("a name").replace("shop.py", "sum.py");
    client.open(&uri, "python", text);
    let answer = client.request("foretype/translate", json!({ "textDocument": { "uri": uri }, "comments": "de" }));
    assert_eq!(answer["hunks"][0]["newText"], "# Die Summe der Preise.\n", "{answer}");
    assert_eq!((&answer["hunks"][1], &answer["text"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_real_model_translates_edits_and_generates() {
    let Some(model) = real_model() else { return };
    let env = env("");
    env.write("work/mean.py", "def mean(numbers):\n    return sum(numbers) / len(numbers)\n\n\ndef largest(numbers):\n    \"\"\"The largest number.\"\"\"\n");
    let real = |arguments: &[&str]| {
        let (good, out, err) =
            text(&env.with_stub_model(arguments).env("FORETYPE_MODEL", &model).output().expect("it starts"));
        println!("{out}");
        assert!(good, "{arguments:?}: {out}{err}");
        out
    };
    let script = real(&["translate", "mean.py:1-2", "--to", "javascript"]);
    assert!(script.contains("mean") && script.contains("return"), "{script}");
    assert!(real(&["edit", "mean.py:1-2", "Rename numbers to values."]).contains("+def mean(values):"));
    assert!(real(&["generate", "mean.py:5"]).contains("+    return"));
}
