//! Evaluation: what is asked, what is counted, and what is said when it cannot be.

use std::process::Command;

use foretype_tests::{TestEnv, error_of, git, output_of, real_model, repository, stub_model, text};
use serde_json::{Value, json};

/// Creates an environment with the stub model and a folder of source files.
fn env() -> TestEnv {
    let env = TestEnv::new();
    stub_model::write(env.path());
    // No two lines are the same: what repeats the next line is not shown.
    let lines = ('a'..='t').map(|name| format!("y{name} = brown_fx\n")).collect::<String>();
    env.write("code/a.py", "import tools\n".to_owned() + &lines);
    env.write("code/b.py", "def helper(x):\n    return tools.call(x, 1)\n");
    env.write("code/notes.txt", "y = brown_fx\n");
    env
}

/// Runs `foretype evaluate`, or the laboratory for the public problem sets.
fn command(env: &TestEnv, model: &str, arguments: &[&str]) -> Command {
    let mut command = match arguments {
        ["repository" | "compare", ..] => env.command(&[&["evaluate"], arguments].concat()),
        _ => env.lab(arguments),
    };
    command.env("FORETYPE_MODEL", model);
    command
}

fn prints(env: &TestEnv, arguments: &[&str]) -> String {
    output_of(&mut command(env, "stub-model", arguments))
}

fn json(env: &TestEnv, arguments: &[&str]) -> Value {
    serde_json::from_str(&prints(env, &[arguments, &["--json"]].concat())).expect("JSON")
}

fn complains(env: &TestEnv, arguments: &[&str]) -> String {
    error_of(&mut command(env, "stub-model", arguments))
}

fn items(report: &Value, system: usize) -> Vec<Value> {
    report["systems"][system]["items"].as_array().expect("items").clone()
}

#[test]
fn holes_of_a_folder_are_removed_and_completed() {
    let env = env();
    let report = json(&env, &["repository", "code", "--kinds", "rest", "--every", "1", "--bits"]);
    let found = items(&report, 0);
    let right = found.iter().filter(|item| item["exact"] == true).count();
    // The stub model knows the line from its equals sign on, and nothing before.
    assert!(right > 0 && right < found.len(), "{right} of {}", found.len());
    for item in &found {
        assert_eq!(item["exact"].as_bool(), Some(item["expected"] == item["answer"]), "{item}");
        assert!(item["cost"]["bits"].as_f64().is_some_and(|bits| bits >= 0.0), "{item}");
        assert!(item["id"].as_str().is_some_and(|id| !id.contains("notes")), "{item}");
    }
    assert_eq!(report["systems"][0]["name"], "with context, anchored");
    assert!(report["notes"].to_string().contains("truncation"), "{report}");
}

#[test]
fn every_way_to_ask_is_asked_for_the_same_holes() {
    let env = env();
    let arguments =
        ["repository", "code", "--kinds", "rest", "--most", "4", "--context", "both", "--order", "anchored,plain"];
    let report = json(&env, &arguments);
    let ids = |system| items(&report, system).iter().map(|item| item["id"].clone()).collect::<Vec<_>>();
    assert_eq!(report["systems"].as_array().map(Vec::len), Some(4));
    assert!((1..4).all(|system| ids(system) == ids(0)) && ids(0).len() == 4, "{report}");
}

#[test]
fn typing_counts_the_characters_that_suggestions_spare() {
    let env = env();
    let report = json(&env, &["repository", "code", "--kinds", "line", "--files", "a.py", "--most", "3", "--typing"]);
    for item in items(&report, 0) {
        // Four characters are typed, the other nine are taken with one key.
        assert_eq!(item["typing"], json!({ "characters": 13, "suggested": 9, "keys": 5 }), "{item}");
    }
    let table = prints(&env, &["repository", "code", "--kinds", "line", "--files", "a.py", "--most", "3", "--typing"]);
    assert!(table.contains("characters from suggestions") && table.contains("69.2 %"), "{table}");
}

