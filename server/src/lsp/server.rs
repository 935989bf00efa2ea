//! The protocol's methods, but for edits.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tower_lsp::jsonrpc::{Error, Result};
use tower_lsp::lsp_types::{
    CodeActionParams, CodeActionResponse, ConfigurationItem, DidChangeConfigurationParams, DidChangeWatchedFilesParams,
    DidChangeWorkspaceFoldersParams, DidSaveTextDocumentParams, ExecuteCommandParams, InitializeParams,
    InitializeResult, InitializedParams, MessageType, ProgressParams, ProgressParamsValue, ProgressToken,
    WorkDoneProgress, WorkDoneProgressBegin, WorkDoneProgressEnd, notification::Progress,
};
use tower_lsp::{Client, LanguageServer, async_trait};

use super::ext::{
    self, DidChangeStatus, FocusParams, InlineCompletionList, InlineCompletionParams, ItemParams, KeptConversation,
    KeptParams, Status, StatusParams,
};
use super::rewrite::{self, What};
use super::{Session, capabilities, docstring, search};
use crate::backend::State;
use crate::workspace::Workspace;
use crate::{ask, inline, lsp::serve};

/// A client does not have to answer; nothing waits longer than this for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The handlers of one client.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) session: Arc<Session>,
    pub(super) client: Client,
}

#[async_trait]
impl LanguageServer for Server {
    async fn initialize(&self, params: InitializeParams) -> Result<InitializeResult> {
        let dynamic = self.session.registers_inline_completion.load(std::sync::atomic::Ordering::Relaxed);
        let facts = capabilities::Client::read(&params.capabilities, dynamic);
        if let Some(options) = &params.initialization_options {
            self.session.first_settings(options);
        }
        self.session.set_folders(roots(&params));
        let complaints = self.session.reload_config();
        // A client that is yet to be asked for its settings may name another model.
        if params.initialization_options.is_some() || !facts.configuration {
            self.session.take_slot();
        }
        if let Some(pid) = params.process_id {
            serve::end_with(self.session.clone(), pid);
        }
        let result = capabilities::server(&facts);
        self.session.initialized_by(facts);
        self.complain(complaints);
        Ok(result)
    }

    async fn initialized(&self, _: InitializedParams) {
        let server = self.clone();
        // The client may answer only after this handler has returned.
        tokio::spawn(async move { server.start().await });
    }

    async fn shutdown(&self) -> Result<()> {
        let session = self.session.clone();
        let saved = tokio::task::spawn_blocking(move || session.shared.stats.save()).await;
        if let Ok(Err(error)) = saved {
            tracing::warn!("statistics are not saved: {error:#}");
        }
        Ok(())
    }

    async fn did_change_configuration(&self, params: DidChangeConfigurationParams) {
        let turn = self.session.settings_turn();
        if !self.session.client_facts().is_some_and(|facts| facts.configuration) {
            self.session.settings(turn, &params.settings);
            return self.reconfigure();
        }
        let server = self.clone();
        tokio::spawn(async move {
            if !server.pull_settings(turn).await {
                server.session.settings(turn, &params.settings);
            }
            server.reconfigure();
        });
    }

    async fn did_change_workspace_folders(&self, params: DidChangeWorkspaceFoldersParams) {
        let removed: Vec<_> = params.event.removed.iter().filter_map(|f| f.uri.to_file_path().ok()).collect();
        let added = params.event.added.iter().filter_map(|folder| folder.uri.to_file_path().ok());
        let kept = self.session.folders().into_iter().map(|folder| folder.root.clone());
        let mut roots: Vec<_> = kept.filter(|root| !removed.contains(root)).collect();
        roots.extend(added);
        roots.dedup();
        self.session.set_folders(roots);
        self.scan(self.session.folders());
    }

    async fn did_change_watched_files(&self, params: DidChangeWatchedFilesParams) {
        self.session.forget_excluded();
        let paths: Vec<_> = params.changes.into_iter().filter_map(|change| change.uri.to_file_path().ok()).collect();
        self.touched(paths);
    }

