//! Aggregates of a stream's records.

use axum::extract::{Path, Request, State};
use forebay_contract::Catalog;
use forebay_http::query::Params;
use forebay_http::reply::json_text;
use forebay_http::{Answer, Who, body};
use forebay_model::principal::RECORDS_READ;
use http::StatusCode;

use crate::Store;
use crate::aggregate;

const MAX_BYTES: usize = 256 << 10;

/// `POST /v1/streams/{stream}/aggregate`: what is said of groups of records, as of one position.
#[utoipa::path(
    post,
    path = "/v1/streams/{stream}/aggregate",
    tag = "records",
    params(
        ("stream" = String, Path, description = "The stream's name"),
    ),
    request_body(content = crate::api::Aggregate),
    responses(
        (status = 200, body = crate::api::Aggregated),
        (status = 422, description = "No index narrows the filter enough, or there are too many groups", body = forebay_http::api::Problem, content_type = "application/problem+json"),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create(
    State(store): State<Store>,
    Who(who): Who,
    Path(name): Path<String>,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    who.require_on_stream(RECORDS_READ, &name)?;
    body::json_only(request.headers())?;
    let document = body::document(request.into_body(), MAX_BYTES).await?;
    let request = aggregate::Request::read(&document)?;
    let stream = store.inner.catalog.stream(&name).await?;
    let now = store.inner.clock.now();
    let answer = aggregate::answer(&store, &stream, &who, request, now).await?;
    Ok(json_text(StatusCode::OK, answer))
}
