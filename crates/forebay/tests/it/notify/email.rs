//! The channel `email`: what arrives, what is refused, and how a reader ends it.

use forebay_testkit::MailServer;
use serde_json::{Value, json};

use super::mail::{Post, header, start};
use super::{LOCAL, all, text, until};
use crate::support::{Engine, Server, answer, both};

both! {
    a_message_arrives_and_its_reader_ends_it
    what_is_refused_for_now_comes_again_as_the_same
    a_record_ends_no_header
    a_server_of_one_s_own_is_spoken_to_by_tls
}

/// A notification to a channel, as a rule's transaction writes it.
async fn notify(s: &Server, id: &str, channel: &str, data: &Value) {
    let data = data.to_string().replace('\'', "''");
    s.alter(&format!(
        "INSERT INTO notification (id, type, rule, category, time, data, created_at) VALUES \
         ('{id}', 'alert.firing', '', 'alert', 1700000000000000, '{data}', 4000000000000000); \
         INSERT INTO delivery (id, notification, channel, address, rule, data, state, due_at, tries, \
         tries_now, holder, held_until, fence, created_at, done_at) VALUES \
         ('{id}-d', '{id}', '{channel}', '', '', '', 0, 1, 0, 0, '', 0, 0, 4000000000000000, 0);"
    ))
    .await;
}

async fn channel(p: &Post, to: &str) -> String {
    let body = json!({"name": "mail", "kind": "email", "config": {"to": to}});
    text(&p.s.post("/v1/channels", body).await.expect(201), "id")
}

fn alert() -> Value {
    json!({"rule_id": "r1", "rule": "Größe <b>", "state": "firing", "value": 91.5,
        "group": {"data.host": "web-1"}, "started_at": "2026-01-02T03:04:05Z"})
}

mod scenario {
    use super::*;

    pub(super) async fn a_message_arrives_and_its_reader_ends_it(engine: Engine) {
        let p = start(engine, &[]).await;
        let s = &p.s;
        let id = channel(&p, "ops@example.com").await;
        notify(s, "n1", &id, &alert()).await;
        let letter = p.letter("ops@example.com", "Firing: Größe <b> web-1");
        assert_eq!(letter["from"], "forebay@example.com");
        assert_eq!(header(&letter, "from"), ["Förebay <forebay@example.com>"]);
        let (plain, html) = (letter["text"].as_str().unwrap(), letter["html"].as_str().unwrap());
        assert!(plain.contains("Größe <b> fires at 91.5") && plain.contains("data.host: web-1"));
        assert!(html.contains("Größe &lt;b&gt;") && !html.contains("<b>"), "{html}");
        assert_eq!(header(&letter, "list-unsubscribe-post"), ["List-Unsubscribe=One-Click"]);
        assert_eq!(header(&letter, "auto-submitted"), ["auto-generated"]);
        let link = header(&letter, "list-unsubscribe")[0].trim_matches(['<', '>', ' ']).to_owned();
        let (_, path) = link.split_once("/v1/").unwrap();
        let path = format!("/v1/{path}");
        // What a scanner fetches changes nothing.
        let asked = answer(s.bare(reqwest::Method::GET, &path)).await;
        assert!(asked.expect_page().contains("<form method=post>"));
        notify(s, "n2", &id, &alert()).await;
        until(s, &format!("&channel={id}"), |items| items.len() == 2 && all("delivered")(items))
            .await;
        let one_click = |path: String| {
            let request = s.bare(reqwest::Method::POST, &path);
            let kind = "application/x-www-form-urlencoded";
            answer(request.header("content-type", kind).body("List-Unsubscribe=One-Click"))
        };
        assert!(one_click(path.clone()).await.expect_page().contains("Done"));
        one_click(path.clone()).await.expect_page();
        one_click("/v1/unsubscribe?token=x".to_owned()).await.problem(404, "not_found");
        one_click(format!("{path}x")).await.problem(404, "not_found");
        notify(s, "n3", &id, &alert()).await;
        let query = format!("&channel={id}");
        let ended = until(s, &query, |items| {
            items.len() == 3 && items.iter().any(|item| item["state"] == "failed")
        });
        ended.await;
        let tries = s.get("/v1/deliveries/n3-d/attempts").await.expect(200);
        assert_eq!(tries["items"][0]["outcome"], "unsubscribed");
        assert_eq!(p.letters().len(), 2);
    }

