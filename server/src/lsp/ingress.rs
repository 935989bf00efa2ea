//! Ingress: sees each message first and applies edits in wire order, before anything is awaited.
//!
//! tower-lsp runs handlers concurrently and in no order, so an edit applied by its handler could follow a later one.
//! Here `didOpen`, `didChange` and `didClose` are applied inside [`Service::call`], which is called once for each
//! message in wire order. Inline completion requests are numbered and get the snapshot that they were read with.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tower::Service;
use tower_lsp::jsonrpc::{Error, Id, Request, Response};
use tower_lsp::lsp_types::{DidChangeTextDocumentParams, DidCloseTextDocumentParams, DidOpenTextDocumentParams};

use super::{capabilities, ext, framing};
use crate::session::Session;

/// Service that wraps the language server's.
#[derive(Debug)]
pub(super) struct Ingress<S> {
    inner: S,
    session: Arc<Session>,
}

type AnswerFuture<E> = Pin<Box<dyn Future<Output = Result<Option<Response>, E>> + Send>>;

impl<S> Ingress<S> {
    /// Wraps `inner`.
    pub(super) fn new(inner: S, session: Arc<Session>) -> Self {
        Self { inner, session }
    }
}

impl<S> Service<Request> for Ingress<S>
where
    S: Service<Request, Response = Option<Response>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Option<Response>;
    type Error = S::Error;
    type Future = AnswerFuture<S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> AnswerFuture<S::Error> {
        let request = without_null_params(request);
        let session = &self.session;
        let id = request.id().cloned();
        match request.method() {
            method @ ("textDocument/didOpen" | "textDocument/didChange" | "textDocument/didClose") if id.is_none() => {
                if session.client_capabilities().is_some() {
                    let applied = catch_unwind(AssertUnwindSafe(|| apply_edit(session, method, request.params())));
                    if applied.is_err() {
                        tracing::error!("{method} panicked: the document may be out of sync");
                    }
                }
                return Box::pin(std::future::ready(Ok(None)));
            }
            framing::MALFORMED if id.is_none() => return Box::pin(std::future::ready(Ok(Some(malformed(&request))))),
            "initialize" => {
                let dynamic = capabilities::inline_completion_dynamic(request.params());
                session.registers_inline_completion.store(dynamic, Ordering::Relaxed);
                let answer = self.inner.call(request);
                return Box::pin(async move {
                    answer.await.map(|answer| answer.map(|answer| add_capabilities(answer, dynamic)))
                });
            }
            "shutdown" => session.shut_down.store(true, Ordering::Relaxed),
            "exit" => session.end(),
            _ => {}
        }
        let is_inline_completion = request.method() == ext::INLINE_COMPLETION_METHOD;
        let request = if is_inline_completion { stamp(session, request) } else { request };
        Box::pin(CatchPanic { inner: Box::pin(self.inner.call(request)), id })
    }
}

/// Applies an edit to the documents of a session.
fn apply_edit(session: &Arc<Session>, method: &str, params: Option<&Value>) {
    let applied = match method {
        "textDocument/didOpen" => parse(params).map(|params: DidOpenTextDocumentParams| {
            let document = params.text_document;
            session.open_document(document.uri.into(), &document.language_id, document.version, &document.text);
        }),
        "textDocument/didChange" => parse(params).map(|params: DidChangeTextDocumentParams| {
            let document = params.text_document;
            session.change_document(document.uri.as_str(), document.version, &params.content_changes);
        }),
        _ => parse(params)
            .map(|params: DidCloseTextDocumentParams| session.close_document(params.text_document.uri.as_str())),
    };
    if let Err(error) = applied {
        tracing::warn!("{method} has invalid parameters and is ignored: {error}");
    }
}

fn parse<T: DeserializeOwned>(params: Option<&Value>) -> Result<T, serde_json::Error> {
    T::deserialize(params.unwrap_or(&Value::Null))
}

/// Adds its number to the parameters of an inline completion request; null if the document is not open.
fn stamp(session: &Session, request: Request) -> Request {
    let (method, id, params) = request.into_parts();
    let mut params = params.unwrap_or_default();
    let uri = params["textDocument"]["uri"].as_str().map(canonical);
    let number = uri.and_then(|uri| session.stamp_request(&uri));
    if let Some(params) = params.as_object_mut() {
        params.insert(ext::REQUEST_ID.to_owned(), json!(number));
    }
    let request = Request::build(method).params(params);
    match id {
        Some(id) => request.id(id).finish(),
        None => request.finish(),
    }
}

/// Error for a message that [`framing`] has replaced.
fn malformed(request: &Request) -> Response {
    let code = request.params().and_then(|params| params[0].as_i64());
    let invalid = Error::invalid_request();
    let error = if code == Some(invalid.code.code()) { invalid } else { Error::parse_error() };
    Response::from_error(Id::Null, error)
}

/// Removes `"params": null`, which some clients send for methods without parameters and tower-lsp rejects.
fn without_null_params(request: Request) -> Request {
    if request.params() != Some(&Value::Null) {
        return request;
    }
    let (method, id, _) = request.into_parts();
    match id {
        Some(id) => Request::build(method).id(id).finish(),
        None => Request::build(method).finish(),
    }
}

/// Spelling that a URI has in typed parameters, which pass through a URL parser.
fn canonical(uri: &str) -> String {
    tower_lsp::lsp_types::Url::parse(uri).map_or_else(|_| uri.to_owned(), String::from)
}

/// Adds to the answer of `initialize` the capabilities that lsp-types does not know.
fn add_capabilities(answer: Response, dynamic: bool) -> Response {
    let (id, body) = answer.into_parts();
    let body = body.map(|mut result| {
        capabilities::add_inline_completion(&mut result, dynamic);
        result
    });
    Response::from_parts(id, body)
}

/// Handler whose panic becomes an error answer instead of the end of the process.
struct CatchPanic<E> {
    inner: AnswerFuture<E>,
    id: Option<Id>,
}

impl<E> Future for CatchPanic<E> {
    type Output = Result<Option<Response>, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = catch_unwind(AssertUnwindSafe(|| self.inner.as_mut().poll(context)));
        polled.unwrap_or_else(|_| {
            let failed = |id| Response::from_error(id, Error::internal_error());
            Poll::Ready(Ok(self.id.take().map(failed)))
        })
    }
}
