//! What becomes of a request that takes a user's route.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use forebay_filter::Auth as Eyes;
use forebay_http::principal::{Peer, Way};
use forebay_model::principal::Principal;
use forebay_model::{Code, Error};
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Body as _;
use tokio::time::Instant;

use super::edits::is_identity;
use super::request::{Asked, Asker};
use super::route::{Action, Auth, Route};
use super::split;
use super::table::Found;
use super::target::{place, rewritten};
use crate::authenticate::VIEW_AS;
use crate::note::Route as Label;
use crate::passage::Passage;
use crate::upstream::{Passing, key};
use crate::{Gateway, cors, credential};

static API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Who asks, for an upstream that is told.
static USER: HeaderName = HeaderName::from_static("forebay-user");
static ROLES: HeaderName = HeaderName::from_static("forebay-roles");

/// An answer of a user's service: what it does not say is not for us to say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OfUsers;

impl Gateway {
    /// The route that a request takes; none for Forebay's own services.
    pub(crate) async fn take(
        &self,
        passage: &Passage,
        headers: &HeaderMap,
    ) -> Result<Option<Arc<Route>>, Error> {
        let route = match passage.find(headers, Asker::Unknown)? {
            Some(found) => found,
            None => {
                let who = self.somebody(passage, headers).await?;
                let auth = who.map(|who| Eyes::from(who.as_ref()));
                passage.find(headers, Asker::Known(auth.as_ref()))?.flatten()
            }
        };
        let Some(route) = route else { return Ok(None) };
        let _ = passage.route.set(Label("routes", route.label.clone()));
        if let Some(timeout) = route.timeout {
            passage.arrival.allow(timeout);
        }
        Ok(Some(route))
    }

