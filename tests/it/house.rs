//! The rules of the house that a compiler does not hold.

use std::collections::BTreeMap;

use foretype_tests::repository;

/// The crates that a crate of ours names among its dependencies and that are ours, too.
fn arrows() -> BTreeMap<&'static str, Vec<&'static str>> {
    let crates = [
        ("foretype-plugins", "plugins"),
        ("foretype-model", "model"),
        ("foretype", "server"),
        ("foretype-lab", "tests/lab"),
        ("foretype-tests", "tests"),
    ];
    let manifest = |folder: &str| {
        std::fs::read_to_string(repository().join(folder).join("Cargo.toml")).expect("every crate has a manifest")
    };
    let names = |text: &str, name: &str| text.lines().any(|line| line.starts_with(&format!("{name}.workspace")));
    crates
        .iter()
        .map(|(name, folder)| {
            let text = manifest(folder);
            (*name, crates.iter().map(|(other, _)| *other).filter(|other| names(&text, other)).collect())
        })
        .collect()
}

#[test]
fn dependencies_point_one_way() {
    let arrows = arrows();
    assert_eq!(arrows["foretype-plugins"], Vec::<&str>::new());
    assert_eq!(arrows["foretype-model"], ["foretype-plugins"]);
    assert_eq!(arrows["foretype"], ["foretype-plugins", "foretype-model"]);
    assert_eq!(arrows["foretype-lab"], ["foretype-plugins", "foretype-model", "foretype"]);
    assert!(arrows["foretype-tests"].contains(&"foretype"));
}

#[test]
fn only_the_server_knows_tokio_and_the_protocol() {
    for folder in ["plugins", "model"] {
        let manifest = std::fs::read_to_string(repository().join(folder).join("Cargo.toml")).expect("a manifest");
        for name in ["tokio", "tower", "tower-lsp", "ureq"] {
            assert!(!manifest.lines().any(|line| line.starts_with(&format!("{name}.workspace"))), "{folder}: {name}");
        }
    }
    let plugins = std::fs::read_to_string(repository().join("plugins/Cargo.toml")).expect("a manifest");
    assert!(!plugins.contains("candle") && !plugins.contains("tokenizers"));
}

#[test]
fn every_module_says_what_it_is_for() {
    let mut silent = Vec::new();
    let mut folders: Vec<_> = ["plugins", "model", "server", "tests"].map(|folder| repository().join(folder)).into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a readable folder").flatten() {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a readable file");
                if !text.starts_with("//!") {
                    silent.push(path);
                }
            }
        }
    }
    assert!(silent.is_empty(), "no word on what these are for: {silent:?}");
}
