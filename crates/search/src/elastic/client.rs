//! Asks the server over HTTP: within bounds of time and size, never with a credential in what it says.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, ClientBuilder, Method, Url};
use serde_json::Value as Json;
use tokio::time::{sleep, timeout};

use super::fault::{self, Fault};
use crate::error::SearchError;
use crate::settings::{Credentials, Outside};

const MAX_CONNECT: Duration = Duration::from_secs(5);
const MAX_IDLE: Duration = Duration::from_secs(60);
/// The most bytes of an answer.
const MAX_BYTES: usize = 64 << 20;
/// How often what may be sent twice is sent.
pub(super) const TRIES: u32 = 4;
/// The pause after the first try; each is four times as long as the one before.
const PAUSE: Duration = Duration::from_millis(30);

/// A server.
pub(super) struct Client {
    http: reqwest::Client,
    /// Without a slash at its end, without credentials.
    base: String,
    patience: Duration,
}

/// What is asked.
#[derive(Debug, Clone)]
pub(super) struct Call {
    method: Method,
    path: String,
    content: &'static str,
    body: Bytes,
    patience: Option<Duration>,
}

/// What the server said; its status may be an error's.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The header by which Elasticsearch is known.
    pub(super) product: bool,
    pub(super) body: Json,
}

impl Call {
    fn new(method: Method, path: impl Into<String>) -> Call {
        let path = path.into();
        Call { method, path, content: "application/json", body: Bytes::new(), patience: None }
    }

    pub(super) fn get(path: impl Into<String>) -> Call {
        Call::new(Method::GET, path)
    }

    pub(super) fn delete(path: impl Into<String>) -> Call {
        Call::new(Method::DELETE, path)
    }

    pub(super) fn put(path: impl Into<String>, body: &Json) -> Call {
        Call { body: body.to_string().into(), ..Call::new(Method::PUT, path) }
    }

    pub(super) fn post(path: impl Into<String>, body: &Json) -> Call {
        Call { body: body.to_string().into(), ..Call::new(Method::POST, path) }
    }

    /// Without a body: some actions refuse one.
    pub(super) fn act(path: impl Into<String>) -> Call {
        Call::new(Method::POST, path)
    }

    pub(super) fn lines(path: impl Into<String>, body: impl Into<Bytes>) -> Call {
        let call = Call::new(Method::POST, path);
        Call { content: "application/x-ndjson", body: body.into(), ..call }
    }

    /// Asks for something that takes long before the answer begins.
    pub(super) fn patient(self, patience: Duration) -> Call {
        Call { patience: Some(patience), ..self }
    }
}

