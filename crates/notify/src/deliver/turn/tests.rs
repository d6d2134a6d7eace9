use std::sync::Mutex;

use async_trait::async_trait;
use axum::Router;
use axum::extract::State as Extension;
use axum::response::IntoResponse;
use forebay_contract::{Catalog, Identity, Seen, Shown};
use forebay_db::seal::Master;
use forebay_db::{Db, Settings as DbSettings};
use forebay_http::cursor::Sealer;
use forebay_model::principal::Principal;
use forebay_model::stream::Stream;
use forebay_model::time::Clock;
use http::{HeaderMap, StatusCode};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::channel;
use crate::channel::stored::Settings;
use crate::config::NotifyConfig;
use crate::post::{Post, To, post};
use crate::sql::channel::{Kept, State};
use crate::sql::delivery::{self, Wanted};
use crate::{Deps, Notify};

struct Nobody;

#[async_trait]
impl Identity for Nobody {
    async fn identify(&self, _: Shown<'_>) -> Result<Option<Arc<Principal>>, Error> {
        Ok(None)
    }

    async fn current(&self, _: &Principal) -> Result<Option<Arc<Principal>>, Error> {
        Ok(None)
    }

    async fn view_as(&self, _: &Arc<Principal>, _: Seen<'_>) -> Result<Arc<Principal>, Error> {
        Err(Error::not_found("nobody"))
    }

    fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        tokio::sync::watch::channel(0).1
    }
}

#[async_trait]
impl Catalog for Nobody {
    async fn stream(&self, name: &str) -> Result<Arc<Stream>, Error> {
        Err(Error::not_found(name))
    }

    fn forget(&self, _: &str) {}
}

/// A clock that is set by hand.
#[derive(Debug, Default)]
struct Hand(Mutex<i64>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(*self.0.lock().unwrap())
    }
}

/// A receiver that answers as it is told, and notes what came.
#[derive(Clone, Default)]
struct Receiver {
    answer: Arc<Mutex<(u16, Option<&'static str>)>>,
    came: Arc<Mutex<Vec<(String, String)>>>,
}

impl Receiver {
    async fn start(status: u16) -> (Receiver, String) {
        let receiver = Receiver::default();
        receiver.answers(status, None);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let take = |Extension(receiver): Extension<Receiver>, headers: HeaderMap, body: String| async move {
            let id = headers["webhook-id"].to_str().unwrap().to_owned();
            receiver.came.lock().unwrap().push((id, body));
            let (status, retry_after) = *receiver.answer.lock().unwrap();
            let mut response = StatusCode::from_u16(status).unwrap().into_response();
            if let Some(text) = retry_after {
                response.headers_mut().insert("retry-after", text.parse().unwrap());
            }
            response
        };
        let router = Router::new().fallback(take).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, url)
    }

    fn answers(&self, status: u16, retry_after: Option<&'static str>) {
        *self.answer.lock().unwrap() = (status, retry_after);
    }

    fn ids(&self) -> Vec<String> {
        self.came.lock().unwrap().iter().map(|(id, _)| id.clone()).collect()
    }
}

struct Scene {
    notify: Notify,
    clock: Arc<Hand>,
    folder: tempfile::TempDir,
    db: Db,
}

