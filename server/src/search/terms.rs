//! Code as words, for tantivy.

use foretype_plugins::chunks::{Word, words};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// The name under which fields know it.
pub(super) const NAME: &str = "code";

/// Splits a text into identifiers and their parts.
#[derive(Debug, Clone, Default)]
pub(super) struct Code;

/// The words of one text.
pub(super) struct Words<'a> {
    words: Box<dyn Iterator<Item = Word> + 'a>,
    token: Token,
}

impl Tokenizer for Code {
    type TokenStream<'a> = Words<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Words<'a> {
        Words { words: Box::new(words(text)), token: Token::default() }
    }
}

impl TokenStream for Words<'_> {
    fn advance(&mut self) -> bool {
        let Some(word) = self.words.next() else { return false };
        self.token.position = self.token.position.wrapping_add(1);
        (self.token.offset_from, self.token.offset_to) = (word.range.start, word.range.end);
        self.token.text = word.text;
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}