impl Client {
    pub(super) fn new(settings: &Outside) -> Result<Client, SearchError> {
        let unfit = |what: String| SearchError::Unfit(format!("search.url: {what}"));
        let mut url = Url::parse(&settings.url).map_err(|error| unfit(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(unfit("an http or https address is needed".to_owned()));
        }
        let mut headers = HeaderMap::new();
        if let Some(authorization) = authorization(settings, &url)? {
            headers.insert(AUTHORIZATION, authorization);
        }
        // An address with a host can have its credentials taken away.
        let _ = (url.set_username(""), url.set_password(None));
        // A second call finds the same provider in place.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent("forebay")
            .default_headers(headers)
            .connect_timeout(settings.timeout.min(MAX_CONNECT))
            .pool_idle_timeout(MAX_IDLE)
            .tcp_nodelay(true)
            .redirect(Policy::none())
            .https_only(url.scheme() == "https");
        if is_loopback(&url) {
            builder = builder.no_proxy();
        }
        builder = with_authorities(builder, settings)?;
        let http = builder.build().map_err(|error| SearchError::Unfit(chain(&error)))?;
        let base = url.as_str().trim_end_matches('/').to_owned();
        Ok(Client { http, base, patience: settings.timeout })
    }

    /// The server's address, without credentials.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Asks once, and takes any status for an answer.
    pub(super) async fn raw(&self, call: &Call) -> Result<Answer, SearchError> {
        self.send(call).await.map_err(|missed| missed.error)
    }

    /// Asks once; what is not a success is an error.
    pub(super) async fn once(&self, call: &Call) -> Result<Json, Fault> {
        let answer = self.send(call).await.map_err(|missed| Fault::of(missed.error))?;
        fault::check(answer)
    }

    /// Asks what does no harm when it is asked twice: again, after a pause, when the server has not
    /// answered at all, or that it is busy. One that is too slow is not asked again.
    pub(super) async fn ask(&self, call: &Call) -> Result<Json, Fault> {
        let mut tried = 0;
        loop {
            tried += 1;
            let fault = match self.send(call).await {
                Ok(answer) => match fault::check(answer) {
                    Ok(body) => return Ok(body),
                    Err(fault) if fault.is_busy() => fault,
                    Err(fault) => return Err(fault),
                },
                Err(missed) if missed.late => return Err(Fault::of(missed.error)),
                Err(missed) => Fault::of(missed.error),
            };
            if tried == TRIES {
                return Err(fault);
            }
            pause(tried).await;
        }
    }

    async fn send(&self, call: &Call) -> Result<Answer, Missed> {
        let patience = call.patience.unwrap_or(self.patience);
        let late = || Missed {
            error: SearchError::Unavailable(format!(
                "{} did not answer within {} ms",
                self.base,
                patience.as_millis()
            )),
            late: true,
        };
        let url = format!("{}/{}", self.base, call.path);
        let mut request = self.http.request(call.method.clone(), url);
        if !call.body.is_empty() {
            request = request.header(CONTENT_TYPE, call.content).body(call.body.clone());
        }
        let sent = timeout(patience, request.send()).await.map_err(|_| late())?;
        let mut response = sent.map_err(|error| self.missed(&error))?;
        let status = response.status().as_u16();
        let product = response.headers().get("x-elastic-product");
        let product = product.is_some_and(|name| name == "Elasticsearch");
        let mut body = Vec::new();
        loop {
            let chunk = timeout(patience, response.chunk()).await.map_err(|_| late())?;
            let Some(chunk) = chunk.map_err(|error| self.missed(&error))? else { break };
            if body.len() + chunk.len() > MAX_BYTES {
                let error = format!("{} answered more than {MAX_BYTES} bytes", self.base);
                return Err(Missed { error: SearchError::TooLarge(error), late: true });
            }
            body.extend_from_slice(&chunk);
        }
        // What stands before a server answers in other formats; its status says enough.
        let body = serde_json::from_slice(&body).unwrap_or_default();
        Ok(Answer { status, product, body })
    }

    fn missed(&self, error: &reqwest::Error) -> Missed {
        let error = SearchError::Unavailable(format!("{}: {}", self.base, chain(error)));
        Missed { error, late: false }
    }
}

/// No answer.
struct Missed {
    error: SearchError,
    /// Whether asking again would only add to what makes it late.
    late: bool,
}

/// Waits before another try.
pub(super) async fn pause(tried: u32) {
    sleep(PAUSE.saturating_mul(4_u32.saturating_pow(tried.saturating_sub(1)))).await;
}

fn authorization(settings: &Outside, url: &Url) -> Result<Option<HeaderValue>, SearchError> {
    let basic = |name: &str, password: &str| {
        format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
    };
    let text = match &settings.credentials {
        Credentials::Key(key) => format!("ApiKey {key}"),
        Credentials::Password(name, password) => basic(name, password),
        Credentials::None if url.username().is_empty() => return Ok(None),
        Credentials::None => basic(url.username(), url.password().unwrap_or_default()),
    };
    let mut value = HeaderValue::try_from(text).map_err(|_| {
        SearchError::Unfit("search.api_key has characters that no key has".to_owned())
    })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn with_authorities(
    builder: ClientBuilder,
    settings: &Outside,
) -> Result<ClientBuilder, SearchError> {
    let Some(file) = &settings.ca else { return Ok(builder) };
    let wrong =
        |what: String| SearchError::Unfit(format!("search.tls_ca: {}: {what}", file.display()));
    let pem = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    let authorities = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(chain(&error)))?;
    if authorities.is_empty() {
        return Err(wrong("no certificate is in it".to_owned()));
    }
    Ok(builder.tls_certs_merge(authorities))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// What is wrong, down to its cause; without the address, which could hold what is asked.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        if !text.is_empty() {
            text += ": ";
        }
        text += &error.to_string();
        cause = error.source();
    }
    if text.is_empty() { error.to_string() } else { text }
}
