//! What somebody may do about themselves: be called otherwise, take everything along, and go.

use std::io::Read as _;

use reqwest::Method;
use serde_json::{Value, json};

use crate::audit::events;
use crate::people::{ADMIN, PASSWORD, said};
use crate::support::{Engine, KEY, Server, answer, both};

both! {
    somebody_is_called_otherwise
    everything_is_taken_along
    somebody_goes
    two_administrators_do_not_both_go
    a_key_is_nobody
}

mod scenario {
    use futures_util::future::join_all;

    use super::*;

    pub(super) async fn somebody_is_called_otherwise(engine: Engine) {
        let s = Server::start(engine).await;
        s.user("bob@example.com", &["viewer"]).await;
        let token = s.token_of("bob@example.com").await;
        let changed = s.patch_by(&token, "/v1/me", json!({"name": "Böb"})).await.expect(200);
        assert_eq!((&changed["name"], &changed["version"]), (&json!("Böb"), &json!(2)));
        let me = s.get_by(&token, "/v1/me", &[]).await.expect(200);
        assert_eq!((&me["name"], &me["roles"]), (&json!("Böb"), &json!(["viewer"])));
        let done = events(&s, "user.update", 1).await;
        assert_eq!(done[0]["target"]["id"], me["id"]);
        // What somebody is, they do not say themselves.
        for (member, value) in [
            ("roles", json!(["admin"])),
            ("role", json!("admin")),
            ("id", json!("me")),
            ("user_id", json!("me")),
            ("email", json!("eve@example.com")),
            ("state", json!("active")),
            ("permissions", json!(["*:*"])),
            ("password", json!("another one altogether")),
        ] {
            let mut body = json!({"name": "Eve"});
            body[member] = value;
            let refused = s.patch_by(&token, "/v1/me", body).await;
            let refused = refused.problem(400, "validation_failed");
            assert_eq!(refused["errors"][0]["path"], format!("/{member}"));
        }
        for name in [json!(""), json!(7), Value::Null, json!("x".repeat(201))] {
            let refused = s.patch_by(&token, "/v1/me", json!({"name": name})).await;
            assert_eq!(refused.problem(400, "validation_failed")["errors"][0]["path"], "/name");
        }
        assert_eq!(s.get_by(&token, "/v1/me", &[]).await.expect(200), me);
    }

    pub(super) async fn everything_is_taken_along(engine: Engine) {
        let s = Server::start(engine).await;
        let user = s.user("bob@example.com", &["admin"]).await;
        s.user("eve@example.com", &["admin"]).await;
        let token = s.token_of("bob@example.com").await;
        let eve = s.token_of("eve@example.com").await;
        let (seed, _) = s.add_factor(&token).await;
        let key = |name: &str| json!({"name": name, "permissions": ["records:read"]});
        let made = s.post_by(&token, "/v1/api-keys", key("mine")).await.expect(201);
        s.post_by(&eve, "/v1/api-keys", key("hers")).await.expect(201);
        let request = s.request_by(&token, Method::GET, "/v1/me/export").send().await.unwrap();
        assert_eq!(request.headers()["content-type"], "application/zip");
        assert_eq!(request.headers()["cache-control"], "no-store");
        let bytes = request.bytes().await.unwrap();
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let mut lines = |name: &str| -> Vec<Value> {
            let mut text = String::new();
            archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
            for secret in [PASSWORD, seed.as_str(), made["key"].as_str().unwrap(), "$2b$"] {
                assert!(!text.contains(secret), "{name}");
            }
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        let account = lines("account.ndjson");
        assert_eq!(account.len(), 1);
        assert_eq!((&account[0]["id"], &account[0]["email"]), (&user["id"], &user["email"]));
        let keys = lines("api-keys.ndjson");
        assert_eq!((keys.len(), &keys[0]["id"]), (1, &made["id"]));
        let sessions = lines("sessions.ndjson");
        assert_eq!((sessions.len(), &sessions[0]["current"]), (1, &json!(true)));
    }

    pub(super) async fn somebody_goes(engine: Engine) {
        let mut s = Server::start(engine).await;
        let admin = said(&s.set_up().await, "access_token");
        s.user("bob@example.com", &["admin"]).await;
        let token = s.token_of("bob@example.com").await;
        let key = json!({"name": "k", "permissions": ["*:*"]});
        let key = said(&s.post_by(&token, "/v1/api-keys", key).await.expect(201), "key");
        // Signed in for longer than a while: first another proof.
        s.later("proven_at", 11 * 60).await;
        s.restart();
        s.delete_by(&token, "/v1/me").await.problem(403, "step_up_required");
        let token = s.token_of("bob@example.com").await;
        let gone = s.delete_by(&token, "/v1/me").await;
        gone.expect(204);
        s.get_by(&token, "/v1/me", &[]).await.problem(401, "unauthenticated");
        s.get_by(&key, "/v1/me", &[]).await.problem(401, "unauthenticated");
        s.login("bob@example.com", PASSWORD).await.problem(401, "invalid_credentials");
        for table in ["session", "person", "account", "account_role", "api_key"] {
            let count = format!("SELECT CAST(count(*) AS TEXT) FROM {table}");
            let left = if table == "api_key" { "0" } else { "1" };
            assert_eq!(s.stored(&count).await, left, "{table}");
        }
        // The last who may do everything stays.
        s.get_by(&admin, "/v1/me", &[]).await.expect(200);
        let admin = s.token_of(ADMIN).await;
        s.delete_by(&admin, "/v1/me").await.problem(409, "conflict");
        s.get_by(&admin, "/v1/users", &[]).await.expect(200);
    }

    pub(super) async fn two_administrators_do_not_both_go(engine: Engine) {
        let s = Server::start(engine).await;
        for round in 0..3 {
            let emails = [format!("a{round}@example.com"), format!("b{round}@example.com")];
            let mut tokens = Vec::new();
            for email in &emails {
                s.user(email, &["admin"]).await;
                tokens.push(s.token_of(email).await);
            }
            if round > 0 {
                // Whoever was left last time goes before, while there are others.
                let people = s.get("/v1/users?limit=1").await.expect(200);
                let path = format!("/v1/users/{}", said(&people["items"][0], "id"));
                s.delete(&path).await.expect(204);
            }
            let gone = join_all(tokens.iter().map(|token| s.delete_by(token, "/v1/me"))).await;
            let mut statuses: Vec<u16> = gone.iter().map(|one| one.status.as_u16()).collect();
            statuses.sort_unstable();
            assert_eq!(statuses, [204, 409]);
        }
    }

    pub(super) async fn a_key_is_nobody(engine: Engine) {
        let s = Server::start(engine).await;
        let (_, program) = s.program(&["admin"]).await;
        for key in [KEY, &program] {
            s.patch_by(key, "/v1/me", json!({"name": "x"})).await.problem(403, "forbidden");
            s.delete_by(key, "/v1/me").await.problem(403, "forbidden");
            s.get_by(key, "/v1/me/export", &[]).await.problem(403, "forbidden");
        }
        let asked = s.request_by(&program, Method::GET, "/v1/me");
        assert_eq!(answer(asked).await.expect(200)["email"], Value::Null);
    }
}
