//! Where a request comes from, for what is written down about it.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use forebay_model::audit::{Actor, Event};
use forebay_model::principal::Principal;
use http::request::Parts;

use crate::principal::{Peer, Who};
use crate::problem::Problem;

/// The request's id, put into the request by the gateway.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// A caller's address and its request's id, as far as they are known.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The other end of its connection.
    pub address: Option<String>,
    /// As the answer and the log have it.
    pub request_id: Option<String>,
}

impl Origin {
    /// Reads what the gateway has put into a request.
    pub fn of(extensions: &http::Extensions) -> Origin {
        Origin {
            address: extensions.get::<Peer>().map(|peer| peer.0.to_string()),
            request_id: extensions.get::<RequestId>().map(|id| id.0.clone()),
        }
    }
}

/// Whoever changes something that is written down: who it is, and where the request comes from.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The authenticated principal.
    pub who: Arc<Principal>,
    /// The request.
    pub origin: Origin,
}

impl Caller {
    /// An event that it causes, to something of a kind.
    pub fn event(&self, kind: &'static str, id: &str) -> Event {
        Event {
            actor: Some(Actor::from(self.who.as_ref())),
            target: Some((kind, id.to_owned())),
            address: self.origin.address.clone(),
            request_id: self.origin.request_id.clone(),
            ..Event::default()
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Who(who) = Who::from_request_parts(parts, state).await?;
        Ok(Caller { who, origin: Origin::of(&parts.extensions) })
    }
}
