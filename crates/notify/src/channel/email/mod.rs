//! E-mail: HTML and text by SMTP, through the operator's server or one that the channel names.

mod compose;
pub(crate) mod office;
mod smtp;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_http::body;
use forebay_model::time::Timestamp;
use forebay_model::{Error, FieldError, Result};
use forebay_outgoing::{Guard, Url};
use lettre::Address;
use lettre::message::Mailbox;
use serde_json::{Map, Value, json};

use super::{Channel, ChannelKind, Config, Means};
use crate::config::{Password, Tls};
use crate::message::{Message, Outcome, Verdict};
use compose::{Letter, compose, message_id};
use office::Office;
use smtp::{Fault, Server};

/// After no answer, or the word that it is taken later, a server is left alone for so long.
const FLOOR: Duration = Duration::from_secs(60);
/// Ports at which mail is handed in.
const PORTS: [u16; 4] = [25, 465, 587, 2525];
const MEMBERS: &[&str] = &["to", "accounts", "host", "port", "tls", "user", "password", "from"];
/// The most characters of an answer that are written down.
const MAX_ANSWER: usize = 2000;

/// The kind.
pub(crate) struct Email;

impl ChannelKind for Email {
    fn name(&self) -> &'static str {
        "email"
    }

    fn about(&self) -> &'static str {
        "Sends each notification as an e-mail, by the operator's mail server or another one"
    }

    fn schema(&self) -> Value {
        json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "to": {"type": "string", "description": "The address; one, so that its reader can unsubscribe"},
                "accounts": {"type": "boolean", "description": "In the place of `to`: accounts, each at its own address"},
                "host": {"type": "string", "description": "A mail server; the operator's (notify.smtp) without it"},
                "port": {"type": "integer", "description": "587 without it, 465 with `tls: tls`"},
                "tls": {"enum": ["starttls", "tls", "none"], "description": "starttls without it"},
                "user": {"type": "string", "description": "Who signs in there"},
                "password": {"type": "string", "description": "With it; sealed"},
                "from": {"type": "string", "description": "The sender: Name <name@example.com>"},
            },
        })
    }

    fn example(&self) -> Value {
        json!({
            "to": "ops@example.com",
            "host": "smtp.example.com",
            "port": 587,
            "tls": "starttls",
            "user": "forebay",
            "password": "secret",
            "from": "Forebay <alerts@example.com>",
        })
    }

    fn secret_members(&self) -> &'static [&'static str] {
        &["password"]
    }

    fn build(&self, config: Config<'_>, means: &Means) -> Result<Arc<dyn Channel>> {
        let members = config.members;
        body::only(members, MEMBERS)?;
        let to = body::text(members, "to")?.map(|to| address("/to", &to)).transpose()?;
        let accounts = body::flag(members, "accounts")?.unwrap_or(false);
        if to.is_some() == accounts {
            let message = "an address, or `accounts` in its place";
            return Err(wrong("/to", "required", message));
        }
        let own = own_server(members, means.client.guard())?;
        let office = means.office.clone();
        let (server, from) = match own {
            Some(own) => own,
            None => operators(office.as_deref(), to.as_ref())?,
        };
        let channel = means.channel.clone();
        Ok(Arc::new(Mail { channel, to, server, from, office, timeout: means.timeout }))
    }
}

/// The server that a channel names, with the sender.
fn own_server(
    members: &Map<String, Value>,
    guard: &Guard,
) -> Result<Option<(Arc<Server>, Mailbox)>> {
    let tls = match body::text(members, "tls")?.as_deref() {
        None => None,
        Some(name) => Some(
            Tls::parse(name).ok_or_else(|| wrong("/tls", "invalid", "starttls, tls or none"))?,
        ),
    };
    let port = match members.get("port") {
        None | Some(Value::Null) => None,
        Some(port) => Some(read_port(port)?),
    };
    let user = body::text(members, "user")?;
    let password = body::text(members, "password")?;
    let from = body::text(members, "from")?.map(|from| mailbox(&from)).transpose()?;
    let Some(host) = body::text(members, "host")? else {
        for name in ["port", "tls", "user", "password", "from"] {
            if members.contains_key(name) {
                let message = "goes with `host`: without it the operator's server sends";
                return Err(wrong(&format!("/{name}"), "conflict", message));
            }
        }
        return Ok(None);
    };
    let tls = tls.unwrap_or(Tls::Starttls);
    let port = port.unwrap_or(if tls == Tls::Implicit { 465 } else { 587 });
    check_place(guard, &host, port)?;
    let from = from.ok_or_else(|| wrong("/from", "required", "is needed with `host`"))?;
    let login = match (user, password) {
        (None, None) => None,
        (Some(user), Some(password)) if clean(&user) && clean(&password) => {
            Some((user, Password(password)))
        }
        _ => return Err(wrong("/user", "invalid", "a user and a password go together")),
    };
    if login.is_some() && tls == Tls::None {
        return Err(wrong("/tls", "invalid", "a password goes through TLS alone"));
    }
    let mut server = Server::new(host, port, tls);
    (server.login, server.guard) = (login, Some(guard.clone()));
    Ok(Some((Arc::new(server), from)))
}

