//! Who asks, and what they may do: permissions are `resource:action` on a scope.

use crate::error::{Code, Error, Result};

/// A right: `records:write` on `stream/orders`. `*` stands for anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    resource: String,
    action: String,
    scope: String,
}

impl Permission {
    /// Reads `resource:action[@scope]`; without a scope it is `*`.
    pub fn parse(text: &str) -> Option<Self> {
        let (right, scope) = text.split_once('@').unwrap_or((text, "*"));
        let (resource, action) = right.split_once(':')?;
        let word = |s: &str| !s.is_empty() && !s.contains([':', '@', ' ']);
        if !word(resource) || !word(action) || scope.is_empty() {
            return None;
        }
        Some(Permission {
            resource: resource.to_owned(),
            action: action.to_owned(),
            scope: scope.to_owned(),
        })
    }

    fn covers(&self, right: Right, scope: &str) -> bool {
        let same = |held: &str, asked: &str| held == "*" || held == asked;
        let scope_fits = match self.scope.strip_suffix('*') {
            Some(prefix) => scope.starts_with(prefix),
            None => self.scope == scope,
        };
        same(&self.resource, right.0) && same(&self.action, right.1) && scope_fits
    }
}

/// A right that a door asks for: resource and action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right(pub &'static str, pub &'static str);

/// Create, change and delete stream definitions.
pub const STREAMS_WRITE: Right = Right("streams", "write");
/// See stream definitions.
pub const STREAMS_READ: Right = Right("streams", "read");
/// Append records.
pub const RECORDS_WRITE: Right = Right("records", "write");
/// See records: get, list, export, follow.
pub const RECORDS_READ: Right = Right("records", "read");
/// See and write records whatever a stream's access rules say.
pub const ACCESS_BYPASS: Right = Right("access", "bypass");
/// Read the process's own metrics on the public listener.
pub const METRICS_READ: Right = Right("metrics", "read");

/// Who asks. It comes from the authenticated context only, never from a body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Principal {
    /// Stable and unique: `user:<id>`, `service:<id>`, `key:<id>`, `system:<name>`.
    pub id: String,
    /// For people.
    pub name: String,
    /// What it may do; nothing that is not listed.
    pub permissions: Vec<Permission>,
    /// The account that it is, or that owns the key: `auth.user_id`. None for the system's own.
    pub user_id: Option<String>,
    /// The account's e-mail address.
    pub email: Option<String>,
    /// The account's roles now: `auth.roles`.
    pub roles: Vec<String>,
    /// The key by which it asks.
    pub key_id: Option<String>,
    /// The session in which it asks.
    pub session_id: Option<String>,
    /// A filter that narrows what it sees of any stream: its key's.
    pub filter: Option<String>,
    /// When a person last showed a password or second factor; what sensitive changes ask for.
    pub proven_at: Option<crate::time::Timestamp>,
}

impl Principal {
    /// Whether it holds a right on a scope such as `stream/orders` or `*`.
    pub fn may(&self, right: Right, scope: &str) -> bool {
        self.permissions.iter().any(|p| p.covers(right, scope))
    }

    /// Whether it holds a right on a stream.
    pub fn may_on_stream(&self, right: Right, stream: &str) -> bool {
        self.may(right, &format!("stream/{stream}"))
    }

    /// Refuses with `forbidden` where [`Principal::may_on_stream`] is false.
    pub fn require_on_stream(&self, right: Right, stream: &str) -> Result<()> {
        if self.may_on_stream(right, stream) {
            return Ok(());
        }
        Err(missing(right, &format!("stream/{stream}")))
    }

    /// Refuses with `forbidden` where [`Principal::may`] is false.
    pub fn require(&self, right: Right) -> Result<()> {
        if self.may(right, "*") { Ok(()) } else { Err(missing(right, "*")) }
    }
}

fn missing(Right(resource, action): Right, scope: &str) -> Error {
    Error::new(Code::Forbidden, format!("this needs `{resource}:{action}` on `{scope}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(permissions: &[&str]) -> Principal {
        let permissions = permissions.iter().filter_map(|p| Permission::parse(p)).collect();
        Principal { id: "t".into(), name: "t".into(), permissions, ..Principal::default() }
    }

    #[test]
    fn deny_by_default() {
        assert!(!holding(&[]).may_on_stream(RECORDS_READ, "orders"));
        assert!(Permission::parse("records").is_none());
        assert!(Permission::parse("records:@x").is_none());
    }

    #[test]
    fn scopes_narrow() {
        let p = holding(&["records:write@stream/orders", "records:read@stream/*"]);
        assert!(p.may_on_stream(RECORDS_WRITE, "orders"));
        assert!(!p.may_on_stream(RECORDS_WRITE, "orders2"));
        assert!(p.may_on_stream(RECORDS_READ, "anything"));
        assert!(p.require(RECORDS_READ).is_err());
        assert!(holding(&["*:*"]).require(METRICS_READ).is_ok());
    }
}
