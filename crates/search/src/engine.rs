//! THE interface: one enum, two engines. Callers never know which.

use forebay_filter::lower::Place;

use crate::ask::{Ask, Facet, Group, Grouping, Hit, Hits, Terms, Window};
use crate::document::{Batch, Written};
use crate::error::SearchError;
use crate::layout::Layout;
use crate::settings::Settings;
use crate::{elastic, tantivy};

/// An engine with all of its indexes.
#[derive(Clone)]
pub enum Engine {
    /// Inside: files of this process alone.
    Tantivy(tantivy::Engine),
    /// Outside: Elasticsearch 8+, OpenSearch 2+; shared by all processes of a deployment.
    Elastic(elastic::Engine),
}

/// One index of a stream. A stream has one that is live, and may have one that is being built.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// Its name: a folder, or an index.
    pub name: String,
    /// What it holds; nothing when that cannot be read, so that it is good for nothing.
    pub layout: Option<Layout>,
    /// Whether queries are answered by it.
    pub live: bool,
}

macro_rules! each {
    ($self:expr, $kind:ident, $one:ident => $do:expr) => {
        match $self {
            $kind::Tantivy($one) => $do,
            $kind::Elastic($one) => $do,
        }
    };
}

impl Engine {
    /// Opens an engine.
    ///
    /// # Errors
    /// [`SearchError::Unfit`] when it can never be used as it is; [`SearchError::Unavailable`] when it
    /// does not answer now.
    pub async fn open(settings: &Settings) -> Result<Engine, SearchError> {
        Ok(match settings {
            Settings::Inside(inside) => Engine::Tantivy(tantivy::Engine::open(inside).await?),
            Settings::Outside(outside) => Engine::Elastic(elastic::Engine::open(outside).await?),
        })
    }

    /// Its name for people: `tantivy`, `elasticsearch 8.18.0`, `opensearch 2.19.1`.
    pub fn name(&self) -> String {
        each!(self, Engine, engine => engine.name())
    }

    /// Whether its indexes are of this process alone: each process then follows the log by itself.
    pub fn is_local(&self) -> bool {
        matches!(self, Engine::Tantivy(_))
    }

    /// Whether it compares two places of a record: `Condition::Between`. Where it does not, such a
    /// condition must not be asked of it.
    pub fn compares_places(&self) -> bool {
        matches!(self, Engine::Tantivy(_))
    }

    /// Whether it answers now.
    ///
    /// # Errors
    /// What is wrong.
    pub async fn check(&self) -> Result<(), SearchError> {
        each!(self, Engine, engine => engine.check().await)
    }

    /// The numbers of the streams that have indexes here.
    ///
    /// # Errors
    /// When the engine cannot say.
    pub async fn streams(&self) -> Result<Vec<i64>, SearchError> {
        each!(self, Engine, engine => engine.streams().await)
    }

    /// The indexes of a stream.
    ///
    /// # Errors
    /// When the engine cannot say.
    pub async fn generations(&self, stream: i64) -> Result<Vec<Generation>, SearchError> {
        each!(self, Engine, engine => engine.generations(stream).await)
    }

    /// Makes a new, empty index beside what is there. It is not live.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn create(&self, layout: &Layout) -> Result<Generation, SearchError> {
        each!(self, Engine, engine => engine.create(layout).await)
    }

    /// Makes an index the live one, at once for every query; the others of the stream go.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn promote(&self, stream: i64, name: &str) -> Result<(), SearchError> {
        each!(self, Engine, engine => engine.promote(stream, name).await)
    }

    /// Drops one index of a stream, or all of them.
    ///
    /// # Errors
    /// When the engine cannot.
    pub async fn discard(&self, stream: i64, name: Option<&str>) -> Result<(), SearchError> {
        each!(self, Engine, engine => engine.discard(stream, name).await)
    }

    /// Opens an index for writing. Inside, few are open at once: the caller lets go of it when it has
    /// nothing to write.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn writer(&self, stream: i64, name: &str) -> Result<Writer, SearchError> {
        Ok(match self {
            Engine::Tantivy(engine) => Writer::Tantivy(engine.writer(stream, name).await?),
            Engine::Elastic(engine) => Writer::Elastic(engine.writer(stream, name).await?),
        })
    }

    /// The live index of a stream as it is now; `None` when there is none. What is asked of it later
    /// ends with [`SearchError::Fenced`] when another index became the live one meanwhile: a new view
    /// answers.
    ///
    /// # Errors
    /// When the engine cannot say, or the index is damaged.
    pub async fn view(&self, stream: i64) -> Result<Option<View>, SearchError> {
        Ok(match self {
            Engine::Tantivy(engine) => engine.view(stream).await?.map(View::Tantivy),
            Engine::Elastic(engine) => engine.view(stream).await?.map(View::Elastic),
        })
    }
}

