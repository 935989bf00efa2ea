//! Natural languages: their names, their letters, and words by which a text shows that it is in one.

/// A natural language.
#[derive(Debug, PartialEq, Eq)]
pub struct Tongue {
    /// Its name in English.
    pub name: &'static str,
    /// Its name in itself.
    pub own: &'static str,
    /// Its ISO 639-1 code.
    pub code: &'static str,
    letters: Letters,
    /// Words that stand in most sentences and in few other languages.
    words: &'static [&'static str],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letters {
    Latin,
    Cyrillic,
    Chinese,
    Japanese,
    Korean,
}

use Letters::{Chinese, Cyrillic, Japanese, Korean, Latin};

const fn tongue(
    name: &'static str,
    own: &'static str,
    code: &'static str,
    letters: Letters,
    words: &'static [&'static str],
) -> Tongue {
    Tongue { name, own, code, letters, words }
}

static ALL: &[Tongue] = &[
    tongue("Chinese", "中文", "zh", Chinese, &[]),
    tongue(
        "English",
        "English",
        "en",
        Latin,
        &["the", "of", "and", "is", "to", "are", "this", "that", "with", "from", "for"],
    ),
    tongue(
        "French",
        "Français",
        "fr",
        Latin,
        &["le", "la", "les", "des", "du", "et", "est", "une", "pour", "dans", "que", "ce"],
    ),
    tongue(
        "German",
        "Deutsch",
        "de",
        Latin,
        &["der", "die", "das", "und", "ist", "ein", "eine", "den", "für", "von", "mit", "wird"],
    ),
    tongue(
        "Italian",
        "Italiano",
        "it",
        Latin,
        &["il", "lo", "gli", "della", "di", "è", "una", "per", "che", "nel", "sono"],
    ),
    tongue("Japanese", "日本語", "ja", Japanese, &[]),
    tongue("Korean", "한국어", "ko", Korean, &[]),
    tongue(
        "Portuguese",
        "Português",
        "pt",
        Latin,
        &["o", "os", "da", "do", "e", "é", "uma", "um", "para", "que", "não", "com"],
    ),
    tongue("Russian", "Русский", "ru", Cyrillic, &["и", "в", "не", "на", "что", "для", "это", "из", "по", "если"]),
    tongue(
        "Spanish",
        "Español",
        "es",
        Latin,
        &["el", "los", "las", "del", "y", "es", "una", "para", "que", "con", "por", "se"],
    ),
    tongue("Ukrainian", "Українська", "uk", Cyrillic, &["і", "та", "не", "що", "для", "це", "з", "до", "якщо", "є"]),
];

/// Nobody knows how to translate into that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no language {0:?} to translate comments into: say {names}, or a code such as de", names = known())]
pub struct UnknownTongue(String);

fn known() -> String {
    ALL.iter().map(|it| it.name.to_owned()).collect::<Vec<_>>().join(", ")
}

impl Tongue {
    /// The language of that name: in English, in itself, or an ISO code, in any case; a region behind the code does not count.
    ///
    /// # Errors
    /// Names those that there are.
    pub fn named(name: &str) -> Result<&'static Self, UnknownTongue> {
        let wanted = name.trim().to_lowercase();
        let code = wanted.split(['-', '_']).next().unwrap_or_default();
        let is = |it: &&Self| wanted == it.name.to_lowercase() || wanted == it.own.to_lowercase() || code == it.code;
        ALL.iter().find(is).ok_or_else(|| UnknownTongue(name.to_owned()))
    }

    /// As models are told.
    pub(super) fn said(&self) -> String {
        if self.name == self.own { self.name.to_owned() } else { format!("{} ({})", self.name, self.own) }
    }

    /// Whether a text is in it already, as far as its letters and words tell.
    pub fn is_spoken(&self, text: &str) -> bool {
        if !self.is_written(text) {
            return false;
        }
        if self.words.is_empty() {
            // Kana tell Japanese from Chinese.
            let kana = text.chars().any(|c| matches!(c, '\u{3040}'..='\u{30ff}'));
            return kana == (self.letters == Japanese) || self.letters == Korean;
        }
        let own = self.count(text);
        let others = ALL.iter().filter(|it| it.code != self.code).map(|it| it.count(text)).max().unwrap_or_default();
        own > others
    }

    fn count(&self, text: &str) -> usize {
        let words = text.split(|c: char| !c.is_alphabetic()).map(str::to_lowercase);
        words.filter(|word| self.words.contains(&word.as_str())).count()
    }

    /// Whether at least a third of the letters of a text are its own: names of things stay in theirs.
    pub(super) fn is_written(&self, text: &str) -> bool {
        let letters = text.chars().filter(|c| c.is_alphabetic());
        let (mut own, mut all) = (0, 0);
        for letter in letters {
            all += 1;
            own += usize::from(self.letters.has(letter));
        }
        own * 3 >= all
    }
}

impl Letters {
    fn has(self, c: char) -> bool {
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
            assert_eq!(Tongue::named(name).map(|it| it.code), Ok(code), "{name}");
        }
        let error = Tongue::named("Klingon").expect_err("none").to_string();
        assert!(error.contains("Chinese, English") && error.contains("Klingon"), "{error}");
    }

    #[test]
    fn a_text_shows_the_language_that_it_is_in() {
        let spoken = |text: &str| {
            let all = ALL.iter().filter(|it| it.is_spoken(text)).map(|it| it.code);
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
