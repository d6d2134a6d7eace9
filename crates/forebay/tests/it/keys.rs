//! Who asks: keys, what is left of them, and how soon a change bites.

use crate::support::{Engine, KEY, Server, both, orders};

both! {
    a_key_opens_what_it_says
    nobody_hands_on_what_they_do_not_hold
    roles_are_sets_of_permissions
    what_is_taken_away_is_gone_at_once
    keys_are_read_strictly
}

/// A change on one process is heard by another within a second, and ends subscriptions there.
#[tokio::test]
async fn a_change_bites_on_every_process() {
    use serde_json::json;

    use crate::events::Events;

    let first = Server::start(Engine::Postgres).await;
    let second = Server::beside(&first);
    first.put("/v1/streams/orders", orders()).await.expect(201);
    for round in 0..10 {
        let (account, key) = first.program(&["viewer"]).await;
        let request = second.request_by(&key, reqwest::Method::GET, "/v1/streams/orders/subscribe");
        let mut events = Events::ask(request).await.expect("the key is good");
        second.get_by(&key, "/v1/streams/orders", &[]).await.expect(200);
        let path = format!("/v1/service-accounts/{account}");
        let began = std::time::Instant::now();
        match round % 3 {
            0 => drop(first.delete(&path).await.expect(204)),
            1 => {
                let roles = json!({"roles": ["ingest"]});
                let request = first.request(reqwest::Method::PATCH, &path).json(&roles);
                crate::support::answer(request).await.expect(200);
            }
            _ => {
                let state = json!({"state": "disabled"});
                let request = first.request(reqwest::Method::PATCH, &path).json(&state);
                crate::support::answer(request).await.expect(200);
            }
        }
        // The subscription on the other process ends by itself: that is when it has heard.
        let (name, _, data) = events.next().await.unwrap();
        assert_eq!((name.as_str(), &data["code"]), ("error", &json!("access_changed")));
        assert!(events.next().await.is_none());
        assert!(began.elapsed().as_secs_f64() < 1.0, "after {:?}", began.elapsed());
        let refused = second.get_by(&key, "/v1/streams/orders", &[]).await.status.as_u16();
        assert_eq!(refused, if round % 3 == 1 { 403 } else { 401 });
    }
}

mod scenario {
    use reqwest::Method;
    use serde_json::json;

    use super::{Engine, KEY, Server, orders};
    use crate::support::answer;

    const RECORDS: &str = "/v1/streams/orders/records";

    pub(super) async fn a_key_opens_what_it_says(engine: Engine) {
        let mut s = Server::start(engine).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        s.put("/v1/streams/others", orders()).await.expect(201);
        let body = json!({"name": "in", "permissions": ["records:write@stream/orders"],
            "filter": null, "expires_at": null});
        let made = s.post("/v1/api-keys", body).await.expect(201);
        let key = made["key"].as_str().unwrap().to_owned();
        assert!(key.starts_with("fb_key_"), "{key}");
        s.post_by(&key, RECORDS, json!({"n": 1})).await.expect(200);
        s.get_by(&key, RECORDS, &[]).await.problem(403, "forbidden");
        s.post_by(&key, "/v1/streams/others/records", json!({"n": 1}))
            .await
            .problem(403, "forbidden");
        let batch = json!([{"stream": "others", "records": []}]);
        s.post_by(&key, "/v1/batch", batch).await.problem(403, "forbidden");
        s.get_by(&key, "/v1/roles", &[]).await.problem(403, "forbidden");
        s.get_by(&key, "/metrics", &[]).await.problem(403, "forbidden");
        let me = s.get_by(&key, "/v1/me", &[]).await.expect(200);
        assert_eq!(me["permissions"], json!(["records:write@stream/orders"]));
        let listed = s.get("/v1/api-keys").await;
        assert!(!listed.text.contains(&key));
        let path = format!("/v1/api-keys/{}", made["id"].as_str().unwrap());
        assert_eq!(s.get(&path).await.expect(200)["name"], "in");
        // It is known by its hash alone, also after a restart.
        s.restart();
        s.post_by(&key, RECORDS, json!({"n": 2})).await.expect(200);
        if s.database.is_none() {
            let stored = std::fs::read(s.data.path().join("forebay.db")).unwrap();
            assert!(!stored.windows(key.len()).any(|bytes| bytes == key.as_bytes()));
        }
        let rotated = s.post(&format!("{path}/rotate"), json!({})).await.expect(200);
        let new = rotated["key"].as_str().unwrap().to_owned();
        for key in [&key, &new] {
            s.post_by(key, RECORDS, json!({"n": 3})).await.expect(200);
        }
        s.delete(&path).await.expect(204);
        for key in [&key, &new, &format!("{new}x"), &new[1..].to_owned()] {
            s.post_by(key, RECORDS, json!({"n": 4})).await.problem(401, "unauthenticated");
        }
        s.get(&path).await.problem(404, "not_found");
    }

