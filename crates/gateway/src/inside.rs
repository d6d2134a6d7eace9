//! The way in of a process behind the gateway: it takes the gateway's word on who asks, and nobody
//! else's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use forebay_contract::{Ask, Count, Granted, Identity, Quotas};
use forebay_http::Who;
use forebay_http::internal::{Asked, INTERNAL, Keys, MAX_BYTES, Said, Told};
use forebay_http::meter::{Metered, Tally};
use forebay_http::origin::RequestId;
use forebay_model::time::SharedClock;
use forebay_model::{Code, Error};
use http::header::CONNECTION;
use http::{HeaderValue, StatusCode};
use tower::ServiceExt as _;

use crate::client::Proxies;
use crate::config::GatewayConfig;
use crate::health::reads;
use crate::limit::{Counting, Limits};
use crate::passage::Passage;
use crate::{Gateway, Status};

/// Whose word is taken on who asks.
pub(crate) enum Entrance {
    /// Callers show a credential.
    Open(Arc<dyn Identity>),
    /// The gateway in another process says it.
    Inside(Inside),
}

/// Where a gateway asks whether to send more: it is answered to everybody, and says nothing else.
pub(crate) const READY: &str = "/internal/v1/ready";
/// What the gateway adds to a request's fields.
pub(crate) const MORE_HEADERS: usize = 16;

/// How a process behind the gateway knows that it is the gateway who asks.
#[derive(Clone)]
pub struct Inside {
    keys: Keys,
    clock: SharedClock,
    leaving: Arc<AtomicBool>,
    quotas: Arc<dyn Quotas>,
}

impl Inside {
    /// Takes words that are signed with these keys. While it is `leaving`, gateways are told to ask
    /// another process.
    pub fn new(keys: Keys, clock: SharedClock, leaving: Arc<AtomicBool>) -> Inside {
        Inside { keys, clock, leaving, quotas: Arc::new(Nowhere) }
    }

    /// Asks here what is left of quotas of records; without that nobody can say.
    pub fn asking(self, quotas: Arc<dyn Quotas>) -> Inside {
        Inside { quotas, ..self }
    }

    fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }
}

impl Gateway {
    /// Puts the services' routes behind a door that opens to the gateway of another process alone.
    pub fn inside(
        config: GatewayConfig,
        routes: Router,
        inside: Inside,
        status: Arc<dyn Status>,
    ) -> Gateway {
        // What the gateway does once for each request is not done twice.
        let none = (Vec::new(), Vec::new(), Vec::new());
        let (limits, cors, headers) = none;
        let proxies = Proxies::default();
        let max_header_bytes = config.max_header_bytes.saturating_add(MAX_BYTES);
        let max_headers = config.max_headers.saturating_add(MORE_HEADERS);
        let config = GatewayConfig {
            limits,
            cors,
            headers,
            proxies,
            routes: Arc::default(),
            max_header_bytes,
            max_headers,
            ..config
        };
        let (quotas, clock) = (inside.quotas.clone(), inside.clock.clone());
        let limits = Limits::new((&config.limits, config.limit_keys), quotas, clock, true);
        Gateway::with(config, routes, Entrance::Inside(inside), (status, limits))
    }

    /// The way in from another process.
    pub(crate) async fn serve_inside(
        &self,
        inside: &Inside,
        mut request: Request,
        passage: &Passage,
    ) -> Result<Response, Error> {
        let (method, path) = (&passage.method, passage.uri.path());
        // Health first: whoever watches has no word.
        if path == READY && reads(method) {
            return ready(inside);
        }
        if let Some(well) = self.health(method, path).await {
            return Ok(well);
        }
        // Who asks, from where; without a word for just this request nothing is behind this door.
        let asked = Asked::of(method, &passage.uri);
        let said = inside.keys.verify(asked, request.headers(), inside.clock.now())?;
        request.headers_mut().remove(&INTERNAL);
        let Said { who, peer, request_id, left, by_stream, plans } = said;
        let _ = passage.told.set(peer);
        let extensions = request.extensions_mut();
        if let Some(who) = who {
            // The log has who really asks.
            let _ = passage.who.set(who.viewer.clone().unwrap_or_else(|| who.clone()));
            extensions.insert(Who(who));
        }
        let (limits, tally) = (self.inner.limits.clone(), Tally::new(left, by_stream));
        let counting = Arc::new(Counting::new(limits, tally, plans));
        extensions.insert(peer);
        extensions.insert(RequestId(request_id));
        extensions.insert(Metered(counting.clone()));
        // The service.
        let mut response = match self.inner.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let headers = response.headers_mut();
        let Told { identity, .. } = Told::take(headers);
        let leaving = inside.is_leaving();
        Told { identity, leaving, ..counting.take() }.write(headers);
        if leaving && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }
}

/// Who counts quotas is not known here.
struct Nowhere;

#[async_trait]
impl Quotas for Nowhere {
    async fn take(&self, _: &Count, _: Ask) -> Result<Granted, Error> {
        let detail = "this process is not told where `auth` is, which counts: set services.auth";
        Err(Error::new(Code::EngineUnavailable, detail))
    }

    async fn give_back(&self, _: Vec<(Count, u64)>) -> Result<(), Error> {
        Ok(())
    }
}

fn ready(inside: &Inside) -> Result<Response, Error> {
    if inside.is_leaving() {
        return Err(Error::new(Code::Overloaded, "the process is about to stop"));
    }
    Ok(Response::new(Body::from("ready")))
}