/// An index that is written; one at a time for each, which engines make sure of ([`SearchError::Fenced`]).
pub enum Writer {
    /// Inside.
    Tantivy(tantivy::Writer),
    /// Outside.
    Elastic(elastic::Writer),
}

impl Writer {
    /// Up to where the log is in, durably.
    pub fn position(&self) -> i64 {
        each!(self, Writer, writer => writer.position())
    }

    /// Writes the next part of the log, and makes it durable and visible within a second. What is in
    /// already is no error.
    ///
    /// # Errors
    /// Then nothing is known of it: the writer is of no use any more, and a new one says where to go on.
    pub async fn write(&mut self, batch: Batch) -> Result<Written, SearchError> {
        each!(self, Writer, writer => writer.write(batch).await)
    }

    /// Merges away what was erased: afterwards its words are in no file.
    ///
    /// # Errors
    /// When that fails; it may be tried again.
    pub async fn expunge(&mut self) -> Result<(), SearchError> {
        each!(self, Writer, writer => writer.expunge().await)
    }
}

/// A stream's live index at one position.
pub enum View {
    /// Inside.
    Tantivy(tantivy::View),
    /// Outside.
    Elastic(elastic::View),
}

impl View {
    /// What it holds.
    pub fn layout(&self) -> &Layout {
        each!(self, View, view => view.layout())
    }

    /// Up to where the log is in.
    pub fn indexed_seq(&self) -> i64 {
        each!(self, View, view => view.indexed_seq())
    }

    /// See [`Engine::compares_places`].
    pub fn compares_places(&self) -> bool {
        matches!(self, View::Tantivy(_))
    }

    /// Finds a page of records.
    ///
    /// # Errors
    /// When the engine cannot answer.
    pub async fn hits(&self, hits: &Hits<'_>) -> Result<Vec<Hit>, SearchError> {
        each!(self, View, view => view.hits(hits).await)
    }

    /// Counts records.
    ///
    /// # Errors
    /// When the engine cannot answer.
    pub async fn count(&self, ask: &Ask<'_>) -> Result<i64, SearchError> {
        each!(self, View, view => view.count(ask).await)
    }

    /// Counts records by the values that they have, exactly; the `limit` most frequent ones.
    ///
    /// # Errors
    /// When the engine cannot answer.
    pub async fn terms(
        &self,
        ask: &Ask<'_>,
        facet: Facet,
        limit: usize,
    ) -> Result<Terms, SearchError> {
        each!(self, View, view => view.terms(ask, facet, limit).await)
    }

    /// Groups records; `None` when this engine cannot do that exactly.
    ///
    /// # Errors
    /// When the engine cannot answer.
    pub async fn group(&self, grouping: &Grouping<'_>) -> Result<Option<Vec<Group>>, SearchError> {
        each!(self, View, view => view.group(grouping).await)
    }

    /// What is in the index, in windows of `size` positions, for a comparison with the store.
    ///
    /// # Errors
    /// When the engine cannot answer.
    pub async fn windows(&self, size: i64) -> Result<Vec<Window>, SearchError> {
        each!(self, View, view => view.windows(size).await)
    }

    /// Whether it holds a place: what every record has, or a column of the layout.
    pub fn holds(&self, place: Place) -> bool {
        match place {
            Place::Column(number) => self.layout().columns.iter().any(|c| c.number == number),
            _ => true,
        }
    }
}
