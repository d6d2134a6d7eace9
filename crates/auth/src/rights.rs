//! The roles that every deployment has, and permissions as they are written.

use forebay_model::field::nearest;
use forebay_model::principal::{Permission, RIGHTS};
use forebay_model::{Error, FieldError, Result};
use serde_json::Value;

/// The most permissions of a role or key.
const MOST: usize = 100;
const MAX_SCOPE_BYTES: usize = 100;

/// Built-in roles; none can be changed.
pub(crate) const BUILT_IN: [(&str, &[&str]); 5] = [
    ("admin", &["*:*"]),
    (
        "editor",
        &[
            "streams:read",
            "records:read",
            "records:write",
            "rules:*@own",
            "channels:*@own",
            "deliveries:*@own",
            "silences:*@own",
        ],
    ),
    ("ingest", &["records:write"]),
    (
        "operator",
        &[
            "streams:*",
            "records:*",
            "streams:read@stream/_*",
            "records:read@stream/_*",
            "access:bypass",
            "gateway:read",
            "metrics:read",
            "rules:*",
            "channels:*",
            "deliveries:*",
            "silences:*",
            "templates:*",
            "system:read",
        ],
    ),
    ("viewer", &["streams:read", "records:read"]),
];

/// The permissions of a built-in role.
pub(crate) fn built_in(name: &str) -> Option<Vec<Permission>> {
    let (_, texts) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
    Some(texts.iter().filter_map(|text| Permission::parse(text)).collect())
}

/// Reads the member `permissions`.
pub(crate) fn read(value: Option<&Value>) -> Result<Vec<Permission>> {
    let wrong = |path: String, code, message: String| {
        Err(Error::invalid(FieldError::new(path, code, message)))
    };
    let Some(Value::Array(texts)) = value else {
        let message = "an array such as [\"records:read@stream/orders\"]".to_owned();
        return wrong("/permissions".to_owned(), "type_mismatch", message);
    };
    if texts.len() > MOST {
        return wrong("/permissions".to_owned(), "too_long", format!("at most {MOST}"));
    }
    let mut permissions = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        match text.as_str().ok_or_else(|| "a text".to_owned()).and_then(one) {
            Ok(permission) => permissions.push(permission),
            Err(message) => return wrong(format!("/permissions/{at}"), "invalid", message),
        }
    }
    Ok(permissions)
}

fn one(text: &str) -> Result<Permission, String> {
    let permission = Permission::parse(text).filter(|_| text.len() <= MAX_SCOPE_BYTES);
    let permission =
        permission.ok_or("written `resource:action` or `resource:action@stream/name`")?;
    if !is_scope(permission.scope()) {
        return Err(
            "a scope is `*`, `own`, `stream/name` or `route/name`, which may end in `*`".to_owned()
        );
    }
    let (resource, action) = permission.right();
    let fits = |asked: &str, known: &str| asked == "*" || asked == known;
    if RIGHTS.iter().any(|right| fits(resource, right.0) && fits(action, right.1)) {
        return Ok(permission);
    }
    let known: Vec<String> =
        RIGHTS.iter().map(|right| format!("{}:{}", right.0, right.1)).collect();
    let asked = format!("{resource}:{action}");
    let near = nearest(&asked, known.iter().map(String::as_str));
    let hint = near.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
    Err(format!("there is no right `{asked}`{hint}"))
}

fn is_scope(scope: &str) -> bool {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    let name = scope.strip_prefix("stream/").or_else(|| scope.strip_prefix("route/"));
    let name = name.map(|name| name.strip_suffix('*').unwrap_or(name));
    scope == "*" || scope == "own" || name.is_some_and(|name| name.chars().all(good))
}

/// As the API shows and the database keeps them.
pub(crate) fn to_json(permissions: &[Permission]) -> Value {
    permissions.iter().map(ToString::to_string).collect()
}

/// Reads what the database keeps.
pub(crate) fn from_stored(text: &str) -> Vec<Permission> {
    let texts: Vec<String> = serde_json::from_str(text).unwrap_or_default();
    texts.iter().filter_map(|text| Permission::parse(text)).collect()
}
