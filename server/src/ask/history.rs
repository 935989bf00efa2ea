//! `foretype/conversations` and `foretype/conversation`: the conversations that are kept of a workspace, for an editor that
//! lists them, opens one again or deletes it.

use anyhow::{Context, Result};
use foretype_plugins::strategies::ask::cited;
use tower_lsp::lsp_types::Url;

use super::conversation::{Conversation, Kept, Turn};
use super::session::places;
use crate::lsp::Session;
use crate::lsp::ext::{KeptConversation, KeptTurn};

/// All conversations of the folder, the newest first, without their turns. Damaged ones are left out.
///
/// # Errors
/// If no folder is open, or the files cannot be read.
pub fn list(session: &Session, folder: Option<&Url>) -> Result<Vec<KeptConversation>> {
    let (kept, _) = kept(session, folder)?;
    let whole = kept.all()?.into_iter().rev().flatten();
    Ok(whole.map(|talk| head(&talk)).collect())
}

/// One conversation with its turns.
///
/// # Errors
/// If there is none of that number, or it is damaged.
pub fn open(session: &Session, folder: Option<&Url>, id: u64) -> Result<KeptConversation> {
    let (kept, root) = kept(session, folder)?;
    let talk = kept.read(id)?;
    let turn = |turn: &Turn| KeptTurn {
        question: turn.question.clone(),
        text: turn.answer.clone(),
        places: places(&turn.places, Some(&root)),
        citations: cited(&turn.answer, &turn.places),
    };
    Ok(KeptConversation { turns: talk.turns.iter().map(turn).collect(), ..head(&talk) })
}

/// Deletes one.
///
/// # Errors
/// If there is none of that number.
pub fn delete(session: &Session, folder: Option<&Url>, id: u64) -> Result<()> {
    kept(session, folder)?.0.delete(id)
}

fn head(talk: &Conversation) -> KeptConversation {
    KeptConversation {
        conversation: talk.id.unwrap_or_default(),
        title: talk.title().to_owned(),
        began: talk.began,
        questions: talk.turns.len(),
        turns: Vec::new(),
    }
}

fn kept(session: &Session, folder: Option<&Url>) -> Result<(Kept, std::path::PathBuf)> {
    let workspace = session.workspace_or_first(folder);
    let root = workspace.context("conversations belong to a workspace: open a folder")?.root.clone();
    Ok((Kept::of(&root)?, root))
}
