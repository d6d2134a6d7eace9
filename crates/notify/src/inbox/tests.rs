use std::sync::Arc;

use forebay_db::{Db, Lane, Look, Settings};
use forebay_model::time::Timestamp;

use super::*;

fn post(category: &str) -> Post {
    Post {
        id: "n".into(),
        kind: "alert.firing".into(),
        rule: "r".into(),
        category: category.into(),
        time: forebay_model::time::Timestamp::from_micros(0),
        data: "{}".into(),
        to: Vec::new(),
    }
}

#[test]
fn what_somebody_said_holds_but_for_what_is_critical() {
    let who = Reachable { account: "a".into(), address: "a@x".into() };
    let mut wanted = Wanted::new();
    assert!(wants(&wanted, &who, &post("alert"), INBOX));
    assert!(!wants(&wanted, &who, &post("alert"), "email"));
    let key = |way: &str| ("a".to_owned(), "alert".to_owned(), way.to_owned());
    wanted.insert(key(INBOX), false);
    wanted.insert(key("email"), true);
    assert!(!wants(&wanted, &who, &post("alert"), INBOX));
    assert!(wants(&wanted, &who, &post("alert"), "email"));
    assert!(!wants(&wanted, &who, &post("event"), "email"));
    assert!(wants(&wanted, &who, &post(CRITICAL), INBOX));
    assert!(wants(&Wanted::new(), &who, &post(CRITICAL), "email"));
}

#[test]
fn the_text_of_an_item_is_bounded_and_ends_before_its_link() {
    assert_eq!(body("a\nb\n\n/console/x\n", "/console/x"), "a\nb");
    assert_eq!(body("a\0b", ""), "a\u{fffd}b");
    assert_eq!(body(&"ä".repeat(5000), "").len(), MAX_BODY_BYTES);
}

#[derive(Debug)]
struct Now;

impl forebay_model::time::Clock for Now {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000)
    }
}

async fn database(folder: &tempfile::TempDir) -> Db {
    let path = folder.path().join("test.db");
    let settings = Settings::Sqlite { path, readers: 2, cache_bytes: 1 << 20 };
    let db = Db::open(settings, Arc::new(Now)).await.unwrap();
    let write = db.writer().run(Lane::Interactive, |conn| {
        Box::pin(async move {
            for (id, state, verified, roles) in [
                ("ann", "active", 1, &["admin", "viewer"][..]),
                ("bob", "active", 1, &["viewer"]),
                ("cat", "active", 0, &["viewer"]),
                ("dan", "disabled", 1, &["viewer"]),
            ] {
                conn.batch(&format!(
                    "INSERT INTO account (id, kind, name, state, version, created_at) \
                     VALUES ('{id}', 'person', '{id}', '{state}', 1, 0); \
                     INSERT INTO person (account, email, email_key, password_short, totp_step, \
                     verified) VALUES ('{id}', '{id}@x', '{id}@x', 0, 0, {verified});"
                ))
                .await?;
                for role in roles {
                    let sql = "INSERT INTO account_role (account, role) VALUES ($1, $2)";
                    conn.execute(sql, &[id.into(), (*role).into()]).await?;
                }
            }
            conn.batch(
                "INSERT INTO channel (id, name, kind, owner, config, secrets, state, version, \
                 created_at, updated_at) VALUES ('mail', '', 'email', '', '{}', x'', 0, 1, 0, 0);",
            )
            .await
        })
    });
    write.await.unwrap();
    db
}

async fn texts(db: &Db, sql: &'static str) -> Vec<String> {
    let mut conn = db.reader(Look::Scan).await.unwrap();
    let rows = conn.query(sql, &[]).await.unwrap();
    rows.into_iter().map(|mut row| row.remove(0).text().unwrap()).collect()
}

#[tokio::test]
async fn those_who_have_a_role_now_are_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(&folder).await;
    let to = |address: &str, data: Option<&str>| To {
        channel: INBOX.to_owned(),
        address: address.to_owned(),
        data: data.map(str::to_owned),
    };
    let told = move |id: &str| Post {
        id: id.to_owned(),
        data: r#"{"rule":"r","state":"firing","value":"secret"}"#.to_owned(),
        to: vec![
            to("role:viewer", Some(r#"{"rule":"r"}"#)),
            to("user:ann", None),
            to("user:nobody", None),
            to("role:none", None),
            To { channel: "hook".to_owned(), ..To::default() },
        ],
        ..post("alert")
    };
    let say = |posts: Vec<Post>| {
        let now = Now;
        db.writer().run(Lane::Interactive, move |conn| {
            Box::pin(async move {
                let now = forebay_model::time::Clock::now(&now);
                preference::put(conn, "bob", ("alert", "email", true), now).await?;
                preference::put(conn, "cat", ("alert", "email", true), now).await?;
                crate::post::post(conn, &posts, now).await
            })
        })
    };
    say(vec![told("n1"), told("n2")]).await.unwrap();
    // Written again it is there once.
    say(vec![told("n2"), told("n3")]).await.unwrap();
    let items = "SELECT account || seq || notification FROM inbox ORDER BY account, seq";
    let expected: Vec<String> = ["ann", "bob", "cat"]
        .iter()
        .flat_map(|who| (1..=3).map(move |n| format!("{who}{n}n{n}")))
        .collect();
    assert_eq!(texts(&db, items).await, expected);
    // Whoever may see it all is told all of it, the others what they may see.
    let seen = "SELECT DISTINCT account FROM inbox WHERE body LIKE '%secret%'";
    assert_eq!(texts(&db, seen).await, ["ann"]);
    // By mail: who wants it, and whose address is theirs.
    let mail = "SELECT address || notification || data FROM delivery WHERE channel = 'mail' \
                ORDER BY notification";
    let expected = ["n1", "n2", "n3"].map(|n| format!("bob@x{n}{{\"rule\":\"r\"}}"));
    assert_eq!(texts(&db, mail).await, expected);
    let all = "SELECT DISTINCT channel FROM delivery ORDER BY channel";
    assert_eq!(texts(&db, all).await, ["hook", "mail"]);
    assert_eq!(texts(&db, "SELECT account FROM inbox_head WHERE seq = 3").await.len(), 3);
}
