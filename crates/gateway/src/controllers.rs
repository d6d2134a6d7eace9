//! What the configuration says of the users' routes, for whoever may read it.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use forebay_http::query::Params;
use forebay_http::reply::json_text;
use forebay_http::{Answer, Who};
use forebay_model::principal::GATEWAY_READ;
use http::StatusCode;
use serde_json::{Value, json};

use crate::routes::Routing;
use crate::upstream::{EndpointState, State as Upstream};

/// The gateway's own doors.
pub(crate) fn router(routing: Arc<Routing>) -> Router {
    Router::new()
        .route("/v1/routes", get(routes))
        .route("/v1/upstreams", get(upstreams))
        .with_state(routing)
}

/// `GET /v1/routes`: the users' routes, in the order in which they are asked. Values that are put into
/// heads are left out: some are secrets.
#[utoipa::path(
    get,
    path = "/v1/routes",
    tag = "gateway",
    responses(
        (status = 200, body = crate::api::RouteList),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn routes(
    State(routing): State<Arc<Routing>>,
    Who(who): Who,
    params: Params,
) -> Answer {
    params.only(&[])?;
    who.require(GATEWAY_READ)?;
    let now = routing.now();
    let items: Vec<Value> = now.table.routes().iter().map(|route| route.describe()).collect();
    Ok(json_text(StatusCode::OK, json!({"items": items}).to_string()))
}

/// `GET /v1/upstreams`: the upstreams by their names, with how their endpoints are.
#[utoipa::path(
    get,
    path = "/v1/upstreams",
    tag = "gateway",
    responses(
        (status = 200, body = crate::api::UpstreamList),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn upstreams(
    State(routing): State<Arc<Routing>>,
    Who(who): Who,
    params: Params,
) -> Answer {
    params.only(&[])?;
    who.require(GATEWAY_READ)?;
    let now = routing.now();
    let items: Vec<Value> = now.upstreams().map(|upstream| state(&upstream.state())).collect();
    Ok(json_text(StatusCode::OK, json!({"items": items}).to_string()))
}

fn state(upstream: &Upstream) -> Value {
    json!({
        "name": upstream.name,
        "balance": upstream.balance,
        "endpoints": upstream.endpoints.iter().map(endpoint).collect::<Vec<_>>(),
    })
}

fn endpoint(endpoint: &EndpointState) -> Value {
    let (open, resting) = endpoint.connections;
    json!({
        "address": endpoint.address,
        "weight": endpoint.weight,
        "state": endpoint.standing.as_str(),
        "in_flight": endpoint.in_flight,
        "connections": open,
        "idle_connections": resting,
        "round_trip_ms": (endpoint.round_trip.as_secs_f64() * 1e6).round() / 1e3,
        "requests": endpoint.requests,
        "failures": endpoint.failures,
        "ejections": endpoint.ejections,
        "last_failure": endpoint.last_failure,
    })
}
