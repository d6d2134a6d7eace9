//! Deliveries: each arrives signed, failures are tried again, and nobody waits for others.

use std::process::Output;

use aws_lc_rs::{hmac, signature};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::Method;
use serde_json::{Value, json};

use super::posts::post;
use super::receiver::{Came, Way};
use super::{Receiver, all, start, text, until, webhook};
use crate::audit::events;
use crate::support::{Engine, KEY, Server, answer, both, forebay};

both! {
    each_message_arrives_signed
    a_failure_waits_and_is_replayed
    whoever_is_dead_or_slow_delays_nobody
    the_command_line_does_it_too
    a_stopping_process_writes_down_what_came_back
}

/// Each takes what no other has: nothing is sent twice.
#[tokio::test]
async fn several_processes_share_the_work() {
    let one = start(Engine::Postgres).await;
    let other = Server::start_on(one.database.clone(), &[super::LOCAL]);
    let receiver = Receiver::start();
    let mut channels = Vec::new();
    for n in 0..6 {
        channels.push(text(&webhook(&one, &receiver.at(&format!("/{n}"))).await, "id"));
    }
    for round in 0..5 {
        let ids: Vec<String> = (0..40).map(|n| format!("r{round}-{n}")).collect();
        post(&one, &ids, &channels).await;
        let wanted =
            |items: &[Value]| items.len() == 200 * (round + 1) / 5 && all("delivered")(items);
        for id in &channels {
            until(&one, &format!("&channel={id}"), wanted).await;
        }
    }
    assert_eq!(receiver.came().len(), 5 * 40 * 6);
    let mut worked = 0;
    for server in [&one, &other] {
        let metrics =
            answer(crate::support::client().get(format!("http://{}/metrics", server.admin)));
        let metrics = metrics.await.text;
        let line = "forebay_deliveries_total{channel=\"webhook\",outcome=\"delivered\"}";
        worked += usize::from(metrics.contains(line));
    }
    assert_eq!(worked, 2, "both have sent something");
}

fn ids(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("m{n:04}")).collect()
}

/// The content that is signed, and the signatures of a version.
fn signed(came: &Came, version: &str) -> (String, Vec<Vec<u8>>) {
    let content = format!("{}.{}.{}", came.id(), came.headers["webhook-timestamp"], came.body);
    let all = came.headers["webhook-signature"].split(' ');
    let all = all.filter_map(|one| one.strip_prefix(&format!("{version},")));
    (content, all.map(|one| BASE64.decode(one).unwrap()).collect())
}

fn is_good(came: &Came, secret: &str) -> bool {
    let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let (content, tags) = signed(came, "v1");
    tags.iter().any(|tag| hmac::verify(&key, content.as_bytes(), tag).is_ok())
}

/// Runs a command; what it has said where it succeeded, and what is wrong where it did not.
fn command(s: &Server, arguments: &[&str]) -> Output {
    let mut command = forebay();
    command.args(arguments).env("FOREBAY_URL", format!("http://{}", s.address));
    command.env("API_KEY", KEY).output().unwrap()
}

