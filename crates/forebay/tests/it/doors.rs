//! Who is let in, what a malformed request is told, and how the process starts and ends.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use reqwest::Method;
use serde_json::json;

use crate::support::{Engine, KEY, Server, answer, forebay, orders, shapes};

pub(crate) const OPERATIONS: &[(&str, &str)] = &[
    ("GET", "/v1/streams"),
    ("GET", "/v1/streams/orders"),
    ("PUT", "/v1/streams/orders"),
    ("DELETE", "/v1/streams/orders"),
    ("GET", "/v1/streams/orders/records"),
    ("POST", "/v1/streams/orders/records"),
    ("GET", "/v1/streams/orders/records/a"),
    ("PUT", "/v1/streams/orders/records/a"),
    ("PATCH", "/v1/streams/orders/records/a"),
    ("DELETE", "/v1/streams/orders/records/a"),
    ("POST", "/v1/streams/orders/aggregate"),
    ("GET", "/v1/streams/orders/export"),
    ("GET", "/v1/streams/orders/search"),
    ("GET", "/v1/streams/orders/search/index"),
    ("POST", "/v1/streams/orders/search/rebuild"),
    ("GET", "/v1/system/doctor"),
    ("GET", "/v1/streams/orders/subscribe"),
    ("GET", "/v1/subscribe"),
    ("POST", "/v1/batch"),
    ("POST", "/v1/auth/logout"),
    ("POST", "/v1/auth/password/change"),
    ("POST", "/v1/auth/step-up"),
    ("POST", "/v1/invitations"),
    ("GET", "/v1/me"),
    ("PATCH", "/v1/me"),
    ("DELETE", "/v1/me"),
    ("GET", "/v1/me/export"),
    ("POST", "/v1/me/mfa/recovery-codes"),
    ("POST", "/v1/me/mfa/totp"),
    ("DELETE", "/v1/me/mfa/totp"),
    ("POST", "/v1/me/mfa/totp/confirm"),
    ("GET", "/v1/me/sessions"),
    ("DELETE", "/v1/me/sessions"),
    ("DELETE", "/v1/me/sessions/i"),
    ("GET", "/v1/roles"),
    ("GET", "/v1/roles/r"),
    ("PUT", "/v1/roles/r"),
    ("DELETE", "/v1/roles/r"),
    ("GET", "/v1/service-accounts"),
    ("POST", "/v1/service-accounts"),
    ("GET", "/v1/service-accounts/i"),
    ("PATCH", "/v1/service-accounts/i"),
    ("DELETE", "/v1/service-accounts/i"),
    ("GET", "/v1/users"),
    ("POST", "/v1/users"),
    ("GET", "/v1/users/i"),
    ("PATCH", "/v1/users/i"),
    ("DELETE", "/v1/users/i"),
    ("GET", "/v1/audit"),
    ("GET", "/v1/api-keys"),
    ("POST", "/v1/api-keys"),
    ("GET", "/v1/api-keys/i"),
    ("DELETE", "/v1/api-keys/i"),
    ("POST", "/v1/api-keys/i/rotate"),
    ("GET", "/v1/channels"),
    ("POST", "/v1/channels"),
    ("GET", "/v1/channels/i"),
    ("PATCH", "/v1/channels/i"),
    ("DELETE", "/v1/channels/i"),
    ("POST", "/v1/channels/i/rotate"),
    ("POST", "/v1/channels/i/test"),
    ("GET", "/v1/deliveries"),
    ("GET", "/v1/deliveries/i"),
    ("GET", "/v1/deliveries/i/attempts"),
    ("POST", "/v1/deliveries/replay"),
    ("GET", "/v1/rules"),
    ("POST", "/v1/rules"),
    ("GET", "/v1/rules/i"),
    ("PATCH", "/v1/rules/i"),
    ("DELETE", "/v1/rules/i"),
    ("POST", "/v1/rules/i/backtest"),
    ("POST", "/v1/rules/backtest"),
    ("GET", "/v1/rules/i/groups"),
    ("POST", "/v1/rules/i/groups/g/acknowledge"),
    ("GET", "/v1/silences"),
    ("POST", "/v1/silences"),
    ("DELETE", "/v1/silences/i"),
    ("GET", "/v1/routes"),
    ("GET", "/v1/upstreams"),
    ("POST", "/v1/auth/email/change"),
    ("GET", "/v1/inbox"),
    ("POST", "/v1/inbox/read-all"),
    ("GET", "/v1/inbox/subscribe"),
    ("POST", "/v1/inbox/i/read"),
    ("GET", "/v1/me/preferences"),
    ("PATCH", "/v1/me/preferences"),
    ("GET", "/v1/templates"),
    ("PUT", "/v1/templates/r"),
    ("DELETE", "/v1/templates/r"),
    ("POST", "/v1/templates/r/preview"),
    ("GET", "/metrics"),
    ("GET", "/nothing/here"),
];

