//! A PostgreSQL that stops and starts under load: Forebay recovers without a hand.

use std::sync::Arc;
use std::time::Duration;

use forebay_testkit::{Postgres, Stop, lacks};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::events::Events;
use crate::ledger::Ledger;
use crate::support::{Answer, KEY, Server, answer, client, orders};

const STREAMS: [&str; 3] = ["one", "two", "three"];
const WRITERS: usize = 6;
/// Far longer than anything here takes; a wait that is longer is a fault.
const DEADLINE: Duration = Duration::from_secs(90);

/// What the writers share.
#[derive(Clone)]
struct Load {
    address: String,
    ledger: Ledger,
    /// How many requests were answered with 200, and with 503.
    told: watch::Sender<(u64, u64)>,
    stop: watch::Sender<bool>,
}

impl Load {
    /// Writes batches over all streams until told to stop. A request that was refused is sent
    /// again as it was, as a client would.
    async fn write(self, writer: usize) {
        let client = client();
        for round in 0_usize.. {
            let mut streams = STREAMS;
            streams.rotate_left((round + writer) % 3);
            let id = |n: usize| format!("{writer}-{round}-{n}");
            let record = |n: usize| json!({"id": id(n), "data": {"owner": id(n), "n": n}});
            let records: Vec<Value> = (0..=round % 5).map(record).collect();
            let entry = |stream: &str| json!({"stream": stream, "records": records});
            let body: Vec<Value> = streams.into_iter().map(entry).collect();
            loop {
                let request = client.post(format!("http://{}/v1/batch", self.address));
                let told = answer(request.bearer_auth(KEY).json(&body)).await;
                if told.status == 200 {
                    self.ledger.note(&told.json());
                    self.told.send_modify(|(done, _)| *done += 1);
                    break;
                }
                honest(&told);
                self.told.send_modify(|(_, refused)| *refused += 1);
            }
            if *self.stop.borrow() {
                return;
            }
        }
    }

    async fn until(&self, enough: impl FnMut(&(u64, u64)) -> bool) {
        let mut told = self.told.subscribe();
        let reached = tokio::time::timeout(DEADLINE, told.wait_for(enough)).await;
        reached.expect("no answer: it has not recovered").unwrap();
    }

    /// Waits until this many more requests were carried out.
    async fn go_on(&self, more: u64) {
        let enough = self.told.borrow().0 + more;
        self.until(|(done, _)| *done >= enough).await;
    }
}

/// A refusal that says that it is one, and when to come again.
fn honest(refused: &Answer) {
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{}", refused.text);
    let code = refused.json()["code"].as_str().unwrap().to_owned();
    assert!(code == "engine_unavailable" || code == "overloaded", "{}", refused.text);
    assert!(refused.headers.contains_key("retry-after"), "{:?}", refused.headers);
}

/// Follows a stream from its beginning and resumes whenever it is let down, until it has seen the
/// position that it is given at the end; returns how often it had to resume.
async fn follow(address: String, mut end: watch::Receiver<Option<i64>>) -> u64 {
    let (client, mut last, mut resumed) = (client(), 0, 0);
    loop {
        let url = format!("http://{address}/v1/streams/one/subscribe?after={last}");
        let mut events = match Events::ask(client.get(url).bearer_auth(KEY)).await {
            Ok(events) => events,
            Err(refused) => {
                honest(&refused);
                continue;
            }
        };
        loop {
            if end.borrow_and_update().is_some_and(|end| end == last) {
                return resumed;
            }
            let (name, id, data) = tokio::select! {
                event = events.next() => event.expect("an error is said before the end"),
                changed = end.changed() => {
                    changed.unwrap();
                    continue;
                }
            };
            match name.as_str() {
                "create" => {
                    assert_eq!(id, format!("1-{}", last + 1), "a seq was skipped or seen twice");
                    last += 1;
                }
                "heartbeat" => {}
                "error" => {
                    assert_eq!(data["status"], 503, "{data}");
                    resumed += 1;
                    break;
                }
                _ => panic!("{name}: {data}"),
            }
        }
    }
}

async fn stop(postgres: &Arc<Postgres>, how: Stop) {
    let postgres = postgres.clone();
    tokio::task::spawn_blocking(move || postgres.stop(how)).await.unwrap().unwrap();
}

async fn start_again(postgres: &Arc<Postgres>) {
    let postgres = postgres.clone();
    tokio::task::spawn_blocking(move || postgres.start_again()).await.unwrap().unwrap();
}

/// While the database is away: every door that needs it says so, and the process lives.
async fn away(s: &Server) {
    let get = |path: &str| -> RequestBuilder { s.request(Method::GET, path) };
    honest(&answer(get("/v1/streams/two/records")).await);
    honest(&answer(get("/v1/streams/two/records/0-0-0")).await);
    honest(&answer(get("/v1/streams/two/export")).await);
    honest(&answer(get("/v1/streams/two/subscribe")).await);
    honest(&s.put("/v1/streams/four", orders()).await);
    let ready = s.get("/readyz").await.expect(503);
    let checks = json!({"database": "unavailable", "search": "ok"});
    assert_eq!(ready, json!({"ready": false, "checks": checks}));
    s.get("/healthz").await.expect(200);
}

#[tokio::test]
async fn a_database_that_restarts_under_load_loses_nothing() {
    if lacks(&Postgres::install()) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let postgres = Arc::new(Postgres::start(folder.path()).unwrap());
    let s = Server::start_on(Some(postgres.url()), &[]);
    for stream in STREAMS {
        s.put(&format!("/v1/streams/{stream}"), orders()).await.expect(201);
    }
    let load = Load {
        address: s.address.clone(),
        ledger: Ledger::default(),
        told: watch::Sender::new((0, 0)),
        stop: watch::Sender::new(false),
    };
    let writers: Vec<_> = (0..WRITERS).map(|w| tokio::spawn(load.clone().write(w))).collect();
    let (end, ended) = watch::channel(None);
    let follower = tokio::spawn(follow(s.address.clone(), ended));
    for cycle in 0..8 {
        load.go_on(40 + cycle * 7 % 20).await;
        stop(&postgres, if cycle % 2 == 0 { Stop::Immediate } else { Stop::Fast }).await;
        start_again(&postgres).await;
    }
    // Once it stays away for longer than a writer waits.
    load.go_on(40).await;
    stop(&postgres, Stop::Fast).await;
    away(&s).await;
    load.until(|(_, refused)| *refused > 0).await;
    start_again(&postgres).await;
    load.go_on(40).await;
    s.get("/readyz").await.expect(200);

    load.stop.send_replace(true);
    for writer in writers {
        writer.await.unwrap();
    }
    load.ledger.check(&s, &STREAMS).await;
    let last = s.get("/v1/streams/one").await.expect(200)["last_seq"].as_i64();
    end.send_replace(last);
    let followed = tokio::time::timeout(DEADLINE, follower).await;
    followed.expect("the follower does not get to the end").unwrap();
}
