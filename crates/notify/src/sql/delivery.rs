//! The table `delivery`, as doors see it.

use forebay_db::log::read::cells;
use forebay_db::{Conn, DbError, Row, Value};
use forebay_model::time::Timestamp;

const SELECT: &str = "SELECT d.id, d.notification, n.type, d.channel, d.address, d.rule, d.state, \
                      d.due_at, d.tries, d.created_at, d.done_at \
                      FROM delivery d JOIN notification n ON n.id = d.notification";

/// A delivery as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) id: String,
    pub(crate) notification: String,
    pub(crate) kind: String,
    pub(crate) channel: String,
    pub(crate) address: String,
    pub(crate) rule: String,
    pub(crate) state: State,
    pub(crate) due_at: Timestamp,
    pub(crate) tries: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) done_at: Option<Timestamp>,
}

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Waiting,
    Sending,
    Delivered,
    Failed,
}

impl State {
    /// As the API has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Sending => "sending",
            State::Delivered => "delivered",
            State::Failed => "failed",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<State> {
        let all = [State::Waiting, State::Sending, State::Delivered, State::Failed];
        all.into_iter().find(|state| state.name() == name)
    }

    /// As the database has it. The text of a statement has it too, so that a partial index serves.
    fn condition(self) -> &'static str {
        match self {
            State::Waiting => "d.state = 0",
            State::Sending => "d.state = 1",
            State::Delivered => "d.state = 2",
            State::Failed => "d.state = 3",
        }
    }

    fn read(number: i64) -> State {
        match number {
            0 => State::Waiting,
            1 => State::Sending,
            2 => State::Delivered,
            _ => State::Failed,
        }
    }
}

/// Which deliveries are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) state: Option<State>,
    pub(crate) channel: Option<String>,
    pub(crate) rule: Option<String>,
    /// Only those to channels of this owner.
    pub(crate) owner: Option<String>,
    /// Written at this time or later, and before that one.
    pub(crate) from: Option<Timestamp>,
    pub(crate) to: Option<Timestamp>,
}

impl Wanted {
    /// The conditions, with the values that they bind.
    fn sql(&self) -> (String, Vec<Value>) {
        let (mut text, mut values) = (String::from(" WHERE 1 = 1"), Vec::new());
        let mut bind = |text: &mut String, condition: &'static str, value: Value| {
            values.push(value);
            text.push_str(&condition.replace('?', &format!("${}", values.len())));
        };
        if let Some(state) = self.state {
            text.push_str(" AND ");
            text.push_str(state.condition());
        }
        if let Some(channel) = &self.channel {
            bind(&mut text, " AND d.channel = ?", channel.as_str().into());
        }
        if let Some(rule) = &self.rule {
            bind(&mut text, " AND d.rule = ? AND d.rule <> ''", rule.as_str().into());
        }
        if let Some(owner) = &self.owner {
            let own = " AND d.channel IN (SELECT c.id FROM channel c WHERE c.owner = ?)";
            bind(&mut text, own, owner.as_str().into());
        }
        if let Some(from) = self.from {
            bind(&mut text, " AND d.created_at >= ?", from.micros().into());
        }
        if let Some(to) = self.to {
            bind(&mut text, " AND d.created_at < ?", to.micros().into());
        }
        (text, values)
    }
}

/// Deliveries before an id, the newest first.
pub(crate) async fn list(
    conn: &mut Conn,
    wanted: &Wanted,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<Kept>, DbError> {
    let (conditions, mut values) = wanted.sql();
    let mut sql = format!("{SELECT}{conditions}");
    if let Some(before) = before {
        values.push(before.into());
        sql.push_str(&format!(" AND d.id < ${}", values.len()));
    }
    values.push(limit.into());
    sql.push_str(&format!(" ORDER BY d.id DESC LIMIT ${}", values.len()));
    conn.query(&sql, &values).await?.into_iter().map(read).collect()
}

/// Finds a delivery.
pub(crate) async fn find(conn: &mut Conn, id: &str) -> Result<Option<Kept>, DbError> {
    let sql = format!("{SELECT} WHERE d.id = $1");
    conn.query_opt(&sql, &[id.into()]).await?.map(read).transpose()
}

/// Puts deliveries in line again that have ended, in the order of their ids after one; gives their ids.
pub(crate) async fn replay(
    conn: &mut Conn,
    wanted: &Wanted,
    after: &str,
    (limit, now): (i64, Timestamp),
) -> Result<Vec<String>, DbError> {
    let (conditions, mut values) = wanted.sql();
    values.push(after.into());
    let at = values.len();
    values.extend([limit.into(), now.micros().into()]);
    let (limit, now) = (at + 1, at + 2);
    let lock = conn.dialect().skip_locked();
    let sql = format!(
        "UPDATE delivery SET state = 0, due_at = ${now}, tries_now = 0, done_at = 0 WHERE id IN \
         (SELECT d.id FROM delivery d{conditions} AND d.state > 1 AND d.id > ${at} ORDER BY d.id \
         LIMIT ${limit}{lock}) RETURNING id"
    );
    let rows = conn.query(&sql, &values).await?;
    rows.into_iter().map(|row| cells(row).and_then(|[id]| id.text())).collect()
}

/// Puts one delivery in line again, if it has ended.
pub(crate) async fn replay_one(conn: &mut Conn, id: &str, now: Timestamp) -> Result<bool, DbError> {
    let sql = "UPDATE delivery SET state = 0, due_at = $2, tries_now = 0, done_at = 0 \
               WHERE id = $1 AND state > 1 RETURNING id";
    Ok(conn.query_opt(sql, &[id.into(), now.micros().into()]).await?.is_some())
}

fn read(row: Row) -> Result<Kept, DbError> {
    let [id, notification, kind, channel, address, rule, state, due_at, tries, created_at, done_at] =
        cells(row)?;
    let done_at = done_at.int()?;
    Ok(Kept {
        id: id.text()?,
        notification: notification.text()?,
        kind: kind.text()?,
        channel: channel.text()?,
        address: address.text()?,
        rule: rule.text()?,
        state: State::read(state.int()?),
        due_at: Timestamp::from_micros(due_at.int()?),
        tries: tries.int()?,
        created_at: Timestamp::from_micros(created_at.int()?),
        done_at: (done_at > 0).then(|| Timestamp::from_micros(done_at)),
    })
}
