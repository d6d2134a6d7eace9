//! What the protocol layer lets pass and a request's head may still not be (RFC 9112): without one
//! host, or for another one than it says.

use forebay_model::{Code, Error};
use http::header::HOST;
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Version};

/// Refuses a head that breaks a rule.
pub(crate) fn check<B>(request: &Request<B>) -> Result<(), Error> {
    let bad = |detail| Err(Error::new(Code::BadRequest, detail));
    if *request.method() == Method::CONNECT {
        return bad("this is no proxy for tunnels");
    }
    // RFC 9112, 3.2.
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (None, _) if request.version() >= Version::HTTP_11 => {
            return bad("the request has no `Host`");
        }
        (_, Some(_)) => return bad("the request has two `Host`s"),
        (Some(host), _) if !is_host(host.as_bytes()) => return bad("`Host` is no host"),
        (host, _) => host,
    };
    let uri = request.uri();
    if uri.path() == "*" && *request.method() != Method::OPTIONS {
        return bad("`*` is a target of OPTIONS alone");
    }
    match (uri.scheme_str(), uri.authority()) {
        (None, None) => Ok(()),
        (Some("http" | "https"), Some(authority)) if host.is_none_or(|h| same(h, authority)) => {
            Ok(())
        }
        _ => bad("the target names another host than `Host`"),
    }
}

/// Whether a target in absolute form names the host that the field does.
fn same(host: &HeaderValue, target: &Authority) -> bool {
    let plain = |text: &str| text.strip_suffix(":80").unwrap_or(text).to_ascii_lowercase();
    is_host(target.as_str().as_bytes())
        && host.to_str().is_ok_and(|host| plain(host) == plain(target.as_str()))
}

fn is_host(value: &[u8]) -> bool {
    // The parser lets more pass than names and addresses have (RFC 3986, 3.2.2).
    let odd = |c: &u8| b"@,;'*!$&()+=".contains(c);
    let Ok(authority) = Authority::try_from(value) else { return value.is_empty() };
    let port = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    let digits = |port: &str| port.bytes().all(|c| c.is_ascii_digit());
    !value.iter().any(odd) && (port.is_empty() || port.strip_prefix(':').is_some_and(digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for good in ["", "x", "x:80", "[::1]:8000", "127.0.0.1", "a_b.c"] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in ["a b", "u@x", "x/y", "x:80,y:80", "a,b/", "x:y", "a,b"] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }
}
