//! Handlers of `foretype/conversations` and `foretype/conversation`: an editor lists, opens and deletes the saved
//! conversations of a workspace.

use anyhow::{Context, Result};
use foretype_plugins::strategies::ask::cited;
use tower_lsp::lsp_types::Url;

use super::conversation::{Conversation, ConversationStore, Turn};
use super::session::excerpt_locations;
use crate::lsp::Session;
use crate::lsp::ext::{SavedConversation, SavedTurn};

/// Lists the conversations of a folder, the newest first, without their turns. Damaged ones are left out.
///
/// # Errors
/// If no folder is open, or the files cannot be read.
pub fn list(session: &Session, folder: Option<&Url>) -> Result<Vec<SavedConversation>> {
    let (store, _) = store_of(session, folder)?;
    let readable = store.list()?.into_iter().rev().flatten();
    Ok(readable.map(|conversation| summary(&conversation)).collect())
}

/// Opens a conversation with its turns.
///
/// # Errors
/// If there is none with that number, or it is damaged.
pub fn open(session: &Session, folder: Option<&Url>, id: u64) -> Result<SavedConversation> {
    let (store, root) = store_of(session, folder)?;
    let conversation = store.load(id)?;
    let turn = |turn: &Turn| SavedTurn {
        question: turn.question.clone(),
        text: turn.answer.clone(),
        places: excerpt_locations(&turn.excerpts, Some(&root)),
        citations: cited(&turn.answer, &turn.excerpts),
    };
    Ok(SavedConversation { turns: conversation.turns.iter().map(turn).collect(), ..summary(&conversation) })
}

/// Deletes a conversation.
///
/// # Errors
/// If there is none with that number.
pub fn delete(session: &Session, folder: Option<&Url>, id: u64) -> Result<()> {
    store_of(session, folder)?.0.delete(id)
}

fn summary(conversation: &Conversation) -> SavedConversation {
    SavedConversation {
        conversation: conversation.id.unwrap_or_default(),
        title: conversation.title().to_owned(),
        began: conversation.started_at,
        questions: conversation.turns.len(),
        turns: Vec::new(),
    }
}

fn store_of(session: &Session, folder: Option<&Url>) -> Result<(ConversationStore, std::path::PathBuf)> {
    let workspace = session.workspace_or_first(folder);
    let root = workspace.context("there is no workspace to keep conversations for: open a folder")?.root.clone();
    Ok((ConversationStore::open(&root)?, root))
}
