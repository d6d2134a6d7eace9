//! Records of one stream.

use axum::extract::{Path, Request, State};
use forebay_http::query::{Params, bad};
use forebay_http::{Answer, Caller, Who};
use forebay_model::principal::{RECORDS_ERASE, RECORDS_WRITE};
use forebay_model::{Code, Error};
use http::HeaderMap;
use http::header::IF_MATCH;

use crate::Process;
use crate::decode::Form;
use crate::ingest::{Shape, Source};

/// `POST /v1/streams/{stream}/records`: one object, an array, NDJSON or CSV.
#[utoipa::path(
    post,
    path = "/v1/streams/{stream}/records",
    tag = "records",
    params(
        ("stream" = String, Path, description = "The stream's name"),
        ("envelope" = Option<bool>, Query, description = "Each object is id, time and data"),
        ("atomic" = Option<bool>, Query, description = "All or none"),
        ("return" = Option<String>, Query, description = "minimal leaves records out"),
        ("Idempotency-Key" = Option<String>, Header, description = "A repeat of the request gets its first answer"),
    ),
    request_body(description = "One object, an array, lines or CSV; gzip and zstd", content((Object = "application/json"), (String = "application/x-ndjson"), (String = "text/csv"))),
    responses(
        (status = 200, description = "Nothing was rejected", body = crate::api::Results),
        (status = 207, description = "Some were rejected", body = crate::api::Results),
        (status = 400, description = "All were rejected", body = crate::api::Results),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
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
    if shape.envelope && form == Form::Csv {
        return Err(bad("envelope", "objects; a row of CSV is the data itself").into());
    }
    process.ingest(&who, request, Source::Stream(name, form), shape).await
}

/// `PUT /v1/streams/{stream}/records/{id}`: append streams keep what they have.
#[utoipa::path(
    put,
    path = "/v1/streams/{stream}/records/{id}",
    tag = "records",
    params(
        ("stream" = String, Path, description = "The stream's name"),
        ("id" = String, Path, description = "The record's id"),
    ),
    responses(
        (status = 405, description = "Records of an append stream do not change", body = forebay_http::api::Problem, content_type = "application/problem+json"),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn replace(
    process: State<Process>,
    who: Who,
    params: Params,
    path: Place,
) -> Answer {
    refuse(&process, &who, &params, path).await
}

/// `PATCH /v1/streams/{stream}/records/{id}`: append streams keep what they have.
#[utoipa::path(
    patch,
    path = "/v1/streams/{stream}/records/{id}",
    tag = "records",
    params(
        ("stream" = String, Path, description = "The stream's name"),
        ("id" = String, Path, description = "The record's id"),
    ),
    responses(
        (status = 405, description = "Records of an append stream do not change", body = forebay_http::api::Problem, content_type = "application/problem+json"),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn patch(
    process: State<Process>,
    who: Who,
    params: Params,
    path: Place,
) -> Answer {
    refuse(&process, &who, &params, path).await
}

/// `DELETE /v1/streams/{stream}/records/{id}`: append streams keep what they have; with `?erase=true` the
/// record's content goes for good, and a tombstone takes a position of its own.
#[utoipa::path(
    delete,
    path = "/v1/streams/{stream}/records/{id}",
    tag = "records",
    params(
        ("stream" = String, Path, description = "The stream's name"),
        ("id" = String, Path, description = "The record's id"),
        ("erase" = Option<bool>, Query, description = "Erase it, which needs records:erase: the content leaves the database, its files within a minute, and every index; its id is never given again"),
        ("If-Match" = Option<String>, Header, description = "Only this version, with erase"),
    ),
    responses(
        (status = 200, description = "It is erased, now or before", body = crate::api::Erased),
        (status = 405, description = "Records of an append stream are not deleted, only erased", body = forebay_http::api::Problem, content_type = "application/problem+json"),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(
    process: State<Process>,
    caller: Caller,
    params: Params,
    path: Place,
    headers: HeaderMap,
) -> Answer {
    params.only(&["erase"])?;
    if !params.flag("erase")? {
        return refuse(&process, &Who(caller.who), &Params::default(), path).await;
    }
    let Path((name, id)) = path;
    caller.who.require_on_stream(RECORDS_ERASE, &name)?;
    process.erase(&caller, (&name, &id), headers.get(IF_MATCH)).await
}

type Place = Path<(String, String)>;

async fn refuse(process: &Process, Who(who): &Who, params: &Params, path: Place) -> Answer {
    let Path((name, _)) = path;
    params.only(&[])?;
    who.require_on_stream(RECORDS_WRITE, &name)?;
    process.inner.catalog.stream(&name).await?;
    let detail = "this is an append stream: its records are neither changed nor deleted; ?erase=true erases one";
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
