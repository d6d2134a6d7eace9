//! Second factors: added, shown once each, asked for by roles, and taken away.

use crate::people::{ADMIN, PASSWORD, code, said};
use crate::support::{Engine, Server, both};

both! {
    a_factor_is_added_and_asked_for
    a_code_is_good_once
    a_code_on_paper_is_good_once
    codes_are_few
    a_role_can_ask_for_a_factor
    what_was_shown_holds_until_the_session_opens
}

mod scenario {
    use futures_util::future::join_all;
    use serde_json::json;

    use super::*;

    const TOTP: &str = "/v1/me/mfa/totp";

    pub(super) async fn a_factor_is_added_and_asked_for(engine: Engine) {
        let mut s = Server::start(engine).await;
        let token = said(&s.set_up().await, "access_token");
        let confirm = "/v1/me/mfa/totp/confirm";
        s.post_by(&token, confirm, json!({"code": "123456"})).await.problem(409, "conflict");
        let offered = s.post_by(&token, TOTP, json!({})).await;
        assert_eq!(offered.headers["cache-control"], "no-store");
        let offered = offered.expect(200);
        let seed = said(&offered, "secret");
        assert!(said(&offered, "otpauth_url").contains(&seed));
        assert!(said(&offered, "qr_svg").contains("<svg"));
        // What is offered asks nobody yet.
        assert!(s.login(ADMIN, PASSWORD).await.expect(200).get("mfa_token").is_none());
        let wrong = json!({"code": code(&seed, 50)});
        s.post_by(&token, confirm, wrong).await.problem(401, "invalid_credentials");
        let (seed, papers) = s.add_factor(&token).await;
        assert_eq!(papers.len(), 10);
        s.post_by(&token, TOTP, json!({})).await.problem(409, "conflict");
        s.restart();
        let due = s.login(ADMIN, PASSWORD).await.expect(200);
        assert_eq!(due["methods"], json!(["totp", "recovery_code"]));
        s.login(ADMIN, "another one altogether").await.problem(401, "invalid_credentials");
        let due = said(&due, "mfa_token");
        // Half of a proof opens nothing.
        s.get_by(&due, "/v1/me", &[]).await.problem(401, "unauthenticated");
        s.show_code(&due, "sms", "123456").await.problem(400, "validation_failed");
        s.show_code("fbm_guessed", "totp", &code(&seed, 1))
            .await
            .problem(401, "invalid_credentials");
        let login = s.show_code(&due, "totp", &code(&seed, 1)).await.expect(200);
        let listed = s.get_by(&said(&login, "access_token"), "/v1/me/sessions", &[]).await;
        let items = listed.expect(200)["items"].clone();
        let own = items.as_array().unwrap().iter().find(|item| item["current"] == true).unwrap();
        assert_eq!(own["second_factor"], true);
        // Taken away, with its codes on paper; other sessions end.
        let now = said(&login, "access_token");
        s.delete_by(&now, TOTP).await.expect(204);
        s.delete_by(&now, TOTP).await.problem(404, "not_found");
        s.get_by(&token, "/v1/me", &[]).await.problem(401, "unauthenticated");
        s.get_by(&now, "/v1/me", &[]).await.expect(200);
        s.login(ADMIN, PASSWORD).await.expect(200)["access_token"].as_str().unwrap();
    }

    pub(super) async fn a_code_is_good_once(engine: Engine) {
        let s = Server::start(engine).await;
        let token = said(&s.set_up().await, "access_token");
        let (seed, _) = s.add_factor(&token).await;
        // The code that confirmed it was taken.
        let due = s.half_way(ADMIN).await;
        s.show_code(&due, "totp", &code(&seed, 0)).await.problem(401, "invalid_credentials");
        let codes: Vec<_> = join_all((0..3).map(|_| s.half_way(ADMIN))).await;
        let shown = code(&seed, 1);
        let answers = join_all(codes.iter().map(|due| s.show_code(due, "totp", &shown))).await;
        let good = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(good, 1);
        for refused in answers.iter().filter(|answer| answer.status != 200) {
            refused.problem(401, "invalid_credentials");
        }
        // Nor for anything else: what a sign-in has taken, a step-up is not given.
        let login = answers.iter().find(|answer| answer.status == 200).unwrap().json();
        let token = said(&login, "access_token");
        s.post_by(&token, "/v1/auth/step-up", json!({"code": shown}))
            .await
            .problem(401, "invalid_credentials");
        // The password alone is none where there is a phone: it is what the phone is there against.
        let told = s.post_by(&token, "/v1/auth/step-up", json!({"password": PASSWORD})).await;
        assert_eq!(told.problem(400, "validation_failed")["errors"][0]["path"], "/code");
        // A step that was passed by is no better for not having been shown.
        s.show_code(&due, "totp", &code(&seed, 0)).await.problem(401, "invalid_credentials");
    }

