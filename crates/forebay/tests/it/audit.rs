//! The audit: who did what, from where, and how it ended, as records like any others.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;

use crate::support::{Server, answer, both};

both! {
    changes_and_refusals_are_written_down
    the_audit_is_read_by_few_and_written_by_nobody
    what_was_done_before_a_crash_is_written_down
    an_administrator_sees_what_somebody_sees
}

/// The events of an action, in their order, when there are so many.
pub(crate) async fn events(s: &Server, action: &str, count: usize) -> Vec<Value> {
    let filter = format!("data.action == \"{action}\"");
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let path = "/v1/audit?sort=time&limit=100";
        let page = answer(s.request(Method::GET, path).query(&[("filter", &filter)])).await;
        let found = page.expect(200)["items"].as_array().unwrap().clone();
        if found.len() >= count {
            assert_eq!(found.len(), count, "{action}: {found:?}");
            return found.into_iter().map(|mut record| record["data"].take()).collect();
        }
        assert!(Instant::now() < deadline, "{action}: {found:?}");
    }
}

mod scenario {
    use reqwest::Method;
    use serde_json::{Value, json};

    use super::*;
    use crate::people::{ADMIN, PASSWORD};
    use crate::support::{Engine, Server, answer, orders};

    pub(super) async fn changes_and_refusals_are_written_down(engine: Engine) {
        let s = Server::start(engine).await;
        let signed_in = s.set_up().await;
        let own = s.get_by(signed_in["access_token"].as_str().unwrap(), "/v1/me", &[]).await;
        let own = own.expect(200)["id"].as_str().unwrap().to_owned();
        let done = events(&s, "setup", 1).await;
        assert_eq!(done[0]["target"], json!({"kind": "account", "id": own}));
        assert_eq!(done[0]["outcome"], "success");

        s.login(ADMIN, "not the password, that is").await.problem(401, "invalid_credentials");
        s.login("nobody@example.com", PASSWORD).await.problem(401, "invalid_credentials");
        let login = s.login(ADMIN, PASSWORD).await.expect(200);
        let told = events(&s, "login", 3).await;
        let ends: Vec<_> = told.iter().map(|event| event["outcome"].as_str().unwrap()).collect();
        assert_eq!(ends, ["failure", "failure", "success"]);
        assert_eq!((&told[0]["target"]["id"], &told[0]["actor"]), (&json!(own), &Value::Null));
        assert_eq!(told[1]["target"], Value::Null);
        assert_eq!(told[1]["reason"], "invalid_credentials");
        assert_eq!(told[2]["actor"]["id"], format!("user:{own}"));
        assert_eq!(told[2]["address"], "127.0.0.1");

        let key = json!({"name": "k", "permissions": ["records:read@stream/orders"]});
        let made = s.post("/v1/api-keys", key).await;
        let request_id = made.headers["x-request-id"].to_str().unwrap().to_owned();
        let made = made.expect(201);
        let told = events(&s, "api_key.create", 1).await;
        assert_eq!(told[0]["target"], json!({"kind": "api_key", "id": made["id"]}));
        assert_eq!(told[0]["request_id"], request_id.as_str());
        assert_eq!(told[0]["details"]["permissions"], json!(["records:read@stream/orders"]));
        let weak = made["key"].as_str().unwrap();
        s.post_by(weak, "/v1/service-accounts", json!({"name": "x"}))
            .await
            .problem(403, "forbidden");
        let told = events(&s, "service_account.create", 1).await;
        assert_eq!(
            (&told[0]["outcome"], &told[0]["reason"]),
            (&json!("failure"), &json!("forbidden"))
        );
        assert_eq!(told[0]["actor"]["key_id"], made["id"]);

        s.put("/v1/roles/reader", json!({"permissions": ["records:read"]})).await.expect(201);
        s.put("/v1/roles/reader", json!({"permissions": ["nonsense"]})).await.expect(400);
        assert_eq!(events(&s, "role.put", 1).await[0]["target"]["id"], "reader");
        s.delete(&format!("/v1/api-keys/{}", made["id"].as_str().unwrap())).await.expect(204);
        events(&s, "api_key.delete", 1).await;

        let refresh = login["refresh_token"].as_str().unwrap();
        s.refresh(refresh).await.expect(200);
        s.put("/v1/streams/orders", orders()).await.expect(201);
        let mut ruled = orders();
        ruled["access"] = json!({"read": "data.owner == auth.user_id"});
        s.put("/v1/streams/orders", ruled.clone()).await.expect(200);
        s.put("/v1/streams/orders", ruled.clone()).await.expect(200);
        s.delete("/v1/streams/orders").await.expect(204);
        events(&s, "stream.create", 1).await;
        let told = events(&s, "stream.update", 1).await;
        assert_eq!(told[0]["details"]["access"], ruled["access"]);
        assert_eq!(told[0]["actor"]["id"], "key:admin");
        events(&s, "stream.delete", 1).await;
        // What is done every ten minutes is no event.
        events(&s, "refresh", 0).await;
        let sums =
            json!({"group_by": [{"as": "a", "field": "data.action"}], "metrics": {"n": "count()"}});
        let sums = s.post("/v1/streams/_audit/aggregate", sums).await.expect(200);
        assert!(sums["groups"].as_array().unwrap().len() >= 8, "{sums}");
        let export = s.get("/v1/streams/_audit/export").await.text;
        for secret in [PASSWORD, weak, refresh, "not the password"] {
            assert!(!export.contains(secret), "{secret} in {export}");
        }
    }

