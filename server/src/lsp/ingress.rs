//! The first to see a message: applies edits in wire order, before anything is awaited.
//!
//! tower-lsp runs handlers side by side and in no order, so an edit that waited for its handler could be overtaken. Here
//! `didOpen`, `didChange` and `didClose` are applied inside [`Service::call`], which is called once for each message in the
//! order of the wire. An inline completion request is stamped with the moment at which it was read.

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

use super::{Session, capabilities, ext, framing};

/// A service around the language server's.
#[derive(Debug)]
pub struct Ingress<S> {
    inner: S,
    session: Arc<Session>,
}

type Answer<E> = Pin<Box<dyn Future<Output = Result<Option<Response>, E>> + Send>>;

impl<S> Ingress<S> {
    /// Puts itself before `inner`.
    pub fn new(inner: S, session: Arc<Session>) -> Self {
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
    type Future = Answer<S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Answer<S::Error> {
        let request = without_null_params(request);
        let session = &self.session;
        let id = request.id().cloned();
        match request.method() {
            method @ ("textDocument/didOpen" | "textDocument/didChange" | "textDocument/didClose") if id.is_none() => {
                if session.client_facts().is_some() {
                    let applied = catch_unwind(AssertUnwindSafe(|| apply(session, method, request.params())));
                    if applied.is_err() {
                        tracing::error!("{method} failed; the document may be out of sync");
                    }
                }
                return Box::pin(std::future::ready(Ok(None)));
            }
            framing::MALFORMED if id.is_none() => return Box::pin(std::future::ready(Ok(Some(malformed(&request))))),
            "initialize" => {
                let dynamic = capabilities::inline_completion_dynamic(request.params());
                session.registers_inline_completion.store(dynamic, Ordering::Relaxed);
                let answer = self.inner.call(request);
                return Box::pin(
                    async move { answer.await.map(|answer| answer.map(|answer| patched(answer, dynamic))) },
                );
            }
            "shutdown" => session.shut_down.store(true, Ordering::Relaxed),
            "exit" => session.end(),
            _ => {}
        }
        let request = if request.method() == ext::INLINE_COMPLETION { stamped(session, request) } else { request };
        Box::pin(Caught { inner: Box::pin(self.inner.call(request)), id })
    }
}

fn apply(session: &Arc<Session>, method: &str, params: Option<&Value>) {
    let done = match method {
        "textDocument/didOpen" => read(params).map(|params: DidOpenTextDocumentParams| {
            let document = params.text_document;
            session.opened(document.uri.into(), &document.language_id, document.version, document.text);
        }),
        "textDocument/didChange" => read(params).map(|params: DidChangeTextDocumentParams| {
            let document = params.text_document;
            session.changed(document.uri.as_str(), document.version, &params.content_changes);
        }),
        _ => read(params).map(|params: DidCloseTextDocumentParams| session.closed(params.text_document.uri.as_str())),
    };
    if let Err(error) = done {
        tracing::warn!("{method} has wrong parameters and is ignored: {error}");
    }
}

fn read<T: DeserializeOwned>(params: Option<&Value>) -> Result<T, serde_json::Error> {
    T::deserialize(params.unwrap_or(&Value::Null))
}

fn stamped(session: &Session, request: Request) -> Request {
    let (method, id, params) = request.into_parts();
    let mut params = params.unwrap_or_default();
    let uri = params["textDocument"]["uri"].as_str().map(canonical);
    let moment = uri.and_then(|uri| session.asked(&uri));
    if let Some(params) = params.as_object_mut() {
        params.insert("foretype/moment".to_owned(), json!(moment));
    }
    let request = Request::build(method).params(params);
    match id {
        Some(id) => request.id(id).finish(),
        None => request.finish(),
    }
}

fn malformed(request: &Request) -> Response {
    let code = request.params().and_then(|params| params[0].as_i64());
    let invalid = Error::invalid_request();
    let error = if code == Some(invalid.code.code()) { invalid } else { Error::parse_error() };
    Response::from_error(Id::Null, error)
}

/// Some clients write `"params": null` where there are none; tower-lsp takes that for parameters.
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

/// The same spelling as the typed parameters have, which pass through a parser of URLs.
fn canonical(uri: &str) -> String {
    tower_lsp::lsp_types::Url::parse(uri).map_or_else(|_| uri.to_owned(), String::from)
}

fn patched(answer: Response, dynamic: bool) -> Response {
    let (id, body) = answer.into_parts();
    let body = body.map(|mut result| {
        capabilities::complete(&mut result, dynamic);
        result
    });
    Response::from_parts(id, body)
}

/// A handler whose panic is an error answer, not the end of the process.
struct Caught<E> {
    inner: Answer<E>,
    id: Option<Id>,
}

impl<E> Future for Caught<E> {
    type Output = Result<Option<Response>, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = catch_unwind(AssertUnwindSafe(|| self.inner.as_mut().poll(context)));
        polled.unwrap_or_else(|_| {
            let failed = |id| Response::from_error(id, Error::internal_error());
            Poll::Ready(Ok(self.id.take().map(failed)))
        })
    }
}
