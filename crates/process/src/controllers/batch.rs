//! Records of several streams in one transaction.

use axum::extract::{Request, State};
use forebay_http::query::Params;
use forebay_http::{Answer, Who};
use forebay_model::{Code, Error};

use super::records::minimal;
use crate::Process;
use crate::decode::Form;
use crate::ingest::{Shape, Source};

/// `POST /v1/batch`: `[{"stream","records":[envelope,…]},…]`, all or none.
#[utoipa::path(
    post,
    path = "/v1/batch",
    tag = "records",
    params(
        ("return" = Option<String>, Query, description = "minimal leaves records out"),
        ("Idempotency-Key" = Option<String>, Header, description = "A repeat of the request gets its first answer"),
    ),
    request_body(content = Vec<crate::api::BatchEntry>),
    responses(
        (status = 200, description = "Nothing was rejected", body = crate::api::BatchResults),
        (status = 400, description = "All were rejected", body = crate::api::BatchResults),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create(
    State(process): State<Process>,
    Who(who): Who,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&["return"])?;
    let shape = Shape { envelope: true, atomic: true, minimal: minimal(&params)?, batch: true };
    if Form::of(request.headers())? != Form::Json {
        return Err(Error::new(Code::UnsupportedMediaType, "send application/json").into());
    }
    process.ingest(&who, request, Source::Batch, shape).await
}
