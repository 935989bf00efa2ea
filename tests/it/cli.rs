//! The command line: what each command prints, and what it says when something is wrong.

use foretype_tests::{TestEnv, error_of, output_of, real_model, repository, stub_model, text};
use serde_json::Value;

/// Creates an environment with the stub model and a file to complete.
fn env(file: &str, content: impl AsRef<[u8]>) -> TestEnv {
    let env = TestEnv::new();
    stub_model::write(env.path());
    env.write(file, content);
    env
}

fn run_with(env: &TestEnv, model: &str, arguments: &[&str]) -> (bool, String, String) {
    text(&env.command(arguments).env("FORETYPE_MODEL", model).output().expect("the binary starts"))
}

/// Runs a command that succeeds and returns its output.
fn prints(env: &TestEnv, arguments: &[&str]) -> String {
    output_of(env.command(arguments).env("FORETYPE_MODEL", "stub-model"))
}

fn json(env: &TestEnv, arguments: &[&str]) -> Value {
    serde_json::from_str(&prints(env, &[arguments, &["--json"]].concat())).expect("JSON")
}

/// Runs a command that fails and returns its error message.
fn complains(env: &TestEnv, model: &str, arguments: &[&str]) -> String {
    error_of(env.command(arguments).env("FORETYPE_MODEL", model))
}

#[test]
fn complete_prints_the_line_with_its_ghost_text_and_the_cost() {
    let env = env("a.py", "x = 1\ny =\n");
    let out = prints(&env, &["complete", "a.py:2"]);
    assert!(out.starts_with("y =⟦ brown_fx⟧\n"), "{out}");
    assert!(out.contains("prompt tokens evaluated, 0 reused") && out.contains(" ms"), "{out}");
    assert!(prints(&env, &["complete", "a.py:2:2"]).starts_with("y"), "a column inside the line");
}

#[test]
fn complete_types_on_and_says_what_each_key_costs() {
    let env = env("a.py", "x = 1\ny\n");
    let answers = json(&env, &["complete", "a.py:2", "--type", " = br"]);
    let answers = answers.as_array().expect("one answer for each key, and one before");
    assert_eq!(answers.len(), 6);
    assert_eq!(answers[5]["suggestions"][0]["text"], "own_fx");
    assert!(answers[0]["evaluated"].as_u64() > Some(10) && answers[0]["reused"] == 0, "{}", answers[0]);
    for answer in &answers[1..] {
        assert!(answer["evaluated"].as_u64() <= Some(4) && answer["reused"].as_u64() > Some(10), "{answer}");
    }
}

#[test]
fn complete_explains_its_prompt_and_its_tokens() {
    let env = env("src/a.py", "from tools import helper\ny = helper() + 0 =\n");
    env.write("src/tools.py", "def helper():\n    return 1\n");
    env.write(".git/HEAD", "ref: refs/heads/main\n");
    let out = prints(&env, &["complete", "src/a.py:2", "--explain"]);
    assert!(out.contains("--- definition from src/tools.py") && out.contains("def helper():"), "{out}");
    assert!(out.contains("[<fim_middle>]") && out.contains("\"b\" 1.00"), "{out}");
    let explained = json(&env, &["complete", "src/a.py:2", "--explain"]);
    let kinds = explained[0]["prompt"].as_array().expect("parts").iter().map(|part| &part["source"]["kind"]);
    assert!(kinds.clone().any(|kind| kind == "middle") && kinds.clone().any(|kind| kind == "snippet"), "{explained}");
}

#[test]
fn complete_offers_as_many_alternatives_as_are_asked_for() {
    let env = env("a.py", "y =\n");
    let answers = json(&env, &["complete", "a.py:1", "-n", "3"]);
    let texts: std::collections::HashSet<_> =
        answers[0]["suggestions"].as_array().expect("a list").iter().map(|it| it["text"].to_string()).collect();
    assert!(texts.contains("\" brown_fx\"") && texts.len() <= 3, "{answers}");
}

#[test]
fn a_position_that_is_none_says_what_would_be() {
    let env = env("a.py", "x = 1\n");
    for (position, word) in [
        ("a.py", "FILE:LINE"),
        ("a.py:0", "FILE:LINE"),
        ("a.py:9", "2 lines"),
        ("a.py:1:99", "column 99"),
        ("missing.py:1", "missing.py"),
    ] {
        assert!(complains(&env, "stub-model", &["complete", position]).contains(word), "{position}");
    }
}

