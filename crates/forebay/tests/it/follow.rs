//! Records as they come, by SSE and WebSocket.

use crate::support::both;

both! {
    a_subscriber_resumes_where_it_was
    a_snapshot_ends
    a_filter_narrows_what_is_told
    a_websocket_gets_the_same
    stopping_ends_a_subscription
}

mod scenario {
    use futures_util::StreamExt;
    use reqwest::Method;
    use serde_json::{Value, json};

    use crate::support::{Engine, KEY, Server, orders};

    const RECORDS: &str = "/v1/streams/orders/records";

    struct Events {
        response: reqwest::Response,
        text: String,
    }

    impl Events {
        async fn open(s: &Server, query: &str, last: Option<&str>) -> Events {
            let path = format!("/v1/streams/orders/subscribe{query}");
            let mut request = s.request(Method::GET, &path);
            if let Some(last) = last {
                request = request.header("last-event-id", last);
            }
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(response.headers()["content-type"], "text/event-stream");
            Events { response, text: String::new() }
        }

        /// The next event: name, id, data. `None` when the server ended the stream.
        async fn next(&mut self) -> Option<(String, String, Value)> {
            loop {
                if let Some((event, rest)) = self.text.split_once("\n\n") {
                    let part = |name: &str| {
                        let line = event.lines().find_map(|l| l.strip_prefix(name));
                        line.unwrap_or_default().to_owned()
                    };
                    let data = serde_json::from_str(&part("data: ")).unwrap();
                    let found = (part("event: "), part("id: "), data);
                    self.text = rest.to_owned();
                    return Some(found);
                }
                let chunk = self.response.chunk().await.unwrap()?;
                self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        }
    }

    pub(super) async fn a_subscriber_resumes_where_it_was(engine: Engine) {
        let s = Server::start(engine).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        s.post(RECORDS, json!([{"n": 1}, {"n": 2}])).await.expect(200);
        let mut live = Events::open(&s, "", None).await;
        let mut events = Events::open(&s, "?after=0", None).await;
        for n in 1..=2 {
            let (name, id, data) = events.next().await.unwrap();
            assert_eq!((name.as_str(), id), ("create", format!("1-{n}")));
            assert_eq!(data["record"]["data"]["n"], n);
        }
        s.post(RECORDS, json!({"n": 3})).await.expect(200);
        assert_eq!(events.next().await.unwrap().1, "1-3");
        assert_eq!(live.next().await.unwrap().1, "1-3");
        drop(events);
        let mut resumed = Events::open(&s, "", Some("1-2")).await;
        assert_eq!(resumed.next().await.unwrap().1, "1-3");
        s.delete("/v1/streams/orders").await.expect(204);
        s.put("/v1/streams/orders", orders()).await.expect(201);
        s.post(RECORDS, json!({"n": 9})).await.expect(200);
        let mut resumed = Events::open(&s, "", Some("1-3")).await;
        assert_eq!(resumed.next().await.unwrap().0, "gap");
        assert_eq!(resumed.next().await.unwrap().1, "2-1");
    }

    pub(super) async fn a_snapshot_ends(engine: Engine) {
        let s = Server::start(engine).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        s.post(RECORDS, json!([{"n": 1}, {"n": 2}])).await.expect(200);
        let mut events = Events::open(&s, "?snapshot=true", None).await;
        let mut names = Vec::new();
        for _ in 0..3 {
            names.push(events.next().await.unwrap().0);
        }
        assert_eq!(names, ["snapshot", "snapshot", "snapshot_end"]);
        s.post(RECORDS, json!({"n": 3})).await.expect(200);
        assert_eq!(events.next().await.unwrap().0, "create");
    }

    pub(super) async fn a_filter_narrows_what_is_told(engine: Engine) {
        let s = Server::start(engine).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        s.post(RECORDS, json!([{"n": 1}, {"n": 2, "owner": "a"}, {"n": 3}])).await.expect(200);
        let filter = "?filter=data.n%20%25%202%20==%201%20%26%26%20!has(data.owner)";
        let mut old = Events::open(&s, &format!("{filter}&after=0"), None).await;
        let mut live = Events::open(&s, filter, None).await;
        let mut shot = Events::open(&s, &format!("{filter}&snapshot=true"), None).await;
        assert_eq!(old.next().await.unwrap().1, "1-1");
        assert_eq!(old.next().await.unwrap().1, "1-3");
        for id in ["1-1", "1-3"] {
            let (name, at, _) = shot.next().await.unwrap();
            assert_eq!((name.as_str(), at.as_str()), ("snapshot", id));
        }
        assert_eq!(shot.next().await.unwrap().0, "snapshot_end");
        s.post(RECORDS, json!([{"n": 4}, {"n": 5, "owner": "b"}, {"n": 7}])).await.expect(200);
        for events in [&mut old, &mut live, &mut shot] {
            assert_eq!(events.next().await.unwrap().1, "1-6");
        }
        let wrong = s.get("/v1/streams/orders/subscribe?filter=data.m==1").await;
        let wrong = wrong.problem(400, "filter_invalid");
        assert_eq!(wrong["errors"][0]["path"], "?filter");
        assert_eq!(
            (&wrong["errors"][0]["column"], &wrong["errors"][0]["length"]),
            (&json!(6), &json!(1))
        );
    }

    pub(super) async fn a_websocket_gets_the_same(engine: Engine) {
        let s = Server::start(engine).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        s.post(RECORDS, json!({"n": 1})).await.expect(200);
        let url = format!("ws://{}/v1/streams/orders/subscribe?after=0", s.address);
        let mut request =
            tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(url)
                .unwrap();
        request.headers_mut().insert("x-api-key", KEY.parse().unwrap());
        let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        for n in 1..=2 {
            let frame = socket.next().await.unwrap().unwrap().into_text().unwrap();
            let event: Value = serde_json::from_str(frame.as_str()).unwrap();
            assert_eq!(
                (&event["event"], &event["id"]),
                (&json!("create"), &json!(format!("1-{n}")))
            );
            assert_eq!(event["data"]["record"]["data"]["n"], n);
            s.post(RECORDS, json!({"n": n + 1})).await.expect(200);
        }
    }

    pub(super) async fn stopping_ends_a_subscription(engine: Engine) {
        let mut s = Server::start(engine).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        let mut events = Events::open(&s, "", None).await;
        assert_eq!(s.stop(), Some(0));
        assert!(events.next().await.is_none());
    }
}
