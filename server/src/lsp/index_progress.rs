//! Indexes the symbols and the text of open workspaces in the background, and shows the progress.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tower_lsp::lsp_types::{
    NumberOrString, ProgressToken, WorkDoneProgress, WorkDoneProgressBegin, WorkDoneProgressEnd, WorkDoneProgressReport,
};

use super::progress;
use super::server::LspServer;
use crate::search::{IndexProgress, spawn_background};
use crate::workspace::Workspace;

/// Permit to build a search index. One workspace is indexed at a time, so that eight windows that open together need no
/// more memory and time than one.
static INDEXING_PERMIT: Semaphore = Semaphore::const_new(1);
/// Number of files from which the progress of search indexing is shown.
const MIN_FILES_FOR_PROGRESS: usize = 50;

/// Indexes the open folders, each once.
pub(super) fn index_workspaces(server: &LspServer) {
    let folders = server.session.folders();
    for workspace in folders.iter().filter(|workspace| workspace.search.claim_first_update()) {
        tokio::spawn(index_for_search(server.clone(), workspace.clone()));
    }
    if !server.session.config().context.definitions {
        return;
    }
    for workspace in folders.into_iter().filter(|workspace| workspace.claim_indexing()) {
        tokio::spawn(scan_symbols(server.clone(), workspace));
    }
}

async fn scan_symbols(server: LspServer, workspace: Arc<Workspace>) {
    let token = ProgressToken::String(format!("foretype-scan-{}", workspace.root.display()));
    let is_shown = progress::create(&server, &token).await;
    if is_shown {
        let title = format!("Foretype: reading {}", workspace.name().unwrap_or_default());
        let begin = WorkDoneProgressBegin { title, ..WorkDoneProgressBegin::default() };
        progress::send(&server, &token, WorkDoneProgress::Begin(begin)).await;
    }
    let ended = server.session.ended();
    let scan = tokio::task::spawn_blocking(move || workspace.index_all_symbols(|_| !*ended.borrow()));
    if scan.await.is_err() {
        tracing::error!("reading the workspace failed");
    }
    if is_shown {
        let end = WorkDoneProgress::End(WorkDoneProgressEnd { message: None });
        progress::send(&server, &token, end).await;
    }
}

async fn index_for_search(server: LspServer, workspace: Arc<Workspace>) {
    // The semaphore is never closed, so there is no error.
    let Ok(_permit) = INDEXING_PERMIT.acquire().await else { return };
    let (name, ended) = (workspace.name().unwrap_or_default(), server.session.ended());
    let (send, progress) = unbounded_channel();
    let work = move || {
        let indexed = workspace.refresh_search(&|progress| {
            // The receiver is gone once the client does not show progress.
            let _ = send.send(progress);
            !*ended.borrow()
        });
        if let Err(error) = indexed {
            tracing::warn!("the workspace is not indexed: {error:#}");
        }
    };
    match spawn_background(work) {
        Ok(_) => show_progress(&server, &name, progress).await,
        Err(error) => tracing::warn!("the workspace is not indexed: {error}"),
    }
}

/// Shows progress until the sender is dropped, which is the end of the work.
async fn show_progress(server: &LspServer, name: &str, mut updates: UnboundedReceiver<IndexProgress>) {
    let token = NumberOrString::String(format!("foretype-search-{name}"));
    let mut shown = None;
    while let Some(IndexProgress { done, total }) = updates.recv().await {
        let percentage = u32::try_from(done * 100 / total.max(1)).unwrap_or(100);
        if total < MIN_FILES_FOR_PROGRESS || shown == Some(percentage) {
            continue;
        }
        if shown.is_none() && !progress::create(server, &token).await {
            return;
        }
        let value = progress_value(name, done, total, percentage, shown.is_none());
        shown = Some(percentage);
        progress::send(server, &token, value).await;
    }
    if shown.is_some() {
        progress::send(server, &token, WorkDoneProgress::End(WorkDoneProgressEnd { message: None })).await;
    }
}

fn progress_value(name: &str, done: usize, total: usize, percentage: u32, is_first: bool) -> WorkDoneProgress {
    let message = Some(format!("{done} of {total} files"));
    let (percentage, cancellable) = (Some(percentage), Some(false));
    if is_first {
        let title = format!("Foretype: indexing {name} for questions");
        WorkDoneProgress::Begin(WorkDoneProgressBegin { title, message, percentage, cancellable })
    } else {
        WorkDoneProgress::Report(WorkDoneProgressReport { message, percentage, cancellable })
    }
}
