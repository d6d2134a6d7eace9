//! Where a caller shows its secret.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;

/// Finds the secret: `Authorization` as Bearer, ApiKey or Basic (the password), or `X-Api-Key`.
pub(crate) fn secret(headers: &HeaderMap) -> Option<String> {
    if let Some(value) = headers.get("x-api-key") {
        return value.to_str().ok().map(str::to_owned);
    }
    let (scheme, rest) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim();
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" | "apikey" => Some(rest.to_owned()),
        "basic" => {
            let decoded = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
            decoded.split_once(':').map(|(_, password)| password.to_owned())
        }
        _ => None,
    }
}

/// Whether a secret is shown on purpose, readable or not: then no cookie takes its place.
pub(crate) fn is_shown(headers: &HeaderMap) -> bool {
    headers.contains_key("x-api-key") || headers.contains_key(AUTHORIZATION)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn of(value: &'static str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
        secret(&headers)
    }

    #[test]
    fn schemes() {
        assert_eq!(of("Bearer k").as_deref(), Some("k"));
        assert_eq!(of("apikey k").as_deref(), Some("k"));
        assert_eq!(of("Basic YW55Oms=").as_deref(), Some("k"));
        for bad in ["", "k", "Basic !!", "Basic YW55", "Digest k"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
