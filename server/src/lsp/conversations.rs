//! `foretype/conversations` and `foretype/conversation`: lists, opens and deletes the saved conversations of a
//! workspace.

use std::path::PathBuf;

use anyhow::Context;
use foretype_plugins::tasks::ask::find_citations;
use tower_lsp::jsonrpc::Result;
use tower_lsp::lsp_types::Url;

use super::ask::excerpt_locations;
use super::ext::{ConversationParams, SavedConversation, SavedTurn};
use super::server::{LspServer, run_blocking};
use crate::ask::conversation::{Conversation, ConversationStore, Turn};
use crate::session::Session;

/// Lists conversations, the newest first, without their turns. Damaged ones are left out.
pub(super) async fn list(server: &LspServer, params: ConversationParams) -> Result<Vec<SavedConversation>> {
    let session = server.session.clone();
    run_blocking(move || {
        let (store, _) = store(&session, params.workspace.as_ref())?;
        let readable = store.list()?.into_iter().rev().flatten();
        Ok(readable.map(|conversation| summary(&conversation)).collect())
    })
    .await
}

/// Opens a conversation with its turns, or deletes it and returns nothing.
pub(super) async fn open_or_delete(
    server: &LspServer,
    params: ConversationParams,
) -> Result<Option<SavedConversation>> {
    let session = server.session.clone();
    run_blocking(move || {
        let (store, root) = store(&session, params.workspace.as_ref())?;
        if params.delete {
            store.delete(params.conversation)?;
            return Ok(None);
        }
        let conversation = store.load(params.conversation)?;
        let turn = |turn: &Turn| SavedTurn {
            question: turn.question.clone(),
            text: turn.answer.clone(),
            places: excerpt_locations(&turn.excerpts, Some(&root)),
            citations: find_citations(&turn.answer, &turn.excerpts),
        };
        let turns = conversation.turns.iter().map(turn).collect();
        Ok(Some(SavedConversation { turns, ..summary(&conversation) }))
    })
    .await
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

/// Conversations of an open folder, and its root.
fn store(session: &Session, folder: Option<&Url>) -> anyhow::Result<(ConversationStore, PathBuf)> {
    let workspace = session.workspace_or_first(folder);
    let root = workspace.context("there is no workspace to keep conversations for: open a folder")?.root.clone();
    Ok((ConversationStore::open(&root)?, root))
}