/// Doors behind which a credential is made or checked.
pub(crate) const OPEN: &[(&str, &str)] = &[
    ("POST", "/v1/auth/email/verify"),
    ("POST", "/v1/auth/login"),
    ("POST", "/v1/auth/login/mfa"),
    ("POST", "/v1/auth/password/forgot"),
    ("POST", "/v1/auth/password/reset"),
    ("POST", "/v1/auth/refresh"),
    ("POST", "/v1/auth/register"),
    ("POST", "/v1/invitations/accept"),
    ("POST", "/v1/setup"),
];

shapes! {
    without_a_valid_key_there_is_nothing
    every_error_is_a_problem_document
}

async fn without_a_valid_key_there_is_nothing(engine: Engine) {
    let s = Server::start(engine).await;
    s.put("/v1/streams/orders", orders()).await.expect(201);
    let client = crate::support::client();
    for (method, path) in OPERATIONS {
        let request = || {
            let method: Method = method.parse().unwrap();
            client.request(method, format!("http://{}{path}", s.address))
        };
        for request in [
            request(),
            request().bearer_auth("wrong"),
            request().bearer_auth(""),
            request().header("x-api-key", "wrong"),
            request().basic_auth("a", Some("wrong")),
        ] {
            let refused = answer(request).await;
            refused.problem(401, "unauthenticated");
            assert!(refused.headers.contains_key("www-authenticate"), "{path}");
        }
    }
    for request in [
        client.get(format!("http://{}/v1/streams", s.address)).header("x-api-key", KEY),
        client.get(format!("http://{}/v1/streams", s.address)).basic_auth("any", Some(KEY)),
        client
            .get(format!("http://{}/v1/streams", s.address))
            .header("authorization", format!("ApiKey {KEY}")),
    ] {
        answer(request).await.expect(200);
    }
    // A door that is open reads what it is sent; only its own method opens it.
    for (method, path) in OPEN {
        let url = format!("http://{}{path}", s.address);
        let asked = client.request(method.parse().unwrap(), &url).body("x");
        let refused = answer(asked).await;
        if *path != "/v1/auth/register" {
            refused.problem(400, "invalid_json");
        } else {
            refused.problem(403, "forbidden");
        }
        answer(client.get(&url)).await.problem(401, "unauthenticated");
        answer(client.post(format!("{url}/"))).await.problem(401, "unauthenticated");
    }
    for path in ["/healthz", "/readyz", "/.well-known/jwks.json"] {
        answer(client.get(format!("http://{}{path}", s.address))).await.expect(200);
    }
    for path in ["/healthz", "/readyz"] {
        answer(client.get(format!("http://{}{path}", s.address))).await.expect(200);
        answer(client.get(format!("http://{}{path}", s.admin))).await.expect(200);
    }
    let metrics = answer(client.get(format!("http://{}/metrics", s.admin))).await;
    assert!(metrics.text.contains("forebay_http_requests_total"), "{}", metrics.text);
    assert!(metrics.text.contains("process_resident_memory_bytes"));
    assert!(!metrics.text.contains(KEY));
    assert_eq!(s.get("/metrics").await.status, 200);
    answer(client.get(format!("http://{}/v1/streams", s.admin))).await.problem(404, "not_found");
}

async fn every_error_is_a_problem_document(engine: Engine) {
    let s = Server::start(engine).await;
    s.put("/v1/streams/orders", orders()).await.expect(201);
    s.get("/nothing/here").await.problem(404, "not_found");
    s.delete("/v1/batch").await.problem(405, "method_not_allowed");
    s.post("/v1/streams/none/records", json!({})).await.problem(404, "not_found");
    s.get("/v1/streams/%ff").await.problem(400, "bad_request");
    s.get("/v1/streams/orders/subscribe?after=x").await.problem(400, "validation_failed");
    let all = OPERATIONS.iter().chain(OPEN);
    for (method, path) in all.filter(|(_, path)| path.starts_with("/v1/")) {
        let method: Method = method.parse().unwrap();
        let refused = answer(s.request(method, &format!("{path}?bogus=1")).body("{}")).await;
        assert_eq!(refused.problem(400, "validation_failed")["errors"][0]["path"], "?bogus");
    }
    let named = s.request(Method::GET, "/nothing").header("x-request-id", "mine-1");
    assert_eq!(answer(named).await.problem(404, "not_found")["request_id"], "mine-1");
    let many: String = (0..150).map(|n| format!("h{n}: x\r\n")).collect();
    let key = format!("x-api-key: {KEY}\r\n");
    for (bytes, status) in [
        ("GARBAGE\r\n\r\n".to_owned(), "400"),
        (format!("GET / HTTP/1.1\r\n{many}\r\n"), "431"),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(70_000)), "431"),
        (format!("POST /v1/batch HTTP/1.1\r\n{key}content-length: x\r\n\r\n"), "400"),
        (
            format!(
                "POST /v1/streams/orders/records HTTP/1.1\r\n{key}transfer-encoding: chunked\r\n\r\nZZ\r\n"
            ),
            "400",
        ),
    ] {
        let mut socket = TcpStream::connect(&s.address).unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        socket.write_all(bytes.as_bytes()).unwrap();
        let mut text = vec![0; 4096];
        let read = socket.read(&mut text).unwrap();
        let text = String::from_utf8_lossy(&text[..read]);
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
        assert!(text.contains("application/problem+json"), "{text}");
        assert!(text.contains("\"request_id\""), "{text}");
    }
}

