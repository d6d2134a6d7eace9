//! What the service works with, and what of it comes from the house.

use std::sync::Arc;

use forebay_contract::{Catalog, Identity};
use forebay_db::Db;
use forebay_db::seal::Master;
use forebay_http::cursor::Sealer;
use forebay_model::time::SharedClock;
use forebay_outgoing::Client;
use tokio_util::sync::CancellationToken;

use crate::channel::Means;
use crate::channel::email::office::Office;
use crate::config::NotifyConfig;
use crate::deliver::Engine;
use crate::holder::Holder;
use crate::inbox::hub::Hub;

/// What the service works with.
pub(crate) struct Inner {
    pub(crate) config: NotifyConfig,
    pub(crate) db: Db,
    pub(crate) clock: SharedClock,
    pub(crate) sealer: Sealer,
    pub(crate) master: Master,
    /// For every call to a place that somebody has named.
    pub(crate) client: Client,
    /// As whom rules run, and who follows an inbox.
    pub(crate) identity: Arc<dyn Identity>,
    /// What streams are.
    pub(crate) catalog: Arc<dyn Catalog>,
    /// As what this process holds things.
    pub(crate) holder: Holder,
    /// Who brings messages to where they go.
    pub(crate) engine: Engine,
    /// Who follows inboxes.
    pub(crate) hub: Hub,
    /// What e-mail goes through.
    pub(crate) office: Arc<Office>,
    pub(crate) stopping: CancellationToken,
}

/// What the service needs of the house.
pub struct Deps {
    /// The database.
    pub db: Db,
    /// What streams are.
    pub catalog: Arc<dyn Catalog>,
    /// Who somebody is now.
    pub identity: Arc<dyn Identity>,
    /// What cursors are sealed with.
    pub sealer: Sealer,
    /// What secrets of channels are sealed with.
    pub master: Master,
    /// The time.
    pub clock: SharedClock,
    /// Cancelled when the process stops.
    pub stopping: CancellationToken,
}

impl Inner {
    /// What a channel is made with; one that is only checked has no id.
    pub(crate) fn means(&self, channel: &str) -> Means {
        Means {
            client: self.client.clone(),
            timeout: self.config.timeout,
            office: Some(self.office.clone()),
            channel: channel.to_owned(),
        }
    }
}
