//! Sessions: how they go on, how they are seen, and what ends them.

use crate::people::{ADMIN, PASSWORD, said};
use crate::support::{Engine, Server, answer, both};

both! {
    a_refresh_token_is_good_once_and_a_moment_more
    many_refreshes_at_once_are_one
    sessions_end_by_themselves
    sessions_are_seen_and_ended_by_whose_they_are
    another_password_ends_what_was_open
    a_login_beside_a_change_of_password_does_not_outlive_it
    sensitive_changes_ask_for_a_fresh_proof
}

/// A session that ends on one process is over on all within a second, its subscriptions too.
#[tokio::test]
async fn an_end_is_heard_everywhere() {
    use crate::events::Events;
    use crate::support::orders;

    let first = Server::start(Engine::Postgres).await;
    let second = Server::beside(&first);
    first.put("/v1/streams/orders", orders()).await.expect(201);
    for _ in 0..3 {
        let token = said(&first.person("bob@example.com", &["viewer"]).await, "access_token");
        let asked = second.request_by(&token, reqwest::Method::GET, "/v1/streams/orders/subscribe");
        let mut events = Events::ask(asked).await.expect("the token is good");
        let began = std::time::Instant::now();
        first.post_by(&token, "/v1/auth/logout", serde_json::json!({})).await.expect(204);
        first.get_by(&token, "/v1/me", &[]).await.problem(401, "unauthenticated");
        let (name, _, data) = events.next().await.unwrap();
        assert_eq!((name.as_str(), data["code"].as_str()), ("error", Some("access_changed")));
        assert!(began.elapsed().as_secs_f64() < 1.0, "after {:?}", began.elapsed());
        second.get_by(&token, "/v1/me", &[]).await.problem(401, "unauthenticated");
        let bob = "SELECT account FROM person";
        first.alter(&format!("DELETE FROM account WHERE id IN ({bob}); DELETE FROM person")).await;
    }
}

/// What makes, changes or takes away a way in.
const SENSITIVE: &[(&str, &str)] = &[
    ("POST", "/v1/users"),
    ("PATCH", "/v1/users/i"),
    ("DELETE", "/v1/users/i"),
    ("POST", "/v1/service-accounts"),
    ("PATCH", "/v1/service-accounts/i"),
    ("DELETE", "/v1/service-accounts/i"),
    ("PUT", "/v1/roles/r"),
    ("DELETE", "/v1/roles/r"),
    ("POST", "/v1/api-keys"),
    ("DELETE", "/v1/api-keys/i"),
    ("POST", "/v1/api-keys/i/rotate"),
];

mod scenario {
    use futures_util::future::join_all;
    use serde_json::{Value, json};

    use super::*;

    pub(super) async fn a_refresh_token_is_good_once_and_a_moment_more(engine: Engine) {
        let mut s = Server::start(engine).await;
        let login = s.set_up().await;
        let first = said(&login, "refresh_token");
        let second = s.refresh(&first).await.expect(200);
        assert_eq!(second["session_id"], login["session_id"]);
        let token = said(&second, "access_token");
        s.get_by(&token, "/v1/me", &[]).await.expect(200);
        // Another tab, a moment later, also after a restart: the same successor.
        s.restart();
        let again = s.refresh(&first).await.expect(200);
        assert_eq!(again["refresh_token"], second["refresh_token"]);
        let third =
            said(&s.refresh(&said(&second, "refresh_token")).await.expect(200), "refresh_token");
        // One that is two turns old is stolen, grace or not: nobody's session goes on.
        s.refresh(&first).await.problem(401, "invalid_credentials");
        s.refresh(&third).await.problem(401, "invalid_credentials");
        s.get_by(&token, "/v1/me", &[]).await.problem(401, "unauthenticated");

        // The same after the moment.
        let first = said(&s.login(ADMIN, PASSWORD).await.expect(200), "refresh_token");
        let second = s.refresh(&first).await.expect(200);
        s.later("rotated_at", 11).await;
        s.refresh(&first).await.problem(401, "invalid_credentials");
        s.refresh(&said(&second, "refresh_token")).await.problem(401, "invalid_credentials");
        let token = said(&second, "access_token");
        s.get_by(&token, "/v1/me", &[]).await.problem(401, "unauthenticated");
        for forged in ["", "fbr_", &first[..first.len() - 1], &token, "é"] {
            s.refresh(forged).await.problem(401, "invalid_credentials");
        }
        s.post_bare("/v1/auth/refresh", json!({})).await.problem(400, "validation_failed");
    }

