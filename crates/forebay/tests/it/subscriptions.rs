//! Many subscriptions on one connection, and many on one stream.

use crate::support::both;

both! { a_connection_carries_many_subscriptions  five_thousand_filters_get_what_the_evaluator_says }

mod scenario {
    use std::collections::HashMap;

    use forebay_filter::{Env, Filter, Scope, View};
    use forebay_model::time::Timestamp;
    use futures_util::SinkExt;
    use serde_json::{Value, json};
    use tokio_tungstenite::tungstenite::Message;

    use crate::events::Socket;
    use crate::support::{Engine, KEY, Server, orders};

    const RECORDS: &str = "/v1/streams/orders/records";

    pub(super) async fn a_connection_carries_many_subscriptions(engine: Engine) {
        let s = Server::start(engine).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        s.put("/v1/streams/lines", orders()).await.expect(201);
        s.post(RECORDS, json!([{"n": 1}, {"n": 2}])).await.expect(200);
        let mut socket = Socket::open(&s, KEY).await;
        let subscribe = |uid: &str, stream: &str, more: Value| {
            let mut command = json!({"type": "subscribe", "uid": uid, "stream": stream});
            for (name, value) in more.as_object().unwrap() {
                command[name] = value.clone();
            }
            command
        };
        socket.send(subscribe("a", "orders", json!({"after": 0, "filter": "data.n > 1"}))).await;
        let told = socket.next().await;
        assert_eq!(
            (&told["uid"], &told["event"], &told["id"]),
            (&json!("a"), &json!("create"), &json!("1-2"))
        );
        socket.send(subscribe("b", "lines", json!({"snapshot": true}))).await;
        assert_eq!(socket.next().await["event"], "snapshot_end");
        s.post("/v1/streams/lines/records", json!({"n": 5})).await.expect(200);
        let told = socket.next().await;
        assert_eq!((&told["uid"], &told["data"]["record"]["data"]["n"]), (&json!("b"), &json!(5)));
        for (command, code, path) in [
            (
                subscribe("c", "orders", json!({"filter": "data.m == 1"})),
                "filter_invalid",
                "/filter",
            ),
            (subscribe("c", "none", json!({})), "not_found", ""),
            (subscribe("a", "orders", json!({})), "validation_failed", "/uid"),
            (subscribe("c", "orders", json!({"aftr": 1})), "validation_failed", "/aftr"),
            (subscribe("c", "orders", json!({"after": "x"})), "validation_failed", "/after"),
            (subscribe("", "orders", json!({})), "validation_failed", "/uid"),
            (json!({"type": "subscrib", "uid": "c"}), "validation_failed", "/type"),
            (json!({"type": "unsubscribe", "uid": "c"}), "not_found", ""),
            (json!([]), "validation_failed", ""),
        ] {
            socket.send(command.clone()).await;
            let told = socket.next().await;
            assert_eq!((&told["event"], &told["data"]["code"]), (&json!("error"), &json!(code)));
            let place = told["data"]["errors"][0]["path"].as_str().unwrap_or_default();
            assert_eq!(place, path, "{command}: {told}");
        }
        socket.0.send(Message::Text("{".into())).await.unwrap();
        assert_eq!(socket.next().await["data"]["code"], "invalid_json");
        // One that is over says no more; the others go on.
        socket.send(json!({"type": "unsubscribe", "uid": "b"})).await;
        socket.send(subscribe("d", "lines", json!({"after": 1}))).await;
        s.post("/v1/streams/lines/records", json!({"n": 6})).await.expect(200);
        assert_eq!(socket.next().await["uid"], "d");
    }

    const FILTERS: usize = 5_000;
    const SOCKETS: usize = 10;

    /// Distinct filters of three kinds; the last record of all matches each of them.
    fn filter(at: usize) -> String {
        match at % 3 {
            0 => format!("data.n in [{at}, -1]"),
            1 => {
                format!("data.owner == 'o{}' && data.price >= {at} || data.owner == 'end'", at % 50)
            }
            _ => format!("data.n > {at} && data.n <= {} || data.n == -1", at + 3),
        }
    }

