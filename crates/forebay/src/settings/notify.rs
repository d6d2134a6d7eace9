//! The section `notify`.

use std::path::Path;

use forebay_config::{Config, Span};
use forebay_notify::config::NotifyConfig;
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
}

impl Notify {
    pub(super) fn read(self, config: &Config, data_dir: &Path) -> Result<NotifyConfig, Failure> {
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
        })
    }
}
