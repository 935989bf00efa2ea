//! The benchmark of keystrokes, on a model whose answers are known. What is looked at is that it measures, not how
//! fast.

use std::path::PathBuf;

use foretype_tests::{TestEnv, repository, stub_model, text};
use serde_json::{Value, json};

/// Types ` = brown_fx` behind a name, into which the stub model's suggestion fits.
fn trace(env: &TestEnv) -> PathBuf {
    let keys: Vec<_> = "\ny = 1 brown_fx".chars().map(|key| json!([400, key.to_string()])).collect();
    let stint = json!({ "file": 0, "offset": 5, "wait": 2000, "accepts": true, "keys": keys });
    let trace = json!({ "about": "by hand", "files": [{ "path": "a.py", "text": "x = 1\n" }], "stints": [stint] });
    env.write("trace.json", trace.to_string())
}

/// Exit status and output of the laboratory.
fn run(env: &TestEnv, arguments: &[&str]) -> (bool, String, String) {
    text(&env.lab(arguments).output().expect("the laboratory starts"))
}

#[test]
fn a_trace_is_replayed_into_foretype_and_into_another_server() {
    let env = TestEnv::new();
    let model = stub_model::write(env.path());
    let (trace, binary) = (trace(&env), foretype_tests::binary().display().to_string());
    let mut command = env.lab(&["keystrokes", "--speed", "10", "--picture", "picture"]);
    command.arg(trace).arg("--model").arg(&model).args(["--json", "report.json"]);
    command.arg("--lsp").arg(format!("other={binary} lsp --standalone")).env("FORETYPE_MODEL", &model);
    let (good, output, complaints) = text(&command.output().expect("the binary starts"));
    assert!(good, "{output}{complaints}");
    assert!(output.contains("Foretype") && output.contains("other"), "{output}");
    let report = std::fs::read_to_string(env.path().join("report.json")).expect("a report");
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(report["systems"].as_array().map(Vec::len), Some(2));
    for run in report["runs"].as_array().expect("runs") {
        let keys = run["keys"].as_array().expect("keys");
        assert!(keys.iter().any(|key| key["first"].is_number()), "{run}");
        assert_eq!((&run["stale"], &run["wanted"]), (&json!(0), &json!(15)), "{run}");
    }
    let picture = std::fs::read_to_string(env.path().join("picture.svg")).expect("a picture");
    assert!(picture.contains("</svg>"));
}

#[test]
fn foretype_is_measured_with_and_without_a_hostile_plugin() {
    let env = TestEnv::new();
    let model = stub_model::write(env.path());
    let plugin = repository().join("tests/fixtures/plugins/forever.luau");
    let mut command = env.lab(&["keystrokes", "--speed", "10", "--disturbed", "100"]);
    command.arg(trace(&env)).arg("--model").arg(&model).arg("--plugin").arg(&plugin);
    let (good, output, complaints) = text(&command.output().expect("the binary starts"));
    assert!(good && output.contains("Foretype with forever"), "{output}{complaints}");
    assert!(output.contains("p95, with the plugin forever at most 1.1 of without"), "{output}");
    let arguments = ["keystrokes", "trace.json", "--model", "stub-model", "--plugin", "trace.json"];
    let (good, _, complaints) = run(&env, &arguments);
    assert!(!good && complaints.contains("--plugin needs"), "{complaints}");
}

#[test]
fn the_same_seed_makes_the_same_trace() {
    let env = TestEnv::new();
    let folder = repository().join("tests/fixtures/tour").display().to_string();
    let make = |output: &str, seed: &str| {
        let arguments = ["trace", &folder, "--from", "contents", "--seed", seed, "--output", output];
        let (good, _, complaints) = run(&env, &arguments);
        assert!(good, "{complaints}");
        std::fs::read_to_string(env.path().join(output)).expect("a trace")
    };
    assert_eq!(make("a.json", "5"), make("b.json", "5"));
    assert_ne!(make("a.json", "5"), make("c.json", "6").replace("--seed 6", "--seed 5"));
}

#[test]
fn what_is_no_trace_is_named() {
    let env = TestEnv::new();
    env.write("trace.json", "{}");
    let model = stub_model::write(env.path()).display().to_string();
    let (good, _, complaints) = run(&env, &["keystrokes", "trace.json", "--model", &model]);
    assert!(!good && complaints.contains("trace.json"), "{complaints}");
}

#[test]
fn a_model_is_measured_on_a_text_of_the_user() {
    let env = TestEnv::new();
    let model = stub_model::write(env.path()).display().to_string();
    env.write("long.py", "value = other + 1\n".repeat(100));
    env.write("short.py", "x = 1\n");
    let measure = |file: &str| {
        let few = ["--prompt", "64", "--generate", "4", "--rows", "2", "--repeat", "1"];
        let arguments = ["model", "--model", &model, "--text", file, "--json"];
        run(&env, &[&arguments[..], &few].concat())
    };
    let (good, output, complaints) = measure("long.py");
    assert!(good, "{complaints}");
    let report: Value = serde_json::from_str(&output).expect("JSON");
    for figure in ["prefill_tokens_per_second", "decode_tokens_per_second", "all_step_ms", "rows_step_ms"] {
        assert!(report[figure].as_f64().is_some_and(|value| value > 0.0), "{figure}: {report}");
    }
    let (good, _, complaints) = measure("short.py");
    assert!(!good && complaints.contains("short.py has") && complaints.contains("name a longer text"), "{complaints}");
}

#[test]
fn commands_that_moved_to_the_laboratory_say_where_they_went() {
    let env = TestEnv::new();
    for (arguments, new) in [
        (&["bench", "keystrokes", "trace.json", "--model", "x"][..], "keystrokes"),
        (&["bench", "model", "--help"], "model"),
        (&["bench", "trace", "."], "trace"),
        (&["bench"], "COMMAND"),
        (&["evaluate", "humaneval-infilling", "--data", "set.jsonl"], "humaneval-infilling"),
        (&["evaluate", "humaneval"], "humaneval"),
        (&["evaluate", "docstring", "--help"], "docstring"),
        (&["evaluate", "translate", "--way", "plain"], "translate"),
    ] {
        let output = env.run(arguments);
        let (_, out, complaints) = text(&output);
        assert_eq!((output.status.code(), out.as_str()), (Some(2), ""), "{arguments:?}: {complaints}");
        assert!(complaints.contains(&format!("cargo run --release -p foretype-lab -- {new} …")), "{complaints}");
    }
}
