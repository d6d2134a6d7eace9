//! How one process of a deployment tells another who asks: a signed word in one header, good for one
//! method and path, and for half a minute.
//!
//! The word is `1.<what is said>.<tag>`, both base64url; the tag is HMAC-SHA256 (RFC 2104) over the
//! version, the method, the path with its query and what is said, under a key that is derived
//! (HKDF, RFC 5869) from the secret that all processes of the deployment share. Within its half
//! minute a word is good for the same method and path again: what makes a request happen once is
//! the `Idempotency-Key`.

mod answer;
mod principal;
mod said;

use std::sync::Arc;

use aws_lc_rs::{hkdf, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use forebay_model::time::Timestamp;
use forebay_model::{Code, Error};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

pub use answer::{Drawn, Told};
pub use principal::{read as read_principal, write as write_principal};
pub use said::Said;

/// The header, in requests and in their answers. From outside it is never taken, and never shown
/// there.
pub static INTERNAL: HeaderName = HeaderName::from_static("forebay-internal");

/// Longest word. Whoever has more rights than fit is refused by the gateway.
pub const MAX_BYTES: usize = 96 << 10;
/// Shortest secret.
pub const LEAST_SECRET_BYTES: usize = 32;

const VERSION: &str = "1";
/// How long a word is good, in microseconds.
const LIFE: i64 = 30_000_000;
/// How far the clocks of two machines may be apart, in microseconds.
const APART: i64 = 5_000_000;

/// What words are signed and checked with.
#[derive(Clone)]
pub struct Keys(Arc<hmac::Key>);

/// The request that a word is for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'r> {
    /// Its method.
    pub method: &'r Method,
    /// Its path and query.
    pub target: &'r str,
}

impl<'r> Asked<'r> {
    /// The request of a method and an address.
    pub fn of(method: &'r Method, uri: &'r Uri) -> Asked<'r> {
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        Asked { method, target }
    }
}

impl Keys {
    /// Derives them from the deployment's secret; the error is a message for people.
    pub fn new(secret: &str) -> Result<Keys, &'static str> {
        if secret.len() < LEAST_SECRET_BYTES {
            return Err("has at least 32 bytes");
        }
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, b"forebay internal");
        let derived = extracted.extract(secret.as_bytes());
        let key = derived.expand(&[b"who asks, 1"], hmac::HMAC_SHA256);
        let key = key.map_err(|_| "no key can be derived from it")?;
        Ok(Keys(Arc::new(hmac::Key::from(key))))
    }

    /// Writes the word for a request.
    pub fn sign(
        &self,
        asked: Asked<'_>,
        said: &Said,
        now: Timestamp,
    ) -> Result<HeaderValue, Error> {
        let said = said.write(now, Timestamp::from_micros(now.micros() + LIFE));
        let tag = BASE64.encode(self.tag(asked, said.as_bytes()).sign());
        let word = format!("{VERSION}.{}.{tag}", BASE64.encode(&said));
        if word.len() > MAX_BYTES {
            let detail = "you have more rights than one request can carry: use a narrower key";
            return Err(Error::new(Code::Forbidden, detail));
        }
        let mut value = HeaderValue::try_from(word).map_err(Error::internal)?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Reads the word of a request; one that is not there, not good, or not for this request is
    /// `unauthenticated`.
    pub fn verify(
        &self,
        asked: Asked<'_>,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Said, Error> {
        self.read(asked, headers, now).map_err(|why| {
            Error::new(Code::Unauthenticated, "this door is for the gateway alone").cause(why)
        })
    }

    fn read(
        &self,
        asked: Asked<'_>,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Said, &'static str> {
        let mut words = headers.get_all(&INTERNAL).iter();
        let word = words.next().ok_or("no word of the gateway")?;
        if words.next().is_some() {
            return Err("two words");
        }
        let word = Some(word.as_bytes()).filter(|word| word.len() <= MAX_BYTES);
        let word = std::str::from_utf8(word.ok_or("too long a word")?).map_err(|_| "no text")?;
        let mut parts = word.split('.');
        let (Some(version), Some(said), Some(tag), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("not three parts");
        };
        if version != VERSION {
            return Err("another version");
        }
        let said = BASE64.decode(said).map_err(|_| "not base64url")?;
        let tag = BASE64.decode(tag).map_err(|_| "not base64url")?;
        self.check(asked, &said, &tag)?;
        let (said, at, until) = Said::read(&said).ok_or("says nothing that is known here")?;
        let (at, until, now) = (at.micros(), until.micros(), now.micros());
        if at > now + APART || until - at > LIFE {
            return Err("from the future");
        }
        if until + APART <= now { Err("over") } else { Ok(said) }
    }

    /// Compares in constant time.
    fn check(&self, asked: Asked<'_>, said: &[u8], tag: &[u8]) -> Result<(), &'static str> {
        let ours = self.tag(asked, said).sign();
        let same = aws_lc_rs::constant_time::verify_slices_are_equal(ours.as_ref(), tag);
        same.map_err(|_| "signed otherwise, or for another request")
    }

    fn tag(&self, asked: Asked<'_>, said: &[u8]) -> hmac::Context {
        let mut context = hmac::Context::with_key(&self.0);
        // None of the parts before the last holds a zero.
        for part in [VERSION, asked.method.as_str(), asked.target] {
            context.update(part.as_bytes());
            context.update(&[0]);
        }
        context.update(said);
        context
    }
}

#[cfg(test)]
mod tests;