    async fn did_save(&self, params: DidSaveTextDocumentParams) {
        let path = params.text_document.uri.to_file_path();
        if let Ok(path) = &path
            && path.extension().is_some_and(|ending| ending == "luau")
        {
            self.saved_plugin(path.clone());
        }
        self.touched(path.into_iter().collect());
    }

    async fn code_action(&self, params: CodeActionParams) -> Result<Option<CodeActionResponse>> {
        Ok(docstring::offer(self.session.clone(), params).await)
    }

    async fn execute_command(&self, params: ExecuteCommandParams) -> Result<Option<Value>> {
        if params.command == ext::DOCSTRING {
            return self.write_docstring(&params.arguments).await;
        }
        if params.command != ext::ACCEPTED {
            return Err(Error::invalid_params(format!("there is no command {}", params.command)));
        }
        if let Some(number) = params.arguments.first().and_then(Value::as_u64) {
            self.session.shared.stats.accepted(number);
        }
        Ok(None)
    }
}

/// What the client answers, if it does in time. Its answer is awaited even afterwards, because tower-lsp ends the session over one that nobody
/// waits for any more.
pub(super) async fn in_time<T: Send + 'static>(asked: impl Future<Output = T> + Send + 'static) -> Option<T> {
    tokio::time::timeout(PATIENCE, tokio::spawn(asked)).await.ok()?.ok()
}

impl Server {
    /// Sends the docstring as one edit; whether the client applied it is for the client to say.
    async fn write_docstring(&self, arguments: &[Value]) -> Result<Option<Value>> {
        let edit = docstring::edit(self.session.clone(), arguments).await?;
        let client = self.client.clone();
        // Asked apart, so that the answer is awaited even if this request is cancelled: see `in_time`.
        let answer = tokio::spawn(async move { client.apply_edit(edit).await }).await;
        let answer = answer.map_err(|_| Error::internal_error())??;
        Ok(Some(json!({ "applied": answer.applied, "reason": answer.failure_reason })))
    }

    /// Files changed on disk: their symbols are read again.
    fn touched(&self, paths: Vec<PathBuf>) {
        let session = self.session.clone();
        tokio::task::spawn_blocking(move || {
            for (folder, path) in session.folders().iter().flat_map(|f| paths.iter().map(move |path| (f, path))) {
                folder.touched(path);
            }
            search::touched(&session, &paths);
        });
    }

    pub(super) async fn inline_completion(&self, params: InlineCompletionParams) -> Result<InlineCompletionList> {
        let document = params.text_document.clone();
        let (list, later) = inline::complete(&self.session, params).await;
        if let Some(later) = later {
            let client = self.client.clone();
            tokio::spawn(async move {
                if later.comes().await {
                    client.send_notification::<ext::More>(ext::DocumentParams { text_document: document }).await;
                }
            });
        }
        Ok(list)
    }

    pub(super) async fn did_focus(&self, params: FocusParams) {
        // Notifications are handled side by side; this one may take seconds.
        tokio::spawn(inline::read_ahead(self.session.clone(), params));
    }

    pub(super) async fn did_show(&self, _: ItemParams) {}

    pub(super) async fn did_partially_accept(&self, params: ItemParams) {
        if let (Some(number), Some(length)) = (params.number(), params.accepted_length) {
            self.session.shared.stats.partially_accepted(number, length);
        }
    }

    pub(super) async fn ask(&self, params: ext::AskParams) -> Result<ext::AskResult> {
        ask::session::answer(&self.session, &self.client, params).await.map_err(failed)
    }

    pub(super) async fn conversations(&self, params: KeptParams) -> Result<Vec<KeptConversation>> {
        let session = self.session.clone();
        reading(move || ask::history::list(&session, params.workspace.as_ref())).await
    }

    /// One of them; nothing, if it was to be deleted.
    pub(super) async fn conversation(&self, params: KeptParams) -> Result<Option<KeptConversation>> {
        let session = self.session.clone();
        reading(move || {
            let folder = params.workspace.as_ref();
            if params.delete {
                return ask::history::delete(&session, folder, params.conversation).map(|()| None);
            }
            ask::history::open(&session, folder, params.conversation).map(Some)
        })
        .await
    }

