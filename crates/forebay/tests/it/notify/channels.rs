//! Channels: who makes them, what is shown of them, and where they may not go.

use reqwest::Method;
use serde_json::{Value, json};

use super::receiver::Way;
use super::{LOCAL, Receiver, start, text, webhook};
use crate::audit::events;
use crate::support::{Engine, Server, answer, both, forebay};

both! {
    a_channel_is_made_changed_and_taken_away
    what_is_sealed_is_never_shown
    everybody_has_their_own
    a_test_says_what_came_of_it
    nothing_private_is_reached
    what_is_not_right_is_named
}

#[tokio::test]
async fn the_kinds_are_those_that_are_written_down() {
    let made = forebay().arg("kinds").output().unwrap().stdout;
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../api/kinds.json");
    let kept = std::fs::read(file).unwrap();
    assert!(made == kept, "write it anew: cargo run -- kinds > api/kinds.json");
}

async fn patch(s: &Server, path: &str, body: Value) -> crate::support::Answer {
    answer(s.request(Method::PATCH, path).json(&body)).await
}

mod scenario {
    use super::*;

    pub(super) async fn a_channel_is_made_changed_and_taken_away(engine: Engine) {
        let s = start(engine).await;
        let made = webhook(&s, "https://example.com/hook").await;
        assert!(text(&made, "secret").starts_with("whsec_"));
        assert!(text(&made, "public_key").starts_with("whpk_"));
        assert_eq!(
            (&made["state"], &made["version"], &made["config"]),
            (&json!("active"), &json!(1), &json!({"url": "https://example.com/hook"}))
        );
        let path = format!("/v1/channels/{}", text(&made, "id"));
        let shown = s.get(&path).await;
        assert_eq!(shown.headers["etag"], "\"1\"");
        assert_eq!(shown.expect(200).get("secret"), None);
        let change = json!({"name": "other", "state": "disabled"});
        let changed = patch(&s, &path, change).await.expect(200);
        assert_eq!((&changed["name"], &changed["state"]), (&json!("other"), &json!("disabled")));
        let stale = s.request(Method::PATCH, &path).header("if-match", "\"1\"");
        answer(stale.json(&json!({"name": "x"}))).await.problem(412, "version_mismatch");
        let renewed = s.post(&format!("{path}/rotate"), json!({})).await.expect(200);
        assert_ne!(renewed["secret"], made["secret"]);
        assert_ne!(renewed["public_key"], made["public_key"]);
        webhook(&s, "https://example.com/two").await;
        webhook(&s, "https://example.com/three").await;
        let page = s.get("/v1/channels?limit=2").await.expect(200);
        assert_eq!(page["items"].as_array().unwrap().len(), 2);
        let next = text(&page, "next_cursor");
        let page = s.get(&format!("/v1/channels?limit=2&cursor={next}")).await.expect(200);
        assert_eq!(page["items"][0]["config"]["url"], "https://example.com/three");
        assert_eq!(page["next_cursor"], Value::Null);
        s.delete(&path).await.expect(204);
        s.get(&path).await.problem(404, "not_found");
        s.delete(&path).await.problem(404, "not_found");
        let id = text(&made, "id");
        for (action, count) in [("create", 3), ("update", 1), ("rotate", 1), ("delete", 1)] {
            let found = events(&s, &format!("channel.{action}"), count).await;
            assert_eq!(found[0]["target"], json!({"kind": "channel", "id": id}));
        }
    }

