//! Routes to users' own services: which request goes where, and what each side sees of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::ConnectInfo;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{Answer, Engine, KEY, Server, answer};

/// A service of somebody's own: it answers with what it was asked.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Backend {
    /// Starts one, on a thread of its own so that no test holds it up.
    pub(crate) fn start(name: &'static str) -> Backend {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let answer = move |peer: ConnectInfo<SocketAddr>,
                           head: http::request::Parts,
                           body: Bytes| async move {
            count.fetch_add(1, Ordering::Relaxed);
            let lines = head.headers.iter().map(|(name, value)| {
                (name.as_str().to_owned(), Value::from(String::from_utf8_lossy(value.as_bytes())))
            });
            let said = json!({
                "backend": name,
                "port": peer.0.port(),
                "method": head.method.as_str(),
                "target": head.uri.to_string(),
                "headers": lines.collect::<serde_json::Map<_, _>>(),
                "body": String::from_utf8_lossy(&body),
            });
            let headers =
                [("x-from", name), ("x-secret", "s"), ("content-type", "application/json")];
            (headers, said.to_string())
        };
        let router = Router::new().fallback(answer);
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, service).await.unwrap();
            });
        });
        Backend { address, asked }
    }

    pub(crate) fn upstream(&self, name: &str) -> Value {
        json!({"name": name, "endpoints": [format!("http://{}", self.address)]})
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

async fn start(routes: &Value, upstreams: &Value) -> Server {
    let environment = [
        ("FOREBAY_ROUTES", routes.to_string()),
        ("FOREBAY_UPSTREAMS", upstreams.to_string()),
        ("LOG_LEVEL", "DEBUG".to_owned()),
    ];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    Server::start_with(Engine::Sqlite, &environment).await
}

/// A request without a credential.
pub(crate) fn ask(s: &Server, path: &str) -> RequestBuilder {
    s.bare(Method::GET, path)
}

/// A request as it is written, since clients tidy paths up.
fn raw(s: &Server, target: &str, more: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut socket = std::net::TcpStream::connect(&s.address).unwrap();
    let head = format!("GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{more}\r\n");
    socket.write_all(head.as_bytes()).unwrap();
    let mut said = String::new();
    socket.read_to_string(&mut said).unwrap();
    said
}

fn header<'a>(told: &'a Answer, name: &str) -> Option<&'a str> {
    told.headers.get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn requests_go_where_routes_say() {
    let (shop, blog) = (Backend::start("shop"), Backend::start("blog"));
    let routes = json!([
        {"name": "all", "match": {"prefix": "/"}, "upstream": "blog", "auth": "none"},
        {"name": "shop", "match": {"host": "shop.example.com"}, "upstream": "shop", "auth": "none"},
        {"name": "beta", "priority": 5, "match": {"prefix": "/x", "headers": {"x-beta": "1"},
            "query": {"v": "2"}, "methods": ["GET"]}, "upstream": "shop", "auth": "none"},
        {"name": "filtered", "priority": 6, "match": {"prefix": "/f",
            "filter": "headers[\"x-tenant\"].startsWith(\"a\") && client == \"127.0.0.1\""},
            "upstream": "shop", "auth": "none"},
    ]);
    let s = start(&routes, &json!([shop.upstream("shop"), blog.upstream("blog")])).await;
    let all = json!([
        ["/", "", "", "blog"],
        ["/a/b?c=d", "", "", "blog"],
        ["/a", "host", "shop.example.com", "blog"],
        ["/x?v=2", "x-beta", "1", "shop"],
        ["/x?v=3", "x-beta", "1", "blog"],
        ["/x?v=2", "x-beta", "2", "blog"],
        ["/f", "x-tenant", "acme", "shop"],
        ["/f", "x-tenant", "b", "blog"],
    ]);
    for case in all.as_array().unwrap() {
        let [path, name, value, backend] = [0, 1, 2, 3].map(|at| case[at].as_str().unwrap());
        let asked = ask(&s, path);
        let asked = if name.is_empty() { asked } else { asked.header(name, value) };
        let told = answer(asked).await.expect(200);
        assert_eq!(told["backend"], backend, "{case}");
        assert_eq!(told["target"], path);
    }
    // Its body and method arrive, and what it is told of the client.
    let told = answer(s.bare(Method::PUT, "/a").body("hello")).await.expect(200);
    assert_eq!((&told["method"], &told["body"]), (&json!("PUT"), &json!("hello")));
    assert_eq!(told["headers"]["x-forwarded-for"], "127.0.0.1");
    // Forebay's own paths stay its own, but for a host that a route names.
    s.get("/v1/streams").await.expect(200);
    answer(ask(&s, "/v1/streams")).await.problem(401, "unauthenticated");
    answer(ask(&s, "/healthz")).await.expect(200);
    answer(ask(&s, "/metrics")).await.problem(401, "unauthenticated");
    let host =
        json!([{"name": "h", "match": {"host": "127.0.0.1"}, "upstream": "shop", "auth": "none"}]);
    let named = start(&host, &json!([shop.upstream("shop")])).await;
    for path in ["/healthz", "/v1/streams", "/metrics"] {
        assert_eq!(answer(ask(&named, path)).await.expect(200)["backend"], "shop", "{path}");
    }
}