    pub(super) async fn translate(&self, params: ext::RewriteParams) -> Result<ext::RewriteResult> {
        self.rewrite(What::Translate, params).await
    }

    pub(super) async fn edit(&self, params: ext::RewriteParams) -> Result<ext::RewriteResult> {
        self.rewrite(What::Edit, params).await
    }

    pub(super) async fn generate(&self, params: ext::RewriteParams) -> Result<ext::RewriteResult> {
        self.rewrite(What::Generate, params).await
    }

    pub(super) async fn docstring(&self, params: ext::DocstringParams) -> Result<ext::RewriteResult> {
        docstring::preview::answer(&self.session, &self.client, params).await.map_err(failed)
    }

    async fn rewrite(&self, what: What, params: ext::RewriteParams) -> Result<ext::RewriteResult> {
        rewrite::answer(&self.session, &self.client, what, params).await.map_err(failed)
    }

    pub(super) async fn status(&self, params: StatusParams) -> Result<Value> {
        let state = self.session.slot().map(|slot| slot.watch().borrow().clone());
        let status = status_of(state.as_ref());
        let mut report = json!({
            "busy": status.busy,
            "kind": status.kind,
            "message": status.message,
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "config": *self.session.config(),
            "statistics": self.session.shared.stats.counts(),
        });
        if let Some(State::Ready(engine)) = &state {
            report["model"] = json!({ "name": engine.model().name, "path": engine.model().path });
            report["engine"] = json!(engine.status());
        }
        if let Some(document) = params.text_document {
            let snapshot = self.session.documents.snapshot(document.uri.as_str());
            let why = snapshot.map_or(Some("the document is not open".to_owned()), |s| self.session.refusal(&s));
            report["document"] = json!({ "enabled": why.is_none(), "reason": why });
        }
        Ok(report)
    }

    /// What follows `initialized`.
    async fn start(&self) {
        let Some(facts) = self.session.client_facts() else { return };
        let knows_its_model = self.session.slot().is_some();
        if knows_its_model {
            tokio::spawn(self.clone().report_status());
        }
        if self.pull_settings(self.session.settings_turn()).await {
            self.reconfigure();
        }
        if !knows_its_model {
            self.session.take_slot();
            tokio::spawn(self.clone().report_status());
        }
        tokio::spawn(self.clone().report_plugins());
        let registrations = facts.registrations();
        if !registrations.is_empty() {
            let client = self.client.clone();
            let registered = in_time(async move { client.register_capability(registrations).await }).await;
            if let Some(Err(error)) = registered {
                tracing::warn!("the client refused a registration: {error}");
            }
        }
        self.scan(self.session.folders());
    }

    /// Asks for the settings; false if the client does not give them, or not in time. Those that come later count from then on.
    async fn pull_settings(&self, turn: u64) -> bool {
        if !self.session.client_facts().is_some_and(|facts| facts.configuration) {
            return false;
        }
        let item = ConfigurationItem { scope_uri: None, section: Some("foretype".to_owned()) };
        let (server, asked) = (self.clone(), Instant::now());
        let answer = async move {
            let Ok(values) = server.client.configuration(vec![item]).await else { return false };
            server.session.settings(turn, values.first().unwrap_or(&Value::Null));
            if asked.elapsed() >= PATIENCE {
                server.reconfigure();
            }
            true
        };
        in_time(answer).await.unwrap_or(false)
    }

    fn reconfigure(&self) {
        let complaints = self.session.reload_config();
        self.complain(complaints);
        self.session.take_slot();
        let roots = self.session.folders().iter().map(|folder| folder.root.clone()).collect();
        self.session.set_folders(roots);
        self.scan(self.session.folders());
        // What holds for a document may be different now: the client is told again how things are, so that it asks.
        self.session.slot_changed.notify_one();
    }

