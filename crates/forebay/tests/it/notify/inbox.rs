//! Inboxes: everybody's own, read states, following with resume; and what somebody wants to hear of.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Engine, Server, answer, both, forebay};

both! {
    an_inbox_is_its_owner_s_alone
    who_follows_goes_on_where_they_were
    what_somebody_wants_is_kept
    the_command_line_lists_marks_and_follows
}

/// Items, as a notification's transaction writes them.
async fn tell(s: &Server, account: &str, category: &str, titles: &[&str]) {
    let begin = format!(
        "INSERT INTO inbox_head (account, seq, changes) VALUES ('{account}', 0, 0) \
         ON CONFLICT DO NOTHING;"
    );
    let item = |title: &&str| {
        format!(
            "UPDATE inbox_head SET seq = seq + 1, changes = changes + 1 WHERE account = '{account}'; \
             INSERT INTO inbox (account, seq, notification, category, title, body, link, read_at, \
             created_at) SELECT '{account}', seq, '{title}', '{category}', '{title}', 'body', '/l', 0, \
             4000000000000000 FROM inbox_head WHERE account = '{account}';"
        )
    };
    let items: String = titles.iter().map(item).collect();
    s.alter(&format!("BEGIN; {begin} {items} COMMIT;")).await;
}

fn titles(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["title"].as_str().unwrap()).collect()
}

/// Somebody with an account: its id and a token.
async fn somebody(s: &Server, email: &str) -> (String, String) {
    let made = s.user(email, &["viewer"]).await;
    (made["id"].as_str().unwrap().to_owned(), s.token_of(email).await)
}

/// Follows; events are (name, id, data).
struct Following {
    response: reqwest::Response,
    read: Vec<u8>,
}

impl Following {
    async fn open(s: &Server, token: &str, query: &str, last: Option<&str>) -> Following {
        let path = format!("/v1/inbox/subscribe{query}");
        let mut request = s.request_by(token, Method::GET, &path);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Following { response, read: Vec::new() }
    }

    async fn next(&mut self) -> Option<(String, String, Value)> {
        loop {
            if let Some(end) = self.read.windows(2).position(|two| two == b"\n\n") {
                let event: Vec<u8> = self.read.drain(..end + 2).collect();
                let event = String::from_utf8(event).unwrap();
                let part = |name: &str| {
                    let found = event.lines().find_map(|line| line.strip_prefix(name));
                    found.unwrap_or_default().to_owned()
                };
                let data = serde_json::from_str(&part("data: ")).unwrap();
                return Some((part("event: "), part("id: "), data));
            }
            let chunk = tokio::time::timeout(Duration::from_secs(30), self.response.chunk());
            self.read.extend(chunk.await.expect("nothing is told").unwrap()?);
        }
    }

    /// The next item: its id and title.
    async fn item(&mut self) -> (String, String) {
        loop {
            let (name, id, data) = self.next().await.expect("it goes on");
            if name == "item" {
                assert_eq!(data["id"], id.as_str());
                return (id, data["title"].as_str().unwrap().to_owned());
            }
        }
    }
}

mod scenario {
    use super::*;

