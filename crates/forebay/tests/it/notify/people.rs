//! Mail flows of people: a forgotten password, a new account, another address, an invitation, notices.

use serde_json::{Value, json};

use super::mail::start;
use crate::people::{ADMIN, PASSWORD};
use crate::support::{Engine, Server, both};

both! {
    a_forgotten_password_is_chosen_anew_by_mail
    a_new_account_opens_by_its_address_and_password
    an_address_changes_when_both_say_so
    an_invitation_goes_to_its_address_alone
    what_somebody_else_could_have_done_is_told
    without_a_mail_server_nothing_goes_by_mail
}

const FORGOT: &str = "/v1/auth/password/forgot";
const RESET: &str = "/v1/auth/password/reset";
const VERIFY: &str = "/v1/auth/email/verify";
const NEW: &str = "a quite different 7 phrase";

mod scenario {
    use super::*;

    pub(super) async fn a_forgotten_password_is_chosen_anew_by_mail(engine: Engine) {
        let p = start(engine, &[]).await;
        let s = &p.s;
        s.user("bob@example.com", &["viewer"]).await;
        let unknown = s.post_bare(FORGOT, json!({"email": "nobody@example.com"})).await;
        let known = s.post_bare(FORGOT, json!({"email": " Bob@Example.com"})).await;
        assert_eq!(unknown.expect(202), known.expect(202));
        assert_eq!(unknown.headers.len(), known.headers.len());
        let letter = p.letter("bob@example.com", "Choose a new password");
        let token = super::super::mail::token(&letter);
        assert!(super::super::mail::header(&letter, "list-unsubscribe").is_empty());
        // The door is shut while nobody has shown the link.
        s.login("bob@example.com", PASSWORD).await.expect(200);
        let wrong = json!({"token": format!("{token}x"), "password": NEW});
        s.post_bare(RESET, wrong).await.problem(401, "invalid_credentials");
        let body = json!({"token": token, "password": NEW});
        s.post_bare(RESET, body.clone()).await.expect(204);
        s.post_bare(RESET, body).await.problem(401, "invalid_credentials");
        s.login("bob@example.com", PASSWORD).await.problem(401, "invalid_credentials");
        s.login("bob@example.com", NEW).await.expect(200);
        p.letter("bob@example.com", "chosen anew by a link");
        assert!(p.letters().iter().all(|letter| letter["to"] == "bob@example.com"));
        // Neither the link nor its letter stands anywhere as it is.
        let sql = "SELECT data FROM notification WHERE type = 'mail.password_reset' LIMIT 1";
        let stored = s.stored(sql).await;
        assert!(stored.starts_with("{\"sealed\":\"") && !stored.contains(&token), "{stored}");
        for bad in [json!({}), json!({"email": 3}), json!({"email": "a", "x": 1})] {
            s.post_bare(FORGOT, bad).await.problem(400, "validation_failed");
        }
        // Many tries from one place are too many, known or not.
        let mut last = s.post_bare(FORGOT, json!({"email": "x@example.com"})).await;
        for _ in 0..10 {
            last = s.post_bare(FORGOT, json!({"email": "x@example.com"})).await;
        }
        last.problem(429, "rate_limited");
    }

    pub(super) async fn a_new_account_opens_by_its_address_and_password(engine: Engine) {
        let p = start(engine, &[("FOREBAY_AUTH__REGISTRATION", "open")]).await;
        let s = &p.s;
        let register = |email: &str, password: &str| {
            let body = json!({"email": email, "name": "Eve", "password": password});
            async move { s.post_bare("/v1/auth/register", body).await.expect(202) }
        };
        // Somebody makes an account for an address that is not theirs, before its owner does.
        register("carl@example.com", NEW).await;
        let first = p.token("carl@example.com", "Confirm your e-mail");
        s.login("carl@example.com", NEW).await.problem(401, "invalid_credentials");
        register("carl@example.com", PASSWORD).await;
        let second = loop {
            let letters = p.letters();
            let mut tokens = letters.iter().map(super::super::mail::token);
            if let Some(token) = tokens.find(|token| *token != first) {
                break token;
            }
        };
        let verify = |token: &str, password: &str| {
            let body = json!({"token": token, "password": password});
            async move { s.post_bare(VERIFY, body).await }
        };
        s.post_bare(VERIFY, json!({"token": second})).await.problem(400, "validation_failed");
        verify(&first, NEW).await.problem(401, "invalid_credentials");
        verify(&second, NEW).await.problem(401, "invalid_credentials");
        s.login("carl@example.com", PASSWORD).await.problem(401, "invalid_credentials");
        assert_eq!(verify(&second, PASSWORD).await.expect(200)["state"], "verified");
        verify(&second, PASSWORD).await.problem(401, "invalid_credentials");
        s.login("carl@example.com", PASSWORD).await.expect(200);
        // Who has an account is told so, and whoever asks is not.
        register("carl@example.com", NEW).await;
        p.letter("carl@example.com", "You have an account already");
        s.login("carl@example.com", NEW).await.problem(401, "invalid_credentials");
    }

