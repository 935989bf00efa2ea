//! What is left out for what it is: first by the path, then by the text.

mod generated;
mod names;
mod shape;

use foretype_plugins::Language;
use foretype_plugins::context::secrets;

use super::Options;
use super::reason::Reason;

/// Looks at a path.
pub(super) fn by_path(path: &str, options: &Options) -> Result<(), Reason> {
    let asked = options.only.is_empty() || options.only.iter().any(|wanted| names::is(path, wanted));
    check(&[
        (Reason::Secret, &|| secrets::is_secret_path(path)),
        (Reason::NotAsked, &|| !asked),
        (Reason::Vendored, &|| names::vendored(path)),
        (Reason::LockFile, &|| names::lock_file(path)),
        (Reason::Minified, &|| names::minified(path)),
        (Reason::Generated, &|| names::generated(path)),
    ])
}

/// The bytes of a file as text, without a byte order mark.
pub(super) fn text(bytes: Vec<u8>) -> Result<String, Reason> {
    if bytes.contains(&0) {
        return Err(Reason::Binary);
    }
    let text = String::from_utf8(bytes).map_err(|_| Reason::Binary)?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Whether a file begins like a text. The beginning may end inside a character.
pub(super) fn is_text(head: &[u8]) -> bool {
    !head.contains(&0) && std::str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true)
}

/// Looks at a text.
pub(super) fn by_text(text: &str, language: Language, options: &Options) -> Result<(), Reason> {
    check(&[
        (Reason::Empty, &|| text.trim().is_empty()),
        (Reason::Secret, &|| secrets::contains_secret(text)),
        (Reason::Generated, &|| generated::says_so(text)),
        (Reason::Minified, &|| shape::long_lines(text, language)),
        (Reason::Data, &|| !options.keep_data && shape::data(text, language)),
    ])
}

/// The first reason that holds.
fn check(reasons: &[(Reason, &dyn Fn() -> bool)]) -> Result<(), Reason> {
    match reasons.iter().find(|(_, holds)| holds()) {
        Some((reason, _)) => Err(*reason),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_binary() {
        for (bytes, expected) in [
            (&b"fn main() {}"[..], Ok("fn main() {}")),
            (b"\xef\xbb\xbfx = 1", Ok("x = 1")),
            (b"a\0b", Err(Reason::Binary)),
            (b"\xff\xfea", Err(Reason::Binary)),
            (b"caf\xe9", Err(Reason::Binary)),
        ] {
            assert_eq!(text(bytes.to_vec()).as_deref(), expected.as_ref().map(|text| *text), "{bytes:?}");
        }
    }

    #[test]
    fn a_text_that_is_cut_inside_a_character_is_still_a_text() {
        let text = "größer".as_bytes();
        assert!(is_text(&text[..3]) && is_text(text) && is_text(b""));
        assert!(!is_text(b"\x89PNG\r\n") && !is_text(b"a\0"));
    }

    #[test]
    fn a_secret_is_found_in_the_name_and_in_the_text() {
        let options = Options::default();
        assert_eq!(by_path("deploy/.env", &options), Err(Reason::Secret));
        let text = format!("key = '{}{}'\n", "ghp_", "x".repeat(36));
        assert_eq!(by_text(&text, Language::Python, &options), Err(Reason::Secret));
        assert_eq!(by_text("key = os.environ['KEY']\n", Language::Python, &options), Ok(()));
    }

    #[test]
    fn white_space_alone_is_empty() {
        assert_eq!(by_text(" \n\t\r\n", Language::Rust, &Options::default()), Err(Reason::Empty));
    }

    #[test]
    fn only_what_was_asked_for_is_taken() {
        let options = Options { only: vec!["rs".into(), ".Py".into(), "Makefile".into()], ..Options::default() };
        for (path, expected) in [
            ("src/a.rs", Ok(())),
            ("b.PY", Ok(())),
            ("Makefile", Ok(())),
            ("a.go", Err(Reason::NotAsked)),
            ("vendor/a.rs", Err(Reason::Vendored)),
            (".env", Err(Reason::Secret)),
        ] {
            assert_eq!(by_path(path, &options), expected, "{path}");
        }
    }

    #[test]
    fn data_is_kept_where_that_is_asked_for() {
        let table = "0.123, 4.567,\n".repeat(100);
        let keeping = Options { keep_data: true, ..Options::default() };
        assert_eq!(by_text(&table, Language::C, &Options::default()), Err(Reason::Data));
        assert_eq!(by_text(&table, Language::C, &keeping), Ok(()));
    }
}