    pub(super) async fn many_refreshes_at_once_are_one(engine: Engine) {
        let s = Server::start(engine).await;
        let mut token = said(&s.set_up().await, "refresh_token");
        for _ in 0..5 {
            let answers = join_all((0..16).map(|_| s.refresh(&token))).await;
            let next: Vec<Value> =
                answers.iter().map(|answer| answer.expect(200)["refresh_token"].clone()).collect();
            assert!(next.iter().all(|one| *one == next[0]), "{next:?}");
            let next = next[0].as_str().unwrap().to_owned();
            assert_ne!(next, token);
            token = next;
        }
    }

    pub(super) async fn sessions_end_by_themselves(engine: Engine) {
        let s = Server::start(engine).await;
        s.set_up().await;
        let hour = 3600;
        // Almost a day at rest, then a whole one; almost a month at work, then a whole one.
        for (column, good, over) in
            [("last_used_at", 23 * hour, 2 * hour), ("expires_at", 30 * 24 * hour - 60, 120)]
        {
            let login = s.login(ADMIN, PASSWORD).await.expect(200);
            let token = said(&login, "access_token");
            s.later(column, good).await;
            s.get_by(&token, "/v1/me", &[]).await.expect(200);
            s.later(column, over).await;
            s.is_soon_refused(&token, "/v1/me").await.problem(401, "unauthenticated");
            let refresh = said(&login, "refresh_token");
            s.refresh(&refresh).await.problem(401, "invalid_credentials");
        }
        // What is refreshed has been used.
        let login = s.login(ADMIN, PASSWORD).await.expect(200);
        s.later("last_used_at", 23 * hour).await;
        let next = s.refresh(&said(&login, "refresh_token")).await.expect(200);
        s.later("last_used_at", 2 * hour).await;
        s.refresh(&said(&next, "refresh_token")).await.expect(200);
    }

    pub(super) async fn sessions_are_seen_and_ended_by_whose_they_are(engine: Engine) {
        let s = Server::start(engine).await;
        let ann = s.set_up().await;
        let bob = s.person("bob@example.com", &["admin"]).await;
        let second = s.login(ADMIN, PASSWORD).await.expect(200);
        let third = s.login(ADMIN, PASSWORD).await.expect(200);
        let token = said(&ann, "access_token");
        let listed = s.get_by(&token, "/v1/me/sessions", &[]).await.expect(200);
        let items = listed["items"].as_array().unwrap();
        assert_eq!(items.len(), 3);
        let own = items.iter().find(|item| item["current"] == true).unwrap();
        assert_eq!(own["id"], ann["session_id"]);
        assert_eq!(own["address"], "127.0.0.1");
        assert_eq!(items.iter().filter(|item| item["current"] == true).count(), 1);
        // Another's is not there, and goes on, though an administrator asks.
        let path = |login: &Value| format!("/v1/me/sessions/{}", said(login, "session_id"));
        s.delete_by(&token, &path(&bob)).await.problem(404, "not_found");
        s.delete_by(&token, "/v1/me/sessions/none").await.problem(404, "not_found");
        let bobs = said(&bob, "access_token");
        s.get_by(&bobs, "/v1/me", &[]).await.expect(200);
        s.delete_by(&token, &path(&second)).await.expect(204);
        for ended in [&second] {
            s.get_by(&said(ended, "access_token"), "/v1/me", &[])
                .await
                .problem(401, "unauthenticated");
            s.refresh(&said(ended, "refresh_token")).await.problem(401, "invalid_credentials");
        }
        s.delete_by(&token, "/v1/me/sessions").await.expect(204);
        s.get_by(&said(&third, "access_token"), "/v1/me", &[])
            .await
            .problem(401, "unauthenticated");
        for good in [&token, &bobs] {
            s.get_by(good, "/v1/me", &[]).await.expect(200);
        }
        // A key has no session.
        s.get("/v1/me/sessions").await.problem(403, "forbidden");
        s.post("/v1/auth/logout", json!({})).await.problem(403, "forbidden");
        s.post_by(&token, "/v1/auth/logout", json!({})).await.expect(204);
        s.get_by(&token, "/v1/me", &[]).await.problem(401, "unauthenticated");
    }

