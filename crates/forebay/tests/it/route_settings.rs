//! What routes are read from: read again while the process runs, explained, and refused by its place.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::routes::{Backend, ask};
use crate::support::{Server, answer, forebay};

/// Settings in a folder, as `--config` takes it.
fn folder(routes: &Value, upstreams: &Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, &settings(routes, upstreams));
    folder
}

/// JSON is YAML.
fn settings(routes: &Value, upstreams: &Value) -> String {
    format!("routes: {routes}\nupstreams: {upstreams}\n")
}

/// Whole or not at all, as whoever changes settings of a running process does.
fn write(folder: &tempfile::TempDir, text: &str) {
    let draft = folder.path().join("app.yaml.new");
    std::fs::write(&draft, text).unwrap();
    std::fs::rename(draft, folder.path().join("app.yaml")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_change_under_requests_without_one_failure() {
    let (a, b) = (Backend::start("a"), Backend::start("b"));
    let steady =
        json!({"name": "steady", "match": {"path": "/steady"}, "upstream": "a", "auth": "none"});
    // Each time one more, by which the log's line is known.
    let moving = |to: &str, more: usize| {
        let moving =
            json!({"name": "moving", "match": {"path": "/moving"}, "upstream": to, "auth": "none"});
        let more = (0..more)
            .map(|n| json!({"name": format!("m{n}"), "match": {"path": "/m"}, "upstream": "a"}));
        [steady.clone(), moving].into_iter().chain(more).collect::<Value>()
    };
    let upstreams = json!([a.upstream("a"), b.upstream("b")]);
    let data = folder(&moving("a", 0), &json!([a.upstream("a")]));
    let s = Arc::new(Server::start_in(data, None, &[]));
    let client = crate::support::client();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let asking = |path: &'static str| {
        let (s, client, stopped) = (s.clone(), client.clone(), stopped.clone());
        tokio::spawn(async move {
            let (mut ports, mut count) = (std::collections::HashSet::new(), 0);
            while !*stopped.borrow() {
                let url = format!("http://{}{path}", s.address);
                let told = answer(client.get(url)).await.expect(200);
                ports.insert(told["port"].as_u64().unwrap());
                count += 1;
            }
            (ports, count)
        })
    };
    let (steadily, moved) = (asking("/steady"), asking("/moving"));
    let backend = async || answer(ask(&s, "/moving")).await.expect(200)["backend"].clone();
    for (more, to) in [(1, "b"), (2, "a"), (3, "b")] {
        write(&s.data, &settings(&moving(to, more), &upstreams));
        // Asked for, it is read at once; else when the file has rested.
        if more > 1 {
            s.signal("HUP");
        }
        let read = "routes and upstreams were read again";
        let line = |line: &Value| line["message"] == read && line["routes"] == more + 2;
        tokio::task::block_in_place(|| s.log.until(line));
        assert_eq!(backend().await, to);
    }
    // One that cannot be used changes nothing, and says what is wrong with it.
    let unknown = settings(&json!([{"name": "x", "mach": {}}]), &upstreams);
    for (bad, said) in [
        (
            "routes: [{name: x, upstream: none}]\n",
            "routes: [0].upstream: there is no upstream `none`",
        ),
        ("routes: [\n", "app.yaml: "),
        (&unknown, "routes: [0].mach: there is no such member; did you mean `match`?"),
    ] {
        write(&s.data, bad);
        s.signal("HUP");
        let begin = "the settings cannot be used, what held goes on: ";
        let line = |line: &Value| {
            let message = line["message"].as_str().unwrap_or_default();
            message.starts_with(begin) && message.contains(said)
        };
        tokio::task::block_in_place(|| s.log.until(line));
        assert_eq!(backend().await, "b");
    }
    stop.send(true).unwrap();
    let (ports, count) = steadily.await.unwrap();
    assert!(count > 0 && moved.await.unwrap().1 > 0);
    // Its upstream was the same all along, and so were its connections: one for each who asked.
    assert!(ports.len() <= 3, "{ports:?}");
    let metrics = answer(client.get(format!("http://{}/metrics", s.admin))).await.text;
    for (outcome, least) in [("applied", 3_u64), ("refused", 3)] {
        let name = format!("forebay_config_reloads_total{{outcome=\"{outcome}\"}} ");
        let count = metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap();
        assert!(count.parse::<u64>().unwrap() >= least, "{outcome}: {count}");
    }
}

#[tokio::test]
async fn explain_says_which_route_and_why() {
    let upstreams = json!([
        {"name": "shop", "endpoints": ["http://127.0.0.1:1"]},
        {"name": "next", "endpoints": ["http://127.0.0.1:2"]},
    ]);
    let routes = json!([
        {"name": "items", "match": {"host": "shop.example.com", "path": "/items/{id}", "methods": ["GET"]},
            "upstream": [{"name": "shop", "weight": 9}, {"name": "next"}],
            "rewrite": {"path": "/v2/{id}"}},
        {"name": "beta", "priority": 1, "match": {"prefix": "/", "headers": {"x-beta": true}},
            "redirect": {"to": "/beta{path}"}},
        {"name": "all", "match": {"prefix": "/"}, "upstream": "shop"},
    ]);
    let folder = folder(&routes, &upstreams);
    let run = |arguments: &[&str]| {
        let mut command = forebay();
        command.args(["routes", "explain"]).args(arguments).arg("--config").arg(folder.path());
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (status, said, _) = run(&["GET", "http://Shop.example.com/a/../items/7", "--json"]);
    assert_eq!(status, Some(0));
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["path"], &said["route"]["name"]), (&json!("/items/7"), &json!("items")));
    assert_eq!(
        said["goes"],
        json!({"path": "/v2/7", "upstream": [
        {"name": "shop", "weight": 9}, {"name": "next", "weight": 1}]})
    );
    let why = |at: usize| said["routes"][at]["why"].as_str().unwrap();
    assert_eq!(why(0), "the header `x-beta` is not there");
    assert_eq!(
        (why(1), why(2)),
        ("it fits, and is the first that does", "it fits, and `items` comes before it")
    );
    let (_, text, _) = run(&["POST", "http://shop.example.com/items/7"]);
    assert!(text.contains("route  all") && text.contains("it is for other methods"), "{text}");
    assert!(text.contains("to the upstream shop, asking for /items/7"), "{text}");
    let (_, text, _) = run(&["GET", "/x", "--header", "X-Beta: 1"]);
    assert!(text.contains("elsewhere (308): /beta/x"), "{text}");
    let (_, text, _) = run(&["GET", "/v1/streams"]);
    assert!(text.contains("route  none") && text.contains("Forebay's own"), "{text}");
    let (status, _, error) = run(&["GET", "/a/..%2fb"]);
    assert!(status == Some(1) && error.contains("refused: "), "{error}");
    let (status, _, error) = run(&["GET", "/a", "--header", "x"]);
    assert!(status == Some(2) && error.contains("--header"), "{error}");
}

