//! Rules of the architecture that the compiler does not hold: which crate may depend on which, that no crate has an
//! import cycle, that names mean one thing and are those of the glossary, and that comments and functions keep a form.

mod glossary;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::LazyLock;

use foretype_tests::repository;
use glossary::Entry;
use source::{Crate, Definition, SourceFile};

/// Our crates: package name, folder, and the crates of ours that it may depend on.
const CRATES: [(&str, &str, &[&str]); 5] = [
    ("foretype-plugins", "plugins", &[]),
    ("foretype-model", "model", &["foretype-plugins"]),
    ("foretype", "server", &["foretype-model", "foretype-plugins"]),
    ("foretype-lab", "tests/lab", &["foretype", "foretype-model", "foretype-plugins"]),
    ("foretype-tests", "tests", &["foretype", "foretype-lab", "foretype-model", "foretype-plugins"]),
];

/// Folders of Rust source, each a crate of its own for the rules about names and imports.
const SOURCES: [&str; 6] = ["plugins/src", "model/src", "server/src", "tests/lab/src", "tests/src", "tests/it"];

/// Type names that several types of a crate may share: each command's options, and a module's own error.
const SHARED_TYPE_NAMES: [&str; 3] = ["Args", "Command", "Error"];

/// Former names that other rules force on us: (name, file, reason).
const EXEMPT_FORMER_NAMES: [(&str, &str, &str); 0] = [];

/// Words that a doc comment must not begin with: a reader who skims looks for a noun or a verb.
const CLAUSE_WORDS: [&str; 10] = ["What", "Whether", "Where", "Who", "Whom", "How", "So many", "So much", "That", "Of"];

/// Maximum number of lines of a function's body.
const MAX_BODY_LINES: usize = 60;

/// Columns of code and comments.
const MAX_COLUMNS: usize = 120;

static TREES: LazyLock<BTreeMap<&str, Crate>> =
    LazyLock::new(|| SOURCES.iter().map(|folder| (*folder, Crate::read(&repository().join(folder)))).collect());

/// Every file of every crate with its path from the root of the repository.
fn files() -> impl Iterator<Item = (String, &'static SourceFile)> {
    TREES.iter().flat_map(|(folder, tree)| {
        tree.files.iter().map(move |(module, file)| (format!("{folder}/{}.rs", Crate::name(module)), file))
    })
}