#[test]
fn strange_files_are_completed() {
    for content in
        [&b""[..], b"no line end =", b"\xef\xbb\xbfx =", b"a\r\nx =\r\n", b"\xff\xfe =", b"\0\0 =", b"((((((((="]
    {
        let env = env("a.py", content);
        let line = content.split(|byte| *byte == b'\n').count().min(2);
        prints(&env, &["complete", &format!("a.py:{line}")]);
    }
}

#[test]
fn a_model_that_cannot_be_used_is_named_with_its_fault() {
    let env = env("a.py", "y =\n");
    let sound = std::fs::read(repository().join("model/tests/golden/qwen2/model.gguf")).expect("a tiny model");
    env.write("cut.gguf", &sound[..sound.len() / 2]);
    env.write("noise.gguf", b"this is no model");
    env.write("empty/config.json", "{}");
    for (model, words) in [
        ("cut.gguf", &["cut.gguf"][..]),
        ("noise.gguf", &["noise.gguf"]),
        ("empty", &["empty"]),
        ("nothing-like-it", &["nothing-like-it", "foretype model list"]),
        ("qwen2.5-coder-7b", &["foretype model pull qwen2.5-coder-7b"]),
    ] {
        let err = complains(&env, model, &["complete", "a.py:1"]);
        assert!(words.iter().all(|word| err.contains(word)), "{model}: {err}");
    }
}

#[test]
fn without_any_model_the_built_in_one_completes_and_says_that_it_does_no_more() {
    let env = env("work/a.py", "import sys\n\nfor line in sys.\n");
    let run = |arguments: &[&str]| {
        text(&env.command(arguments).current_dir(env.path().join("work")).output().expect("the binary starts"))
    };
    let shown: Value = serde_json::from_str(&run(&["model", "show", "--json"]).1).expect("JSON");
    assert_eq!((&shown["name"], &shown["fill_in_the_middle"]), (&"foretype-7m".into(), &"qwen2.5-coder".into()));
    let path = shown["path"].as_str().expect("a file");
    assert!(std::path::Path::new(path).starts_with(env.path().join("cache")), "{path}");
    let (good, out, err) = run(&["complete", "a.py:3", "--json"]);
    assert!(good, "{err}");
    let completed: Value = serde_json::from_str(&out).expect("JSON");
    let shown = completed[0]["suggestions"][0]["text"].as_str();
    assert!(shown.is_some_and(|text| !text.trim().is_empty()), "{completed}");
    env.write("work/b.py", "def f(x):\n    return x\n");
    for arguments in [
        &["ask", "Why?", "--file", "b.py"][..],
        &["docstring", "b.py:1"],
        &["translate", "b.py", "--to", "rust"],
        &["edit", "b.py:2", "Shorter."],
    ] {
        let (good, out, err) = run(arguments);
        assert!(!good && err.contains("foretype model pull qwen2.5-coder-0.5b-instruct"), "{arguments:?}: {out}{err}");
    }
    // A cache folder that cannot be written to is no reason to crash.
    let mut command = env.command(&["complete", "a.py:3"]);
    command.current_dir(env.path().join("work")).env("XDG_CACHE_HOME", env.path().join("work/a.py"));
    let (good, _, err) = text(&command.output().expect("the binary starts"));
    assert!(!good && err.contains("set XDG_CACHE_HOME"), "{err}");
}

#[test]
fn a_pipe_that_is_closed_ends_a_command_quietly() {
    let env = env("a.py", "x = 1\n");
    let (_, unread) = std::io::pipe().expect("a pipe");
    let output = env.command(&["model", "list", "--json"]).stdout(unread).output().expect("it ends");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(141), ""));
}

#[test]
fn a_wrong_option_is_named_with_its_file_and_line() {
    let env = env("a.py", "y =\n");
    env.write("config/foretype/config.toml", "model = \"stub-model\"\n[inline]\nmax_lines = 0\n");
    let err = complains(&env, "stub-model", &["complete", "a.py:1"]);
    assert!(err.contains("config.toml") && err.contains("max_lines"), "{err}");
}