/// Refuses a server that no message may ever go to; a name is looked at again when one is sent.
fn check_place(guard: &Guard, host: &str, port: u16) -> Result<()> {
    let literal = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let refused = |message: String| wrong("/host", "invalid", message);
    let url = Url::parse(&format!("http://{literal}:{port}/"));
    let url = url.map_err(|_| refused("this is not the name of a host".to_owned()))?;
    if url.path() != "/" || url.query().is_some() || url.host_str().is_none_or(str::is_empty) {
        return Err(refused("this is not the name of a host".to_owned()));
    }
    let at = if PORTS.contains(&port) { 80 } else { port };
    let url = Url::parse(&format!("http://{literal}:{at}/")).map_err(Error::internal)?;
    guard.check(&url).map_err(|refusal| refused(refusal.to_string()))
}

/// The operator's server, where it may write to this address.
fn operators(office: Option<&Office>, to: Option<&Address>) -> Result<(Arc<Server>, Mailbox)> {
    let none = || {
        wrong(
            "/host",
            "required",
            "is needed: the operator has set up no mail server (notify.smtp)",
        )
    };
    let operator = office.and_then(Office::operator).ok_or_else(none)?;
    if let Some(to) = to
        && !operator.domains.is_empty()
        && !operator.domains.iter().any(|domain| domain.eq_ignore_ascii_case(to.domain()))
    {
        let message = format!("the operator's server writes to {}", operator.domains.join(", "));
        return Err(wrong("/to", "invalid", message));
    }
    Ok((operator.server.clone(), operator.from.clone()))
}

fn read_port(value: &Value) -> Result<u16> {
    let port = value.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
    port.ok_or_else(|| wrong("/port", "invalid", "a number from 1 to 65535"))
}

fn clean(text: &str) -> bool {
    !text.is_empty() && text.len() <= 1000 && !text.contains(char::is_control)
}

/// Reads an address: what a header or the server's conversation could take for more is none.
pub(crate) fn address(path: &str, text: &str) -> Result<Address> {
    let found = text.parse().ok().filter(|_| text.len() <= 254 && clean(text));
    found.ok_or_else(|| wrong(path, "invalid", "an address is written name@example.com"))
}

/// Reads a sender.
pub(crate) fn mailbox(text: &str) -> Result<Mailbox> {
    let found = text.parse().ok().filter(|_| clean(text));
    found.ok_or_else(|| wrong("/from", "invalid", "written Name <name@example.com>"))
}

fn wrong(path: &str, code: &'static str, message: impl Into<String>) -> Error {
    Error::invalid(FieldError::new(path, code, message.into()))
}

/// A channel of this kind.
struct Mail {
    channel: String,
    to: Option<Address>,
    server: Arc<Server>,
    from: Mailbox,
    office: Option<Arc<Office>>,
    timeout: Duration,
}

#[async_trait]
impl Channel for Mail {
    async fn send(&self, message: &Message, _now: Timestamp) -> Outcome {
        let to = match &self.to {
            Some(to) => to.clone(),
            None => match address("", &message.address) {
                Ok(to) => to,
                Err(_) => return outcome(Verdict::Never, "refused", 0, "there is no address"),
            },
        };
        let Some(office) = &self.office else {
            return outcome(Verdict::Again(FLOOR), "unreachable", 0, "mail is not set up");
        };
        let made = match office.make(message, &self.channel, to.as_ref()).await {
            Ok(Some(made)) => made,
            Ok(None) => return outcome(Verdict::Never, "unsubscribed", 0, "the reader wants none"),
            Err(error) => {
                let cause = error.cause.unwrap_or_else(|| error.detail.into_owned());
                return outcome(Verdict::Again(FLOOR), "failed", 0, &cause);
            }
        };
        let letter = Letter {
            from: &self.from,
            to: &to,
            id: message_id(&message.id, to.as_ref(), self.from.email.domain()),
            time: message.time,
            made: &made.0,
            unsubscribe: made.1.as_deref(),
        };
        let (envelope, bytes) = match compose(&letter) {
            Ok(composed) => composed,
            Err(error) => return outcome(Verdict::Never, "refused", 0, &error),
        };
        match tokio::time::timeout(self.timeout, self.server.send(&envelope, &bytes)).await {
            Err(_) => {
                let text = format!("no answer within {} s", self.timeout.as_secs_f64());
                outcome(Verdict::Again(FLOOR), "timeout", 0, &text)
            }
            Ok(Ok((code, text))) => outcome(Verdict::Delivered, "delivered", code, &text),
            Ok(Err(fault)) => judge(&fault),
        }
    }
}

/// What a fault means: 5yz is for good, 4yz is not (RFC 5321, 4.2.1).
fn judge(fault: &Fault) -> Outcome {
    let soon = Verdict::Again(Duration::ZERO);
    match fault {
        Fault::Blocked(refusal) => outcome(soon, "blocked", 0, &refusal.to_string()),
        Fault::Connection(text) => outcome(soon, "unreachable", 0, text),
        // What is wrong is here, not in the message.
        Fault::Login(code, text) => outcome(soon, "login_refused", *code, text),
        Fault::Later(code, text) => outcome(Verdict::Again(FLOOR), "deferred", *code, text),
        Fault::Never(code, text) => outcome(Verdict::Never, "refused", *code, text),
    }
}

fn outcome(verdict: Verdict, name: &'static str, status: u16, text: &str) -> Outcome {
    let excerpt = text.replace('\0', "\u{fffd}").chars().take(MAX_ANSWER).collect();
    Outcome { verdict, name, status, excerpt }
}

#[cfg(test)]
mod tests;
