//! The shapes of the gateway's own answers, for the API's description.

use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

use crate::controllers;

/// The description of the gateway's operations.
#[derive(OpenApi)]
#[openapi(
    paths(controllers::routes, controllers::upstreams),
    components(schemas(forebay_http::api::Problem))
)]
pub struct Api;

/// The routes, in the order in which they are asked.
#[derive(ToSchema)]
pub struct RouteList {
    /// All of them.
    pub items: Vec<RouteDocument>,
}

/// A route to a user's own service.
#[derive(ToSchema)]
pub struct RouteDocument {
    /// Its name in answers, metrics and the log.
    pub name: String,
    /// The higher ones are asked first.
    pub priority: i64,
    /// Which requests it is for: `host`, `path` or `prefix`, `methods`, `headers`, `query`, `filter`.
    #[schema(value_type = Object)]
    pub r#match: Value,
    /// Where they go, by weight.
    pub upstream: Option<Vec<Share>>,
    /// `prefix` or `path`: what the upstream is asked for.
    #[schema(value_type = Option<Object>)]
    pub rewrite: Option<Value>,
    /// `status` and `to`, where it is answered with another place.
    #[schema(value_type = Option<Object>)]
    pub redirect: Option<Value>,
    /// `status`, where it is answered by the gateway.
    #[schema(value_type = Option<Object>)]
    pub answer: Option<Value>,
    /// The fields that are set, added and removed in the request's head.
    #[schema(value_type = Object)]
    pub request_headers: Value,
    /// The same of the answer's head.
    #[schema(value_type = Object)]
    pub response_headers: Value,
    /// `required`, `optional` or `none`.
    pub auth: String,
    /// What whoever asks must hold.
    pub permission: Option<String>,
    /// Longest time until an answer begins.
    pub timeout_ms: Option<u64>,
    /// Whether the upstream gets the caller's credential.
    pub pass_credentials: bool,
    /// Whether the upstream is told who asks.
    pub identity: bool,
    /// Whether paths may have two readings.
    pub lax_paths: bool,
}

/// An upstream's share of a route.
#[derive(ToSchema)]
pub struct Share {
    /// The upstream.
    pub name: String,
    /// Against the other weights.
    pub weight: u32,
}

/// The upstreams by their names.
#[derive(ToSchema)]
pub struct UpstreamList {
    /// All of them.
    pub items: Vec<UpstreamDocument>,
}

/// An upstream as it is just now.
#[derive(ToSchema)]
pub struct UpstreamDocument {
    /// Its name in routes.
    pub name: String,
    /// How requests are spread.
    pub balance: String,
    /// In the order of the configuration.
    pub endpoints: Vec<EndpointDocument>,
}

/// An endpoint as it is just now; totals are since the process began.
#[derive(ToSchema)]
pub struct EndpointDocument {
    /// `host:port`.
    pub address: String,
    /// How much of the work it takes.
    pub weight: u32,
    /// `healthy`, `ejected`, `half_open`, `probing` or `down`.
    pub state: String,
    /// Requests that it is answering.
    pub in_flight: u32,
    /// Open ones.
    pub connections: u32,
    /// Those that rest.
    pub idle_connections: u64,
    /// What its next answer is expected to take.
    pub round_trip_ms: f64,
    /// Requests that it got.
    pub requests: u64,
    /// Those that it failed.
    pub failures: u64,
    /// How often it was left out.
    pub ejections: u64,
    /// What its last failure was.
    pub last_failure: Option<String>,
}