impl Scene {
    async fn new() -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(Hand(Mutex::new(1_700_000_000_000_000)));
        let path = folder.path().join("test.db");
        let settings = DbSettings::Sqlite { path, readers: 2, cache_bytes: 1 << 20 };
        let db = Db::open(settings, clock.clone()).await.unwrap();
        let notify = Scene::open(&db, &clock, &folder);
        Scene { notify, clock, folder, db }
    }

    fn open(db: &Db, clock: &Arc<Hand>, folder: &tempfile::TempDir) -> Notify {
        let config = NotifyConfig {
            allow_private: vec!["127.0.0.1/32".parse().unwrap()],
            identity_file: folder.path().join("notify.id"),
            in_flight: 100,
            in_flight_each: 50,
            timeout: Duration::from_secs(10),
            keep_inbox: Duration::from_secs(3600),
            site: String::new(),
            smtp: None,
            keep: Duration::from_secs(7 * 86_400),
        };
        let deps = Deps {
            db: db.clone(),
            catalog: Arc::new(Nobody),
            identity: Arc::new(Nobody),
            sealer: Sealer::new(b"secret"),
            master: Master::new(&[7; 32]),
            clock: clock.clone(),
            stopping: CancellationToken::new(),
        };
        Notify::open(config, deps).unwrap()
    }

    /// The process ends without a word, and another one begins in its folder.
    fn restart(&mut self) {
        // The name is free when the old one is gone.
        let (db, clock) = (self.db.clone(), self.clock.clone());
        let elsewhere = tempfile::tempdir().unwrap();
        self.notify = Scene::open(&db, &clock, &elsewhere);
        self.notify = Scene::open(&db, &clock, &self.folder);
    }

    fn pass(&self, seconds: i64) {
        *self.clock.0.lock().unwrap() += seconds * 1_000_000;
    }

    async fn channel(&self, id: &str, url: &str) {
        let inner = &self.notify.inner;
        let (now, kind) = (inner.clock.now(), channel::kind("webhook").unwrap());
        let members = json!({"url": url}).as_object().unwrap().clone();
        let mut settings = Settings { members, secrets: serde_json::Value::Null };
        settings.renew(kind, now).unwrap();
        let mut kept = Kept {
            id: id.to_owned(),
            name: id.to_owned(),
            kind: "webhook".to_owned(),
            owner: "o".to_owned(),
            config: String::new(),
            secrets: Vec::new(),
            state: State::On,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        settings.store(&mut kept, &inner.master).unwrap();
        let put = self.db.writer().run(Lane::Batch, move |conn| {
            Box::pin(async move { channels::put(conn, &kept).await })
        });
        put.await.unwrap();
        inner.engine.forget();
    }

    async fn post(&self, ids: &[&str], to: &[&str]) {
        let now = self.clock.now();
        let to: Vec<To> =
            to.iter().map(|id| To { channel: (*id).to_owned(), ..To::default() }).collect();
        let posts = ids.iter().map(|id| Post {
            id: (*id).to_owned(),
            kind: "record.matched".to_owned(),
            rule: "r".to_owned(),
            category: "alert".to_owned(),
            time: now,
            data: "{}".to_owned(),
            to: to.clone(),
        });
        let posts: Vec<Post> = posts.collect();
        let written = self
            .db
            .writer()
            .run(Lane::Batch, move |conn| Box::pin(async move { post(conn, &posts, now).await }));
        written.await.unwrap();
    }

    /// Works until nothing is due and nothing on its way.
    async fn work(&self, sending: &mut Sending<'_>) {
        while sending.turn().await.unwrap() {
            sending.land_all().await;
        }
    }

    async fn states(&self) -> Vec<(&'static str, i64)> {
        let mut conn = self.db.reader(Look::Scan).await.unwrap();
        let mut all = delivery::list(&mut conn, &Wanted::default(), None, 1000).await.unwrap();
        all.reverse();
        all.iter().map(|kept| (kept.state.name(), kept.tries)).collect()
    }
}

#[tokio::test]
async fn what_is_posted_twice_is_sent_once() {
    let scene = Scene::new().await;
    let ((one, at_one), (two, at_two)) = (Receiver::start(204).await, Receiver::start(200).await);
    scene.channel("one", &at_one).await;
    scene.channel("two", &at_two).await;
    scene.post(&["a", "b"], &["one", "two"]).await;
    scene.post(&["b"], &["one"]).await;
    let mut sending = Sending::new(&scene.notify.inner);
    scene.work(&mut sending).await;
    for receiver in [&one, &two] {
        let mut ids = receiver.ids();
        ids.sort();
        assert_eq!(ids, ["a", "b"]);
    }
    let body = one.came.lock().unwrap()[0].1.clone();
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["type"], "record.matched");
    assert_eq!(body["timestamp"], "2023-11-14T22:13:20.000000Z");
    assert_eq!(scene.states().await, [("delivered", 1); 4]);
    scene.post(&["a"], &["one", "two"]).await;
    scene.work(&mut sending).await;
    assert_eq!(one.ids().len(), 2, "what was delivered is not sent again");
}

#[tokio::test]
async fn a_failure_is_tried_again_by_the_schedule_and_given_up_in_the_end() {
    let scene = Scene::new().await;
    let (receiver, url) = Receiver::start(500).await;
    scene.channel("one", &url).await;
    scene.post(&["a"], &["one"]).await;
    let mut sending = Sending::new(&scene.notify.inner);
    scene.work(&mut sending).await;
    for (at, seconds) in [5, 300, 1800, 7200, 18_000, 36_000, 36_000].into_iter().enumerate() {
        assert_eq!(receiver.ids().len(), at + 1);
        scene.pass(seconds * 79 / 100);
        scene.work(&mut sending).await;
        assert_eq!(receiver.ids().len(), at + 1, "not before its time");
        scene.pass(seconds * 42 / 100 + 1);
        scene.work(&mut sending).await;
    }
    assert_eq!(receiver.ids(), vec!["a"; 8]);
    assert_eq!(scene.states().await, [("failed", 8)]);
    scene.pass(1_000_000);
    scene.work(&mut sending).await;
    assert_eq!(receiver.ids().len(), 8);
}

#[tokio::test]
async fn a_receiver_is_heard_when_it_asks_for_a_pause() {
    let scene = Scene::new().await;
    let (receiver, url) = Receiver::start(503).await;
    receiver.answers(503, Some("100"));
    scene.channel("one", &url).await;
    scene.post(&["a"], &["one"]).await;
    let mut sending = Sending::new(&scene.notify.inner);
    scene.work(&mut sending).await;
    scene.pass(99);
    scene.work(&mut sending).await;
    assert_eq!(receiver.ids().len(), 1);
    receiver.answers(200, None);
    scene.pass(2);
    scene.work(&mut sending).await;
    assert_eq!(scene.states().await, [("delivered", 2)]);
}

