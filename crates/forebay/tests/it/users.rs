//! People's accounts, as administrators make, see, change and delete them.

use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};

use crate::events::Events;
use crate::people::{ADMIN, PASSWORD, said};
use crate::support::{Answer, Engine, KEY, Server, answer, both, orders};

both! {
    a_person_is_made_seen_changed_and_deleted
    what_is_wrong_is_named
    people_come_in_pages
    nobody_makes_what_they_do_not_hold
    an_administrator_is_left
    a_change_bites_at_once
    another_password_ends_what_was_open
    a_key_is_no_more_than_its_owner
    an_invitation_is_no_more_than_who_invites
}

fn path_of(user: &Value) -> String {
    format!("/v1/users/{}", said(user, "id"))
}

async fn patch(s: &Server, path: &str, body: Value) -> Answer {
    s.patch_by(KEY, path, body).await
}

/// Disabled by one process, refused by another.
#[tokio::test]
async fn a_change_is_heard_everywhere() {
    let first = Server::start(Engine::Postgres).await;
    let second = Server::beside(&first);
    first.put("/v1/streams/orders", orders()).await.expect(201);
    let user = first.user("bob@example.com", &["viewer"]).await;
    let token = second.token_of("bob@example.com").await;
    second.get_by(&token, "/v1/streams/orders", &[]).await.expect(200);
    patch(&first, &path_of(&user), json!({"roles": []})).await.expect(200);
    second.is_soon_refused(&token, "/v1/streams/orders").await.problem(403, "forbidden");
    first.delete(&path_of(&user)).await.expect(204);
    second.is_soon_refused(&token, "/v1/me").await.problem(401, "unauthenticated");
}

mod scenario {
    use futures_util::future::join_all;

    use super::*;

    pub(super) async fn a_person_is_made_seen_changed_and_deleted(engine: Engine) {
        let s = Server::start(engine).await;
        let body = json!({"email": "Bob@Example.com", "name": "Bob", "password": PASSWORD,
            "roles": ["editor"]});
        let made = s.post("/v1/users", body.clone()).await;
        assert_eq!(made.headers["etag"], "\"1\"");
        assert!(!made.text.contains(PASSWORD));
        let made = made.expect(201);
        let path = path_of(&made);
        assert_eq!(made["email"], "Bob@Example.com");
        assert_eq!((&made["name"], &made["roles"]), (&json!("Bob"), &json!(["editor"])));
        assert_eq!((&made["state"], &made["second_factor"]), (&json!("active"), &json!(false)));
        assert!(made["created_at"].is_string());
        assert_eq!(s.get(&path).await.expect(200), made);
        // At once, without another step; whatever the case.
        let token = s.token_of("bob@example.com").await;
        let me = s.get_by(&token, "/v1/me", &[]).await.expect(200);
        assert_eq!((&me["id"], &me["roles"]), (&made["id"], &json!(["editor"])));
        let taken = s.post("/v1/users", body).await.problem(409, "conflict");
        assert_eq!(taken["errors"][0]["path"], "/email");
        // People and programs are not taken for each other.
        let (program, _) = s.program(&["viewer"]).await;
        let programs = s.get("/v1/service-accounts").await.expect(200);
        let people = s.get("/v1/users").await.expect(200);
        assert_eq!(programs["items"].as_array().unwrap().len(), 1);
        assert_eq!(people["items"], json!([made]));
        for path in [format!("/v1/users/{program}"), path.replace("users", "service-accounts")] {
            s.get(&path).await.problem(404, "not_found");
            patch(&s, &path, json!({"name": "x"})).await.problem(404, "not_found");
            s.delete(&path).await.problem(404, "not_found");
        }
        let stale = |method| s.request(method, &path).header("if-match", "\"2\"");
        answer(stale(Method::PATCH).json(&json!({}))).await.problem(412, "version_mismatch");
        answer(stale(Method::DELETE)).await.problem(412, "version_mismatch");
        let change = json!({"name": "Robert", "roles": ["viewer"]});
        let asked = s.request(Method::PATCH, &path).header("if-match", "\"1\"").json(&change);
        let changed = answer(asked).await.expect(200);
        assert_eq!((&changed["name"], &changed["version"]), (&json!("Robert"), &json!(2)));
        let me = s.get_by(&token, "/v1/me", &[]).await.expect(200);
        assert_eq!((&me["name"], &me["roles"]), (&json!("Robert"), &json!(["viewer"])));
        s.delete(&path).await.expect(204);
        s.delete(&path).await.problem(404, "not_found");
        s.get_by(&token, "/v1/me", &[]).await.problem(401, "unauthenticated");
        s.login("bob@example.com", PASSWORD).await.problem(401, "invalid_credentials");
        // The address is free again; it is another account.
        let again = s.user("bob@example.com", &[]).await;
        assert_ne!(again["id"], made["id"]);
    }

