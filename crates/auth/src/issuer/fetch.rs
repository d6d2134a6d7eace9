//! Asks an issuer for its keys over HTTP: only where the settings say, within bounds of time and size.

use std::time::Duration;

use async_trait::async_trait;
use forebay_model::json;
use reqwest::header::ACCEPT;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use serde_json::Value;

use super::keys::Fetch;
use super::rule::{Issuer, Place, is_loopback};

const CONNECT: Duration = Duration::from_secs(2);
/// How long an answer may take, whole.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most bytes of an answer.
const MAX_BYTES: usize = 256 << 10;

/// An issuer's place on the network.
pub(super) struct Web {
    client: Client,
    issuer: String,
    place: Place,
}

impl Web {
    pub(super) fn new(issuer: &Issuer) -> Result<Web, String> {
        // A second call finds the same provider in place.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (Place::Known(url) | Place::Discovered(url)) = &issuer.place;
        let mut client = Client::builder()
            .user_agent("forebay")
            .connect_timeout(CONNECT)
            .timeout(PATIENCE)
            // Where an answer points to is nothing that the settings have said.
            .redirect(Policy::none())
            .https_only(url.scheme() == "https");
        if is_loopback(url) {
            client = client.no_proxy();
        }
        let client = client.build().map_err(|error| chain(&error))?;
        Ok(Web { client, issuer: issuer.issuer.clone(), place: issuer.place.clone() })
    }

    async fn get(&self, url: &Url) -> Result<Vec<u8>, String> {
        let request = self.client.get(url.clone()).header(ACCEPT, "application/json");
        let mut response = request.send().await.map_err(|error| chain(&error))?;
        if response.status() != StatusCode::OK {
            return Err(format!("{url} answered {}", response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| chain(&error))? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(format!("{url} answered more than {MAX_BYTES} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// Where the issuer's own document says that its keys are.
    async fn discover(&self, document: &Url) -> Result<Url, String> {
        let read = self.get(document).await?;
        let read = std::str::from_utf8(&read).ok().and_then(|text| json::read(text).ok());
        let read = read.ok_or_else(|| format!("{document} is not JSON"))?;
        let said = |name: &str| read.get(name).and_then(Value::as_str);
        if said("issuer") != Some(self.issuer.as_str()) {
            return Err(format!("{document} is another issuer's"));
        }
        let url = said("jwks_uri").and_then(|url| Url::parse(url).ok());
        let url = url.ok_or_else(|| format!("{document} does not say where the keys are"))?;
        if url.origin() != document.origin() {
            return Err(format!(
                "{document} has its keys elsewhere: set jwks_url, if {url} is right"
            ));
        }
        Ok(url)
    }
}

#[async_trait]
impl Fetch for Web {
    async fn fetch(&self) -> Result<Vec<u8>, String> {
        match &self.place {
            Place::Known(url) => self.get(url).await,
            Place::Discovered(document) => self.get(&self.discover(document).await?).await,
        }
    }
}

/// An error with its causes, which say what went wrong.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