fn read(relative: &str) -> String {
    std::fs::read_to_string(repository().join(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

fn assert_none(offences: &[String], rule: &str) {
    assert!(offences.is_empty(), "{} offences against the rule: {rule}\n{}", offences.len(), offences.join("\n"));
}

#[test]
fn crates_depend_only_on_crates_below_them() {
    for (name, folder, allowed) in CRATES {
        let manifest: toml::Table = read(&format!("{folder}/Cargo.toml")).parse().expect("a manifest in TOML");
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(toml::Value::Table(dependencies)) = manifest.get(section) else { continue };
            for dependency in dependencies.keys().filter(|dependency| dependency.starts_with("foretype")) {
                assert!(allowed.contains(&dependency.as_str()), "{name} must not depend on {dependency}");
            }
        }
    }
}

#[test]
fn only_the_server_knows_the_async_runtime_and_the_protocol() {
    let forbidden: [(&str, &[&str]); 2] = [
        ("plugins", &["tokio", "tower", "tower-lsp", "ureq", "candle-core", "candle-nn", "tokenizers"]),
        ("model", &["tokio", "tower", "tower-lsp", "ureq"]),
    ];
    for (folder, names) in forbidden {
        let manifest: toml::Table = read(&format!("{folder}/Cargo.toml")).parse().expect("a manifest in TOML");
        for section in ["dependencies", "dev-dependencies"] {
            let Some(toml::Value::Table(dependencies)) = manifest.get(section) else { continue };
            let found: Vec<_> = dependencies.keys().filter(|name| names.contains(&name.as_str())).collect();
            assert!(found.is_empty(), "{folder} depends on {found:?}");
        }
    }
}

#[test]
fn no_crate_has_an_import_cycle() {
    for (folder, tree) in TREES.iter() {
        let cycles: Vec<String> = tree.cycles().iter().map(|cycle| cycle.join(" ")).collect();
        assert_none(&cycles, &format!("no import cycle in {folder}"));
    }
}

#[test]
fn a_planted_import_cycle_is_found() {
    let plant = |files: &[(&str, &str)]| {
        let sources = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        Crate::parse(&sources).cycles()
    };
    let root = ("lib.rs", "mod a; mod b; mod c;");
    let inline_path =
        [root, ("a.rs", "fn f() { crate::b::g(); }"), ("b.rs", "use crate::a::f; fn g() { f() }"), ("c.rs", "")];
    assert_eq!(plant(&inline_path), [["a", "b"]]);
    let in_a_macro = [
        root,
        ("a.rs", "fn f() { println!(\"{}\", super::b::g()); }"),
        ("b.rs", "fn g() { super::a::f() }"),
        ("c.rs", ""),
    ];
    assert_eq!(plant(&in_a_macro), [["a", "b"]]);
    let through_a_reexport = [
        ("lib.rs", "mod a; mod b; mod c; pub use c::T;"),
        ("a.rs", "use crate::T;"),
        ("b.rs", ""),
        ("c.rs", "pub struct T; impl T { fn f() { crate::a::g() } }"),
    ];
    assert_eq!(plant(&through_a_reexport), [["a", "c"]]);
    let parent_and_child = [
        ("lib.rs", "mod a;"),
        ("a.rs", "mod b; struct T; fn f() { b::g() }"),
        ("a/b.rs", "use super::T; pub fn g() {}"),
    ];
    assert_eq!(plant(&parent_and_child), [["a", "a/b"]]);
    let none =
        [root, ("a.rs", "use crate::b::T;"), ("b.rs", "use crate::c::U; pub struct T;"), ("c.rs", "pub struct U;")];
    assert!(plant(&none).is_empty());
}

#[test]
fn a_type_name_means_one_thing_in_a_crate() {
    let mut offences = Vec::new();
    for (folder, tree) in TREES.iter() {
        let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (module, file) in &tree.files {
            for definition in file.definitions.iter().filter(|definition| definition.kind == "type") {
                let place = format!("{folder}/{}.rs:{}", Crate::name(module), definition.line);
                places.entry(&definition.name).or_default().push(place);
            }
        }
        places.retain(|name, places| places.len() > 1 && !SHARED_TYPE_NAMES.contains(name));
        offences.extend(places.iter().map(|(name, places)| format!("{name}: {}", places.join(" "))));
    }
    assert_none(&offences, "a type name means one thing in a crate");
}

#[test]
fn no_identifier_is_a_former_name_of_the_glossary() {
    let entries = glossary::entries(&read("docs/glossary.md"));
    let former: BTreeSet<&str> = entries.iter().flat_map(|entry| entry.former.iter().map(String::as_str)).collect();
    let exempt =
        |name: &str, path: &str| EXEMPT_FORMER_NAMES.iter().any(|(other, file, _)| *other == name && *file == path);
    let mut offences = Vec::new();
    for (path, file) in files() {
        for Definition { kind, name, line, .. } in &file.definitions {
            if former.contains(name.as_str()) && !exempt(name, &path) {
                offences.push(format!("{path}:{line}: {kind} {name}"));
            }
        }
    }
    assert_none(&offences, "no type, function, module, field or constant has a former name of docs/glossary.md");
}

#[test]
fn every_term_of_the_glossary_occurs_in_the_code_where_it_says() {
    let headers: String =
        files().flat_map(|(_, file)| file.text.lines().filter(|line| line.starts_with("//!"))).collect();
    let headers = headers.to_lowercase();
    let identifiers: BTreeSet<String> = files()
        .flat_map(|(_, file)| file.definitions.iter().map(|definition| definition.name.to_lowercase().replace('_', "")))
        .collect();
    let mut offences = Vec::new();
    for Entry { term, places, .. } in glossary::entries(&read("docs/glossary.md")) {
        let joined = term.to_lowercase().replace([' ', '-'], "");
        if !headers.contains(&term.to_lowercase()) && !identifiers.iter().any(|name| name.contains(&joined)) {
            offences.push(format!("{term}: neither in an identifier nor in a module header"));
        }
        if places.is_empty() {
            offences.push(format!("{term}: no place in the code"));
        }
        for (identifier, path) in places {
            if !holds(&path, identifier.as_deref()) {
                offences.push(format!("{term}: {path} has no {}", identifier.as_deref().unwrap_or("such file")));
            }
        }
    }
    assert_none(&offences, "a term of docs/glossary.md lives in the code where the glossary says");
}

/// True if the file or folder exists and a file there contains the identifier.
fn holds(path: &str, identifier: Option<&str>) -> bool {
    let mut open: Vec<PathBuf> = vec![repository().join(path)];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        } else if let Ok(text) = std::fs::read_to_string(&path)
            && identifier.is_none_or(|identifier| text.contains(identifier))
        {
            return true;
        }
    }
    false
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent: Vec<String> = files().filter(|(_, file)| !file.text.starts_with("//!")).map(|(path, _)| path).collect();
    assert_none(&silent, "a file begins with a module header");
}