    pub(super) async fn what_is_wrong_is_named(engine: Engine) {
        let s = Server::start(engine).await;
        let good = json!({"email": "bob@example.com", "name": "Bob", "password": PASSWORD});
        for (member, value, path) in [
            ("email", json!("bob"), "/email"),
            ("email", json!(7), "/email"),
            ("email", Value::Null, "/email"),
            ("name", json!(" "), "/name"),
            ("password", json!("short"), "/password"),
            ("password", json!("bob@example.com is my own"), "/password"),
            ("password", json!("aaaaaaaaaaaaaaaaaaaa"), "/password"),
            ("password", json!("x".repeat(1025)), "/password"),
            ("password", Value::Null, "/password"),
            ("roles", json!("admin"), "/roles"),
            ("roles", json!(["viewer", "viewer"]), "/roles/1"),
            ("roles", json!(["nobody"]), "/roles/0"),
            // Nobody says who they are, or what they are, in a body.
            ("id", json!("me"), "/id"),
            ("user_id", json!("me"), "/user_id"),
            ("role", json!("admin"), "/role"),
            ("state", json!("disabled"), "/state"),
            ("second_factor", json!(true), "/second_factor"),
        ] {
            let mut body = good.clone();
            body[member] = value;
            let refused = s.post("/v1/users", body).await.problem(400, "validation_failed");
            assert_eq!(refused["errors"][0]["path"], path, "{refused}");
        }
        let user = s.user("bob@example.com", &[]).await;
        for (change, path) in [
            (json!({"state": "gone"}), "/state"),
            (json!({"name": ""}), "/name"),
            (json!({"email": "eve@example.com"}), "/email"),
            (json!({"version": 7}), "/version"),
            (json!({"second_factor": true}), "/second_factor"),
            (json!({"password": "short"}), "/password"),
            (json!({"password": "bob@example.com is my own"}), "/password"),
        ] {
            let refused =
                patch(&s, &path_of(&user), change).await.problem(400, "validation_failed");
            assert_eq!(refused["errors"][0]["path"], path, "{refused}");
        }
        assert_eq!(s.get(&path_of(&user)).await.expect(200), user);
    }

    pub(super) async fn people_come_in_pages(engine: Engine) {
        let s = Server::start(engine).await;
        let mut made = Vec::new();
        for n in 0..5 {
            made.push(s.user(&format!("p{n}@example.com"), &["viewer", "ingest"]).await);
            s.program(&["viewer"]).await;
        }
        let (mut seen, mut query) = (Vec::new(), "?limit=2".to_owned());
        loop {
            let page = s.get(&format!("/v1/users{query}")).await.expect(200);
            seen.extend(page["items"].as_array().unwrap().clone());
            let Some(next) = page["next_cursor"].as_str() else { break };
            query = format!("?limit=2&cursor={next}");
        }
        assert_eq!(seen, made);
        // A cursor is of its own list.
        let other = s.get("/v1/service-accounts?limit=2").await.expect(200)["next_cursor"].clone();
        s.get(&format!("/v1/users?cursor={}", other.as_str().unwrap()))
            .await
            .problem(400, "validation_failed");
    }

