//! What the shape of a text says: how long its lines are, and how much of it is digits.
//!
//! The limits on lines are those of The Stack (Kocetkov et al. 2022), wider for prose, where a paragraph may be a line.

use foretype_plugins::Language;

/// Mean and longest line of code, in bytes.
const CODE: (usize, usize) = (100, 1000);
/// Mean and longest line of prose, in bytes.
const PROSE: (usize, usize) = (500, 5000);

/// A larger file in a language without code is data; a smaller one is a manifest or a setting, written by hand.
const MOST_DATA: usize = 16 << 10;

/// A text has fewer digits among its letters and marks, unless it is a table.
const MOST_DIGITS: f64 = 0.3;
/// Too short to say what is usual in it.
const FEW: usize = 200;

/// Whether lines are longer than people write them.
pub(super) fn long_lines(text: &str, language: Language) -> bool {
    let prose = matches!(language, Language::Markdown | Language::Html | Language::PlainText);
    let (mean, longest) = if prose { PROSE } else { CODE };
    let lines = text.lines().count().max(1);
    text.len() / lines > mean || text.lines().any(|line| line.len() > longest)
}

/// Whether a text is data: large and in a language without code, or full of digits.
pub(super) fn data(text: &str, language: Language) -> bool {
    let codeless = matches!(language, Language::Json | Language::Yaml | Language::Toml);
    (codeless && text.len() > MOST_DATA) || many_digits(text)
}

fn many_digits(text: &str) -> bool {
    let visible = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).count();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    visible >= FEW && digits as f64 > MOST_DIGITS * visible as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_for_prose_only() {
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
            assert_eq!(long_lines(text, language), long, "{language:?}: {}", &text[..20]);
        }
    }

    #[test]
    fn large_files_without_code_are_data() {
        let entry = "  \"name\": \"value\",\n";
        assert!(!data(&entry.repeat(20), Language::Json));
        assert!(data(&entry.repeat(2000), Language::Json) && data(&entry.repeat(2000), Language::Yaml));
        assert!(!data(&entry.repeat(2000), Language::Rust));
    }

    #[test]
    fn tables_of_numbers_are_data_and_short_sums_are_not() {
        assert!(data(&"0x3f, 0x21, 1024, 77,\n".repeat(50), Language::C));
        assert!(!data("x = 1234567890\n", Language::Python));
        assert!(!data(&"assert_eq!(sum(&[1, 2]), 3);\n".repeat(50), Language::Rust));
    }
}