    fn complain(&self, complaints: Vec<String>) {
        if complaints.is_empty() {
            return;
        }
        let client = self.client.clone();
        tokio::spawn(async move {
            for complaint in complaints {
                client.log_message(MessageType::WARNING, &complaint).await;
                client.show_message(MessageType::WARNING, format!("Foretype: {complaint}")).await;
            }
        });
    }

    /// Reads the files of workspaces in the background.
    fn scan(&self, workspaces: Vec<Arc<Workspace>>) {
        self.index_for_search(&workspaces);
        if !self.session.config().context.definitions {
            return;
        }
        for workspace in workspaces.into_iter().filter(|workspace| workspace.claim_scan()) {
            let server = self.clone();
            tokio::spawn(async move { server.scan_one(workspace).await });
        }
    }

    async fn scan_one(&self, workspace: Arc<Workspace>) {
        let token = ProgressToken::String(format!("foretype-scan-{}", workspace.root.display()));
        let shows = self.creates(&token).await;
        let say = async |value: WorkDoneProgress| {
            if shows {
                let params = ProgressParams { token: token.clone(), value: ProgressParamsValue::WorkDone(value) };
                self.client.send_notification::<Progress>(params).await;
            }
        };
        let title = format!("Foretype: reading {}", workspace.name().unwrap_or_default());
        say(WorkDoneProgress::Begin(WorkDoneProgressBegin { title, ..WorkDoneProgressBegin::default() })).await;
        let ended = self.session.ended();
        let scan = tokio::task::spawn_blocking(move || workspace.scan(|_| !*ended.borrow()));
        if scan.await.is_err() {
            tracing::error!("reading the workspace failed");
        }
        say(WorkDoneProgress::End(WorkDoneProgressEnd { message: None })).await;
    }

    /// Tells the client how the model is, and once for each fault what to do about it.
    async fn report_status(self) {
        let mut told = String::new();
        let mut ended = self.session.ended();
        loop {
            let Some(slot) = self.session.slot() else { return };
            let mut states = slot.watch();
            drop(slot);
            loop {
                let state = states.borrow_and_update().clone();
                self.client.send_notification::<DidChangeStatus>(status_of(Some(&state))).await;
                if let State::Failed(why, _) = &state
                    && *why != told
                {
                    self.client.show_message(MessageType::ERROR, format!("Foretype: {why}")).await;
                    told.clone_from(why);
                }
                drop(state);
                tokio::select! {
                    changed = states.changed() => if changed.is_err() { break },
                    () = self.session.slot_changed.notified() => break,
                    () = serve::until(&mut ended) => return,
                }
            }
        }
    }
}

/// Reads or deletes files, away from the threads that answer.
pub(super) async fn reading<T: Send + 'static>(work: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(anyhow::Error::from).and_then(|result| result).map_err(failed)
}

/// What the sender of a request is told of a failure, with its causes.
fn failed(error: anyhow::Error) -> Error {
    ext::failed(&format!("{error:#}"))
}

fn status_of(state: Option<&State>) -> Status {
    let status = |busy, kind: &str, message: String| Status { busy, kind: kind.to_owned(), message };
    match state {
        Some(State::Ready(engine)) => status(false, "Normal", engine.model().name.clone()),
        Some(State::Loading) => status(true, "Normal", "loading the model".to_owned()),
        Some(State::Failed(why, _)) => status(false, "Error", why.clone()),
        Some(State::Absent) | None => status(false, "Inactive", "the model is not loaded".to_owned()),
    }
}

#[expect(deprecated, reason = "clients without workspace folders still send a root")]
fn roots(params: &InitializeParams) -> Vec<PathBuf> {
    let folders = params.workspace_folders.iter().flatten().map(|folder| &folder.uri);
    let folders: Vec<_> = folders.filter_map(|uri| uri.to_file_path().ok()).collect();
    if !folders.is_empty() {
        return folders;
    }
    let root = params.root_uri.as_ref().and_then(|uri| uri.to_file_path().ok());
    root.or_else(|| params.root_path.as_ref().map(PathBuf::from)).into_iter().collect()
}
