//! Takes the letters that `auth` has written: into deliveries, and notices into inboxes too.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_db::mail::{self, Mail, NOBODY};
use forebay_db::{Conn, DbError, Lane, Look};
use forebay_model::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::Inner;
use crate::channel::stored::Settings;
use crate::inbox::{MAIL, body};
use crate::post::{Post, To, post};
use crate::sql::channel::{self, Kept, State};
use crate::sql::inbox::{self, New};
use crate::template;

/// Letters of one step.
const STEP: i64 = 100;
/// How long a letter waits at most for somebody to look.
const EVERY: Duration = Duration::from_millis(200);
/// As whose the system's own channel stands in the list.
const SYSTEM: &str = "system";
/// What is told in inboxes too: nothing in it opens a door.
const NOTICES: [&str; 2] = ["mail.notice", "mail.sign_in"];

/// Runs until it is dropped.
pub(crate) async fn run(inner: &Inner) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut ready = false;
    loop {
        every.tick().await;
        if !ready {
            match prepare(inner).await {
                Ok(()) => ready = true,
                Err(error) => tracing::warn!(%error, "the channel `mail` cannot be prepared"),
            }
        }
        if let Err(error) = drain(inner).await {
            tracing::warn!(%error, "mail cannot be taken, will try again");
        }
    }
}

/// Makes the system's own channel, or takes it away where there is no mail server any more.
async fn prepare(inner: &Inner) -> forebay_model::Result<()> {
    let now = inner.clock.now();
    let mut kept = Kept {
        id: MAIL.to_owned(),
        name: "People at their addresses".to_owned(),
        kind: "email".to_owned(),
        owner: SYSTEM.to_owned(),
        config: String::new(),
        secrets: Vec::new(),
        state: State::On,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let members: Map<String, Value> = [("accounts".to_owned(), true.into())].into_iter().collect();
    Settings { members, secrets: Value::Null }.store(&mut kept, &inner.master)?;
    let wanted = inner.config.smtp.is_some();
    let prepared = inner.db.writer().run(Lane::Interactive, move |conn| {
        Box::pin(async move {
            match (channel::find(conn, MAIL).await?, wanted) {
                (None, true) => channel::put(conn, &kept).await,
                (Some(_), false) => channel::delete(conn, MAIL).await,
                _ => Ok(()),
            }
        })
    });
    prepared.await?;
    inner.engine.forget();
    Ok(())
}

async fn drain(inner: &Inner) -> Result<(), DbError> {
    // A look costs no turn of the writer.
    while !mail::is_empty(&mut inner.db.reader(Look::Point).await?).await? {
        let now = inner.clock.now();
        let (master, reachable) = (inner.master.clone(), inner.config.smtp.is_some());
        let open = move |letter: &Mail| match mail::open(&master, &letter.id, &letter.data) {
            Ok(data) => data,
            Err(error) => {
                tracing::warn!(letter = letter.id, cause = error.cause, "a letter is unreadable");
                Value::Null
            }
        };
        let step = inner.db.writer().run(Lane::Interactive, move |conn| {
            Box::pin(async move { step(conn, (&open, reachable), now).await })
        });
        if step.await? == 0 {
            // Another process holds what is there.
            return Ok(());
        }
        inner.engine.wake();
        inner.hub.wake();
    }
    Ok(())
}

/// Takes some letters, in one transaction; how many.
async fn step(
    conn: &mut Conn,
    (open, reachable): (&(impl Fn(&Mail) -> Value + Sync), bool),
    now: Timestamp,
) -> Result<usize, DbError> {
    let letters = mail::take(conn, STEP).await?;
    let (mut posts, mut items) = (Vec::new(), Vec::new());
    for letter in &letters {
        if letter.kind != NOBODY && reachable && !letter.address.is_empty() {
            posts.push(delivered(letter));
        }
        if NOTICES.contains(&letter.kind.as_str()) && !letter.account.is_empty() {
            items.push(item(conn, letter, open(letter)).await?);
        }
        mail::strike(conn, &letter.id).await?;
    }
    post(conn, &posts, now).await?;
    inbox::insert(conn, items, now).await?;
    Ok(letters.len())
}

/// What it is made of stays sealed until it is sent.
fn delivered(letter: &Mail) -> Post {
    let to = To { channel: MAIL.to_owned(), address: letter.address.clone(), data: None };
    Post {
        id: letter.id.clone(),
        kind: letter.kind.clone(),
        rule: String::new(),
        category: "account".to_owned(),
        time: letter.time,
        data: json!({"sealed": STANDARD.encode(&letter.data)}).to_string(),
        to: vec![to],
    }
}

async fn item(conn: &mut Conn, letter: &Mail, mut data: Value) -> Result<New, DbError> {
    let path = data.get("path").and_then(Value::as_str).unwrap_or_default();
    let link = format!("/{path}");
    if data.is_object() {
        data["link"] = link.as_str().into();
    }
    let made = template::make(conn, &letter.kind, &data).await?;
    Ok(New {
        account: letter.account.clone(),
        notification: letter.id.clone(),
        category: "account".to_owned(),
        title: made.subject,
        body: body(&made.text, &link),
        link,
    })
}
