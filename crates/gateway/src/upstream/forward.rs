//! What a head may say on the other side. What belongs to one connection stays on it (RFC 9110,
//! 7.6.1), and what only we may say of a client is ours.

use std::io::Write as _;
use std::net::IpAddr;

use axum::body::Body;
use forebay_model::{Code, Error};
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING,
    UPGRADE, VIA,
};
use http::request::Parts;
use http::{Method, StatusCode, Uri, Version, response};
use http_body::Body as HttpBody;
use hyper::upgrade::OnUpgrade;
use smallvec::SmallVec;
use tokio::time::Instant;

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
/// How much time is left for the answer, in milliseconds. Only we write it; a client's is dropped.
pub static TIME_LEFT: HeaderName = HeaderName::from_static("forebay-timeout-ms");

/// How we are called in `Via` (RFC 9110, 7.6.3: a gateway must say it to the endpoint, and need not
/// say it to the client, and so does not).
const VIA_US: &str = "1.1 forebay";
/// So often may a request have passed us; one that has more often goes in a circle.
const MAX_VIA_US: usize = 4;

/// What is known of a request beside its head.
#[derive(Debug, Clone, Copy)]
pub struct Passing<'r> {
    /// Who asks, as far as is proven.
    pub client: IpAddr,
    /// How the client asks: `http` or `https`.
    pub scheme: &'static str,
    /// Under which name the request is found again.
    pub request_id: &'r str,
    /// What `traceparent` is from here on; what it was when there is none.
    pub trace: Option<&'r str>,
    /// When the answer has to have begun.
    pub deadline: Option<Instant>,
    /// What requests have in common that go to the same endpoint ([`super::key`]).
    pub key: Option<u64>,
    /// What else is said to the endpoint; it replaces what the client says.
    pub with: &'r [(HeaderName, HeaderValue)],
}

type Names = SmallVec<[HeaderName; 8]>;

/// Whether a field is of one connection only.
fn is_of_connection(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// Whether only we may say it. `Expect` is answered by us: the client is told to go on when an
/// endpoint takes its body.
fn is_ours(name: &str) -> bool {
    matches!(name, "expect" | "forwarded" | "x-real-ip")
        || name.starts_with("x-forwarded-")
        || name.starts_with("forebay-")
        || name.starts_with("x-forebay-")
}

/// Drops what is not for the other side: the fields of this connection, with those that `Connection`
/// names, and those of which `also` says so.
fn strip(headers: &mut HeaderMap, also: fn(&str) -> bool) {
    let mut gone = Names::new();
    for line in headers.get_all(CONNECTION) {
        let named = line.as_bytes().split(|c| *c == b',');
        gone.extend(named.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()));
    }
    // What says how long the body is, and for whom it is, is not of the connection, whatever it says.
    gone.retain(|name| !matches!(name.as_str(), "content-length" | "host"));
    let not_for_others =
        |name: &&HeaderName| is_of_connection(name.as_str()) || also(name.as_str());
    gone.extend(headers.keys().filter(not_for_others).cloned());
    for name in &gone {
        headers.remove(name);
    }
}

