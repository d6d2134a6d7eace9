//! Who the caller is.

use forebay_http::query::Params;
use forebay_http::reply::json_text;
use forebay_http::{Answer, Who};
use http::StatusCode;
use serde_json::json;

use crate::rights;

/// `GET /v1/me`.
#[utoipa::path(
    get,
    path = "/v1/me",
    tag = "identity",
    responses(
        (status = 200, body = crate::api::Me),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show(Who(who): Who, params: Params) -> Answer {
    params.only(&[])?;
    let document = json!({
        "id": who.user_id.as_ref().unwrap_or(&who.id),
        "email": who.email,
        "name": who.name,
        "roles": who.roles,
        "permissions": rights::to_json(&who.permissions),
    });
    Ok(json_text(StatusCode::OK, document.to_string()))
}
