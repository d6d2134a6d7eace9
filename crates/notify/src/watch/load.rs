//! Takes a rule up where it was left.

use std::collections::HashMap;
use std::sync::Arc;

use forebay_contract::Identity;
use forebay_db::log::read::{Page, Span, page, span};
use forebay_db::{Conn, DbError, Lane, Look, Order};
use forebay_filter::Sight;
use forebay_model::principal::{Principal, RECORDS_READ};
use forebay_model::stream::Stream;
use forebay_model::{Code, Error, Result};

use super::run::{Checked, Run, saved};
use crate::Inner;
use crate::rule::evaluator::Evaluator;
use crate::sql::rule::{self as table, Group, Held, Kept};

const PAGE: i64 = 1_000;
/// By how much records may have happened before they arrive, where windows go by when they happened.
const AHEAD: i64 = 3_600_000_000;

/// Takes a rule up; nothing when it cannot run, which is then written down with it.
pub(crate) async fn run(inner: &Inner, held: Held) -> Result<Option<Run>, DbError> {
    let mut conn = inner.db.reader(Look::Scan).await?;
    let Some(kept) = table::find(&mut conn, &held.rule).await?.filter(|kept| kept.on) else {
        return Ok(None);
    };
    drop(conn);
    let (id, had_error) = (kept.id.clone(), !kept.error.is_empty());
    match take_up(inner, kept, held).await? {
        Ok(run) => {
            if had_error {
                note(inner, id, String::new()).await?;
            }
            Ok(Some(run))
        }
        Err(error) => {
            if error.code == Code::EngineUnavailable || error.code == Code::Internal {
                return Err(DbError::Unavailable(error.to_string()));
            }
            note(inner, id, shortened(&error.detail)).await?;
            Ok(None)
        }
    }
}

/// What rules stand on now: each stream and each principal is looked at once.
#[derive(Default)]
pub(crate) struct Ground {
    streams: HashMap<String, Option<(i64, i64)>>,
    runners: HashMap<String, Option<Arc<Principal>>>,
}

impl Ground {
    /// Whether a rule's stream, and as whom it runs, are what they were when it was taken up.
    pub(crate) async fn is_that_of(&mut self, inner: &Inner, run: &Run) -> bool {
        let (name, runs_as) = (&run.stream.name, &run.kept.runs_as);
        if !self.streams.contains_key(name) {
            let stream = inner.catalog.stream(name).await.ok();
            let known = stream.map(|stream| (stream.number, stream.version));
            self.streams.insert(name.clone(), known);
        }
        if !self.runners.contains_key(runs_as) {
            let who = runner(inner.identity.as_ref(), runs_as).await.ok();
            self.runners.insert(runs_as.clone(), who);
        }
        self.streams[name] == Some((run.stream.number, run.stream.version))
            && self.runners[runs_as].as_ref() == Some(&run.who)
    }
}

/// The principal as whom a rule runs, as it is now.
async fn runner(identity: &dyn Identity, runs_as: &str) -> Result<Arc<Principal>> {
    let seed = match runs_as.strip_prefix("key:") {
        Some(key) => Principal {
            id: runs_as.to_owned(),
            key_id: Some(key.to_owned()),
            ..Principal::default()
        },
        None => Principal {
            id: runs_as.to_owned(),
            user_id: runs_as.split_once(':').map(|(_, account)| account.to_owned()),
            ..Principal::default()
        },
    };
    let gone = || Error::not_found(format!("`{runs_as}`, as whom the rule runs,"));
    identity.current(&seed).await?.ok_or_else(gone)
}

async fn note(inner: &Inner, id: String, error: String) -> Result<(), DbError> {
    let now = inner.clock.now();
    let noted = inner.db.writer().run(Lane::Interactive, move |conn| {
        Box::pin(async move { table::set_error(conn, &id, &error, now).await })
    });
    noted.await
}

async fn take_up(inner: &Inner, kept: Kept, mut held: Held) -> Result<Result<Run, Error>, DbError> {
    let found = async {
        let stream = inner.catalog.stream(&kept.stream).await?;
        let who = runner(inner.identity.as_ref(), &kept.runs_as).await?;
        who.require_on_stream(RECORDS_READ, &stream.name)?;
        let sight = Sight::of(&who, &stream, |_| {});
        let definition = serde_json::from_str(&kept.definition).map_err(Error::internal)?;
        let checked = Checked::read(&definition, &stream)?;
        Ok((stream, who, sight, checked))
    };
    let (stream, who, sight, checked) = match found.await {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    let mut conn = inner.db.reader(Look::Scan).await?;
    let groups = all_groups(&mut conn, &kept.id).await?;
    if held.stream != stream.number {
        // The stream was made again: it begins anew.
        (held.stream, held.seq) = (stream.number, 0);
    }
    let now = inner.clock.now().micros();
    let states = groups.iter().filter_map(saved).collect();
    let evaluator = Evaluator::restored(checked.rule.clone(), held.at, now, states);
    let mut run = Run::new((kept, held), stream.clone(), checked, (sight, who), evaluator);
    run.restore(&groups);
    refill(&mut conn, &stream, &mut run).await?;
    Ok(Ok(run))
}

async fn all_groups(conn: &mut Conn, rule: &str) -> Result<Vec<Group>, DbError> {
    let mut all: Vec<Group> = Vec::new();
    loop {
        let after = all.last().map(|group| group.fingerprint.clone()).unwrap_or_default();
        let more = table::groups(conn, rule, &after, PAGE).await?;
        let is_last = more.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
        all.extend(more);
        if is_last {
            return Ok(all);
        }
    }
}

/// Reads what open windows hold again.
async fn refill(conn: &mut Conn, stream: &Stream, run: &mut Run) -> Result<(), DbError> {
    let Some((from, by_event)) = run.evaluator.needs_from() else { return Ok(()) };
    let Some(here) = span(conn, stream.number).await? else { return Ok(()) };
    let from = if by_event { from.saturating_sub(AHEAD) } else { from };
    let mut after = position(conn, stream.number, here, from).await?;
    while after < run.held.seq {
        let (order, up_to) = (Order::SeqAscending, run.held.seq);
        let wanted = Page { order, after: Some((after, 0)), up_to, limit: PAGE };
        let records = page(conn, stream.number, wanted).await?;
        let Some(last) = records.last() else { return Ok(()) };
        after = last.seq;
        records.iter().for_each(|record| run.refill(record));
    }
    Ok(())
}

/// The position before the first record that arrived after a time: arrivals ascend with positions.
pub(crate) async fn position(
    conn: &mut Conn,
    stream: i64,
    here: Span,
    after: i64,
) -> Result<i64, DbError> {
    let (mut low, mut high) = (here.first_seq - 1, here.last_seq);
    while low < high {
        let middle = low + (high - low) / 2;
        let (order, up_to) = (Order::SeqAscending, here.last_seq);
        let wanted = Page { order, after: Some((middle, 0)), up_to, limit: 1 };
        match page(conn, stream, wanted).await?.first() {
            Some(record) if record.received_at.micros() <= after => low = record.seq,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// A text of at most so many bytes.
fn shortened(text: &str) -> String {
    const MOST: usize = 500;
    match text.char_indices().find(|(at, c)| at + c.len_utf8() > MOST) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}
