//! Records as they come, by SSE and WebSocket.

use crate::support::both;

both! {
    a_subscriber_resumes_where_it_was
    a_snapshot_ends
    a_filter_narrows_what_is_told
    a_websocket_gets_the_same
    stopping_ends_a_subscription
    ; one process, "its memory, and the pieces in which it sends, are looked at":
    readers_that_are_stuck_cost_little
    readers_that_do_not_read_hold_nobody_up
}

mod scenario {
    use serde_json::{Value, json};

    use crate::events::{Events, Idle, Socket};
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
        let (name, _, told) = live.next().await.unwrap();
        assert_eq!((name.as_str(), &told["code"]), ("error", &json!("not_found")));
        assert!(live.next().await.is_none(), "a stream that is gone is followed by nobody");
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

    pub(super) async fn a_filter_narrows_what_is_told(engine: Engine) {
        let s = Server::start(engine).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        s.post(RECORDS, json!([{"n": 1}, {"n": 2, "owner": "a"}, {"n": 3}])).await.expect(200);
        let filter = "?filter=data.n%20%25%202%20==%201%20%26%26%20!has(data.owner)";
        let mut old = Events::open(&s, "orders", &format!("{filter}&after=0"), None).await;
        let mut live = Events::open(&s, "orders", filter, None).await;
        let mut shot = Events::open(&s, "orders", &format!("{filter}&snapshot=true"), None).await;
        assert_eq!(old.next().await.unwrap().1, "1-1");
        assert_eq!(old.next().await.unwrap().1, "1-3");
        for seq in [1, 3] {
            let (name, at, data) = shot.next().await.unwrap();
            assert_eq!((name.as_str(), at.as_str()), ("snapshot", ""));
            assert_eq!(data["record"]["seq"], seq);
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
        let path = "/v1/streams/orders/subscribe?after=0";
        let mut socket = Socket::open_at(&s, KEY, path).await;
        for n in 1..=2 {
            let event = socket.next().await;
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

    const MIB: u64 = 1 << 20;
    /// Records of a KiB, in requests of 500.
    const RECORDS_SENT: usize = 20_000;
    const READERS: u64 = 20;

    /// Reads all of it after all. An event stands whole in one chunk of the answer.
    async fn catch_up(mut idle: Idle) {
        let mut event = String::new();
        for seq in 1..=RECORDS_SENT {
            let id = loop {
                let line = idle.line().await;
                match line.split_once(": ") {
                    Some(("event", name)) => name.clone_into(&mut event),
                    Some(("id", id)) if event == "create" => break id.to_owned(),
                    _ => {}
                }
            };
            assert_eq!(id, format!("1-{seq}"));
            let data = idle.line().await;
            assert!(data.contains(&format!("\"data\":{{\"n\":{seq},")), "{data}");
        }
    }

    pub(super) async fn readers_that_do_not_read_hold_nobody_up(engine: Engine) {
        let cache = [("FOREBAY_DATABASE__SQLITE__CACHE", "8MiB")];
        let s = Server::start_with(engine, &cache).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        let mut idle = Vec::new();
        for _ in 0..READERS {
            idle.push(Idle::open(&s).await);
        }
        let before = s.peak_memory();
        let mut quick = Events::open(&s, "orders", "?after=0", None).await;
        let pad = "x".repeat(1000);
        for first in (1..=RECORDS_SENT).step_by(500) {
            let records = (first..first + 500).map(|n| json!({"n": n, "pad": pad}));
            let path = format!("{RECORDS}?return=minimal");
            let told = s.post(&path, records.collect()).await.expect(200);
            assert_eq!(told["last_seq"], first + 499);
            // One who reads is up to date all the time.
            for seq in first..first + 500 {
                assert_eq!(quick.next().await.unwrap().1, format!("1-{seq}"));
            }
        }
        // What was sent to nobody yet would be twenty times as much.
        let grown = s.peak_memory() - before;
        assert!(grown < 150 * MIB, "it grew by {} MiB", grown / MIB);
        for reader in idle {
            catch_up(reader).await;
        }
    }

    const STUCK: u64 = 100;

    pub(super) async fn readers_that_are_stuck_cost_little(engine: Engine) {
        let cache = [("FOREBAY_DATABASE__SQLITE__CACHE", "8MiB")];
        let s = Server::start_with(engine, &cache).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        let pad = "x".repeat(8000);
        let records: Value = (0..50).map(|n| json!({"n": n, "pad": pad})).collect();
        let path = format!("{RECORDS}?return=minimal");
        for _ in 0..40 {
            s.post(&path, records.clone()).await.expect(200);
        }
        let before = s.peak_memory();
        let mut stuck = Vec::new();
        for _ in 0..STUCK {
            stuck.push(Idle::open(&s).await);
        }
        // Each is handed what its socket holds, and what is between.
        for _ in 0..10 {
            s.post(&path, records.clone()).await.expect(200);
        }
        let each = (s.peak_memory() - before) / STUCK;
        // A page of 128 KiB as rows and as events while it is made, a queue of 256, what HTTP
        // buffers, and the allocator's share of a peak; all that is there would be 20 MiB.
        assert!(each < MIB, "a reader costs {} KiB", each >> 10);
        drop(stuck);
    }
}
