//! Natural languages: their names, their scripts, and common words by which a text's language is recognized.

/// A natural language.
#[derive(Debug, PartialEq, Eq)]
pub struct NaturalLanguage {
    /// Its name in English.
    pub name: &'static str,
    /// Its name in the language itself.
    pub native_name: &'static str,
    /// Its ISO 639-1 code.
    pub code: &'static str,
    script: Script,
    /// Words that are frequent in it and in few other languages; empty where the script alone decides.
    common_words: &'static [&'static str],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    Latin,
    Cyrillic,
    Chinese,
    Japanese,
    Korean,
}

use Script::{Chinese, Cyrillic, Japanese, Korean, Latin};

const fn natural_language(
    name: &'static str,
    native_name: &'static str,
    code: &'static str,
    script: Script,
    common_words: &'static [&'static str],
) -> NaturalLanguage {
    NaturalLanguage { name, native_name, code, script, common_words }
}

static LANGUAGES: &[NaturalLanguage] = &[
    natural_language("Chinese", "中文", "zh", Chinese, &[]),
    natural_language(
        "English",
        "English",
        "en",
        Latin,
        &["the", "of", "and", "is", "to", "are", "this", "that", "with", "from", "for"],
    ),
    natural_language(
        "French",
        "Français",
        "fr",
        Latin,
        &["le", "la", "les", "des", "du", "et", "est", "une", "pour", "dans", "que", "ce"],
    ),
    natural_language(
        "German",
        "Deutsch",
        "de",
        Latin,
        &["der", "die", "das", "und", "ist", "ein", "eine", "den", "für", "von", "mit", "wird"],
    ),
    natural_language(
        "Italian",
        "Italiano",
        "it",
        Latin,
        &["il", "lo", "gli", "della", "di", "è", "una", "per", "che", "nel", "sono"],
    ),
    natural_language("Japanese", "日本語", "ja", Japanese, &[]),
    natural_language("Korean", "한국어", "ko", Korean, &[]),
    natural_language(
        "Portuguese",
        "Português",
        "pt",
        Latin,
        &["o", "os", "da", "do", "e", "é", "uma", "um", "para", "que", "não", "com"],
    ),
    natural_language(
        "Russian",
        "Русский",
        "ru",
        Cyrillic,
        &["и", "в", "не", "на", "что", "для", "это", "из", "по", "если"],
    ),
    natural_language(
        "Spanish",
        "Español",
        "es",
        Latin,
        &["el", "los", "las", "del", "y", "es", "una", "para", "que", "con", "por", "se"],
    ),
    natural_language(
        "Ukrainian",
        "Українська",
        "uk",
        Cyrillic,
        &["і", "та", "не", "що", "для", "це", "з", "до", "якщо", "є"],
    ),
];

/// Error for the name of a language that comments cannot be translated into.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("comments cannot be translated into {0:?}: say {names}, or a code such as de", names = known_names())]
pub struct UnknownNaturalLanguage(String);

fn known_names() -> String {
    LANGUAGES.iter().map(|language| language.name.to_owned()).collect::<Vec<_>>().join(", ")
}

impl NaturalLanguage {
    /// Returns the language with this name in English, its native name, or its ISO 639-1 code. Case and a region after
    /// the code are ignored.
    ///
    /// # Errors
    /// If there is none; the message lists the known languages.
    pub fn from_name(name: &str) -> Result<&'static Self, UnknownNaturalLanguage> {
        let lower = name.trim().to_lowercase();
        let code = lower.split(['-', '_']).next().unwrap_or_default();
        let has_name = |language: &&Self| {
            lower == language.name.to_lowercase()
                || lower == language.native_name.to_lowercase()
                || code == language.code
        };
        LANGUAGES.iter().find(has_name).ok_or_else(|| UnknownNaturalLanguage(name.to_owned()))
    }

    /// Returns the name that prompts use: the English name, and the native name where it differs.
    pub(super) fn prompt_name(&self) -> String {
        if self.name == self.native_name {
            self.name.to_owned()
        } else {
            format!("{} ({})", self.name, self.native_name)
        }
    }

    /// Returns true if script and common words show that `text` is in this language.
    pub(crate) fn is_language_of(&self, text: &str) -> bool {
        if !self.is_script_of(text) {
            return false;
        }
        if self.common_words.is_empty() {
            // Kana distinguish Japanese from Chinese.
            let has_kana = text.chars().any(|c| matches!(c, '\u{3040}'..='\u{30ff}'));
            return has_kana == (self.script == Japanese) || self.script == Korean;
        }
        let own = self.count_common_words(text);
        let others = LANGUAGES
            .iter()
            .filter(|language| language.code != self.code)
            .map(|language| language.count_common_words(text))
            .max()
            .unwrap_or_default();
        own > others
    }

    fn count_common_words(&self, text: &str) -> usize {
        let words = text.split(|c: char| !c.is_alphabetic()).map(str::to_lowercase);
        words.filter(|word| self.common_words.contains(&word.as_str())).count()
    }

    /// Returns true if at least a third of the letters of `text` are of the language's script. The rest may be names in
    /// another script.
    pub(super) fn is_script_of(&self, text: &str) -> bool {
        let letters = text.chars().filter(|c| c.is_alphabetic());
        let (mut matching, mut total) = (0, 0);
        for letter in letters {
            total += 1;
            matching += usize::from(self.script.contains(letter));
        }
        matching * 3 >= total
    }
}

impl Script {
    fn contains(self, c: char) -> bool {
        let han = matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}');
        match self {
            Latin => matches!(c, 'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}'),
            Cyrillic => matches!(c, '\u{400}'..='\u{52f}'),
            Chinese => han,
            Japanese => han || matches!(c, '\u{3040}'..='\u{30ff}'),
            Korean => matches!(c, '\u{1100}'..='\u{11ff}' | '\u{ac00}'..='\u{d7a3}'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_found_by_either_name_and_by_code() {
        for (name, code) in [
            ("German", "de"),
            ("deutsch", "de"),
            ("DE", "de"),
            ("de-AT", "de"),
            ("中文", "zh"),
            ("zh_CN", "zh"),
            ("English", "en"),
            ("français", "fr"),
            ("Español", "es"),
            ("日本語", "ja"),
            ("русский", "ru"),
            ("Russian", "ru"),
        ] {
            assert_eq!(NaturalLanguage::from_name(name).map(|it| it.code), Ok(code), "{name}");
        }
        let error = NaturalLanguage::from_name("Klingon").expect_err("none").to_string();
        assert!(error.contains("Chinese, English") && error.contains("Klingon"), "{error}");
    }

    #[test]
    fn the_language_of_a_text_is_recognized() {
        let recognized = |text: &str| {
            let all = LANGUAGES.iter().filter(|it| it.is_language_of(text)).map(|it| it.code);
            all.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(recognized("The sum of all prices."), "en");
        assert_eq!(recognized("Die Summe der Preise ist leer."), "de");
        assert_eq!(recognized("Сумма всех цен, если не пусто."), "ru");
        assert_eq!(recognized("所有价格的总和"), "zh");
        assert_eq!(recognized("すべての価格の合計"), "ja");
        assert_eq!(recognized("Prices."), "", "one word may belong to any language");
    }
}
