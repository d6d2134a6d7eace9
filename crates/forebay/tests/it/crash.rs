//! kill -9 under load: what was acknowledged is there, seq has no hole, each id stands once.

use crate::support::both;

both! { nothing_acknowledged_is_lost }

mod scenario {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use reqwest::StatusCode;
    use serde_json::{Value, json};

    use crate::ledger::Ledger;
    use crate::support::{Engine, KEY, Server, orders};

    const CYCLES: u64 = 30;
    const WRITERS: u64 = 6;
    /// The system's own streams.
    const OWN: usize = 2;
    const STREAMS: [&str; 3] = ["one", "two", "three"];

    pub(super) async fn nothing_acknowledged_is_lost(engine: Engine) {
        let mut s = Server::start(engine).await;
        for stream in STREAMS {
            s.put(&format!("/v1/streams/{stream}"), orders()).await.expect(201);
        }
        let acknowledged = Ledger::default();
        for cycle in 0..CYCLES {
            let answers = Arc::new(AtomicU64::new(0));
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let job = Job {
                        base: format!("http://{}", s.address),
                        cycle,
                        writer,
                        answers: answers.clone(),
                        acknowledged: acknowledged.clone(),
                    };
                    tokio::spawn(job.write())
                })
                .collect();
            // The moment differs from cycle to cycle; others are in flight at each.
            let moment = 3 + (cycle * 7) % 40;
            while answers.load(Ordering::Relaxed) < moment {
                tokio::task::yield_now().await;
            }
            s.kill();
            for writer in writers {
                writer.await.unwrap();
            }
            s.restart();
            acknowledged.check(&s, &STREAMS).await;
        }
        assert_eq!(columns_that_differ(&s).await, 0);
    }

    /// Counts the records whose typed columns say something else than their JSON.
    async fn columns_that_differ(s: &Server) -> i64 {
        let mut differ = 0;
        // Streams are numbered as they were made, behind the system's own; columns too.
        for stream in (1..=STREAMS.len()).map(|number| number + OWN) {
            differ += match &s.database {
                None => {
                    let file = s.data.path().join("forebay.db");
                    let sql = format!(
                        "SELECT count(*) FROM s{stream} WHERE c1 IS NOT json_extract(data, '$.owner') \
                         OR c2 IS NOT json_extract(data, '$.n')"
                    );
                    let conn = rusqlite::Connection::open(file).unwrap();
                    conn.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap()
                }
                Some(url) => {
                    let (client, connection) =
                        tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
                    tokio::spawn(connection);
                    let sql = format!(
                        "SELECT count(*) FROM s{stream} WHERE c1 IS DISTINCT FROM data::json->>'owner' \
                         OR c2 IS DISTINCT FROM (data::json->>'n')::bigint"
                    );
                    client.query_one(&sql, &[]).await.unwrap().get(0)
                }
            };
        }
        differ
    }

    struct Job {
        base: String,
        cycle: u64,
        writer: u64,
        answers: Arc<AtomicU64>,
        acknowledged: Ledger,
    }

    impl Job {
        /// Writes until the server is gone: new ids and repeated ones, to one stream or to all.
        async fn write(self) {
            let client = crate::support::client();
            for round in 0_u64.. {
                let id = |n: u64| {
                    format!(
                        "{}-{}-{}",
                        self.cycle,
                        self.writer,
                        round.saturating_sub(n % 2) * 10 + n
                    )
                };
                let record = |n: u64| json!({"id": id(n), "data": {"owner": id(n), "n": n}});
                let records: Vec<Value> = (0..1 + round % 7).map(record).collect();
                let streams: Vec<&str> = if round % 3 == 0 {
                    STREAMS.to_vec()
                } else {
                    vec![STREAMS[usize::try_from((round + self.writer) % 3).unwrap()]]
                };
                let entry = |stream: &&str| json!({"stream": stream, "records": records});
                let body: Vec<Value> = streams.iter().map(entry).collect();
                let request = client.post(format!("{}/v1/batch", self.base)).bearer_auth(KEY);
                let Ok(response) = request.json(&body).send().await else { return };
                let status = response.status();
                let Ok(told) = response.json::<Value>().await else { return };
                // A 503 is an honest no.
                if status == StatusCode::SERVICE_UNAVAILABLE {
                    continue;
                }
                assert_eq!(status, 200, "{told}");
                self.acknowledged.note(&told);
                self.answers.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