    pub(super) async fn a_code_on_paper_is_good_once(engine: Engine) {
        let s = Server::start(engine).await;
        let token = said(&s.set_up().await, "access_token");
        let (_, papers) = s.add_factor(&token).await;
        let count = "SELECT CAST(count(*) AS TEXT) FROM recovery_code";
        assert_eq!(s.stored(count).await, "10");
        let dues: Vec<_> = join_all((0..5).map(|_| s.half_way(ADMIN))).await;
        let shown = (0..30).map(|n| s.show_code(&dues[n % 5], "recovery_code", &papers[0]));
        let answers = join_all(shown);
        let answers = answers.await;
        let good: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(good.len(), 1);
        for refused in answers.iter().filter(|answer| answer.status != 200) {
            refused.problem(401, "invalid_credentials");
        }
        assert_eq!(s.stored(count).await, "9");
        let sessions = "SELECT CAST(count(*) AS TEXT) FROM session";
        assert_eq!(s.stored(sessions).await, "2");
        // New ones take the place of those before.
        let token = said(&good[0].json(), "access_token");
        let renewed = s.post_by(&token, "/v1/me/mfa/recovery-codes", json!({})).await.expect(200);
        assert_eq!(renewed["recovery_codes"].as_array().unwrap().len(), 10);
        assert_eq!(s.stored(count).await, "10");
    }

    pub(super) async fn codes_are_few(engine: Engine) {
        let s = Server::start(engine).await;
        let token = said(&s.set_up().await, "access_token");
        let (seed, papers) = s.add_factor(&token).await;
        let due = s.half_way(ADMIN).await;
        let answers = join_all((0..20).map(|_| s.show_code(&due, "totp", "000000"))).await;
        let count = |status| answers.iter().filter(|answer| answer.status == status).count();
        assert_eq!((count(401), count(429)), (5, 15));
        let refused = s.show_code(&due, "totp", &code(&seed, 1)).await;
        refused.problem(429, "rate_limited");
        assert!(refused.headers.contains_key("retry-after"));
        // Whoever is pestered so has codes on paper.
        s.show_code(&due, "recovery_code", &papers[3]).await.expect(200);
    }

    pub(super) async fn a_role_can_ask_for_a_factor(engine: Engine) {
        let s = Server::start(engine).await;
        let role = json!({"permissions": ["streams:read", "roles:read"], "second_factor": true});
        let made = s.put("/v1/roles/careful", role).await.expect(201);
        assert_eq!(made["second_factor"], true);
        s.put("/v1/roles/odd", json!({"permissions": [], "second_factor": "yes"}))
            .await
            .problem(400, "validation_failed");
        let login = s.person("bob@example.com", &["careful", "viewer"]).await;
        assert_eq!(login["second_factor_required"], true);
        let token = said(&login, "access_token");
        // The other role's rights are there, this one's are not.
        let me = s.get_by(&token, "/v1/me", &[]).await.expect(200);
        assert_eq!(me["roles"], json!(["viewer"]));
        s.get_by(&token, "/v1/roles", &[]).await.problem(403, "forbidden");
        let (seed, _) = s.add_factor(&token).await;
        s.get_by(&token, "/v1/roles", &[]).await.expect(200);
        let due = s.half_way("bob@example.com").await;
        let login = s.show_code(&due, "totp", &code(&seed, 1)).await.expect(200);
        assert!(login.get("second_factor_required").is_none());
        s.get_by(&said(&login, "access_token"), "/v1/roles", &[]).await.expect(200);
        // A role that asks from now on asks of sessions that are open.
        s.put("/v1/roles/late", json!({"permissions": ["roles:read"]})).await.expect(201);
        let other = said(&s.person("eve@example.com", &["late"]).await, "access_token");
        s.get_by(&other, "/v1/roles", &[]).await.expect(200);
        let asks = json!({"permissions": ["roles:read"], "second_factor": true});
        s.put("/v1/roles/late", asks).await.expect(200);
        s.get_by(&other, "/v1/roles", &[]).await.problem(403, "forbidden");
    }

    pub(super) async fn what_was_shown_holds_until_the_session_opens(engine: Engine) {
        let s = Server::start(engine).await;
        let token = said(&s.set_up().await, "access_token");
        let (_, papers) = s.add_factor(&token).await;
        // Another password ends what the one before has begun.
        let due = s.half_way(ADMIN).await;
        // Eight characters are enough beside a second factor.
        let change = json!({"current": PASSWORD, "new": "gK4#pw0Zr!"});
        let changed = s.post_by(&token, "/v1/auth/password/change", change).await.expect(200);
        s.show_code(&due, "recovery_code", &papers[0]).await.problem(401, "invalid_credentials");
        // It is too short to be alone.
        let token = said(&changed, "access_token");
        s.delete_by(&token, TOTP).await.problem(409, "conflict");
        // A disabled account's code is not used up.
        let due = s.login(ADMIN, "gK4#pw0Zr!").await.expect(200);
        s.alter("UPDATE account SET state = 'disabled'").await;
        let due = said(&due, "mfa_token");
        s.show_code(&due, "recovery_code", &papers[0]).await.problem(401, "invalid_credentials");
        s.login(ADMIN, "gK4#pw0Zr!").await.problem(401, "invalid_credentials");
        let count = "SELECT CAST(count(*) AS TEXT) FROM recovery_code";
        assert_eq!(s.stored(count).await, "10");
        s.alter("UPDATE account SET state = 'active'").await;
        s.show_code(&due, "recovery_code", &papers[0]).await.expect(200);
    }
}