    pub(super) async fn nobody_makes_what_they_do_not_hold(engine: Engine) {
        let s = Server::start(engine).await;
        s.set_up().await;
        let permissions = json!(["users:*", "streams:read", "records:read", "keys:write"]);
        s.put("/v1/roles/chief", json!({"permissions": permissions})).await.expect(201);
        let chief = s.user("chief@example.com", &["chief"]).await;
        let token = s.token_of("chief@example.com").await;
        let new = |email: &str, role: &str| json!({"email": email, "name": "N", "password": PASSWORD, "roles": [role]});
        s.post_by(&token, "/v1/users", new("a@example.com", "viewer")).await.expect(201);
        for role in ["admin", "operator", "editor", "ingest"] {
            let refused = s.post_by(&token, "/v1/users", new("b@example.com", role)).await;
            assert_eq!(refused.problem(403, "forbidden")["errors"][0]["path"], "/roles");
            let grant = json!({"roles": [role]});
            s.patch_by(&token, &path_of(&chief), grant).await.problem(403, "forbidden");
        }
        // Whoever holds more is not renamed, disabled, given a password, or deleted.
        let people = s.get("/v1/users").await.expect(200);
        let admin = people["items"].as_array().unwrap().iter().find(|one| one["email"] == ADMIN);
        let admin = path_of(admin.unwrap());
        for change in [
            json!({"name": "x"}),
            json!({"state": "disabled"}),
            json!({"roles": []}),
            json!({"password": "another one altogether"}),
        ] {
            s.patch_by(&token, &admin, change).await.problem(403, "forbidden");
        }
        s.delete_by(&token, &admin).await.problem(403, "forbidden");
        s.login(ADMIN, PASSWORD).await.expect(200);
        // A key in somebody's name is theirs to make, or takes the right to change them.
        let id = said(&s.user("c@example.com", &["viewer"]).await, "id");
        let key = json!({"name": "k", "permissions": ["records:read"], "owner": id});
        s.post_by(&token, "/v1/api-keys", key.clone()).await.expect(201);
        let programs = json!({"permissions": ["accounts:*", "records:*", "streams:*", "keys:*"]});
        s.put("/v1/roles/programs", programs).await.expect(201);
        let (_, other) = s.program(&["programs"]).await;
        s.post_by(&other, "/v1/api-keys", key).await.problem(403, "forbidden");
        // Without the right there is nothing to see or do.
        let (_, viewer) = s.program(&["operator"]).await;
        s.get_by(&viewer, "/v1/users", &[]).await.problem(403, "forbidden");
        s.get_by(&viewer, &admin, &[]).await.problem(403, "forbidden");
        s.post_by(&viewer, "/v1/users", new("d@example.com", "viewer"))
            .await
            .problem(403, "forbidden");
        s.delete_by(&viewer, &admin).await.problem(403, "forbidden");
        // People see without a key's filter, so whoever has one makes none.
        let narrowed = json!({"name": "k", "permissions": ["*:*"], "filter": "data.n == 1"});
        let narrowed = said(&s.post("/v1/api-keys", narrowed).await.expect(201), "key");
        s.post_by(&narrowed, "/v1/users", new("e@example.com", "viewer"))
            .await
            .problem(403, "forbidden");
        let grant = json!({"roles": ["viewer"]});
        s.patch_by(&narrowed, &path_of(&chief), grant).await.problem(403, "forbidden");
        s.post_by(&narrowed, "/v1/invitations", json!({"email": "e@example.com"}))
            .await
            .problem(403, "forbidden");
    }

