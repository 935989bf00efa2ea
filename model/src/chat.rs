//! Formats a conversation for a model, with the Jinja chat template of its file or, without one, under plain headings.
//!
//! The name of a special token becomes that token only where the template writes it. Messages pass through the template
//! with a mark, a Unicode noncharacter, after each character with which such a name could begin, so that no name is
//! recognised in them. The marks are removed afterwards.

mod error;
mod template;

use std::borrow::Cow;

use foretype_plugins::chat::{Message, Role};
use foretype_plugins::{Content, Part, PartSource, Prompt};

pub use error::ChatError;

use crate::Model;
use crate::engine::PromptEncoder;
use crate::tokenizer::Tokenizer;

/// The prompt of a conversation, which the model continues with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatPrompt {
    /// The formatted conversation, up to where the answer begins.
    pub prompt: Prompt,
    /// Texts that end an answer, in addition to the model's end tokens.
    pub stop_texts: Vec<String>,
}

impl Model {
    /// Formats a conversation for this model, up to where its answer begins. A system message must come first; if the
    /// template does not support one, it is merged into the first question.
    ///
    /// # Errors
    /// Fails if the chat template is broken or rejects the conversation.
    pub fn chat_prompt(&self, messages: &[Message]) -> Result<ChatPrompt, ChatError> {
        let Some(template) = &self.chat_template else { return Ok(plain_chat_prompt(messages)) };
        let parts = render_conversation(template, &self.tokenizer, messages)?;
        Ok(ChatPrompt { prompt: Prompt { parts, ..Prompt::default() }, stop_texts: Vec::new() })
    }

    /// Number of tokens of a prompt.
    ///
    /// # Errors
    /// Fails if the vocabulary lacks a special token of the prompt.
    pub fn count_tokens(&self, prompt: &Prompt) -> Result<usize, ChatError> {
        let read = PromptEncoder::default().encode_parts(prompt, &self.tokenizer);
        read.map(|(ids, _)| ids.len()).map_err(ChatError::MissingToken)
    }
}

/// Formats a conversation with a chat template, up to where the next answer begins.
pub(crate) fn render_conversation(
    template: &str,
    tokenizer: &Tokenizer,
    messages: &[Message],
) -> Result<Vec<Part>, ChatError> {
    let names = TemplateTokens::from_tokenizer(tokenizer);
    names.render(template, messages).or_else(|error| match merge_system_message(messages) {
        Some(merged) => names.render(template, &merged).map_err(|_| error),
        None => Err(error),
    })
}

/// The special tokens of a vocabulary that a template can refer to.
struct TemplateTokens<'a> {
    /// All names, the longest first.
    names: Vec<&'a str>,
    /// The start token, which the engine puts before every text.
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

    /// Renders the template and splits its output into text and special tokens.
    fn render(&self, template: &str, messages: &[Message]) -> Result<Vec<Part>, ChatError> {
        let mark = unused_noncharacter(messages).ok_or(ChatError::NoUnusedMark)?;
        let marked: Vec<Message> =
            messages.iter().map(|it| Message::new(it.role, self.insert_marks(&it.content, mark))).collect();
        let written = template::render(template, &marked, self.start, self.end)?;
        let mut parts = self.split_at_special_tokens(&written, mark);
        // The engine adds the start token itself.
        if let (Some(start), Some(Content::Special(first))) = (self.start, parts.first().map(|part| &part.content))
            && first == start
        {
            parts.remove(0);
        }
        Ok(parts)
    }

    /// Inserts a mark after every character with which a name begins, and after the first character that is not white
    /// space. Then no name can occur in the text, nor begin before it and end inside. White space at the ends stays as
    /// it is, for templates that trim.
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

    /// Splits the output of a template at the names of special tokens, and removes the marks.
    fn split_at_special_tokens(&self, written: &str, mark: char) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut text = 0;
        let mut at = 0;
        let push_text = |parts: &mut Vec<Part>, text: &str| {
            let text = text.replace(mark, "");
            if !text.is_empty() {
                parts.push(Part::text(text, PartSource::Conversation));
            }
        };
        while let Some(c) = written[at..].chars().next() {
            match self.names.iter().find(|name| written[at..].starts_with(**name)) {
                Some(name) => {
                    push_text(&mut parts, &written[text..at]);
                    parts.push(Part::special(Cow::Owned((*name).to_owned())));
                    at += name.len();
                    text = at;
                }
                None => at += c.len_utf8(),
            }
        }
        push_text(&mut parts, &written[text..]);
        parts
    }
}

/// A noncharacter that no message contains.
fn unused_noncharacter(messages: &[Message]) -> Option<char> {
    ('\u{fdd0}'..='\u{fdef}').find(|mark| messages.iter().all(|it| !it.content.contains(*mark)))
}

/// Merges the system message into the first question, if the conversation begins with both.
fn merge_system_message(messages: &[Message]) -> Option<Vec<Message>> {
    let [system, question, rest @ ..] = messages else { return None };
    if system.role != Role::System || question.role != Role::User {
        return None;
    }
    let both = Message::new(Role::User, format!("{}\n\n{}", system.content, question.content));
    Some(std::iter::once(both).chain(rest.iter().cloned()).collect())
}

/// Formats a conversation for a model without a chat template.
fn plain_chat_prompt(messages: &[Message]) -> ChatPrompt {
    const QUESTION: &str = "### Question\n";
    const ANSWER: &str = "### Answer\n";
    let head = |role| match role {
        Role::System => "",
        Role::User => QUESTION,
        Role::Assistant => ANSWER,
    };
    let turns = messages.iter().map(|it| format!("{}{}\n\n", head(it.role), it.content));
    let text = turns.chain([ANSWER.to_owned()]).collect::<String>();
    let prompt = Prompt { parts: vec![Part::text(text, PartSource::Conversation)], ..Prompt::default() };
    ChatPrompt { prompt, stop_texts: vec![format!("\n{}", QUESTION.trim_end())] }
}

#[cfg(test)]
mod tests;
