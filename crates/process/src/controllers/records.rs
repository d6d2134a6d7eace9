//! Records of one stream.

use axum::extract::{Path, Request, State};
use forebay_http::query::{Params, bad};
use forebay_http::{Answer, Who};
use forebay_model::principal::RECORDS_WRITE;
use forebay_model::{Code, Error};

use crate::Process;
use crate::decode::Form;
use crate::ingest::{Shape, Source};

/// `POST /v1/streams/{stream}/records`: one object, an array, NDJSON or CSV.
pub(crate) async fn create(
    State(process): State<Process>,
    Who(who): Who,
    Path(name): Path<String>,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&["envelope", "atomic", "return"])?;
    who.require_on_stream(RECORDS_WRITE, &name)?;
    let shape = Shape {
        envelope: params.flag("envelope")?,
        atomic: params.flag("atomic")?,
        minimal: minimal(&params)?,
        batch: false,
    };
    process.inner.catalog.stream(&name).await?;
    let form = Form::of(request.headers())?;
    process.ingest(&who, request, Source::Stream(name, form), shape).await
}

/// `PUT`, `PATCH` and `DELETE /v1/streams/{stream}/records/{id}`: append streams keep what they have.
pub(crate) async fn refuse(
    State(process): State<Process>,
    Who(who): Who,
    Path((name, _)): Path<(String, String)>,
) -> Answer {
    who.require_on_stream(RECORDS_WRITE, &name)?;
    process.inner.catalog.stream(&name).await?;
    let detail = "this is an append stream: its records are neither changed nor deleted";
    Err(Error::new(Code::AppendOnly, detail).into())
}

/// Whether the answer goes without the list of records.
pub(crate) fn minimal(params: &Params) -> Result<bool, Error> {
    match params.get("return") {
        None | Some("representation") => Ok(false),
        Some("minimal") => Ok(true),
        Some(_) => Err(bad("return", "minimal or representation")),
    }
}