#[tokio::test]
async fn a_path_is_the_same_for_everybody() {
    let (open, closed) = (Backend::start("open"), Backend::start("closed"));
    let routes = json!([
        {"name": "admin", "match": {"prefix": "/admin"}, "upstream": "closed"},
        {"name": "files", "match": {"path": "/files/{name}"}, "upstream": "open", "auth": "none",
            "lax_paths": true},
        {"name": "rest", "match": {"prefix": "/"}, "upstream": "open", "auth": "none"},
    ]);
    let s = start(&routes, &json!([open.upstream("open"), closed.upstream("closed")])).await;
    for (target, seen) in [
        ("/a/./b//c/../%7Ed?x=%2e%2e/", "/a/b/~d?x=%2e%2e/"),
        ("/a%2fb", "/a%2Fb"),
        ("/files/a%2fb", "/files/a%2Fb"),
        ("/files/admin%2f;x", "/files/admin%2F;x"),
        ("/a;v=1", "/a;v=1"),
    ] {
        let said = raw(&s, target, "");
        assert!(said.starts_with("HTTP/1.1 200"), "{target}: {said}");
        assert!(said.contains(&format!("\"target\":\"{seen}\"")), "{target}: {said}");
    }
    // However the path of what is guarded is written, it is guarded.
    for target in [
        "/admin",
        "/admin/",
        "//admin",
        "/./admin",
        "/a/../admin",
        "/%61dmin",
        "/a/%2e%2e/admin",
        "/a//../..//admin",
    ] {
        let said = raw(&s, target, "");
        let refused = said.starts_with("HTTP/1.1 401") || said.starts_with("HTTP/1.1 400");
        assert!(refused, "{target}: {said}");
    }
    for target in [
        "/..",
        "/a/../../admin",
        "/a/..%2fadmin",
        "/%2e%2e%2fadmin",
        "/a/..;/admin",
        "/a%00",
        "/a/%252e%252e/admin",
        "/a%5c..%5cadmin",
        "/a\\admin",
        "/%c0%ae%c0%ae/admin",
        "/a%zz",
        "/admin%2fx",
        "/admin%5cx",
        "/admin;x=1",
        "/a%2f%2e%2e%2fadmin",
        "/a/%2e%2e%5cadmin",
    ] {
        let said = raw(&s, target, "");
        assert!(said.starts_with("HTTP/1.1 400"), "{target}: {said}");
        assert!(said.contains("\"code\":\"bad_request\""), "{target}: {said}");
    }
    assert_eq!(closed.asked(), 0);
}

#[tokio::test]
async fn shares_rewrites_redirects_and_answers() {
    let (old, new) = (Backend::start("old"), Backend::start("new"));
    let routes = json!([
        {"name": "canary", "match": {"path": "/c"}, "auth": "none",
            "upstream": [{"name": "old", "weight": 90}, {"name": "new", "weight": 10}]},
        {"name": "strip", "match": {"prefix": "/s"}, "rewrite": {"prefix": "/"}, "upstream": "old",
            "auth": "none"},
        {"name": "prefix", "match": {"prefix": "/p/q"}, "rewrite": {"prefix": "/v2/x"},
            "upstream": "old", "auth": "none"},
        {"name": "template", "match": {"path": "/t/{id}/*"}, "upstream": "old", "auth": "none",
            "rewrite": {"path": "/items/{rest}/of-{id}"}},
        {"name": "gone", "match": {"prefix": "/r"}, "auth": "none",
            "redirect": {"status": 301, "to": "https://www.example.com/new/{rest}"}},
        {"name": "closed", "match": {"path": "/closed"}, "auth": "none",
            "answer": {"status": 503, "body": "<p>later</p>", "content_type": "text/html"},
            "response_headers": {"set": {"retry-after": "60"}}},
    ]);
    let s = start(&routes, &json!([old.upstream("old"), new.upstream("new")])).await;
    for _ in 0..200 {
        answer(ask(&s, "/c")).await.expect(200);
    }
    assert!(
        (18..=22).contains(&new.asked()) && old.asked() + new.asked() == 200,
        "{}",
        new.asked()
    );
    for (path, target) in [
        ("/s", "/"),
        ("/s/", "/"),
        ("/s/a/b?c", "/a/b?c"),
        ("/p/q", "/v2/x"),
        ("/p/q/r", "/v2/x/r"),
        ("/t/7/a/b", "/items/a/b/of-7"),
        ("/t/%2e7/a", "/items/a/of-.7"),
    ] {
        assert_eq!(answer(ask(&s, path)).await.expect(200)["target"], target, "{path}");
    }
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let client = client.build().unwrap();
    for (path, to) in [
        ("/r/a/b?c=d", "https://www.example.com/new/a/b?c=d"),
        ("/r", "https://www.example.com/new/"),
    ] {
        let told = answer(client.get(format!("http://{}{path}", s.address))).await;
        assert_eq!((told.status.as_u16(), header(&told, "location")), (301, Some(to)));
    }
    let told = answer(ask(&s, "/closed")).await;
    assert_eq!((told.status.as_u16(), told.text.as_str()), (503, "<p>later</p>"));
    assert_eq!(header(&told, "content-type"), Some("text/html"));
    assert_eq!(header(&told, "retry-after"), Some("60"));
    // What browsers may do with them is theirs to say.
    assert_eq!(header(&told, "content-security-policy"), None);
}

