//! The authenticated principal as a controller's argument.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use forebay_model::principal::Principal;
use forebay_model::{Code, Error};
use http::request::Parts;

use crate::problem::Problem;

/// Who asks. It is put into the request by the gateway after it has checked a credential;
/// a controller that takes it cannot be reached without one.
#[derive(Debug, Clone)]
pub struct Who(pub Arc<Principal>);

/// Where the caller is: the other end of its connection, or whom a trusted proxy names. Put into the
/// request by the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub IpAddr, pub Way);

/// How a request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// On the caller's own connection, as far as can be seen.
    Direct,
    /// Through a proxy.
    Relayed,
}

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<Peer>().copied();
        peer.ok_or_else(|| Error::internal("the request came past the gateway").into())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let who = parts.extensions.get::<Who>().cloned();
        who.ok_or_else(|| Error::new(Code::Unauthenticated, "a key is needed").into())
    }
}
