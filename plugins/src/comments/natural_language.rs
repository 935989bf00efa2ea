//! Natural languages: their names, their letters, and words by which a text shows that it is in one.

/// A natural language.
#[derive(Debug, PartialEq, Eq)]
pub struct NaturalLanguage {
    /// Its name in English.
    pub name: &'static str,
    /// Its name in itself.
    pub native_name: &'static str,
    /// Its ISO 639-1 code.
    pub code: &'static str,
    script: Script,
    /// Words that stand in most sentences and in few other languages.
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
    own: &'static str,
    code: &'static str,
    letters: Script,
    words: &'static [&'static str],
) -> NaturalLanguage {
    NaturalLanguage { name, native_name: own, code, script: letters, common_words: words }
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

/// Nobody knows how to translate into that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no language {0:?} to translate comments into: say {names}, or a code such as de", names = known_names())]
pub struct UnknownNaturalLanguage(String);

fn known_names() -> String {
    LANGUAGES.iter().map(|it| it.name.to_owned()).collect::<Vec<_>>().join(", ")
}

impl NaturalLanguage {
    /// The language of that name: in English, in itself, or an ISO code, in any case; a region behind the code does not count.
    ///
    /// # Errors
    /// Names those that there are.
    pub fn from_name(name: &str) -> Result<&'static Self, UnknownNaturalLanguage> {
        let wanted = name.trim().to_lowercase();
        let code = wanted.split(['-', '_']).next().unwrap_or_default();
        let is =
            |it: &&Self| wanted == it.name.to_lowercase() || wanted == it.native_name.to_lowercase() || code == it.code;
        LANGUAGES.iter().find(is).ok_or_else(|| UnknownNaturalLanguage(name.to_owned()))
    }

    /// As models are told.
    pub(super) fn prompt_name(&self) -> String {
        if self.name == self.native_name {
            self.name.to_owned()
        } else {
            format!("{} ({})", self.name, self.native_name)
        }
    }

    /// Whether a text is in it already, as far as its letters and words tell.
    pub fn is_language_of(&self, text: &str) -> bool {
        if !self.is_script_of(text) {
            return false;
        }
        if self.common_words.is_empty() {
            // Kana tell Japanese from Chinese.
            let kana = text.chars().any(|c| matches!(c, '\u{3040}'..='\u{30ff}'));
            return kana == (self.script == Japanese) || self.script == Korean;
        }
        let own = self.count_common_words(text);
        let others = LANGUAGES
            .iter()
            .filter(|it| it.code != self.code)
            .map(|it| it.count_common_words(text))
            .max()
            .unwrap_or_default();
        own > others
    }

    fn count_common_words(&self, text: &str) -> usize {
        let words = text.split(|c: char| !c.is_alphabetic()).map(str::to_lowercase);
        words.filter(|word| self.common_words.contains(&word.as_str())).count()
    }

    /// Whether at least a third of the letters of a text are its own: names of things stay in theirs.
    pub(super) fn is_script_of(&self, text: &str) -> bool {
        let letters = text.chars().filter(|c| c.is_alphabetic());
        let (mut own, mut all) = (0, 0);
        for letter in letters {
            all += 1;
            own += usize::from(self.script.contains(letter));
        }
        own * 3 >= all
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
    fn a_language_goes_by_its_names_and_its_code() {
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
    fn a_text_shows_the_language_that_it_is_in() {
        let spoken = |text: &str| {
            let all = LANGUAGES.iter().filter(|it| it.is_language_of(text)).map(|it| it.code);
            all.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(spoken("The sum of all prices."), "en");
        assert_eq!(spoken("Die Summe der Preise ist leer."), "de");
        assert_eq!(spoken("Сумма всех цен, если не пусто."), "ru");
        assert_eq!(spoken("所有价格的总和"), "zh");
        assert_eq!(spoken("すべての価格の合計"), "ja");
        assert_eq!(spoken("Prices."), "", "one word may be of any");
    }
}
