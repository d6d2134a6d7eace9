//! Who asks, and what they may do: permissions are `resource:action` on a scope.

use std::fmt;
use std::sync::Arc;

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

    /// Whether whoever holds this holds all of another.
    pub fn includes(&self, other: &Permission) -> bool {
        let same = |held: &str, asked: &str| held == "*" || held == asked;
        same(&self.resource, &other.resource)
            && same(&self.action, &other.action)
            && self.reaches(&other.scope)
    }

    /// Whether it holds all of a scope. The system's own streams are in no wider scope than their
    /// own, unless it is that of somebody who may do anything.
    fn reaches(&self, scope: &str) -> bool {
        let own = !is_system(scope) || is_system(&self.scope);
        scope_includes(&self.scope, scope) && (own || self.resource == "*" && self.scope == "*")
    }

    /// What two permissions have in common, where they have something.
    pub fn meet(&self, other: &Permission) -> Option<Permission> {
        fn narrower<'w>(a: &'w str, b: &'w str) -> Option<&'w str> {
            match (a, b) {
                ("*", word) | (word, "*") => Some(word),
                (a, b) => (a == b).then_some(a),
            }
        }
        let scope = if self.reaches(&other.scope) {
            &other.scope
        } else if other.reaches(&self.scope) {
            &self.scope
        } else {
            return None;
        };
        Some(Permission {
            resource: narrower(&self.resource, &other.resource)?.to_owned(),
            action: narrower(&self.action, &other.action)?.to_owned(),
            scope: scope.clone(),
        })
    }

    /// Where it holds: `stream/orders`, `stream/eu-*`, `*`.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// The resource and the action, `*` for any.
    pub fn right(&self) -> (&str, &str) {
        (&self.resource, &self.action)
    }

    fn covers(&self, right: Right, scope: &str) -> bool {
        let same = |held: &str, asked: &str| held == "*" || held == asked;
        same(&self.resource, right.0) && same(&self.action, right.1) && self.reaches(scope)
    }
}

/// Whether a scope is one of the system's own streams.
fn is_system(scope: &str) -> bool {
    scope.strip_prefix("stream/").is_some_and(is_system_stream)
}

/// Whether a stream is the system's own: nobody else makes, changes or writes it.
pub fn is_system_stream(name: &str) -> bool {
    name.starts_with('_')
}

/// Whether a scope holds all that another does; one that ends in `*` holds what begins so.
fn scope_includes(whole: &str, part: &str) -> bool {
    match whole.strip_suffix('*') {
        Some(prefix) => part.starts_with(prefix),
        None => whole == part,
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}@{}", self.resource, self.action, self.scope)
    }
}

