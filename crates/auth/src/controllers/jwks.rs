//! The keys by which anybody checks our tokens (RFC 7517).

use axum::extract::State;
use axum::response::Response;
use forebay_http::Answer;
use forebay_http::query::Params;
use forebay_http::reply::json_text;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};

use crate::Auth;

/// `GET /.well-known/jwks.json`: for everybody, without a key.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "sign in",
    responses((status = 200, description = "The next key, the one that signs, and those before"))
)]
pub(crate) async fn show(State(auth): State<Auth>, params: Params) -> Answer {
    params.only(&[])?;
    let keys = auth.inner.keyring.published().to_string();
    let mut response: Response = json_text(StatusCode::OK, keys);
    // A key is published a week before it signs.
    let keep = HeaderValue::from_static("public, max-age=3600");
    response.headers_mut().insert(CACHE_CONTROL, keep);
    Ok(response)
}
