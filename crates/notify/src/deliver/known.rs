//! What the engine remembers of channels, for a moment: another process may change them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use forebay_db::{Conn, DbError};
use forebay_model::Error;

use super::Engine;
use crate::Inner;
use crate::channel::stored::Settings;
use crate::channel::{self, Channel};
use crate::sql::channel::{self as channels, State};

/// How long what is remembered is trusted.
const TRUSTED: Duration = Duration::from_secs(1);
/// Channels that are remembered; beyond it all are read anew.
const MOST: usize = 10_000;

/// What a channel is to the engine.
#[derive(Clone)]
pub(super) enum Ready {
    /// Messages go there.
    On(&'static str, Arc<dyn Channel>),
    /// They wait.
    Waits,
    /// There is no such channel.
    Missing,
}

/// What is remembered.
#[derive(Default)]
pub(super) struct Known {
    channels: HashMap<String, (Ready, Instant)>,
    /// The number of the last change in this process.
    changes: u64,
}

impl Known {
    /// Forgets all when a channel was changed in this process.
    pub(super) fn hear(&mut self, engine: &Engine) {
        let changes = engine.changes.load(Ordering::Relaxed);
        if std::mem::replace(&mut self.changes, changes) != changes {
            self.channels.clear();
        }
    }

    pub(super) fn forget(&mut self, id: &str) {
        self.channels.remove(id);
    }

    /// What is remembered of a channel that was looked for just now.
    pub(super) fn recall(&self, id: &str) -> Option<Ready> {
        self.channels.get(id).map(|(ready, _)| ready.clone())
    }

    /// What a channel is now.
    pub(super) async fn find(
        &mut self,
        inner: &Inner,
        conn: &mut Conn,
        id: &str,
    ) -> Result<Ready, DbError> {
        if let Some((ready, at)) = self.channels.get(id)
            && at.elapsed() < TRUSTED
        {
            return Ok(ready.clone());
        }
        let ready = match channels::find(conn, id).await? {
            None => Ready::Missing,
            Some(kept) if kept.state != State::On => Ready::Waits,
            Some(kept) => build(inner, &kept).unwrap_or_else(|error| {
                tracing::warn!(channel = id, %error, "messages wait: the channel is unusable");
                Ready::Waits
            }),
        };
        if self.channels.len() >= MOST {
            self.channels.clear();
        }
        self.channels.insert(id.to_owned(), (ready.clone(), Instant::now()));
        Ok(ready)
    }
}

fn build(inner: &Inner, kept: &channels::Kept) -> Result<Ready, Error> {
    let kind = channel::kind(&kept.kind)?;
    let settings = Settings::open(kept, &inner.master)?;
    Ok(Ready::On(kind.name(), settings.build(kind, &inner.means(&kept.id))?))
}