/// What is left of one list of permissions within another.
pub fn meet_all(some: &[Permission], others: &[Permission]) -> Vec<Permission> {
    let mut met: Vec<Permission> = Vec::new();
    for permission in some.iter().flat_map(|a| others.iter().filter_map(|b| a.meet(b))) {
        if !met.iter().any(|known| known.includes(&permission)) {
            met.push(permission);
        }
    }
    met
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
/// Erase records: their content goes for good.
pub const RECORDS_ERASE: Right = Right("records", "erase");
/// See and write records whatever a stream's access rules say.
pub const ACCESS_BYPASS: Right = Right("access", "bypass");
/// See roles.
pub const ROLES_READ: Right = Right("roles", "read");
/// Make, change and delete roles.
pub const ROLES_WRITE: Right = Right("roles", "write");
/// See service accounts.
pub const ACCOUNTS_READ: Right = Right("accounts", "read");
/// Make, change and delete service accounts, and give them roles.
pub const ACCOUNTS_WRITE: Right = Right("accounts", "write");
/// See people's accounts.
pub const USERS_READ: Right = Right("users", "read");
/// Make, invite, change and delete people's accounts, and give them roles.
pub const USERS_WRITE: Right = Right("users", "write");
/// See the keys of others.
pub const KEYS_READ: Right = Right("keys", "read");
/// Make and revoke keys.
pub const KEYS_WRITE: Right = Right("keys", "write");
/// See what somebody else sees.
pub const VIEW_AS: Right = Right("access", "view_as");
/// Read the process's own metrics on the public listener.
pub const METRICS_READ: Right = Right("metrics", "read");

/// Reading what the gateway's configuration says, and how upstreams are.
pub const GATEWAY_READ: Right = Right("gateway", "read");

/// Reading how the system is: what `forebay doctor` finds.
pub const SYSTEM_READ: Right = Right("system", "read");

/// Asking through a route that wants it, on `route/<name>`.
pub const ROUTES_USE: Right = Right("routes", "use");

/// See channels: where messages can be sent to.
pub const CHANNELS_READ: Right = Right("channels", "read");
/// Make, change, test and delete channels; on `own`, one's own.
pub const CHANNELS_WRITE: Right = Right("channels", "write");
/// See deliveries and their tries.
pub const DELIVERIES_READ: Right = Right("deliveries", "read");
/// Put deliveries in line again.
pub const DELIVERIES_WRITE: Right = Right("deliveries", "write");
/// See rules and alerts.
pub const RULES_READ: Right = Right("rules", "read");
/// Make, change and delete rules, and acknowledge alerts; on `own`, one's own.
pub const RULES_WRITE: Right = Right("rules", "write");
/// See silences.
pub const SILENCES_READ: Right = Right("silences", "read");
/// Make and end silences.
pub const SILENCES_WRITE: Right = Right("silences", "write");
/// See the texts of what is told.
pub const TEMPLATES_READ: Right = Right("templates", "read");
/// Change them.
pub const TEMPLATES_WRITE: Right = Right("templates", "write");

/// Every right that a permission can name.
pub const RIGHTS: &[Right] = &[
    STREAMS_READ,
    STREAMS_WRITE,
    RECORDS_READ,
    RECORDS_WRITE,
    RECORDS_ERASE,
    ACCESS_BYPASS,
    ROLES_READ,
    ROLES_WRITE,
    ACCOUNTS_READ,
    ACCOUNTS_WRITE,
    USERS_READ,
    USERS_WRITE,
    KEYS_READ,
    KEYS_WRITE,
    METRICS_READ,
    GATEWAY_READ,
    ROUTES_USE,
    SYSTEM_READ,
    VIEW_AS,
    CHANNELS_READ,
    CHANNELS_WRITE,
    DELIVERIES_READ,
    DELIVERIES_WRITE,
    RULES_READ,
    RULES_WRITE,
    SILENCES_READ,
    SILENCES_WRITE,
    TEMPLATES_READ,
    TEMPLATES_WRITE,
];

/// Who asks. It comes from the authenticated context only, never from a body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Principal {
    /// Stable and unique: `user:<id>`, `service:<id>`, `key:<id>`, `system:<name>`,
    /// `<issuer>:<subject>`.
    pub id: String,
    /// For people.
    pub name: String,
    /// What it may do; nothing that is not listed.
    pub permissions: Vec<Permission>,
    /// The account that it is, or that owns the key: `auth.user_id`. None for the system's own. Who
    /// is known by another issuer has no account, and its id here.
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
    /// Who really asks, where somebody sees what this one sees.
    pub viewer: Option<Arc<Principal>>,
    /// When a person last showed a password or second factor; what sensitive changes ask for.
    pub proven_at: Option<crate::time::Timestamp>,
    /// When it ends by itself: whoever shows the token of another issuer, and has no account here.
    pub until: Option<crate::time::Timestamp>,
}

impl Principal {
    /// Refuses a person who has shown no password or second factor for a while, with
    /// `step_up_required`. Programs are not asked: a key is all that they have.
    pub fn require_proof(&self, now: crate::time::Timestamp) -> Result<()> {
        const FRESH_MICROS: i64 = 10 * 60 * 1_000_000;
        let fresh = |at: crate::time::Timestamp| now.micros() - at.micros() <= FRESH_MICROS;
        if self.session_id.is_none() || self.proven_at.is_some_and(fresh) {
            return Ok(());
        }
        let detail = "show a password or code first: POST /v1/auth/step-up";
        Err(Error::new(Code::StepUpRequired, detail))
    }

