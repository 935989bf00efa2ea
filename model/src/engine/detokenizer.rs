//! From tokens back to text, a piece at a time: whole characters only, without what was healed, up to a stop text.

/// An answer as it grows.
#[derive(Debug, Default)]
pub(crate) struct Detokenizer {
    /// All bytes written so far, the healed ones too.
    bytes: Vec<u8>,
    /// What has to be spelt first.
    healing_prefix: Vec<u8>,
    /// Bytes of `bytes` that have been given out.
    emitted_bytes: usize,
    /// Text given out so far.
    text: String,
    stop_texts: Vec<String>,
}

/// What a token did to the answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TextDelta {
    /// Text that can be given out, possibly none.
    Text(String),
    /// The last text; a stop text follows.
    Stopped(String),
}

impl Detokenizer {
    pub(crate) fn new(healed: &str, stop_texts: &[String]) -> Self {
        let stop_texts = stop_texts.iter().filter(|text| !text.is_empty()).cloned().collect();
        Self { healing_prefix: healed.into(), stop_texts, ..Self::default() }
    }

    /// What the next tokens have to spell before they are free; empty when they are.
    pub(crate) fn remaining_prefix(&self) -> &[u8] {
        self.healing_prefix.get(self.bytes.len()..).unwrap_or_default()
    }

    /// All bytes written so far, the healed ones among them.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The text given out so far.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Adds a token's bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> TextDelta {
        self.bytes.extend(bytes);
        self.emitted_bytes = self.emitted_bytes.max(self.healing_prefix.len().min(self.bytes.len()));
        let pending = &self.bytes[self.emitted_bytes..];
        let whole = complete_utf8_len(pending);
        let text = String::from_utf8_lossy(&pending[..whole]).into_owned();
        let (end, stopped) = self.find_stop(&text);
        let given = text[..end].to_owned();
        // Replaced bytes change the length; such a text is given out whole, so that the count stays one of bytes.
        let exact = text.len() == whole;
        let given = if exact || stopped { given } else { text };
        self.emitted_bytes += if exact { given.len() } else { whole };
        self.text.push_str(&given);
        if stopped { TextDelta::Stopped(given) } else { TextDelta::Text(given) }
    }

    /// What was held back in case a stop text began there, once nothing more comes.
    pub(crate) fn flush(&mut self) -> String {
        let pending = &self.bytes[self.emitted_bytes.max(self.healing_prefix.len()).min(self.bytes.len())..];
        let text = String::from_utf8_lossy(&pending[..complete_utf8_len(pending)]).into_owned();
        self.emitted_bytes = self.bytes.len();
        self.text.push_str(&text);
        text
    }

    /// How much of `text` can be given out, and whether a stop text comes right after it.
    fn find_stop(&self, text: &str) -> (usize, bool) {
        if let Some(at) = self.stop_texts.iter().filter_map(|stop| text.find(stop.as_str())).min() {
            return (at, true);
        }
        let begins = |at: &usize| self.stop_texts.iter().any(|stop| stop.starts_with(&text[*at..]));
        let held = text.char_indices().map(|(at, _)| at).find(begins);
        (held.unwrap_or(text.len()), false)
    }
}

/// Bytes of `bytes` up to a character that is not whole yet. Bytes that can never become one are let through.
fn complete_utf8_len(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Ok(_) => bytes.len(),
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Err(error) => {
            let bad = error.valid_up_to() + error.error_len().unwrap_or(1);
            bad + complete_utf8_len(&bytes[bad..])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pieces(healed: &str, stops: &[&str], tokens: &[&[u8]]) -> (Vec<String>, bool) {
        let stops: Vec<String> = stops.iter().map(|stop| stop.to_string()).collect();
        let mut answer = Detokenizer::new(healed, &stops);
        let mut pieces = Vec::new();
        for token in tokens {
            match answer.push(token) {
                TextDelta::Text(text) => pieces.push(text),
                TextDelta::Stopped(text) => {
                    pieces.push(text);
                    return (pieces, true);
                }
            }
        }
        pieces.push(answer.flush());
        (pieces, false)
    }

    #[test]
    fn characters_are_given_out_whole() {
        let (pieces, _) = pieces("", &[], &[b"\xf0\x9d", b"\x84", b"\x9e!"]);
        assert_eq!(pieces, ["", "", "\u{1d11e}!", ""]);
    }

    #[test]
    fn what_was_healed_is_not_given_out() {
        let (pieces, _) = pieces("re", &[], &[b"r", b"eturn", b" x"]);
        assert_eq!(pieces, ["", "turn", " x", ""]);
    }

    #[test]
    fn a_stop_text_across_tokens_is_never_given_out() {
        let (found, stopped) = pieces("", &["\n\n"], &[b"a\n", b"\nb"]);
        assert_eq!((found.concat(), stopped), ("a".into(), true));
        let (found, stopped) = pieces("", &["\n\n"], &[b"a\n", b"b"]);
        assert_eq!((found.concat(), stopped), ("a\nb".into(), false));
    }

    proptest! {
        #[test]
        fn any_cutting_of_a_text_gives_the_same_text(text in "\\PC{0,20}", cuts in prop::collection::vec(0usize..40, 0..6)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let tokens: Vec<&[u8]> = cuts.windows(2).map(|w| &text.as_bytes()[w[0]..w[1]]).collect();
            prop_assert_eq!(pieces("", &["stop"], &tokens).0.concat(), text.split("stop").next().unwrap_or_default());
        }

        #[test]
        fn any_bytes_give_text(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let tokens: Vec<&[u8]> = bytes.chunks(1).collect();
            let (found, _) = pieces("", &[], &tokens);
            prop_assert_eq!(found.concat().replace('\u{fffd}', "").len() <= bytes.len(), true);
        }
    }
}
