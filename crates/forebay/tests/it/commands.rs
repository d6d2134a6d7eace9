//! The command line against a running server.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Output, Stdio};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Engine, KEY, Server, answer, forebay, orders};

fn command(s: &Server, arguments: &[&str]) -> Command {
    let mut command = forebay();
    command.args(arguments).env("FOREBAY_URL", format!("http://{}", s.address));
    command.env("FOREBAY_KEY", KEY);
    command
}

fn run(s: &Server, arguments: &[&str]) -> Output {
    command(s, arguments).output().unwrap()
}

/// Runs a command that reads standard input.
fn run_with(s: &Server, arguments: &[&str], input: &[u8]) -> Output {
    let mut command = command(s, arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
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
    std::fs::write(&path, "owner,n\n\"a\nb\",1\n\"x\"y,2\n\"z\"z,3\nlast,4").unwrap();
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

#[tokio::test]
async fn what_is_shown_goes_back_in() {
    let s = Server::start(Engine::Sqlite).await;
    let mut definition = orders();
    definition["access"] = json!({"read": "data.n > 0"});
    s.put("/v1/streams/orders", definition).await.expect(201);
    let records = json!([{"id": "a", "time": "2024-01-01T00:00:00Z", "data": {"n": 1, "price": 1.0}},
        {"id": "b", "data": {"n": 2, "version": 7, "stream": "x"}}]);
    s.post("/v1/streams/orders/records?envelope=true", records).await.expect(200);
    let shown = told(&run(&s, &["stream", "show", "orders"]));
    let line = told(&run(&s, &["stream", "show", "orders", "--json"]));
    assert_eq!((line.lines().count(), shown.lines().count() > 5), (1, true));
    let put = told(&run_with(&s, &["stream", "put", "copy", "-", "--json"], shown.as_bytes()));
    let put: Value = serde_json::from_str(&put).unwrap();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&put["schema"], &put["access"]), (&shown["schema"], &shown["access"]));
    assert_eq!((&put["name"], &put["last_seq"]), (&json!("copy"), &json!(0)));

    let out = told(&run(&s, &["export", "orders"]));
    let array = format!("[{}]", out.trim_end().replace('\n', ",\n"));
    for (format, text) in [("ndjson", &out), ("json", &array)] {
        let push = ["push", "copy", "-", "--envelope", "--format", format];
        told(&run_with(&s, &push, text.as_bytes()));
        // The second time they are there already.
        assert_eq!(s.get("/v1/streams/copy").await.expect(200)["last_seq"], 2);
    }
    let both =
        ["orders", "copy"].map(|stream| format!("/v1/streams/{stream}/records?fields=id,data"));
    assert_eq!(
        s.get(&both[0]).await.expect(200)["items"],
        s.get(&both[1]).await.expect(200)["items"]
    );
    let time = &s.get("/v1/streams/copy/records/a").await.expect(200)["time"];
    assert_eq!(time, "2024-01-01T00:00:00.000000Z");
    let csv = run_with(&s, &["push", "copy", "-", "--envelope", "--format", "csv"], b"n\n1\n");
    assert_eq!(csv.status.code(), Some(2));
}

#[tokio::test]
async fn packed_files_are_unpacked_and_rejections_name_their_line() {
    let s = Server::start(Engine::Sqlite).await;
    s.put("/v1/streams/orders", orders()).await.expect(201);
    let folder = tempfile::tempdir().unwrap();
    let lines = "{\"n\":1}\n\n{\"n\":2}\n\n{\"n\":\"x\"}\n{\"n\":3}\n";
    let rows = "owner,n\n\"a\nb\",1\nc,x\nd,2\n";
    let array = "[{\"n\":1},\n{\"n\":2},{\"n\":\"x\"}]";
    for (name, text, place) in
        [("l.ndjson", lines, "line 5"), ("r.csv", rows, "line 4"), ("a.json", array, "element 3")]
    {
        let gzip = {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(text.as_bytes()).unwrap();
            packed.finish().unwrap()
        };
        let zstd = zstd::encode_all(text.as_bytes(), 1).unwrap();
        for (ending, bytes) in [("", text.as_bytes()), (".gz", &gzip), (".zst", &zstd)] {
            let path = folder.path().join(format!("{name}{ending}"));
            std::fs::write(&path, bytes).unwrap();
            let output = run(&s, &["push", "orders", path.to_str().unwrap()]);
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(said.contains(&format!("rejected: {place}: type_mismatch /data/n:")), "{said}");
        }
    }
    // Taken up again, the lines are still the file's own.
    let path = folder.path().join("l.ndjson");
    let place = folder.path().join("l.ndjson.forebay-push");
    std::fs::write(place, format!("http://{} orders\n9\n", s.address)).unwrap();
    let output = run(&s, &["push", "orders", path.to_str().unwrap()]);
    assert!(String::from_utf8(output.stderr).unwrap().contains("rejected: line 5:"));
}

