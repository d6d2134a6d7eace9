//! The routes of the service: one line each.

pub(crate) mod aggregate;
pub(crate) mod doctor;
pub(crate) mod export;
pub(crate) mod index;
pub(crate) mod records;
pub(crate) mod search;
pub(crate) mod socket;
pub(crate) mod streams;
pub(crate) mod subscribe;
mod websocket;

use axum::Router;
use axum::routing::{get, post};

use crate::Store;

pub(crate) fn router() -> Router<Store> {
    Router::new()
        .route("/v1/streams", get(streams::list))
        .route("/v1/streams/{stream}", get(streams::show).put(streams::put).delete(streams::delete))
        .route("/v1/streams/{stream}/records", get(records::list))
        .route("/v1/streams/{stream}/records/{id}", get(records::show))
        .route("/v1/streams/{stream}/search", get(search::search))
        .route("/v1/streams/{stream}/aggregate", post(aggregate::create))
        .route("/v1/streams/{stream}/export", get(export::export))
        .route("/v1/streams/{stream}/subscribe", get(subscribe::subscribe))
        .route("/v1/streams/{stream}/search/index", get(index::show))
        .route("/v1/streams/{stream}/search/rebuild", post(index::rebuild))
        .route("/v1/system/doctor", get(doctor::show))
        .route("/v1/audit", get(records::audit))
        .route("/v1/subscribe", get(socket::subscribe))
}
