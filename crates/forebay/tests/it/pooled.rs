//! Two processes behind one PgBouncer in transaction mode: a session belongs to nobody.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use forebay_testkit::{PgBouncer, Postgres, lacks};
use reqwest::Method;
use serde_json::{Value, json};

use crate::events::Events;
use crate::support::{Server, answer, orders};

const RECORDS: &str = "/v1/streams/orders/records";
/// Fewer than the processes ask for at once: each statement may meet another session.
const SESSIONS: usize = 3;

/// A stream without an index, with 1 200 records through one process.
async fn filled(s: &Server) {
    let plain = json!({"schema": {"type": "object", "properties": {
        "owner": {"type": "string"}, "n": {"type": "integer"},
        "price": {"type": "number"}, "paid": {"type": "boolean"}}}});
    s.put("/v1/streams/orders", plain).await.expect(201);
    let rows: Vec<Value> = (0..1_200).map(|n| json!({"owner": "ann", "n": n})).collect();
    let told = s.post(&format!("{RECORDS}?return=minimal"), json!(rows)).await.expect(200);
    assert_eq!(told["accepted"], 1_200);
}

/// Both processes write records of their own and of each other, alone and in batches.
async fn written_by_both(servers: [&Server; 2]) {
    let write = async |s: &Server, name: &str| {
        for n in 0..40 {
            let entry = |stream: &str| {
                let record = |id: String| json!({"id": id, "data": {"owner": name, "n": n}});
                json!({"stream": stream, "records": [record(format!("{name}-{n}"))]})
            };
            let body = json!([entry("orders"), entry("lines")]);
            s.post("/v1/batch", body).await.expect(200);
            let shared = json!({"id": format!("both-{n}"), "data": {"n": n}});
            s.post(&format!("{RECORDS}?envelope=true"), shared).await.expect(200);
        }
    };
    tokio::join!(write(servers[0], "a"), write(servers[0], "b"), write(servers[1], "c"));
    let told = servers[1].post(RECORDS, json!({"n": "x"})).await.expect(400);
    assert_eq!(told["rejected"][0]["path"], "/data/n");
}

/// The other process pages through all of it, and finds each id once.
async fn listed(s: &Server, count: usize) {
    let (mut ids, mut seen) = (HashSet::new(), 0);
    let mut path = format!("{RECORDS}?limit=500&count=exact&sort=-time");
    loop {
        let page = s.get(&path).await.expect(200);
        assert_eq!(page["count"], count);
        for record in page["items"].as_array().unwrap() {
            seen += 1;
            assert!(ids.insert(record["id"].as_str().unwrap().to_owned()), "{record}");
        }
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("{RECORDS}?limit=500&count=exact&sort=-time&cursor={cursor}");
    }
    assert_eq!(seen, count);
    let export = s.get("/v1/streams/orders/export").await.text;
    for (at, line) in export.lines().enumerate() {
        assert_eq!(serde_json::from_str::<Value>(line).unwrap()["seq"], at + 1);
    }
    assert_eq!(export.lines().count(), count);
    assert_eq!(s.get(&format!("{RECORDS}/both-7")).await.expect(200)["data"], json!({"n": 7}));
    s.get(&format!("{RECORDS}/both-40")).await.problem(404, "not_found");
}

/// An index is filled from the records before it, while both processes may do so.
async fn indexed(s: &Server) {
    s.put("/v1/streams/orders", orders()).await.expect(200);
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let shown = s.get("/v1/streams/orders").await.expect(200);
        let states: Vec<&Value> =
            shown["indexes"].as_array().unwrap().iter().map(|i| &i["state"]).collect();
        if states == ["ready", "ready"] {
            break;
        }
        assert!(Instant::now() < deadline, "still {states:?}");
    }
}

#[tokio::test]
async fn two_processes_share_the_sessions_of_a_transaction_pooler() {
    if lacks(&Postgres::install()) || lacks(&PgBouncer::install()) {
        return;
    }
    let (folder, beside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let postgres = Postgres::start(folder.path()).unwrap();
    let pooler = PgBouncer::start(beside.path(), &postgres, SESSIONS).unwrap();
    let first = Server::start_on(Some(pooler.url("postgres")), &[]);
    let second = Server::beside(&first);

    filled(&first).await;
    first.put("/v1/streams/lines", orders()).await.expect(201);
    let mut followed = Events::open(&second, "orders", "?after=1200", None).await;
    written_by_both([&first, &second]).await;
    let count = 1_200 + 3 * 40 + 40;
    for seq in 1_201..=count {
        let (name, id, _) = followed.next().await.unwrap();
        assert_eq!((name.as_str(), id), ("create", format!("1-{seq}")));
    }
    indexed(&second).await;
    listed(&second, count).await;

    let once = async |s: &Server| {
        let request = s.request(Method::POST, RECORDS).header("idempotency-key", "k");
        answer(request.json(&json!({"n": 1}))).await.expect(200)
    };
    assert_eq!(once(&first).await, once(&second).await);
    second.delete("/v1/streams/lines").await.expect(204);
    first.get("/v1/streams/lines/records?limit=1").await.problem(404, "not_found");

    let (client, connection) =
        tokio_postgres::connect(&postgres.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let sql = "SELECT count(*) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let sessions: i64 = client.query_one(sql, &[]).await.unwrap().get(0);
    assert!(sessions <= i64::try_from(SESSIONS).unwrap(), "{sessions} sessions");
}
