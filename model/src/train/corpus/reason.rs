//! Why a file was left out.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Serialize;

/// A file that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Name of its source.
    pub repository: String,
    /// Relative to the source, with `/`.
    pub path: String,
    /// Why.
    pub reason: Reason,
    /// For a duplicate, the file that was taken in its place: `repository/path`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate_of: Option<String>,
}

/// Why a file was left out. One reason is given, the first that holds, in about this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// `.foretypeignore` names it.
    Ignored,
    /// Its name or its text looks like a secret.
    Secret,
    /// It is not among the endings that were asked for.
    NotAsked,
    /// Somebody else's code, kept in the repository.
    Vendored,
    /// Versions and hashes that a package manager wrote.
    LockFile,
    /// A link, a submodule or a device.
    NotAFile,
    /// It cannot be read, is gone, or has a name that is not UTF-8.
    Unreadable,
    /// Its language is not known.
    UnknownLanguage,
    /// It has more bytes than wanted.
    TooLarge,
    /// It has NUL bytes or is not UTF-8.
    Binary,
    /// There is nothing in it but white space.
    Empty,
    /// A program wrote it.
    Generated,
    /// Its lines are too long to be written by hand.
    Minified,
    /// Data rather than code: a large file of a language without code, or mostly digits.
    Data,
    /// Another file has the same text, but for white space.
    Duplicate,
    /// Another file has almost the same text.
    NearDuplicate,
}

/// A name that is no reason.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no reason to leave a file out")]
pub struct UnknownReason(String);

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 16] = [
        Self::Ignored,
        Self::Secret,
        Self::NotAsked,
        Self::Vendored,
        Self::LockFile,
        Self::NotAFile,
        Self::Unreadable,
        Self::UnknownLanguage,
        Self::TooLarge,
        Self::Binary,
        Self::Empty,
        Self::Generated,
        Self::Minified,
        Self::Data,
        Self::Duplicate,
        Self::NearDuplicate,
    ];

    /// Its name on the command line and in reports.
    pub fn id(self) -> &'static str {
        self.words().0
    }

    /// What it means, as the rest of "this file is …".
    pub fn meaning(self) -> &'static str {
        self.words().1
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Ignored => ("ignored", "named in .foretypeignore"),
            Self::Secret => ("secret", "secret by its name or text"),
            Self::NotAsked => ("not-asked", "not of an ending that was asked for"),
            Self::Vendored => ("vendored", "somebody else's code, by its folder"),
            Self::LockFile => ("lock-file", "a package manager's lock file"),
            Self::NotAFile => ("not-a-file", "a link, a submodule or a device"),
            Self::Unreadable => ("unreadable", "not readable, or gone"),
            Self::UnknownLanguage => ("unknown-language", "in no known language"),
            Self::TooLarge => ("too-large", "larger than wanted"),
            Self::Binary => ("binary", "binary, or not UTF-8"),
            Self::Empty => ("empty", "empty"),
            Self::Generated => ("generated", "written by a program"),
            Self::Minified => ("minified", "minified, or has lines too long to be written by hand"),
            Self::Data => ("data", "data rather than code"),
            Self::Duplicate => ("duplicate", "the same as another one"),
            Self::NearDuplicate => ("near-duplicate", "almost the same as another one"),
        }
    }
}

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(name: &str) -> Result<Self, UnknownReason> {
        Self::ALL.into_iter().find(|reason| reason.id() == name).ok_or_else(|| UnknownReason(name.to_owned()))
    }
}

/// How many files were left out for each reason.
pub(super) fn counts(left_out: &[LeftOut]) -> BTreeMap<Reason, usize> {
    let mut counts = BTreeMap::new();
    for file in left_out {
        *counts.entry(file.reason).or_insert(0) += 1;
    }
    counts
}

/// In one line why nothing is left, the commonest reason first, with an example for each.
pub(super) fn summary(left_out: &[LeftOut]) -> String {
    let mut counts: Vec<_> = counts(left_out).into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let part = |(reason, count): &(Reason, usize)| {
        let example = left_out.iter().find(|file| file.reason == *reason).map_or("", |file| file.path.as_str());
        format!("{count} {} ({example})", reason.meaning())
    };
    let parts: Vec<_> = counts.iter().map(part).collect();
    format!("{} files were found and left out: {}", left_out.len(), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_found_by_its_name_and_is_named_so_in_json() {
        for reason in Reason::ALL {
            assert_eq!(reason.id().parse::<Reason>().ok(), Some(reason));
            assert_eq!(serde_json::json!(reason), reason.id());
        }
        assert!("boredom".parse::<Reason>().is_err());
    }

    #[test]
    fn a_summary_names_the_commonest_reason_first() {
        let file =
            |path: &str, reason| LeftOut { repository: "r".into(), path: path.into(), reason, duplicate_of: None };
        let left_out = [file("a.rs", Reason::Empty), file("b.png", Reason::Binary), file("c.png", Reason::Binary)];
        assert_eq!(
            summary(&left_out),
            "3 files were found and left out: 2 binary, or not UTF-8 (b.png), 1 empty (a.rs)"
        );
    }
}
