//! The table `delivery` as a queue: what is due, who sends it, and what came of it.

use std::borrow::Cow;
use std::collections::HashMap;

use forebay_db::log::read::cells;
use forebay_db::{Conn, DbError, Each, Insert, Kind, Row};
use forebay_model::time::Timestamp;

/// Channels to which something waits, after a channel; each with the time of what is due first. Each is
/// found by one step in an index, however much waits.
const DUE: &str = "WITH RECURSIVE waiting (channel) AS (\
     SELECT (SELECT min(channel) FROM delivery WHERE state = 0 AND channel > $1) \
     UNION ALL \
     SELECT (SELECT min(d.channel) FROM delivery d WHERE d.state = 0 AND d.channel > w.channel) \
     FROM waiting w WHERE w.channel IS NOT NULL) \
     SELECT w.channel, (SELECT min(d.due_at) FROM delivery d \
     WHERE d.state = 0 AND d.channel = w.channel) \
     FROM waiting w WHERE w.channel IS NOT NULL LIMIT $2";

/// A delivery that this process has taken to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) id: String,
    pub(crate) notification: String,
    pub(crate) channel: String,
    pub(crate) address: String,
    /// What it says in place of the notification; empty when it says that.
    pub(crate) data: String,
    /// Tells this turn from any other.
    pub(crate) fence: i64,
    /// Tries with this one, all and those since it was last put in line.
    pub(crate) tries: i64,
    pub(crate) tries_now: i64,
}

/// What a notification says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) kind: String,
    pub(crate) time: Timestamp,
    pub(crate) data: String,
}

/// How a try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) taken: Taken,
    /// When it began.
    pub(crate) at: Timestamp,
    /// Microseconds.
    pub(crate) duration: i64,
    pub(crate) outcome: &'static str,
    pub(crate) status: u16,
    pub(crate) excerpt: String,
    pub(crate) next: Next,
    /// Whether the receiver said that it is gone for good.
    pub(crate) gone: bool,
}

/// What becomes of a delivery after a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Done,
    /// It waits until then.
    Again(Timestamp),
    GivenUp,
}

/// Who takes, when, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) holder: String,
    pub(crate) now: Timestamp,
    pub(crate) until: Timestamp,
}

/// Channels to which something waits, in the order of their ids after one, and when it is due.
pub(crate) async fn due(
    conn: &mut Conn,
    after: &str,
    limit: i64,
) -> Result<Vec<(String, Timestamp)>, DbError> {
    let rows = conn.query(DUE, &[after.into(), limit.into()]).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let [channel, due_at] = cells(row)?;
        // Another process may have taken the last one between the two looks.
        if let forebay_db::Value::Int(due_at) = due_at {
            found.push((channel.text()?, Timestamp::from_micros(due_at)));
        }
    }
    Ok(found)
}

/// Takes what is due to a channel, at most so many.
pub(crate) async fn take(
    conn: &mut Conn,
    (channel, most): (&str, i64),
    turn: &Turn,
) -> Result<Vec<Taken>, DbError> {
    let lock = conn.dialect().skip_locked();
    let sql = format!(
        "UPDATE delivery SET state = 1, holder = $1, held_until = $2, fence = fence + 1, \
         tries = tries + 1, tries_now = tries_now + 1 WHERE id IN (SELECT id FROM delivery \
         WHERE channel = $3 AND state = 0 AND due_at <= $4 ORDER BY due_at, id LIMIT $5{lock}) \
         RETURNING id, notification, channel, address, data, fence, tries, tries_now"
    );
    let params = [
        turn.holder.as_str().into(),
        turn.until.micros().into(),
        channel.into(),
        turn.now.micros().into(),
        most.into(),
    ];
    let read = |row: Row| {
        let [id, notification, channel, address, data, fence, tries, tries_now] = cells(row)?;
        Ok(Taken {
            id: id.text()?,
            notification: notification.text()?,
            channel: channel.text()?,
            address: address.text()?,
            data: data.text()?,
            fence: fence.int()?,
            tries: tries.int()?,
            tries_now: tries_now.int()?,
        })
    };
    conn.query(&sql, &params).await?.into_iter().map(read).collect()
}

/// What the notifications say of all that was taken in a turn.
pub(crate) async fn told(conn: &mut Conn, turn: &Turn) -> Result<HashMap<String, Told>, DbError> {
    let sql = "SELECT n.id, n.type, n.time, n.data FROM notification n WHERE n.id IN \
               (SELECT d.notification FROM delivery d \
               WHERE d.state = 1 AND d.held_until = $1 AND d.holder = $2)";
    let rows = conn.query(sql, &[turn.until.micros().into(), turn.holder.as_str().into()]).await?;
    let read = |row: Row| {
        let [id, kind, time, data] = cells(row)?;
        let time = Timestamp::from_micros(time.int()?);
        Ok((id.text()?, Told { kind: kind.text()?, time, data: data.text()? }))
    };
    rows.into_iter().map(read).collect()
}

