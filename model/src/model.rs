//! A model as a file holds it: decoder, tokenizer, chat template, name.

use std::path::PathBuf;

use crate::decoder::Decoder;
use crate::tokenizer::Tokenizer;

/// A loaded model. Immutable; shared by everything that runs it.
pub struct Model {
    /// The weights.
    pub decoder: Decoder,
    /// The vocabulary.
    pub tokenizer: Tokenizer,
    /// How a conversation is written, as a Jinja template.
    pub chat_template: Option<String>,
    /// What it calls itself, or else the name of its file.
    pub name: String,
    /// The file or directory that it came from.
    pub path: PathBuf,
    /// Size of its weights in the file.
    pub bytes: u64,
}
