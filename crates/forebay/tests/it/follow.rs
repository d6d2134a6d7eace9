//! Records as they come, by SSE and WebSocket.

use crate::support::both;

both! { a_subscriber_resumes_where_it_was  a_snapshot_ends  a_websocket_gets_the_same  stopping_ends_a_subscription }

mod scenario {
    use futures_util::StreamExt;
    use serde_json::{Value, json};

    use crate::events::Events;
    use crate::support::{Engine, KEY, Server, orders};

    const RECORDS: &str = "/v1/streams/orders/records";

    pub(super) async fn a_subscriber_resumes_where_it_was(engine: Engine) {
        let s = Server::start(engine).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        s.post(RECORDS, json!([{"n": 1}, {"n": 2}])).await.expect(200);
        let mut live = Events::open(&s, "orders", "", None).await;
        let mut events = Events::open(&s, "orders", "?after=0", None).await;
        for n in 1..=2 {
            let (name, id, data) = events.next().await.unwrap();
            assert_eq!((name.as_str(), id), ("create", format!("1-{n}")));
            assert_eq!(data["record"]["data"]["n"], n);
        }
        s.post(RECORDS, json!({"n": 3})).await.expect(200);
        assert_eq!(events.next().await.unwrap().1, "1-3");
        assert_eq!(live.next().await.unwrap().1, "1-3");
        drop(events);
        let mut resumed = Events::open(&s, "orders", "", Some("1-2")).await;
        assert_eq!(resumed.next().await.unwrap().1, "1-3");
        s.delete("/v1/streams/orders").await.expect(204);
        s.put("/v1/streams/orders", orders()).await.expect(201);
        s.post(RECORDS, json!({"n": 9})).await.expect(200);
        let mut resumed = Events::open(&s, "orders", "", Some("1-3")).await;
        assert_eq!(resumed.next().await.unwrap().0, "gap");
        assert_eq!(resumed.next().await.unwrap().1, "2-1");
    }

    pub(super) async fn a_snapshot_ends(engine: Engine) {
        let s = Server::start(engine).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        s.post(RECORDS, json!([{"n": 1}, {"n": 2}])).await.expect(200);
        let mut events = Events::open(&s, "orders", "?snapshot=true", None).await;
        let mut names = Vec::new();
        for _ in 0..3 {
            names.push(events.next().await.unwrap().0);
        }
        assert_eq!(names, ["snapshot", "snapshot", "snapshot_end"]);
        s.post(RECORDS, json!({"n": 3})).await.expect(200);
        assert_eq!(events.next().await.unwrap().0, "create");
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
        let mut events = Events::open(&s, "orders", "", None).await;
        assert_eq!(s.stop(), Some(0));
        assert!(events.next().await.is_none());
    }
}