/// Writes down how tries ended. Those that another turn has taken meanwhile are left to it.
pub(crate) async fn end(conn: &mut Conn, ended: &[Ended], now: Timestamp) -> Result<(), DbError> {
    const END: Each = Each {
        one: "UPDATE delivery SET state = $1, due_at = $2, done_at = $3, holder = '' \
              WHERE id = $4 AND state = 1 AND fence = $5",
        many: "UPDATE delivery SET state = e.state, due_at = e.due_at, done_at = e.done_at, \
               holder = '' FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], \
               $5::bigint[]) AS e (state, due_at, done_at, id, fence) \
               WHERE delivery.id = e.id AND delivery.state = 1 AND delivery.fence = e.fence",
        kinds: &[Kind::Int, Kind::Int, Kind::Int, Kind::Text, Kind::Int],
    };
    let row = |ended: &Ended| -> Row {
        let (state, due_at, done_at) = match ended.next {
            Next::Done => (2, now, now.micros()),
            Next::Again(at) => (0, at, 0),
            Next::GivenUp => (3, now, now.micros()),
        };
        let Taken { id, fence, .. } = &ended.taken;
        vec![
            state.into(),
            due_at.micros().into(),
            done_at.into(),
            id.as_str().into(),
            (*fence).into(),
        ]
    };
    conn.each(END, ended.iter().map(row).collect()).await?;
    let columns: [(&'static str, Kind); 7] = [
        ("delivery", Kind::Text),
        ("number", Kind::Int),
        ("at", Kind::Int),
        ("duration", Kind::Int),
        ("outcome", Kind::Text),
        ("status", Kind::Int),
        ("excerpt", Kind::Text),
    ];
    let row = |ended: &Ended| -> Row {
        vec![
            ended.taken.id.as_str().into(),
            ended.taken.tries.into(),
            ended.at.micros().into(),
            ended.duration.into(),
            ended.outcome.into(),
            i64::from(ended.status).into(),
            ended.excerpt.as_str().into(),
        ]
    };
    let columns = columns.into_iter().map(|(name, kind)| (Cow::Borrowed(name), kind)).collect();
    let rows = ended.iter().map(row).collect();
    conn.insert_new(Insert { table: Cow::Borrowed("attempt"), columns, rows }).await
}

/// Puts back what a process of this name holds, because it has begun anew; nobody knows what became of
/// it. How many there were.
pub(crate) async fn take_back(
    conn: &mut Conn,
    holder: &str,
    now: Timestamp,
) -> Result<usize, DbError> {
    let sql = "UPDATE delivery SET state = 0, due_at = $1, holder = '' \
               WHERE state = 1 AND holder = $2 RETURNING id";
    Ok(conn.query(sql, &[now.micros().into(), holder.into()]).await?.len())
}

/// Puts back what was held for too long: its process has ended. How many there were.
pub(crate) async fn release(conn: &mut Conn, now: Timestamp) -> Result<usize, DbError> {
    let lock = conn.dialect().skip_locked();
    let sql = format!(
        "UPDATE delivery SET state = 0, due_at = $1, holder = '' WHERE id IN \
         (SELECT id FROM delivery WHERE state = 1 AND held_until < $1 \
         ORDER BY held_until LIMIT 500{lock}) RETURNING id"
    );
    Ok(conn.query(&sql, &[now.micros().into()]).await?.len())
}

/// Whether anything is held for too long.
pub(crate) async fn any_overdue(conn: &mut Conn, now: Timestamp) -> Result<bool, DbError> {
    let sql = "SELECT id FROM delivery WHERE state = 1 AND held_until < $1 LIMIT 1";
    Ok(conn.query_opt(sql, &[now.micros().into()]).await?.is_some())
}

/// Gives up what waits for a channel that is not there any more, a part of it at a time.
pub(crate) async fn give_up(
    conn: &mut Conn,
    channel: &str,
    now: Timestamp,
) -> Result<usize, DbError> {
    let lock = conn.dialect().skip_locked();
    let sql = format!(
        "UPDATE delivery SET state = 3, done_at = $2 WHERE id IN \
         (SELECT id FROM delivery WHERE channel = $1 AND state = 0 LIMIT 500{lock}) RETURNING id"
    );
    Ok(conn.query(&sql, &[channel.into(), now.micros().into()]).await?.len())
}
