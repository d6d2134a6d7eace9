//! The command line of whoever holds the database: `forebay user`, with and without a server.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Output, Stdio};

use reqwest::Method;
use serde_json::{Value, json};

use crate::audit::events;
use crate::people::{ADMIN, PASSWORD, code, said};
use crate::support::{Engine, KEY, MASTER_KEY, Server, both, forebay};

both! {
    people_are_seen_disabled_and_let_in_again
    a_password_is_set_and_chosen
    whoever_is_locked_out_is_unlocked
}

/// Runs a command on a server's database; `typed` is on its stdin.
fn user(s: &Server, arguments: &[&str], typed: &str) -> Output {
    run(s.data.path(), s.database.as_deref(), arguments, typed)
}

fn run(data: &Path, database: Option<&str>, arguments: &[&str], typed: &str) -> Output {
    let mut command = forebay();
    command.arg("user").args(arguments).arg("--data").arg(data);
    command.env("FOREBAY_AUTH__BCRYPT_COST", "4").env("MASTER_KEY", MASTER_KEY);
    command.envs(database.map(|url| ("DATABASE_URL", url)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn told(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn refused(output: &Output, status: i32) -> String {
    assert_eq!(output.status.code(), Some(status));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Before the first start: the database and the master key are made, and no key that nobody sees.
#[tokio::test]
async fn an_administrator_is_made_before_the_first_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let gone = refused(&run(data, None, &["list"], ""), 3);
    assert!(gone.contains("is not there"), "{gone}");
    let new = ["create", ADMIN, "--name", "Ann", "--role", "admin"];
    let made = told(&run(data, None, &new, &format!("{PASSWORD}\n")));
    let made: Value = serde_json::from_str(&made).unwrap();
    assert_eq!((&made["email"], &made["roles"]), (&json!(ADMIN), &json!(["admin"])));
    let s = Server::start_in(folder, None, &[]);
    assert!(!s.data.path().join("setup-url").exists());
    let token = s.token_of(ADMIN).await;
    let me = s.get_by(&token, "/v1/me", &[]).await.expect(200);
    assert_eq!((&me["id"], &me["name"]), (&made["id"], &json!("Ann")));
    // Nor is there a key for whoever reads the terminal, where nobody has set one.
    drop(s);
    let folder = tempfile::tempdir().unwrap();
    told(&run(folder.path(), None, &new, &format!("{PASSWORD}\n")));
    let mut command = forebay();
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data"]);
    command.arg(folder.path()).env("MASTER_KEY", MASTER_KEY);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("\"ready\"")));
    child.kill().unwrap();
    let said = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    assert!(said.contains("listens on") && !said.contains("key"), "{said}");
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let s = Server::start(Engine::Sqlite).await;
    s.set_up().await;
    let again = refused(&user(&s, &["create", ADMIN], &format!("{PASSWORD}\n")), 1);
    assert!(again.contains("/email: the address has an account already"), "{again}");
    let short = refused(&user(&s, &["create", "bob@example.com"], "short\n"), 1);
    assert!(short.contains("/password: at least 15 characters"), "{short}");
    let role = ["create", "bob@example.com", "--role", "boss"];
    let unknown = refused(&user(&s, &role, &format!("{PASSWORD}\n")), 1);
    assert!(unknown.contains("/roles/0: there is no such role"), "{unknown}");
    refused(&user(&s, &["create", "bob"], &format!("{PASSWORD}\n")), 1);
    refused(&user(&s, &["create", "bob@example.com"], ""), 2);
    // A password is no argument.
    let argument = ["create", "bob@example.com", "--password", PASSWORD];
    refused(&user(&s, &argument, ""), 2);
    for command in ["disable", "enable", "reset", "unlock"] {
        let unknown =
            refused(&user(&s, &[command, "eve@example.com"], &format!("{PASSWORD}\n")), 1);
        assert!(unknown.contains("nobody has this address"), "{unknown}");
    }
    // With another master key nothing would be readable: nothing is written.
    let mut other = forebay();
    other.args(["user", "create", "eve@example.com", "--data"]).arg(s.data.path());
    other.env("MASTER_KEY", "another-master-key-of-somebody-else");
    let other = other.output().unwrap();
    assert!(refused(&other, 2).contains("another master key"));
    assert_eq!(s.get("/v1/users").await.expect(200)["items"].as_array().unwrap().len(), 1);
}

mod scenario {
    use super::*;

    pub(super) async fn people_are_seen_disabled_and_let_in_again(engine: Engine) {
        let s = Server::start(engine).await;
        s.set_up().await;
        s.user("bob@example.com", &["viewer"]).await;
        let token = s.token_of("bob@example.com").await;
        // The server runs, and hears of it at once.
        told(&user(&s, &["disable", "Bob@Example.com"], ""));
        s.is_soon_refused(&token, "/v1/me").await.problem(401, "unauthenticated");
        s.login("bob@example.com", PASSWORD).await.problem(401, "invalid_credentials");
        let listed = told(&user(&s, &["list", "--json"], ""));
        let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
        let seen = |email: &str| listed.iter().find(|one| one["email"] == email).unwrap();
        assert_eq!(seen("bob@example.com")["state"], "disabled");
        assert_eq!(seen(ADMIN)["state"], "active");
        let table = told(&user(&s, &["list"], ""));
        assert!(table.contains("bob@example.com") && table.contains("disabled"), "{table}");
        told(&user(&s, &["enable", "bob@example.com"], ""));
        s.get_by(&token, "/v1/me", &[]).await.problem(401, "unauthenticated");
        s.token_of("bob@example.com").await;
        // The last administrator is left, whoever asks.
        let last = refused(&user(&s, &["disable", ADMIN], ""), 1);
        assert!(last.contains("nobody else is an administrator"), "{last}");
        let made = ["create", "eve@example.com", "--role", "admin", "--role", "viewer"];
        let made = told(&user(&s, &made, &format!("{PASSWORD}\r\n")));
        let made: Value = serde_json::from_str(&made).unwrap();
        assert_eq!((&made["name"], &made["state"]), (&made["email"], &json!("active")));
        s.token_of("eve@example.com").await;
        told(&user(&s, &["disable", ADMIN], ""));
        // What is done behind the doors is written down as well.
        let done = events(&s, "user.update", 3).await;
        let enabled: Vec<&Value> = done.iter().map(|one| &one["details"]["enabled"]).collect();
        assert_eq!(enabled, [&json!(false), &json!(true), &json!(false)]);
        assert_eq!(done[0]["actor"]["id"], "system:command-line");
        assert_eq!(done[0]["target"]["id"], seen("bob@example.com")["id"]);
    }

    pub(super) async fn a_password_is_set_and_chosen(engine: Engine) {
        let s = Server::start(engine).await;
        s.user("bob@example.com", &["viewer"]).await;
        let bob = "bob@example.com";
        let token = s.token_of(bob).await;
        let other = "what an operator has typed";
        told(&user(&s, &["reset", bob], &format!("{other}\n")));
        s.is_soon_refused(&token, "/v1/me").await.problem(401, "unauthenticated");
        s.login(bob, PASSWORD).await.problem(401, "invalid_credentials");
        let token = said(&s.login(bob, other).await.expect(200), "access_token");
        let (seed, _) = s.add_factor(&token).await;
        // A link: where the server is, whatever a request says its host is.
        let link = told(&user(&s, &["reset", bob, "--link"], ""));
        let begin = format!("{}/console/reset?token=", s.place());
        let reset = link.trim().strip_prefix(&begin).unwrap_or_else(|| panic!("{link}")).to_owned();
        let second = told(&user(&s, &["reset", bob, "--link"], ""));
        let second = second.trim().strip_prefix(&begin).unwrap().to_owned();
        let path = "/v1/auth/password/reset";
        let body = |token: &str, password: &str| json!({"token": token, "password": password});
        // It is for this alone, and nothing else is for this.
        s.get_by(&reset, "/v1/me", &[]).await.problem(401, "unauthenticated");
        s.show_code(&reset, "totp", &code(&seed, 1)).await.problem(401, "invalid_credentials");
        let due = said(&s.login(bob, other).await.expect(200), "mfa_token");
        for wrong in ["", "fbp_", "x", &reset[..reset.len() - 2], &due, &token] {
            s.post_bare(path, body(wrong, PASSWORD)).await.problem(401, "invalid_credentials");
        }
        // Whatever looks at links before people do uses nothing up.
        for method in [Method::GET, Method::HEAD] {
            let looked = s.bare(method, &format!("{path}?token={reset}"));
            assert_eq!(looked.send().await.unwrap().status(), 401);
        }
        let weak = s.post_bare(path, body(&reset, "short")).await;
        assert_eq!(weak.problem(400, "validation_failed")["errors"][0]["path"], "/password");
        let mut more = body(&reset, PASSWORD);
        more["user_id"] = json!("somebody else");
        s.post_bare(path, more).await.problem(400, "validation_failed");
        let tries = (0..5).map(|_| s.post_bare(path, body(&reset, PASSWORD)));
        let answers = futures_util::future::join_all(tries).await;
        let count = |status| answers.iter().filter(|answer| answer.status == status).count();
        assert_eq!((count(204), count(401)), (1, 4), "{answers:?}");
        // Used once; the other link hung on the password before, and the phone is asked still.
        for used in [&reset, &second] {
            s.post_bare(path, body(used, other)).await.problem(401, "invalid_credentials");
        }
        s.get_by(&token, "/v1/me", &[]).await.problem(401, "unauthenticated");
        let due = s.half_way(bob).await;
        s.show_code(&due, "totp", &code(&seed, 1)).await.expect(200);
        // Without it the password has to stand alone: it is refused first, and nothing is dropped.
        let drop = ["reset", bob, "--drop-second-factor"];
        refused(&user(&s, &drop, "gK4#pw0Zr!\n"), 1);
        s.half_way(bob).await;
        told(&user(&s, &drop, &format!("{PASSWORD}\n")));
        let token = s.token_of(bob).await;
        // A short one is good beside a factor alone; it goes with it, until another is chosen.
        s.add_factor(&token).await;
        told(&user(&s, &["reset", bob], "gK4#pw0Zr!\n"));
        let link = told(&user(&s, &["reset", bob, "--link", "--drop-second-factor"], ""));
        s.login(bob, "gK4#pw0Zr!").await.problem(401, "invalid_credentials");
        let last = link.trim().strip_prefix(&begin).unwrap();
        s.post_bare(path, body(last, PASSWORD)).await.expect(204);
        s.token_of(bob).await;
        let resets = events(&s, "password.reset", 17).await;
        let by = |actor: &str| resets.iter().filter(|one| one["actor"]["id"] == actor).count();
        assert_eq!(by("system:command-line"), 3);
        events(&s, "password.reset_link", 3).await;
        told(&user(&s, &["disable", bob], ""));
        refused(&user(&s, &["reset", bob, "--link"], ""), 1);
    }

    pub(super) async fn whoever_is_locked_out_is_unlocked(engine: Engine) {
        let s = Server::start(engine).await;
        s.user("bob@example.com", &["viewer"]).await;
        let tries = (0..10).map(|_| s.login("bob@example.com", "another one altogether"));
        for wrong in futures_util::future::join_all(tries).await {
            wrong.problem(401, "invalid_credentials");
        }
        s.login("bob@example.com", PASSWORD).await.problem(429, "rate_limited");
        told(&user(&s, &["unlock", "bob@example.com"], ""));
        let began = std::time::Instant::now();
        while s.login("bob@example.com", PASSWORD).await.status != 200 {
            assert!(began.elapsed().as_secs_f64() < 1.0, "after {:?}", began.elapsed());
        }
        // The administrator's key was never counted.
        s.get_by(KEY, "/v1/me", &[]).await.expect(200);
    }
}
