//! The list `auth.issuers`: whose tokens are taken besides our own.

use std::collections::BTreeMap;

use forebay_auth::issuer::{Draft, Issuer};
use forebay_config::Config;
use serde::Deserialize;

use super::gateway::Words;
use crate::Failure;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    name: String,
    issuer: String,
    jwks_url: Option<String>,
    audience: String,
    types: Option<Vec<String>>,
    algorithms: Option<Vec<String>>,
    roles_claim: Option<String>,
    #[serde(default)]
    roles: BTreeMap<String, Words>,
    #[serde(default)]
    default_roles: Vec<String>,
}

/// Reads and checks them.
pub(super) fn read(written: Vec<Written>, config: &Config) -> Result<Vec<Issuer>, Failure> {
    let mut issuers: Vec<Issuer> = Vec::new();
    for (at, one) in written.into_iter().enumerate() {
        let wrong = |what: String| {
            Failure::Configuration(config.fault("auth.issuers", format!("[{at}].{what}")))
        };
        let issuer = Issuer::new(one.draft()).map_err(wrong)?;
        if issuers.iter().any(|other| other.issuer == issuer.issuer) {
            return Err(wrong("issuer: another one has it".to_owned()));
        }
        if issuers.iter().any(|other| other.name == issuer.name) {
            return Err(wrong("name: another one has it".to_owned()));
        }
        issuers.push(issuer);
    }
    Ok(issuers)
}

impl Written {
    fn draft(self) -> Draft {
        let roles = self.roles.into_iter().map(|(value, roles)| (value, roles.list()));
        Draft {
            name: self.name,
            issuer: self.issuer,
            jwks_url: self.jwks_url,
            audience: self.audience,
            types: self.types,
            algorithms: self.algorithms,
            roles_claim: self.roles_claim,
            roles: roles.collect(),
            default_roles: self.default_roles,
        }
    }
}