#[tokio::test]
async fn whoever_is_gone_gets_nothing_more_until_it_is_switched_on() {
    let scene = Scene::new().await;
    let (receiver, url) = Receiver::start(410).await;
    scene.channel("one", &url).await;
    scene.post(&["a"], &["one"]).await;
    let mut sending = Sending::new(&scene.notify.inner);
    scene.work(&mut sending).await;
    scene.post(&["b"], &["one"]).await;
    scene.work(&mut sending).await;
    assert_eq!(receiver.ids(), ["a"]);
    assert_eq!(scene.states().await, [("failed", 1), ("waiting", 0)]);
    receiver.answers(200, None);
    scene.channel("one", &url).await;
    scene.work(&mut sending).await;
    assert_eq!(receiver.ids(), ["a", "b"]);
}

#[tokio::test]
async fn what_goes_to_no_channel_is_given_up() {
    let scene = Scene::new().await;
    scene.post(&["a", "b"], &["none"]).await;
    scene.work(&mut Sending::new(&scene.notify.inner)).await;
    assert_eq!(scene.states().await, [("failed", 0); 2]);
}

#[tokio::test]
async fn a_dead_receiver_keeps_nobody_waiting_and_loses_nothing() {
    let scene = Scene::new().await;
    let (well, at_well) = Receiver::start(200).await;
    let (dead, at_dead) = Receiver::start(500).await;
    scene.channel("well", &at_well).await;
    scene.channel("dead", &at_dead).await;
    let ids: Vec<String> = (0..300).map(|n| format!("m{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    scene.post(&ids, &["dead", "well"]).await;
    let mut sending = Sending::new(&scene.notify.inner);
    scene.work(&mut sending).await;
    assert_eq!(well.ids().len(), 300);
    assert!(dead.ids().len() < 30, "{}", dead.ids().len());
    // One looks whether it is well again; then all of the others come.
    scene.pass(31);
    scene.work(&mut sending).await;
    assert!(dead.ids().len() < 31);
    dead.answers(200, None);
    for _ in 0..3 {
        scene.pass(400);
        scene.work(&mut sending).await;
    }
    assert!(scene.states().await.iter().all(|(state, _)| *state == "delivered"));
}

#[tokio::test]
async fn what_a_process_held_when_it_ended_is_sent_by_the_next_at_once() {
    let mut scene = Scene::new().await;
    let (receiver, url) = Receiver::start(200).await;
    scene.channel("one", &url).await;
    scene.post(&["a", "b"], &["one"]).await;
    {
        let mut sending = Sending::new(&scene.notify.inner);
        assert!(sending.turn().await.unwrap());
        // Sent or not: nobody wrote down what came of it.
    }
    assert_eq!(scene.states().await, [("sending", 1); 2]);
    let other = Scene::open(&scene.db, &scene.clock, &tempfile::tempdir().unwrap());
    let mut others = Sending::new(&other.inner);
    others.begin().await;
    assert!(!others.turn().await.unwrap(), "another process leaves it alone");
    scene.restart();
    let mut sending = Sending::new(&scene.notify.inner);
    sending.begin().await;
    scene.work(&mut sending).await;
    assert_eq!(scene.states().await, [("delivered", 2); 2]);
    let mut ids = receiver.ids();
    ids.sort();
    ids.dedup();
    assert_eq!(ids, ["a", "b"]);
}

#[tokio::test]
async fn what_is_held_for_too_long_is_taken_by_another_and_the_late_word_is_not_heard() {
    let scene = Scene::new().await;
    let (_receiver, url) = Receiver::start(500).await;
    scene.channel("one", &url).await;
    scene.post(&["a"], &["one"]).await;
    let mut late = Sending::new(&scene.notify.inner);
    assert!(late.turn().await.unwrap());
    scene.pass(61);
    let other = Scene::open(&scene.db, &scene.clock, &tempfile::tempdir().unwrap());
    let mut others = Sending::new(&other.inner);
    assert!(others.turn().await.unwrap(), "puts it back");
    assert!(others.turn().await.unwrap(), "takes it");
    late.land_all().await;
    late.turn().await.unwrap();
    assert_eq!(scene.states().await, [("sending", 2)]);
    others.land_all().await;
    others.turn().await.unwrap();
    assert_eq!(scene.states().await, [("waiting", 2)]);
}

#[test]
fn places_are_shared_fairly() {
    let rooms = |all: &[(&str, usize)]| -> Vec<(String, usize)> {
        all.iter().map(|(name, room)| ((*name).to_owned(), *room)).collect()
    };
    assert_eq!(share(rooms(&[("a", 50), ("b", 2)]), 20), rooms(&[("a", 18), ("b", 2)]));
    assert_eq!(share(rooms(&[("a", 50), ("b", 50)]), 20), rooms(&[("a", 10), ("b", 10)]));
    assert_eq!(share(rooms(&[("a", 5), ("b", 5), ("c", 5)]), 2).len(), 2);
    assert_eq!(share(rooms(&[("a", 5)]), 100), rooms(&[("a", 5)]));
    assert!(share(Vec::new(), 100).is_empty());
}
