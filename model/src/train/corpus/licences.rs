//! Reports the licences of the sources, from the files at their roots and the SPDX identifiers at the heads of their
//! files. The report is an indication, not legal advice.

mod phrases;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::filter;
use super::read;
use super::source::CorpusSource;
use super::source_file::SourceFile;

/// The licences of a corpus.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Licences {
    /// Licence files and manifests at the roots of the sources.
    pub found: Vec<Licence>,
    /// Number of included files for each `SPDX-License-Identifier`.
    pub identifiers: BTreeMap<String, usize>,
    /// Names of the sources that have no licence at their root.
    pub missing: Vec<String>,
}

/// A file that contains or names a licence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Licence {
    /// The name of the source.
    pub repository: String,
    /// The name of the file at its root.
    pub path: String,
    /// SPDX identifiers, the licence field of a manifest, or `UNKNOWN` for an unrecognised text.
    pub names: Vec<String>,
}

impl Licence {
    /// The name of an unrecognised licence text.
    pub(crate) const UNKNOWN: &str = "unknown";
}

/// Size limit of licence files in bytes.
const MAX_LICENCE_BYTES: u64 = 1 << 20;

/// Number of lines at the head of a file that are searched for an SPDX identifier.
const SPDX_HEAD_LINES: usize = 20;

/// Prefixes of the identifiers of copyleft licences.
const COPYLEFT_PREFIXES: &[&str] =
    &["GPL", "LGPL", "AGPL", "MPL", "EPL", "EUPL", "CDDL", "OSL", "SSPL", "CC-BY-SA", "CECILL"];

impl Licences {
    /// Finds the licences of a source.
    pub(super) fn find(sources: &[CorpusSource], files: &[SourceFile]) -> Self {
        let found: Vec<_> = sources.iter().flat_map(root_licences).collect();
        let named = |source: &&CorpusSource| found.iter().all(|licence| licence.repository != source.repository);
        let missing = sources.iter().filter(named).map(|source| source.repository.clone()).collect();
        let mut identifiers = BTreeMap::new();
        for identifier in files.iter().filter_map(|file| spdx_identifier(&file.text)) {
            *identifiers.entry(identifier.to_owned()).or_insert(0) += 1;
        }
        Self { found, identifiers, missing }
    }

    /// The distinct copyleft licences, sorted. A model trained on such code should not be shared without legal advice.
    pub fn copyleft(&self) -> Vec<&str> {
        let names = self.found.iter().flat_map(|licence| &licence.names).chain(self.identifiers.keys());
        let mut names: Vec<_> = names.map(String::as_str).filter(|name| is_copyleft(name)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// The licence files and manifests at the root of a source, by file name.
fn root_licences(source: &CorpusSource) -> Vec<Licence> {
    let entries = std::fs::read_dir(&source.folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    paths.sort_unstable();
    let licence = |path: String| {
        let names = names(&path, || read_text(source, &path))?;
        Some(Licence { repository: source.repository.clone(), path, names })
    };
    paths.into_iter().filter_map(licence).collect()
}

fn read_text(source: &CorpusSource, path: &str) -> Option<String> {
    filter::decode_text(read::read_whole(&source.folder, path, MAX_LICENCE_BYTES).ok()?).ok()
}

/// The licences in a licence file or manifest; `None` for any other file.
fn names(path: &str, text: impl FnOnce() -> Option<String>) -> Option<Vec<String>> {
    match path {
        "Cargo.toml" => {
            manifest_licence(toml::from_str(&text()?).ok()?, &["/package/license", "/workspace/package/license"])
        }
        "pyproject.toml" => {
            let pointers = &["/project/license", "/project/license/text", "/tool/poetry/license"];
            manifest_licence(toml::from_str(&text()?).ok()?, pointers)
        }
        "package.json" => manifest_licence(serde_json::from_str(&text()?).ok()?, &["/license", "/license/type"]),
        _ if is_licence_file(path) => {
            let names = phrases::identify(&text()?);
            Some(if names.is_empty() { vec![Licence::UNKNOWN.to_owned()] } else { names })
        }
        _ => None,
    }
}

/// The string at the first of these JSON pointers that has one.
fn manifest_licence(manifest: Value, pointers: &[&str]) -> Option<Vec<String>> {
    let name = pointers.iter().find_map(|pointer| manifest.pointer(pointer)?.as_str())?;
    Some(vec![name.trim().to_owned()])
}

fn is_licence_file(path: &str) -> bool {
    let name = path.to_ascii_lowercase();
    ["license", "licence", "copying", "unlicense"].iter().any(|prefix| name.starts_with(prefix))
}

/// The SPDX identifier at the head of a file.
fn spdx_identifier(text: &str) -> Option<&str> {
    let after = text.lines().take(SPDX_HEAD_LINES).find_map(|line| line.split_once("SPDX-License-Identifier:"))?.1;
    let name = after.trim_end_matches(['*', '/', '-', '>', ' ']).trim();
    if name.is_empty() { None } else { Some(name) }
}

/// Returns true if an SPDX expression leaves no choice but copyleft. In an expression with parentheses or `AND`, a
/// single copyleft licence is enough.
fn is_copyleft(expression: &str) -> bool {
    let copyleft =
        |name: &str| COPYLEFT_PREFIXES.iter().any(|prefix| name.trim_matches(['(', ')', ' ']).starts_with(prefix));
    if expression.contains(" AND ") || expression.contains('(') {
        return expression.split([' ', '/']).any(copyleft);
    }
    expression.split(" OR ").flat_map(|part| part.split('/')).all(copyleft)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_read_from_manifests() {
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
    fn spdx_identifiers_are_read_from_file_heads() {
        for (text, expected) in [
            ("// SPDX-License-Identifier: GPL-2.0-only\nint x;\n", Some("GPL-2.0-only")),
            ("/* SPDX-License-Identifier: MIT OR Apache-2.0 */\n", Some("MIT OR Apache-2.0")),
            ("<!-- SPDX-License-Identifier: MIT -->\n", Some("MIT")),
            ("x = 1\n", None),
        ] {
            assert_eq!(spdx_identifier(text), expected, "{text}");
        }
    }

    #[test]
    fn copyleft_counts_only_without_an_alternative() {
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