    pub(super) async fn an_administrator_is_left(engine: Engine) {
        let s = Server::start(engine).await;
        let token = said(&s.set_up().await, "access_token");
        let admin = path_of(&s.get_by(&token, "/v1/me", &[]).await.expect(200));
        let takes = [json!({"state": "disabled"}), json!({"roles": ["viewer"]})];
        // Keys that do everything are no person; neither is one who is disabled.
        s.program(&["admin"]).await;
        let off = s.user("off@example.com", &["admin"]).await;
        patch(&s, &path_of(&off), takes[0].clone()).await.expect(200);
        for by in [KEY, &token] {
            for take in &takes {
                s.patch_by(by, &admin, take.clone()).await.problem(409, "conflict");
            }
            s.delete_by(by, &admin).await.problem(409, "conflict");
        }
        s.get_by(&token, "/v1/users", &[]).await.expect(200);
        // What takes nothing away is free.
        s.patch_by(&token, &admin, json!({"roles": ["admin", "viewer"], "state": "active"}))
            .await
            .expect(200);
        // Two who take it from each other at the same time: one is left.
        for round in 0..6 {
            let other = s.user(&format!("two{round}@example.com"), &["admin"]).await;
            let (one, two) = (admin.clone(), path_of(&other));
            let take = |path: String| {
                let s = &s;
                let body = takes[round % 2].clone();
                async move {
                    if round < 4 { patch(s, &path, body).await } else { s.delete(&path).await }
                }
            };
            let done = join_all([take(one.clone()), take(two.clone())]).await;
            let refused = done.iter().filter(|answer| answer.status == 409).count();
            assert_eq!(refused, 1, "{done:?}");
            if done[0].status == 409 {
                s.delete(&two).await;
                continue;
            }
            // It was the first that went: it comes back for the next round, or is made anew.
            if round < 4 {
                let back = json!({"state": "active", "roles": ["admin"]});
                patch(&s, &one, back).await.expect(200);
                s.delete(&two).await.expect(204);
            } else {
                break;
            }
        }
        let count = "SELECT CAST(count(*) AS TEXT) FROM account JOIN account_role \
                     ON account.id = account_role.account WHERE account.kind = 'person' \
                     AND account.state = 'active' AND account_role.role = 'admin'";
        assert_eq!(s.stored(count).await, "1");
    }

    pub(super) async fn a_change_bites_at_once(engine: Engine) {
        let s = Server::start(engine).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        let user = s.user("bob@example.com", &["viewer"]).await;
        let mut token = s.token_of("bob@example.com").await;
        for (take, give) in [
            (json!({"roles": ["ingest"]}), json!({"roles": ["viewer"]})),
            (json!({"state": "disabled"}), json!({"state": "active"})),
        ] {
            let path = "/v1/streams/orders/subscribe";
            let asked = s.request_by(&token, Method::GET, path);
            let mut events = Events::ask(asked).await.expect("a viewer may");
            let began = Instant::now();
            patch(&s, &path_of(&user), take.clone()).await.expect(200);
            let refused = s.get_by(&token, path, &[]).await;
            assert!(refused.status == 401 || refused.status == 403, "{}", refused.text);
            let (name, _, data) = events.next().await.unwrap();
            assert_eq!((name.as_str(), data["code"].as_str()), ("error", Some("access_changed")));
            assert!(events.next().await.is_none());
            assert!(began.elapsed().as_secs_f64() < 1.0, "after {:?}", began.elapsed());
            patch(&s, &path_of(&user), give).await.expect(200);
            if take.get("state").is_none() {
                s.get_by(&token, "/v1/streams/orders", &[]).await.expect(200);
                continue;
            }
            // Being let in again is no sign-in.
            s.get_by(&token, "/v1/me", &[]).await.problem(401, "unauthenticated");
            token = s.token_of("bob@example.com").await;
            s.get_by(&token, "/v1/streams/orders", &[]).await.expect(200);
        }
    }

    pub(super) async fn another_password_ends_what_was_open(engine: Engine) {
        let s = Server::start(engine).await;
        let user = s.user("bob@example.com", &["viewer"]).await;
        let login = s.login("bob@example.com", PASSWORD).await.expect(200);
        let token = said(&login, "access_token");
        let other = "what an administrator chose";
        patch(&s, &path_of(&user), json!({"password": other})).await.expect(200);
        s.get_by(&token, "/v1/me", &[]).await.problem(401, "unauthenticated");
        s.refresh(&said(&login, "refresh_token")).await.problem(401, "invalid_credentials");
        s.login("bob@example.com", PASSWORD).await.problem(401, "invalid_credentials");
        s.login("bob@example.com", other).await.expect(200);
        // Beside a second factor fewer characters do.
        let token = said(&s.login("bob@example.com", other).await.expect(200), "access_token");
        s.add_factor(&token).await;
        patch(&s, &path_of(&user), json!({"password": "gK4#pw0Zr!"})).await.expect(200);
        let due = s.login("bob@example.com", "gK4#pw0Zr!").await.expect(200);
        assert_eq!(due["mfa_required"], true);
        assert_eq!(s.get(&path_of(&user)).await.expect(200)["second_factor"], true);
        // The phone is lost: without it the short password is gone, and another one is long.
        let lost = json!({"second_factor": false, "password": "gK4#pw0Zr!"});
        let refused = patch(&s, &path_of(&user), lost).await.problem(400, "validation_failed");
        assert_eq!(refused["errors"][0]["path"], "/password");
        let lost = patch(&s, &path_of(&user), json!({"second_factor": false})).await.expect(200);
        assert_eq!(lost["second_factor"], false);
        s.login("bob@example.com", "gK4#pw0Zr!").await.problem(401, "invalid_credentials");
        patch(&s, &path_of(&user), json!({"password": other})).await.expect(200);
        s.login("bob@example.com", other).await.expect(200)["access_token"].as_str().unwrap();
    }