    pub(super) async fn what_is_sealed_is_never_shown(engine: Engine) {
        let s = Server::start_with(engine, &[LOCAL, ("LOG_LEVEL", "DEBUG")]).await;
        let receiver = Receiver::start();
        let config =
            json!({"url": receiver.at("/"), "headers": {"authorization": "Bearer PLANTED"}});
        let body = json!({"name": "hook", "kind": "webhook", "config": config});
        let made = s.post("/v1/channels", body).await;
        let shown = made.expect(201);
        assert!(!made.text.contains("PLANTED"));
        assert_eq!(shown["sealed"], json!(["headers"]));
        let path = format!("/v1/channels/{}", text(&shown, "id"));
        let secret = text(&shown, "secret");
        let sent = || async {
            s.post(&format!("{path}/test"), json!({})).await.expect(200);
            receiver.came().last().unwrap().headers.get("authorization").cloned()
        };
        assert_eq!(sent().await.as_deref(), Some("Bearer PLANTED"));
        // A change that does not name it leaves it; a null takes it away.
        patch(&s, &path, json!({"config": {"url": receiver.at("/")}})).await.expect(200);
        assert_eq!(sent().await.as_deref(), Some("Bearer PLANTED"));
        let without = json!({"config": {"url": receiver.at("/"), "headers": null}});
        assert_eq!(patch(&s, &path, without).await.expect(200)["sealed"], json!([]));
        assert_eq!(sent().await, None);
        for shown in [s.get(&path).await, s.get("/v1/channels").await] {
            assert!(!shown.text.contains("PLANTED") && !shown.text.contains(&secret));
        }
        let bare = secret.trim_start_matches("whsec_");
        assert!(!s.log.text().contains("PLANTED") && !s.log.text().contains(bare));
        if s.database.is_none() {
            for name in ["forebay.db", "forebay.db-wal"] {
                let stored = std::fs::read(s.data.path().join(name)).unwrap_or_default();
                let has = |planted: &str| {
                    stored.windows(planted.len()).any(|bytes| bytes == planted.as_bytes())
                };
                assert!(!has("PLANTED") && !has(bare), "{name}");
            }
        }
    }

    pub(super) async fn everybody_has_their_own(engine: Engine) {
        let s = start(engine).await;
        let (_, ann) = s.program(&["editor"]).await;
        let (_, bob) = s.program(&["editor"]).await;
        let (_, eve) = s.program(&["viewer"]).await;
        let body =
            json!({"name": "a", "kind": "webhook", "config": {"url": "https://example.com"}});
        let made = s.post_by(&ann, "/v1/channels", body.clone()).await.expect(201);
        let path = format!("/v1/channels/{}", text(&made, "id"));
        s.get_by(&ann, &path, &[]).await.expect(200);
        s.get_by(&bob, &path, &[]).await.problem(404, "not_found");
        answer(s.request_by(&bob, Method::DELETE, &path)).await.problem(404, "not_found");
        s.post_by(&bob, &format!("{path}/rotate"), json!({})).await.problem(404, "not_found");
        s.post_by(&bob, &format!("{path}/test"), json!({})).await.problem(404, "not_found");
        for (key, count) in [(&ann, 1), (&bob, 0)] {
            let page = s.get_by(key, "/v1/channels", &[]).await.expect(200);
            assert_eq!(page["items"].as_array().unwrap().len(), count);
            s.get_by(key, "/v1/deliveries", &[]).await.expect(200);
        }
        for path in ["/v1/channels", "/v1/deliveries", "/v1/deliveries/x/attempts"] {
            s.get_by(&eve, path, &[]).await.problem(403, "forbidden");
        }
        s.post_by(&eve, "/v1/channels", body).await.problem(403, "forbidden");
        s.post_by(&eve, "/v1/deliveries/replay", json!({})).await.problem(403, "forbidden");
        s.get(&path).await.expect(200);
    }

    pub(super) async fn a_test_says_what_came_of_it(engine: Engine) {
        let s = start(engine).await;
        let receiver = Receiver::start();
        receiver.answers("/refuses", Way::Status(403));
        receiver.answers("/moved", Way::Redirect("http://127.0.0.1:1/"));
        receiver.answers("/gone", Way::Status(410));
        receiver.answers("/endless", Way::Endless);
        for (path, outcome, status) in [
            ("/well", "delivered", json!(204)),
            ("/refuses", "refused", json!(403)),
            ("/moved", "redirected", json!(302)),
            ("/gone", "gone", json!(410)),
            ("/endless", "delivered", json!(200)),
        ] {
            let made = webhook(&s, &receiver.at(path)).await;
            let id = text(&made, "id");
            let came = s.post(&format!("/v1/channels/{id}/test"), json!({})).await.expect(200);
            assert_eq!((&came["outcome"], &came["status"]), (&json!(outcome), &status), "{came}");
            assert!(came["excerpt"].as_str().unwrap().len() <= 20 << 10);
            assert_eq!(receiver.came_to(path)[0].id(), text(&came, "message_id"));
            assert_eq!(receiver.came_to(path)[0].json()["type"], "channel.test");
        }
        let nobody = webhook(&s, "http://127.0.0.1:1/").await;
        let path = format!("/v1/channels/{}/test", text(&nobody, "id"));
        assert_eq!(s.post(&path, json!({})).await.expect(200)["outcome"], "unreachable");
    }

