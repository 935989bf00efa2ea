//! Detects minified files and data by the lengths of lines and the share of digits.
//!
//! The limits for lines are those of The Stack (Kocetkov et al. 2022), but wider for prose, where a paragraph may be
//! one line.

use foretype_plugins::Language;

/// Limits of the mean and the maximum line length of code, in bytes.
const CODE_LINE_LIMITS: (usize, usize) = (100, 1000);
/// Limits of the mean and the maximum line length of prose, in bytes.
const PROSE_LINE_LIMITS: (usize, usize) = (500, 5000);

/// Size limit of files in a data format, in bytes. Smaller ones are manifests and settings, which people write by hand.
const MAX_DATA_FILE_BYTES: usize = 16 << 10;

/// Maximum share of digits among the visible bytes of code.
const MAX_DIGIT_SHARE: f64 = 0.3;
/// Minimum number of visible bytes for the share of digits to be meaningful.
const MIN_VISIBLE_BYTES: usize = 200;

/// Returns true if lines are longer than people write them.
pub(super) fn has_long_lines(text: &str, language: Language) -> bool {
    let prose = matches!(language, Language::Markdown | Language::Html | Language::PlainText);
    let (mean, longest) = if prose { PROSE_LINE_LIMITS } else { CODE_LINE_LIMITS };
    let lines = text.lines().count().max(1);
    text.len() / lines > mean || text.lines().any(|line| line.len() > longest)
}

/// Returns true if a text is data: large and in a data format, or mostly digits.
pub(super) fn is_data(text: &str, language: Language) -> bool {
    let codeless = matches!(language, Language::Json | Language::Yaml | Language::Toml);
    (codeless && text.len() > MAX_DATA_FILE_BYTES) || has_many_digits(text)
}

fn has_many_digits(text: &str) -> bool {
    let visible = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).count();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    visible >= MIN_VISIBLE_BYTES && digits as f64 > MAX_DIGIT_SHARE * visible as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_prose_may_have_long_lines() {
        let minified = "var a=1;".repeat(200);
        let wide = format!("{}\n", "x".repeat(120)).repeat(20);
        let one_long = format!("{}{}\n", "let x = 1;\n".repeat(100), "y".repeat(1001));
        let usual = "let x = 1;\n".repeat(100);
        for (text, language, long) in [
            (&minified, Language::JavaScript, true),
            (&wide, Language::Rust, true),
            (&one_long, Language::Rust, true),
            (&usual, Language::Rust, false),
            (&wide, Language::Markdown, false),
            (&one_long, Language::Markdown, false),
            (&"word ".repeat(1200), Language::Markdown, true),
        ] {
            assert_eq!(has_long_lines(text, language), long, "{language:?}: {}", &text[..20]);
        }
    }

    #[test]
    fn large_files_in_data_formats_are_data() {
        let entry = "  \"name\": \"value\",\n";
        assert!(!is_data(&entry.repeat(20), Language::Json));
        assert!(is_data(&entry.repeat(2000), Language::Json) && is_data(&entry.repeat(2000), Language::Yaml));
        assert!(!is_data(&entry.repeat(2000), Language::Rust));
    }

    #[test]
    fn tables_of_numbers_are_data() {
        assert!(is_data(&"0x3f, 0x21, 1024, 77,\n".repeat(50), Language::C));
        assert!(!is_data("x = 1234567890\n", Language::Python));
        assert!(!is_data(&"assert_eq!(sum(&[1, 2]), 3);\n".repeat(50), Language::Rust));
    }
}
