//! Proxies before the process: whose word on the client's address counts, and what hangs on it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::people::{ADMIN, PASSWORD};
use crate::support::{Answer, Engine, Server, answer, both};

both! {
    a_forged_address_gains_nothing
    a_trusted_proxy_names_the_client
    a_browser_behind_a_proxy_is_not_on_this_machine
}

const TRUSTED: (&str, &str) = ("FOREBAY_GATEWAY__TRUSTED_PROXIES", "127.0.0.0/8,10.0.0.0/8");

async fn me(s: &Server, key: &str, headers: &[(&str, &str)]) -> Answer {
    let asked = s.request_by(key, Method::GET, "/v1/me");
    answer(headers.iter().fold(asked, |asked, (name, value)| asked.header(*name, *value))).await
}

async fn login(s: &Server, body: Value, headers: &[(&str, &str)]) -> Answer {
    let asked = s.bare(Method::POST, "/v1/auth/login").json(&body);
    answer(headers.iter().fold(asked, |asked, (name, value)| asked.header(*name, *value))).await
}

/// A key that is good in one network alone.
async fn key_in(s: &Server, network: &str) -> String {
    let body = json!({"name": "k", "permissions": ["streams:read"], "networks": [network]});
    s.post("/v1/api-keys", body).await.expect(201)["key"].as_str().unwrap().to_owned()
}

mod scenario {
    use super::*;

    pub(super) async fn a_forged_address_gains_nothing(engine: Engine) {
        let s = Server::start(engine).await;
        let key = key_in(&s, "198.51.100.0/24").await;
        for header in [
            ("x-forwarded-for", "198.51.100.7"),
            ("forwarded", "for=198.51.100.7"),
            ("x-real-ip", "198.51.100.7"),
        ] {
            me(&s, &key, &[header]).await.problem(401, "unauthenticated");
        }
        // Each try at a name counts for the address that it comes from, whatever it says.
        let body = json!({"email": "nobody@example.com", "password": "wrong"});
        for at in 0..10 {
            let forged = format!("198.51.100.{at}");
            let tried = login(&s, body.clone(), &[("x-forwarded-for", &forged)]).await;
            tried.problem(401, "invalid_credentials");
        }
        let tried = login(&s, body, &[("x-forwarded-for", "203.0.113.1")]).await;
        tried.problem(429, "rate_limited");
    }

    pub(super) async fn a_trusted_proxy_names_the_client(engine: Engine) {
        let s = Server::start_with(engine, &[TRUSTED]).await;
        let key = key_in(&s, "198.51.100.0/24").await;
        for (told, status) in [
            ("198.51.100.7", 200),
            ("192.0.2.1, 198.51.100.7", 200),
            ("192.0.2.1, 198.51.100.7, 10.0.0.1", 200),
            // What the client itself has put there.
            ("198.51.100.7, 192.0.2.1", 401),
            ("198.51.100.7, unknown", 401),
            ("198.51.100.7, \u{e9}", 401),
        ] {
            let answer = me(&s, &key, &[("x-forwarded-for", told)]).await;
            assert_eq!(answer.status, status, "{told}: {}", answer.text);
        }
        me(&s, &key, &[]).await.problem(401, "unauthenticated");
        me(&s, &key, &[("forwarded", "for=198.51.100.7")]).await.problem(401, "unauthenticated");
        // Tries are counted by client, and written down with its address.
        let body = json!({"email": "nobody@example.com", "password": "wrong"});
        let from = [("x-forwarded-for", "203.0.113.1")];
        for _ in 0..10 {
            login(&s, body.clone(), &from).await.problem(401, "invalid_credentials");
        }
        login(&s, body.clone(), &from).await.problem(429, "rate_limited");
        let other = login(&s, body, &[("x-forwarded-for", "203.0.113.2")]).await;
        other.problem(401, "invalid_credentials");
        let told = crate::audit::events(&s, "login", 12).await;
        let by = |address: &str| told.iter().filter(|event| event["address"] == address).count();
        assert_eq!((by("203.0.113.1"), by("203.0.113.2")), (11, 1), "{told:?}");
        let standard = [TRUSTED, ("FOREBAY_GATEWAY__CLIENT_HEADER", "Forwarded")];
        let s = Server::start_with(engine, &standard).await;
        let key = key_in(&s, "198.51.100.0/24").await;
        me(&s, &key, &[("forwarded", "for=\"198.51.100.7:80\";proto=https")]).await.expect(200);
        me(&s, &key, &[("x-forwarded-for", "198.51.100.7")]).await.problem(401, "unauthenticated");
    }

    pub(super) async fn a_browser_behind_a_proxy_is_not_on_this_machine(engine: Engine) {
        for trusted in [&[][..], &[TRUSTED]] {
            let s = Server::start_with(engine, trusted).await;
            s.set_up().await;
            let body = json!({"email": ADMIN, "password": PASSWORD, "cookie": true});
            let ours = ("sec-fetch-site", "same-origin");
            for told in ["198.51.100.7", "127.0.0.1", "127.0.0.1, 127.0.0.1", "unknown"] {
                // Proxies put their own idea of a host there, often this machine's.
                let headers = [ours, ("host", "127.0.0.1:8000"), ("x-forwarded-for", told)];
                login(&s, body.clone(), &headers).await.problem(403, "origin_refused");
            }
            // Without the header: on this machine, unless only proxies come from there.
            let plain = login(&s, body, &[ours]).await;
            if !trusted.is_empty() {
                plain.problem(403, "origin_refused");
                continue;
            }
            plain.expect(200);
            let cookie = plain.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap();
            let asked = s.bare(Method::GET, "/v1/me").header("cookie", cookie);
            answer(asked).await.expect(200);
            let asked = s.bare(Method::GET, "/v1/me").header("cookie", cookie);
            answer(asked.header("via", "1.1 x")).await.problem(403, "origin_refused");
        }
    }
}