#[tokio::test]
async fn heads_are_changed_and_credentials_stay_here() {
    let backend = Backend::start("b");
    let edits = json!({"set": {"x-a": "1"}, "add": {"x-b": "2"}, "remove": ["x-c"]});
    let routes = json!([
        {"name": "edited", "match": {"prefix": "/e"}, "upstream": "u", "auth": "none",
            "request_headers": edits,
            "response_headers": {"set": {"x-from": "us"}, "add": {"x-more": "1"},
                "remove": ["x-secret"]}},
        {"name": "passed", "match": {"prefix": "/p"}, "upstream": "u", "pass_credentials": true},
        {"name": "told", "match": {"prefix": "/t"}, "upstream": "u", "identity": true},
        {"name": "own", "match": {"prefix": "/o"}, "upstream": "u",
            "request_headers": {"set": {"authorization": "Basic upstream"}}},
    ]);
    let s = start(&routes, &json!([backend.upstream("u")])).await;
    let asked = ask(&s, "/e").header("x-b", "1").header("x-c", "1").header("forebay-user", "root");
    let asked = asked.header("x-forebay-roles", "admin").header("x-api-key", "k");
    let told = answer(asked.header("cookie", "a=1; session=s; b=2").bearer_auth("x")).await;
    assert_eq!((header(&told, "x-from"), header(&told, "x-more")), (Some("us"), Some("1")));
    assert_eq!(header(&told, "x-secret"), None);
    let seen = told.expect(200)["headers"].clone();
    assert_eq!(
        (&seen["x-a"], &seen["x-b"], &seen["cookie"]),
        (&json!("1"), &json!("2"), &json!("a=1; b=2"))
    );
    for gone in ["x-c", "forebay-user", "x-forebay-roles", "authorization", "x-api-key"] {
        assert_eq!(seen[gone], Value::Null, "{gone}");
    }
    let seen = s.get("/p").await.expect(200)["headers"].clone();
    assert_eq!(seen["authorization"], format!("Bearer {KEY}"));
    assert_eq!(seen["forebay-user"], Value::Null);
    let (id, key) = s.program(&["viewer", "ingest"]).await;
    let seen = s.get_by(&key, "/t", &[]).await.expect(200)["headers"].clone();
    assert_eq!(seen["forebay-roles"], "ingest,viewer");
    assert!(!seen["forebay-user"].as_str().unwrap().is_empty(), "{seen} {id}");
    assert_eq!(seen["authorization"], Value::Null);
    let seen = s.get("/o").await.expect(200)["headers"].clone();
    assert_eq!(seen["authorization"], "Basic upstream");
    let viewed = s.request(Method::GET, "/t").header("x-forebay-view-as", "x");
    answer(viewed).await.problem(400, "bad_request");
}

