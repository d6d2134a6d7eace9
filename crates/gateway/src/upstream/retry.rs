//! Whether something is tried again: what may be repeated, how much of it, and how soon.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use http::{Method, StatusCode};
use tokio::time::Instant;

use super::config::Retries;

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// So many retries a second there may be, however few requests there are.
const FLOOR: f64 = 3.0;
/// So many seconds of the floor may be saved up, and as many retries beside them.
const SAVED: f64 = 10.0;

/// Whether a request may reach endpoints twice and mean the same: an idempotent method (RFC 9110,
/// 9.2.2), or a key by which the endpoint knows it again. A condition would fail by the request's own
/// first success.
pub(crate) fn is_repeatable(method: &Method, headers: &HeaderMap) -> bool {
    if headers.contains_key(&IDEMPOTENCY_KEY) || method.is_safe() {
        return true;
    }
    let conditions = [IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE];
    method.is_idempotent() && !conditions.iter().any(|name| headers.contains_key(name))
}

/// Whether an answer says that another endpoint might do better.
pub(crate) fn is_worth_another(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE)
}

/// How long to wait before: anything up to the longest, so that those who failed together do not come
/// back together.
pub(crate) fn pause(retries: &Retries, random: u64) -> Duration {
    let span = (retries.pause_max - retries.pause_min).as_nanos();
    let part = u128::from(random % 1_000_001) * span / 1_000_000;
    retries.pause_min + Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX))
}

/// How many retries there may still be: a share of the requests, so that an upstream that fails is
/// not asked twice as much as one that works.
pub(crate) struct Budget {
    /// Of a request.
    share: f64,
    bucket: Mutex<Bucket>,
}

struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Budget {
    pub(crate) fn new(percent: u32, now: Instant) -> Budget {
        let bucket = Bucket { tokens: FLOOR, at: now };
        Budget { share: f64::from(percent) / 100.0, bucket: Mutex::new(bucket) }
    }

    /// A request came.
    pub(crate) fn earn(&self) {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        // A second's worth of a busy upstream is more than the floor's.
        bucket.tokens = (bucket.tokens + self.share).min(SAVED * SAVED);
    }

    /// Takes one retry, if there is one.
    pub(crate) fn spend(&self, now: Instant) -> bool {
        if self.share <= 0.0 {
            return false;
        }
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.at = now.max(bucket.at);
        // The floor fills up to its own height only.
        let floor = (bucket.tokens + passed * FLOOR).min(FLOOR);
        bucket.tokens = bucket.tokens.max(floor);
        let there = bucket.tokens >= 1.0;
        if there {
            bucket.tokens -= 1.0;
        }
        there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeatable(method: &Method, header: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(header), "\"x\"".parse().unwrap());
        is_repeatable(method, &headers)
    }

    #[test]
    fn what_may_be_repeated() {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE] {
            assert!(repeatable(&method, "x-any"), "{method}");
        }
        for method in [Method::POST, Method::PATCH, Method::from_bytes(b"LOCK").unwrap()] {
            assert!(!repeatable(&method, "x-any"), "{method}");
            assert!(repeatable(&method, "idempotency-key"), "{method}");
        }
        assert!(repeatable(&Method::GET, "if-none-match"));
        for condition in ["if-match", "if-none-match", "if-unmodified-since"] {
            assert!(!repeatable(&Method::PUT, condition), "{condition}");
            assert!(!repeatable(&Method::DELETE, condition), "{condition}");
        }
    }

    #[test]
    fn a_fifth_of_the_requests_may_be_tried_again() {
        let now = Instant::now();
        let budget = Budget::new(20, now);
        while budget.spend(now) {}
        let mut spent = 0;
        for _ in 0..1000 {
            budget.earn();
            spent += u32::from(budget.spend(now));
        }
        assert!((199..=201).contains(&spent), "{spent}");
        // Quiet times are not saved up for ever.
        (0..1_000_000).for_each(|_| budget.earn());
        let saved = (0..1000).filter(|_| budget.spend(now)).count();
        assert_eq!(saved, 100);
    }

    #[test]
    fn a_few_may_always_be() {
        let now = Instant::now();
        let budget = Budget::new(1, now);
        let spend = |now| (0..100).filter(|_| budget.spend(now)).count();
        assert_eq!(spend(now), 3);
        assert_eq!(spend(now + Duration::from_secs(1)), 3);
        assert_eq!(spend(now + Duration::from_secs(100)), 3);
        assert!(!Budget::new(0, now).spend(now));
    }

    #[test]
    fn the_pause_is_anything_between() {
        let retries = Retries::default();
        let pauses: Vec<_> = (0..1000).map(|n| pause(&retries, n * 1_001)).collect();
        let (least, most) = (pauses.iter().min().unwrap(), pauses.iter().max().unwrap());
        assert!(*least >= retries.pause_min && *least < Duration::from_millis(30));
        assert!(*most <= retries.pause_max && *most > Duration::from_millis(245));
    }
}
