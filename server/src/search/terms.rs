//! Tokenizer of tantivy for code: identifiers and their parts.

use foretype_plugins::chunks::{SearchWord, words};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// Name under which the tokenizer is registered.
pub(super) const TOKENIZER_NAME: &str = "code";

/// Tokenizer that splits a text into identifiers and their parts.
#[derive(Debug, Clone, Default)]
pub(super) struct CodeTokenizer;

/// Tokens of one text.
pub(super) struct CodeTokenStream<'a> {
    words: Box<dyn Iterator<Item = SearchWord> + 'a>,
    token: Token,
}

impl Tokenizer for CodeTokenizer {
    type TokenStream<'a> = CodeTokenStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> CodeTokenStream<'a> {
        CodeTokenStream { words: Box::new(words(text)), token: Token::default() }
    }
}

impl TokenStream for CodeTokenStream<'_> {
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