    /// Whoever shows a credential that is good; it is no error that nobody does.
    async fn somebody(
        &self,
        passage: &Passage,
        headers: &HeaderMap,
    ) -> Result<Option<Arc<Principal>>, Error> {
        match self.who(passage.client, &passage.method, headers).await {
            Ok(who) => Ok(Some(who)),
            Err(error) if matches!(error.code.status(), 401 | 403) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether it is to be found out who asks.
    pub(crate) fn asks_who(&self, route: &Route, headers: &HeaderMap) -> bool {
        let cookie = || self.inner.config.site.cookie(headers).is_some();
        match route.auth {
            Auth::Required => true,
            // Whoever shows something that is not good wants to know.
            Auth::Optional => credential::is_shown(headers) || cookie(),
            Auth::None => false,
        }
    }

    /// Answers a request that takes a route.
    pub(crate) async fn go(
        &self,
        passage: &Passage,
        route: &Route,
        mut request: Request,
    ) -> Result<Response, Error> {
        if let (Some(needed), Some(who)) = (&route.permission, passage.who.get())
            && !who.holds(needed)
        {
            return Err(Error::new(Code::Forbidden, format!("this needs `{needed}`")));
        }
        if request.headers().contains_key(&VIEW_AS) {
            let detail = "nobody sees users' services as somebody else";
            return Err(Error::new(Code::BadRequest, detail));
        }
        let mut response = match &route.action {
            Action::Upstream { split, .. } => {
                if let Some(written) = rewritten(route, request.uri(), request.headers())? {
                    *request.uri_mut() = written;
                }
                let weights = split.iter().map(|(_, weight)| *weight);
                let at = split::pick(weights, route.turn.next());
                let name = split.get(at).map_or("", |(name, _)| name.as_str());
                let mut response = self.forward(passage, route, name, request).await?;
                response.extensions_mut().insert(OfUsers);
                response
            }
            Action::Redirect { status, .. } => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = *status;
                let place = place(route, &passage.uri, request.headers())?;
                response.headers_mut().insert(LOCATION, place);
                response.extensions_mut().insert(OfUsers);
                response
            }
            Action::Answer { status, body, content_type } => {
                let mut response = Response::new(Body::from(body.clone()));
                *response.status_mut() = *status;
                if let Ok(kind) = HeaderValue::try_from(content_type) {
                    response.headers_mut().insert(CONTENT_TYPE, kind);
                }
                response.extensions_mut().insert(OfUsers);
                response
            }
        };
        route.response_headers.apply(response.headers_mut());
        Ok(response)
    }

    async fn forward(
        &self,
        passage: &Passage,
        route: &Route,
        name: &str,
        mut request: Request,
    ) -> Result<Response, Error> {
        let unknown = || Error::internal(format!("there is no upstream `{name}`"));
        let upstream = passage.routing.upstream(name).ok_or_else(unknown)?;
        let headers = request.headers_mut();
        strip(headers);
        if !route.pass_credentials {
            self.take_credentials(headers);
        }
        route.request_headers.apply(headers);
        let who = passage.who.get().filter(|_| route.identity);
        let told = who.map(|who| identity(who)).unwrap_or_default();
        let Peer(client, way) = passage.client;
        let secure = way == Way::Relayed && self.inner.config.site.origin().is_some();
        let trace = passage.trace.to_string();
        // Of a body nobody can say when it is there.
        let patience = route.timeout.unwrap_or(self.inner.config.request_timeout);
        let begins = request.body().is_end_stream().then(|| Instant::now() + patience);
        let passing = Passing {
            client,
            scheme: if secure { "https" } else { "http" },
            request_id: &passage.id,
            trace: Some(&trace),
            deadline: begins,
            key: Some(belongs(client, passage.who.get())),
            with: &told,
        };
        upstream.send(request, passing).await
    }

    /// Takes out what opens Forebay's own doors.
    fn take_credentials(&self, headers: &mut HeaderMap) {
        headers.remove(AUTHORIZATION);
        headers.remove(&API_KEY);
        let session = self.inner.config.site.cookie_name();
        let ours = |pair: &str| pair.split('=').next().is_some_and(|name| name.trim() == session);
        let lines: Vec<HeaderValue> = headers.get_all(COOKIE).iter().cloned().collect();
        headers.remove(COOKIE);
        for line in lines {
            // One that is no text is nobody's cookie that we would know.
            let Ok(text) = line.to_str() else { continue };
            let left: Vec<&str> = text.split(';').filter(|pair| !ours(pair)).collect();
            if let Ok(left) = HeaderValue::try_from(left.join(";").trim())
                && !left.is_empty()
            {
                headers.append(COOKIE, left);
            }
        }
    }
}

impl Passage {
    /// The route that it takes; none where that hangs on who asks.
    fn find(
        &self,
        headers: &HeaderMap,
        asker: Asker<'_>,
    ) -> Result<Option<Option<Arc<Route>>>, Error> {
        let Peer(client, _) = self.client;
        // What a browser asks of a route is for that route, whatever its methods.
        let wanted = cors::wanted(&self.method, headers);
        let method = wanted.as_ref().unwrap_or(&self.method);
        let asked = Asked::new(method, &self.uri, headers, client);
        let table = &self.routing.table;
        match table.find(&asked, asker) {
            Found::Own => Ok(Some(None)),
            Found::AsksWho => Ok(None),
            Found::Route(route) => {
                table.one_reading(route, &asked, asker)?;
                Ok(Some(Some(route.clone())))
            }
        }
    }
}

/// Takes out what only we may say.
fn strip(headers: &mut HeaderMap) {
    let said: Vec<HeaderName> = headers.keys().filter(|name| is_identity(name)).cloned().collect();
    for name in said {
        headers.remove(name);
    }
}

/// What an upstream is told of who asks.
fn identity(who: &Principal) -> Vec<(HeaderName, HeaderValue)> {
    let roles = HeaderValue::try_from(who.roles.join(","));
    let said = [(&USER, HeaderValue::try_from(&who.id)), (&ROLES, roles)];
    said.into_iter().filter_map(|(name, value)| Some((name.clone(), value.ok()?))).collect()
}

/// What requests have in common that belong together: who asks, or else from where.
fn belongs(client: IpAddr, who: Option<&Arc<Principal>>) -> u64 {
    match who {
        Some(who) => key(who.id.as_bytes()),
        None => key(client.to_string().as_bytes()),
    }
}
