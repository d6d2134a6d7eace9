//! What the token of another issuer says of its holder, as far as it counts here.

use forebay_model::json;
use forebay_model::time::Timestamp;
use serde_json::Value;

use super::rule::Issuer;
use crate::token::jws::Refusal;
use crate::token::{LEEWAY, seconds};

const MAX_SUBJECT_BYTES: usize = 255;
const MAX_NAME_BYTES: usize = 200;
/// Most values of a claim that are looked at.
const MOST_VALUES: usize = 1000;

/// Who shows a token of another issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passport {
    /// `<name of the issuer>:<sub>`
    pub(crate) id: String,
    pub(crate) name: String,
    /// Where the issuer says that it is theirs.
    pub(crate) email: Option<String>,
    /// Roles here.
    pub(crate) roles: Vec<String>,
    /// From then on it is not good.
    pub(crate) until: Timestamp,
}

/// Who is to have written it.
pub(super) fn issuer(payload: &[u8]) -> Option<String> {
    let claims = json::read(std::str::from_utf8(payload).ok()?).ok()?;
    claims.get("iss").and_then(Value::as_str).map(str::to_owned)
}

/// Reads what an issuer has said.
pub(super) fn read(payload: &[u8], issuer: &Issuer, now: Timestamp) -> Result<Passport, Refusal> {
    let text = std::str::from_utf8(payload).map_err(|_| Refusal("claims that are not UTF-8"))?;
    // Reads strictly: a member that stands twice, deep nesting or what follows is refused.
    let claims = json::read(text).map_err(|_| Refusal("claims that are not JSON"))?;
    let said = |name: &str| claims.get(name).and_then(Value::as_str);
    if said("iss") != Some(issuer.issuer.as_str()) {
        return Err(Refusal("another issuer"));
    }
    let for_here = match claims.get("aud") {
        Some(Value::String(one)) => *one == issuer.audience,
        Some(Value::Array(all)) => all.iter().any(|one| *one == issuer.audience),
        _ => false,
    };
    if !for_here {
        return Err(Refusal("another audience"));
    }
    let until = times(&claims, seconds(now))?;
    let subject = said("sub").filter(|sub| is_plain(sub, MAX_SUBJECT_BYTES));
    let subject = subject.ok_or(Refusal("no subject"))?;
    // What people are called where they have a name, and programs by those who wrote them.
    let name = ["name", "preferred_username", "client_id", "azp"].into_iter().find_map(said);
    let name = name.filter(|name| is_plain(name, MAX_NAME_BYTES)).unwrap_or(subject);
    let verified = claims.get("email_verified") == Some(&Value::Bool(true));
    let email = said("email").filter(|email| verified && is_plain(email, MAX_NAME_BYTES));
    Ok(Passport {
        id: format!("{}:{subject}", issuer.name),
        name: name.to_owned(),
        email: email.map(str::to_owned),
        roles: roles(&claims, issuer),
        until,
    })
}

/// When it ends, if it has begun and not ended.
fn times(claims: &Value, now: i64) -> Result<Timestamp, Refusal> {
    let Some(exp) = claims.get("exp").and_then(Value::as_i64) else {
        return Err(Refusal("no expiry"));
    };
    if exp <= now {
        return Err(Refusal("expired"));
    }
    for begins in ["nbf", "iat"] {
        if let Some(at) = claims.get(begins)
            && at.as_i64().is_none_or(|at| at > now.saturating_add(LEEWAY))
        {
            return Err(Refusal("not good yet"));
        }
    }
    let micros = exp.checked_mul(1_000_000).ok_or(Refusal("an expiry that is no time"))?;
    Ok(Timestamp::from_micros(micros))
}

fn is_plain(text: &str, most: usize) -> bool {
    !text.trim().is_empty() && text.len() <= most && !text.contains(char::is_control)
}

/// The roles that the issuer's own values stand for; a value that is not mapped gives none.
fn roles(claims: &Value, issuer: &Issuer) -> Vec<String> {
    let values: Vec<&str> = match at(claims, &issuer.roles_claim) {
        Some(Value::Array(all)) => all.iter().take(MOST_VALUES).filter_map(Value::as_str).collect(),
        // As `scope` is written.
        Some(Value::String(text)) => text.split(' ').take(MOST_VALUES).collect(),
        _ => Vec::new(),
    };
    let mapped = values.iter().filter_map(|value| issuer.roles.get(*value)).flatten();
    let mut roles: Vec<String> = issuer.default_roles.iter().chain(mapped).cloned().collect();
    roles.sort();
    roles.dedup();
    roles
}

/// The member of this name, dots and all, else the one at this path.
fn at<'c>(claims: &'c Value, path: &str) -> Option<&'c Value> {
    let whole = claims.get(path);
    whole.or_else(|| path.split('.').try_fold(claims, |value, name| value.get(name)))
}
