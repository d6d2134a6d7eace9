//! The service's settings.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

/// Plain data; the defaults stand in `config/app.yaml`.
#[derive(Debug, Clone)]
pub struct NotifyConfig {
    /// Private networks that channels may reach.
    pub allow_private: Vec<IpNet>,
    /// Where a process keeps what it calls itself where it holds something: the same after a restart.
    pub identity_file: PathBuf,
    /// Messages of this process that are on their way at once, to all channels and to one.
    pub in_flight: usize,
    /// To one channel.
    pub in_flight_each: usize,
    /// How long a receiver may take to answer.
    pub timeout: Duration,
    /// How long deliveries are kept that have ended.
    pub keep: Duration,
    /// How long items of inboxes are kept.
    pub keep_inbox: Duration,
    /// Where browsers find this deployment: links in messages begin with it.
    pub site: String,
    /// The operator's mail server.
    pub smtp: Option<Smtp>,
}

/// A mail server.
#[derive(Debug, Clone)]
pub struct Smtp {
    /// Its name or address.
    pub host: String,
    /// Where it listens.
    pub port: u16,
    /// How the way there is sealed.
    pub tls: Tls,
    /// Who signs in there.
    pub login: Option<(String, Password)>,
    /// The sender: `Name <name@example.com>`.
    pub from: String,
    /// Who vouches for it, in the place of those that all trust: a PEM file.
    pub ca_file: Option<PathBuf>,
    /// Domains that channels may write to; all without one.
    pub allow_to: Vec<String>,
}

/// How the way to a mail server is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// From the first byte (RFC 8314).
    Implicit,
    /// Not at all.
    None,
    /// After a word in the clear (RFC 3207), or nothing is sent.
    Starttls,
}

impl Tls {
    /// Reads its name.
    pub fn parse(name: &str) -> Option<Tls> {
        match name {
            "tls" => Some(Tls::Implicit),
            "none" => Some(Tls::None),
            "starttls" => Some(Tls::Starttls),
            _ => None,
        }
    }
}

/// Whether a text is a sender: `Name <name@example.com>`. The error is a message for people.
pub fn check_sender(from: &str) -> Result<(), &'static str> {
    let good = crate::channel::email::mailbox(from).is_ok();
    if good { Ok(()) } else { Err("written Name <name@example.com>") }
}

/// A password that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}
