//! Channels: ways to reach somebody. A kind is one file and one line in [`CHANNELS`].

pub(crate) mod email;
pub(crate) mod stored;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_model::field::nearest;
use forebay_model::time::Timestamp;
use forebay_model::{Error, FieldError, Result};
use forebay_outgoing::Client;
use serde_json::{Map, Value};

use crate::message::{Message, Outcome};

/// Every kind of channel, by name.
pub(crate) static CHANNELS: &[&dyn ChannelKind] = &[&email::Email, &webhook::Webhook];

/// A kind of channel.
pub(crate) trait ChannelKind: Send + Sync {
    /// As it is written in `kind`.
    fn name(&self) -> &'static str;

    /// What it does, in a sentence.
    fn about(&self) -> &'static str;

    /// The JSON Schema of `config`; it has every member.
    fn schema(&self) -> Value;

    /// A `config` that is good.
    fn example(&self) -> Value;

    /// The members of `config` that are sealed, and never shown again.
    fn secret_members(&self) -> &'static [&'static str] {
        &[]
    }

    /// Makes the secrets of a new channel, or renews them: the old ones stay good for a while, as the
    /// kind sees fit. What it gives is sealed; without anything the kind has no secrets of its own.
    fn renew(&self, _old: Option<&Value>, _now: Timestamp) -> Result<Option<Value>> {
        Ok(None)
    }

    /// What is shown once of secrets that were just made: members of the answer.
    fn shown_once(&self, _secrets: &Value) -> Map<String, Value> {
        Map::new()
    }

    /// What is shown of secrets always, such as a public key: members of the answer.
    fn shown(&self, _secrets: &Value) -> Map<String, Value> {
        Map::new()
    }

    /// Checks a configuration and makes the channel. An error's pointers begin in `config`, as `/url`.
    fn build(&self, config: Config<'_>, means: &Means) -> Result<Arc<dyn Channel>>;
}

/// What a channel is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Config<'c> {
    /// `config`, with its secret members.
    pub(crate) members: &'c Map<String, Value>,
    /// What [`ChannelKind::renew`] made.
    pub(crate) secrets: &'c Value,
}

/// What channels are made with.
#[derive(Clone)]
pub(crate) struct Means {
    /// For every call.
    pub(crate) client: Client,
    /// How long a receiver may take to answer.
    pub(crate) timeout: Duration,
    /// What e-mail goes through.
    pub(crate) office: Option<Arc<email::office::Office>>,
    /// The id of the channel that is made; empty for one that is only checked.
    pub(crate) channel: String,
}

/// A channel that messages can be sent by.
#[async_trait]
pub(crate) trait Channel: Send + Sync {
    /// Tries once; `now` is when. It ends within the time that [`Means`] say, or a little more.
    async fn send(&self, message: &Message, now: Timestamp) -> Outcome;
}

/// Finds a kind by its name.
pub(crate) fn kind(name: &str) -> Result<&'static dyn ChannelKind> {
    let found = CHANNELS.iter().find(|kind| kind.name() == name);
    found.copied().ok_or_else(|| {
        let names: Vec<&str> = CHANNELS.iter().map(|kind| kind.name()).collect();
        let hint = nearest(name, names.iter().copied());
        let hint = hint.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
        let message = format!("there is no kind `{name}`; available: {}{hint}", names.join(", "));
        Error::invalid(FieldError::new("/kind", "unknown", message))
    })
}

/// Every kind with what it takes, as `api/kinds.json` holds it.
pub fn kinds() -> String {
    let channels: Vec<Value> = CHANNELS.iter().map(|kind| describe(*kind)).collect();
    let document = serde_json::json!({"channels": channels});
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

fn describe(kind: &dyn ChannelKind) -> Value {
    serde_json::json!({
        "name": kind.name(),
        "about": kind.about(),
        "config": kind.schema(),
        "sealed": kind.secret_members(),
        "example": kind.example(),
    })
}

#[cfg(test)]
mod tests;