    pub(super) async fn nobody_hands_on_what_they_do_not_hold(engine: Engine) {
        let s = Server::start(engine).await;
        s.put(
            "/v1/roles/chief",
            json!({"permissions": ["keys:*", "roles:*", "accounts:*",
            "records:read@stream/a*"]}),
        )
        .await
        .expect(201);
        let (chief, key) = s.program(&["chief"]).await;
        let grant = |permissions| json!({"name": "k", "permissions": permissions});
        s.post_by(&key, "/v1/api-keys", grant(["records:read@stream/ab"])).await.expect(201);
        for more in ["records:read", "records:write@stream/ab", "*:*", "records:*@stream/ab"] {
            let refused = s.post_by(&key, "/v1/api-keys", grant([more])).await;
            assert_eq!(refused.problem(403, "forbidden")["errors"][0]["path"], "/permissions");
            let role = s.request_by(&key, Method::PUT, "/v1/roles/mine");
            let role = answer(role.json(&json!({"permissions": [more]}))).await;
            role.problem(403, "forbidden");
        }
        let account = |role: &str| json!({"name": "x", "roles": [role]});
        s.post_by(&key, "/v1/service-accounts", account("admin")).await.problem(403, "forbidden");
        s.post_by(&key, "/v1/service-accounts", account("none"))
            .await
            .problem(400, "validation_failed");
        let promote = s.request_by(&key, Method::PATCH, &format!("/v1/service-accounts/{chief}"));
        answer(promote.json(&json!({"roles": ["admin"]}))).await.problem(403, "forbidden");
        // Nor does anybody manage, or act as, one who holds more.
        let (admin, admin_key) = s.program(&["admin"]).await;
        let own = json!({"name": "k", "permissions": [], "owner": admin});
        let refused = s.post_by(&key, "/v1/api-keys", own).await.problem(403, "forbidden");
        assert_eq!(refused["errors"][0]["path"], "/owner");
        let path = format!("/v1/service-accounts/{admin}");
        let disable = s.request_by(&key, Method::PATCH, &path).json(&json!({"state": "disabled"}));
        answer(disable).await.problem(403, "forbidden");
        answer(s.request_by(&key, Method::DELETE, &path)).await.problem(403, "forbidden");
        let listed = s.get_by(&key, "/v1/api-keys", &[]).await.expect(200);
        let of_admin = listed["items"].as_array().unwrap().iter().find(|k| k["owner"] == admin);
        let path = format!("/v1/api-keys/{}", of_admin.unwrap()["id"].as_str().unwrap());
        answer(s.request_by(&key, Method::DELETE, &path)).await.problem(403, "forbidden");
        s.post_by(&key, &format!("{path}/rotate"), json!({})).await.problem(403, "forbidden");
        s.put("/v1/roles/writers", json!({"permissions": ["records:write"]})).await.expect(201);
        let role = s.request_by(&key, Method::DELETE, "/v1/roles/writers");
        answer(role).await.problem(403, "forbidden");
        s.get_by(&admin_key, "/v1/me", &[]).await.expect(200);
        // A key is bound to the networks and the end of the one that made it.
        let bound = json!({"name": "b", "permissions": ["keys:write"], "networks": ["127.0.0.0/8"],
            "expires_at": "2200-01-01T00:00:00Z"});
        let bound = s.post("/v1/api-keys", bound).await.expect(201);
        let bound = bound["key"].as_str().unwrap();
        let made = json!({"name": "c", "permissions": [], "expires_at": null});
        let made = s.post_by(bound, "/v1/api-keys", made).await.expect(201);
        assert_eq!(made["networks"], json!(["127.0.0.0/8"]));
        assert_eq!(made["expires_at"], "2200-01-01T00:00:00.000000Z");
        let wide = json!({"name": "d", "permissions": [], "networks": ["0.0.0.0/0"]});
        s.post_by(bound, "/v1/api-keys", wide).await.problem(403, "forbidden");
        // A key of all rights is no more than its owner.
        s.get_by(&key, "/v1/streams/orders/records", &[]).await.problem(403, "forbidden");
        let me = s.get_by(&key, "/v1/me", &[]).await.expect(200);
        assert_eq!((&me["id"], &me["roles"]), (&json!(chief), &json!(["chief"])));
        // Who sees through a filter hands on no more than that.
        let body = json!({"name": "f", "permissions": ["keys:*", "records:read"],
            "filter": "data.owner == 'a'"});
        let made = s.post("/v1/api-keys", body).await.expect(201);
        let narrow = made["key"].as_str().unwrap();
        let body = json!({"name": "g", "permissions": ["records:read"],
            "filter": "data.n > 1 || data.author == auth.user_id || data.auth.x"});
        let made = s.post_by(narrow, "/v1/api-keys", body).await.expect(201);
        let both =
            "(data.owner == 'a') && (data.n > 1 || data.author == auth.user_id || data.auth.x)";
        assert_eq!(made["filter"], both);
    }

