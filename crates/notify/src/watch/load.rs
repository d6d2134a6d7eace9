//! Takes a rule up where it was left.

use forebay_db::log::read::{Page, Span, page, span};
use forebay_db::{Conn, DbError, Lane, Look, Order};
use forebay_model::stream::Stream;
use forebay_model::{Code, Error};

use super::run::{Checked, Run, saved};
use super::sight::{Sight, runner};
use super::write::shortened;
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
            note(inner, id, shortened(&error.detail).into_owned()).await?;
            Ok(None)
        }
    }
}

/// Whether a rule, its stream and as whom it runs are what they were when it was taken up.
pub(crate) async fn is_current(inner: &Inner, run: &Run) -> Result<bool, DbError> {
    let mut conn = inner.db.reader(Look::Point).await?;
    let now = table::find(&mut conn, &run.kept.id).await?;
    drop(conn);
    let is_same = now.is_some_and(|now| now.on && now.version == run.kept.version);
    let stream = inner.catalog.stream(&run.stream.name).await;
    let same_stream = stream.is_ok_and(|stream| {
        (stream.number, stream.version) == (run.stream.number, run.stream.version)
    });
    let who = runner(inner.identity.as_ref(), &run.kept.runs_as).await;
    Ok(is_same && same_stream && who.is_ok_and(|who| who == run.who))
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
        let sight = Sight::of(&who, &stream)?;
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