    pub(super) async fn the_audit_is_read_by_few_and_written_by_nobody(engine: Engine) {
        let s = Server::start(engine).await;
        let doors = [
            "/v1/audit",
            "/v1/streams/_audit",
            "/v1/streams/_audit/records",
            "/v1/streams/_audit/export",
        ];
        let (_, operator) = s.program(&["operator"]).await;
        let (_, viewer) = s.program(&["viewer", "editor"]).await;
        for door in doors {
            assert_eq!(s.get_by(&operator, door, &[]).await.status, 200, "{door}");
            s.get_by(&viewer, door, &[]).await.problem(403, "forbidden");
        }
        // Whoever has less cannot make it more: neither in a role, nor in a key.
        let (_, maker) = {
            let permissions =
                json!({"permissions": ["records:*", "keys:*", "roles:*", "streams:*"]});
            s.put("/v1/roles/maker", permissions).await.expect(201);
            s.program(&["maker"]).await
        };
        let key = json!({"name": "k", "permissions": ["records:read@stream/_audit"]});
        s.post_by(&maker, "/v1/api-keys", key).await.problem(403, "forbidden");
        let role = s.request_by(&maker, Method::PUT, "/v1/roles/spy");
        let role = role.json(&json!({"permissions": ["records:read@stream/_*"]}));
        answer(role).await.problem(403, "forbidden");
        s.get_by(&maker, "/v1/audit", &[]).await.problem(403, "forbidden");
        // A key of the operator's sees it when it says so.
        let key = json!({"name": "auditor", "permissions": ["records:read@stream/_audit"]});
        let auditor = s.post("/v1/api-keys", key).await.expect(201);
        let auditor = auditor["key"].as_str().unwrap();
        s.get_by(auditor, "/v1/audit", &[]).await.expect(200);
        s.get_by(auditor, "/v1/streams/orders/records", &[]).await.problem(403, "forbidden");

        let refused = s.post("/v1/streams/_audit/records", json!({"action": "x"})).await;
        refused.problem(403, "forbidden");
        let batch = json!([{"stream": "_audit", "records": [{"data": {"action": "x"}}]}]);
        s.post("/v1/batch", batch).await.problem(403, "forbidden");
        s.put("/v1/streams/_audit", orders()).await.problem(403, "forbidden");
        s.put("/v1/streams/_mine", orders()).await.problem(403, "forbidden");
        s.delete("/v1/streams/_audit").await.problem(403, "forbidden");
        assert_eq!(s.get("/v1/streams").await.expect(200)["items"], json!([]));
        let all = s.get("/v1/streams?system=true").await.expect(200);
        let names: Vec<&Value> =
            all["items"].as_array().unwrap().iter().map(|stream| &stream["name"]).collect();
        assert_eq!(names, ["_alerts", "_audit"]);
        let few = s.get_by(&viewer, "/v1/streams", &[("system", "true")]).await.expect(200);
        assert_eq!(few["items"], json!([]));
    }

