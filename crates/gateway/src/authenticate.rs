//! Who asks, and as whom they want to see.

use std::sync::Arc;

use axum::extract::Request;
use forebay_contract::{Identity, Seen, Shown};
use forebay_http::origin::RequestId;
use forebay_http::principal::Peer;
use forebay_model::principal::Principal;
use forebay_model::{Code, Error};
use http::{HeaderMap, HeaderName, Method};

use crate::{Entrance, Gateway, credential};

pub(crate) static VIEW_AS: HeaderName = HeaderName::from_static("x-forebay-view-as");

impl Gateway {
    /// Finds out who asks: by a key or token, else by a browser's cookie.
    pub(crate) async fn who(
        &self,
        peer: Peer,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Arc<Principal>, Error> {
        let unknown = || Error::new(Code::Unauthenticated, "a valid key is needed");
        let Peer(address, _) = peer;
        let site = &self.inner.config.site;
        let secret = credential::secret(headers);
        let cookie = if credential::is_shown(headers) { None } else { site.cookie(headers) };
        let shown = match (&secret, cookie) {
            (Some(secret), _) => Shown { secret, cookie: false, address },
            (None, Some(secret)) => {
                site.admit(peer, headers)?;
                site.same_site(method, headers)?;
                Shown { secret, cookie: true, address }
            }
            (None, None) => return Err(unknown()),
        };
        self.identity()?.identify(shown).await?.ok_or_else(unknown)
    }

    fn identity(&self) -> Result<&Arc<dyn Identity>, Error> {
        match &self.inner.entrance {
            Entrance::Open(identity) => Ok(identity),
            Entrance::Inside(_) => Err(Error::internal("nobody shows a credential here")),
        }
    }

    /// Somebody else where `who` asks to see what they see, and may; else who asks.
    pub(crate) async fn seen_as(
        &self,
        who: Arc<Principal>,
        seen: Option<Seen<'_>>,
    ) -> Result<Arc<Principal>, Error> {
        match seen {
            Some(seen) => self.identity()?.view_as(&who, seen).await,
            None => Ok(who),
        }
    }
}

/// Whose view an administrator asks for. It changes nothing.
pub(crate) fn seen(request: &Request) -> Result<Option<Seen<'_>>, Error> {
    let mut asked = request.headers().get_all(&VIEW_AS).iter();
    let Some(account) = asked.next() else { return Ok(None) };
    let account = account.to_str().ok().filter(|_| asked.next().is_none());
    let account = account.ok_or_else(|| {
        Error::new(Code::BadRequest, "`X-Forebay-View-As` is the id of one account")
    })?;
    let path = request.uri().path();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD)
        || request.method() == Method::POST && path.ends_with("/aggregate");
    if !reads {
        let detail = "whoever sees as somebody else changes nothing";
        return Err(Error::new(Code::Forbidden, detail));
    }
    let extensions = request.extensions();
    let (Some(Peer(address, _)), Some(RequestId(request_id))) =
        (extensions.get::<Peer>(), extensions.get::<RequestId>())
    else {
        return Err(Error::internal("the request came past the gateway"));
    };
    let request = (request.method().as_str(), path);
    Ok(Some(Seen { account, request, request_id, address: *address }))
}