    pub(super) async fn nothing_private_is_reached(engine: Engine) {
        let s = Server::start(engine).await;
        let receiver = Receiver::start();
        let port = receiver.url.rsplit(':').next().unwrap();
        for url in [
            receiver.url.clone(),
            format!("http://0x7f000001:{port}/"),
            format!("http://0177.0.0.1:{port}/"),
            format!("http://2130706433:{port}/"),
            format!("http://127.1:{port}/"),
            format!("http://[::ffff:127.0.0.1]:{port}/"),
            format!("http://[::1]:{port}/"),
            "http://169.254.169.254/latest/meta-data/".to_owned(),
            "http://10.0.0.1/".to_owned(),
            "http://[fd00::1]/".to_owned(),
            "file:///etc/passwd".to_owned(),
            "http://user:password@example.com/".to_owned(),
            "http://example.com:22/".to_owned(),
        ] {
            let body = json!({"name": "hook", "kind": "webhook", "config": {"url": url}});
            let refused = s.post("/v1/channels", body).await.problem(400, "validation_failed");
            assert_eq!(refused["errors"][0]["path"], "/config/url", "{url}");
        }
        // A name is known to be one of this machine when it is looked up.
        let made = webhook(&s, &format!("http://localhost:{port}/")).await;
        let path = format!("/v1/channels/{}/test", text(&made, "id"));
        let came = s.post(&path, json!({})).await.expect(200);
        assert_eq!(came["outcome"], "blocked", "{came}");
        assert!(receiver.came().is_empty());
    }

    pub(super) async fn what_is_not_right_is_named(engine: Engine) {
        let s = start(engine).await;
        let url = "https://example.com/";
        for (body, path) in [
            (json!({"name": "a", "config": {}}), "/kind"),
            (json!({"name": "a", "kind": "webhok", "config": {}}), "/kind"),
            (json!({"name": "a", "kind": "webhook"}), "/config"),
            (json!({"name": "a", "kind": "webhook", "config": []}), "/config"),
            (json!({"name": "a", "kind": "webhook", "config": {}}), "/config/url"),
            (json!({"name": "a", "kind": "webhook", "config": {"url": 1}}), "/config/url"),
            (json!({"name": "", "kind": "webhook", "config": {"url": url}}), "/name"),
            (json!({"name": "a", "kind": "webhook", "config": {"url": url, "x": 1}}), "/config/x"),
            (json!({"name": "a", "kind": "webhook", "config": {"url": url}, "y": 1}), "/y"),
            (
                json!({"name": "a", "kind": "webhook",
                    "config": {"url": url, "headers": {"x": "a\r\nhost: b"}}}),
                "/config/headers/x",
            ),
            (
                json!({"name": "a", "kind": "webhook",
                    "config": {"url": url, "headers": {"Host": "b"}}}),
                "/config/headers/Host",
            ),
            (
                json!({"name": "a", "kind": "webhook", "config": {"url": url, "signatures": []}}),
                "/config/signatures",
            ),
        ] {
            let refused = s.post("/v1/channels", body).await.problem(400, "validation_failed");
            assert_eq!(refused["errors"][0]["path"], path, "{refused}");
        }
        let long = json!({"url": format!("https://example.com/{}", "a".repeat(20_000))});
        let body = json!({"name": "a", "kind": "webhook", "config": long});
        s.post("/v1/channels", body).await.problem(400, "validation_failed");
        let made = webhook(&s, url).await;
        let path = format!("/v1/channels/{}", text(&made, "id"));
        patch(&s, &path, json!({"state": "gone"})).await.problem(400, "validation_failed");
        patch(&s, &path, json!({"config": {}})).await.problem(400, "validation_failed");
        s.get("/v1/channels?limit=0").await.problem(400, "validation_failed");
        s.get("/v1/channels?cursor=x").await.problem(400, "validation_failed");
        s.get("/v1/deliveries?state=lost").await.problem(400, "validation_failed");
        s.get("/v1/channels/%00").await.problem(400, "bad_request");
        s.get("/v1/deliveries?channel=%00").await.problem(400, "validation_failed");
    }
}