    fn record(at: usize) -> Value {
        let n = at * 7919 % FILTERS;
        json!({"n": n, "owner": format!("o{}", at % 60), "price": at * 31 % 6000})
    }

    /// What each filter has heard, and where it would go on.
    #[derive(Default)]
    struct Heard {
        seqs: HashMap<usize, Vec<i64>>,
        last: HashMap<usize, String>,
    }

    impl Heard {
        /// Hears what a socket's subscriptions are told, up to a record that each of them gets.
        async fn all_up_to(&mut self, socket: &mut Socket, mut waiting: usize, end: i64) {
            while waiting > 0 {
                let told = socket.next().await;
                if told["event"] != "create" {
                    continue;
                }
                let at: usize = told["uid"].as_str().unwrap().parse().unwrap();
                let seq = told["data"]["record"]["seq"].as_i64().unwrap();
                self.seqs.entry(at).or_default().push(seq);
                self.last.insert(at, told["id"].as_str().unwrap().to_owned());
                waiting -= usize::from(seq == end);
            }
        }
    }

    pub(super) async fn five_thousand_filters_get_what_the_evaluator_says(engine: Engine) {
        let s = Server::start(engine).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        let mut sockets = Vec::new();
        for first in 0..SOCKETS {
            sockets.push(subscribed(&s, first, &Heard::default()).await);
        }
        let end = json!({"n": -1, "owner": "end"});
        let records = |range: std::ops::Range<usize>| {
            let mut all: Vec<Value> = range.map(record).collect();
            all.push(end.clone());
            json!(all)
        };
        s.post(RECORDS, records(0..300)).await.expect(200);
        let mut heard = Heard::default();
        for socket in &mut sockets {
            heard.all_up_to(socket, FILTERS / SOCKETS, 301).await;
        }
        // Half of them go away, miss something, and come back where they were.
        sockets.truncate(SOCKETS / 2);
        s.post(RECORDS, records(300..600)).await.expect(200);
        for first in SOCKETS / 2..SOCKETS {
            sockets.push(subscribed(&s, first, &heard).await);
        }
        for socket in &mut sockets {
            heard.all_up_to(socket, FILTERS / SOCKETS, 602).await;
        }
        check(&s, &heard).await;
    }

    async fn subscribed(s: &Server, first: usize, heard: &Heard) -> Socket {
        let mut socket = Socket::open(s, KEY).await;
        for at in (first..FILTERS).step_by(SOCKETS) {
            let after = heard.last.get(&at).map_or("0", String::as_str);
            let command = json!({"type": "subscribe", "uid": at.to_string(), "stream": "orders",
                "filter": filter(at), "after": after});
            socket.send(command).await;
        }
        socket
    }

    async fn check(s: &Server, heard: &Heard) {
        let export = s.get("/v1/streams/orders/export").await.text;
        let records: Vec<Value> =
            export.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let texts: Vec<String> = records.iter().map(|record| record["data"].to_string()).collect();
        let schema = orders()["schema"].clone();
        let mut events = 0;
        for at in 0..FILTERS {
            let filter = Filter::compile(&filter(at), Scope::record(&schema)).unwrap();
            let matching = records.iter().zip(&texts).filter_map(|(record, data)| {
                let seq = record["seq"].as_i64().unwrap();
                let view = View { id: "", seq, version: 1, time: 0, received_at: 0, data };
                filter.matches(&view, &Env::at(Timestamp::from_micros(0))).then_some(seq)
            });
            let expected: Vec<i64> = matching.collect();
            assert_eq!(heard.seqs.get(&at), Some(&expected), "{}", filter.source());
            events += expected.len();
        }
        assert!(events > FILTERS * 2, "{events}");
    }
}
