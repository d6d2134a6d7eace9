//! How the system is: what `forebay doctor` shows.

use axum::extract::State;
use forebay_http::query::Params;
use forebay_http::reply::json_text;
use forebay_http::{Answer, Who};
use forebay_model::principal::SYSTEM_READ;
use http::StatusCode;

use crate::{Store, doctor};

/// `GET /v1/system/doctor`: checks what is here, and says what to do.
#[utoipa::path(
    get,
    path = "/v1/system/doctor",
    tag = "system",
    responses(
        (status = 200, body = crate::api::DoctorReport),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show(State(store): State<Store>, Who(who): Who, params: Params) -> Answer {
    params.only(&[])?;
    who.require(SYSTEM_READ)?;
    let _turn = store.inner.doctors.lock().await;
    Ok(json_text(StatusCode::OK, doctor::report(&store.inner).await.to_string()))
}