#[tokio::test]
async fn a_route_says_who_may_ask() {
    let backend = Backend::start("b");
    let routes = json!([
        {"name": "required", "match": {"prefix": "/r"}, "upstream": "u", "identity": true},
        {"name": "optional", "match": {"prefix": "/o"}, "upstream": "u", "auth": "optional",
            "identity": true},
        {"name": "none", "match": {"prefix": "/n"}, "upstream": "u", "auth": "none", "identity": true},
        {"name": "guarded", "match": {"prefix": "/g"}, "upstream": "u",
            "permission": "routes:use@route/guarded"},
        {"name": "beta", "match": {"prefix": "/b", "filter": "auth.roles.exists(r, r == \"beta\")"},
            "answer": {"status": 200, "body": "beta"}, "auth": "none"},
        {"name": "other", "match": {"prefix": "/b"}, "answer": {"status": 200, "body": "other"},
            "auth": "none"},
    ]);
    let s = start(&routes, &json!([backend.upstream("u")])).await;
    let user = |told: Answer| told.expect(200)["headers"]["forebay-user"].clone();
    answer(ask(&s, "/r")).await.problem(401, "unauthenticated");
    answer(ask(&s, "/r").bearer_auth("wrong")).await.problem(401, "unauthenticated");
    assert_ne!(user(s.get("/r").await), Value::Null);
    assert_eq!(user(answer(ask(&s, "/o")).await), Value::Null);
    assert_ne!(user(s.get("/o").await), Value::Null);
    answer(ask(&s, "/o").bearer_auth("wrong")).await.problem(401, "unauthenticated");
    assert_eq!(user(answer(ask(&s, "/n").bearer_auth("wrong")).await), Value::Null);
    assert_eq!(user(s.get("/n").await), Value::Null);
    assert_eq!(backend.asked(), 5);
    // A right on a route is one that roles and keys hold.
    s.put("/v1/roles/guests", json!({"permissions": ["routes:use@route/guarded"]}))
        .await
        .expect(201);
    s.put("/v1/roles/beta", json!({"permissions": ["routes:use@route/other"]})).await.expect(201);
    let (_, guest) = s.program(&["guests"]).await;
    let (_, beta) = s.program(&["beta"]).await;
    s.get("/g").await.expect(200);
    s.get_by(&guest, "/g", &[]).await.expect(200);
    let refused = s.get_by(&beta, "/g", &[]).await.problem(403, "forbidden");
    assert_eq!(refused["detail"], "this needs `routes:use@route/guarded`");
    // A filter that speaks of who asks has it found out first.
    for (key, said) in [(&beta, "beta"), (&guest, "other"), (&"wrong".to_owned(), "other")] {
        assert_eq!(s.get_by(key, "/b", &[]).await.text, said);
    }
    assert_eq!(answer(ask(&s, "/b")).await.text, "other");
}

#[tokio::test]
async fn what_is_seen_of_a_route() {
    let backend = Backend::start("b");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let routes = json!([
        {"name": "shop", "match": {"prefix": "/shop"}, "upstream": "u", "auth": "none",
            "request_headers": {"set": {"x-token": "s3cret"}}},
        {"name": "down", "match": {"prefix": "/down"}, "upstream": "down", "auth": "none"},
    ]);
    let down = json!({"name": "down", "endpoints": [format!("http://{nobody}")]});
    let s = start(&routes, &json!([backend.upstream("u"), down])).await;
    answer(ask(&s, "/shop/7")).await.expect(200);
    answer(ask(&s, "/down")).await.problem(502, "upstream_failed");
    let metrics = answer(crate::support::client().get(format!("http://{}/metrics", s.admin))).await;
    for route in ["shop", "down"] {
        let labels = format!("service=\"routes\",route=\"routes.{route}\",method=\"GET\"");
        assert!(metrics.text.contains(&labels), "{}", metrics.text);
    }
    let shown = s.get("/v1/routes").await;
    assert!(!shown.text.contains("s3cret"), "{}", shown.text);
    let shown = shown.expect(200);
    let shop = &shown["items"][0];
    assert_eq!((&shop["name"], &shop["match"]), (&json!("shop"), &json!({"prefix": "/shop"})));
    assert_eq!(shop["upstream"], json!([{"name": "u", "weight": 1}]));
    assert_eq!(shop["request_headers"]["set"], json!(["x-token"]));
    let shown = s.get("/v1/upstreams").await.expect(200);
    let items = shown["items"].as_array().unwrap();
    let of = |name: &str| items.iter().find(|item| item["name"] == name).unwrap();
    assert_eq!(of("u")["endpoints"][0]["address"], backend.address.to_string());
    assert_eq!(of("u")["endpoints"][0]["state"], "healthy");
    assert_eq!(of("u")["endpoints"][0]["requests"], 1);
    assert_ne!(of("down")["endpoints"][0]["failures"], 0);
    let (_, key) = s.program(&["viewer"]).await;
    for path in ["/v1/routes", "/v1/upstreams"] {
        s.get_by(&key, path, &[]).await.problem(403, "forbidden");
    }
}