    /// Whether another issuer says who it is: it has no account, no session and no key here.
    pub fn is_guest(&self) -> bool {
        self.until.is_some()
    }

    /// Whether it holds a right on a scope such as `stream/orders` or `*`.
    pub fn may(&self, right: Right, scope: &str) -> bool {
        self.permissions.iter().any(|p| p.covers(right, scope))
    }

    /// Whether it holds a right on a stream. The system's own are written by nobody.
    pub fn may_on_stream(&self, right: Right, stream: &str) -> bool {
        let written = [STREAMS_WRITE, RECORDS_WRITE, RECORDS_ERASE].contains(&right);
        !(written && is_system_stream(stream)) && self.may(right, &format!("stream/{stream}"))
    }

    /// Whether it holds all of a permission, so that it may hand it on.
    pub fn holds(&self, permission: &Permission) -> bool {
        self.permissions.iter().any(|held| held.includes(permission))
    }

    /// Refuses with `forbidden` where [`Principal::may_on_stream`] is false.
    pub fn require_on_stream(&self, right: Right, stream: &str) -> Result<()> {
        if self.may_on_stream(right, stream) {
            return Ok(());
        }
        if is_system_stream(stream) && self.may(right, &format!("stream/{stream}")) {
            let detail = format!("the stream `{stream}` is written by the system alone");
            return Err(Error::new(Code::Forbidden, detail));
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

    #[test]
    fn the_system_s_streams_are_in_no_wider_scope() {
        let audit = |p: &Principal| p.may_on_stream(RECORDS_READ, "_audit");
        for some in ["records:read", "*:*@stream/*", "records:read@stream/*", "records:*@*"] {
            assert!(!audit(&holding(&[some])), "{some}");
        }
        for all in ["*:*", "*:read", "records:read@stream/_audit", "records:read@stream/_*"] {
            assert!(audit(&holding(&[all])), "{all}");
            assert!(!holding(&[all]).may_on_stream(RECORDS_WRITE, "_audit"), "{all}");
            assert!(!holding(&[all]).may_on_stream(RECORDS_ERASE, "_audit"), "{all}");
        }
        let read = |text: &str| Permission::parse(text).unwrap();
        let met = |a: &str, b: &str| read(a).meet(&read(b)).map(|met| met.to_string());
        // A key gives no more than its owner has, whichever of the two names the stream.
        assert_eq!(met("records:read@stream/_audit", "records:read@*"), None);
        assert_eq!(met("records:read@*", "records:read@stream/_audit"), None);
        let named = Some("records:read@stream/_audit".to_owned());
        assert_eq!(met("records:read@stream/_audit", "*:*"), named);
        assert!(!read("records:*").includes(&read("records:read@stream/_audit")));
    }

    #[test]
    fn what_two_lists_have_in_common() {
        let read = |texts: &[&str]| -> Vec<Permission> {
            texts.iter().filter_map(|text| Permission::parse(text)).collect()
        };
        let texts = |permissions: Vec<Permission>| -> Vec<String> {
            permissions.iter().map(ToString::to_string).collect()
        };
        let met = meet_all(
            &read(&["records:*@stream/a*", "streams:read"]),
            &read(&["records:read@stream/*", "records:write@stream/ab", "*:read@stream/x"]),
        );
        assert_eq!(
            texts(met),
            ["records:read@stream/a*", "records:write@stream/ab", "streams:read@stream/x"]
        );
        assert!(meet_all(&read(&["records:read@stream/a"]), &read(&["streams:read"])).is_empty());
        assert!(!holding(&["records:read@stream/a*"]).holds(&read(&["records:read"])[0]));
        assert!(holding(&["*:*"]).holds(&read(&["records:read@stream/a*"])[0]));
    }
}
