//! A channel as it is stored: what is secret of its configuration is sealed for it alone.

use std::sync::Arc;

use forebay_db::seal::Master;
use forebay_model::time::Timestamp;
use forebay_model::{Error, FieldError, Result};
use serde_json::{Map, Value, json};

use super::{Channel, ChannelKind, Config, Means, kind};
use crate::sql::channel::Kept;

/// What secrets of channels are sealed for.
const PURPOSE: &str = "channel";
/// The most bytes of a configuration.
pub(crate) const MAX_BYTES: usize = 16 << 10;

/// A channel's configuration, opened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    /// All members, with those that are secret.
    pub(crate) members: Map<String, Value>,
    /// The kind's own secrets.
    pub(crate) secrets: Value,
}

impl Settings {
    /// Opens what is stored.
    pub(crate) fn open(kept: &Kept, master: &Master) -> Result<Settings> {
        let mut members = object(serde_json::from_str(&kept.config).map_err(Error::internal)?);
        let sealed = master.open(PURPOSE, &kept.id, &kept.secrets)?;
        let mut sealed = object(serde_json::from_slice(&sealed).map_err(Error::internal)?);
        let secrets = sealed.remove("secrets").unwrap_or_default();
        members.extend(object(sealed.remove("members").unwrap_or_default()));
        Ok(Settings { members, secrets })
    }

    /// Writes them into a channel, what is secret sealed.
    pub(crate) fn store(self, kept: &mut Kept, master: &Master) -> Result<()> {
        let secret = kind(&kept.kind)?.secret_members();
        let of = |(name, _): &(String, Value)| secret.contains(&name.as_str());
        let (hidden, open): (Vec<_>, Vec<_>) = self.members.into_iter().partition(of);
        let hidden: Map<String, Value> = hidden.into_iter().collect();
        let open: Map<String, Value> = open.into_iter().collect();
        kept.config = Value::Object(open).to_string();
        let sealed = json!({"members": hidden, "secrets": self.secrets}).to_string();
        kept.secrets = master.seal(PURPOSE, &kept.id, sealed.as_bytes())?;
        Ok(())
    }

    /// Takes another configuration: members that are secret stay when they are left out, for whoever
    /// changes a channel does not see them. A null takes one away.
    pub(crate) fn replace(&mut self, kind: &dyn ChannelKind, members: Map<String, Value>) {
        let old = std::mem::replace(&mut self.members, members);
        for (name, value) in old {
            if kind.secret_members().contains(&name.as_str()) {
                self.members.entry(name).or_insert(value);
            }
        }
        self.members.retain(|_, value| !value.is_null());
    }

    /// Renews the kind's own secrets; the answer's members that are shown once.
    pub(crate) fn renew(
        &mut self,
        kind: &dyn ChannelKind,
        now: Timestamp,
    ) -> Result<Option<Map<String, Value>>> {
        let old = (!self.secrets.is_null()).then_some(&self.secrets);
        let Some(new) = kind.renew(old, now)? else { return Ok(None) };
        let shown = kind.shown_once(&new);
        self.secrets = new;
        Ok(Some(shown))
    }

    /// Checks them and makes the channel. An error's pointers begin in the request's body.
    pub(crate) fn build(&self, kind: &dyn ChannelKind, means: &Means) -> Result<Arc<dyn Channel>> {
        let config = Config { members: &self.members, secrets: &self.secrets };
        kind.build(config, means).map_err(|mut error| {
            if error.errors.is_empty() {
                return error;
            }
            error.errors.iter_mut().for_each(|field| field.path.insert_str(0, "/config"));
            Error::invalid_all(error.errors)
        })
    }
}

/// Reads the member `config` of a request.
pub(crate) fn read(value: Option<Value>) -> Result<Map<String, Value>> {
    match value {
        Some(Value::Object(members)) => {
            let written = Value::Object(members.clone()).to_string();
            if written.len() > MAX_BYTES {
                let message = format!("at most {MAX_BYTES} bytes");
                return Err(Error::invalid(FieldError::new("/config", "too_long", message)));
            }
            Ok(members)
        }
        _ => Err(Error::invalid(FieldError::new("/config", "type_mismatch", "an object"))),
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
