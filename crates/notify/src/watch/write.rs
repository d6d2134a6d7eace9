//! Writes what steps of rules have found: all of one rule's in one transaction with its place.

use forebay_db::outbox::{self, Waiting};
use forebay_db::{DbError, Lane};
use forebay_model::alert;
use forebay_model::time::Timestamp;

use super::run::Step;
use crate::Inner;
use crate::post::post;
use crate::sql::rule::{self as table, Held};

/// What is written of a rule.
pub(crate) struct Write {
    pub(crate) held: Held,
    pub(crate) step: Step,
}

/// Writes all; gives the rules that somebody else runs by now, of which nothing was written.
pub(crate) async fn all(
    inner: &Inner,
    writes: Vec<Write>,
    now: Timestamp,
) -> Result<Vec<String>, DbError> {
    let holder = inner.holder.name().to_owned();
    let written = inner.db.writer().run(Lane::Batch, move |conn| {
        Box::pin(async move {
            let (mut lost, mut posts) = (Vec::new(), Vec::new());
            for Write { held, step } in writes {
                if !table::move_cursor(conn, &holder, &held).await? {
                    lost.push(held.rule);
                    continue;
                }
                table::put_groups(conn, &held.rule, &step.groups).await?;
                table::drop_groups(conn, &held.rule, &step.gone).await?;
                for (id, time, data) in step.alerts {
                    let (stream, time) = (alert::STREAM.to_owned(), Timestamp::from_micros(time));
                    outbox::put(conn, &Waiting { id, stream, time, data }).await?;
                }
                posts.extend(step.posts);
            }
            // At once: inboxes are locked in one order.
            post(conn, &posts, now).await?;
            Ok(lost)
        })
    });
    written.await
}
