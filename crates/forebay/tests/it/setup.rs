//! How a deployment gets its first administrator, and others by invitation; what it does with
//! another master key.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::people::{ADMIN, PASSWORD, said};
use crate::support::{Engine, KEY, MASTER_KEY, Server, both, forebay};

both! {
    the_link_makes_one_administrator
    many_with_the_link_make_one_administrator
    an_invitation_is_good_once
    registration_is_as_it_is_set
}

async fn is_gone(file: &Path) {
    let waited = std::time::Instant::now();
    while file.exists() {
        assert!(waited.elapsed().as_secs() < 10, "{} is still there", file.display());
        tokio::task::yield_now().await;
    }
}

/// Another process shows the same link, takes it, and hears that it was taken.
#[tokio::test]
async fn several_processes_have_one_link() {
    use serde_json::json;

    let first = Server::start(Engine::Postgres).await;
    let second = Server::beside(&first);
    let token = first.setup_token();
    assert_eq!(second.setup_token(), token);
    let body = json!({"token": token, "email": ADMIN, "password": PASSWORD});
    let login = second.post_bare("/v1/setup", body.clone()).await.expect(201);
    first.post_bare("/v1/setup", body).await.problem(410, "setup_done");
    for server in [&first, &second] {
        is_gone(&server.data.path().join("setup-url")).await;
        let me = server.get_by(&said(&login, "access_token"), "/v1/me", &[]).await.expect(200);
        assert_eq!(me["email"], ADMIN);
    }
}

