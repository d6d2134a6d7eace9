//! The pipeline: what every request passes, in this order, and why there. Each policy has a file of its
//! own; before it stand the head's checks (`head.rs`) and who the client is (`client.rs`).

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use forebay_contract::OPEN_DOORS;
use forebay_http::Who;
use forebay_http::meter::Metered;
use forebay_http::origin::RequestId;
use forebay_http::principal::Peer;
use forebay_model::Error;
use forebay_model::principal::{METRICS_READ, Principal};
use futures_util::FutureExt;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONNECTION};
use tower::ServiceExt;
use tracing::Instrument as _;

use crate::authenticate::seen;
use crate::health::reads;
use crate::limit::{Asked, Stage};
use crate::note::Route;
use crate::passage::Passage;
use crate::pattern::Place;
use crate::routes::{OfUsers, host};
use crate::{Entrance, Gateway, answer, cors, request_id, shield};

impl Gateway {
    /// Answers one request; this never fails.
    pub(crate) async fn answer(&self, passage: &Arc<Passage>, mut request: Request) -> Response {
        // The id, so that whatever happens from here on can be found again.
        request.extensions_mut().insert(RequestId(passage.id.clone()));
        // For services in other processes: what goes there with the request.
        request.extensions_mut().insert(passage.clone());
        // Of the highest level, so that every line of the log says where it belongs.
        let (request_id, trace_id) = (&passage.id, &passage.trace.id);
        let span = tracing::error_span!("request", request_id, trace_id);
        let response = self.bounded(request, passage).instrument(span.clone()).await;
        let _in_span = span.enter();
        self.finish(passage, response)
    }

    /// Answers within the time that there is, also after a panic.
    async fn bounded(&self, request: Request, passage: &Passage) -> Response {
        // A panic is one request's alone: what is locked meanwhile is taken over.
        let guarded = async {
            match &self.inner.entrance {
                Entrance::Open(_) => self.serve(request, passage).await,
                // Behind another process, which has done all of this, and says so.
                Entrance::Inside(inside) => self.serve_inside(inside, request, passage).await,
            }
        };
        let guarded = AssertUnwindSafe(guarded).catch_unwind();
        tokio::select! {
            served = guarded => match served {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => answer::problem(&error, &passage.id),
                Err(panic) => {
                    answer::problem(&Error::internal(said(panic.as_ref())), &passage.id)
                }
            },
            // The time limit, around all that may wait for somebody.
            error = passage.arrival.late(&self.inner.config) => {
                answer::problem(&error, &passage.id)
            }
        }
    }

    /// The way in.
    async fn serve(&self, mut request: Request, passage: &Passage) -> Result<Response, Error> {
        let (method, path) = (&passage.method, passage.uri.path());
        // Health first: who watches the process is neither counted nor held up. Where a route names the
        // host, it may be theirs.
        let host = host(&passage.uri, request.headers());
        let named = passage.routing.table.names(&host);
        drop(host);
        if !named && let Some(well) = self.health(method, path).await {
            return Ok(well);
        }
        // Limits by address before anything is looked up: floods of wrong keys stay cheap.
        limit(passage, Stage::Address, None).await?;
        // Where to: a user's service, or ours. That says whether it matters who asks.
        let route = self.take(passage, request.headers()).await?;
        // A browser asks whether it may ask, and has no key to show for that. What no rule allows, a
        // user's service may.
        let told = cors::preflight(&self.inner.config.cors, passage.place(), request.headers());
        if let Some(told) = told.filter(|told| told.is_ok() || route.is_none()) {
            return told;
        }
        if let (None, Some(well)) = (&route, self.health(method, path).await) {
            return Ok(well);
        }
        // Who asks; doors behind which a credential is made or checked are open.
        let asked = if reads(method) { "GET" } else { method.as_str() };
        let asks = match &route {
            Some(route) => self.asks_who(route, request.headers()),
            None => !OPEN_DOORS.contains(&(asked, path)),
        };
        if asks {
            let who = self.who(passage.client, method, request.headers()).await?;
            let _ = passage.who.set(who);
        }
        // All other limits, by whoever really asks: to see as somebody else is not to ask as them.
        limit(passage, Stage::Caller, passage.who.get()).await?;
        // A user's service.
        if let Some(route) = route {
            return self.go(passage, &route, request).await;
        }
        // Whose eyes are wanted; this is written down, so only now.
        if let Some(who) = passage.who.get() {
            let who = self.seen_as(who.clone(), seen(&request)?).await?;
            if path == "/metrics" && reads(method) {
                who.require(METRICS_READ)?;
                return Ok(self.metrics());
            }
            request.extensions_mut().insert(Who(who));
        }
        // What the body brings is counted by whoever reads it.
        if let Some(ticket) = &passage.ticket {
            let Peer(client, _) = passage.client;
            ticket.remember(method, &passage.uri, client, passage.who.get().cloned());
            request.extensions_mut().insert(Metered(ticket.clone()));
        }
        // The service.
        match self.inner.router.clone().oneshot(request).await {
            Ok(response) => Ok(response),
            Err(never) => match never {},
        }
    }

    /// The way out, which every answer takes, whoever gave it.
    fn finish(&self, passage: &Arc<Passage>, mut response: Response) -> Response {
        let config = &self.inner.config;
        // What users' services say stands.
        let theirs = response.extensions_mut().remove::<OfUsers>().is_some();
        if !theirs {
            // Errors become documents in one place, which knows the request's id.
            answer::finish(&mut response, &passage.id);
            // What one may see is not for another, whoever has forgotten to say so.
            let kept = || HeaderValue::from_static("private, no-cache");
            response.headers_mut().entry(CACHE_CONTROL).or_insert_with(kept);
        }
        // A user's route is known by its name, whatever became of the request.
        if let Some(route) = passage.route.get() {
            response.extensions_mut().insert(route.clone());
        }
        let headers = response.headers_mut();
        // Where to find it again, for the caller and for whoever helps them.
        passage.trace.answer(headers);
        request_id::answer(&passage.id, headers);
        // What is left, after all was taken.
        if let Some(ticket) = &passage.ticket {
            ticket.write(headers);
        }
        // Errors too: a page that cannot read why it was refused tries again.
        cors::answer(&config.cors, (passage.place(), passage.origin.as_ref()), headers);
        // What browsers must not do with it: said by the process that they talk to.
        if matches!(self.inner.entrance, Entrance::Open(_)) {
            shield::answer(&config.headers, passage.place(), theirs, headers);
        }
        // Counted last, when nothing changes any more; the rest of the line is written when the last
        // byte has left.
        let took = passage.started.elapsed();
        self.inner.tally.note(&passage.method, &response, took);
        let route = response.extensions().get::<Route>().cloned();
        passage.answered(response.status(), route, took);
        response
    }

    /// Answers a request whose head is refused; what follows on its connection is not read.
    pub(crate) fn refuse(&self, passage: &Arc<Passage>, error: &Error) -> Response {
        let response = answer::problem(error, &passage.id);
        let mut response = self.finish(passage, response);
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

/// Takes this request of the limits of a stage.
async fn limit(passage: &Passage, stage: Stage, who: Option<&Arc<Principal>>) -> Result<(), Error> {
    let Some(ticket) = &passage.ticket else { return Ok(()) };
    let Place { method, path, route } = passage.place();
    let Peer(client, _) = passage.client;
    ticket.enter(stage, Asked { method, path, route, client, who: who.map(Arc::as_ref) }).await
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("of unknown kind"))
}
