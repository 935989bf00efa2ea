//! Rules for the documentation: links lead somewhere, commands run, options exist.

mod commands;
mod links;
mod options;
mod page;
mod shell;

use std::sync::LazyLock;

use foretype_tests::repository;

use commands::{Mention, Programs};
use links::Pages;
use options::{Names, SOURCE_EXTENSIONS};
use page::Page;

/// Folders that hold no documentation of ours.
const SKIPPED_FOLDERS: [&str; 2] = ["target", "node_modules"];

/// Page that names commands and options of former releases, too.
const CHANGELOG: &str = "CHANGELOG.md";

/// Source text that names pages of other repositories, and planted errors.
const UNCHECKED_SOURCES: [&str; 2] = ["plugins/examples/", "tests/it/documentation"];

/// Folders at the root of the repository. A path that begins with one of them is a path of the repository.
const ROOT_FOLDERS: [&str; 6] = ["docs/", "editors/", "model/", "plugins/", "server/", "tests/"];

static PAGES: LazyLock<Pages> = LazyLock::new(|| {
    let mut pages = Pages::new();
    for path in files(&["md"]) {
        let page = Page::parse(&path, &read(&path));
        pages.insert(path, page);
    }
    pages
});

/// Paths, from the root of the repository, of the files with one of these extensions.
fn files(extensions: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![String::new()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(repository().join(&folder)).expect("a readable folder").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{folder}{name}");
            if name.starts_with('.') || SKIPPED_FOLDERS.contains(&name.as_str()) {
                continue;
            } else if entry.path().is_dir() {
                open.push(path + "/");
            } else if extensions.iter().any(|extension| path.ends_with(&format!(".{extension}"))) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn exists(path: &str) -> bool {
    repository().join(path).exists()
}

fn assert_none(offences: &[String], rule: &str) {
    assert!(offences.is_empty(), "{} offences against the rule: {rule}\n{}", offences.len(), offences.join("\n"));
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    assert!(PAGES.len() > 50, "only {} pages", PAGES.len());
    let offences: Vec<String> = PAGES.values().flat_map(|page| links::broken(page, &PAGES, exists)).collect();
    assert_none(&offences, "a relative link leads to a file and a heading, and from the book to the book");
}

#[test]
fn the_book_has_every_page() {
    assert_none(&links::misfiled(&PAGES), "docs/SUMMARY.md has every page of docs/ once");
}

/// Code that is read as a command, a path or an option: its place, the commands in it, and how complete they are.
fn commands_of(page: &Page) -> impl Iterator<Item = (usize, Vec<String>, Mention)> {
    let blocks = page.code_blocks.iter().flat_map(|block| {
        let commands = match block.language.as_str() {
            "sh" | "bash" => shell::commands(&block.text),
            "console" => shell::commands_of_transcript(&block.text),
            _ => Vec::new(),
        };
        commands.into_iter().map(|command| (block.line + command.line, command.words, Mention::Block))
    });
    let spans = page.code_spans.iter().flat_map(|span| {
        shell::commands(&span.text).into_iter().map(|command| (span.line, command.words, Mention::Span))
    });
    blocks.chain(spans)
}

#[test]
fn every_command_parses() {
    let manifests = files(&["toml"]).into_iter().filter(|path| path.ends_with("/Cargo.toml"));
    let manifests: Vec<_> = manifests.map(|path| read(&path).parse().expect("a manifest in TOML")).collect();
    let programs = Programs::new(&manifests);
    let mut offences = Vec::new();
    let mut checked = 0;
    for page in PAGES.values().filter(|page| page.path != CHANGELOG) {
        for (line, words, mention) in commands_of(page) {
            checked += 1;
            if let Err(why) = programs.check(&words, mention) {
                offences.push(format!("{}:{line}: {}: {why}", page.path, words.join(" ")));
            }
        }
    }
    assert!(checked > 200, "only {checked} commands");
    assert_none(&offences, "the command lines of the documentation work");
}

#[test]
fn every_option_exists() {
    let names = Names::parse(&read("docs/config.schema.json"), &read("editors/vscode/package.json"));
    let mut offences = Vec::new();
    for page in PAGES.values().filter(|page| page.path != CHANGELOG) {
        for block in &page.code_blocks {
            let problems = names.check_block(block);
            offences.extend(problems.iter().map(|why| format!("{}:{}: {why}", page.path, block.line)));
        }
        for span in &page.code_spans {
            let problem = names.check_span(&span.text);
            offences.extend(problem.map(|why| format!("{}:{}: {why}", page.path, span.line)));
        }
    }
    assert_none(&offences, "an option that the documentation names exists");
}

#[test]
fn every_path_of_the_repository_exists() {
    let mut offences = Vec::new();
    for page in PAGES.values() {
        for (line, words, _) in commands_of(page) {
            let absent = words.iter().filter_map(|word| path_in_repository(word)).filter(|path| !exists(path));
            offences.extend(absent.map(|path| format!("{}:{line}: {path}", page.path)));
        }
    }
    assert_none(&offences, "a path of the repository that the documentation names exists");
}

/// The path of the repository that a word of a command names, without line numbers and without what is to fill in.
fn path_in_repository(word: &str) -> Option<&str> {
    let path = word.split([':', '*', '$', '#', '…', '<', '{']).next()?;
    let is_named =
        |part: &str| matches!(part, "" | "README" | "SUMMARY") || part.chars().any(|c| !c.is_ascii_uppercase());
    (ROOT_FOLDERS.iter().any(|folder| path.starts_with(folder)) && path.split(['/', '.']).all(is_named)).then_some(path)
}

#[test]
fn paths_are_found_in_commands() {
    assert_eq!(path_in_repository("server/src/cli.rs:12"), Some("server/src/cli.rs"));
    assert_eq!(path_in_repository("tests/fixtures/traces/*.json"), Some("tests/fixtures/traces/"));
    assert_eq!(path_in_repository("docs/README.md"), Some("docs/README.md"));
    for word in ["tests/fixtures/traces/NAME.json", "src/cli.rs", "/docs/a.md", "models"] {
        assert_eq!(path_in_repository(word), None, "{word}");
    }
}

#[test]
fn every_page_that_the_source_names_exists() {
    let mut offences = Vec::new();
    for path in files(&SOURCE_EXTENSIONS) {
        if UNCHECKED_SOURCES.iter().any(|start| path.starts_with(start)) {
            continue;
        }
        for (index, line) in read(&path).lines().enumerate() {
            let absent = named_pages(line).filter(|named| !page_exists(named));
            offences.extend(absent.map(|named| format!("{path}:{}: {named}", index + 1)));
        }
    }
    assert_none(&offences, "a page that the source text names exists");
}

/// Pages of the documentation that a line of source text names, with their anchors.
fn named_pages(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '/' | '.' | '-' | '_' | '#' | ':'));
    let words = words.map(|word| word.trim_end_matches(['.', ':', '#']));
    words.filter(|word| word.starts_with("docs/") && (word.contains(".md") || word.contains(".json")))
}

fn page_exists(named: &str) -> bool {
    match named.split_once('#') {
        Some((path, anchor)) => PAGES.get(path).is_some_and(|page| page.anchors.contains(anchor)),
        None => exists(named),
    }
}

#[test]
fn pages_are_found_in_source_text() {
    let named = |line| named_pages(line).collect::<Vec<_>>();
    assert_eq!(named("/// See [there](`docs/a.md#b`), docs/c-d.md."), ["docs/a.md#b", "docs/c-d.md"]);
    assert!(named("// https://example.org/docs/a.md, docs/, my-docs/a.md").is_empty());
    assert!(page_exists("docs/glossary.md") && !page_exists("docs/glossaries.md"));
    assert!(!page_exists("docs/glossary.md#no-such-heading"));
}

#[test]
fn a_line_of_prose_has_one_sentence() {
    let mut offences = Vec::new();
    for page in PAGES.values() {
        offences.extend(page.crowded_lines.iter().map(|line| format!("{}:{}: {}", page.path, line.line, line.text)));
    }
    assert_none(&offences, "Markdown has one sentence per line");
}