fn told(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

mod scenario {
    use super::*;

    pub(super) async fn each_message_arrives_signed(engine: Engine) {
        let s = start(engine).await;
        let receiver = Receiver::start();
        let config = json!({"url": receiver.at("/both"), "signatures": ["v1", "v1a"]});
        let body = json!({"name": "both", "kind": "webhook", "config": config});
        let made = s.post("/v1/channels", body).await.expect(201);
        let id = text(&made, "id");
        post(&s, &ids(3), std::slice::from_ref(&id)).await;
        let came = receiver.until(|came| came.len() == 3);
        let key = BASE64.decode(text(&made, "public_key").trim_start_matches("whpk_")).unwrap();
        let key = signature::UnparsedPublicKey::new(&signature::ED25519, key);
        for came in &came {
            assert!(is_good(came, &text(&made, "secret")));
            let (content, signatures) = signed(came, "v1a");
            key.verify(content.as_bytes(), &signatures[0]).unwrap();
            assert_eq!(came.headers["content-type"], "application/json");
            let body = came.json();
            assert_eq!(body["type"], "record.matched");
            assert_eq!(body["timestamp"], "1970-01-01T00:00:00.000001Z");
            assert_eq!(body["data"]["id"], came.id());
        }
        // The old secret and the new one are both good.
        let path = format!("/v1/channels/{id}/rotate");
        let renewed = s.post(&path, json!({})).await.expect(200);
        post(&s, &["after".to_owned()], std::slice::from_ref(&id)).await;
        let came = receiver.until(|came| came.len() == 4);
        for secret in [text(&made, "secret"), text(&renewed, "secret")] {
            assert!(is_good(&came[3], &secret));
        }
        assert!(!is_good(&came[0], &text(&renewed, "secret")));
        let items = until(&s, &format!("&channel={id}"), all("delivered")).await;
        assert_eq!(items.len(), 4);
        for item in &items {
            let path = format!("/v1/deliveries/{}", text(item, "id"));
            assert_eq!(s.get(&path).await.expect(200)["notification"], item["notification"]);
            let tries = s.get(&format!("{path}/attempts")).await.expect(200);
            let one = &tries["items"][0];
            assert_eq!((&one["outcome"], &one["status"]), (&json!("delivered"), &json!(204)));
        }
        let page = s.get("/v1/deliveries?limit=3").await.expect(200);
        let next = text(&page, "next_cursor");
        let page = s.get(&format!("/v1/deliveries?limit=3&cursor={next}")).await.expect(200);
        assert_eq!(page["items"].as_array().unwrap().len(), 1);
        s.get("/v1/deliveries/none").await.problem(404, "not_found");
    }

    pub(super) async fn a_failure_waits_and_is_replayed(engine: Engine) {
        let s = start(engine).await;
        let receiver = Receiver::start();
        receiver.answers("/gone", Way::Status(410));
        receiver.answers("/busy", Way::Status(500));
        let gone = text(&webhook(&s, &receiver.at("/gone")).await, "id");
        let busy = text(&webhook(&s, &receiver.at("/busy")).await, "id");
        post(&s, &ids(2), &[gone.clone(), busy.clone()]).await;
        let of_busy = |items: &[Value]| items.len() == 2 && items.iter().all(|d| d["tries"] == 1);
        let waits = until(&s, &format!("&state=waiting&channel={busy}"), of_busy).await;
        assert!(waits.iter().all(|item| item["next_try_at"].is_string()));
        let path = format!("/v1/deliveries/{}/attempts", text(&waits[0], "id"));
        assert_eq!(s.get(&path).await.expect(200)["items"][0]["outcome"], "failed");
        let failed = |items: &[Value]| !items.is_empty();
        let failed = until(&s, &format!("&state=failed&channel={gone}"), failed).await;
        let path = format!("/v1/channels/{gone}");
        assert_eq!(s.get(&path).await.expect(200)["state"], "gone");
        // Both may have been on their way; whatever waits is sent when the channel is switched on.
        receiver.answers("/gone", Way::Status(204));
        let on = s.request(Method::PATCH, &path).json(&json!({"state": "active"}));
        answer(on).await.expect(200);
        let wanted: Vec<String> = failed.iter().map(|item| text(item, "id")).collect();
        let body = json!({"ids": wanted});
        let replayed = s.post("/v1/deliveries/replay", body.clone()).await.expect(200);
        assert_eq!(replayed, json!({"replayed": wanted.len(), "more": false}));
        until(&s, &format!("&channel={gone}"), all("delivered")).await;
        let body_of = |rule: &str| json!({"state": "delivered", "rule": rule});
        let none = s.post("/v1/deliveries/replay", body_of("none")).await.expect(200);
        assert_eq!(none["replayed"], 0);
        let again = json!({"state": "delivered", "channel": gone});
        // The test's messages are written as of far in the future; a replay reaches up to now.
        assert_eq!(s.post("/v1/deliveries/replay", again).await.expect(200)["replayed"], 0);
        for (body, path) in [
            (json!({"ids": ["x"], "state": "failed"}), "/ids"),
            (json!({"state": "waiting"}), "/state"),
            (json!({"from": "yesterday"}), "/from"),
            (json!({"ids": vec!["x"; 1001]}), "/ids"),
            (json!({"bogus": 1}), "/bogus"),
        ] {
            let refused = s.post("/v1/deliveries/replay", body).await;
            let refused = refused.problem(400, "validation_failed");
            assert_eq!(refused["errors"][0]["path"], path);
        }
        let missing = json!({"ids": ["none"]});
        s.post("/v1/deliveries/replay", missing).await.problem(404, "not_found");
        assert!(!events(&s, "delivery.replay", 3).await.is_empty());
    }

    pub(super) async fn whoever_is_dead_or_slow_delays_nobody(engine: Engine) {
        let s = start(engine).await;
        let receiver = Receiver::start();
        receiver.answers("/slow", Way::Never);
        receiver.answers("/failing", Way::Status(500));
        let mut channels = vec![text(&webhook(&s, "http://127.0.0.1:1/").await, "id")];
        for path in ["/slow", "/failing"] {
            channels.push(text(&webhook(&s, &receiver.at(path)).await, "id"));
        }
        let well: Vec<String> = (0..10).map(|n| format!("/well{n}")).collect();
        for path in &well {
            channels.push(text(&webhook(&s, &receiver.at(path)).await, "id"));
        }
        let ids = ids(200);
        post(&s, &ids, &channels).await;
        // The slow one answers nothing while all of this goes on.
        receiver.until(|came| {
            let here = |path: &String| came.iter().filter(|c| c.path == *path).count() >= ids.len();
            well.iter().all(here)
        });
        assert!(receiver.came_to("/slow").len() <= 8);
        assert!(receiver.came_to("/failing").len() < 40);
        for (path, id) in well.iter().zip(&channels[3..]) {
            let items = until(&s, &format!("&channel={id}"), all("delivered")).await;
            assert_eq!((items.len(), receiver.came_to(path).len()), (200, 200));
        }
    }

    pub(super) async fn the_command_line_does_it_too(engine: Engine) {
        let s = start(engine).await;
        let receiver = Receiver::start();
        let url = receiver.at("/cli");
        let made = told(&command(&s, &["channels", "create", "mine", "--to", &url]));
        let (id, secret) = made.trim().split_once('\n').unwrap();
        assert!(secret.starts_with("whsec_"));
        assert!(told(&command(&s, &["channels", "test", id])).starts_with("delivered, status 204"));
        assert!(is_good(&receiver.came()[0], secret));
        assert!(told(&command(&s, &["channels", "list"])).contains(&url));
        let renewed = told(&command(&s, &["channels", "rotate", id]));
        assert!(!renewed.contains(secret) && renewed.contains("whsec_"));
        receiver.answers("/cli", Way::Status(410));
        let refused = command(&s, &["channels", "test", id]);
        assert!(!refused.status.success());
        assert!(String::from_utf8_lossy(&refused.stderr).contains("gone, status 410"));
        post(&s, &ids(1), &[id.to_owned()]).await;
        let items = until(&s, "", all("failed")).await;
        let delivery = text(&items[0], "id");
        let listed = told(&command(&s, &["deliveries", "list", "--state", "failed"]));
        assert!(listed.contains(&delivery), "{listed}");
        assert!(told(&command(&s, &["deliveries", "attempts", &delivery])).contains("gone"));
        receiver.answers("/cli", Way::Status(200));
        told(&command(&s, &["channels", "switch", id, "on"]));
        let replayed = told(&command(&s, &["deliveries", "replay", &delivery]));
        assert_eq!(replayed.trim(), "1 in line again");
        until(&s, "", all("delivered")).await;
        told(&command(&s, &["channels", "delete", id]));
        assert!(!command(&s, &["channels", "test", id]).status.success());
    }

    pub(super) async fn a_stopping_process_writes_down_what_came_back(engine: Engine) {
        let mut s = start(engine).await;
        let receiver = Receiver::start();
        let id = text(&webhook(&s, &receiver.at("/")).await, "id");
        post(&s, &ids(300), &[id]).await;
        receiver.until(|came| came.len() >= 50);
        assert_eq!(s.stop(), Some(0));
        s.restart_with(&[super::super::LOCAL]);
        let items = until(&s, "", all("delivered")).await;
        assert_eq!(items.len(), 300);
        // Nothing was cut off, so nothing came twice.
        assert_eq!(receiver.came().len(), 300);
    }
}