/// Whether a comma-separated field has a word.
fn has_word(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let lines = headers.get_all(name).iter();
    let mut words = lines.flat_map(|line| line.as_bytes().split(|c| *c == b','));
    words.any(|found| found.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

/// Whether a head asks for, or grants, WebSocket; nothing else is tunnelled.
fn is_websocket(headers: &HeaderMap) -> bool {
    let mut protocols = headers.get_all(UPGRADE).iter();
    let named = protocols.next().is_some_and(|p| p.as_bytes().eq_ignore_ascii_case(b"websocket"));
    named && protocols.next().is_none() && has_word(headers, &CONNECTION, "upgrade")
}

/// Makes a request's head fit for an endpoint; gives the client's connection when it asks for
/// WebSocket. `Host` is left as it is.
pub(crate) fn request(
    parts: &mut Parts,
    body: &Body,
    passing: &Passing<'_>,
) -> Result<Option<OnUpgrade>, Error> {
    if parts.method == Method::CONNECT {
        return Err(Error::new(Code::MethodNotAllowed, "there are no tunnels through this door"));
    }
    let headers = &mut parts.headers;
    let client = parts.extensions.remove::<OnUpgrade>();
    // Nothing of what our services tell each other is sent; it would only be carried along.
    parts.extensions.clear();
    let websocket = parts.method == Method::GET && body.is_end_stream() && is_websocket(headers);
    let client = client.filter(|_| websocket);
    let trailers = has_word(headers, &TE, "trailers");
    strip(headers, is_ours);
    parts.version = Version::HTTP_11;
    if parts.uri.authority().is_some() {
        let target = parts.uri.path_and_query().cloned();
        parts.uri = target.map_or_else(|| Uri::from_static("/"), Uri::from);
    }
    if client.is_some() {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    } else if trailers {
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    frame(headers, body);
    via(headers)?;
    introduce(headers, passing);
    Ok(client)
}

/// Says how long the body is, once.
fn frame(headers: &mut HeaderMap, body: &Body) {
    match body.size_hint().exact() {
        Some(bytes) => {
            let mut lines = headers.get_all(CONTENT_LENGTH).iter();
            let said = lines.next().map(|line| line.to_str().ok()?.parse::<u64>().ok());
            let right = said.is_none_or(|said| said == Some(bytes)) && lines.next().is_none();
            if !right || (said.is_none() && bytes > 0) {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes));
            }
        }
        None => {
            headers.remove(CONTENT_LENGTH);
            if !body.is_end_stream() {
                headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
        }
    }
}

fn via(headers: &mut HeaderMap) -> Result<(), Error> {
    if headers.contains_key(VIA) {
        let lines = headers.get_all(VIA).iter();
        let hops = lines.flat_map(|line| line.as_bytes().split(|c| *c == b','));
        let ours = hops.filter(|hop| hop.trim_ascii() == VIA_US.as_bytes()).count();
        if ours >= MAX_VIA_US {
            return Err(Error::new(Code::UpstreamFailed, "the request goes in a circle"));
        }
    }
    headers.append(VIA, HeaderValue::from_static(VIA_US));
    Ok(())
}

/// Says who asks, and what is known of the request.
fn introduce(headers: &mut HeaderMap, passing: &Passing<'_>) {
    let mut say = |name: &HeaderName, value: Result<HeaderValue, _>| {
        if let Ok(value) = value {
            headers.insert(name, value);
        }
    };
    // Longer than any address.
    let mut room = [0; 48];
    let mut rest = room.as_mut_slice();
    let _ = write!(rest, "{}", passing.client);
    let length = 48 - rest.len();
    say(&FORWARDED_FOR, HeaderValue::from_bytes(&room[..length]));
    say(&FORWARDED_PROTO, Ok(HeaderValue::from_static(passing.scheme)));
    say(&REQUEST_ID, HeaderValue::from_str(passing.request_id));
    if let Some(trace) = passing.trace {
        say(&TRACE_PARENT, HeaderValue::from_str(trace));
    }
    if let Some(host) = headers.get(HOST).cloned() {
        headers.insert(&FORWARDED_HOST, host);
    }
    for (name, value) in passing.with {
        headers.insert(name, value.clone());
    }
}

/// Says how much time is left.
pub(crate) fn time_left(headers: &mut HeaderMap, deadline: Option<Instant>) {
    if let Some(deadline) = deadline {
        let left = deadline.saturating_duration_since(Instant::now()).as_millis();
        let left = u64::try_from(left).unwrap_or(u64::MAX);
        headers.insert(&TIME_LEFT, HeaderValue::from(left));
    }
}

/// Makes an answer's head fit for the client. The error is a message for the log: the answer cannot
/// be passed on as it is.
pub(crate) fn answer(
    parts: &mut response::Parts,
    asked: &Method,
    websocket: bool,
) -> Result<(), &'static str> {
    let headers = &mut parts.headers;
    let upgraded = parts.status == StatusCode::SWITCHING_PROTOCOLS;
    if upgraded && !(websocket && is_websocket(headers)) {
        return Err("it switches to a protocol that nobody asked for");
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        let chunked = codings.next().is_some_and(|c| c.as_bytes().eq_ignore_ascii_case(b"chunked"));
        if !chunked || codings.next().is_some() {
            return Err("its transfer coding is not chunked alone");
        }
        if headers.contains_key(CONTENT_LENGTH) {
            return Err("it has both a length and a transfer coding");
        }
    }
    lengths(headers, parts.status, asked)?;
    strip(headers, |_| false);
    if upgraded {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    // Ours says that it goes on with whoever asks, and not what the endpoint speaks.
    parts.version = Version::HTTP_11;
    Ok(())
}

/// One length, or none: the protocol layer takes several that are equal, and passes all on.
fn lengths(
    headers: &mut HeaderMap,
    status: StatusCode,
    asked: &Method,
) -> Result<(), &'static str> {
    let mut lines = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lines.next() else { return Ok(()) };
    let plain = !first.is_empty() && first.as_bytes().iter().all(u8::is_ascii_digit);
    let bodiless = status.is_informational() || status == StatusCode::NO_CONTENT;
    let (first, alone) = (first.clone(), lines.next().is_none());
    if bodiless {
        headers.remove(CONTENT_LENGTH);
    } else if !plain {
        return Err("its length is no number");
    } else if !alone {
        // Of an answer without a body nothing has looked at the others.
        let same = headers.get_all(CONTENT_LENGTH).iter().all(|line| *line == first);
        if !same || *asked == Method::HEAD {
            return Err("it has several lengths");
        }
        headers.insert(CONTENT_LENGTH, first);
    }
    Ok(())
}