#[tokio::test]
async fn a_reader_that_has_enough_is_no_failure() {
    let s = Server::start(Engine::Sqlite).await;
    s.put("/v1/streams/orders", orders()).await.expect(201);
    let pad = "x".repeat(1000);
    let records: Value = (0..1000).map(|n| json!({"n": n, "pad": pad})).collect();
    s.post("/v1/streams/orders/records", records).await.expect(200);
    for arguments in [
        &["export", "orders"][..],
        &["query", "orders", "--limit", "1000", "--json"],
        &["query", "orders", "--limit", "1000", "--csv"],
        &["query", "orders", "--limit", "1000"],
    ] {
        let mut command = command(&s, arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let ended = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8(ended.stderr).unwrap(), "", "{arguments:?}");
        assert_eq!(ended.status.code(), Some(0), "{arguments:?}");
    }
}

#[tokio::test]
async fn groups_are_sorted_by_metrics_with_commas() {
    let s = Server::start(Engine::Sqlite).await;
    s.put("/v1/streams/orders", orders()).await.expect(201);
    let records = json!([{"owner": "a", "n": 1}, {"owner": "b", "n": 9}, {"owner": "c", "n": 5}]);
    s.post("/v1/streams/orders/records", records).await.expect(200);
    let metric = "percentile(data.n, 0.5)";
    let sort = format!("-{metric},owner");
    let query =
        ["query", "orders", "--group-by", "data.owner", "--metrics", metric, "--sort", &sort];
    let out = told(&run(&s, &[&query[..], &["--json"]].concat()));
    let owners = out.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()["owner"].clone());
    assert_eq!(owners.collect::<Vec<_>>(), ["b", "c", "a"]);
}

#[tokio::test]
async fn the_demo_prints_what_the_commands_take() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = forebay();
    command.args(["demo", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data"]);
    command.arg(folder.path()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut demo = command.spawn().unwrap();
    let mut lines = BufReader::new(demo.stderr.take().unwrap()).lines().map(Result::unwrap);
    let set = lines.by_ref().find_map(|l| l.trim().strip_prefix("export ").map(str::to_owned));
    let set = set.unwrap();
    let set: Vec<_> = set.split(' ').map(|one| one.split_once('=').unwrap()).collect();
    let mut command = forebay();
    command.envs(set.iter().copied());
    let list = command.args(["stream", "list"]).output().unwrap();
    // The printed key opens what the printed lines need, and nothing else.
    let (url, key) = (set[0].1, set[1].1);
    let ask = async |method: Method, path: &str, body: Value| {
        let request = crate::support::client().request(method, format!("{url}/v1/{path}"));
        answer(request.bearer_auth(key).json(&body)).await.status.as_u16()
    };
    let notes = json!({"schema": {"type": "object", "properties": {"text": {"type": "string"}}}});
    assert_eq!(ask(Method::PUT, "streams/notes", notes.clone()).await, 201);
    assert_eq!(ask(Method::POST, "streams/notes/records", json!({"text": "hello"})).await, 200);
    assert_eq!(ask(Method::GET, "streams/notes/records", Value::Null).await, 200);
    assert_eq!(ask(Method::GET, "streams/machine/export", Value::Null).await, 200);
    for (method, path, body) in [
        (Method::PUT, "streams/other", notes),
        (Method::POST, "streams/machine/records", json!({})),
        (Method::DELETE, "streams/machine", Value::Null),
        (Method::GET, "roles", Value::Null),
        (Method::GET, "audit", Value::Null),
        (Method::POST, "api-keys", json!({"name": "k", "permissions": ["*:*"]})),
    ] {
        assert_eq!(ask(method, path, body).await, 403, "{path}");
    }
    demo.kill().unwrap();
    demo.wait().unwrap();
    told(&list);
}

#[tokio::test]
async fn a_record_is_erased_by_whoever_says_so() {
    let s = Server::start(Engine::Sqlite).await;
    s.put("/v1/streams/orders", orders()).await.expect(201);
    let records = json!([{"id": "a/b", "data": {"n": 1}}, {"id": "c", "data": {"n": 2}}]);
    s.post("/v1/streams/orders/records?envelope=true", records).await.expect(200);
    let asked = run(&s, &["erase", "orders", "a/b"]);
    assert_eq!(asked.status.code(), Some(2), "nobody is there to be asked");
    assert!(String::from_utf8_lossy(&asked.stderr).contains("--yes"));
    let erased = told(&run(&s, &["erase", "orders", "a/b", "--yes", "--json"]));
    let erased: Value = serde_json::from_str(&erased).unwrap();
    assert_eq!((&erased["id"], &erased["seq"]), (&json!("a/b"), &json!(3)));
    assert_eq!(run(&s, &["erase", "orders", "z", "--yes"]).status.code(), Some(1));
    let table = told(&run(&s, &["stream", "list"]));
    assert!(table.lines().any(|line| line.contains("orders") && line.contains(" 1 ")), "{table}");
}
