//! Forebay in several processes: who is refused, and what a rolling restart is noticed by.

use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::future::join_all;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::shape::{Ground, Running, SECRET, terminate};
use crate::support::{
    Answer, Engine, KEY, Log, Server, answer, client, forebay, new_database, orders,
};

/// Processes that are started one by one; they end with the value.
struct House {
    data: TempDir,
    database: String,
    log: Log,
    children: Vec<Child>,
}

impl House {
    async fn new() -> House {
        House {
            data: tempfile::tempdir().unwrap(),
            database: new_database().await,
            log: Log::default(),
            children: Vec::new(),
        }
    }

    /// Starts a process in a folder; the gateway alone gets no database.
    fn start(&mut self, parts: &str, folder: &str, known: &[(&str, &str)]) -> Running {
        let database = Some(self.database.as_str()).filter(|_| parts != "gateway");
        let ground = Ground { data: self.data.path(), database, log: &self.log };
        ground.launch(parts, self.data.path().join(folder), known).ready()
    }

    fn keep(&mut self, running: Running) -> String {
        self.children.push(running.child);
        running.address
    }
}

impl Drop for House {
    fn drop(&mut self) {
        for child in &mut self.children {
            // It may have ended in the test.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

async fn ask(method: Method, address: &str, path: &str) -> Answer {
    let request = client().request(method, format!("http://{address}{path}"));
    answer(request.bearer_auth(KEY)).await
}

#[tokio::test]
async fn a_service_takes_the_gateways_word_alone() {
    let mut house = House::new().await;
    let services = house.start("auth,process,store,notify", "services", &[]);
    let services = house.keep(services);
    // Not even the administrator's key opens a service's door; health is for everybody.
    for (method, path) in [
        (Method::GET, "/v1/streams"),
        (Method::GET, "/v1/me"),
        (Method::POST, "/v1/streams/orders/records"),
        (Method::POST, "/v1/auth/login"),
        (Method::POST, "/internal/v1/identify"),
        (Method::GET, "/internal/v1/changes"),
        (Method::GET, "/openapi.json"),
        (Method::GET, "/metrics"),
        (Method::GET, "/nowhere"),
    ] {
        ask(method, &services, path).await.problem(401, "unauthenticated");
    }
    let forged = client().get(format!("http://{services}/v1/streams"));
    answer(forged.header("forebay-internal", "1.e30.e30")).await.problem(401, "unauthenticated");
    ask(Method::GET, &services, "/healthz").await.expect(200);
    ask(Method::GET, &services, "/readyz").await.expect(200);
    // A gateway with another secret finds nobody; what it asks for is refused.
    let at = format!("http://{services}");
    let places = [
        ("FOREBAY_SERVICES__AUTH", at.as_str()),
        ("FOREBAY_SERVICES__PROCESS", &at),
        ("FOREBAY_SERVICES__STORE", &at),
        ("FOREBAY_SERVICES__NOTIFY", &at),
    ];
    let wrong = ("FOREBAY_INTERNAL__SECRET", "another secret of the same length, or a longer one");
    let stranger = house.start("gateway", "stranger", &[&places[..], &[wrong]].concat());
    let stranger = house.keep(stranger);
    ask(Method::GET, &stranger, "/v1/me").await.problem(503, "engine_unavailable");
    // One with the same is let in, and hands nothing on that is between processes.
    let gateway = house.start("gateway", "gateway", &places);
    let gateway = house.keep(gateway);
    ask(Method::GET, &gateway, "/v1/me").await.expect(200);
    for path in ["/internal/v1/changes", "/internal/v1/ready"] {
        ask(Method::GET, &gateway, path).await.problem(404, "not_found");
    }
    // A word that comes from outside is not handed on, and none is shown there.
    let asked = client().get(format!("http://{gateway}/v1/streams")).bearer_auth(KEY);
    let told = answer(asked.header("forebay-internal", "1.e30.e30")).await;
    told.expect(200);
    assert!(!told.headers.contains_key("forebay-internal"));
}

#[tokio::test]
async fn a_gateway_may_have_services_too() {
    let mut house = House::new().await;
    // The two need each other's addresses: these are asked for before they are taken.
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (inside, outside) = (free().to_string(), free().to_string());
    let (at_inside, at_outside) = (format!("http://{inside}"), format!("http://{outside}"));
    let services =
        [("FOREBAY_SERVICES__AUTH", at_inside.as_str()), ("FOREBAY_SERVER__LISTEN", &outside)];
    let services = house.start("process,store,notify", "services", &services);
    house.keep(services);
    let known = [
        ("FOREBAY_SERVICES__PROCESS", at_outside.as_str()),
        ("FOREBAY_SERVICES__STORE", &at_outside),
        ("FOREBAY_SERVICES__NOTIFY", &at_outside),
        ("FOREBAY_SERVICES__LISTEN", &inside),
    ];
    let gateway = house.start("gateway,auth", "gateway", &known);
    let gateway = house.keep(gateway);
    let put = client().put(format!("http://{gateway}/v1/streams/orders")).bearer_auth(KEY);
    answer(put.json(&orders())).await.expect(201);
    ask(Method::GET, &gateway, "/v1/me").await.expect(200);
    ask(Method::GET, &inside, "/v1/me").await.problem(401, "unauthenticated");
    ask(Method::GET, &gateway, "/internal/v1/changes").await.problem(404, "not_found");
}

#[tokio::test]
async fn processes_that_read_records_share_a_quota() {
    let mut house = House::new().await;
    let policies = json!([
        {"name": "plan", "key": ["principal", "stream"], "quota": "150/month", "cost": "records"},
    ]);
    let policies = policies.to_string();
    let limits = ("FOREBAY_GATEWAY__LIMITS", policies.as_str());
    let auth = house.start("auth", "auth", &[limits]);
    let at_auth = format!("http://{}", house.keep(auth));
    let known = [limits, ("FOREBAY_SERVICES__AUTH", at_auth.as_str())];
    let one = house.start("process,store,notify", "one", &known);
    let other = house.start("process", "other", &known);
    let at_store = format!("http://{}", house.keep(one));
    let both = format!("{at_store},http://{}", house.keep(other));
    let at = [
        ("FOREBAY_SERVICES__STORE", at_store.as_str()),
        ("FOREBAY_SERVICES__NOTIFY", &at_store),
        ("FOREBAY_SERVICES__PROCESS", &both),
    ];
    let gateway = house.start("gateway", "gateway", &[&known[..], &at[..]].concat());
    let gateway = house.keep(gateway);
    for stream in ["orders", "others"] {
        let put = client().put(format!("http://{gateway}/v1/streams/{stream}")).bearer_auth(KEY);
        answer(put.json(&orders())).await.expect(201);
    }
    let send = async |body: Value| {
        let post = client().post(format!("http://{gateway}/v1/batch")).bearer_auth(KEY);
        answer(post.json(&body)).await
    };
    let some = |stream: &str, count: usize| json!([{"stream": stream, "records": vec![json!({"data": {"n": 1}}); count]}]);
    let until_refused = async || {
        let mut passed = 0;
        loop {
            let told = send(some("orders", 1)).await;
            if told.status != 200 {
                let problem = told.problem(429, "rate_limited");
                assert!(problem["detail"].as_str().unwrap().contains("`plan`"), "{problem}");
                return passed;
            }
            passed += 1;
        }
    };
    let (a, b, c) = tokio::join!(until_refused(), until_refused(), until_refused());
    assert_eq!(a + b + c, 150);
    // Another stream's count is another one, and all of it may come at once.
    send(some("others", 151)).await.problem(429, "rate_limited");
    send(some("others", 150)).await.expect(200);
    let stream = ask(Method::GET, &gateway, "/v1/streams/orders").await.expect(200);
    assert_eq!(stream["last_seq"], 150);
}

fn refused(parts: &str, environment: &[(&str, &str)]) -> String {
    let data = tempfile::tempdir().unwrap();
    let mut command = forebay();
    command.args(["serve", parts, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    command.arg("--data").arg(data.path()).envs(environment.iter().copied());
    let done = command.output().unwrap();
    assert_eq!(done.status.code(), Some(2), "{done:?}");
    String::from_utf8(done.stderr).unwrap()
}

#[test]
fn parts_that_cannot_work_do_not_start() {
    let secret = ("FOREBAY_INTERNAL__SECRET", SECRET);
    let database = ("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing");
    for parts in ["auth", "process,store", "auth,process,store", "gateway,auth"] {
        assert!(refused(parts, &[secret]).contains("database.url"), "{parts}");
        assert!(refused(parts, &[database]).contains("internal.secret"), "{parts}");
    }
    let short = [database, ("FOREBAY_INTERNAL__SECRET", "short and secret")];
    let said = refused("auth", &short);
    assert!(said.contains("internal.secret: has at least 32 bytes"), "{said}");
    assert!(!said.contains("short and secret"), "{said}");
    assert!(refused("gateway", &[secret]).contains("services.auth"));
    assert!(refused("store", &[secret, database]).contains("services.auth"));
    assert!(refused("notify", &[secret, database]).contains("services.auth"));
    let quota = r#"[{"name": "plan", "key": "principal", "quota": "9/day", "cost": "records"}]"#;
    let quota = ("FOREBAY_GATEWAY__LIMITS", quota);
    assert!(refused("process", &[secret, database, quota]).contains("services.auth"));
    let known = [
        secret,
        database,
        ("FOREBAY_SERVICES__PROCESS", "http://127.0.0.1:1"),
        ("FOREBAY_SERVICES__STORE", "http://127.0.0.1:1"),
        ("FOREBAY_SERVICES__NOTIFY", "http://127.0.0.1:1"),
    ];
    assert!(refused("gateway,auth", &known).contains("services.listen"));
    let odd = [secret, ("FOREBAY_SERVICES__AUTH", "ftp://x")];
    let odd = [&odd[..], &known[2..]].concat();
    assert!(refused("gateway", &odd).contains("services.auth"));
}

/// Asks without a pause until it is told to stop.
struct Load {
    stop: AtomicBool,
    done: AtomicU64,
}

impl Load {
    async fn run(self: Arc<Load>, client: Client, gateway: String, worker: usize) {
        let mut turn = worker;
        while !self.stop.load(Ordering::Relaxed) {
            turn += 1;
            let url = |path: &str| format!("http://{gateway}{path}");
            let request = match turn % 3 {
                0 => client.post(url("/v1/streams/orders/records")).json(&json!({"n": turn})),
                1 => client.get(url("/v1/streams/orders/records?limit=1")),
                _ => client.post(url("/v1/auth/login")).json(&json!({"email": "x@y.z"})),
            };
            let told = answer(request.bearer_auth(KEY)).await;
            let expected = if turn % 3 == 2 { StatusCode::BAD_REQUEST } else { StatusCode::OK };
            assert_eq!(told.status, expected, "{}", told.text);
            self.done.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_fails_no_request() {
    let mut house = House::new().await;
    let mut running: Vec<(&str, String, Running)> = Vec::new();
    let addresses = |running: &[(&str, String, Running)], part: &str| {
        let some = running.iter().filter(|one| one.0 == part);
        some.map(|one| format!("http://{}", one.2.address)).collect::<Vec<_>>().join(",")
    };
    for part in ["auth", "process", "store", "notify"] {
        for n in 0..2 {
            let auth = addresses(&running, "auth");
            let folder = format!("{part}-{n}");
            let one = house.start(part, &folder, &[("FOREBAY_SERVICES__AUTH", &auth)]);
            running.push((part, folder, one));
        }
    }
    let [auth, process, store, notify] =
        ["auth", "process", "store", "notify"].map(|part| addresses(&running, part));
    let known = [
        ("FOREBAY_SERVICES__AUTH", auth.as_str()),
        ("FOREBAY_SERVICES__PROCESS", &process),
        ("FOREBAY_SERVICES__STORE", &store),
        ("FOREBAY_SERVICES__NOTIFY", &notify),
    ];
    let gateway = house.start("gateway", "gateway", &known);
    let admin = gateway.admin.clone();
    let gateway = house.keep(gateway);
    let put = client().put(format!("http://{gateway}/v1/streams/orders")).bearer_auth(KEY);
    answer(put.json(&orders())).await.expect(201);
    let load = Arc::new(Load { stop: AtomicBool::new(false), done: AtomicU64::new(0) });
    let client = client();
    let workers: Vec<_> = (0..4)
        .map(|n| tokio::spawn(load.clone().run(client.clone(), gateway.clone(), n)))
        .collect();
    for (part, folder, mut one) in running {
        let stopped = tokio::task::spawn_blocking(move || {
            let status = terminate(&mut one.child);
            (status, one.address)
        });
        let (status, address) = stopped.await.unwrap();
        assert_eq!(status, Some(0), "{folder}");
        let known =
            [("FOREBAY_SERVICES__AUTH", auth.as_str()), ("FOREBAY_SERVER__LISTEN", &address)];
        let again = house.start(part, &folder, &known);
        house.keep(again);
        // The next one stops when the gateway has seen that this one is back.
        let up =
            format!("forebay_upstream_healthy{{upstream=\"{part}\",endpoint=\"{address}\"}} 1");
        loop {
            let metrics = answer(client.get(format!("http://{admin}/metrics"))).await.text;
            if metrics.lines().any(|line| line.starts_with(&up)) {
                break;
            }
        }
    }
    load.stop.store(true, Ordering::Relaxed);
    for worker in join_all(workers).await {
        worker.unwrap();
    }
    assert!(load.done.load(Ordering::Relaxed) > 50);
}

#[tokio::test]
async fn a_gateway_that_stops_ends_what_it_hands_on() {
    use futures_util::StreamExt as _;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

    let mut s = Server::start(Engine::Split).await;
    s.put("/v1/streams/orders", orders()).await.expect(201);
    let url = format!("ws://{}/v1/streams/orders/subscribe?after=0", s.address);
    let mut request = url.into_client_request().unwrap();
    let key = format!("Bearer {KEY}").parse().unwrap();
    request.headers_mut().insert("authorization", key);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    s.post("/v1/streams/orders/records", json!({"n": 1})).await.expect(200);
    let first = loop {
        let Message::Text(text) = socket.next().await.unwrap().unwrap() else { continue };
        let event: Value = serde_json::from_str(&text).unwrap();
        if event["event"] == "create" {
            break event;
        }
    };
    assert_eq!(first["data"]["record"]["data"]["n"], 1);
    let stopping = std::thread::spawn(move || s.stop());
    let code = loop {
        if let Message::Close(frame) = socket.next().await.unwrap().unwrap() {
            break u16::from(frame.unwrap().code);
        }
    };
    assert_eq!(code, 1012);
    drop(socket);
    assert_eq!(stopping.join().unwrap(), Some(0));
}
