//! What an upstream may say.

use super::*;

fn draft(urls: &[&str]) -> Draft {
    let endpoints = urls.iter().map(|url| ((*url).to_owned(), 1)).collect();
    Draft { name: "users".to_owned(), endpoints, ..Draft::default() }
}

#[test]
fn where_it_is() {
    for (url, address, host) in [
        ("http://10.0.0.5:8080", "10.0.0.5:8080", "10.0.0.5:8080"),
        ("http://users.internal", "users.internal:80", "users.internal"),
        ("http://users.internal/", "users.internal:80", "users.internal"),
        ("http://[2001:db8::1]:81", "[2001:db8::1]:81", "[2001:db8::1]:81"),
        ("http://[::1]", "[::1]:80", "[::1]"),
    ] {
        let config = UpstreamConfig::new(draft(&[url])).unwrap();
        assert_eq!(
            (&*config.targets[0].address, config.targets[0].host.to_str().unwrap()),
            (address, host)
        );
    }
    for bad in [
        "",
        "10.0.0.5:8080",
        "https://10.0.0.5",
        "http://",
        "http://:80",
        "http://a:0",
        "http://a:",
        "http://a:99999",
        "http://a:x",
        "http://a/b",
        "http://a/?b",
        "http://me@a",
        "http://a b",
        "unix:/run/x",
    ] {
        let told = UpstreamConfig::new(draft(&["http://a", bad])).unwrap_err();
        assert!(told.starts_with("endpoints:"), "{bad}: {told}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let good = || draft(&["http://a", "http://b"]);
    assert!(UpstreamConfig::new(good()).is_ok());
    let second = Duration::from_secs(1);
    let (zero, long) = (Duration::ZERO, 100_000 * second);
    let check = |check: Check| Draft { check: Some(check), ..good() };
    let ejection = |ejection: Ejection| Draft { ejection: Some(ejection), ..good() };
    let timeouts = |timeouts: Timeouts| Draft { timeouts, ..good() };
    let retries = |retries: Retries| Draft { retries, ..good() };
    let pool = |pool: PoolLimits| Draft { pool, ..good() };
    let path = |path: &str| check(Check { path: path.to_owned(), ..Check::default() });
    for (bad, begins) in [
        (Draft { name: String::new(), ..good() }, "name:"),
        (Draft { name: "A".to_owned(), ..good() }, "name:"),
        (draft(&[]), "endpoints:"),
        (draft(&["http://a", "http://a:80"]), "endpoints:"),
        (draft(&vec!["http://a"; 257]), "endpoints:"),
        (Draft { endpoints: vec![("http://a".to_owned(), 0)], ..good() }, "endpoints:"),
        (Draft { endpoints: vec![("http://a".to_owned(), 1001)], ..good() }, "endpoints:"),
        (Draft { balance: "best".to_owned(), ..good() }, "balance:"),
        (Draft { host: "mine".to_owned(), ..good() }, "host:"),
        (path("health"), "check.path:"),
        (path("/a b"), "check.path:"),
        (path("/a\r\n"), "check.path:"),
        (path("/a#b"), "check.path:"),
        (check(Check { interval: zero, ..Check::default() }), "check.interval:"),
        (check(Check { timeout: long, ..Check::default() }), "check.timeout:"),
        (check(Check { bad: 0, ..Check::default() }), "check.bad:"),
        (check(Check { good: 101, ..Check::default() }), "check.good:"),
        (ejection(Ejection { failures: 0, ..Ejection::default() }), "ejection.failures:"),
        (ejection(Ejection { base: zero, ..Ejection::default() }), "ejection.base:"),
        (ejection(Ejection { max: second, ..Ejection::default() }), "ejection.max:"),
        (ejection(Ejection { max_percent: 101, ..Ejection::default() }), "ejection.max_percent:"),
        (timeouts(Timeouts { connect: zero, ..Timeouts::default() }), "timeouts.connect:"),
        (timeouts(Timeouts { header: long, ..Timeouts::default() }), "timeouts.header:"),
        (timeouts(Timeouts { idle: zero, ..Timeouts::default() }), "timeouts.idle:"),
        (retries(Retries { tries: 6, ..Retries::default() }), "retries.tries:"),
        (retries(Retries { budget_percent: 101, ..Retries::default() }), "retries.budget_percent:"),
        (retries(Retries { pause_max: zero, ..Retries::default() }), "retries.pause_max:"),
        (retries(Retries { body_bytes: 2 << 20, ..Retries::default() }), "retries.body_bytes:"),
        (pool(PoolLimits { connections: 0, ..PoolLimits::default() }), "pool.connections:"),
        (pool(PoolLimits { waiting: 100_000, ..PoolLimits::default() }), "pool.waiting:"),
        (pool(PoolLimits { wait: zero, ..PoolLimits::default() }), "pool.wait:"),
    ] {
        let told = UpstreamConfig::new(bad.clone()).unwrap_err();
        assert!(told.starts_with(begins), "{bad:?}: {told}");
    }
    let told = UpstreamConfig::new(Draft { balance: "best".to_owned(), ..good() }).unwrap_err();
    assert!(told.contains("hash, least_request, p2c, round_robin, weighted"), "{told}");
}
