//! Background loops.

use std::time::Duration;

use forebay_db::{Db, Lane};

use crate::identity::Directory;
use crate::sql::api_key;

/// How often the database is asked whether anybody's rights have changed.
const LISTEN: Duration = Duration::from_millis(250);
/// How often it is written down which keys were shown.
const NOTE: Duration = Duration::from_secs(60);

/// Hears of changes that other processes made, until it is dropped.
pub(crate) async fn listen(directory: &Directory) {
    let mut every = tokio::time::interval(LISTEN);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        // Without an answer, what is remembered is soon trusted no more.
        if let Err(error) = directory.listen().await {
            tracing::warn!(%error, "changes of rights cannot be heard");
        }
    }
}

/// Writes down which keys were shown, until it is dropped.
pub(crate) async fn note_used(directory: &Directory, db: &Db) {
    let mut every = tokio::time::interval(NOTE);
    loop {
        every.tick().await;
        for (id, at) in directory.take_used() {
            let noted = db.writer().run(Lane::Maintenance, move |conn| {
                Box::pin(async move { api_key::used(conn, &id, at).await })
            });
            if let Err(error) = noted.await {
                tracing::warn!(%error, "when a key was used is not written down");
            }
        }
    }
}
