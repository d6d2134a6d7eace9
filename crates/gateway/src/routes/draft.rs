//! A route as somebody has written it: plain data, not yet checked.

use std::time::Duration;

/// A route.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// What answers, metrics and the log call it.
    pub name: String,
    /// The higher ones are asked first; of equal ones, the one that stands first.
    pub priority: i64,
    /// Which requests it is for.
    pub wanted: Wanted,
    /// What becomes of them.
    pub action: Action,
    /// The path that the upstream is asked for; the one that was asked for without it.
    pub rewrite: Option<Rewrite>,
    /// What is changed of the request's head.
    pub request_headers: Edits,
    /// What is changed of the answer's head.
    pub response_headers: Edits,
    /// `required`, `optional` or `none`.
    pub auth: Option<String>,
    /// What whoever asks must hold, as `resource:action@scope`.
    pub permission: Option<String>,
    /// Longest time until an answer begins.
    pub timeout: Option<Duration>,
    /// Whether the upstream gets the caller's key, token or cookie.
    pub pass_credentials: bool,
    /// Whether the upstream is told who asks.
    pub identity: bool,
    /// Whether an escaped slash, or a `;`, may stand where a service could read another route.
    pub lax_paths: bool,
}

/// Which requests a route is for; what is not said is any.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// `shop.example.com`, or `*.example.com`.
    pub host: Option<String>,
    /// `/a/b`, `/a/{id}`, `/a/*`.
    pub path: Option<String>,
    /// `/a`: itself and all that is below it.
    pub prefix: Option<String>,
    /// `GET`, which is `HEAD` too.
    pub methods: Vec<String>,
    /// Header fields.
    pub headers: Vec<(String, Is)>,
    /// Query parameters.
    pub query: Vec<(String, Is)>,
    /// A condition in the filter language.
    pub filter: Option<String>,
}

/// What a header field or parameter is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Is {
    /// There once, with this value.
    Text(String),
    /// There, or not there.
    There(bool),
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It goes to one of these upstreams, by their weights.
    Upstream(Vec<(String, u32)>),
    /// It is answered with another place, `to`.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// `https://www.example.com/{rest}`.
        to: String,
    },
    /// It is answered here.
    Answer {
        /// From 200 on.
        status: u16,
        /// A text.
        body: String,
        /// The text's media type.
        content_type: Option<String>,
    },
}

impl Default for Action {
    fn default() -> Self {
        Action::Upstream(Vec::new())
    }
}

/// The path that an upstream is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rewrite {
    /// In the place of the route's prefix; `/` takes it away.
    Prefix(String),
    /// `/v2/items/{id}`.
    Path(String),
}

/// What is changed of a head: first `remove`, then `set`, then `add`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits {
    /// In the place of what is there.
    pub set: Vec<(String, String)>,
    /// Beside what is there.
    pub add: Vec<(String, String)>,
    /// Not any more.
    pub remove: Vec<String>,
}
