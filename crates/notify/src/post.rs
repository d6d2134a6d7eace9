//! Notifications and their deliveries are written in the transaction of what causes them: commit, then
//! react. What was committed is sent, however often processes end meanwhile.

use std::borrow::Cow;

use forebay_db::{Conn, DbError, Insert, Kind, Row, Value};
use forebay_model::time::Timestamp;

use crate::inbox::{self, INBOX};

/// A notification with whom it goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Post {
    /// Derived from what it tells of, so that whoever is interrupted and begins again writes the same
    /// one: written twice it is there once.
    pub(crate) id: String,
    /// `record.matched`, `alert.firing`.
    pub(crate) kind: String,
    /// The rule that causes it; empty where none does.
    pub(crate) rule: String,
    /// By which people say what they want to hear of: `alert`, `account`.
    pub(crate) category: String,
    /// When what it tells of happened.
    pub(crate) time: Timestamp,
    /// Canonical JSON.
    pub(crate) data: String,
    /// Each receiver once.
    pub(crate) to: Vec<To>,
}

/// A receiver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct To {
    /// The channel's id.
    pub(crate) channel: String,
    /// Whom the channel reaches with it; empty where it reaches one place alone.
    pub(crate) address: String,
    /// What this one is told, where it may not see all that the notification says: canonical JSON.
    pub(crate) data: Option<String>,
}

const NOTIFICATION: [(&str, Kind); 7] = [
    ("id", Kind::Text),
    ("type", Kind::Text),
    ("rule", Kind::Text),
    ("category", Kind::Text),
    ("time", Kind::Int),
    ("data", Kind::Text),
    ("created_at", Kind::Int),
];
const DELIVERY: [(&str, Kind); 15] = [
    ("id", Kind::Text),
    ("notification", Kind::Text),
    ("channel", Kind::Text),
    ("address", Kind::Text),
    ("rule", Kind::Text),
    ("data", Kind::Text),
    ("state", Kind::Int),
    ("due_at", Kind::Int),
    ("tries", Kind::Int),
    ("tries_now", Kind::Int),
    ("holder", Kind::Text),
    ("held_until", Kind::Int),
    ("fence", Kind::Int),
    ("created_at", Kind::Int),
    ("done_at", Kind::Int),
];

/// Writes notifications and their deliveries in the caller's transaction; those that are there already
/// stay as they are. After its commit the caller calls `Engine::wake`.
pub(crate) async fn post(conn: &mut Conn, posts: &[Post], now: Timestamp) -> Result<(), DbError> {
    if posts.is_empty() {
        return Ok(());
    }
    conn.insert_new(insert("notification", &NOTIFICATION, notifications(posts, now))).await?;
    let told = inbox::expand(conn, posts).await?;
    conn.insert_new(insert("delivery", &DELIVERY, deliveries(posts, &told.mail, now))).await?;
    crate::sql::inbox::insert(conn, told.items, now).await
}

fn insert(table: &'static str, columns: &[(&'static str, Kind)], rows: Vec<Row>) -> Insert {
    let columns = columns.iter().map(|(name, kind)| (Cow::Borrowed(*name), *kind)).collect();
    Insert { table: Cow::Borrowed(table), columns, rows }
}

fn notifications(posts: &[Post], now: Timestamp) -> Vec<Row> {
    let row = |post: &Post| -> Row {
        vec![
            post.id.as_str().into(),
            post.kind.as_str().into(),
            post.rule.as_str().into(),
            post.category.as_str().into(),
            post.time.micros().into(),
            post.data.as_str().into(),
            now.micros().into(),
        ]
    };
    posts.iter().map(row).collect()
}

fn deliveries(posts: &[Post], mail: &[(usize, To)], now: Timestamp) -> Vec<Row> {
    let now = || Value::Int(now.micros());
    let nothing = || Value::Int(0);
    let row = |post: &Post, to: &To| -> Row {
        vec![
            uuid::Uuid::now_v7().to_string().into(),
            post.id.as_str().into(),
            to.channel.as_str().into(),
            to.address.as_str().into(),
            post.rule.as_str().into(),
            to.data.clone().unwrap_or_default().into(),
            nothing(),
            now(),
            nothing(),
            nothing(),
            "".into(),
            nothing(),
            nothing(),
            now(),
            nothing(),
        ]
    };
    let channels = |post: &Post| post.to.iter().filter(|to| to.channel != INBOX).count();
    let mut rows = Vec::with_capacity(posts.iter().map(channels).sum::<usize>() + mail.len());
    for post in posts {
        let channels = post.to.iter().filter(|to| to.channel != INBOX);
        rows.extend(channels.map(|to| row(post, to)));
    }
    rows.extend(mail.iter().filter_map(|(at, to)| Some(row(posts.get(*at)?, to))));
    rows
}
