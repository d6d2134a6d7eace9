//! The command line against a running server.

use std::process::Output;

use serde_json::{Value, json};

use crate::support::{Engine, KEY, Server, answer, forebay, orders};

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
    let lines = ["{\"n\":1}\n", "{\"n\":2}\n", "{\"n\":3}\n"];
    std::fs::write(&path, lines.concat()).unwrap();
    let push = || run(&s, &["push", "orders", path.to_str().unwrap()]);
    let place = folder.path().join("lines.ndjson.forebay-push");
    // Cut off when the second line was stored and its answer had not come; the file has grown since.
    let header = s
        .request(reqwest::Method::POST, "/v1/streams/orders/records?return=minimal&envelope=false");
    let header = header.header("content-type", "application/x-ndjson");
    let sent = header.header("idempotency-key", "push-0a-8").body(lines[1]);
    answer(sent).await.expect(200);
    let run_at = |at: u64| {
        format!("http://{} orders\n{{\"id\":\"0a\",\"at\":{at},\"until\":16}}\n", s.address)
    };
    std::fs::write(&place, run_at(8)).unwrap();
    told(&push());
    let numbers = async || {
        let records = s.get("/v1/streams/orders/records?fields=data").await.expect(200);
        let items = records["items"].as_array().unwrap().iter();
        items.map(|r| r["data"]["n"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(numbers().await, [2, 3]);
    assert!(!place.exists());

    // Another push of the file is meant, and sends all of it.
    assert!(told(&push()).contains("3 accepted"));
    assert_eq!(numbers().await, [2, 3, 1, 2, 3]);

    // What was sent is not what stands there now: nobody guesses.
    std::fs::write(&path, "{\"n\":7}\n{\"n\":8}\n").unwrap();
    std::fs::write(&place, run_at(8)).unwrap();
    let output = push();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("remove"), "{output:?}");
    assert_eq!(numbers().await.len(), 5);
}

#[tokio::test]
async fn a_pushed_csv_is_taken_as_it_stands() {
    let s = Server::start(Engine::Sqlite).await;
    s.put("/v1/streams/orders", orders()).await.expect(201);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    std::fs::write(&path, "owner,n\n\"a\nb\",1\nx\"y,2\n\"z\"z,3\nlast,4").unwrap();
    let output = run(&s, &["push", "orders", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("2 records were rejected"), "{error}");
    let records = s.get("/v1/streams/orders/records?fields=data.owner").await.expect(200);
    assert_eq!(records["items"], json!([{"data": {"owner": "a\nb"}}, {"data": {"owner": "last"}}]));
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
