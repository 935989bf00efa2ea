//! `foretype train --dry-run`: what would be learned from, as a user sees it.

use foretype_tests::{TestEnv, error_of, text};
use serde_json::Value;

/// Generates a text that differs from that of every other number.
fn code(number: usize) -> String {
    (0..10).map(|line| format!("def item_{number}_{line}():\n    return call_{number}_{line}()\n")).collect()
}

fn git(env: &TestEnv, folder: &str, seconds: u64, arguments: &[&str]) {
    foretype_tests::git(&env.path().join(folder), seconds, arguments);
}

/// A repository `app` with all of what is left out and `code` in 20 files, the last of which is newer.
fn repository() -> TestEnv {
    let env = TestEnv::new();
    for number in 0..20 {
        env.write(&format!("app/src/file_{number}.py"), code(number));
    }
    env.write("app/LICENSE", "Permission is hereby granted, free of charge, to any person obtaining a copy");
    env.write("app/copy.py", code(0));
    env.write("app/web/vendor/lib.js", "function f() {}\n");
    env.write("app/logo.png", b"\x89PNG\0\0");
    env.write("app/table.py", "1234, 5678,\n".repeat(50));
    env.write("app/main.kt", "fun main() {}\n");
    env.write("app/deploy.sh", format!("export TOKEN={}{}\n", "ghp_", "x".repeat(36)));
    env.write("app/private/plan.py", code(30));
    env.write("app/.foretypeignore", "private/\n");
    git(&env, "app", 0, &["init", "--quiet"]);
    git(&env, "app", 0, &["add", "--all"]);
    git(&env, "app", 1000, &["commit", "--quiet", "--message", "first"]);
    env.write("app/src/file_19.py", code(40));
    git(&env, "app", 2000, &["commit", "--quiet", "--all", "--message", "second"]);
    env.write("app/untracked.py", code(50));
    env
}

fn dry_run(env: &TestEnv, arguments: &[&str]) -> Value {
    let (good, out, err) = text(&env.run(&[&["train", "--dry-run", "--json"], arguments].concat()));
    assert!(good, "{arguments:?}: {err}");
    serde_json::from_str(&out).expect("JSON")
}

/// Runs a dry run that fails and returns its error message.
fn complains(env: &TestEnv, arguments: &[&str]) -> String {
    error_of(&mut env.command(&[&["train"], arguments].concat()))
}

/// Number of files that were left out for a reason.
fn left_out(report: &Value, reason: &str) -> u64 {
    let groups = report["left_out"].as_array().expect("a list");
    let group = groups.iter().find(|group| group["reason"] == reason);
    group.and_then(|group| group["files"].as_u64()).unwrap_or_default()
}

#[test]
fn a_dry_run_counts_what_would_be_used_and_says_why_the_rest_is_not() {
    let report = dry_run(&repository(), &["app"]);
    assert_eq!((&report["sources"][0]["repository"], &report["sources"][0]["git"]), (&"app".into(), &true.into()));
    let total = &report["total"];
    let count = |name: &str| total[name].as_u64().expect("a number");
    // `copy.py` comes before the file that it is a copy of, and stays.
    assert_eq!((count("files"), count("training") + count("held_out")), (20, 20), "{report}");
    assert_eq!(report["languages"][0]["language"], "python");
    assert_eq!(report["tokens"], (count("bytes") as f64 / 3.3) as u64);
    for (reason, files) in [
        ("duplicate", 1),
        ("vendored", 1),
        ("binary", 1),
        ("data", 1),
        ("secret", 1),
        ("ignored", 1),
        ("unknown-language", 3),
        ("generated", 0),
    ] {
        assert_eq!(left_out(&report, reason), files, "{reason}: {report}");
    }
    assert_eq!((&report["secrets"], &report["licences"]["found"][0]["names"][0]), (&1.into(), &"MIT".into()));
    assert!(!report.to_string().contains("untracked.py"), "{report}");
}

#[test]
fn options_decide_which_files_are_used_and_which_are_held_out() {
    let env = repository();
    let by_time = dry_run(&env, &["app", "--split", "time", "--held-out", "0.04"]);
    assert_eq!(by_time["total"]["held_out"], 1);
    assert_eq!(dry_run(&env, &["app", "--held-out", "0"])["total"]["held_out"], 0);
    let kotlin = dry_run(&env, &["app", "--only", "kt"]);
    assert_eq!((&kotlin["total"]["files"], &kotlin["languages"][0]["language"]), (&1.into(), &"plaintext".into()));
    assert_eq!(dry_run(&env, &["app", "--keep-data"])["total"]["files"], 21);
    assert_eq!(left_out(&dry_run(&env, &["app", "--max-file-bytes", "500"]), "too-large"), 1);
}

#[test]
fn the_report_reads_well_and_lists_all_files_of_a_reason() {
    let env = repository();
    let (good, out, err) = text(&env.run(&["train", "app", "--dry-run"]));
    assert!(good && err.is_empty(), "{err}");
    for words in ["python", "held out", "estimated", "1 secret", "app/deploy.sh", "app/LICENSE: MIT"] {
        assert!(out.contains(words), "{words}: {out}");
    }
    let (good, out, _) = text(&env.run(&["train", "app", "--dry-run", "--examples", "0", "--left-out", "duplicate"]));
    assert_eq!((good, out.as_str()), (true, "app/src/file_0.py (duplicate of app/copy.py)\n"));
}

#[test]
fn copyleft_is_warned_of() {
    let env = TestEnv::new();
    env.write("lib/a.py", format!("# SPDX-License-Identifier: GPL-3.0-or-later\n{}", code(1)));
    env.write("lib/b.py", code(2));
    let warnings = dry_run(&env, &["lib"])["warnings"].to_string();
    assert!(warnings.contains("copyleft (GPL-3.0-or-later)"), "{warnings}");
}

#[test]
fn a_file_of_two_gigabytes_is_left_out_unread() {
    let env = TestEnv::new();
    env.write("lib/a.py", code(1));
    let huge = std::fs::File::create(env.path().join("lib/huge.py")).expect("a writable folder");
    huge.set_len(2 << 30).expect("a sparse file");
    let report = dry_run(&env, &["lib"]);
    assert_eq!((left_out(&report, "too-large"), &report["total"]["files"]), (1, &1.into()));
}

#[test]
fn what_gives_no_corpus_says_why_and_what_to_do() {
    let env = TestEnv::new();
    env.write("pictures/a.png", b"\0");
    env.write("pictures/b.png", b"\0\0");
    env.write("kotlin/main.kt", "fun main() {}\n");
    env.write("fresh/a.py", code(1));
    git(&env, "fresh", 0, &["init", "--quiet"]);
    for (arguments, words) in [
        (&["nowhere", "--dry-run"][..], &["nowhere"][..]),
        (&["pictures", "--dry-run"], &["2 binary", "a.png"]),
        (&["kotlin", "--dry-run"], &["main.kt", "--only"]),
        (&["fresh", "--dry-run"], &["git add", "--no-git"]),
        (&["fresh", "--dry-run", "--held-out", "1.5"], &["1.5"]),
        (&["kotlin", "--dry-run", "--split", "time"], &["not in a git repository"]),
        (&["kotlin", "--dry-run", "--left-out", "boredom"], &["boredom", "near-duplicate"]),
        (&["--dry-run"], &["FOLDER"]),
        (&["fresh"], &["git add", "--no-git"]),
    ] {
        let err = complains(&env, arguments);
        assert!(words.iter().all(|word| err.contains(word)), "{arguments:?}: {err}");
    }
}
