//! The routes of the service: one line each.

pub(crate) mod batch;
pub(crate) mod records;

use axum::Router;
use axum::routing::{post, put};

use crate::Process;

pub(crate) fn router() -> Router<Process> {
    let change = put(records::replace).patch(records::patch).delete(records::delete);
    Router::new()
        .route("/v1/streams/{stream}/records", post(records::create))
        .route("/v1/streams/{stream}/records/{id}", change)
        .route("/v1/batch", post(batch::create))
}
