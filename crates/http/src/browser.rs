//! What is different when a browser asks: cookies come by themselves, so where a request came from
//! matters.

use std::net::IpAddr;

use forebay_model::{Code, Error};
use http::header::{COOKIE, HOST, HeaderMap, ORIGIN, UPGRADE};
use http::{HeaderValue, Method};

use crate::principal::{Peer, Way};

/// Where browsers find this deployment: `https://…` as it is configured, or this machine alone.
#[derive(Debug, Clone, Default)]
pub struct Site(Option<String>);

impl Site {
    /// Takes the configured origin; the error is a message for people.
    pub fn new(origin: Option<&str>) -> Result<Site, &'static str> {
        let Some(origin) = origin else { return Ok(Site(None)) };
        let host = origin.strip_prefix("https://").unwrap_or_default();
        if host.is_empty() || host.contains(['/', '?', '#', '@', ' ']) || !origin.is_ascii() {
            return Err("an origin is written https://host, or https://host:port");
        }
        Ok(Site(Some(origin.to_ascii_lowercase())))
    }

    /// The configured origin.
    pub fn origin(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// The session cookie's name: the prefix has browsers refuse it without TLS.
    pub fn cookie_name(&self) -> &'static str {
        if self.0.is_some() { "__Host-session" } else { "session" }
    }

    /// Finds the session cookie. One that stands twice is none: somebody has put one there.
    pub fn cookie<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = values.flat_map(|value| value.split(';'));
        let mut found = pairs
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == self.cookie_name());
        let (_, value) = found.next()?;
        found.next().is_none().then_some(value)
    }

    /// A cookie as `Set-Cookie` writes it; without a value it is taken away.
    pub fn set_cookie(&self, value: Option<&str>, seconds: i64) -> Option<HeaderValue> {
        let (value, age) = value.map_or(("", 0), |value| (value, seconds));
        let secure = if self.0.is_some() { "; Secure" } else { "" };
        let name = self.cookie_name();
        let text = format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}");
        HeaderValue::try_from(text).ok()
    }

    /// Refuses a browser that may not have, or use, a session here: without TLS only this machine's.
    /// Whoever comes through a proxy is not on this machine, wherever the proxy is.
    pub fn admit(&self, Peer(address, way): Peer, headers: &HeaderMap) -> Result<(), Error> {
        let here = way == Way::Direct && address.is_loopback() && is_this_machine(host(headers));
        if self.0.is_some() || here {
            return Ok(());
        }
        let detail = "without TLS a browser can sign in on this machine alone: put a proxy that \
                      speaks HTTPS in front, and set auth.origin";
        Err(Error::new(Code::OriginRefused, detail))
    }

    /// Refuses what another site has a browser ask. Reading is let through: its answer cannot be
    /// read there. A WebSocket can, so it is not.
    pub fn same_site(&self, method: &Method, headers: &HeaderMap) -> Result<(), Error> {
        let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        if (reads && !headers.contains_key(UPGRADE)) || self.is_ours(headers) {
            return Ok(());
        }
        Err(Error::new(Code::OriginRefused, "the request comes from another site"))
    }

    fn is_ours(&self, headers: &HeaderMap) -> bool {
        if let Some(from) = headers.get("sec-fetch-site") {
            return from == "same-origin" || from == "none";
        }
        let Some(origin) = headers.get(ORIGIN).and_then(|value| value.to_str().ok()) else {
            return false;
        };
        match &self.0 {
            Some(ours) => origin.eq_ignore_ascii_case(ours),
            None => origin.strip_prefix("http://").is_some_and(|from| from == host(headers)),
        }
    }
}

fn host(headers: &HeaderMap) -> &str {
    headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Names that no other machine can take: a foreign name that resolves to here is not among them.
fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn cookies_say_where_they_may_go() {
        let tls = Site::new(Some("https://logs.example.com")).unwrap();
        assert_eq!(
            tls.set_cookie(Some("v"), 60).unwrap(),
            "__Host-session=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
        );
        let plain = Site::default();
        let gone = plain.set_cookie(None, 60).unwrap();
        assert_eq!(gone, "session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
        let both = headers(&[("cookie", "a=b; __Host-session=x; session=y")]);
        assert_eq!((tls.cookie(&both), plain.cookie(&both)), (Some("x"), Some("y")));
        for none in ["session=a; session=b", "xsession=a", "session", ""] {
            assert_eq!(plain.cookie(&headers(&[("cookie", none)])), None, "{none}");
        }
        for bad in ["http://x", "https://", "https://a/b", "logs.example.com", "https://a@b"] {
            assert!(Site::new(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn without_tls_only_this_machine_signs_in() {
        let plain = Site::default();
        let here = Peer("127.0.0.1".parse().unwrap(), Way::Direct);
        let there = Peer("10.0.0.1".parse().unwrap(), Way::Direct);
        let relayed = Peer(here.0, Way::Relayed);
        for good in ["localhost", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST:1"] {
            assert!(plain.admit(here, &headers(&[("host", good)])).is_ok(), "{good}");
            assert!(plain.admit(there, &headers(&[("host", good)])).is_err(), "{good}");
            assert!(plain.admit(relayed, &headers(&[("host", good)])).is_err(), "{good}");
        }
        for bad in ["example.com", "localhost.example.com", "10.0.0.1", "", "127.0.0.1.nip.io"] {
            assert!(plain.admit(here, &headers(&[("host", bad)])).is_err(), "{bad}");
        }
        let tls = Site::new(Some("https://logs.example.com")).unwrap();
        assert!(tls.admit(there, &headers(&[])).is_ok());
    }

    #[test]
    fn other_sites_change_nothing() {
        let plain = Site::default();
        let asks = |pairs: &[(&'static str, &str)]| {
            let mut all = vec![("host", "localhost:8000")];
            all.extend_from_slice(pairs);
            plain.same_site(&Method::POST, &headers(&all)).is_ok()
        };
        assert!(asks(&[("sec-fetch-site", "same-origin")]));
        assert!(asks(&[("sec-fetch-site", "none")]));
        assert!(asks(&[("origin", "http://localhost:8000")]));
        for bad in [
            &[][..],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site"), ("origin", "http://localhost:8000")],
            &[("origin", "http://evil.example")],
            &[("origin", "null")],
            &[("origin", "https://localhost:8000")],
        ] {
            assert!(!asks(bad), "{bad:?}");
        }
        let cross = headers(&[("sec-fetch-site", "cross-site")]);
        assert!(plain.same_site(&Method::GET, &cross).is_ok());
        let socket = headers(&[("sec-fetch-site", "cross-site"), ("upgrade", "websocket")]);
        assert!(plain.same_site(&Method::GET, &socket).is_err());
    }
}
