//! The answer to whoever has signed in: tokens, or a cookie.

use axum::response::Response;
use forebay_http::reply::json_text;
use forebay_model::{Error, Result};
use http::HeaderValue;
use http::StatusCode;
use http::header::{CACHE_CONTROL, SET_COOKIE};
use serde_json::{Value, json};

use crate::Auth;
use crate::session::ABSOLUTE;
use crate::sign_in::Begun;
use crate::token::{self, LIFETIME, Subject};

impl Auth {
    /// Hands out a session's secrets: a browser's go into a cookie that no script reads.
    pub(crate) fn signed_in(
        &self,
        status: StatusCode,
        begun: &Begun,
        cookie: bool,
    ) -> Result<Response> {
        let Begun { session, limited, .. } = begun;
        let mut body = if cookie { json!({}) } else { self.tokens(begun)? };
        body["session_id"] = session.id.as_str().into();
        if *limited {
            body["second_factor_required"] = true.into();
        }
        let mut response = secret(status, &body);
        if cookie {
            let value = self.inner.secrets.cookie(&session.id)?;
            let site = &self.inner.config.site;
            let cookie = site.set_cookie(Some(&value), ABSOLUTE / 1_000_000);
            let cookie = cookie.ok_or_else(|| Error::internal("a cookie cannot be written"))?;
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
        Ok(response)
    }

    fn tokens(&self, begun: &Begun) -> Result<Value> {
        let Begun { session, who, .. } = begun;
        let now = self.inner.clock.now();
        let subject = Subject {
            account: &session.account,
            session: &session.id,
            roles: &who.roles,
            proven_at: session.proven_at,
            second_factor: session.second_factor,
        };
        let key = self.inner.keyring.signing(now)?;
        Ok(json!({
            "access_token": token::write(&key, &self.inner.issuer, now, &subject)?,
            "token_type": "Bearer",
            "expires_in": LIFETIME,
            "refresh_token": self.inner.secrets.refresh(&session.id, session.counter)?,
        }))
    }
}

/// An answer that nobody on the way may keep (RFC 6749, 5.1).
pub(crate) fn secret(status: StatusCode, body: &Value) -> Response {
    let mut response = json_text(status, body.to_string());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
