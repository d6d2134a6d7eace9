//! Planted secrets: whatever is shown to Forebay, or shown by it, stands in no log and no database.

use reqwest::Method;
use serde_json::{Value, json};

use crate::people::{ADMIN, PASSWORD, code, said};
use crate::support::{Engine, KEY, MASTER_KEY, Server, answer, forebay};

#[tokio::test]
async fn secrets_stand_nowhere() {
    let mut s = Server::start_with(Engine::Sqlite, &[("LOG_LEVEL", "DEBUG")]).await;
    let mut planted = vec![KEY.to_owned(), MASTER_KEY.to_owned(), PASSWORD.to_owned()];
    planted.push(s.setup_token());
    let login = s.set_up().await;
    let token = said(&login, "access_token");
    let wrong = "a password that is wrong 77";
    planted.push(wrong.to_owned());
    s.login(ADMIN, wrong).await.problem(401, "invalid_credentials");
    s.login(wrong, wrong).await.problem(401, "invalid_credentials");
    let (seed, papers) = s.add_factor(&token).await;
    let due = s.half_way(ADMIN).await;
    let shown = code(&seed, 1);
    let second = s.show_code(&due, "totp", &shown).await.expect(200);
    planted.extend([seed, due, said(&second, "access_token"), said(&second, "refresh_token")]);
    planted.extend(papers.iter().cloned());
    planted.extend(papers.iter().map(|paper| paper.replace('-', "").to_uppercase()));
    let next = s.refresh(&said(&login, "refresh_token")).await.expect(200);
    let third = said(&s.refresh(&said(&next, "refresh_token")).await.expect(200), "refresh_token");
    s.refresh(&said(&login, "refresh_token")).await.problem(401, "invalid_credentials");
    planted.extend([said(&login, "refresh_token"), said(&next, "refresh_token"), third, token]);
    let invitation = json!({"email": "bob@example.com", "roles": []});
    let invited = s.post("/v1/invitations", invitation).await.expect(201);
    planted.push(said(&invited, "token"));
    let typed = "the password that somebody was given 41";
    let body = json!({"email": "eve@example.com", "name": "Eve", "password": typed});
    let eve = s.post("/v1/users", body).await.expect(201);
    s.login("eve@example.com", typed).await.expect(200);
    let link = forebay()
        .args(["user", "reset", "eve@example.com", "--link", "--data"])
        .arg(s.data.path())
        .env("MASTER_KEY", MASTER_KEY)
        .output()
        .unwrap();
    let link = String::from_utf8(link.stdout).unwrap();
    let reset = link.trim().rsplit_once("token=").unwrap().1.to_owned();
    let chosen = "the password that somebody has chosen 43";
    let body = json!({"token": reset, "password": chosen});
    s.post_bare("/v1/auth/password/reset", body.clone()).await.expect(204);
    s.post_bare("/v1/auth/password/reset", body).await.problem(401, "invalid_credentials");
    let key = json!({"name": "k", "permissions": [], "owner": eve["id"]});
    let key = s.post("/v1/api-keys", key).await.expect(201);
    let path = format!("/v1/api-keys/{}/rotate", said(&key, "id"));
    let rotated = said(&s.post(&path, json!({})).await.expect(200), "key");
    planted.extend([typed.to_owned(), reset, chosen.to_owned(), said(&key, "key"), rotated]);
    let body = json!({"email": ADMIN, "password": PASSWORD, "cookie": true});
    let asked = s.bare(Method::POST, "/v1/auth/login").json(&body);
    answer(asked.header("sec-fetch-site", "same-origin")).await.expect(200);
    let refused: Value =
        s.login(&"x".repeat(2000), &format!("{wrong}{}", "x".repeat(2000))).await.json();
    planted.iter().for_each(|secret| assert!(!refused.to_string().contains(secret.as_str())));
    assert_eq!(s.stop(), Some(0));
    let log = s.said();
    assert!(log.contains("a refresh token was used again"), "{log}");
    let mut looked_at = vec![("the log".to_owned(), log.into_bytes())];
    read_all(s.data.path(), &mut looked_at);
    assert!(looked_at.iter().any(|(name, _)| name.ends_with("forebay.db")));
    for (name, bytes) in &looked_at {
        for secret in &planted {
            let found = bytes.windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
            assert!(!found, "{name} holds {secret}");
        }
    }
}

/// Reads all files of a folder and of those in it.
fn read_all(folder: &std::path::Path, files: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, files);
        } else {
            files.push((path.display().to_string(), std::fs::read(path).unwrap()));
        }
    }
}