#[test]
fn a_report_is_a_table_a_file_and_a_page() {
    let env = env();
    let arguments =
        ["repository", "code", "--kinds", "rest", "--most", "5", "--json", "report.json", "--html", "report.html"];
    let table = prints(&env, &arguments);
    assert!(table.contains("exact match") && table.contains("truncation"), "{table}");
    let report: Value =
        serde_json::from_slice(&std::fs::read(env.path().join("report.json")).expect("a file")).expect("JSON");
    assert_eq!(items(&report, 0).len(), 5);
    let page = std::fs::read_to_string(env.path().join("report.html")).expect("a page");
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("</svg>") && !page.contains("http"), "{page}");
    let beside = std::fs::read_dir(env.path()).expect("a folder").flatten();
    assert!(beside.into_iter().all(|entry| !entry.file_name().to_string_lossy().ends_with(".part")));
    let markdown = prints(&env, &["repository", "code", "--kinds", "rest", "--most", "5", "--markdown"]);
    assert!(markdown.contains("| --- | --- |"), "{markdown}");
}

#[test]
fn holes_can_be_only_in_files_that_came_later() {
    let env = env();
    let code = env.path().join("code");
    // In 2020 and in 2023.
    for (seconds, file, message) in [(1_577_836_800, "a.py", "first"), (1_700_000_000, ".", "second")] {
        git(&code, seconds, &["init", "--quiet"]);
        git(&code, seconds, &["add", file]);
        git(&code, seconds, &["commit", "--quiet", "--message", message]);
    }
    for since in ["HEAD~1", "2021-01-01"] {
        let paths = |report: &Value| items(report, 0).iter().map(|item| item["id"].to_string()).collect::<Vec<_>>();
        let found = paths(&json(&env, &["repository", "code", "--kinds", "call", "--since", since]));
        assert!(found.len() == 1 && found[0].contains("b.py:2:18 call"), "{since}: {found:?}");
    }
    assert!(complains(&env, &["repository", "code", "--since", "HEAD"]).contains("after HEAD"));
    assert!(complains(&env, &["repository", "code", "--since=--output=x"]).contains("neither a revision"));
}

#[test]
fn a_folder_without_holes_says_so() {
    let env = env();
    env.write("texts/notes.txt", "nothing to parse\n");
    env.write("small/a.py", "x\n");
    for (arguments, words) in [
        (&["repository", "texts"][..], "python"),
        (&["repository", "missing"], "missing is not a folder"),
        (&["repository", "small"], "no holes of kind"),
        (&["repository", "code", "--files", "*.rs"], "--files *.rs"),
        (&["repository", "code", "--since", "HEAD"], "git says"),
        (&["repository", "code", "--model", "nothing-like-it"], "foretype model list"),
        (&["repository", "code", "--every", "0"], "--every"),
        (&["repository", "code", "--most", "0"], "--most"),
        (&["repository", "code", "--kinds", "poems"], "arguments, call"),
        (&["repository", "code", "--json", "nowhere/report.json"], "nowhere"),
    ] {
        let message = complains(&env, arguments);
        assert!(message.contains(words), "{arguments:?}: {message}");
    }
}

/// A report by hand: one item for each verdict.
fn report(right: &[bool]) -> String {
    let item = |(at, exact): (usize, &bool)| {
        json!({
            "id": format!("a.py:{at}:1 line"), "kind": "line", "language": "python", "above": "", "below": "",
            "expected": "x", "answer": if *exact { "x" } else { "y" }, "exact": exact, "edit": 1.0, "identifiers": 1.0,
            "chrf": 1.0, "milliseconds": 5.0,
        })
    };
    let items: Vec<_> = right.iter().enumerate().map(item).collect();
    let systems = json!([{ "name": "with context, anchored", "items": items }]);
    json!({ "format": 1, "title": "t", "model": "m", "notes": [], "seed": 1, "systems": systems }).to_string()
}

fn share(right: usize) -> Vec<bool> {
    (0..100).map(|at| at < right).collect()
}

