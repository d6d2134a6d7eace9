//! Page by page while records go on being written: each match stands once, none is missing.

use crate::search::engines;

engines! { every_match_stands_once_on_some_page }

mod scenario {
    use std::sync::atomic::{AtomicBool, Ordering};

    use serde_json::{Value, json};

    use crate::indexing::{Bench, Place};
    use crate::search::{found, ids, logs, reach, search, send, sorted};
    use crate::support::{Engine, Server};

    fn records(from: usize, count: usize) -> Value {
        let record = |n: usize| {
            // Scores of all kinds, and many that are equal.
            let msg = format!("{}disk {}", "full ".repeat(n % 5), "other ".repeat(n % 11));
            let time = format!("2026-03-01T00:00:{:02}Z", (n * 13) % 60);
            json!({"id": format!("r{n}"), "time": time,
                "data": {"n": n, "msg": msg, "free": if n.is_multiple_of(10) { "x" } else { "y" }}})
        };
        (from..from + count).map(record).collect()
    }

    pub(super) async fn every_match_stands_once_on_some_page(place: Place, engine: Engine) {
        let Some(bench) = Bench::find(place) else { return };
        let s = bench.start(engine).await;
        s.put("/v1/streams/logs", logs()).await.expect(201);
        let head = send(&s, records(0, 400)).await;
        reach(&s, "logs", head).await;
        let over = AtomicBool::new(false);
        let write = async || {
            let mut from = 400;
            // Each walk would be longer than the one before.
            while !over.load(Ordering::Relaxed) && from < 2_000 {
                send(&s, records(from, 20)).await;
                from += 20;
            }
        };
        let read = async || {
            // Scores of an engine outside are of all that it holds now: there the pages by score
            // of a stream that is written may overlap.
            let by_score: &[&str] = if matches!(place, Place::Inside) { &["score"] } else { &[] };
            for sort in ["seq", "-seq", "time", "-time,data.n", "-data.n"].iter().chain(by_score) {
                for filter in ["", "data.free != \"x\""] {
                    walk(&s, sort, filter).await;
                }
            }
            over.store(true, Ordering::Relaxed);
        };
        tokio::join!(write(), read());
        bench.clean(&s).await;
    }

    async fn walk(s: &Server, sort: &str, filter: &str) {
        let (mut seen, mut cursor, mut up_to) = (Vec::new(), None::<String>, None);
        loop {
            let mut query =
                vec![("q", "disk OR full"), ("sort", sort), ("filter", filter), ("limit", "37")];
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let page = found(s, &query).await;
            seen.extend(ids(&page));
            let at = page["indexed_seq"].as_i64().unwrap();
            assert_eq!(*up_to.get_or_insert(at), at, "it is as of one position");
            let Value::String(next) = &page["next_cursor"] else { break };
            let other = [("q", "disk"), ("sort", sort), ("filter", filter), ("cursor", next)];
            search(s, &other).await.problem(400, "validation_failed");
            cursor = Some(next.clone());
        }
        let all = 0..usize::try_from(up_to.unwrap()).unwrap();
        let expected = all.filter(|n| filter.is_empty() || !n.is_multiple_of(10));
        let expected = expected.map(|n| format!("r{n}")).collect();
        assert_eq!(sorted(seen), sorted(expected), "by {sort}, {filter}");
    }
}