    pub(super) async fn an_address_changes_when_both_say_so(engine: Engine) {
        let p = start(engine, &[]).await;
        let s = &p.s;
        s.user("bob@example.com", &["viewer"]).await;
        s.user("eve@example.com", &["viewer"]).await;
        let bob = s.token_of("bob@example.com").await;
        let path = "/v1/auth/email/change";
        let change = |email: &'static str| s.post_by(&bob, path, json!({"email": email}));
        change("not an address").await.problem(400, "validation_failed");
        change("BOB@example.com").await.problem(400, "validation_failed");
        // Whether it has an account is not said, and nobody is written to.
        change("eve@example.com").await.expect(202);
        change("bob@example.org").await.expect(202);
        let old = p.token("bob@example.com", "Confirm the change");
        let new = p.token("bob@example.org", "Confirm the change");
        assert_eq!(p.letters().len(), 2);
        let yes = |token: String| s.post_bare(VERIFY, json!({"token": token}));
        assert_eq!(yes(new.clone()).await.expect(200)["state"], "waiting");
        yes(new).await.problem(401, "invalid_credentials");
        s.login("bob@example.org", PASSWORD).await.problem(401, "invalid_credentials");
        assert_eq!(yes(old.clone()).await.expect(200)["state"], "changed");
        yes(old).await.problem(401, "invalid_credentials");
        s.login("bob@example.com", PASSWORD).await.problem(401, "invalid_credentials");
        s.login("bob@example.org", PASSWORD).await.expect(200);
        p.letter("bob@example.com", "address was changed");
        p.letter("bob@example.org", "address was changed");
    }

    pub(super) async fn an_invitation_goes_to_its_address_alone(engine: Engine) {
        let p = start(engine, &[]).await;
        let s = &p.s;
        let invitation = json!({"email": "dora@example.com", "roles": ["viewer"]});
        let invited = s.post("/v1/invitations", invitation).await.expect(201);
        assert_eq!((&invited["mailed"], invited.get("token")), (&json!(true), None));
        let token = p.token("dora@example.com", "invites you");
        let body = json!({"token": token, "name": "Dora", "password": PASSWORD});
        s.post_bare("/v1/invitations/accept", body.clone()).await.expect(201);
        s.post_bare("/v1/invitations/accept", body).await.problem(401, "invalid_credentials");
    }

    pub(super) async fn what_somebody_else_could_have_done_is_told(engine: Engine) {
        let p = start(engine, &[]).await;
        let s = &p.s;
        s.set_up().await;
        let sign_in = |device: &'static str| async move {
            let request = s.bare(reqwest::Method::POST, "/v1/auth/login");
            let body = json!({"email": ADMIN, "password": PASSWORD});
            let request = request.header("user-agent", device).json(&body);
            crate::support::answer(request).await.expect(200)
        };
        let first = sign_in("Firefox/128.0").await;
        p.letter(ADMIN, "New sign-in");
        sign_in("Firefox/129.0").await;
        let token = crate::people::said(&first, "access_token");
        let body = json!({"current": PASSWORD, "new": NEW});
        let changed = s.post_by(&token, "/v1/auth/password/change", body).await.expect(200);
        let letter = p.letter(ADMIN, "your password was changed");
        assert!(letter["text"].as_str().unwrap().contains("127.0.0.1"), "{letter}");
        let token = crate::people::said(&changed, "access_token");
        s.add_factor(&token).await;
        p.letter(ADMIN, "a second factor was added");
        // A new version of the same program is no news.
        let told =
            p.letters().iter().filter(|l| l["subject"] == "New sign-in to your account").count();
        assert_eq!(told, 1);
        let inbox = s.get_by(&token, "/v1/inbox", &[("category", "account")]).await.expect(200);
        let titles: Vec<&str> = inbox["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|i| i["title"].as_str().unwrap())
            .collect();
        assert_eq!(titles.len(), 3, "{titles:?}");
        assert!(titles[0].contains("second factor") && titles[2].contains("sign-in"), "{titles:?}");
    }

    pub(super) async fn without_a_mail_server_nothing_goes_by_mail(engine: Engine) {
        let s = Server::start(engine).await;
        s.user("bob@example.com", &["viewer"]).await;
        let forgot = json!({"email": "bob@example.com"});
        let said = s.post_bare(FORGOT, forgot).await.problem(403, "forbidden");
        assert!(said["detail"].as_str().unwrap().contains("notify.smtp"), "{said}");
        let bob = s.token_of("bob@example.com").await;
        let change = json!({"email": "bob@example.org"});
        s.post_by(&bob, "/v1/auth/email/change", change).await.problem(403, "forbidden");
        let body = json!({"current": PASSWORD, "new": NEW});
        let changed = s.post_by(&bob, "/v1/auth/password/change", body).await.expect(200);
        let bob = crate::people::said(&changed, "access_token");
        // The notice is told in the inbox all the same.
        let title = loop {
            let inbox: Value = s.get_by(&bob, "/v1/inbox", &[]).await.expect(200);
            if let Some(item) = inbox["items"].get(0) {
                break item["title"].as_str().unwrap().to_owned();
            }
        };
        assert!(title.contains("your password was changed"), "{title}");
    }
}
