//! The client: a call goes to the addresses that the guard has looked at, follows nothing, and is
//! bounded in time and size.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Method};
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;

use crate::guard::{Guard, Refusal};

/// How long a connection may take to be made, TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the body of an answer may take that has begun: it is only read to be shown.
const BODY: Duration = Duration::from_secs(2);
/// How long a connection may rest.
const REST: Duration = Duration::from_secs(30);
/// Resting connections to one place.
const RESTING: usize = 32;

/// A call.
#[derive(Debug, Clone)]
pub struct Call {
    /// How.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// What goes along.
    pub headers: HeaderMap,
    /// What is sent.
    pub body: Bytes,
    /// Until the answer has begun.
    pub timeout: Duration,
    /// Most bytes of the answer's body that are kept.
    pub keep: usize,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The first bytes of the body.
    pub body: Vec<u8>,
    /// Whether there is more of it, or it broke off.
    pub cut: bool,
    /// The header `Retry-After`, as it was sent.
    pub retry_after: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The call may not go there.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It took too long: nobody knows what became of it.
    #[error("no answer within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// No connection, or one that broke.
    #[error("{0}")]
    Unreachable(String),
}

/// The one client for calls to places that users name.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    guard: Guard,
}

impl Client {
    /// Sets it up; nothing is connected yet. The error is a message for people.
    pub fn new(guard: Guard) -> Result<Client, String> {
        // A second call finds the same provider in place.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent(concat!("forebay/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            // Where an answer points to is nothing that anybody has looked at.
            .redirect(Policy::none())
            // A proxy would resolve the name again, and connect to what it finds.
            .no_proxy()
            .pool_idle_timeout(REST)
            .pool_max_idle_per_host(RESTING)
            .tcp_nodelay(true)
            .dns_resolver(Vetted(guard.clone()))
            .build()
            .map_err(|error| chain(&error))?;
        Ok(Client { http, guard })
    }

    /// Who says where calls may go.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Calls, and waits for the answer.
    pub async fn send(&self, call: Call) -> Result<Answer, Failure> {
        let Call { method, url, headers, body, timeout, keep } = call;
        // An address in the place of a name is not resolved, so it is looked at here.
        self.guard.check(&url)?;
        let request = self.http.request(method, url).headers(headers).body(body).send();
        let mut response = match tokio::time::timeout(timeout, request).await {
            Err(_) => return Err(Failure::Timeout(timeout)),
            Ok(Err(error)) => return Err(failure(&error, timeout)),
            Ok(Ok(response)) => response,
        };
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.map(str::to_owned);
        let mut body = Vec::new();
        let read = tokio::time::timeout(BODY, read(&mut response, keep, &mut body)).await;
        let cut = !matches!(read, Ok(true));
        Ok(Answer { status, body, cut, retry_after })
    }
}

/// Reads the beginning of a body; whether that is all of it. A longer one is left: its connection is
/// given up.
async fn read(response: &mut reqwest::Response, keep: usize, body: &mut Vec<u8>) -> bool {
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                let room = keep.saturating_sub(body.len());
                body.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
                if chunk.len() > room {
                    return false;
                }
            }
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// Resolves names for the client by the guard's word.
struct Vetted(Guard);

impl Resolve for Vetted {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.0.clone();
        Box::pin(async move {
            let found = guard.addresses(name.as_str(), 0).await?;
            let found: Addrs = Box::new(found.into_iter());
            Ok::<Box<dyn Iterator<Item = SocketAddr> + Send>, _>(found)
        })
    }
}

fn failure(error: &reqwest::Error, timeout: Duration) -> Failure {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(refusal) = error.downcast_ref::<Refusal>() {
            return Failure::Refused(refusal.clone());
        }
        cause = error.source();
    }
    if error.is_timeout() {
        return Failure::Timeout(timeout.min(CONNECT));
    }
    // The first line names the URL, which whoever reads this knows.
    let cause = std::error::Error::source(error);
    Failure::Unreachable(cause.map_or_else(|| chain(error), chain))
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
