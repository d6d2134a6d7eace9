//! Subscribers that drop out and come back, wherever they were.

use crate::support::both;

both! {
    who_drops_out_before_the_first_record_misses_none
    a_snapshot_that_broke_off_is_sent_again
    places_that_are_none_are_refused_by_their_name
}

mod scenario {
    use reqwest::Method;
    use serde_json::json;

    use crate::events::{Events, Socket};
    use crate::support::{Engine, KEY, Server, answer, orders};

    const RECORDS: &str = "/v1/streams/orders/records";
    const SUBSCRIBE: &str = "/v1/streams/orders/subscribe";

    async fn start(engine: Engine) -> Server {
        let s = Server::start(engine).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        s.post(RECORDS, json!([{"n": 1}, {"n": 2}])).await.expect(200);
        s
    }

    pub(super) async fn who_drops_out_before_the_first_record_misses_none(engine: Engine) {
        let s = start(engine).await;
        let mut events = Events::open(&s, "orders", "", None).await;
        let (name, id, _) = events.heard().await.unwrap();
        assert_eq!((name.as_str(), id.as_str()), ("heartbeat", "1-2"));
        drop(events);
        let mut socket = Socket::open_at(&s, KEY, SUBSCRIBE).await;
        let told = socket.heard().await;
        assert_eq!((&told["event"], &told["id"]), (&json!("heartbeat"), &json!("1-2")));
        let mut many = Socket::open(&s, KEY).await;
        many.send(json!({"type": "subscribe", "uid": "a", "stream": "orders"})).await;
        let told = many.heard().await;
        assert_eq!((&told["uid"], &told["id"]), (&json!("a"), &json!("1-2")));
        s.post(RECORDS, json!([{"n": 3}, {"n": 4}])).await.expect(200);
        let mut resumed = Events::open(&s, "orders", "", Some(&id)).await;
        assert_eq!(resumed.heard().await.unwrap().1, "1-3");
        assert_eq!(resumed.heard().await.unwrap().1, "1-4");
    }

    pub(super) async fn a_snapshot_that_broke_off_is_sent_again(engine: Engine) {
        let s = start(engine).await;
        let mut events = Events::open(&s, "orders", "?snapshot=true", None).await;
        // As a browser does it: the last id that was heard, if there was one.
        let mut last = None;
        let mut names = Vec::new();
        let note = |(name, id, _): (String, String, _), last: &mut Option<String>| {
            if !id.is_empty() {
                *last = Some(id);
            }
            name
        };
        names.push(note(events.heard().await.unwrap(), &mut last));
        assert_eq!(last, None);
        drop(events);
        let mut events = Events::open(&s, "orders", "?snapshot=true", None).await;
        for _ in 0..3 {
            names.push(note(events.heard().await.unwrap(), &mut last));
        }
        assert_eq!(names, ["snapshot", "snapshot", "snapshot", "snapshot_end"]);
        assert_eq!(last.as_deref(), Some("1-2"));
        drop(events);
        // The snapshot is over, whatever the address still says.
        s.post(RECORDS, json!({"n": 3})).await.expect(200);
        let mut events = Events::open(&s, "orders", "?snapshot=true", last.as_deref()).await;
        let (name, id, _) = events.heard().await.unwrap();
        assert_eq!((name.as_str(), id.as_str()), ("create", "1-3"));
        let mut socket = Socket::open_at(&s, KEY, &format!("{SUBSCRIBE}?snapshot=true")).await;
        for id in [json!(null), json!(null), json!(null), json!("1-3")] {
            assert_eq!(socket.heard().await["id"], id);
        }
    }

    pub(super) async fn places_that_are_none_are_refused_by_their_name(engine: Engine) {
        let s = start(engine).await;
        for wrong in ["x", "1-", "-1", "1-x", "+1", "1-2-3"] {
            let request = s.request(Method::GET, &format!("{SUBSCRIBE}?after=0"));
            let told = answer(request.header("last-event-id", wrong)).await;
            let told = told.problem(400, "validation_failed");
            assert_eq!(told["errors"][0]["path"], "Last-Event-ID", "{wrong}");
            let told = answer(s.request(Method::GET, SUBSCRIBE).query(&[("after", wrong)])).await;
            let told = told.problem(400, "validation_failed");
            assert_eq!(told["errors"][0]["path"], "?after", "{wrong}");
        }
        let request = s.request(Method::GET, SUBSCRIBE).header("last-event-id", &b"\xff"[..]);
        let told = answer(request).await.problem(400, "validation_failed");
        assert_eq!(told["errors"][0]["path"], "Last-Event-ID");
        let told = s.get(&format!("{SUBSCRIBE}?after=0&snapshot=true")).await;
        assert_eq!(told.problem(400, "validation_failed")["errors"][0]["path"], "?snapshot");
        let mut many = Socket::open(&s, KEY).await;
        let command = json!({"type": "subscribe", "uid": "a", "stream": "orders",
            "after": 1, "snapshot": true});
        many.send(command).await;
        assert_eq!(many.heard().await["data"]["errors"][0]["path"], "/snapshot");
    }
}
