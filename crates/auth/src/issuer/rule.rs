//! One issuer as the settings describe it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use reqwest::Url;

use super::Algorithm;

/// Names that begin the ids of our own principals.
const OWN: [&str; 4] = ["key", "service", "system", "user"];
const MAX_NAME_BYTES: usize = 40;
const MAX_TEXT_BYTES: usize = 500;
/// Most values of a claim that give roles.
const MOST_ROLES: usize = 200;
const TYPES: [&str; 2] = ["at+jwt", "jwt"];
const ALGORITHMS: [Algorithm; 2] = [Algorithm::Rs256, Algorithm::Es256];

/// An issuer as it was written.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// What principals' ids begin with.
    pub name: String,
    /// The exact `iss`.
    pub issuer: String,
    /// Where its keys are; without it they are discovered.
    pub jwks_url: Option<String>,
    /// What is among `aud`.
    pub audience: String,
    /// Types of tokens: `at+jwt` and `JWT`, where nothing is said.
    pub types: Option<Vec<String>>,
    /// Ways of signing: `RS256` and `ES256`, where nothing is said.
    pub algorithms: Option<Vec<String>>,
    /// Where a token says its roles: `roles`, where nothing is said.
    pub roles_claim: Option<String>,
    /// Roles here by a value there.
    pub roles: BTreeMap<String, Vec<String>>,
    /// Roles of everybody whom it knows.
    pub default_roles: Vec<String>,
}

/// An issuer whose tokens are taken.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// What principals' ids begin with.
    pub name: String,
    /// The exact `iss`.
    pub issuer: String,
    pub(super) audience: String,
    pub(super) types: Vec<String>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) roles_claim: String,
    pub(super) roles: BTreeMap<String, Vec<String>>,
    pub(super) default_roles: Vec<String>,
    pub(super) place: Place,
}

/// Where keys are.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Known(Url),
    /// The document that says so (OpenID Connect Discovery 1.0, 4).
    Discovered(Url),
}

impl Issuer {
    /// Checks a draft; an error begins with the key that it is about.
    pub fn new(draft: Draft) -> Result<Issuer, String> {
        name(&draft.name)?;
        text("issuer", &draft.issuer)?;
        text("audience", &draft.audience)?;
        let place = match &draft.jwks_url {
            Some(url) => Place::Known(address("jwks_url", url)?),
            None => {
                let base = address("issuer", &draft.issuer)?;
                if base.query().is_some() {
                    return Err("issuer: without a query, or with jwks_url".to_owned());
                }
                let base = draft.issuer.trim_end_matches('/');
                let document = format!("{base}/.well-known/openid-configuration");
                Place::Discovered(address("issuer", &document)?)
            }
        };
        let types = draft.types.unwrap_or_else(|| TYPES.map(str::to_owned).to_vec());
        if types.is_empty() {
            return Err("types: one at least, such as at+jwt".to_owned());
        }
        let roles_claim = draft.roles_claim.unwrap_or_else(|| "roles".to_owned());
        text("roles_claim", &roles_claim)?;
        if draft.roles.len() > MOST_ROLES {
            return Err(format!("roles: at most {MOST_ROLES}"));
        }
        for roles in draft.roles.values() {
            role_names("roles", roles)?;
        }
        role_names("default_roles", &draft.default_roles)?;
        Ok(Issuer {
            algorithms: algorithms(draft.algorithms)?,
            types: types.iter().map(|typ| media_type(typ)).collect(),
            name: draft.name,
            issuer: draft.issuer,
            audience: draft.audience,
            roles_claim,
            roles: draft.roles,
            default_roles: draft.default_roles,
            place,
        })
    }

    /// Whether tokens of this type are taken; one that says none is of none.
    pub(super) fn takes_type(&self, typ: Option<&str>) -> bool {
        typ.is_some_and(|typ| self.types.contains(&media_type(typ)))
    }
}

/// `at+jwt` and `application/AT+JWT` are one type (RFC 7515, 4.1.9).
fn media_type(typ: &str) -> String {
    let typ = typ.to_ascii_lowercase();
    typ.strip_prefix("application/").map(str::to_owned).unwrap_or(typ)
}

fn name(name: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.chars().all(good) {
        return Err(format!("name: 1 to {MAX_NAME_BYTES} of a-z, 0-9, `-` and `_`"));
    }
    if OWN.contains(&name) {
        return Err(format!("name: `{name}` is what ids of Forebay's own begin with"));
    }
    Ok(())
}

fn text(key: &str, text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > MAX_TEXT_BYTES || text.contains(char::is_control) {
        return Err(format!("{key}: 1 to {MAX_TEXT_BYTES} bytes of plain text"));
    }
    Ok(())
}

fn role_names(key: &str, roles: &[String]) -> Result<(), String> {
    match roles.iter().find(|role| role.is_empty() || role.len() > 100) {
        Some(role) => Err(format!("{key}: `{role}` is no name of a role")),
        None => Ok(()),
    }
}

fn algorithms(named: Option<Vec<String>>) -> Result<Vec<Algorithm>, String> {
    let Some(named) = named else { return Ok(ALGORITHMS.to_vec()) };
    let read = named.iter().map(|name| {
        Algorithm::parse(name).ok_or_else(|| format!("algorithms: `{name}` is not one of them"))
    });
    let read = read.collect::<Result<Vec<_>, _>>();
    match read {
        Ok(read) if read.is_empty() => Err("algorithms: one at least".to_owned()),
        Ok(read) => Ok(read),
        Err(what) => Err(format!("{what}: RS256, ES256 and EdDSA are")),
    }
}

/// Reads a URL that this process itself asks: whoever listens between must not choose the keys.
fn address(key: &str, url: &str) -> Result<Url, String> {
    text(key, url)?;
    let read = Url::parse(url).map_err(|error| format!("{key}: `{url}` is no URL: {error}"))?;
    if !is_safe(&read) {
        return Err(format!("{key}: begins with https://, or is on this machine"));
    }
    if !read.username().is_empty() || read.password().is_some() || read.fragment().is_some() {
        return Err(format!("{key}: without a user, a password and a fragment"));
    }
    Ok(read)
}

/// Whether a URL is one of TLS, or of this machine.
pub(super) fn is_safe(url: &Url) -> bool {
    url.scheme() == "https" && url.has_host() || url.scheme() == "http" && is_loopback(url)
}

/// Whether a URL is one of this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