#[test]
fn two_reports_differ_only_by_more_than_chance() {
    let env = TestEnv::new();
    for (name, right) in [("a.json", 40), ("b.json", 60), ("c.json", 41)] {
        env.write(name, report(&share(right)));
    }
    let better = prints(&env, &["compare", "a.json", "b.json"]);
    assert!(better.contains("yes, the second is better") && better.contains("+20.0"), "{better}");
    let same = prints(&env, &["compare", "a.json", "c.json"]);
    assert!(same.contains("it may be chance") && !same.contains("yes"), "{same}");
    let figures = json(&env, &["compare", "a.json", "b.json"]);
    let exact = &figures[0]["metrics"]["exact"];
    assert!(exact["real"] == true && exact["difference"]["interval"]["low"].as_f64() > Some(5.0), "{exact}");
}

#[test]
fn getting_worse_by_more_than_is_allowed_fails() {
    let env = TestEnv::new();
    env.write("a.json", report(&share(60)));
    env.write("b.json", report(&share(57)));
    assert!(complains(&env, &["compare", "a.json", "b.json"]).contains("WORSE: with context, anchored"));
    prints(&env, &["compare", "a.json", "b.json", "--flag-worse", "3.5"]);
    prints(&env, &["compare", "b.json", "a.json"]);
}

#[test]
fn reports_that_do_not_belong_together_are_refused() {
    let env = TestEnv::new();
    env.write("a.json", report(&share(60)));
    env.write("short.json", report(&share(60)[..99]));
    env.write("none.json", report(&[]));
    env.write("other.json", "{\"format\": 1}");
    for (file, words) in [
        ("short.json", "a.py:99:1 line"),
        ("none.json", "no items"),
        ("other.json", "is not a report"),
        ("missing.json", "cannot read"),
    ] {
        let message = complains(&env, &["compare", "a.json", file]);
        assert!(message.contains(words) && message.contains(file) || file == "none.json", "{message}");
    }
}

#[test]
fn infilling_runs_the_tests_of_each_problem() {
    let env = env();
    let problem = |task: &str, wanted: u32| {
        json!({
            "task_id": task, "entry_point": "f", "prompt": "brown_fx = 1\ndef f():\n    return 1\n", "suffix": "",
            "canonical_solution": "brown_fx\n", "test": format!("def check(f):\n    assert f() == {wanted}\n"),
        })
        .to_string()
    };
    env.write("set.jsonl", [problem("passes", 1), problem("fails", 2)].join("\n"));
    let arguments = ["humaneval-infilling", "--data", "set.jsonl", "--half-typed"];
    let found = items(&json(&env, &arguments), 0);
    let of = |task: &str| found.iter().find(|item| item["id"] == task).expect("an item");
    let (passes, fails) = (of("passes"), of("fails"));
    assert_eq!((&passes["exact"], &passes["passed"], &fails["passed"]), (&true.into(), &true.into(), &false.into()));
    let table = prints(&env, &arguments);
    assert!(table.contains("pass@1") && table.contains("50.0 %") && table.contains("truncation"), "{table}");
    env.write("set.jsonl", "{\"task_id\": 3}\n");
    assert!(complains(&env, &arguments).contains("set.jsonl line 1"));
    env.write("set.jsonl", "");
    assert!(complains(&env, &arguments).contains("no problems"));
}

#[test]
fn humaneval_writes_bodies_and_runs_their_tests() {
    let env = env();
    let problem = |task: &str, wanted: u32| {
        json!({
            "task_id": task, "entry_point": "f", "prompt": "brown_fx = 1\ndef f():\n    return y\n\n\ny =",
            "canonical_solution": " brown_fx\n", "test": format!("def check(f):\n    assert f() == {wanted}\n"),
        })
        .to_string()
    };
    env.write("set.jsonl", [problem("passes", 1), problem("fails", 2)].join("\n"));
    let found = items(&json(&env, &["humaneval", "--data", "set.jsonl"]), 0);
    let passed: Vec<_> = found.iter().map(|item| item["passed"].clone()).collect();
    assert_eq!((passed, &found[0]["answer"]), (vec![json!(true), json!(false)], &json!(" brown_fx\n")));
}

