//! Settings that cannot be used, and what a start leaves on the disk.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::support::{Engine, Server, forebay, orders};

/// Starts with an environment and arguments; the status and what stderr says.
fn start(environment: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = forebay();
    command.args(["serve", "--data"]).arg(folder.path()).args(arguments);
    for name in ["FOREBAY_SERVER__LISTEN", "FOREBAY_SERVER__ADMIN_LISTEN"] {
        command.env(name, "127.0.0.1:0");
    }
    let output = command.envs(environment.iter().copied()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn a_setting_that_is_wrong_is_named_with_its_source() {
    for (name, value, said) in [
        ("FOREBAY_INGEST__MAX_BODY", "lots", "ingest.max_body"),
        ("FOREBAY_SERVER__REQUEST_TIMEOUT", "60", "server.request_timeout"),
        ("FOREBAY_INGEST__MAX_RECORDS", "-1", "ingest.max_records"),
        ("FOREBAY_INGEST__QUEUE", "1MiB", "ingest.queue"),
        ("LOG_LEVEL", "LOUD", "logging.level"),
        ("FOREBAY_LOGGING__FORMAT", "xml", "logging.format"),
        ("FOREBAY_SERVER__LISTEN", "nowhere", "server.listen"),
        ("FOREBAY_GATEWAY__TRUSTED_PROXIES", "10.0.0.0/40", "gateway.trusted_proxies"),
        ("FOREBAY_GATEWAY__TRUSTED_PROXIES", "[7]", "gateway.trusted_proxies"),
        ("FOREBAY_GATEWAY__CLIENT_HEADER", "X-Real-IP", "gateway.client_header"),
        ("DATABASE_URL", "mysql://x", "database.url"),
        ("DATABASE_URL", "postgres://u:s3cret@x:port/y", "database.url"),
        ("FOREBAY_DATABASE__URL", "postgres://u:s3cret@[/y", "database.url"),
    ] {
        let (status, text) = start(&[(name, value)], &[]);
        assert_eq!(status, Some(2), "{name}: {text}");
        assert!(text.contains(&format!("{name}: {said}: ")), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.yaml");
    std::fs::write(&file, "server:\n  body_timeout: soon\n").unwrap();
    let (status, text) = start(&[], &["--config", folder.path().to_str().unwrap()]);
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains(&format!("{}: server.body_timeout: ", file.display())), "{text}");
    let (status, text) = start(&[], &["--listen", "nowhere"]);
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains("flag: server.listen: "), "{text}");

    let none = folder.path().join("none.pem");
    for content in [None, Some(""), Some("-----BEGIN CERTIFICATE-----\nx\n")] {
        if let Some(content) = content {
            std::fs::write(&none, content).unwrap();
        }
        let name = "FOREBAY_DATABASE__POSTGRES__TLS_CA";
        let url = ("DATABASE_URL", "postgres://127.0.0.1:1/x");
        let (status, text) = start(&[url, (name, none.to_str().unwrap())], &[]);
        assert_eq!(status, Some(2), "{text}");
        assert!(text.contains(&format!("{name}: database.postgres.tls_ca: ")), "{text}");
    }
}

#[tokio::test]
async fn variables_that_set_nothing_are_refused() {
    for (name, near) in [
        ("FOREBAY_SERVER_LISTEN", "`FOREBAY_SERVER__LISTEN`"),
        ("FOREBAY_DATABASE_URL", "`FOREBAY_DATABASE__URL`"),
        ("FOREBAY_KEYS", "`FOREBAY_KEY`"),
        ("FOREBAY_PORT", "FOREBAY_PORT"),
        ("FOREBAY_FOO", "FOREBAY_FOO"),
    ] {
        let (status, text) = start(&[(name, "x")], &[]);
        assert_eq!(status, Some(2), "{name}: {text}");
        assert!(text.contains(name) && text.contains(near), "{text}");
    }
    // What the commands take, what tests take, and what Kubernetes says of a service `forebay`.
    let others = [
        ("FOREBAY_KEY", "x"),
        ("FOREBAY_URL", "x"),
        ("FOREBAY_TEST_DATA", "x"),
        ("FOREBAY_SERVICE_HOST", "10.0.0.1"),
        ("FOREBAY_SERVICE_PORT_HTTP", "8000"),
        ("FOREBAY_PORT", "tcp://10.0.0.1:8000"),
        ("FOREBAY_PORT_8000_TCP_ADDR", "10.0.0.1"),
    ];
    Server::start_with(Engine::Sqlite, &others).await.get("/v1/streams").await.expect(200);
}

#[tokio::test]
async fn what_is_kept_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("a/data");
    let settings = [("FOREBAY_SERVER__DATA_DIR", data.to_str().unwrap())];
    let mut command = forebay();
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    command.envs(settings).stdout(std::process::Stdio::piped());
    let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
    use std::io::BufRead as _;
    let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map(Result::unwrap).any(|line| line.contains("\"ready\"")));
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        let private = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), private, "{}", path.display());
        names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for name in ["forebay.db", "forebay.db-wal", "run.json"] {
        assert!(names.iter().any(|found| found == name), "{names:?}");
    }
    // A database that is there already is opened as it is.
    let mut s = Server::start(Engine::Sqlite).await;
    s.put("/v1/streams/orders", orders()).await.expect(201);
    s.post("/v1/streams/orders/records", json!({"n": 1})).await.expect(200);
    s.restart();
    assert_eq!(s.get("/v1/streams/orders").await.expect(200)["last_seq"], 1);
}

