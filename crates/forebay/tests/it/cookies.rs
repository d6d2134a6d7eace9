//! Browsers: a cookie that no script reads, and what other sites cannot have a browser do with it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::people::{ADMIN, PASSWORD};
use crate::support::{Answer, Engine, Server, answer, both};

both! {
    a_browser_signs_in_by_a_cookie
    other_sites_do_nothing_with_it
    behind_tls_the_cookie_says_so
}

/// What a browser of this site sends along.
const OURS: (&str, &str) = ("sec-fetch-site", "same-origin");

async fn sign_in(s: &Server, headers: &[(&str, &str)]) -> Answer {
    let body = json!({"email": ADMIN, "password": PASSWORD, "cookie": true});
    let asked = s.bare(Method::POST, "/v1/auth/login").json(&body);
    answer(headers.iter().fold(asked, |asked, (name, value)| asked.header(*name, *value))).await
}

async fn ask(s: &Server, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let asked = s.bare(method, path);
    answer(headers.iter().fold(asked, |asked, (name, value)| asked.header(*name, *value))).await
}

/// The pair that a browser sends back, and the flags beside it.
fn cookie_of(answer: &Answer) -> (String, String) {
    let set = answer.headers["set-cookie"].to_str().unwrap();
    let (pair, flags) = set.split_once("; ").unwrap();
    (pair.to_owned(), flags.to_owned())
}

mod scenario {
    use super::*;

    pub(super) async fn a_browser_signs_in_by_a_cookie(engine: Engine) {
        let mut s = Server::start(engine).await;
        s.set_up().await;
        let signed_in = sign_in(&s, &[OURS]).await;
        let body = signed_in.expect(200);
        for secret in ["access_token", "refresh_token"] {
            assert_eq!(body.get(secret), None, "{body}");
        }
        let (pair, flags) = cookie_of(&signed_in);
        assert!(pair.starts_with("session=fbs_"), "{pair}");
        assert_eq!(flags, "Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax");
        let me = ask(&s, Method::GET, "/v1/me", &[("cookie", &pair)]).await.expect(200);
        assert_eq!(me["email"], ADMIN);
        // A cookie that was there before is not taken over: each login has a session of its own.
        let again = sign_in(&s, &[OURS, ("cookie", &pair)]).await;
        assert_ne!(again.expect(200)["session_id"], body["session_id"]);
        assert_ne!(cookie_of(&again).0, pair);
        for planted in ["session=fbs_planted", "session=", "session=x; session=y"] {
            let refused = ask(&s, Method::GET, "/v1/me", &[("cookie", planted)]).await;
            refused.problem(401, "unauthenticated");
        }
        // Two of one name: somebody has put one there.
        let two = format!("{pair}; session=fbs_planted");
        ask(&s, Method::GET, "/v1/me", &[("cookie", &two)]).await.problem(401, "unauthenticated");
        // It is a cookie's secret and no key, and a key is no cookie.
        let value = pair.strip_prefix("session=").unwrap();
        s.get_by(value, "/v1/me", &[]).await.problem(401, "unauthenticated");
        let key = format!("session={}", crate::support::KEY);
        ask(&s, Method::GET, "/v1/me", &[("cookie", &key)]).await.problem(401, "unauthenticated");
        // A credential that is shown on purpose counts, though it is wrong.
        let both = [("cookie", pair.as_str()), ("x-api-key", "wrong")];
        ask(&s, Method::GET, "/v1/me", &both).await.problem(401, "unauthenticated");
        s.restart();
        ask(&s, Method::GET, "/v1/me", &[("cookie", &pair)]).await.expect(200);
        let out = ask(&s, Method::POST, "/v1/auth/logout", &[OURS, ("cookie", &pair)]).await;
        out.expect(204);
        assert_eq!(
            cookie_of(&out),
            ("session=".into(), "Path=/; Max-Age=0; HttpOnly; SameSite=Lax".into())
        );
        ask(&s, Method::GET, "/v1/me", &[("cookie", &pair)]).await.problem(401, "unauthenticated");
    }

    pub(super) async fn other_sites_do_nothing_with_it(engine: Engine) {
        let s = Server::start(engine).await;
        s.set_up().await;
        let (pair, _) = cookie_of(&sign_in(&s, &[OURS]).await);
        let own = format!("http://{}", s.address);
        let forged: [&[(&str, &str)]; 6] = [
            &[],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("origin", "http://evil.example")],
            &[("origin", "null")],
            &[("sec-fetch-site", "cross-site"), ("origin", &own)],
        ];
        for headers in forged {
            // Signing a victim in as the attacker, and acting as the victim.
            sign_in(&s, headers).await.problem(403, "origin_refused");
            let mut with = headers.to_vec();
            with.push(("cookie", &pair));
            for (method, path) in
                [(Method::POST, "/v1/auth/logout"), (Method::DELETE, "/v1/me/sessions")]
            {
                ask(&s, method, path, &with).await.problem(403, "origin_refused");
            }
            // What another site's script could read.
            let mut socket = with.clone();
            socket.extend([
                ("connection", "upgrade"),
                ("upgrade", "websocket"),
                ("sec-websocket-version", "13"),
                ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ]);
            ask(&s, Method::GET, "/v1/subscribe", &socket).await.problem(403, "origin_refused");
        }
        // A name of somebody else's that leads here.
        let rebound = [("host", "evil.example"), OURS, ("cookie", pair.as_str())];
        ask(&s, Method::GET, "/v1/me", &rebound).await.problem(403, "origin_refused");
        sign_in(&s, &[OURS, ("host", "evil.example")]).await.problem(403, "origin_refused");
        let same = [("origin", own.as_str()), ("cookie", pair.as_str())];
        ask(&s, Method::POST, "/v1/auth/logout", &same).await.expect(204);
    }

    pub(super) async fn behind_tls_the_cookie_says_so(engine: Engine) {
        let origin = [("FOREBAY_AUTH__ORIGIN", "https://logs.example.com")];
        let s = Server::start_with(engine, &origin).await;
        s.set_up().await;
        let signed_in = sign_in(&s, &[("origin", "https://logs.example.com")]).await;
        signed_in.expect(200);
        let (pair, flags) = cookie_of(&signed_in);
        assert!(pair.starts_with("__Host-session=fbs_"), "{pair}");
        assert_eq!(flags, "Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax; Secure");
        ask(&s, Method::GET, "/v1/me", &[("cookie", &pair)]).await.expect(200);
        // The name without its prefix can be set by whoever is on the way.
        let bare = pair.strip_prefix("__Host-").unwrap();
        ask(&s, Method::GET, "/v1/me", &[("cookie", bare)]).await.problem(401, "unauthenticated");
        let own = format!("http://{}", s.address);
        sign_in(&s, &[("origin", &own)]).await.problem(403, "origin_refused");
        // Tokens name the origin.
        let login: Value = s.login(ADMIN, PASSWORD).await.expect(200);
        let token = crate::people::said(&login, "access_token");
        s.get_by(&token, "/v1/me", &[]).await.expect(200);
        let bad = crate::support::forebay()
            .args(["serve", "--data"])
            .arg(s.data.path())
            .env("FOREBAY_AUTH__ORIGIN", "http://logs.example.com")
            .output()
            .unwrap();
        assert_eq!(bad.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&bad.stderr).contains("auth.origin"));
    }
}
