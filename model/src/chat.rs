//! A conversation as the model was trained to read one: by the Jinja template of its file, or plainly where it has none.
//!
//! A name of a special token becomes the token only where the template writes it. What people and models said passes through
//! the template with a mark inside it wherever such a name could begin, so that none is recognised there; the marks are then
//! taken out again.

mod template;

use std::borrow::Cow;

use foretype_plugins::chat::{Message, Role};
use foretype_plugins::{Content, Part, Prompt, PartSource};

use crate::Model;
use crate::engine::PromptEncoder;
use crate::tokenizer::Tokenizer;

/// Why a conversation could not be written for a model.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ChatError {
    /// The template of the file does not work.
    #[error("the chat template of this model cannot be used ({0}): use another model")]
    Template(String),
    /// Every noncharacter of Unicode that could serve as a mark stands in the conversation.
    #[error("the conversation holds all noncharacters of Unicode: take some out")]
    NoUnusedMark,
    /// The template asks for a token that the vocabulary does not have.
    #[error("the model cannot read this conversation: {0}")]
    MissingToken(String),
}

/// A conversation that the model is to go on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatPrompt {
    /// What the model reads; it ends where the answer begins.
    pub prompt: Prompt,
    /// Texts that end an answer, beside the model's own end tokens.
    pub stop_texts: Vec<String>,
}

impl Model {
    /// The conversation as this model wants it written, up to where its answer begins. A system message stands first; where
    /// the template knows none it goes into the first question.
    ///
    /// # Errors
    /// If the template of the file is broken or refuses the conversation.
    pub fn chat_prompt(&self, messages: &[Message]) -> Result<ChatPrompt, ChatError> {
        let Some(template) = &self.chat_template else { return Ok(plain_chat_prompt(messages)) };
        let parts = render_conversation(template, &self.tokenizer, messages)?;
        Ok(ChatPrompt { prompt: Prompt { parts, ..Prompt::default() }, stop_texts: Vec::new() })
    }

    /// How many tokens a prompt has for this model.
    ///
    /// # Errors
    /// If the vocabulary lacks a special token of the prompt.
    pub fn count_tokens(&self, prompt: &Prompt) -> Result<usize, ChatError> {
        let read = PromptEncoder::default().encode_parts(prompt, &self.tokenizer);
        read.map(|(ids, _)| ids.len()).map_err(ChatError::MissingToken)
    }
}

/// The conversation by a template, up to where the next answer begins.
pub(crate) fn render_conversation(template: &str, tokenizer: &Tokenizer, messages: &[Message]) -> Result<Vec<Part>, ChatError> {
    let names = TemplateTokens::from_tokenizer(tokenizer);
    names.render(template, messages).or_else(|error| match merge_system_message(messages) {
        Some(merged) => names.render(template, &merged).map_err(|_| error),
        None => Err(error),
    })
}

/// The special tokens of a vocabulary, as a template sees them.
struct TemplateTokens<'a> {
    /// The longest first.
    names: Vec<&'a str>,
    /// What the engine puts before every text.
    start: Option<&'a str>,
    end: Option<&'a str>,
}

impl<'a> TemplateTokens<'a> {
    fn from_tokenizer(tokenizer: &'a Tokenizer) -> Self {
        let name = |id: u32| tokenizer.special_tokens().find(|(_, other)| *other == id).map(|(name, _)| name);
        let start = tokenizer.start_token().and_then(name);
        let end = tokenizer.end_tokens().first().copied().and_then(name);
        Self::new(tokenizer.special_tokens().map(|(name, _)| name).collect(), start, end)
    }

    fn new(mut all: Vec<&'a str>, start: Option<&'a str>, end: Option<&'a str>) -> Self {
        all.retain(|name| !name.is_empty());
        all.sort_by_key(|name| std::cmp::Reverse(name.len()));
        Self { names: all, start, end }
    }

    /// The conversation by a template.
    fn render(&self, template: &str, messages: &[Message]) -> Result<Vec<Part>, ChatError> {
        let mark = unused_noncharacter(messages).ok_or(ChatError::NoUnusedMark)?;
        let marked: Vec<Message> =
            messages.iter().map(|it| Message::new(it.role, self.insert_marks(&it.content, mark))).collect();
        let written = template::render(template, &marked, self.start, self.end)?;
        let mut parts = self.split_at_special_tokens(&written, mark);
        // The engine writes it itself.
        if let (Some(start), Some(Content::Special(first))) = (self.start, parts.first().map(|part| &part.content))
            && first == start
        {
            parts.remove(0);
        }
        Ok(parts)
    }

    /// `text` with a mark after every character that a name begins with, and after the first one that is not white space:
    /// so no name can lie in it, nor begin before it and end in it. Its ends stay as they are, for templates that trim.
    fn insert_marks(&self, text: &str, mark: char) -> String {
        let first = text.find(|c: char| !c.is_whitespace());
        let begins = |c: char| self.names.iter().any(|name| name.starts_with(c));
        let mut marked = String::with_capacity(text.len() + 16);
        for (at, c) in text.char_indices() {
            marked.push(c);
            if Some(at) == first || begins(c) {
                marked.push(mark);
            }
        }
        marked
    }

    /// Cuts what a template wrote at the names of special tokens.
    fn split_at_special_tokens(&self, written: &str, mark: char) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut text = 0;
        let mut at = 0;
        let say = |parts: &mut Vec<Part>, text: &str| {
            let text = text.replace(mark, "");
            if !text.is_empty() {
                parts.push(Part::text(text, PartSource::Conversation));
            }
        };
        while let Some(c) = written[at..].chars().next() {
            match self.names.iter().find(|name| written[at..].starts_with(**name)) {
                Some(name) => {
                    say(&mut parts, &written[text..at]);
                    parts.push(Part::special(Cow::Owned((*name).to_owned())));
                    at += name.len();
                    text = at;
                }
                None => at += c.len_utf8(),
            }
        }
        say(&mut parts, &written[text..]);
        parts
    }
}

/// A character that means nothing and that nobody said.
fn unused_noncharacter(messages: &[Message]) -> Option<char> {
    ('\u{fdd0}'..='\u{fdef}').find(|mark| messages.iter().all(|it| !it.content.contains(*mark)))
}

/// The conversation with the system message in the first question, if it has both.
fn merge_system_message(messages: &[Message]) -> Option<Vec<Message>> {
    let [system, question, rest @ ..] = messages else { return None };
    let fits = system.role == Role::System && question.role == Role::User;
    let both = || Message::new(Role::User, format!("{}\n\n{}", system.content, question.content));
    fits.then(|| std::iter::once(both()).chain(rest.iter().cloned()).collect())
}

/// The conversation for a model that was not trained to hold any.
fn plain_chat_prompt(messages: &[Message]) -> ChatPrompt {
    const QUESTION: &str = "### Question\n";
    const ANSWER: &str = "### Answer\n";
    let head = |role| match role {
        Role::System => "",
        Role::User => QUESTION,
        Role::Assistant => ANSWER,
    };
    let said = messages.iter().map(|it| format!("{}{}\n\n", head(it.role), it.content));
    let text = said.chain([ANSWER.to_owned()]).collect::<String>();
    let prompt = Prompt { parts: vec![Part::text(text, PartSource::Conversation)], ..Prompt::default() };
    ChatPrompt { prompt, stop_texts: vec![format!("\n{}", QUESTION.trim_end())] }
}

#[cfg(test)]
mod tests;