#[test]
fn docstrings_are_compared_with_those_of_the_set() {
    let env = env();
    let problem = |task: &str, declaration: &str, solution: &str| {
        json!({
            "task_id": task, "declaration": declaration, "canonical_solution": solution,
            "docstring": "Give it back.\n>>> f(1)\n1",
        })
        .to_string()
    };
    let python = |task| problem(task, "def f(x):\n", "    return x\n");
    env.write("set.jsonl", [python("Python/0"), problem("Rust/0", "\nfn f(x: u8) -> u8 {\n", "    x\n}\n")].join("\n"));
    let report = json(&env, &["docstring", "--data", "set.jsonl"]);
    let found = items(&report, 0);
    let right = json!({ "well_formed": true, "parameters": true, "unchanged": true });
    assert!(items(&report, 1).iter().all(|item| item["form"] == right), "{report}");
    let languages: Vec<_> = found.iter().map(|item| (&item["language"], &item["expected"])).collect();
    let expected = json!("Give it back.");
    assert_eq!(languages, [(&json!("python"), &expected), (&json!("rust"), &expected)]);
    assert!(found.iter().all(|item| item["bleu"].as_f64().is_some_and(|bleu| bleu < 0.5)), "{found:?}");
    let table = prints(&env, &["docstring", "--data", "set.jsonl", "--every", "2"]);
    assert!(table.contains("BLEU-4") && table.contains("chrF") && table.contains("truncation"), "{table}");
    env.write("set.jsonl", python("Poem/0"));
    assert!(
        complains(&env, &["docstring", "--data", "set.jsonl"]).contains("'Poem/0' is not a problem of HumanEvalPack")
    );
}

#[test]
fn a_translation_counts_when_the_tests_of_the_other_language_pass() {
    let env = env();
    let problem = |task: &str, wanted: u32| {
        json!({
            "task_id": task, "prompt": "int y = 1;\r\n", "canonical_solution": "y = 1", "func_title": "brown_fx = 1\ny =\r",
            "test": format!("assert y == {wanted}"),
        })
        .to_string()
    };
    env.write("set.jsonl", [problem("Python/1", 1), problem("Python/2", 2), problem("CPP/3", 1)].join("\n"));
    let found = items(&json(&env, &["translate", "--data", "set.jsonl"]), 0);
    let passed: Vec<_> = found.iter().map(|item| item.get("passed").cloned()).collect();
    assert_eq!(passed[..2], [Some(json!(true)), Some(json!(false))], "{found:?}");
    // What is empty passes nowhere, and is not tried where there is no compiler.
    assert_ne!(passed[2], Some(json!(true)), "{found:?}");
    assert_eq!(found[0]["answer"], "brown_fx = 1\ny = brown_fx\n");
    env.write("set.jsonl", problem("Perl/1", 1));
    assert!(complains(&env, &["translate", "--data", "set.jsonl"]).contains("'Perl/1' is not a problem of CodeTrans"));
}

#[test]
fn a_real_model_writes_some_of_our_own_lines() {
    let Some(model) = real_model() else { return };
    let env = TestEnv::new();
    let folder = repository().join("tests/fixtures/tour").display().to_string();
    let arguments = ["repository", &folder, "--most", "6", "--context", "both", "--json"];
    let (good, out, err) =
        text(&command(&env, &model.to_string_lossy(), &arguments).output().expect("the binary starts"));
    assert!(good, "{err}");
    let report: Value = serde_json::from_str(&out).expect("JSON");
    for system in 0..2 {
        let found = items(&report, system);
        let kinds: std::collections::HashSet<_> = found.iter().map(|item| item["kind"].to_string()).collect();
        let near = found.iter().filter(|item| item["edit"].as_f64() > Some(0.5)).count();
        println!("{near} of {} near", found.len());
        assert!(kinds.len() == 5 && near * 4 > found.len(), "{near} of {}: {report}", found.len());
    }
}
