//! Under which licences the sources are: what their roots and the heads of their files say. A report, not a judgement.

mod phrases;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::read;
use super::source::Source;
use super::{SourceFile, filter};

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Licences {
    /// Licence files and manifests at the roots of the sources.
    pub found: Vec<Licence>,
    /// `SPDX-License-Identifier` lines at the heads of the files that were taken, and how many have each.
    pub identifiers: BTreeMap<String, usize>,
    /// Names of the sources without a licence at their root.
    pub missing: Vec<String>,
}

/// A file that names a licence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Licence {
    /// Name of the source.
    pub repository: String,
    /// The file at its root.
    pub path: String,
    /// SPDX identifiers or, from a manifest, what stands there; [`UNKNOWN`](Self::UNKNOWN) for another text.
    pub names: Vec<String>,
}

impl Licence {
    /// The name of a text that is no well-known licence.
    pub const UNKNOWN: &str = "unknown";
}

/// Longer texts are no licences.
const MOST_BYTES: u64 = 1 << 20;

/// Lines in which a file says its identifier.
const HEAD: usize = 20;

/// Identifiers of licences that ask for the same licence of what is made from them begin so.
const COPYLEFT: &[&str] = &["GPL", "LGPL", "AGPL", "MPL", "EPL", "EUPL", "CDDL", "OSL", "SSPL", "CC-BY-SA", "CECILL"];

impl Licences {
    pub(super) fn find(sources: &[Source], files: &[SourceFile]) -> Self {
        let found: Vec<_> = sources.iter().flat_map(of_source).collect();
        let named = |source: &&Source| found.iter().all(|licence| licence.repository != source.repository);
        let missing = sources.iter().filter(named).map(|source| source.repository.clone()).collect();
        let mut identifiers = BTreeMap::new();
        for identifier in files.iter().filter_map(|file| identifier(&file.text)) {
            *identifiers.entry(identifier.to_owned()).or_insert(0) += 1;
        }
        Self { found, identifiers, missing }
    }

    /// The copyleft licences among them, each once. Whoever shares a model that learned from such code should ask first.
    pub fn copyleft(&self) -> Vec<&str> {
        let names = self.found.iter().flat_map(|licence| &licence.names).chain(self.identifiers.keys());
        let mut names: Vec<_> = names.map(String::as_str).filter(|name| is_copyleft(name)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// What stands at the root of a source, by file name.
fn of_source(source: &Source) -> Vec<Licence> {
    let entries = std::fs::read_dir(&source.folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    paths.sort_unstable();
    let licence = |path: String| {
        let names = names(&path, || text(source, &path))?;
        Some(Licence { repository: source.repository.clone(), path, names })
    };
    paths.into_iter().filter_map(licence).collect()
}

fn text(source: &Source, path: &str) -> Option<String> {
    filter::text(read::whole(&source.folder, path, MOST_BYTES).ok()?).ok()
}

/// The licences that a file names, if it is one that does.
fn names(path: &str, text: impl FnOnce() -> Option<String>) -> Option<Vec<String>> {
    match path {
        "Cargo.toml" => manifest(toml::from_str(&text()?).ok()?, &["/package/license", "/workspace/package/license"]),
        "pyproject.toml" => {
            let places = &["/project/license", "/project/license/text", "/tool/poetry/license"];
            manifest(toml::from_str(&text()?).ok()?, places)
        }
        "package.json" => manifest(serde_json::from_str(&text()?).ok()?, &["/license", "/license/type"]),
        _ if is_licence(path) => {
            let names = phrases::names(&text()?);
            Some(if names.is_empty() { vec![Licence::UNKNOWN.to_owned()] } else { names })
        }
        _ => None,
    }
}

/// What stands at the first of these places.
fn manifest(manifest: Value, places: &[&str]) -> Option<Vec<String>> {
    let name = places.iter().find_map(|place| manifest.pointer(place)?.as_str())?;
    Some(vec![name.trim().to_owned()])
}

fn is_licence(path: &str) -> bool {
    let name = path.to_ascii_lowercase();
    ["license", "licence", "copying", "unlicense"].iter().any(|beginning| name.starts_with(beginning))
}

/// What a file says at its head.
fn identifier(text: &str) -> Option<&str> {
    let after = text.lines().take(HEAD).find_map(|line| line.split_once("SPDX-License-Identifier:"))?.1;
    let name = after.trim_end_matches(['*', '/', '-', '>', ' ']).trim();
    (!name.is_empty()).then_some(name)
}

/// Whether an expression leaves no choice but copyleft. With brackets or `AND` one such name is enough.
fn is_copyleft(expression: &str) -> bool {
    let one = |name: &str| COPYLEFT.iter().any(|beginning| name.trim_matches(['(', ')', ' ']).starts_with(beginning));
    if expression.contains(" AND ") || expression.contains('(') {
        return expression.split([' ', '/']).any(one);
    }
    expression.split(" OR ").flat_map(|part| part.split('/')).all(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_name_their_licence() {
        for (path, text, expected) in [
            ("Cargo.toml", "[package]\nlicense = \"MIT OR Apache-2.0\"\n", Some("MIT OR Apache-2.0")),
            ("Cargo.toml", "[workspace.package]\nlicense = \"MIT\"\n", Some("MIT")),
            ("pyproject.toml", "[project]\nlicense = \"BSD-3-Clause\"\n", Some("BSD-3-Clause")),
            ("pyproject.toml", "[project]\nlicense = { text = \"MIT\" }\n", Some("MIT")),
            ("pyproject.toml", "[tool.poetry]\nlicense = \"ISC\"\n", Some("ISC")),
            ("package.json", "{ \"license\": \"MPL-2.0\" }", Some("MPL-2.0")),
            ("package.json", "{ \"name\": \"x\" }", None),
            ("package.json", "no JSON", None),
            ("COPYING", "Ask me first.", Some(Licence::UNKNOWN)),
            ("README.md", "Permission is hereby granted", None),
        ] {
            let names = names(path, || Some(text.to_owned()));
            assert_eq!(names, expected.map(|name| vec![name.to_owned()]), "{path}: {text}");
        }
    }

    #[test]
    fn files_say_their_identifier_at_the_head() {
        for (text, expected) in [
            ("// SPDX-License-Identifier: GPL-2.0-only\nint x;\n", Some("GPL-2.0-only")),
            ("/* SPDX-License-Identifier: MIT OR Apache-2.0 */\n", Some("MIT OR Apache-2.0")),
            ("<!-- SPDX-License-Identifier: MIT -->\n", Some("MIT")),
            ("x = 1\n", None),
        ] {
            assert_eq!(identifier(text), expected, "{text}");
        }
    }

    #[test]
    fn copyleft_counts_where_there_is_no_other_choice() {
        for (expression, copyleft) in [
            ("GPL-3.0-or-later", true),
            ("MPL-2.0", true),
            ("MIT", false),
            ("MIT OR GPL-2.0", false),
            ("LGPL-2.1/GPL-3.0", true),
            ("(MIT OR Apache-2.0) AND LGPL-3.0", true),
            ("MIT/Apache-2.0", false),
            (Licence::UNKNOWN, false),
        ] {
            assert_eq!(is_copyleft(expression), copyleft, "{expression}");
        }
    }
}
