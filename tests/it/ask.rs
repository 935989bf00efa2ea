//! Questions about code and conversations: in the terminal and over the protocol.

use std::io::Write;
use std::process::{Command, Stdio};

use foretype_tests::client::Client;
use foretype_tests::{TestEnv, error_of, git, real_model, stub_model, text};
use serde_json::{Value, json};

const ANSWER: &str = "brown_fx";
const SHOP: &str = "class Shop:\n    def total(self, items):\n        return tax(sum(items))\n";

fn env() -> TestEnv {
    let env = TestEnv::new();
    stub_model::write_chat(env.path());
    env.write("work/.git/HEAD", "ref: refs/heads/main\n");
    env.write("work/shop.py", SHOP);
    env.write("work/tools.py", "def tax(sum):\n    return sum * 2\n");
    env
}

fn complains(env: &TestEnv, arguments: &[&str]) -> String {
    error_of(&mut env.with_stub_model(arguments))
}

/// Holds a conversation in the terminal: the lines are what is typed.
fn chat(mut command: Command, lines: &str) -> (bool, String, String) {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("it reads");
    text(&child.wait_with_output().expect("it ends"))
}

#[test]
fn an_answer_is_followed_by_the_places_that_were_read() {
    let (ok, out, err) = env().run_with_stub_model(&["ask", "What is", "this?", "--file", "shop.py:2", "--verbose"]);
    assert!(ok, "{err}");
    let read = "\n\nRead:\n  shop.py:2-3 (the question is about line 2)\n  shop.py:1 (around it)\n  tools.py:1 (defines tax)\n";
    assert_eq!(out, format!("{ANSWER}{read}"));
    assert!(err.contains("prompt tokens evaluated, 0 reused"), "{err}");
}

#[test]
fn intents_need_code_and_an_answer_can_be_had_as_json() {
    let env = env();
    let (ok, out, err) = env.run_with_stub_model(&["ask", "--explain", "--file", "shop.py", "--json"]);
    assert!(ok, "{err}");
    let report: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((&report["places"][0]["path"], &report["places"][0]["last"]), (&json!("shop.py"), &json!(3)));
    assert_eq!(report["citations"], json!([]));
    assert!(report["answer"].as_str().is_some_and(|answer| answer.contains(ANSWER)), "{report}");
    assert!(complains(&env, &["ask", "--find-bugs"]).contains("--file"));
    assert!(complains(&env, &["ask"]).contains("ask something"));
    assert!(complains(&env, &["ask", "Why?", "--file", "shop.py:9"]).contains("3 lines"));
    assert!(complains(&env, &["ask", "Why?", "--file", "nowhere.py"]).contains("nowhere.py"));
}

#[test]
fn a_commit_message_is_written_for_what_is_staged() {
    let env = env();
    let git = |arguments: &[&str]| git(&env.path().join("work"), 0, arguments);
    std::fs::remove_dir_all(env.path().join("work/.git")).expect("it is there");
    git(&["init", "--quiet"]);
    assert!(complains(&env, &["ask", "--commit-message"]).contains("git add"));
    let outside = TestEnv::new();
    stub_model::write_chat(outside.path());
    outside.write("work/a.py", "x = 1\n");
    assert!(complains(&outside, &["ask", "--commit-message"]).contains("not a git repository"));
    env.write("work/a.bin", [0, 159, 1]);
    assert!(complains(&env, &["ask", "Why?", "--file", "a.bin"]).contains("a.bin is a binary file"));
    git(&["add", "shop.py"]);
    let (ok, out, err) = env.run_with_stub_model(&["ask", "--commit-message"]);
    assert!(ok, "{err}");
    assert_eq!(out, format!("{ANSWER}\n"));
}

