//! The engine outside: Elasticsearch 8 or newer, OpenSearch 2 or newer, over REST; shared by all
//! processes of a deployment.
//!
//! An index of a stream has one shard, so that counts are exact and positions have an order. A record
//! is a document with the record's position for its version: whoever comes later with what is older
//! changes nothing. Where an index is, the log's position, is a document too: it is written after the
//! records, and only as long as nobody else has moved it.

mod bulk;
mod catalog;
mod client;
mod fault;
mod fit;
mod group;
mod hits;
mod mapping;
mod names;
mod order;
mod query;
mod terms;
mod view;
mod writer;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::engine::Generation;
use crate::error::SearchError;
use crate::layout::Layout;
use crate::settings::Outside;
use client::Client;
use names::Names;

pub use view::View;
pub use writer::Writer;

/// The most layouts that are remembered.
const MAX_LAYOUTS: usize = 4096;

/// A server with all of our indexes.
#[derive(Clone)]
pub struct Engine {
    server: Arc<Server>,
}

/// What all that is opened shares.
struct Server {
    client: Client,
    names: Names,
    deployment: String,
    refresh: Duration,
    /// Name and version, as of the last check.
    product: Mutex<String>,
    /// What indexes hold, by their names; it never changes.
    layouts: Mutex<HashMap<String, Arc<Layout>>>,
}

impl Engine {
    /// Connects, and looks whether the server and what has our names there can be used.
    ///
    /// # Errors
    /// [`SearchError::Unfit`] when settings, server, version, credentials or an index of somebody else
    /// stand in the way; [`SearchError::Unavailable`] when it does not answer.
    pub async fn open(settings: &Outside) -> Result<Engine, SearchError> {
        if settings.deployment.is_empty() {
            return Err(SearchError::Internal("a deployment has a name".to_owned()));
        }
        let server = Server {
            client: Client::new(settings)?,
            names: Names::new(&settings.prefix)?,
            deployment: settings.deployment.clone(),
            refresh: settings.refresh,
            product: Mutex::default(),
            layouts: Mutex::default(),
        };
        let engine = Engine { server: Arc::new(server) };
        engine.check().await?;
        engine.server.find(engine.server.names.all()).await?;
        Ok(engine)
    }

    /// The server's name and version.
    pub fn name(&self) -> String {
        self.server.product.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the server answers now, and is still one that can be used.
    ///
    /// # Errors
    /// What is wrong.
    pub async fn check(&self) -> Result<(), SearchError> {
        let product = fit::product(&self.server.client).await?;
        *self.server.product.lock().unwrap_or_else(PoisonError::into_inner) = product;
        Ok(())
    }

    /// The numbers of the streams that have indexes here, each once, in order.
    ///
    /// # Errors
    /// When the server cannot say, or an index has our name and is somebody else's.
    pub async fn streams(&self) -> Result<Vec<i64>, SearchError> {
        let found = self.server.find(self.server.names.all()).await?;
        let mut streams: Vec<i64> = found.into_iter().map(|index| index.stream).collect();
        streams.sort_unstable();
        streams.dedup();
        Ok(streams)
    }

    /// The indexes of a stream, the oldest first.
    ///
    /// # Errors
    /// As [`Engine::streams`].
    pub async fn generations(&self, stream: i64) -> Result<Vec<Generation>, SearchError> {
        let found = self.server.of_stream(stream).await?;
        let generation = |index: catalog::Found| Generation {
            name: index.name,
            layout: index.layout,
            live: index.live,
        };
        Ok(found.into_iter().map(generation).collect())
    }

    /// Makes a new, empty index beside what is there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn create(&self, layout: &Layout) -> Result<Generation, SearchError> {
        let name = self.server.create(layout).await?;
        Ok(Generation { name, layout: Some(layout.clone()), live: false })
    }

    /// Makes an index the live one; the others of the stream go, all in one step.
    ///
    /// # Errors
    /// [`SearchError::Damaged`] when it is not there.
    pub async fn promote(&self, stream: i64, name: &str) -> Result<(), SearchError> {
        self.server.promote(stream, name).await
    }

    /// Drops one index of a stream, or all of them. One that is not there is no error.
    ///
    /// # Errors
    /// When the server cannot.
    pub async fn discard(&self, stream: i64, name: Option<&str>) -> Result<(), SearchError> {
        self.server.discard(stream, name).await
    }

    /// Opens an index for writing, at the position that is there now.
    ///
    /// # Errors
    /// [`SearchError::Damaged`] when it is not there.
    pub async fn writer(&self, stream: i64, name: &str) -> Result<Writer, SearchError> {
        Writer::open(&self.server, stream, name).await
    }

    /// The live index of a stream as it is now; `None` when there is none.
    ///
    /// # Errors
    /// When the server cannot say, or what is there cannot be read.
    pub async fn view(&self, stream: i64) -> Result<Option<View>, SearchError> {
        View::open(&self.server, stream).await
    }
}

impl Server {
    /// What an index holds; asked once.
    async fn layout(&self, index: &str) -> Result<Arc<Layout>, SearchError> {
        let known = || self.layouts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(layout) = known().get(index) {
            return Ok(layout.clone());
        }
        let layout = Arc::new(self.read_layout(index).await?);
        let mut known = known();
        if known.len() >= MAX_LAYOUTS {
            known.clear();
        }
        known.insert(index.to_owned(), layout.clone());
        Ok(layout)
    }
}