    pub(super) async fn an_inbox_is_its_owner_s_alone(engine: Engine) {
        let s = Server::start(engine).await;
        let (bob, bob_s) = somebody(&s, "bob@example.com").await;
        let (eve, eve_s) = somebody(&s, "eve@example.com").await;
        tell(&s, &bob, "alert", &["a", "b", "c"]).await;
        tell(&s, &bob, "event", &["d"]).await;
        tell(&s, &eve, "alert", &["hers"]).await;
        let get = |token: String, query: &'static str| {
            let s = &s;
            async move {
                let path = format!("/v1/inbox{query}");
                answer(s.request_by(&token, Method::GET, &path)).await
            }
        };
        let page = get(bob_s.clone(), "").await.expect(200);
        assert_eq!(titles(&page), ["d", "c", "b", "a"]);
        assert_eq!(page["unread"], json!({"total": 4, "categories": {"alert": 3, "event": 1}}));
        let first = &page["items"][3];
        let expected = json!({"id": "1", "category": "alert", "title": "a", "body": "body",
            "link": "/l", "read": false, "created_at": first["created_at"]});
        assert_eq!(*first, expected);
        assert_eq!(titles(&get(eve_s.clone(), "").await.expect(200)), ["hers"]);
        // An administrator's key has an inbox of its own, and sees no other.
        assert!(titles(&s.get("/v1/inbox").await.expect(200)).is_empty());
        // Nobody marks what is not theirs: each number is one's own.
        s.post_by(&eve_s, "/v1/inbox/3/read", json!({})).await.problem(404, "not_found");
        s.post_by(&bob_s, "/v1/inbox/x/read", json!({})).await.problem(404, "not_found");
        s.post_by(&bob_s, "/v1/inbox/2/read", json!({})).await.expect(204);
        s.post_by(&bob_s, "/v1/inbox/2/read", json!({})).await.expect(204);
        let unread = get(bob_s.clone(), "?unread=true&category=alert").await.expect(200);
        assert_eq!(titles(&unread), ["c", "a"]);
        let page = get(bob_s.clone(), "?limit=3").await.expect(200);
        let cursor = page["next_cursor"].as_str().unwrap();
        let next = s.get_by(&bob_s, "/v1/inbox", &[("cursor", cursor)]).await.expect(200);
        assert_eq!((titles(&next), &next["next_cursor"]), (vec!["a"], &Value::Null));
        let theirs = s.get_by(&eve_s, "/v1/inbox", &[("cursor", cursor)]).await;
        theirs.problem(400, "validation_failed");
        let all = |body: Value| s.post_by(&bob_s, "/v1/inbox/read-all", body);
        assert_eq!(all(json!({"category": "event"})).await.expect(200)["read"], 1);
        assert_eq!(all(json!({})).await.expect(200)["read"], 2);
        let page = get(bob_s, "").await.expect(200);
        assert_eq!(page["unread"], json!({"total": 0, "categories": {}}));
        assert_eq!(get(eve_s, "").await.expect(200)["unread"]["total"], 1);
        for query in ["?unread=x", "?limit=0", "?cursor=x", "?bogus=1"] {
            let refused = answer(s.request(Method::GET, &format!("/v1/inbox{query}"))).await;
            refused.problem(400, "validation_failed");
        }
        // Whoever sees what somebody sees does not see what they are told.
        s.set_up().await;
        let admin = s.token_of(crate::people::ADMIN).await;
        let request = s.request_by(&admin, Method::GET, "/v1/inbox");
        let seen = answer(request.header("forebay-view-as", &bob)).await;
        assert!(seen.status.is_client_error() || titles(&seen.json()).is_empty(), "{}", seen.text);
    }

    pub(super) async fn who_follows_goes_on_where_they_were(engine: Engine) {
        let s = Server::start(engine).await;
        let (bob, token) = somebody(&s, "bob@example.com").await;
        let (eve, _) = somebody(&s, "eve@example.com").await;
        tell(&s, &bob, "alert", &["before"]).await;
        let mut live = Following::open(&s, &token, "", None).await;
        let (name, id, counts) = live.next().await.unwrap();
        assert_eq!((name.as_str(), id.as_str(), &counts["total"]), ("unread", "1", &json!(1)));
        tell(&s, &eve, "alert", &["not his"]).await;
        tell(&s, &bob, "alert", &["two", "three"]).await;
        assert_eq!(live.item().await, ("2".to_owned(), "two".to_owned()));
        assert_eq!(live.item().await.0, "3");
        drop(live);
        tell(&s, &bob, "event", &["four"]).await;
        let mut resumed = Following::open(&s, &token, "", Some("2")).await;
        assert_eq!(resumed.item().await.1, "three");
        assert_eq!(resumed.item().await.1, "four");
        let (name, _, counts) = resumed.next().await.unwrap();
        assert_eq!((name.as_str(), &counts["total"]), ("unread", &json!(4)));
        // What another window reads is counted here.
        s.post_by(&token, "/v1/inbox/read-all", json!({"category": "alert"})).await.expect(200);
        let (name, _, counts) = resumed.next().await.unwrap();
        assert_eq!((name.as_str(), &counts["total"]), ("unread", &json!(1)));
        let mut all = Following::open(&s, &token, "?after=0", None).await;
        assert_eq!(all.item().await.1, "before");
        let refused = s.request_by(&token, Method::GET, "/v1/inbox/subscribe?after=x");
        answer(refused).await.problem(400, "validation_failed");
        // Whoever may not ask any more hears nothing more.
        let disabled = json!({"state": "disabled"});
        answer(s.request(Method::PATCH, &format!("/v1/users/{bob}")).json(&disabled))
            .await
            .expect(200);
        loop {
            match resumed.next().await {
                Some((name, _, data)) if name == "error" => {
                    assert_eq!(data["code"], "access_changed");
                }
                Some((name, ..)) => assert_eq!(name, "heartbeat"),
                None => break,
            }
        }
    }

    pub(super) async fn what_somebody_wants_is_kept(engine: Engine) {
        let s = Server::start(engine).await;
        let (_, bob) = somebody(&s, "bob@example.com").await;
        let (_, eve) = somebody(&s, "eve@example.com").await;
        let path = "/v1/me/preferences";
        let usual = json!({"alert": {"inbox": true, "email": false},
            "event": {"inbox": true, "email": false}});
        assert_eq!(s.get_by(&bob, path, &[]).await.expect(200), usual);
        let change = json!({"alert": {"email": true}, "event": {"inbox": false}});
        let changed = s.patch_by(&bob, path, change).await.expect(200);
        let expected = json!({"alert": {"inbox": true, "email": true},
            "event": {"inbox": false, "email": false}});
        assert_eq!(changed, expected);
        assert_eq!(s.get_by(&bob, path, &[]).await.expect(200), expected);
        assert_eq!(s.get_by(&eve, path, &[]).await.expect(200), usual);
        for (bad, at) in [
            (json!({"account": {"email": false}}), "/account"),
            (json!({"critical": {}}), "/critical"),
            (json!({"alert": {"phone": true}}), "/alert/phone"),
            (json!({"alert": {"email": 1}}), "/alert/email"),
            (json!({"alert": []}), "/alert"),
        ] {
            let refused = s.patch_by(&bob, path, bad).await.problem(400, "validation_failed");
            assert_eq!(refused["errors"][0]["path"], at);
        }
    }

    pub(super) async fn the_command_line_lists_marks_and_follows(engine: Engine) {
        let s = Server::start(engine).await;
        let (bob, token) = somebody(&s, "bob@example.com").await;
        tell(&s, &bob, "alert", &["disk full", "cpu busy"]).await;
        let run = |arguments: &[&str]| {
            let mut command = forebay();
            command.arg("inbox").args(arguments);
            command.env("FOREBAY_URL", format!("http://{}", s.address)).env("FOREBAY_KEY", &token);
            command
        };
        let output = |arguments: &[&str]| {
            let made = run(arguments).output().unwrap();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            String::from_utf8(made.stdout).unwrap()
        };
        let table = output(&["list"]);
        assert!(table.contains("disk full") && table.contains("2 unread"), "{table}");
        output(&["read", "1"]);
        let json: Value = serde_json::from_str(&output(&["list", "--unread", "--json"])).unwrap();
        assert_eq!(json.as_array().unwrap().len(), 1);
        assert!(output(&["read", "--all"]).contains('1'));
        assert!(!run(&["read"]).output().unwrap().status.success());
        assert!(!run(&["read", "77"]).output().unwrap().status.success());
        let mut follow = run(&["follow", "--after", "0", "--json"]);
        let mut child = follow.stdout(std::process::Stdio::piped()).spawn().unwrap();
        let lines = std::io::BufReader::new(child.stdout.take().unwrap());
        let titles: Vec<Value> = std::io::BufRead::lines(lines)
            .take(2)
            .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()["title"].clone())
            .collect();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(titles, ["disk full", "cpu busy"]);
    }
}