#[test]
fn every_visible_item_is_documented() {
    let mut offences = Vec::new();
    for (path, file) in files() {
        if path.contains("/tests") && !path.starts_with("tests/") {
            continue; // unit tests
        }
        let undocumented = file.definitions.iter().filter(|definition| definition.undocumented);
        offences.extend(undocumented.map(|item| format!("{path}:{}: {} {}", item.line, item.kind, item.name)));
    }
    assert_none(&offences, "an item that other modules see has a doc comment");
}

#[test]
fn a_doc_comment_begins_with_a_noun_or_a_verb() {
    let mut offences = Vec::new();
    for (path, file) in files() {
        let mut previous = "";
        for (index, line) in file.text.lines().enumerate() {
            let line = line.trim_start();
            let text = ["//! ", "/// "].iter().find_map(|marker| line.strip_prefix(marker));
            let begins = !previous.starts_with("//!") && !previous.starts_with("///");
            if let Some(text) = text
                && begins
                && CLAUSE_WORDS.iter().any(|word| text.strip_prefix(word).is_some_and(|rest| rest.starts_with(' ')))
            {
                offences.push(format!("{path}:{}: {text}", index + 1));
            }
            previous = line;
        }
    }
    assert_none(&offences, "a doc comment begins with a noun or a verb");
}

#[test]
fn code_and_comments_wrap() {
    let mut offences = Vec::new();
    for (path, file) in files() {
        let long = file.text.lines().enumerate().filter(|(_, line)| line.chars().count() > MAX_COLUMNS);
        // A string that a test expects stands on one line however long it is.
        let long = long.filter(|(_, line)| !line.contains('"'));
        offences.extend(long.map(|(index, _)| format!("{path}:{}", index + 1)));
    }
    assert_none(&offences, "code and comments are at most 120 columns wide");
}

#[test]
fn a_function_fits_a_screen() {
    let mut offences = Vec::new();
    for (path, file) in files() {
        if path.split('/').any(|part| matches!(part, "tests" | "tests.rs")) && !path.starts_with("tests/lab/src/") {
            continue; // tests may list many cases
        }
        let long = file.functions.iter().filter(|function| function.body_lines > MAX_BODY_LINES);
        offences.extend(long.map(|it| format!("{path}:{}: {} has {} lines", it.line, it.name, it.body_lines)));
    }
    assert_none(&offences, "the body of a function has at most 60 lines");
}