    pub(super) async fn a_key_is_no_more_than_its_owner(engine: Engine) {
        let s = Server::start(engine).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        let maker = json!({"permissions": ["keys:write"]});
        s.put("/v1/roles/maker", maker).await.expect(201);
        let user = s.user("bob@example.com", &["editor", "maker"]).await;
        let token = s.token_of("bob@example.com").await;
        let key = json!({"name": "k", "permissions": ["records:*"]});
        let refused = s.post_by(&token, "/v1/api-keys", key).await;
        assert_eq!(refused.problem(403, "forbidden")["errors"][0]["path"], "/permissions");
        let key = json!({"name": "k", "permissions": ["records:read", "records:write"]});
        let key = said(&s.post_by(&token, "/v1/api-keys", key).await.expect(201), "key");
        let records = "/v1/streams/orders/records";
        s.post_by(&key, records, json!({"n": 1})).await.expect(200);
        patch(&s, &path_of(&user), json!({"roles": ["viewer"]})).await.expect(200);
        s.post_by(&key, records, json!({"n": 2})).await.problem(403, "forbidden");
        s.get_by(&key, records, &[]).await.expect(200);
        patch(&s, &path_of(&user), json!({"state": "disabled"})).await.expect(200);
        s.get_by(&key, records, &[]).await.problem(401, "unauthenticated");
        patch(&s, &path_of(&user), json!({"state": "active"})).await.expect(200);
        s.get_by(&key, records, &[]).await.expect(200);
        s.delete(&path_of(&user)).await.expect(204);
        s.get_by(&key, records, &[]).await.problem(401, "unauthenticated");
    }

    pub(super) async fn an_invitation_is_no_more_than_who_invites(engine: Engine) {
        let s = Server::start(engine).await;
        s.set_up().await;
        let boss = s.user("boss@example.com", &["admin"]).await;
        let token = s.token_of("boss@example.com").await;
        let key = json!({"name": "k", "permissions": ["*:*"]});
        let key = s.post_by(&token, "/v1/api-keys", key).await.expect(201);
        let mut tokens = Vec::new();
        for (n, by) in [&token, &said(&key, "key"), &token].into_iter().enumerate() {
            let invitation = json!({"email": format!("p{n}@example.com"), "roles": ["admin"]});
            let invited = s.post_by(by, "/v1/invitations", invitation).await.expect(201);
            tokens.push(said(&invited, "token"));
        }
        let accept = |token: &str| {
            let body = json!({"token": token, "name": "P", "password": PASSWORD});
            s.post_bare("/v1/invitations/accept", body)
        };
        accept(&tokens[0]).await.expect(201);
        s.delete_by(&token, &format!("/v1/api-keys/{}", said(&key, "id"))).await.expect(204);
        accept(&tokens[1]).await.problem(401, "invalid_credentials");
        for change in [json!({"roles": ["viewer"]}), json!({"state": "disabled"})] {
            patch(&s, &path_of(&boss), change).await.expect(200);
            accept(&tokens[2]).await.problem(401, "invalid_credentials");
        }
        s.delete(&path_of(&boss)).await.expect(204);
        accept(&tokens[2]).await.problem(401, "invalid_credentials");
    }
}
