//! Completions that a client remembers, as llama.vim does: 250 of them, found again at the same place and after up to
//! 128 more typed characters.

use std::collections::VecDeque;

/// Number of remembered completions.
const MAX_ENTRIES: usize = 250;
/// Characters that may have been typed since a completion was requested.
const MAX_TYPED_CHARACTERS: usize = 128;

/// Text around the cursor for which a completion was requested.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CursorContext {
    /// Text before the cursor, as the request has it.
    pub(super) before: String,
    /// Text after the cursor, as the request has it.
    pub(super) after: String,
}

impl CursorContext {
    /// Rest of a completion for an earlier context: all of it in the same context, and the text after the typed
    /// characters if these agree with it.
    pub(super) fn rest_of<'a>(&self, text: &'a str, earlier: &Self) -> Option<&'a str> {
        let typed = self.before.strip_prefix(&earlier.before)?;
        if self.after != earlier.after || typed.chars().count() > MAX_TYPED_CHARACTERS {
            return None;
        }
        let rest = text.strip_prefix(typed)?;
        if rest.is_empty() && !typed.is_empty() { None } else { Some(rest) }
    }
}

/// Remembered completions, the newest last.
#[derive(Debug, Default)]
pub(super) struct CompletionCache {
    entries: VecDeque<(CursorContext, String)>,
}

impl CompletionCache {
    /// Remembers a completion and forgets the oldest one if there are too many.
    pub(super) fn insert(&mut self, context: CursorContext, text: String) {
        self.entries.push_back((context, text));
        if self.entries.len() > MAX_ENTRIES {
            self.entries.pop_front();
        }
    }

    /// Returns true if there is a completion for exactly this context.
    pub(super) fn contains(&self, context: &CursorContext) -> bool {
        self.entries.iter().any(|(other, _)| other == context)
    }

    /// Newest completion for the context, or else the longest rest of one for an earlier context.
    pub(super) fn find(&self, context: &CursorContext) -> Option<&str> {
        if let Some((_, text)) = self.entries.iter().rev().find(|(other, _)| other == context) {
            return Some(text);
        }
        let rests = self.entries.iter().filter_map(|(other, text)| context.rest_of(text, other));
        rests.max_by_key(|rest| rest.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(before: &str, after: &str) -> CursorContext {
        CursorContext { before: before.to_owned(), after: after.to_owned() }
    }

    #[test]
    fn a_completion_is_found_while_its_text_is_typed() {
        let mut cache = CompletionCache::default();
        cache.insert(context("let ", "\n"), "answer = 42;".into());
        for (before, after, found) in [
            ("let ", "\n", Some("answer = 42;")),
            ("let ans", "\n", Some("wer = 42;")),
            ("let b", "\n", None),
            ("let ans", "\n\n", None),
            ("let answer = 42;", "\n", None),
            ("le", "\n", None),
        ] {
            assert_eq!(cache.find(&context(before, after)), found, "{before}");
        }
        assert!(cache.contains(&context("let ", "\n")) && !cache.contains(&context("let a", "\n")));
    }

    #[test]
    fn an_empty_completion_is_remembered() {
        let mut cache = CompletionCache::default();
        cache.insert(context("x;", "\n"), String::new());
        assert_eq!(cache.find(&context("x;", "\n")), Some(""));
    }

    #[test]
    fn old_completions_are_forgotten() {
        let mut cache = CompletionCache::default();
        for number in 0..=MAX_ENTRIES {
            cache.insert(context(&number.to_string(), ""), "x".into());
        }
        assert!(!cache.contains(&context("0", "")) && cache.contains(&context("1", "")));
    }
}