    pub(super) async fn what_is_refused_for_now_comes_again_as_the_same(engine: Engine) {
        let p = start(engine, &[]).await;
        let s = &p.s;
        let (later, never) =
            (channel(&p, "later@example.com").await, channel(&p, "never@example.com").await);
        notify(s, "n1", &later, &alert()).await;
        notify(s, "n2", &never, &alert()).await;
        until(s, &format!("&channel={never}"), all("failed")).await;
        let tries = s.get("/v1/deliveries/n2-d/attempts").await.expect(200);
        let first = &tries["items"][0];
        assert_eq!((&first["outcome"], &first["status"]), (&json!("refused"), &json!(550)));
        until(s, &format!("&channel={later}"), |items| {
            items[0]["state"] == "waiting" && items[0]["tries"] == 1
        })
        .await;
        let tries = s.get("/v1/deliveries/n1-d/attempts").await.expect(200);
        let first = &tries["items"][0];
        assert_eq!((&first["outcome"], &first["status"]), (&json!("deferred"), &json!(451)));
        s.alter("UPDATE delivery SET due_at = 1 WHERE state = 0").await;
        until(s, &format!("&channel={later}"), all("delivered")).await;
        let letters = p.letters();
        assert_eq!(letters.iter().map(|l| &l["taken"]).collect::<Vec<_>>(), [false, true]);
        let ids: Vec<_> = letters.iter().map(|letter| header(letter, "message-id")).collect();
        assert_eq!((ids[0].len(), &ids[0]), (1, &ids[1]));
        assert!(ids[0][0].starts_with("<n1.") && ids[0][0].ends_with("@example.com>"), "{ids:?}");
        // Two more: their connection is the same one, and their ids are not.
        notify(s, "n3", &later, &alert()).await;
        notify(s, "n4", &later, &alert()).await;
        until(s, &format!("&channel={later}"), |items| items.len() == 3 && all("delivered")(items))
            .await;
        let ids: std::collections::BTreeSet<String> =
            p.letters().iter().map(|letter| header(letter, "message-id")[0].to_owned()).collect();
        assert_eq!(ids.len(), 3);
    }

    pub(super) async fn a_record_ends_no_header(engine: Engine) {
        let p = start(engine, &[]).await;
        let id = channel(&p, "ops@example.com").await;
        let mut data = alert();
        data["rule"] = json!("x\r\nBcc: evil@example.com\r\n\r\nbody");
        data["group"] = json!({"a": "b\nSubject: other"});
        notify(&p.s, "n1", &id, &data).await;
        let letter =
            p.letter("ops@example.com", "Firing: x Bcc: evil@example.com body b Subject: other");
        assert_eq!(header(&letter, "subject").len(), 1);
        assert!(header(&letter, "bcc").is_empty());
        for to in ["a@b\r\nBcc: x@y", "a@b, c@d", "", "a"] {
            let body = json!({"name": "x", "kind": "email", "config": {"to": to}});
            let refused = p.s.post("/v1/channels", body).await.problem(400, "validation_failed");
            assert_eq!(refused["errors"][0]["path"], "/config/to", "{to:?}");
        }
    }

    pub(super) async fn a_server_of_one_s_own_is_spoken_to_by_tls(engine: Engine) {
        let folder = tempfile::tempdir().unwrap();
        crate::tls::authority(folder.path(), "ours");
        crate::tls::server_certificate(folder.path());
        let file = |name: &str| folder.path().join(name);
        let (certificate, key) = (file("server.crt"), file("server.key"));
        let mail = MailServer::start(Some((&certificate, &key))).unwrap();
        let (port, ca) = (mail.port.to_string(), file("ours.crt").display().to_string());
        let (user, password) = MailServer::LOGIN;
        let environment = [
            ("FOREBAY_NOTIFY__SMTP__HOST", "127.0.0.1"),
            ("FOREBAY_NOTIFY__SMTP__PORT", port.as_str()),
            ("FOREBAY_NOTIFY__SMTP__FROM", "forebay@example.com"),
            ("FOREBAY_NOTIFY__SMTP__USER", user),
            ("FOREBAY_NOTIFY__SMTP__PASSWORD", password),
            ("FOREBAY_NOTIFY__SMTP__CA_FILE", ca.as_str()),
            ("FOREBAY_NOTIFY__SMTP__ALLOW_TO", "example.com"),
            LOCAL,
        ];
        let s = Server::start_with(engine, &environment).await;
        let p = Post { s, mail };
        let id = channel(&p, "ops@example.com").await;
        notify(&p.s, "n1", &id, &alert()).await;
        let letter = p.letter("ops@example.com", "Firing");
        assert_eq!((&letter["tls"], &letter["user"]), (&json!(true), &json!("forebay")));
        let make = |config: Value| {
            p.s.post("/v1/channels", json!({"name": "x", "kind": "email", "config": config}))
        };
        let elsewhere = make(json!({"to": "ops@example.org"})).await;
        assert_eq!(elsewhere.problem(400, "validation_failed")["errors"][0]["path"], "/config/to");
        // A server that a channel names is vouched for by those that all trust: this one is not.
        let own = json!({"to": "a@example.com", "host": "127.0.0.1", "port": p.mail.port,
            "from": "a@example.com", "user": user, "password": password});
        let made = make(own.clone()).await.expect(201);
        assert_eq!((made["config"].get("password"), &made["sealed"]), (None, &json!(["password"])));
        let tested = p.s.post(&format!("/v1/channels/{}/test", text(&made, "id")), json!({})).await;
        let tested = tested.expect(200);
        assert_eq!(tested["outcome"], "unreachable", "{tested}");
        assert!(!tested.to_string().contains(password));
        let mut private = own;
        private["host"] = json!("10.0.0.1");
        let refused = make(private).await.problem(400, "validation_failed");
        assert_eq!(refused["errors"][0]["path"], "/config/host");
        assert_eq!(p.letters().len(), 1);
    }
}

impl crate::support::Answer {
    /// Asserts a page for browsers, and returns it.
    fn expect_page(&self) -> &str {
        assert_eq!(self.status.as_u16(), 200, "{}", self.text);
        assert_eq!(self.headers["content-type"], "text/html; charset=utf-8");
        assert!(self.headers["content-security-policy"].to_str().unwrap().contains("'none'"));
        &self.text
    }
}
