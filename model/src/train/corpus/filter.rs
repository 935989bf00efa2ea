//! Filters that exclude files, first by path, then by text.

mod generated;
mod path;
mod shape;

use foretype_plugins::context::secrets;
use foretype_plugins::{Language, LineEnds};

use super::exclusion::ExclusionReason;
use super::options::CorpusOptions;

/// Checks a path.
pub(super) fn check_path(path: &str, options: &CorpusOptions) -> Result<(), ExclusionReason> {
    let requested =
        options.only.is_empty() || options.only.iter().any(|pattern| path::has_extension_or_name(path, pattern));
    first_reason(&[
        (ExclusionReason::Secret, &|| secrets::is_secret_path(path)),
        (ExclusionReason::NotRequested, &|| !requested),
        (ExclusionReason::Vendored, &|| path::is_vendored(path)),
        (ExclusionReason::LockFile, &|| path::is_lock_file(path)),
        (ExclusionReason::Minified, &|| path::is_minified(path)),
        (ExclusionReason::Generated, &|| path::is_generated(path)),
    ])
}

/// Decodes a file as UTF-8, without a byte order mark and with `\n` at each line end.
pub(super) fn decode_text(bytes: Vec<u8>) -> Result<String, ExclusionReason> {
    if bytes.contains(&0) {
        return Err(ExclusionReason::Binary);
    }
    let text = String::from_utf8(bytes).map_err(|_| ExclusionReason::Binary)?;
    Ok(LineEnds::normalize(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)))
}

/// Returns true if the first bytes of a file are text. They may end inside a character.
pub(super) fn looks_like_text(head: &[u8]) -> bool {
    !head.contains(&0) && std::str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true)
}

/// Checks a text.
pub(super) fn check_text(text: &str, language: Language, options: &CorpusOptions) -> Result<(), ExclusionReason> {
    first_reason(&[
        (ExclusionReason::Empty, &|| text.trim().is_empty()),
        (ExclusionReason::Secret, &|| secrets::contains_secret(text)),
        (ExclusionReason::Generated, &|| generated::is_generated(text)),
        (ExclusionReason::Minified, &|| shape::has_long_lines(text, language)),
        (ExclusionReason::Data, &|| !options.keep_data && shape::is_data(text, language)),
    ])
}

/// Returns the first reason whose condition is true as the error.
fn first_reason(reasons: &[(ExclusionReason, &dyn Fn() -> bool)]) -> Result<(), ExclusionReason> {
    match reasons.iter().find(|(_, applies)| applies()) {
        Some((reason, _)) => Err(*reason),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_utf8_are_binary() {
        for (bytes, expected) in [
            (&b"fn main() {}"[..], Ok("fn main() {}")),
            (b"\xef\xbb\xbfx = 1", Ok("x = 1")),
            (b"a\0b", Err(ExclusionReason::Binary)),
            (b"\xff\xfea", Err(ExclusionReason::Binary)),
            (b"caf\xe9", Err(ExclusionReason::Binary)),
        ] {
            assert_eq!(decode_text(bytes.to_vec()).as_deref(), expected.as_ref().map(|text| *text), "{bytes:?}");
        }
    }

    #[test]
    fn text_may_end_inside_a_character() {
        let text = "größer".as_bytes();
        assert!(looks_like_text(&text[..3]) && looks_like_text(text) && looks_like_text(b""));
        assert!(!looks_like_text(b"\x89PNG\r\n") && !looks_like_text(b"a\0"));
    }

    #[test]
    fn secrets_are_found_in_names_and_texts() {
        let options = CorpusOptions::default();
        assert_eq!(check_path("deploy/.env", &options), Err(ExclusionReason::Secret));
        let text = format!("key = '{}{}'\n", "ghp_", "x".repeat(36));
        assert_eq!(check_text(&text, Language::Python, &options), Err(ExclusionReason::Secret));
        assert_eq!(check_text("key = os.environ['KEY']\n", Language::Python, &options), Ok(()));
    }

    #[test]
    fn files_of_only_white_space_are_empty() {
        assert_eq!(check_text(" \n\t\r\n", Language::Rust, &CorpusOptions::default()), Err(ExclusionReason::Empty));
    }

    #[test]
    fn only_requested_files_are_included() {
        let options =
            CorpusOptions { only: vec!["rs".into(), ".Py".into(), "Makefile".into()], ..CorpusOptions::default() };
        for (path, expected) in [
            ("src/a.rs", Ok(())),
            ("b.PY", Ok(())),
            ("Makefile", Ok(())),
            ("a.go", Err(ExclusionReason::NotRequested)),
            ("vendor/a.rs", Err(ExclusionReason::Vendored)),
            (".env", Err(ExclusionReason::Secret)),
        ] {
            assert_eq!(check_path(path, &options), expected, "{path}");
        }
    }

    #[test]
    fn data_is_kept_on_request() {
        let table = "0.123, 4.567,\n".repeat(100);
        let keeping = CorpusOptions { keep_data: true, ..CorpusOptions::default() };
        assert_eq!(check_text(&table, Language::C, &CorpusOptions::default()), Err(ExclusionReason::Data));
        assert_eq!(check_text(&table, Language::C, &keeping), Ok(()));
    }
}
