//! The command line against a running server.

use std::process::Output;

use serde_json::{Value, json};

use crate::support::{Engine, KEY, Server, forebay, orders};

fn run(s: &Server, arguments: &[&str]) -> Output {
    let mut command = forebay();
    command.args(arguments).env("FOREBAY_URL", format!("http://{}", s.address));
    command.env("API_KEY", KEY).output().unwrap()
}

fn told(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn a_file_goes_in_and_comes_out() {
    let s = Server::start(Engine::Sqlite).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let definition = file("orders.json", &orders().to_string());
    let shown: Value =
        serde_json::from_str(&told(&run(&s, &["stream", "put", "orders", &definition]))).unwrap();
    assert_eq!(shown["name"], "orders");

    let rows: String = (0..12_000).map(|n| format!("ann,{n}\n")).collect();
    let csv = file("rows.csv", &format!("owner,n\n{rows}"));
    let pushed = told(&run(&s, &["push", "orders", &csv, "--json"]));
    let pushed: Value = serde_json::from_str(&pushed).unwrap();
    assert_eq!(pushed, json!({"accepted": 12_000, "duplicates": 0, "rejected": 0}));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "no place is left behind");

    let mixed = file("mixed.ndjson", "{\"n\":1}\n{\"n\":\"x\"}\n");
    let output = run(&s, &["push", "orders", &mixed]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/data/n"));

    let out = folder.path().join("out.ndjson");
    told(&run(&s, &["export", "orders", "-o", out.to_str().unwrap()]));
    assert_eq!(std::fs::read_to_string(out).unwrap().lines().count(), 12_001);
    let table = told(&run(&s, &["stream", "list"]));
    assert!(table.contains("orders") && table.contains("12001"), "{table}");
    told(&run(&s, &["stream", "delete", "orders"]));
    assert_eq!(told(&run(&s, &["stream", "list", "--json"])).trim(), "[]");
    assert_eq!(run(&s, &["stream", "show", "orders"]).status.code(), Some(1));
}

#[tokio::test]
async fn an_interrupted_push_goes_on_where_it_was() {
    let s = Server::start(Engine::Sqlite).await;
    s.put("/v1/streams/orders", orders()).await.expect(201);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines.ndjson");
    std::fs::write(&path, "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n").unwrap();
    let place = folder.path().join("lines.ndjson.forebay-push");
    std::fs::write(&place, format!("http://{} orders\n16\n", s.address)).unwrap();
    told(&run(&s, &["push", "orders", path.to_str().unwrap()]));
    let records = s.get("/v1/streams/orders/records?fields=data").await.expect(200);
    assert_eq!(records["items"], json!([{"data": {"n": 3}}]));
    assert!(!place.exists());
}

#[tokio::test]
async fn failures_have_their_status() {
    let s = Server::start(Engine::Sqlite).await;
    let mut command = forebay();
    command.args(["stream", "list", "--url", &format!("http://{}", s.address), "--key", "wrong"]);
    assert_eq!(command.output().unwrap().status.code(), Some(2));
    let mut command = forebay();
    command.args(["stream", "list", "--url", "http://127.0.0.1:1"]);
    assert_eq!(command.output().unwrap().status.code(), Some(3));
    let explained = forebay().args(["config", "explain", "--json"]).output().unwrap();
    let explained: Value = serde_json::from_slice(&explained.stdout).unwrap();
    assert!(explained.as_array().unwrap().len() > 20);
    let completions = forebay().args(["completions", "bash"]).output().unwrap();
    assert!(String::from_utf8_lossy(&completions.stdout).contains("forebay"));
}
