//! A cloned or unpacked repository never gets to run a program of its own, whatever its configuration names.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use foretype_tests::client::Client;
use foretype_tests::{TestEnv, stub_model};
use serde_json::json;

/// Every hook that git runs while it reads, stages or commits.
const HOOKS: &[&str] = &[
    "applypatch-msg",
    "commit-msg",
    "fsmonitor-watchman",
    "post-checkout",
    "post-commit",
    "post-index-change",
    "pre-auto-gc",
    "pre-commit",
    "prepare-commit-msg",
    "reference-transaction",
];

/// A repository in `work` whose configuration, attributes and hooks name programs that leave a mark. One commit is
/// signed, one file is staged, and a plugin with a fixture brings a repository of its own.
fn hostile_repository() -> TestEnv {
    let env = TestEnv::new();
    stub_model::write_chat(env.path());
    env.write("marks/README", "");
    env.write("work/shop.py", "def total(items):\n    return sum(items)\n");
    env.write("work/.gitattributes", "* filter=evil diff=evil merge=evil\n");
    git(&env, &["init", "--quiet", "--initial-branch", "main"]);
    git(&env, &["add", "--all"]);
    git(&env, &["commit", "--quiet", "--message", "first"]);
    sign_head(&env);
    env.write("work/shop.py", "def total(items):\n    return sum(items) * 2\n");
    git(&env, &["add", "--all"]);
    for hook in HOOKS {
        let script = std::fs::read(program(&env, hook)).expect("it was just written");
        for folder in ["work/.git/hooks", "work/hooks"] {
            executable(&env.write(&format!("{folder}/{hook}"), &script));
        }
    }
    let config = configuration(&env, &env.path().join("work/hooks"));
    let own = std::fs::read_to_string(env.path().join("work/.git/config")).expect("git wrote it");
    env.write("work/.git/config", own + &config);
    env.write("work/.git/info/attributes", "* filter=evil diff=evil merge=evil\n");
    env.write("work/.foretype/plugins/quiet.luau", "return { api = 1, name = 'quiet', context = function() end }");
    let fixture = format!(
        "=== it adds nothing\n--- at a.py\n▁\n--- file a.py\nx = 1\n\
         --- file .gitattributes\n* filter=evil diff=evil\n--- file .git/config\n{config}\
         --- staged a.py\nx = 2\n--- no snippets\n"
    );
    env.write("work/.foretype/plugins/quiet.fixtures", fixture);
    env
}

/// The settings that name programs, each of which leaves a mark of its own.
fn configuration(env: &TestEnv, hooks: &Path) -> String {
    let program = |name: &str| program(env, name).display().to_string();
    format!(
        "[core]\nhooksPath = {}\nfsmonitor = {}\npager = {}\nsshCommand = {}\neditor = {}\naskPass = {}\n\
         alternateRefsCommand = {}\n\
         [pager]\ndiff = {}\nlog = {}\nbranch = {}\nls-files = {}\n\
         [diff]\nexternal = {}\nsubmodule = log\n[diff \"evil\"]\ntextconv = {}\ncommand = {}\n\
         [filter \"evil\"]\nclean = {}\nsmudge = {}\nrequired = true\n\
         [filter \"process\"]\nprocess = {}\nrequired = true\n\
         [merge \"evil\"]\ndriver = {}\n\
         [gpg]\nprogram = {}\n[commit]\ngpgSign = true\n[log]\nshowSignature = true\n\
         [alias]\ndiff = !{}\nls-files = !{}\n[credential]\nhelper = !{}\n[gc]\nauto = 1\nrecentObjectsHook = {}\n",
        hooks.display(),
        program("fsmonitor"),
        program("pager"),
        program("ssh"),
        program("editor"),
        program("askpass"),
        program("alternates"),
        program("pager-diff"),
        program("pager-log"),
        program("pager-branch"),
        program("pager-ls-files"),
        program("diff-external"),
        program("textconv"),
        program("diff-command"),
        program("filter-clean"),
        program("filter-smudge"),
        program("filter-process"),
        program("merge-driver"),
        program("gpg"),
        program("alias-diff"),
        program("alias-ls-files"),
        program("credential"),
        program("recent-objects"),
    )
}

