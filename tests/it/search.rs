//! Searching a workspace: in the terminal, and for questions over the protocol.

use foretype_tests::client::Client;
use foretype_tests::{TestEnv, stub_model};
use serde_json::{Value, json};

use crate::lsp::eventually;

fn env() -> TestEnv {
    let env = TestEnv::new();
    stub_model::write_chat(env.path());
    env.write("work/.git/HEAD", "ref: refs/heads/main\n");
    env.write("work/.gitignore", "out/\n");
    env.write("work/net/client.py", "import time\n\ndef with_backoff(call):\n    time.sleep(1)\n    return call()\n");
    env.write("work/out/copy.py", "def with_backoff(call):\n    return call()\n");
    env.write("work/shop.py", "def total(items):\n    return sum(items)\n");
    env
}

#[test]
fn places_are_found_by_words_and_follow_the_files() {
    let env = env();
    let (ok, out, err) = env.run_with_stub_model(&["search", "How does the backoff work?", "--verbose"]);
    assert!(ok && err.contains("2 files indexed"), "{out}{err}");
    assert_eq!(out.lines().count(), 1, "{out}");
    assert!(out.ends_with("  net/client.py:1-5  with_backoff\n"), "{out}");
    std::fs::remove_file(env.path().join("work/net/client.py")).expect("it is there");
    env.write("work/wait.py", "# Backoff.\n");
    let (_, out, _) = env.run_with_stub_model(&["search", "backoff", "--json"]);
    let report: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((&report["found"][0]["path"], &report["found"][1]), (&json!("wait.py"), &Value::Null));
    assert_eq!(report["index"], json!({ "indexed": 1, "removed": 1, "behind": false }));
    assert!(env.run_with_stub_model(&["search", "elephant"]).1.contains("Nothing found"));
}

#[test]
fn what_cannot_be_searched_says_why() {
    let env = env();
    let complains = |arguments: &[&str]| {
        let (ok, _, err) = env.run_with_stub_model(arguments);
        assert!(!ok && !err.contains("panicked"), "{err}");
        err
    };
    assert!(complains(&["search", "What is this?"]).contains("no word to search for"));
    assert!(complains(&["search", "total", "--folder", "nowhere"]).contains("no folder nowhere"));
    env.write("work/.foretype/config.toml", "[ask]\nsearch = false\n");
    assert!(complains(&["search", "total"]).contains("ask.search"));
}

#[test]
fn a_question_reads_what_its_words_find() {
    let env = env();
    let (ok, out, err) = env.run_with_stub_model(&["ask", "How does backoff sleep?"]);
    assert!(ok, "{err}");
    assert!(out.contains("  net/client.py:1-5 (found by backoff, sleep)\n"), "{out}");
    env.write("work/.foretype/config.toml", "[ask]\nsearch = false\n");
    let (_, out, _) = env.run_with_stub_model(&["ask", "How does backoff sleep?"]);
    assert!(!out.contains("client.py"), "{out}");
}

#[test]
fn an_editor_sees_how_far_the_index_is_and_asks_with_it() {
    let env = env();
    (0..60).for_each(|number| drop(env.write(&format!("work/many/m{number}.py"), format!("x{number} = 1\n"))));
    let mut client = Client::start(env.with_stub_model(&["lsp", "--standalone"]));
    let root = format!("file://{}/work", env.path().display());
    client.initialize(json!({
        "processId": std::process::id(), "capabilities": { "window": { "workDoneProgress": true } },
        "workspaceFolders": [{ "uri": root, "name": "work" }],
    }));
    // One for the symbols, one for the search.
    (0..2).for_each(|_| drop(client.answers("window/workDoneProgress/create", Value::Null)));
    let value = |message: &Value| message["params"]["value"].clone();
    let of_index = |message: &Value| message["params"]["token"] == "foretype-search-work";
    let begin = client.take(|message| of_index(message) && value(message)["kind"] == "begin");
    assert!(value(&begin)["title"].as_str().is_some_and(|title| title.contains("indexing work")), "{begin}");
    client.take(|message| of_index(message) && value(message)["kind"] == "end");
    let answer = client.request("foretype/ask", json!({ "question": "How does backoff sleep?" }));
    assert_eq!(answer["places"][0]["why"], "found by backoff, sleep", "{answer}");
    env.write("work/net/client.py", "def other():\n    return 1\n");
    env.write("work/wait.py", "# Backoff: sleep first.\n");
    for name in ["net/client.py", "wait.py"] {
        client.notify("textDocument/didSave", json!({ "textDocument": { "uri": format!("{root}/{name}") } }));
    }
    // The index follows in the background.
    let ask = |client: &mut Client| client.request("foretype/ask", json!({ "question": "How does backoff sleep?" }));
    eventually(&mut client, ask, |answer| answer["places"][0]["path"] == "wait.py");
}
