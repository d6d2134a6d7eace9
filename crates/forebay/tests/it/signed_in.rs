//! The command line in a session: signing in and out, and keys.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::people::{PASSWORD, code, said};
use crate::support::{Engine, Server, forebay, orders, shapes};

const BOB: &str = "bob@example.com";

fn run(s: &Server, home: &Path, arguments: &[&str], typed: &str) -> Output {
    let mut command = forebay();
    command.args(arguments).env("FOREBAY_URL", format!("http://{}/", s.address));
    command.env("XDG_CONFIG_HOME", home).env("API_KEY", "");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that refuses its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
    child.wait_with_output().unwrap()
}

fn told(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn refused(output: &Output, status: i32) -> String {
    let error = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(status), "{error}");
    error
}

fn kept(home: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(home.join("forebay/session.json")).unwrap())
        .unwrap()
}

shapes! {
    whoever_signs_in_is_known_to_the_next_command
    a_second_factor_is_asked_for_and_an_end_is_told
    keys_are_made_seen_rotated_and_revoked
}

async fn whoever_signs_in_is_known_to_the_next_command(engine: Engine) {
    let s = Server::start(engine).await;
    s.put("/v1/streams/orders", orders()).await.expect(201);
    s.user(BOB, &["viewer"]).await;
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], typed: &str| run(&s, home.path(), arguments, typed);
    let nobody = refused(&run(&["stream", "list"], ""), 2);
    assert!(nobody.contains("forebay login"), "{nobody}");
    refused(&run(&["login", "--email", BOB], "another one altogether\n"), 2);
    assert!(!home.path().join("forebay/session.json").exists());
    let login = told(&run(&["login", "--email", BOB], &format!("{PASSWORD}\n")));
    assert!(login.contains("signed in") && !login.contains("ey"), "{login}");
    let mode = |name: &str| home.path().join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("forebay"), mode("forebay/session.json")), (0o700, 0o600));
    assert!(!kept(home.path()).to_string().contains(PASSWORD));
    let listed = told(&run(&["stream", "list", "--json"], ""));
    assert!(listed.contains("orders"), "{listed}");
    // It is theirs: what they may not do, it may not.
    refused(&run(&["stream", "delete", "orders"], ""), 1);
    // A key that is given counts, though it is wrong.
    refused(&run(&["stream", "list", "--key", "wrong"], ""), 2);
    // The access token is over: the next command makes another, and many at once make one.
    let file = home.path().join("forebay/session.json");
    let mut old = kept(home.path());
    let session = old.as_object_mut().unwrap().values_mut().next().unwrap();
    let before = session["refresh_token"].clone();
    session["expires_at"] = json!("2020-01-01T00:00:00Z");
    std::fs::write(&file, old.to_string()).unwrap();
    let many: Vec<Output> = std::thread::scope(|scope| {
        let many: Vec<_> = (0..4).map(|_| scope.spawn(|| run(&["stream", "list"], ""))).collect();
        many.into_iter().map(|one| one.join().unwrap()).collect()
    });
    many.iter().for_each(|one| drop(told(one)));
    let now = kept(home.path());
    let session = now.as_object().unwrap().values().next().unwrap();
    assert_ne!(session["refresh_token"], before);
    assert_eq!(mode("forebay/session.json"), 0o600);
    let token = said(session, "access_token");
    assert_eq!(told(&run(&["logout"], "")).trim(), "signed out");
    s.get_by(&token, "/v1/me", &[]).await.problem(401, "unauthenticated");
    assert_eq!(kept(home.path()), json!({}));
    refused(&run(&["stream", "list"], ""), 2);
    assert_eq!(told(&run(&["logout"], "")).trim(), "nobody is signed in");
}

async fn a_second_factor_is_asked_for_and_an_end_is_told(engine: Engine) {
    let s = Server::start(engine).await;
    s.user(BOB, &["viewer"]).await;
    let (seed, papers) = s.add_factor(&s.token_of(BOB).await).await;
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], typed: &str| run(&s, home.path(), arguments, typed);
    refused(&run(&["login"], &format!("{BOB}\n{PASSWORD}\n000000\n")), 2);
    told(&run(&["login"], &format!("{BOB}\n{PASSWORD}\n{}\n", code(&seed, 1))));
    told(&run(&["stream", "list"], ""));
    told(&run(&["login"], &format!("{BOB}\n{PASSWORD}\n{}\n", papers[0])));
    // Ended by an administrator, with its token over: it is told and forgotten.
    let mut old = kept(home.path());
    old.as_object_mut().unwrap().values_mut().next().unwrap()["expires_at"] =
        json!("2020-01-01T00:00:00Z");
    std::fs::write(home.path().join("forebay/session.json"), old.to_string()).unwrap();
    s.alter("DELETE FROM session").await;
    let ended = refused(&run(&["stream", "list"], ""), 2);
    assert!(ended.contains("the session has ended"), "{ended}");
    assert_eq!(kept(home.path()), json!({}));
    // A password goes through TLS, or stays on this machine.
    let far = run(&["login", "--url", "http://forebay.example.com", "--email", BOB], PASSWORD);
    assert!(refused(&far, 2).contains("without TLS"));
    refused(&run(&["login", "--email", BOB, "--password", PASSWORD], ""), 2);
}

async fn keys_are_made_seen_rotated_and_revoked(engine: Engine) {
    let s = Server::start(engine).await;
    s.put("/v1/streams/orders", orders()).await.expect(201);
    let editor = json!({"permissions": ["keys:write", "streams:read", "records:*"]});
    s.put("/v1/roles/maker", editor).await.expect(201);
    s.user(BOB, &["maker"]).await;
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| run(&s, home.path(), arguments, &format!("{PASSWORD}\n"));
    told(&run(&["login", "--email", BOB]));
    let write = ["key", "create", "shipper", "--permission", "records:write@stream/orders"];
    let key = told(&run(&write)).trim().to_owned();
    let records = "/v1/streams/orders/records";
    s.post_by(&key, records, json!({"n": 1})).await.expect(200);
    s.get_by(&key, records, &[]).await.problem(403, "forbidden");
    let more = [
        "key",
        "create",
        "reader",
        "--permission",
        "records:read@stream/orders",
        "--filter",
        "data.n > 1",
        "--network",
        "127.0.0.0/8",
        "--expires",
        "never",
        "--json",
    ];
    let made: Value = serde_json::from_str(&told(&run(&more))).unwrap();
    assert_eq!((&made["filter"], &made["expires_at"]), (&json!("data.n > 1"), &Value::Null));
    let seen = s.get_by(&said(&made, "key"), records, &[]).await.expect(200);
    assert_eq!(seen["items"], json!([]));
    let listed: Vec<Value> = serde_json::from_str(&told(&run(&["key", "list", "--json"]))).unwrap();
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|one| one.get("key").is_none()));
    let table = told(&run(&["key", "list"]));
    assert!(table.contains("shipper") && table.contains("never") && !table.contains(&key));
    let shipper = listed.iter().find(|one| one["name"] == "shipper").unwrap();
    let id = said(shipper, "id");
    let rotated = told(&run(&["key", "rotate", &id])).trim().to_owned();
    for good in [&key, &rotated] {
        s.post_by(good, records, json!({"n": 2})).await.expect(200);
    }
    told(&run(&["key", "revoke", &id]));
    s.post_by(&rotated, records, json!({"n": 3})).await.problem(401, "unauthenticated");
    refused(&run(&["key", "revoke", &id]), 1);
    let admin = ["key", "create", "more", "--permission", "*:*"];
    assert!(refused(&run(&admin), 1).contains("/permissions"));
}