#[tokio::test]
async fn a_slow_head_is_cut_off_and_a_resting_connection_is_not() {
    let settings = [("FOREBAY_SERVER__HEADER_TIMEOUT", "300ms")];
    let s = Server::start_with(Engine::Sqlite, &settings).await;
    let connect = || {
        let socket = TcpStream::connect(&s.address).unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        socket
    };
    let mut buffer = [0; 4096];
    // Nothing, half a head, and half of a second head: each ends with the connection.
    let ask = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    for sent in [&b""[..], &ask[..20]] {
        let mut socket = connect();
        socket.write_all(sent).unwrap();
        assert_eq!(socket.read(&mut buffer).unwrap_or(0), 0);
    }
    let mut socket = connect();
    for _ in 0..2 {
        socket.write_all(ask).unwrap();
        assert!(socket.read(&mut buffer).unwrap() > 0);
        // It rests for longer than a head may take, and nothing happens.
        socket.set_read_timeout(Some(std::time::Duration::from_millis(700))).unwrap();
        let quiet = socket.read(&mut buffer).unwrap_err();
        assert!(matches!(
            quiet.kind(),
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
        ));
        socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    }
    socket.write_all(&ask[..20]).unwrap();
    assert_eq!(socket.read(&mut buffer).unwrap_or(0), 0);
    // A WebSocket has no heads: it may say something and be silent for as long as it likes.
    let mut socket = connect();
    let upgrade = format!(
        "GET /v1/subscribe HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );
    socket.write_all(upgrade.as_bytes()).unwrap();
    let read = socket.read(&mut buffer).unwrap();
    assert!(buffer[..read].starts_with(b"HTTP/1.1 101 "));
    for _ in 0..2 {
        // A ping of no bytes, masked (RFC 6455, 5.5.2), and its answer.
        socket.write_all(&[0x89, 0x80, 0, 0, 0, 0]).unwrap();
        assert_eq!(socket.read(&mut buffer).unwrap(), 2);
        assert_eq!(buffer[0], 0x8A);
        socket.set_read_timeout(Some(std::time::Duration::from_millis(700))).unwrap();
        assert!(socket.read(&mut buffer).is_err());
        socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    }
}

#[tokio::test]
async fn exit_statuses_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let run = |environment: &[(&str, &str)]| {
        let mut command = forebay();
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        command.arg("--data").arg(folder.path()).envs(environment.iter().copied());
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (status, text) = run(&[("FOREBAY_SERVER__LISTN", "x")]);
    assert_eq!(status, Some(2));
    assert!(text.contains("did you mean `server.listen`?"), "{text}");
    assert_eq!(run(&[("FOREBAY_INGEST__MAX_BODY", "lots")]).0, Some(2));
    assert_eq!(run(&[("LOG_LEVEL", "LOUD")]).0, Some(2));
    assert_eq!(run(&[("DATABASE_URL", "mysql://x")]).0, Some(2));
    let (status, text) = run(&[("DATABASE_URL", "postgres://u:s3cret@127.0.0.1:1/x")]);
    assert_eq!(status, Some(3), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
    let s = Server::start(Engine::Sqlite).await;
    let second = forebay()
        .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data"])
        .arg(s.data.path())
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(3));
}

#[tokio::test]
async fn the_key_that_a_first_start_makes_is_shown_once_and_opens() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        use std::io::{BufRead as _, BufReader};
        let mut command = forebay();
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        command.arg("--data").arg(folder.path());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.map(Result::unwrap).any(|l| l.contains("\"ready\"")));
        let run = std::fs::read_to_string(folder.path().join("run.json")).unwrap();
        let run: serde_json::Value = serde_json::from_str(&run).unwrap();
        (child, run["listen"].as_str().unwrap().to_owned())
    };
    let end = |mut child: std::process::Child| {
        child.kill().unwrap();
        let mut text = String::new();
        child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        child.wait().unwrap();
        text
    };
    let (child, _) = start();
    let text = end(child);
    let key = text.split_whitespace().find(|w| w.starts_with("fb_admin_")).unwrap().to_owned();
    let (child, address) = start();
    let request = crate::support::client().get(format!("http://{address}/v1/streams"));
    answer(request.bearer_auth(&key)).await.expect(200);
    assert!(!end(child).contains("fb_admin_"));
    let stored = std::fs::read(folder.path().join("forebay.db")).unwrap();
    assert!(!stored.windows(key.len()).any(|w| w == key.as_bytes()));
}
