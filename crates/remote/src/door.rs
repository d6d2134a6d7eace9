//! A service's internal door: where it is, how long is waited, and what its answers mean.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use forebay_http::internal::{Asked, INTERNAL, Keys, Said};
use forebay_model::time::SharedClock;
use forebay_model::{Code, Error};
use http::Method;
use reqwest::{Client, redirect};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

/// Longest answer.
const MAX_BYTES: usize = 1 << 20;
/// How long a connection may rest: less than the other end lets it.
const REST: Duration = Duration::from_secs(5);

/// Where a service is, and how one proves to be of its deployment.
pub struct Place {
    /// `http://host:port` of each of its processes.
    pub addresses: Vec<String>,
    /// What the word is signed with.
    pub keys: Keys,
    /// The time.
    pub clock: SharedClock,
}

/// How often something may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Times {
    /// Until somebody answers.
    Many,
    /// Once.
    Once,
}

/// Why there was no answer.
struct Failed {
    why: String,
    /// Whether the question may have arrived.
    sent: bool,
}

impl From<String> for Failed {
    fn from(why: String) -> Failed {
        Failed { why, sent: true }
    }
}

impl From<&str> for Failed {
    fn from(why: &str) -> Failed {
        why.to_owned().into()
    }
}

/// The door.
pub(crate) struct Door {
    client: Client,
    place: Place,
    /// The process that is asked first: the last one that has answered.
    first: AtomicUsize,
}

impl Door {
    pub(crate) fn new(place: Place) -> Result<Door, Error> {
        // Nothing is encrypted here, and a client asks for the means all the same. A second call
        // finds them in place.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .pool_idle_timeout(REST)
            .tcp_nodelay(true)
            .build();
        let client = client.map_err(Error::internal)?;
        Ok(Door { client, place, first: AtomicUsize::new(0) })
    }

    /// Asks one process after the other until one answers, for so long. Nothing that is asked here
    /// does harm when it is asked twice.
    pub(crate) async fn ask(
        &self,
        asked: (Method, &str),
        body: Option<Value>,
        patience: Duration,
    ) -> Result<Value, Error> {
        self.ask_so(asked, body, patience, Times::Many).await
    }

    /// Asks what does harm when it is asked twice: another process is asked only where nothing can
    /// have reached the one before.
    pub(crate) async fn ask_once(
        &self,
        asked: (Method, &str),
        body: Value,
        patience: Duration,
    ) -> Result<Value, Error> {
        self.ask_so(asked, Some(body), patience, Times::Once).await
    }

    async fn ask_so(
        &self,
        (method, path): (Method, &str),
        body: Option<Value>,
        patience: Duration,
        times: Times,
    ) -> Result<Value, Error> {
        let end = Instant::now() + patience;
        let count = self.place.addresses.len();
        // One that has just been started anew is asked once more.
        let tries = count.max(2);
        let first = self.first.load(Ordering::Relaxed);
        let mut why = "it is nowhere".to_owned();
        for n in 0..tries {
            let at = (first + n) % count.max(1);
            let Some(address) = self.place.addresses.get(at) else { break };
            // Who does not answer leaves the others half of the time.
            let left = end.saturating_duration_since(Instant::now());
            let until = if n + 1 >= count { end } else { Instant::now() + left / 2 };
            let asked = self.once(address, (&method, path), body.as_ref());
            match timeout_at(until, asked).await {
                Ok(Ok(answer)) => {
                    self.first.store(at, Ordering::Relaxed);
                    return answer;
                }
                Ok(Err(failed)) => {
                    why = failed.why;
                    if failed.sent && times == Times::Once {
                        break;
                    }
                }
                Err(_) => {
                    "it does not answer".clone_into(&mut why);
                    if times == Times::Once {
                        break;
                    }
                }
            }
        }
        Err(away().cause(why))
    }

    /// The inner result is the service's, the outer one the connection's.
    async fn once(
        &self,
        address: &str,
        (method, path): (&Method, &str),
        body: Option<&Value>,
    ) -> Result<Result<Value, Error>, Failed> {
        let Place { keys, clock, .. } = &self.place;
        let said = Said::by_itself(uuid::Uuid::now_v7().to_string());
        let asked = Asked { method, target: path };
        let word = keys.sign(asked, &said, clock.now()).map_err(|error| error.to_string())?;
        let url = format!("{}{path}", address.trim_end_matches('/'));
        let mut request = self.client.request(method.clone(), url).header(&INTERNAL, word);
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut response = request
            .send()
            .await
            .map_err(|error| Failed { sent: !error.is_connect(), why: chain(&error) })?;
        let status = response.status();
        let mut text = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| chain(&error))? {
            text.extend_from_slice(&piece);
            if text.len() > MAX_BYTES {
                return Err("too long an answer".into());
            }
        }
        let answer: Value = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        if status.is_success() { Ok(Ok(answer)) } else { problem(&answer) }
    }
}

/// The error of a problem document. Whoever does not know our word is not who we look for.
fn problem(document: &Value) -> Result<Result<Value, Error>, Failed> {
    let code = document["code"].as_str().unwrap_or_default();
    let known = Code::ALL.iter().find(|known| known.as_str() == code);
    match known {
        Some(Code::Unauthenticated) => Err("it does not take our word: the secrets differ, or \
                                            the clocks do"
            .into()),
        Some(code) => {
            let detail = document["detail"].as_str().unwrap_or_default().to_owned();
            Ok(Err(Error::new(*code, detail)))
        }
        None => Err("what it says is no problem that is known here".into()),
    }
}

/// Nobody can be asked.
pub(crate) fn away() -> Error {
    Error::new(Code::EngineUnavailable, "who asks cannot be found out now").retry_after(1)
}

/// An error with what it came of.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
