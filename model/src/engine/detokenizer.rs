//! Incremental detokenization: the text of a candidate as its tokens arrive.
//!
//! Text is emitted in complete characters, without the healing prefix, and up to the first stop text. A suffix that may
//! be the beginning of a stop text is held back.

/// The output of one candidate.
#[derive(Debug, Default)]
pub(super) struct Detokenizer {
    /// Bytes of all tokens, including the healing prefix.
    bytes: Vec<u8>,
    /// Text cut off the prompt, which the output has to spell first.
    healing_prefix: Vec<u8>,
    /// Number of bytes that were emitted or belong to the healing prefix.
    emitted_bytes: usize,
    /// Text emitted so far.
    text: String,
    stop_texts: Vec<String>,
}

/// The effect of a token on the output.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TextDelta {
    /// New text, possibly empty.
    Text(String),
    /// The last text before a stop text.
    Stopped(String),
}

impl Detokenizer {
    /// An empty output. Empty stop texts are ignored.
    pub(super) fn new(healing_prefix: &str, stop_texts: &[String]) -> Self {
        let stop_texts = stop_texts.iter().filter(|text| !text.is_empty()).cloned().collect();
        Self { healing_prefix: healing_prefix.into(), stop_texts, ..Self::default() }
    }

    /// The part of the healing prefix that the next tokens have to spell; empty once they are free.
    pub(super) fn remaining_prefix(&self) -> &[u8] {
        self.healing_prefix.get(self.bytes.len()..).unwrap_or_default()
    }

    /// Bytes of all tokens, including the healing prefix.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Text emitted so far.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Appends the bytes of a token.
    pub(super) fn push(&mut self, bytes: &[u8]) -> TextDelta {
        self.bytes.extend(bytes);
        self.emitted_bytes = self.emitted_bytes.max(self.healing_prefix.len().min(self.bytes.len()));
        let pending = &self.bytes[self.emitted_bytes..];
        let complete = complete_utf8_len(pending);
        let text = String::from_utf8_lossy(&pending[..complete]).into_owned();
        let (end, stopped) = self.find_stop(&text);
        // A replacement character is longer than the byte that it replaces. Such a text is emitted as a whole, so that
        // `emitted_bytes` keeps counting bytes of the tokens.
        let is_valid = text.len() == complete;
        let emitted = if is_valid || stopped { text[..end].to_owned() } else { text };
        self.emitted_bytes += if is_valid { emitted.len() } else { complete };
        self.text.push_str(&emitted);
        if stopped { TextDelta::Stopped(emitted) } else { TextDelta::Text(emitted) }
    }

    /// Emits the text that was held back for a stop text, at the end of the output.
    pub(super) fn flush(&mut self) -> String {
        let pending = &self.bytes[self.emitted_bytes.max(self.healing_prefix.len()).min(self.bytes.len())..];
        let text = String::from_utf8_lossy(&pending[..complete_utf8_len(pending)]).into_owned();
        self.emitted_bytes = self.bytes.len();
        self.text.push_str(&text);
        text
    }

    /// Returns the number of bytes of `text` that can be emitted, and true if a stop text follows them.
    fn find_stop(&self, text: &str) -> (usize, bool) {
        if let Some(at) = self.stop_texts.iter().filter_map(|stop| text.find(stop.as_str())).min() {
            return (at, true);
        }
        let may_begin_stop = |at: &usize| self.stop_texts.iter().any(|stop| stop.starts_with(&text[*at..]));
        let held_back = text.char_indices().map(|(at, _)| at).find(may_begin_stop);
        (held_back.unwrap_or(text.len()), false)
    }
}

/// Returns the length of `bytes` up to an incomplete character at the end. Invalid bytes count as complete.
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

    fn deltas(healing_prefix: &str, stops: &[&str], tokens: &[&[u8]]) -> (Vec<String>, bool) {
        let stops: Vec<String> = stops.iter().map(|stop| stop.to_string()).collect();
        let mut output = Detokenizer::new(healing_prefix, &stops);
        let mut deltas = Vec::new();
        for token in tokens {
            match output.push(token) {
                TextDelta::Text(text) => deltas.push(text),
                TextDelta::Stopped(text) => {
                    deltas.push(text);
                    return (deltas, true);
                }
            }
        }
        deltas.push(output.flush());
        (deltas, false)
    }

    #[test]
    fn only_complete_characters_are_emitted() {
        let (deltas, _) = deltas("", &[], &[b"\xf0\x9d", b"\x84", b"\x9e!"]);
        assert_eq!(deltas, ["", "", "\u{1d11e}!", ""]);
    }

    #[test]
    fn healing_prefix_is_not_emitted() {
        let (deltas, _) = deltas("re", &[], &[b"r", b"eturn", b" x"]);
        assert_eq!(deltas, ["", "turn", " x", ""]);
    }

    #[test]
    fn a_stop_text_that_spans_tokens_is_not_emitted() {
        let (found, stopped) = deltas("", &["\n\n"], &[b"a\n", b"\nb"]);
        assert_eq!((found.concat(), stopped), ("a".into(), true));
        let (found, stopped) = deltas("", &["\n\n"], &[b"a\n", b"b"]);
        assert_eq!((found.concat(), stopped), ("a\nb".into(), false));
    }

    proptest! {
        #[test]
        fn text_does_not_depend_on_token_boundaries(
            text in "\\PC{0,20}", cuts in prop::collection::vec(0usize..40, 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let tokens: Vec<&[u8]> = cuts.windows(2).map(|w| &text.as_bytes()[w[0]..w[1]]).collect();
            prop_assert_eq!(deltas("", &["stop"], &tokens).0.concat(), text.split("stop").next().unwrap_or_default());
        }

        #[test]
        fn invalid_bytes_are_replaced(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let tokens: Vec<&[u8]> = bytes.chunks(1).collect();
            let (found, _) = deltas("", &[], &tokens);
            prop_assert_eq!(found.concat().replace('\u{fffd}', "").len() <= bytes.len(), true);
        }
    }
}