/// A process that would read nothing of what is sealed does not start, and says why.
#[tokio::test]
async fn another_master_key_does_not_start() {
    let mut s = Server::start(Engine::Sqlite).await;
    s.kill();
    let start = |environment: &[(&str, &str)]| {
        let mut command = forebay();
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        command.arg("--data").arg(s.data.path()).env("API_KEY", KEY);
        let ended = command.envs(environment.iter().copied()).output().unwrap();
        (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
    };
    for (environment, told) in [
        (&[("MASTER_KEY", "another-master-key-of-somebody-else")][..], "another master key"),
        (&[("MASTER_KEY", "too short")], "at least 32 bytes"),
        (&[], "is not there"),
    ] {
        let (status, said) = start(environment);
        assert_eq!(status, Some(2), "{said}");
        assert!(said.contains("auth.master_key") && said.contains(told), "{said}");
        assert!(!said.contains(MASTER_KEY) && !said.contains("somebody-else"), "{said}");
    }
    assert!(!s.data.path().join("master.key").exists());
    s.restart();
}

/// Without one that is given, a key is made, kept for this user alone, and found again.
#[tokio::test]
async fn a_master_key_is_made_and_kept() {
    let mut s = Server::start_with(Engine::Sqlite, &[("MASTER_KEY", "")]).await;
    let file = s.data.path().join("master.key");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let login = s.set_up().await;
    s.kill();
    s.restart_with(&[("MASTER_KEY", "")]);
    s.get_by(&said(&login, "access_token"), "/v1/me", &[]).await.expect(200);
    s.login(ADMIN, PASSWORD).await.expect(200);
}

mod scenario {
    use reqwest::Method;
    use serde_json::json;

    use super::*;
    use crate::support::answer;

    pub(super) async fn the_link_makes_one_administrator(engine: Engine) {
        let mut s = Server::start(engine).await;
        let file = s.data.path().join("setup-url");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let token = s.setup_token();
        // It is the same after a restart, and stands in no database.
        s.restart();
        assert_eq!(s.setup_token(), token);
        let with = |token: &str, email: &str, password: &str| json!({"token": token, "email": email, "password": password});
        s.post_bare("/v1/setup", with("guessed", ADMIN, PASSWORD))
            .await
            .problem(401, "invalid_credentials");
        for (email, password, path) in [
            ("no address", PASSWORD, "/email"),
            (ADMIN, "short", "/password"),
            (ADMIN, "passwordpassword", "/password"),
            (ADMIN, "ann@example.com ann", "/password"),
        ] {
            let refused = s.post_bare("/v1/setup", with(&token, email, password)).await;
            let refused = refused.problem(400, "validation_failed");
            assert_eq!(refused["errors"][0]["path"], path, "{refused}");
        }
        s.post_bare("/v1/setup", json!({"token": token, "email": ADMIN, "role": "admin"}))
            .await
            .problem(400, "validation_failed");
        let login = s.post_bare("/v1/setup", with(&token, ADMIN, PASSWORD)).await.expect(201);
        assert_eq!(login["token_type"], "Bearer");
        assert_eq!(login["expires_in"], 600);
        let me = s.get_by(&said(&login, "access_token"), "/v1/me", &[]).await.expect(200);
        assert_eq!((me["email"].as_str(), &me["roles"]), (Some(ADMIN), &json!(["admin"])));
        assert_eq!(me["permissions"], json!(["*:*@*"]));
        for body in [with(&token, ADMIN, PASSWORD), json!({})] {
            s.post_bare("/v1/setup", body).await.problem(410, "setup_done");
        }
        is_gone(&file).await;
        s.restart();
        assert!(!file.exists());
        s.post_bare("/v1/setup", json!({})).await.problem(410, "setup_done");
        s.login(ADMIN, PASSWORD).await.expect(200);
    }

    pub(super) async fn many_with_the_link_make_one_administrator(engine: Engine) {
        let s = Server::start(engine).await;
        let token = s.setup_token();
        let tries = (0..12).map(|n| {
            let email = format!("ann{n}@example.com");
            s.post_bare("/v1/setup", json!({"token": token, "email": email, "password": PASSWORD}))
        });
        let answers = futures_util::future::join_all(tries).await;
        let made = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(made, 1);
        for refused in answers.iter().filter(|answer| answer.status != 201) {
            refused.problem(410, "setup_done");
        }
    }

    pub(super) async fn an_invitation_is_good_once(engine: Engine) {
        let s = Server::start(engine).await;
        let admin = said(&s.set_up().await, "access_token");
        let invite = |roles| json!({"email": "bob@example.com", "roles": roles});
        let invited = s.post_by(&admin, "/v1/invitations", invite(json!(["viewer"]))).await;
        let token = said(&invited.expect(201), "token");
        let accept = |token: &str, password: &str| json!({"token": token, "name": "Bob", "password": password});
        s.post_bare("/v1/invitations/accept", accept(&token, "bob@example.com!!"))
            .await
            .problem(400, "validation_failed");
        s.post_bare("/v1/invitations/accept", accept("guessed", PASSWORD))
            .await
            .problem(401, "invalid_credentials");
        // A body gives nobody roles.
        let mut with_roles = accept(&token, PASSWORD);
        with_roles["roles"] = json!(["admin"]);
        let refused = s.post_bare("/v1/invitations/accept", with_roles).await;
        assert_eq!(refused.problem(400, "validation_failed")["errors"][0]["path"], "/roles");
        let tries = (0..8).map(|_| s.post_bare("/v1/invitations/accept", accept(&token, PASSWORD)));
        let answers = futures_util::future::join_all(tries).await;
        let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
        assert_eq!(made.len(), 1);
        let bob = said(&made[0].json(), "access_token");
        let me = s.get_by(&bob, "/v1/me", &[]).await.expect(200);
        assert_eq!((&me["name"], &me["roles"]), (&json!("Bob"), &json!(["viewer"])));
        // Who may not make accounts invites nobody, and nobody gives what they do not hold.
        s.post_by(&bob, "/v1/invitations", invite(json!(["viewer"])))
            .await
            .problem(403, "forbidden");
        let (_, key) = s.program(&["operator"]).await;
        s.post_by(&key, "/v1/invitations", invite(json!([]))).await.problem(403, "forbidden");
        s.post("/v1/roles/x", json!({})).await.problem(405, "method_not_allowed");
        s.put("/v1/roles/inviter", json!({"permissions": ["users:write"]})).await.expect(201);
        let (_, key) = s.program(&["inviter"]).await;
        s.post_by(&key, "/v1/invitations", invite(json!(["admin"])))
            .await
            .problem(403, "forbidden");
        s.post_by(&key, "/v1/invitations", invite(json!(["none"])))
            .await
            .problem(400, "validation_failed");
        // The address is taken, whatever its case.
        let again = json!({"email": "BOB@example.com", "roles": []});
        let token = said(&s.post("/v1/invitations", again).await.expect(201), "token");
        s.post_bare("/v1/invitations/accept", accept(&token, PASSWORD))
            .await
            .problem(409, "conflict");
    }

    pub(super) async fn registration_is_as_it_is_set(engine: Engine) {
        let open = [("FOREBAY_AUTH__REGISTRATION", "open")];
        let s = Server::start_with(engine, &open).await;
        let body = |email: &str| json!({"email": email, "name": "Eve", "password": PASSWORD});
        let before = s.hashes().await;
        let made = s.post_bare("/v1/auth/register", body("eve@example.com")).await;
        // Whoever has an account already is answered alike, at the same cost, and keeps it.
        let mut taken = body("EVE@example.com");
        taken["password"] = json!("what another has thought of");
        let again = s.post_bare("/v1/auth/register", taken).await;
        assert_eq!(made.expect(202), again.expect(202));
        assert_eq!(s.hashes().await - before, 2);
        let login = s.login("eve@example.com", PASSWORD).await.expect(200);
        let token = said(&login, "access_token");
        let me = s.get_by(&token, "/v1/me", &[]).await.expect(200);
        assert_eq!((&me["roles"], &me["permissions"]), (&json!([]), &json!([])));
        s.get_by(&token, "/v1/streams/orders", &[]).await.problem(403, "forbidden");
        let mut with_role = body("mallory@example.com");
        with_role["roles"] = json!(["admin"]);
        s.post_bare("/v1/auth/register", with_role).await.problem(400, "validation_failed");

        let closed = [("FOREBAY_AUTH__REGISTRATION", "closed")];
        let s = Server::start_with(engine, &closed).await;
        s.post_bare("/v1/auth/register", body("eve@example.com")).await.problem(403, "forbidden");
        let invite = s.request(Method::POST, "/v1/invitations").json(&json!({"email": "a@b"}));
        answer(invite).await.problem(403, "forbidden");
    }
}