#[test]
fn what_cannot_be_asked_says_why() {
    let env = env();
    env.write("work/.env", "KEY=1\n");
    assert!(complains(&env, &["ask", "Why?", "--file", ".env"]).contains("secrets"));
    let (_, _, err) = env.run_with_stub_model(&["ask", "Why?", "--file", "shop.py"]);
    assert!(err.contains("is very small"), "{err}");
    std::fs::remove_file(env.path().join("stub-model/chat_template.jinja")).expect("it is there");
    let (_, _, err) = env.run_with_stub_model(&["ask", "Why?", "--file", "shop.py"]);
    assert!(err.contains("not trained to answer"), "{err}");
    env.write("stub-model/chat_template.jinja", "{{ raise_exception('no') }}");
    assert!(complains(&env, &["ask", "Why?"]).contains("use another model"));
    let none = text(&env.command(&["ask", "Why?"]).output().expect("the binary starts"));
    assert!(none.2.contains("foretype model pull"), "{none:?}");
    let long = "why ".repeat(5000);
    env.write("stub-model/chat_template.jinja", stub_model::CHAT_TEMPLATE);
    assert!(complains(&env, &["ask", &long]).contains("ask about less"));
}

#[test]
fn of_a_megabyte_that_is_selected_what_fits_is_read() {
    let env = env();
    env.write("work/big.py", "x = [1, 2, 3]\n".repeat(80_000));
    let (ok, out, err) = env.run_with_stub_model(&["ask", "Why?", "--file", "big.py:1-80000"]);
    assert!(ok && err.contains("more lines do not fit"), "{err}");
    assert!(out.contains(ANSWER) && out.contains("big.py:1-"), "{out}");
}

#[test]
fn nobody_left_to_read_the_answer_is_no_error() {
    let env = env();
    let (_, unread) = std::io::pipe().expect("a pipe");
    let output = env.with_stub_model(&["ask", "Why?"]).stdout(unread).output().expect("it starts");
    let (ok, _, err) = text(&output);
    assert!(ok && !err.contains("panicked"), "{err}");
}

#[test]
fn a_conversation_goes_on_is_kept_and_can_be_found_exported_and_deleted() {
    let env = env();
    let talk = env.with_stub_model(&["chat", "--file", "shop.py:2", "--verbose"]);
    let (ok, out, err) = chat(talk, "What is it?\nAnd then?\n/nothing\n/quit\n");
    assert!(ok, "{err}");
    assert_eq!((out.matches(ANSWER).count(), out.matches("Read:").count()), (2, 1), "{out}");
    let costs: Vec<Vec<usize>> = err.lines().filter(|line| line.contains("evaluated")).map(numbers).collect();
    // The second question, the line end and the mark, and the last token of the answer.
    assert!(costs[1][0] <= "\nAnd then?\n=".len() + 2 && costs[1][1] > 100, "{costs:?}");
    let (_, listed, _) = env.run_with_stub_model(&["chat", "list"]);
    assert!(listed.contains("1    2 questions  What is it?"), "{listed}");
    assert!(env.run_with_stub_model(&["chat", "search", "THEN"]).1.contains("What is it?"));
    assert!(env.run_with_stub_model(&["chat", "search", "elephant"]).1.contains("No conversation"));
    assert!(env.run_with_stub_model(&["chat", "show", "1"]).1.contains("Read: `shop.py:2-3`"));
    let (_, out, _) = chat(env.with_stub_model(&["chat", "--continue", "1"]), "/edit So?\n/branch\n/again\n");
    assert_eq!(out.matches(ANSWER).count(), 2, "{out}");
    let show = |id: &str| env.run_with_stub_model(&["chat", "show", id]).1;
    assert!(show("1").contains("## So?") && !show("1").contains("And then?") && show("2").contains("## So?"));
    assert!(env.run_with_stub_model(&["chat", "export", "1", "talk.md"]).0);
    assert!(complains(&env, &["chat", "export", "1", "talk.md"]).contains("already exists"));
    assert!(env.run_with_stub_model(&["chat", "delete", "1"]).0);
    assert!(complains(&env, &["chat", "show", "1"]).contains("chat list"));
}