    pub(super) async fn roles_are_sets_of_permissions(engine: Engine) {
        let s = Server::start(engine).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        let listed = s.get("/v1/roles").await.expect(200);
        let names: Vec<&str> = listed["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["admin", "editor", "ingest", "operator", "viewer"]);
        for (role, read, write, define) in [
            ("admin", 200, 200, 200),
            ("operator", 200, 200, 200),
            ("editor", 200, 200, 403),
            ("viewer", 200, 403, 403),
            ("ingest", 403, 200, 403),
        ] {
            let (_, key) = s.program(&[role]).await;
            assert_eq!(s.get_by(&key, RECORDS, &[]).await.status, read, "{role}");
            let written = s.post_by(&key, RECORDS, json!({"n": 1})).await;
            assert_eq!(written.status, write, "{role}");
            let put = s.request_by(&key, Method::PUT, "/v1/streams/orders").json(&orders());
            assert_eq!(answer(put).await.status, define, "{role}");
            let roles = s.get_by(&key, "/v1/roles", &[]).await.status;
            assert_eq!(roles, if role == "admin" { 200 } else { 403 }, "{role}");
        }
        s.put("/v1/roles/admin", json!({"permissions": []})).await.problem(409, "conflict");
        s.delete("/v1/roles/viewer").await.problem(409, "conflict");
        let path = "/v1/roles/reader";
        let made = s.put(path, json!({"permissions": ["records:read@stream/orders"]})).await;
        assert_eq!(made.headers["etag"], "\"1\"");
        made.expect(201);
        let (_, key) = s.program(&["reader"]).await;
        s.get_by(&key, RECORDS, &[]).await.expect(200);
        let stale = s.request(Method::PUT, path).header("if-match", "\"9\"");
        answer(stale.json(&json!({"permissions": []}))).await.problem(412, "version_mismatch");
        s.put(path, json!({"permissions": []})).await.expect(200);
        s.get_by(&key, RECORDS, &[]).await.problem(403, "forbidden");
        for (body, place) in [
            (json!({"permissions": ["records:raed"]}), "/permissions/0"),
            (json!({"permissions": ["records"]}), "/permissions/0"),
            (json!({"permissions": ["records:read@orders"]}), "/permissions/0"),
            (json!({"permissions": [7]}), "/permissions/0"),
            (json!({"permissions": "records:read"}), "/permissions"),
            (json!({"permissons": []}), "/permissons"),
        ] {
            let refused = s.put(path, body).await.problem(400, "validation_failed");
            assert_eq!(refused["errors"][0]["path"], place, "{refused}");
        }
        s.delete(path).await.expect(204);
        s.get(path).await.problem(404, "not_found");
    }

    pub(super) async fn what_is_taken_away_is_gone_at_once(engine: Engine) {
        let s = Server::start(engine).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        let (account, key) = s.program(&["viewer"]).await;
        let path = format!("/v1/service-accounts/{account}");
        s.get_by(&key, RECORDS, &[]).await.expect(200);
        let patch = async |body| answer(s.request(Method::PATCH, &path).json(&body)).await;
        patch(json!({"state": "disabled"})).await.expect(200);
        s.get_by(&key, RECORDS, &[]).await.problem(401, "unauthenticated");
        patch(json!({"state": "active", "roles": []})).await.expect(200);
        s.get_by(&key, RECORDS, &[]).await.problem(403, "forbidden");
        patch(json!({"roles": ["viewer"], "name": "again"})).await.expect(200);
        s.get_by(&key, RECORDS, &[]).await.expect(200);
        patch(json!({"state": "away"})).await.problem(400, "validation_failed");
        patch(json!({"id": "x"})).await.problem(400, "validation_failed");
        let listed = s.get("/v1/service-accounts?limit=1").await.expect(200);
        assert_eq!(listed["items"][0]["name"], "again");
        s.delete(&path).await.expect(204);
        s.get_by(&key, RECORDS, &[]).await.problem(401, "unauthenticated");
        s.get(&path).await.problem(404, "not_found");
    }

    pub(super) async fn keys_are_read_strictly(engine: Engine) {
        let s = Server::start(engine).await;
        let good = || json!({"name": "k", "permissions": ["records:read"]});
        let with = |name: &str, value| {
            let mut body = good();
            body[name] = value;
            body
        };
        for (body, code, place) in [
            (with("name", json!("")), "validation_failed", "/name"),
            (json!({"permissions": []}), "validation_failed", "/name"),
            (json!({"name": "k"}), "validation_failed", "/permissions"),
            (with("filter", json!("data.x ==")), "filter_invalid", "/filter"),
            (with("filter", json!("bogus")), "filter_invalid", "/filter"),
            (with("filter", json!("\"a\" == 1")), "filter_invalid", "/filter"),
            (
                with("filter", json!("data.x < 3 && auth.nobody == data.y")),
                "filter_invalid",
                "/filter",
            ),
            (with("filter", json!("seq")), "filter_invalid", "/filter"),
            (with("filter", json!(1)), "validation_failed", "/filter"),
            (with("expires_at", json!("2001-01-01T00:00:00Z")), "validation_failed", "/expires_at"),
            (with("expires_at", json!("soon")), "validation_failed", "/expires_at"),
            (with("networks", json!(["10.0.0.0/33"])), "validation_failed", "/networks/0"),
            (with("owner", json!("nobody")), "validation_failed", "/owner"),
            (with("key", json!("fb_mine")), "validation_failed", "/key"),
        ] {
            let refused = s.post("/v1/api-keys", body.clone()).await.problem(400, code);
            assert_eq!(refused["errors"][0]["path"], place, "{body}: {refused}");
        }
        let elsewhere = with("networks", json!(["10.0.0.0/8"]));
        let here = with("networks", json!(["10.0.0.0/8", "127.0.0.0/8"]));
        for (body, status) in [(elsewhere, 401), (here, 200)] {
            let made = s.post("/v1/api-keys", body).await.expect(201);
            let me = s.get_by(made["key"].as_str().unwrap(), "/v1/me", &[]).await;
            assert_eq!(me.status, status);
        }
        let made = s.post("/v1/api-keys", good()).await.expect(201);
        assert!(made["expires_at"].is_string(), "ninety days when it is not said");
        // Another program's key is not there for who may not see it.
        let (_, key) = s.program(&["viewer"]).await;
        let path = format!("/v1/api-keys/{}", made["id"].as_str().unwrap());
        s.get_by(&key, &path, &[]).await.problem(404, "not_found");
        answer(s.request_by(&key, Method::DELETE, &path)).await.problem(403, "forbidden");
        let own = s.get_by(&key, "/v1/api-keys", &[]).await.expect(200);
        assert_eq!(own["items"].as_array().unwrap().len(), 1);
        let all = s.get_by(KEY, "/v1/api-keys?limit=2", &[]).await.expect(200);
        assert_eq!(all["items"].as_array().unwrap().len(), 2);
        let cursor = all["next_cursor"].as_str().unwrap();
        let rest = s.get_by(KEY, "/v1/api-keys", &[("cursor", cursor)]).await.expect(200);
        assert_eq!(rest["items"].as_array().unwrap().len(), 2);
    }
}
