//! Signing in: passwords, how often they may be tried, and what an answer tells about whom.

use crate::people::{ADMIN, PASSWORD, said};
use crate::support::{Answer, Engine, Server, both};

both! {
    one_answer_and_one_cost_for_whoever_is_not_let_in
    tries_are_few_and_nobody_is_locked_out
    tries_side_by_side_do_not_pass_the_bound
    every_byte_of_a_password_counts
    a_password_is_hashed_anew_as_it_is_set
    a_token_opens_what_roles_allow
    forged_tokens_open_nothing
}

/// The document without what differs by request.
fn told(answer: &Answer) -> (u16, serde_json::Value) {
    let mut body = answer.json();
    body.as_object_mut().unwrap().remove("request_id");
    (answer.status.as_u16(), body)
}

/// As tokens write it (RFC 7515, 2).
fn base64(text: &str) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: String = text.bytes().map(|byte| format!("{byte:08b}")).collect();
    let sextets = bits.as_bytes().chunks(6).map(|bits| {
        let bits = format!("{:0<6}", std::str::from_utf8(bits).unwrap());
        char::from(alphabet[usize::from_str_radix(&bits, 2).unwrap()])
    });
    sextets.collect()
}

mod scenario {
    use futures_util::future::join_all;
    use reqwest::Method;
    use serde_json::json;

    use super::*;
    use crate::support::{answer, client};