fn numbers(line: &str) -> Vec<usize> {
    line.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

#[test]
fn the_oldest_questions_are_dropped_when_they_no_longer_fit() {
    let env = env();
    env.write("work/.foretype/config.toml", "[ask]\ncontext_tokens = 512\nmax_tokens = 32\n");
    let question = format!("{}?\n", "abcdefgh".repeat(20));
    let (ok, out, err) = chat(env.with_stub_model(&["chat"]), &question.repeat(4));
    assert!(ok && err.contains("no longer fit"), "{err}");
    assert_eq!(out.matches(ANSWER).count(), 4, "{out}");
}

/// An editor with the shop open.
fn editor(env: &TestEnv) -> (Client, Value) {
    let mut client = Client::start(env.with_stub_model(&["lsp", "--standalone"]));
    let root = format!("file://{}/work", env.path().display());
    client.initialize(json!({
        "processId": std::process::id(), "capabilities": {},
        "workspaceFolders": [{ "uri": root, "name": "work" }],
    }));
    let uri = format!("{root}/shop.py");
    client.open(&uri, "python", SHOP);
    (client, json!({ "uri": uri }))
}

#[test]
fn an_editor_gets_the_answer_in_pieces_and_goes_on_with_the_conversation() {
    let env = env();
    let (mut client, document) = editor(&env);
    let at = json!({ "line": 1, "character": 6 });
    let first = client.request(
        "foretype/ask",
        json!({
            "intent": "explain", "textDocument": document, "range": { "start": at, "end": at }, "partialResultToken": "t",
        }),
    );
    let mut pieces = String::new();
    while pieces.len() < first["text"].as_str().expect("a text").len() {
        let piece = client.take(|message| message["method"] == "$/progress" && message["params"]["token"] == "t");
        pieces.push_str(piece["params"]["value"]["text"].as_str().expect("a piece"));
    }
    assert!(first["text"] == pieces && pieces.contains(ANSWER), "{first}");
    assert_eq!((&first["places"][0]["first"], &first["places"][0]["uri"]), (&json!(2), &document["uri"]), "{first}");
    let next = json!({ "question": "And then?", "conversation": first["conversation"] });
    let second = client.request("foretype/ask", next);
    assert!(second["evaluated"].as_u64() < Some(16) && second["reused"].as_u64() > Some(100), "{second}");
    let again = client.request("foretype/ask", json!({ "conversation": first["conversation"], "regenerate": true }));
    assert_eq!(again["conversation"], first["conversation"]);
    assert_eq!(env.run_with_stub_model(&["chat", "show", "1"]).1.matches("## ").count(), 2);
}

#[test]
fn an_editor_edits_a_question_and_goes_on_in_a_copy() {
    let env = env();
    let (mut client, document) = editor(&env);
    let mut ask = |params: Value| client.request("foretype/ask", params);
    let number = ask(json!({ "question": "One?", "textDocument": document }))["conversation"].clone();
    for question in ["Two?", "Three?"] {
        ask(json!({ "question": question, "conversation": number }));
    }
    let copy = ask(json!({ "question": "Four?", "conversation": number, "at": 1, "branch": true }));
    assert_ne!(copy["conversation"], number, "{copy}");
    let edited = ask(json!({ "question": "Zero?", "conversation": number, "at": 0 }));
    assert_eq!((&edited["conversation"], &edited["places"][0]["path"]), (&number, &json!("shop.py")), "{edited}");
    let mut questions = |number: &Value| {
        let kept = client.request("foretype/conversation", json!({ "conversation": number }));
        let turns = kept["turns"].as_array().cloned().unwrap_or_default();
        turns.iter().map(|turn| turn["question"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(questions(&copy["conversation"]), ["One?", "Four?"]);
    assert_eq!(questions(&number), ["Zero?"]);
    let id = client.send("foretype/ask", json!({ "question": "Five?", "conversation": number, "at": 7 }));
    let error = client.answer(id).expect_err("no such place");
    assert!(error["message"].as_str().is_some_and(|it| it.contains("has 1 questions")), "{error}");
}

#[test]
fn an_editor_lists_opens_and_deletes_the_conversations_of_a_folder() {
    let (mut client, document) = editor(&env());
    assert_eq!(client.request("foretype/conversations", json!({})), json!([]));
    for question in ["What is it?", "What for?\nSay why."] {
        client.request("foretype/ask", json!({ "question": question, "textDocument": document }));
    }
    let list = client.request("foretype/conversations", json!({}));
    let heads: Vec<_> = list.as_array().into_iter().flatten().map(|it| (&it["conversation"], &it["title"])).collect();
    assert_eq!(heads, [(&json!(2), &json!("What for?")), (&json!(1), &json!("What is it?"))]);
    let folder = document["uri"].as_str().and_then(|uri| uri.strip_suffix("/shop.py")).expect("it lies in the folder");
    let one = json!({ "conversation": 2, "workspace": folder });
    let open = client.request("foretype/conversation", one.clone());
    let turn = &open["turns"][0];
    assert_eq!((&turn["question"], &turn["places"][0]["path"]), (&json!("What for?\nSay why."), &json!("shop.py")));
    assert!(turn["text"].as_str().is_some_and(|it| it.contains(ANSWER)), "{turn}");
    let delete = json!({ "conversation": 2, "delete": true });
    assert_eq!(client.request("foretype/conversation", delete), json!(null));
    let id = client.send("foretype/conversation", one);
    let error = client.answer(id).expect_err("it was deleted");
    assert!(error["message"].as_str().is_some_and(|message| message.contains("no conversation 2")), "{error}");
    let elsewhere = json!({ "question": "And?", "conversation": 1, "workspace": "file:///elsewhere" });
    let id = client.send("foretype/ask", elsewhere);
    assert!(
        client.answer(id).expect_err("no such folder")["message"]
            .as_str()
            .is_some_and(|it| it.contains("open a folder"))
    );
}

#[test]
fn an_editor_that_asks_wrongly_or_stops_gets_one_answer_and_goes_on() {
    let (mut client, document) = editor(&env());
    let wrong = [
        (json!({ "textDocument": document }), "give a question"),
        (json!({ "intent": "dance", "textDocument": document }), "suggest-tests"),
        (json!({ "intent": "explain" }), "which code"),
        (json!({ "question": "Why?", "textDocument": { "uri": "file:///nowhere.py" } }), "not open"),
        (json!({ "question": "Why?", "conversation": 99 }), "no conversation 99"),
    ];
    for (params, why) in wrong {
        let id = client.send("foretype/ask", params);
        let error = client.answer(id).expect_err(why);
        assert!(error["message"].as_str().is_some_and(|message| message.contains(why)), "{error}");
    }
    let id = client.send("foretype/ask", json!({ "question": "Why?", "textDocument": document }));
    client.notify("$/cancelRequest", json!({ "id": id }));
    match client.answer(id) {
        Ok(answer) => assert!(answer["text"].as_str().is_some_and(|it| it.contains(ANSWER)), "it was faster"),
        Err(error) => assert_eq!(error["code"], -32800),
    }
    let params = json!({ "question": "Why?", "textDocument": document });
    assert!(client.request("foretype/ask", params)["text"].as_str().is_some_and(|it| it.contains(ANSWER)));
}

#[test]
fn a_real_model_names_what_a_function_does_and_reads_only_what_is_new() {
    let Some(model) = real_model() else { return };
    let env = env();
    env.write("work/mean.py", "def mean(numbers):\n    return sum(numbers) / len(numbers)\n");
    let mut talk = env.with_stub_model(&["chat", "--file", "mean.py:1", "--verbose"]);
    talk.env("FORETYPE_MODEL", model);
    let (ok, out, err) = chat(talk, "What does this function do?\nWhat happens if the list is empty?\n");
    assert!(ok, "{err}");
    let first = out.split("Read:").next().unwrap_or_default().to_lowercase();
    assert!(first.contains("average") || first.contains("mean"), "{out}");
    let costs: Vec<Vec<usize>> = err.lines().filter(|line| line.contains("evaluated")).map(numbers).collect();
    // The question has eight tokens, and the marks around it a dozen.
    assert!(costs[1][0] < 30 && costs[1][1] > costs[0][0], "{costs:?}");
}