#[test]
fn what_is_wrong_with_a_policy_is_named() {
    for (section, text, told) in [
        (
            "LIMITS",
            r#"[{"name": "a", "key": "ip", "rate": "5/h"}, {"name": "b", "key": "who", "rate": "1/s"}]"#,
            "gateway.limits: [1].key: `who`",
        ),
        ("LIMITS", r#"[{"name": "a", "key": "ip", "rate": "often"}]"#, "[0].rate: `often`"),
        (
            "LIMITS",
            r#"[{"name": "a", "key": "ip", "rate": "1/s"}, {"name": "a", "key": "ip", "rate": "2/s"}]"#,
            "[1].name: another one has it",
        ),
        ("LIMITS", r#"[{"name": "a", "key": "ip", "rate": "1/s", "brust": 5}]"#, "brust"),
        ("CORS", r#"[{"origins": ["*", "https://a.example"]}]"#, "gateway.cors: [0].origins: "),
        ("HEADERS", r#"[{"set": {"Content-Length": "0"}}]"#, "gateway.headers: [0].set: "),
        ("TRUSTED_PROXIES", "10.0.0.0/40", "gateway.trusted_proxies: "),
        ("CLIENT_HEADER", "X-Real-IP", "gateway.client_header: "),
    ] {
        let (status, said) = start(&[(&format!("FOREBAY_GATEWAY__{section}"), text)], &[]);
        assert_eq!(status, Some(2), "{text}: {said}");
        assert!(said.contains(told), "{text}: {said}");
    }
}

#[test]
fn what_is_wrong_with_an_issuer_is_named() {
    let issuer = |more: &str| {
        let good = r#""name": "a", "issuer": "https://a.example", "audience": "f""#;
        format!("{{{good}{more}}}")
    };
    let good = issuer("");
    for (text, told) in [
        (format!("[{good}, {good}]"), "[1].issuer: another one has it"),
        (
            format!("[{good}, {}]", good.replace("a.example", "b.example")),
            "[1].name: another one has it",
        ),
        (format!("[{}]", good.replace("https", "http")), "[0].issuer: begins with https://"),
        (format!("[{}]", good.replace("\"a\"", "\"user\"")), "[0].name: "),
        (format!("[{}]", issuer(r#", "algorithms": ["HS256"]"#)), "[0].algorithms: `HS256`"),
        (format!("[{}]", issuer(r#", "jwks_url": "http://10.0.0.1/k""#)), "[0].jwks_url: "),
        (format!("[{}]", issuer(r#", "audiences": ["f"]"#)), "audiences"),
        (r#"[{"name": "a", "issuer": "https://a.example"}]"#.to_owned(), "audience"),
    ] {
        let (status, said) = start(&[("FOREBAY_AUTH__ISSUERS", &text)], &[]);
        assert_eq!(status, Some(2), "{text}: {said}");
        assert!(said.contains(told) && said.contains("auth"), "{text}: {said}");
    }
    // An issuer cannot be this Forebay itself.
    let own = [
        ("FOREBAY_AUTH__ORIGIN", "https://a.example"),
        ("FOREBAY_AUTH__ISSUERS", &format!("[{good}]")),
    ];
    let (status, said) = start(&own, &[]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("auth.issuers: "), "{said}");
}