/// A program that leaves a mark of this name, and then passes its input on as a filter would.
fn program(env: &TestEnv, name: &str) -> std::path::PathBuf {
    let mark = env.path().join("marks").join(name);
    let path = env.write(&format!("programs/{name}"), format!("#!/bin/sh\n: > '{}'\ncat\n", mark.display()));
    executable(&path);
    path
}

fn executable(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
}

/// Puts a signature into the last commit, so that a log that shows signatures has one to check.
fn sign_head(env: &TestEnv) {
    let commit = git(env, &["cat-file", "commit", "HEAD"]);
    let signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n aaaa\n -----END PGP SIGNATURE-----\n\n";
    let signed = env.write("signed", commit.replacen("\n\n", &format!("\n{signature}"), 1));
    let id = git(env, &["hash-object", "-t", "commit", "-w", &signed.to_string_lossy()]);
    git(env, &["update-ref", "HEAD", id.trim()]);
}

fn git(env: &TestEnv, arguments: &[&str]) -> String {
    foretype_tests::git(&env.path().join("work"), 0, arguments)
}

/// The programs that ran.
fn marks(env: &TestEnv) -> Vec<String> {
    let entries = std::fs::read_dir(env.path().join("marks")).expect("a folder").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.filter(|name| name != "README").collect();
    names.sort();
    names
}

#[test]
fn the_repository_of_these_tests_runs_programs_unless_git_is_hardened() {
    let env = hostile_repository();
    git(&env, &["diff", "HEAD"]);
    git(&env, &["diff", "--cached", "--no-ext-diff"]);
    git(&env, &["log"]);
    let ran = marks(&env);
    for name in ["fsmonitor", "filter-clean", "textconv", "gpg", "diff-command"] {
        assert!(ran.iter().any(|mark| mark == name), "{name} did not run: {ran:?}");
    }
}

#[test]
fn asking_for_a_commit_message_runs_nothing_of_the_repository() {
    let env = hostile_repository();
    let (ok, out, err) = env.run_with_stub_model(&["ask", "--commit-message"]);
    assert!(ok && out.contains("brown_fx"), "{out}{err}");
    assert_eq!(marks(&env), [""; 0]);
}

#[test]
fn an_editor_that_asks_for_a_commit_message_runs_nothing_of_the_repository() {
    let env = hostile_repository();
    let mut client = Client::start(env.with_stub_model(&["lsp"]));
    let root = format!("file://{}/work", env.path().display());
    client.initialize(json!({
        "processId": std::process::id(), "capabilities": {},
        "workspaceFolders": [{ "uri": root, "name": "work" }],
    }));
    let answer = client.request("foretype/ask", json!({ "intent": "commit-message" }));
    assert!(answer["text"].as_str().is_some_and(|text| text.contains("brown_fx")), "{answer}");
    client.wait_for("window/showMessageRequest");
    drop(client);
    assert!(env.run(&["daemon", "stop"]).status.success());
    assert_eq!(marks(&env), [""; 0]);
}

#[test]
fn fixtures_of_a_plugin_run_nothing_of_the_repository_that_they_bring() {
    let env = hostile_repository();
    let mut command = env.command(&["plugin", "test"]);
    let output = command.current_dir(env.path().join("work")).output().expect("the binary starts");
    let (ok, out, err) = foretype_tests::text(&output);
    assert!(ok && out.contains("1 passed"), "{out}{err}");
    assert_eq!(marks(&env), [""; 0]);
}

#[test]
fn collecting_a_corpus_runs_nothing_of_the_repository() {
    let env = hostile_repository();
    let (ok, out, err) = foretype_tests::text(&env.run(&["train", "--dry-run", "work"]));
    assert!(ok, "{out}{err}");
    assert_eq!(marks(&env), [""; 0]);
}