#[tokio::test]
async fn the_guide_says_what_can_be_set() {
    let guide = include_str!("../../../../docs/guide/gateway.md");
    let blocks = guide.split("```yaml\n").skip(1).filter_map(|from| from.split("```").next());
    for (at, block) in blocks.enumerate() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder, block);
        let explain = |method: &str, url: &str, header: &str| {
            let mut command = forebay();
            command.args(["routes", "explain", method, url, "--json", "--header", header]);
            let output = command.arg("--config").arg(folder.path()).output().unwrap();
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "block {at}: {error}");
            serde_json::from_slice::<Value>(&output.stdout).unwrap()
        };
        let other = explain("GET", "/nothing", "a: b");
        assert_eq!(other["route"], Value::Null);
        if !block.contains("routes:\n  - name") {
            continue;
        }
        let shop = explain("GET", "http://shop.example.com/items/7", "a: b");
        assert_eq!(shop["route"]["name"], "shop");
        let old = explain("POST", "/old/x?y", "a: b");
        assert_eq!(old["goes"]["redirect"]["to"], "https://www.example.com/x?y");
        // From another network the beta is not there.
        let beta = explain("GET", "/items/7", "x-beta: 1");
        assert_eq!(beta["route"], Value::Null);
        let why = beta["routes"][0]["why"].as_str().unwrap();
        assert_eq!(why, "its filter says no");
    }
}

const GOOD: &str = r#"[{"name": "u", "endpoints": ["http://127.0.0.1:1"]}]"#;

/// Routes, upstreams, and what is said of them.
const WRONG: &[(&str, &str, &str)] = &[
    (
        r#"[{"name":"a","upstream":"u","priorty":1}]"#,
        GOOD,
        "routes: [0].priorty: there is no such member; did you mean `priority`?",
    ),
    (
        r#"[{"name":"a","upstream":"u","match":{"pth":"/"}}]"#,
        GOOD,
        "routes: [0].match.pth: there is no such member; did you mean `path`?",
    ),
    (
        r#"[{"name":"a","upstream":"u","priority":"high"}]"#,
        GOOD,
        "routes: [0].priority: invalid type",
    ),
    (
        r#"[{"name":"a","upstream":"v"}]"#,
        GOOD,
        "routes: [0].upstream: there is no upstream `v`; did you mean `u`?",
    ),
    (r#"[{"name":"a"}]"#, GOOD, "routes: [0].upstream: "),
    (
        r#"[{"name":"a","upstream":"u","match":{"filter":"path == x"}}]"#,
        GOOD,
        "routes: [0].match.filter: column 9: ",
    ),
    (r#"[{"name":"a","upstream":"u","timeout":"soon"}]"#, GOOD, "routes: [0].timeout: `soon`"),
    (
        r#"[{"name":"a","upstream":"u"},{"name":"a","upstream":"u"}]"#,
        GOOD,
        "routes: [1].name: another one has it",
    ),
    (
        r#"[{"name":"a","upstream":"u","match":{"prefix":"/v1"}}]"#,
        GOOD,
        "routes: [0].match: `/v1` is Forebay's own",
    ),
    ("x", GOOD, "routes: "),
    ("[]", r#"[{"name":"u","endpoints":["ftp://x"]}]"#, "upstreams: [0].endpoints: `ftp://x`"),
    (
        "[]",
        r#"[{"name":"u","endpoints":["http://x"],"check":{"intervall":"1s"}}]"#,
        "upstreams: [0].check.intervall: there is no such member; did you mean `interval`?",
    ),
    (
        "[]",
        r#"[{"name":"u","endpoints":["http://x"],"balance":"best"}]"#,
        "upstreams: [0].balance: `best`",
    ),
];

#[tokio::test]
async fn a_wrong_entry_is_named_with_its_source() {
    for (routes, upstreams, said) in WRONG {
        let folder = tempfile::tempdir().unwrap();
        let mut command = forebay();
        command.args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
            "--data",
        ]);
        command
            .arg(folder.path())
            .env("FOREBAY_ROUTES", routes)
            .env("FOREBAY_UPSTREAMS", upstreams);
        let output = command.output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(said) && error.contains("FOREBAY_"), "{error} is not {said}");
    }
}
