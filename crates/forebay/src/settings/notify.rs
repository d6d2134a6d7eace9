//! The section `notify`.

use std::path::Path;

use forebay_config::{Config, Secret, Span};
use forebay_notify::config::{self, NotifyConfig, Password, Tls};
use serde::Deserialize;

use crate::Failure;

/// As it is written.
#[derive(Deserialize)]
pub(super) struct Notify {
    allow_private: Vec<String>,
    in_flight: usize,
    in_flight_each: usize,
    timeout: Span,
    keep: Span,
    keep_inbox: Span,
    smtp: Smtp,
}

/// The operator's mail server, as it is written.
#[derive(Deserialize)]
struct Smtp {
    host: Option<String>,
    port: u16,
    tls: String,
    user: Option<String>,
    password: Option<Secret>,
    from: Option<String>,
    ca_file: Option<String>,
    allow_to: Vec<String>,
}

impl Notify {
    pub(super) fn read(
        self,
        config: &Config,
        data_dir: &Path,
        site: String,
    ) -> Result<NotifyConfig, Failure> {
        let wrong = |name: &str, what: String| {
            Failure::Configuration(config.fault(&format!("notify.{name}"), what))
        };
        let network = |text: &String| {
            // One address is a network of its own.
            let read =
                text.parse().ok().or_else(|| Some(text.parse::<std::net::IpAddr>().ok()?.into()));
            read.ok_or_else(|| {
                wrong("allow_private", format!("`{text}` is not a network, e.g. 10.0.0.0/8"))
            })
        };
        let allow_private = self.allow_private.iter().map(network).collect::<Result<_, _>>()?;
        let most = 1..=10_000;
        for (name, value) in
            [("in_flight", self.in_flight), ("in_flight_each", self.in_flight_each)]
        {
            if !most.contains(&value) {
                return Err(wrong(name, "from 1 to 10000".to_owned()));
            }
        }
        Ok(NotifyConfig {
            allow_private,
            identity_file: data_dir.join("notify.id"),
            in_flight: self.in_flight,
            in_flight_each: self.in_flight_each,
            timeout: self.timeout.0,
            keep: self.keep.0,
            keep_inbox: self.keep_inbox.0,
            site,
            smtp: self.smtp.read(config)?,
        })
    }
}

impl Smtp {
    fn read(self, config: &Config) -> Result<Option<config::Smtp>, Failure> {
        let wrong = |name: &str, what: &str| {
            Failure::Configuration(config.fault(&format!("notify.smtp.{name}"), what))
        };
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        let Some(host) = some(self.host) else { return Ok(None) };
        let tls = Tls::parse(&self.tls).ok_or_else(|| wrong("tls", "starttls, tls or none"))?;
        let from = some(self.from).ok_or_else(|| wrong("from", "is needed with a host"))?;
        config::check_sender(&from).map_err(|what| wrong("from", what))?;
        let password = self.password.filter(|password| !password.reveal().is_empty());
        let login = match (some(self.user), password) {
            (None, None) => None,
            (Some(user), Some(password)) => Some((user, Password(password.reveal().to_owned()))),
            _ => return Err(wrong("user", "a user and a password go together")),
        };
        Ok(Some(config::Smtp {
            host,
            port: self.port,
            tls,
            login,
            from,
            ca_file: some(self.ca_file).map(Into::into),
            allow_to: self.allow_to,
        }))
    }
}