    pub(super) async fn one_answer_and_one_cost_for_whoever_is_not_let_in(engine: Engine) {
        let s = Server::start(engine).await;
        for name in ["wrong", "disabled", "none"] {
            s.person(&format!("{name}@example.com"), &["viewer"]).await;
        }
        let of = |name: &str| format!("(SELECT account FROM person WHERE email LIKE '{name}%')");
        s.alter(&format!("UPDATE account SET state = 'disabled' WHERE id = {}", of("disabled")))
            .await;
        s.alter(&format!("UPDATE person SET password = NULL WHERE account = {}", of("none"))).await;
        let mut answers = Vec::new();
        for (email, password) in [
            ("unknown@example.com", PASSWORD),
            ("wrong@example.com", "another one altogether"),
            ("disabled@example.com", PASSWORD),
            ("disabled@example.com", "another one altogether"),
            ("none@example.com", PASSWORD),
            ("none@example.com", ""),
            ("no address at all", ""),
        ] {
            let before = s.hashes().await;
            let refused = s.login(email, password).await;
            refused.problem(401, "invalid_credentials");
            assert_eq!(s.hashes().await - before, 1, "{email}");
            answers.push(told(&refused));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        s.login("wrong@example.com", PASSWORD).await.expect(200);
        // What cannot be a password is told before anybody is looked up, known or not.
        for email in ["wrong@example.com", "unknown@example.com"] {
            let refused = s.login(email, &"a".repeat(1025)).await;
            assert_eq!(refused.problem(400, "validation_failed")["errors"][0]["path"], "/password");
        }
    }

    pub(super) async fn tries_are_few_and_nobody_is_locked_out(engine: Engine) {
        let s = Server::start(engine).await;
        s.set_up().await;
        s.person("bob@example.com", &[]).await;
        let mut answers = Vec::new();
        for name in ["ann", "nobody"] {
            let before = s.hashes().await;
            // Spellings of one name are one name, whatever a header says about where from.
            for n in 0..10 {
                let email = match n % 3 {
                    0 => format!("{name}@example.com"),
                    1 => format!("{}@EXAMPLE.com", name.to_uppercase()),
                    _ => format!(" {name}@ｅxample.com "),
                };
                let body = json!({"email": email, "password": "another one altogether"});
                let asked = s.bare(Method::POST, "/v1/auth/login").json(&body);
                let asked = asked
                    .header("x-forwarded-for", format!("198.51.100.{n}"))
                    .header("forwarded", format!("for=198.51.100.{n}"));
                answer(asked).await.problem(401, "invalid_credentials");
            }
            assert_eq!(s.hashes().await - before, 10);
            // Also with the right password: before anything is hashed.
            let refused = s.login(&format!("{name}@example.com"), PASSWORD).await;
            refused.problem(429, "rate_limited");
            let wait: u32 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((1..=61).contains(&wait), "{wait}");
            assert_eq!(s.hashes().await - before, 10);
            answers.push(told(&refused));
        }
        assert_eq!(answers[0], answers[1]);
        // The others of this address go on, and the victim does from elsewhere.
        s.login("bob@example.com", PASSWORD).await.expect(200);
        let elsewhere = reqwest::Client::builder().local_address(Some([127, 0, 0, 2].into()));
        let body = json!({"email": ADMIN, "password": PASSWORD});
        let url = format!("http://{}/v1/auth/login", s.address);
        answer(elsewhere.build().unwrap().post(url).json(&body)).await.expect(200);
        // Whoever is right is not counted.
        for _ in 0..15 {
            s.login("bob@example.com", PASSWORD).await.expect(200);
        }
    }

    pub(super) async fn tries_side_by_side_do_not_pass_the_bound(engine: Engine) {
        let s = Server::start(engine).await;
        s.set_up().await;
        let before = s.hashes().await;
        let tries = (0..40).map(|_| s.login(ADMIN, "another one altogether"));
        let answers = join_all(tries).await;
        let count = |status| answers.iter().filter(|answer| answer.status == status).count();
        assert_eq!((count(401), count(429)), (10, 30));
        assert_eq!(s.hashes().await - before, 10);
    }

    pub(super) async fn every_byte_of_a_password_counts(engine: Engine) {
        let s = Server::start(engine).await;
        let words = "kerf olive tundra 52 quilt MAPLE sonnet blitz wharf 7 dune ember yoke ax";
        let long = format!("{words}{}", &"zq"[..72 - words.len()]);
        let (nul, emoji) = ("wet otter\0climbs 9 stairs", "🐎🔋📎🦀🌋🗿🎺🧵🫀🐙🪐🧂🥁🪁🧲🛶");
        let spelled = "cafe\u{301} otter climbs 9 stairs";
        for (n, (password, others)) in [
            (long.clone(), vec![long[..71].to_owned(), format!("{long}!")]),
            (format!("{long}!"), vec![long.clone(), format!("{long}?")]),
            (emoji.to_owned(), vec![emoji.replace('🛶', "🛵"), emoji.replace('🛶', "")]),
            (format!(" {PASSWORD} "), vec![PASSWORD.to_owned()]),
            (spelled.to_owned(), vec!["cafe otter climbs 9 stairs".to_owned()]),
        ]
        .into_iter()
        .enumerate()
        {
            let email = format!("p{n}@example.com");
            let invitation = json!({"email": email, "roles": []});
            let invited = s.post("/v1/invitations", invitation).await.expect(201);
            let body = json!({"token": invited["token"], "name": "P", "password": password});
            s.post_bare("/v1/invitations/accept", body).await.expect(201);
            s.login(&email, &password).await.expect(200);
            for other in others {
                s.login(&email, &other).await.problem(401, "invalid_credentials");
            }
        }
        // U+0000 is in no text that is taken here: nothing is cut at it.
        let refused = s.login("p0@example.com", nul).await.problem(400, "invalid_json");
        assert_eq!(refused["errors"][0]["path"], "/password");
        // Another spelling of the same text is the same password.
        s.login("p4@example.com", "caf\u{e9} otter climbs 9 stairs").await.expect(200);
    }

    pub(super) async fn a_password_is_hashed_anew_as_it_is_set(engine: Engine) {
        let mut s = Server::start(engine).await;
        s.set_up().await;
        let cost = "SELECT password_cost FROM person";
        assert_eq!(s.stored(cost).await, "bcrypt-4");
        for (name, value, kept) in [
            ("FOREBAY_AUTH__BCRYPT_COST", "5", "bcrypt-5"),
            ("FOREBAY_AUTH__PASSWORD_HASH", "argon2id", "argon2id"),
            ("FOREBAY_AUTH__BCRYPT_COST", "4", "bcrypt-4"),
        ] {
            s.kill();
            s.restart_with(&[(name, value)]);
            // Somebody else's password changes nothing.
            s.login(ADMIN, "another one altogether").await.problem(401, "invalid_credentials");
            assert_ne!(s.stored(cost).await, kept);
            s.login(ADMIN, PASSWORD).await.expect(200);
            assert_eq!(s.stored(cost).await, kept);
            let hash = s.stored("SELECT password FROM person").await;
            assert!(hash.starts_with("1$"), "{hash}");
            s.login(ADMIN, PASSWORD).await.expect(200);
            assert_eq!(s.stored("SELECT password FROM person").await, hash, "once is enough");
        }
    }

    pub(super) async fn a_token_opens_what_roles_allow(engine: Engine) {
        let s = Server::start(engine).await;
        let mut orders = crate::support::orders();
        orders["access"] = json!({"read": "data.owner == auth.user_id"});
        s.put("/v1/streams/orders", orders).await.expect(201);
        let token = said(&s.person("bob@example.com", &["viewer"]).await, "access_token");
        let me = s.get_by(&token, "/v1/me", &[]).await.expect(200);
        let id = me["id"].as_str().unwrap();
        let records = json!([{"owner": id, "n": 1}, {"owner": "else", "n": 2}]);
        s.post("/v1/streams/orders/records", records).await.expect(200);
        let seen = s.get_by(&token, "/v1/streams/orders/records", &[]).await.expect(200);
        assert_eq!(seen["items"].as_array().unwrap().len(), 1, "{seen}");
        s.post_by(&token, "/v1/streams/orders/records", json!({"n": 3}))
            .await
            .problem(403, "forbidden");
        s.get_by(&token, "/v1/roles", &[]).await.problem(403, "forbidden");
        // The four ways to show a key are ways to show a token.
        let url = format!("http://{}/v1/me", s.address);
        for asked in [
            client().get(&url).header("x-api-key", &token),
            client().get(&url).basic_auth("any", Some(&token)),
            client().get(&url).header("authorization", format!("ApiKey {token}")),
        ] {
            assert_eq!(answer(asked).await.expect(200)["id"], id);
        }
        // A person is no program, and is not found among them.
        let listed = s.get("/v1/service-accounts").await.expect(200);
        assert_eq!(listed["items"], json!([]));
        s.get(&format!("/v1/service-accounts/{id}")).await.problem(404, "not_found");
        s.delete(&format!("/v1/service-accounts/{id}")).await.problem(404, "not_found");
    }

    pub(super) async fn forged_tokens_open_nothing(engine: Engine) {
        let s = Server::start(engine).await;
        let login = s.set_up().await;
        let token = said(&login, "access_token");
        let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else {
            panic!("three parts")
        };
        // {"alg":"none"}, {"typ":"at+jwt","alg":"none"}
        let none = "eyJhbGciOiJub25lIn0";
        let typed = "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJub25lIn0";
        for forged in [
            format!("{header}.{payload}."),
            format!("{header}.{payload}"),
            format!("{none}.{payload}."),
            format!("{typed}.{payload}.{signature}"),
            format!("{header}.{}.{signature}", payload.replacen('e', "f", 1)),
            format!("{header}.{payload}.{}", signature.replacen(&signature[..1], "_", 1)),
            format!("{token}A"),
            format!("{token}="),
            said(&login, "refresh_token"),
            "ey".repeat(2000),
        ] {
            s.get_by(&forged, "/v1/me", &[]).await.problem(401, "unauthenticated");
        }
        // Keys are looked for among those that are known, by their name alone.
        for n in 0..300 {
            let kid = match n % 3 {
                0 => format!("../../{n}/etc/passwd"),
                1 => format!("{n}' OR '1'='1"),
                _ => format!("https://evil.example/{n}"),
            };
            let header = base64(&format!(r#"{{"typ":"at+jwt","alg":"ES256","kid":"{kid}"}}"#));
            let forged = format!("{header}.{payload}.{signature}");
            s.get_by(&forged, "/v1/me", &[]).await.problem(401, "unauthenticated");
        }
        let huge = s.request_by(&"ey".repeat(500_000), Method::GET, "/v1/me").send().await;
        assert!(huge.is_err() || huge.unwrap().status() == 431);
        s.get_by(&token, "/v1/me", &[]).await.expect(200);
        // Another deployment's token, of the same people.
        let other = Server::start_with(
            engine,
            &[("MASTER_KEY", "the master key of somebody else altogether")],
        );
        let other = other.await;
        let theirs = said(&other.set_up().await, "access_token");
        s.get_by(&theirs, "/v1/me", &[]).await.problem(401, "unauthenticated");
        other.get_by(&token, "/v1/me", &[]).await.problem(401, "unauthenticated");
        let keys = answer(s.bare(Method::GET, "/.well-known/jwks.json")).await.expect(200);
        for key in keys["keys"].as_array().unwrap() {
            assert_eq!((&key["kty"], &key["alg"]), (&json!("EC"), &json!("ES256")));
            assert!(key.get("d").is_none());
        }
    }
}
