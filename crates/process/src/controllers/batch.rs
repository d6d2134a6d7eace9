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