    pub(super) async fn another_password_ends_what_was_open(engine: Engine) {
        let s = Server::start(engine).await;
        let login = s.set_up().await;
        let other = s.login(ADMIN, PASSWORD).await.expect(200);
        let token = said(&login, "access_token");
        let new = "dune ember quilt 52 kerf";
        let change = |current: &str, new: &str| json!({"current": current, "new": new});
        let path = "/v1/auth/password/change";
        s.post_by(&token, path, change("another one altogether", new))
            .await
            .problem(401, "invalid_credentials");
        for bad in ["short", "passwordpassword", "ann@example.com is me"] {
            let refused = s.post_by(&token, path, change(PASSWORD, bad)).await;
            assert_eq!(refused.problem(400, "validation_failed")["errors"][0]["path"], "/new");
        }
        s.post(path, change(PASSWORD, new)).await.problem(403, "forbidden");
        let changed = s.post_by(&token, path, change(PASSWORD, new)).await.expect(200);
        // The id that was known before is of no use: the session goes on under another.
        assert_ne!(changed["session_id"], login["session_id"]);
        for ended in [&login, &other] {
            s.get_by(&said(ended, "access_token"), "/v1/me", &[])
                .await
                .problem(401, "unauthenticated");
            s.refresh(&said(ended, "refresh_token")).await.problem(401, "invalid_credentials");
        }
        s.get_by(&said(&changed, "access_token"), "/v1/me", &[]).await.expect(200);
        s.refresh(&said(&changed, "refresh_token")).await.expect(200);
        s.login(ADMIN, PASSWORD).await.problem(401, "invalid_credentials");
        s.login(ADMIN, new).await.expect(200);
    }

    pub(super) async fn a_login_beside_a_change_of_password_does_not_outlive_it(engine: Engine) {
        let s = Server::start(engine).await;
        let token = said(&s.set_up().await, "access_token");
        let change = json!({"current": PASSWORD, "new": "dune ember quilt 52 kerf"});
        let changing = s.post_by(&token, "/v1/auth/password/change", change);
        let logins = join_all((0..9).map(|_| s.login(ADMIN, PASSWORD)));
        let (changed, logins) = tokio::join!(changing, logins);
        let changed = changed.expect(200);
        for login in logins.iter().filter(|login| login.status == 200) {
            s.get_by(&said(&login.json(), "access_token"), "/v1/me", &[])
                .await
                .problem(401, "unauthenticated");
        }
        s.get_by(&said(&changed, "access_token"), "/v1/me", &[]).await.expect(200);
    }

    pub(super) async fn sensitive_changes_ask_for_a_fresh_proof(engine: Engine) {
        let mut s = Server::start(engine).await;
        let login = s.set_up().await;
        let old = said(&login, "access_token");
        let invitation = json!({"email": "bob@example.com", "roles": []});
        s.post_by(&old, "/v1/invitations", invitation.clone()).await.expect(201);
        s.later("proven_at", 11 * 60).await;
        s.restart();
        s.get_by(&old, "/v1/me", &[]).await.expect(200);
        for path in ["/v1/invitations", "/v1/me/mfa/totp", "/v1/me/mfa/recovery-codes"] {
            let body = if path == "/v1/invitations" { invitation.clone() } else { json!({}) };
            s.post_by(&old, path, body).await.problem(403, "step_up_required");
        }
        s.delete_by(&old, "/v1/me/mfa/totp").await.problem(403, "step_up_required");
        for (method, path) in SENSITIVE {
            let asked = s.request_by(&old, method.parse().unwrap(), path).json(&json!({}));
            answer(asked).await.problem(403, "step_up_required");
        }
        // A refresh is no proof.
        let next = s.refresh(&said(&login, "refresh_token")).await.expect(200);
        let next = said(&next, "access_token");
        s.post_by(&next, "/v1/invitations", invitation.clone())
            .await
            .problem(403, "step_up_required");
        let path = "/v1/auth/step-up";
        s.post_by(&old, path, json!({"password": "another one altogether"}))
            .await
            .problem(401, "invalid_credentials");
        s.post_by(&old, path, json!({})).await.problem(400, "validation_failed");
        s.post_by(&old, path, json!({"code": "123456"})).await.problem(401, "invalid_credentials");
        let fresh = s.post_by(&old, path, json!({"password": PASSWORD})).await.expect(200);
        assert_ne!(fresh["session_id"], login["session_id"]);
        s.post_by(&said(&fresh, "access_token"), "/v1/invitations", invitation).await.expect(201);
        s.get_by(&old, "/v1/me", &[]).await.problem(401, "unauthenticated");
        // Programs are not asked.
        let (_, key) = s.program(&["admin"]).await;
        s.post_by(&key, "/v1/invitations", json!({"email": "eve@example.com", "roles": []}))
            .await
            .expect(201);
    }
}