#[test]
fn model_show_says_what_a_model_is() {
    let shown = json(&env("a.py", ""), &["model", "show"]);
    assert_eq!((&shown["architecture"], &shown["layers"]), (&"Llama".into(), &1.into()));
    assert_eq!(shown["fill_in_the_middle"], "starcoder");
}

#[test]
fn model_list_shows_what_is_installed_and_what_can_be_pulled() {
    let env = TestEnv::new();
    let sound = repository().join("model/tests/golden/qwen2/model.gguf");
    env.write("data/foretype/models/own.gguf", std::fs::read(sound).expect("a tiny model"));
    let list = json(&env, &["model", "list"]);
    assert_eq!(list["installed"][0]["name"], "own");
    let names: Vec<_> = list["catalogue"].as_array().expect("a list").iter().map(|entry| &entry["name"]).collect();
    for size in ["0.5b", "1.5b", "3b", "7b"] {
        for kind in ["", "-instruct"] {
            assert!(
                names.iter().any(|name| **name == format!("qwen2.5-coder-{size}{kind}")),
                "{size}{kind}: {names:?}"
            );
        }
    }
}

fn finding<'a>(findings: &'a Value, what: &str) -> &'a Value {
    let all = findings.as_array().expect("a list");
    all.iter().find(|finding| finding["what"] == what).unwrap_or_else(|| panic!("nothing on {what}: {findings}"))
}

#[test]
fn doctor_finds_problems_and_suggests_remedies() {
    let env = TestEnv::new();
    let (_, out, _) = text(&env.run(&["doctor", "--json"]));
    assert_eq!(finding(&serde_json::from_str(&out).expect("JSON"), "model")["state"], "good");
    let mut command = env.command(&["doctor", "--json"]);
    let (ok, out, _) = text(&command.env("FORETYPE_MODEL", "qwen2.5-coder-7b").output().expect("the binary starts"));
    assert!(!ok, "without its model something is wrong: {out}");
    let findings: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(finding(&findings, "model")["state"], "bad");
    assert!(finding(&findings, "model")["remedy"].as_str().is_some_and(|it| it.contains("model pull")), "{findings}");
    assert_eq!(finding(&findings, "processor")["state"], "good");
    env.write("config/foretype/config.toml", "[inline]\nmax_lines = \"many\"\n");
    let (ok, out, _) = text(&env.run(&["doctor"]));
    assert!(!ok && out.contains("max_lines") && out.contains("docs/reference/configuration.md"), "{out}");
}

#[test]
fn doctor_names_a_folder_that_is_not_there() {
    let (ok, out, _) = text(&TestEnv::new().run(&["doctor", "nowhere", "--json"]));
    let findings: Value = serde_json::from_str(&out).expect("JSON");
    assert!(!ok && finding(&findings, "workspace")["found"].to_string().contains("nowhere"), "{findings}");
}

#[test]
fn doctor_is_content_where_all_is_well() {
    let env = env("a.py", "");
    let out = prints(&env, &["doctor"]);
    assert!(!out.contains("BAD") && out.contains("stub-model") && out.contains("tokens/s"), "{out}");
}

/// Positions in the tour files: a file and a line whose end is the cursor.
const TOUR: &[&str] = &["inventory.py:25", "matrix.rs:22", "queue.ts:17", "cache.go:33", "Account.java:26"];

#[test]
fn a_real_model_completes_five_languages_and_a_second_key_costs_at_most_four_tokens() {
    let Some(model) = real_model() else { return };
    for place in TOUR {
        let env = TestEnv::new();
        let file = place.split(':').next().expect("a name");
        let content = std::fs::read(repository().join("tests/fixtures/tour").join(file)).expect("a file of the tour");
        env.write(file, content);
        let typed = if file == "cache.go" { "re" } else { "o" };
        let (ok, out, err) = run_with(&env, &model.to_string_lossy(), &["complete", place, "--type", typed, "--json"]);
        assert!(ok, "{place}: {err}");
        let answers: Value = serde_json::from_str(&out).expect("JSON");
        println!("{place}: {:?}", answers[0]["suggestions"][0]["text"]);
        assert!(answers[0]["suggestions"][0]["text"].as_str().is_some_and(|text| text.len() > 3), "{place}: {out}");
        for key in &answers.as_array().expect("answers")[1..] {
            assert!(key["evaluated"].as_u64().is_some_and(|tokens| tokens <= 4), "{place}: {key}");
        }
    }
}
