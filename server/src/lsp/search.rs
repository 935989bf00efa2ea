//! The search index of workspaces that are open in an editor: brought up to date in the background, where the editor shows how far
//! it is, and after each file that is saved or changes on disk.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tower_lsp::lsp_types::{
    NumberOrString, ProgressParams, ProgressParamsValue, WorkDoneProgress, WorkDoneProgressBegin,
    WorkDoneProgressCreateParams, WorkDoneProgressEnd, WorkDoneProgressReport, notification::Progress as Notification,
    request::WorkDoneProgressCreate,
};

use super::Session;
use super::server::{Server, in_time};
use crate::search::{Progress, background};
use crate::workspace::Workspace;

/// One workspace is indexed at a time: eight windows that open together need no more memory and time than one.
static TURN: Semaphore = Semaphore::const_new(1);
/// Fewer files take no time that is worth showing.
const MANY: usize = 50;

/// Files changed on disk. Blocks.
pub(super) fn touched(session: &Session, paths: &[PathBuf]) {
    for folder in session.folders() {
        if let Err(error) = folder.touched_search(paths) {
            tracing::warn!("the search index is not brought up to date: {error:#}");
        }
    }
}

impl Server {
    /// Indexes workspaces in the background, each once.
    pub(super) fn index_for_search(&self, workspaces: &[Arc<Workspace>]) {
        for workspace in workspaces.iter().filter(|workspace| workspace.search.claim()) {
            let (server, workspace) = (self.clone(), workspace.clone());
            tokio::spawn(async move { server.index(workspace).await });
        }
    }

    async fn index(&self, workspace: Arc<Workspace>) {
        // It is never closed.
        let Ok(_turn) = TURN.acquire().await else { return };
        let (name, ended) = (workspace.name().unwrap_or_default(), self.session.ended());
        let (send, told) = unbounded_channel();
        let work = move || {
            let indexed = workspace.refresh_search(&|progress| {
                // Nobody hears any more once the client is gone.
                let _ = send.send(progress);
                !*ended.borrow()
            });
            if let Err(error) = indexed {
                tracing::warn!("the workspace is not indexed: {error:#}");
            }
        };
        match background(work) {
            Ok(_) => self.show_indexing(&name, told).await,
            Err(error) => tracing::warn!("the workspace is not indexed: {error}"),
        }
    }

    /// Shows how far it is, until nothing more is said: until the work is over.
    async fn show_indexing(&self, name: &str, mut told: UnboundedReceiver<Progress>) {
        let token = NumberOrString::String(format!("foretype-search-{name}"));
        let mut shown = None;
        while let Some(Progress { done, of }) = told.recv().await {
            let percent = u32::try_from(done * 100 / of.max(1)).unwrap_or(100);
            if of < MANY || shown == Some(percent) {
                continue;
            }
            let title = format!("Foretype: indexing {name} for questions");
            let message = Some(format!("{done} of {of} files"));
            let value = match shown {
                None if !self.creates(&token).await => return,
                None => WorkDoneProgress::Begin(WorkDoneProgressBegin {
                    title,
                    message,
                    percentage: Some(percent),
                    cancellable: Some(false),
                }),
                Some(_) => WorkDoneProgress::Report(WorkDoneProgressReport {
                    message,
                    percentage: Some(percent),
                    cancellable: Some(false),
                }),
            };
            shown = Some(percent);
            self.progress(&token, value).await;
        }
        if shown.is_some() {
            self.progress(&token, WorkDoneProgress::End(WorkDoneProgressEnd { message: None })).await;
        }
    }

    /// Whether the client shows progress under a token.
    pub(super) async fn creates(&self, token: &NumberOrString) -> bool {
        let (client, create) = (self.client.clone(), WorkDoneProgressCreateParams { token: token.clone() });
        let created = async move { client.send_request::<WorkDoneProgressCreate>(create).await };
        self.session.client_facts().is_some_and(|facts| facts.progress)
            && matches!(in_time(created).await, Some(Ok(())))
    }

    async fn progress(&self, token: &NumberOrString, value: WorkDoneProgress) {
        let params = ProgressParams { token: token.clone(), value: ProgressParamsValue::WorkDone(value) };
        self.client.send_notification::<Notification>(params).await;
    }
}
