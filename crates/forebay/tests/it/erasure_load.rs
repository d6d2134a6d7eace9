//! Erasing under load, with kill -9 in between: the log adds up.

use crate::support::both;

both! { the_log_adds_up_under_load_and_after_a_crash }

mod scenario {
    use std::collections::HashSet;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use crate::events::Events;
    use crate::support::{Engine, KEY, Server, orders};

    const STREAM: &str = "/v1/streams/orders";
    const RECORDS: &str = "/v1/streams/orders/records";

    const CYCLES: u64 = 4;
    const WRITERS: u64 = 3;

    #[derive(Default)]
    struct Acknowledged {
        records: Vec<String>,
        /// With the tombstone's position.
        erased: Vec<(String, i64)>,
    }

    pub(super) async fn the_log_adds_up_under_load_and_after_a_crash(engine: Engine) {
        let mut s = Server::start(engine).await;
        s.put(STREAM, orders()).await.expect(201);
        let known = Arc::new(Mutex::new(Acknowledged::default()));
        for cycle in 0..CYCLES {
            let erasures = Arc::new(AtomicU64::new(0));
            let base = format!("http://{}{RECORDS}", s.address);
            let mut tasks: Vec<_> = (0..WRITERS)
                .map(|writer| tokio::spawn(write(base.clone(), (cycle, writer), known.clone())))
                .collect();
            for _ in 0..2 {
                tasks.push(tokio::spawn(erase_some(base.clone(), known.clone(), erasures.clone())));
            }
            while erasures.load(Ordering::Relaxed) < 5 + cycle * 7 {
                tokio::task::yield_now().await;
            }
            s.kill();
            for task in tasks {
                task.await.unwrap();
            }
            s.restart();
            adds_up(&s, &known).await;
        }
    }

    async fn write(base: String, (cycle, writer): (u64, u64), known: Arc<Mutex<Acknowledged>>) {
        let client = crate::support::client();
        for round in 0_u64.. {
            let id = |n: u64| format!("{cycle}-{writer}-{round}-{n}");
            let records: Vec<Value> =
                (0..3).map(|n| json!({"id": id(n), "data": {"n": 1}})).collect();
            let request = client.post(format!("{base}?envelope=true")).bearer_auth(KEY);
            let Ok(response) = request.json(&records).send().await else { return };
            let status = response.status();
            let Ok(told) = response.json::<Value>().await else { return };
            if status == 200 {
                known.lock().unwrap().records.extend((0..3).map(id));
            } else {
                assert_eq!(status, 503, "{told}");
            }
        }
    }

    /// Erases the newest, which others write next to; both of these may take the same one.
    async fn erase_some(base: String, known: Arc<Mutex<Acknowledged>>, count: Arc<AtomicU64>) {
        let client = crate::support::client();
        loop {
            let newest = known.lock().unwrap().records.last().cloned();
            let Some(id) = newest else {
                tokio::task::yield_now().await;
                continue;
            };
            let request = client.delete(format!("{base}/{id}?erase=true")).bearer_auth(KEY);
            let Ok(response) = request.send().await else { return };
            let status = response.status();
            let Ok(told) = response.json::<Value>().await else { return };
            if status != 200 {
                assert_eq!(status, 503, "{told}");
                continue;
            }
            let mut known = known.lock().unwrap();
            known.records.retain(|other| *other != id);
            known.erased.push((id, told["seq"].as_i64().unwrap()));
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Each position is that of one record, of one tombstone, or of one record that is gone.
    async fn adds_up(s: &Server, known: &Mutex<Acknowledged>) {
        let shown = s.get(STREAM).await.expect(200);
        let last_seq = shown["last_seq"].as_i64().unwrap();
        let mut events = Events::open(s, "orders", "?after=0", None).await;
        let (mut places, mut created, mut deleted) = (HashSet::new(), HashSet::new(), 0);
        let mut at = 0;
        while at < last_seq {
            let (name, id, data) = events.next().await.unwrap();
            let seq: i64 = id.split_once('-').unwrap().1.parse().unwrap();
            assert!(seq > at && places.insert(seq), "{id} after {at}");
            at = seq;
            match name.as_str() {
                "create" => {
                    created.insert(data["record"]["id"].as_str().unwrap().to_owned());
                }
                _ => {
                    assert_eq!((name.as_str(), &data["seq"]), ("delete", &json!(seq)));
                    deleted += 1;
                }
            }
        }
        let records = i64::try_from(created.len()).unwrap();
        assert_eq!(records + 2 * deleted, last_seq);
        assert_eq!(shown["records"], records);
        let page = s.get(&format!("{RECORDS}?limit=1&count=exact")).await.expect(200);
        assert_eq!(page["count"], records);
        let filtered = s.get(&format!("{RECORDS}?limit=1&count=exact&filter=data.n==1")).await;
        assert_eq!(filtered.expect(200)["count"], records);
        let gone = {
            let mut known = known.lock().unwrap();
            let before = known.records.len();
            known.records.retain(|id| created.contains(id));
            // What was asked for in the moment of the crash may have taken place.
            assert!(before - known.records.len() <= 2, "acknowledged records are gone");
            known.erased.clone()
        };
        for (id, seq) in gone {
            assert!(!created.contains(&id), "{id} is back");
            let again = s.delete(&format!("{RECORDS}/{id}?erase=true")).await;
            assert_eq!(again.expect(200)["seq"], seq, "{id}");
        }
    }
}
