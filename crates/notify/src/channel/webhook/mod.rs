//! Webhooks: a signed POST for each notification (Standard Webhooks 1.0).

mod headers;
mod sign;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use forebay_http::body;
use forebay_model::time::Timestamp;
use forebay_model::{Error, FieldError, Result};
use forebay_outgoing::{Answer, Call, Client, Failure, Url};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Map, Value, json};

use super::{Channel, ChannelKind, Config, Means};
use crate::message::{MAX_EXCERPT_BYTES, Message, Outcome, Verdict};
use sign::{Secrets, Signatures};

/// After no answer, or the word that it is too much, a receiver is left alone for so long.
const FLOOR: Duration = Duration::from_secs(60);

/// The kind.
pub(crate) struct Webhook;

impl ChannelKind for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn about(&self) -> &'static str {
        "Sends each notification as a signed POST to a URL (Standard Webhooks 1.0)"
    }

    fn schema(&self) -> Value {
        json!({
            "type": "object",
            "required": ["url"],
            "additionalProperties": false,
            "properties": {
                "url": {"type": "string", "description": "Where to: https://…"},
                "headers": {
                    "type": "object",
                    "additionalProperties": {"type": "string"},
                    "description": "Header fields that go along, at most 20; they are sealed",
                },
                "signatures": {
                    "type": "array",
                    "items": {"enum": ["v1", "v1a"]},
                    "description": "How it is signed: v1 (HMAC-SHA256), v1a (Ed25519); v1 without it",
                },
            },
        })
    }

    fn example(&self) -> Value {
        json!({
            "url": "https://example.com/hooks/forebay",
            "headers": {"authorization": "Bearer token"},
            "signatures": ["v1", "v1a"],
        })
    }

    fn secret_members(&self) -> &'static [&'static str] {
        &["headers"]
    }

    fn renew(&self, old: Option<&Value>, now: Timestamp) -> Result<Option<Value>> {
        let old = old.map(Secrets::read).transpose()?;
        Secrets::renew(old, now).map(|secrets| Some(secrets.to_json()))
    }

    fn shown_once(&self, secrets: &Value) -> Map<String, Value> {
        let secret = Secrets::read(secrets).ok().and_then(|secrets| secrets.symmetric());
        secret.map(|secret| ("secret".to_owned(), secret.into())).into_iter().collect()
    }

    fn shown(&self, secrets: &Value) -> Map<String, Value> {
        let key = Secrets::read(secrets).ok().and_then(|secrets| secrets.public());
        key.map(|key| ("public_key".to_owned(), key.into())).into_iter().collect()
    }

    fn build(&self, config: Config<'_>, means: &Means) -> Result<Arc<dyn Channel>> {
        body::only(config.members, &["url", "headers", "signatures"])?;
        let url = body::required(config.members, "url")?;
        let url = means.client.guard().read(&url).map_err(|refusal| {
            Error::invalid(FieldError::new("/url", "invalid", refusal.to_string()))
        })?;
        let headers = headers::read(config.members.get("headers"))?;
        let signatures = Signatures::read(body::texts(config.members, "signatures")?)?;
        let secrets = Secrets::read(config.secrets)?;
        let (client, timeout) = (means.client.clone(), means.timeout);
        Ok(Arc::new(Hook { url, headers, signatures, secrets, client, timeout }))
    }
}

/// A channel of this kind.
struct Hook {
    url: Url,
    headers: HeaderMap,
    signatures: Signatures,
    secrets: Secrets,
    client: Client,
    timeout: Duration,
}

#[async_trait]
impl Channel for Hook {
    async fn send(&self, message: &Message, now: Timestamp) -> Outcome {
        let body = payload(message);
        let seconds = now.micros().div_euclid(1_000_000);
        let signed = self.secrets.sign(self.signatures, (&message.id, seconds), &body, now);
        let mut headers = self.headers.clone();
        for (name, value) in [
            ("webhook-id", HeaderValue::from_str(&message.id)),
            ("webhook-timestamp", Ok(seconds.into())),
            ("webhook-signature", HeaderValue::from_str(&signed)),
        ] {
            let Ok(value) = value else { return never("the message has an unusable id") };
            headers.insert(name, value);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let call = Call {
            method: Method::POST,
            url: self.url.clone(),
            headers,
            body: Bytes::from(body),
            timeout: self.timeout,
            keep: MAX_EXCERPT_BYTES,
        };
        match self.client.send(call).await {
            Ok(answer) => judge(&answer, now),
            Err(failure) => failed(&failure),
        }
    }
}

/// The body: what happened, when, and what of it.
fn payload(message: &Message) -> String {
    let kind = Value::from(message.kind.as_str());
    format!(r#"{{"type":{kind},"timestamp":"{}","data":{}}}"#, message.time, message.data)
}

/// What an answer means.
fn judge(answer: &Answer, now: Timestamp) -> Outcome {
    let asked = answer.retry_after.as_deref().and_then(|text| headers::retry_after(text, now));
    let asked = asked.unwrap_or_default();
    let (verdict, name) = match answer.status {
        200..=299 => (Verdict::Delivered, "delivered"),
        410 => (Verdict::Gone, "gone"),
        429 => (Verdict::Again(asked.max(FLOOR)), "rate_limited"),
        // Where it points to is nothing that anybody has looked at.
        300..=399 => (Verdict::Again(asked), "redirected"),
        400..=499 => (Verdict::Again(asked), "refused"),
        _ => (Verdict::Again(asked), "failed"),
    };
    let excerpt = String::from_utf8_lossy(&answer.body);
    Outcome { verdict, name, status: answer.status, excerpt: shorten(&excerpt) }
}

fn failed(failure: &Failure) -> Outcome {
    let (verdict, name) = match failure {
        Failure::Timeout(_) => (Verdict::Again(FLOOR), "timeout"),
        Failure::Refused(_) => (Verdict::Again(Duration::ZERO), "blocked"),
        Failure::Unreachable(_) => (Verdict::Again(Duration::ZERO), "unreachable"),
    };
    Outcome { verdict, name, status: 0, excerpt: shorten(&failure.to_string()) }
}

fn never(what: &str) -> Outcome {
    Outcome { verdict: Verdict::Never, name: "refused", status: 0, excerpt: what.to_owned() }
}

/// What is written down of a text: no NUL, which PostgreSQL refuses, and not more than fits.
fn shorten(text: &str) -> String {
    let clean = text.replace('\0', "\u{fffd}");
    let end = clean.floor_char_boundary(MAX_EXCERPT_BYTES);
    clean.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