    pub(super) async fn an_administrator_sees_what_somebody_sees(engine: Engine) {
        let s = Server::start(engine).await;
        let mut ruled = orders();
        ruled["access"] = json!({"read": "data.owner == auth.email"});
        s.put("/v1/streams/orders", ruled).await.expect(201);
        let (eva, bob) = ("eva@example.com", "bob@example.com");
        let records = json!([{"owner": eva, "n": 1}, {"owner": bob, "n": 2}]);
        s.post("/v1/streams/orders/records", records).await.expect(200);
        let eva = s.user(eva, &["viewer"]).await["id"].as_str().unwrap().to_owned();
        s.user(bob, &["editor"]).await;
        let bob = s.token_of(bob).await;
        let path = "/v1/streams/orders/records";
        let view = |method: Method, path: &str, id: &str| {
            s.request(method, path).header("x-forebay-view-as", id)
        };
        let seen = answer(view(Method::GET, path, &eva)).await.expect(200);
        assert_eq!(seen["items"][0]["data"]["n"], 1);
        assert_eq!(seen["items"].as_array().unwrap().len(), 1);
        let counted = view(Method::POST, "/v1/streams/orders/aggregate", &eva);
        let counted = counted.json(&json!({"metrics": {"n": "count()"}}));
        assert_eq!(answer(counted).await.expect(200)["groups"][0]["values"]["n"], 1);
        let me = answer(view(Method::GET, "/v1/me", &eva)).await.expect(200);
        assert_eq!((&me["email"], &me["roles"]), (&json!("eva@example.com"), &json!(["viewer"])));
        answer(view(Method::GET, "/v1/audit", &eva)).await.problem(403, "forbidden");

        // Nothing is changed in another's name, and nobody else looks through other eyes.
        let write = view(Method::POST, path, &eva).json(&json!({"owner": "x"}));
        answer(write).await.problem(403, "forbidden");
        let rename = view(Method::PATCH, "/v1/me", &eva).json(&json!({"name": "x"}));
        answer(rename).await.problem(403, "forbidden");
        answer(view(Method::GET, path, "nobody")).await.problem(404, "not_found");
        answer(view(Method::GET, path, "")).await.problem(404, "not_found");
        let twice = view(Method::GET, path, &eva).header("x-forebay-view-as", "b");
        answer(twice).await.problem(400, "bad_request");
        let by_bob = s.request_by(&bob, Method::GET, path).header("x-forebay-view-as", &eva);
        answer(by_bob).await.problem(403, "forbidden");
        let watching = json!({"permissions": ["access:view_as", "records:read", "streams:read"]});
        s.put("/v1/roles/watcher", watching).await.expect(201);
        let (_, watcher) = s.program(&["watcher"]).await;
        let of =
            |id: &str| s.request_by(&watcher, Method::GET, path).header("x-forebay-view-as", id);
        answer(of(&eva)).await.expect(200);
        let (boss, _) = s.program(&["admin"]).await;
        answer(of(&boss)).await.problem(403, "forbidden");

        let told = events(&s, "view_as", 9).await;
        assert_eq!(told[0]["actor"]["id"], "key:admin");
        assert_eq!(told[0]["target"], json!({"kind": "account", "id": eva}));
        assert_eq!(told[0]["details"], json!({"method": "GET", "path": path}));
        assert_eq!(told.iter().filter(|e| e["outcome"] == "failure").count(), 4);

        // A view that goes on ends with the right to it.
        let url = format!("{}?after=0", path.replace("records", "subscribe"));
        let stream = s.request_by(&watcher, Method::GET, &url).header("x-forebay-view-as", &eva);
        let mut stream = stream.send().await.unwrap();
        assert_eq!(stream.status(), 200);
        s.delete("/v1/roles/watcher").await.expect(204);
        let mut text = String::new();
        while let Some(piece) = stream.chunk().await.unwrap() {
            text.push_str(std::str::from_utf8(&piece).unwrap());
        }
        assert!(text.contains("\"n\":1") && !text.contains("\"n\":2"), "{text}");
        assert!(text.contains("access_changed"), "{text}");
    }

    pub(super) async fn what_was_done_before_a_crash_is_written_down(engine: Engine) {
        let mut s = Server::start(engine).await;
        for round in 0..3 {
            for n in 0..5 {
                let role = format!("/v1/roles/r{round}-{n}");
                s.put(&role, json!({"permissions": []})).await.expect(201);
            }
            s.restart();
        }
        let told = events(&s, "role.put", 15).await;
        let mut names: Vec<_> = told.iter().map(|e| e["target"]["id"].as_str().unwrap()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 15);
    }
}
