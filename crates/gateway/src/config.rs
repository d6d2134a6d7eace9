//! The gateway's limits.

use std::sync::Arc;
use std::time::Duration;

use forebay_http::browser::Site;

use crate::client::Proxies;
use crate::limit::Policy;
use crate::routes::Plan;
use crate::{cors, shield};

/// Plain data; the defaults stand in `config/app.yaml`.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Longest time until a request's head is complete.
    pub header_timeout: Duration,
    /// Longest rest of a connection between two requests.
    pub keep_alive_timeout: Duration,
    /// Longest silence while a body is waited for.
    pub body_timeout: Duration,
    /// Longest time until an answer begins, from when the body was there.
    pub request_timeout: Duration,
    /// How long in-flight requests may take when the process stops.
    pub shutdown_timeout: Duration,
    /// Most connections at once.
    pub max_connections: usize,
    /// Most header fields of a request.
    pub max_headers: usize,
    /// Most bytes of a request's head.
    pub max_header_bytes: usize,
    /// Where browsers find this deployment.
    pub site: Site,
    /// The proxies before this process.
    pub proxies: Proxies,
    /// How much may be asked.
    pub limits: Vec<Policy>,
    /// About how many keys are counted at once.
    pub limit_keys: usize,
    /// Which pages of other sites may ask.
    pub cors: Vec<cors::Rule>,
    /// What answers say beside what they are.
    pub headers: Vec<shield::Rule>,
    /// The users' routes when the process begins.
    pub routes: Arc<Plan>,
    /// Whether each request is a line of the log.
    pub access_log: bool,
}
