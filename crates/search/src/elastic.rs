//! The engine.

use crate::ask::{Ask, Facet, Group, Grouping, Hit, Hits, Terms, Window};
use crate::document::{Batch, Written};
use crate::engine::Generation;
use crate::error::SearchError;
use crate::layout::Layout;
use crate::settings::Outside;

/// The engine.
#[derive(Clone)]
pub struct Engine {}

/// A writer.
pub struct Writer {}

/// A view.
pub struct View {
    layout: Layout,
}

fn not_yet() -> SearchError {
    SearchError::Unavailable("not built yet".into())
}

#[allow(clippy::unused_async, unused_variables, missing_docs)]
impl Engine {
    pub async fn open(settings: &Outside) -> Result<Engine, SearchError> {
        Ok(Engine {})
    }
    pub fn name(&self) -> String {
        "elastic".into()
    }
    pub async fn check(&self) -> Result<(), SearchError> {
        Err(not_yet())
    }
    pub async fn streams(&self) -> Result<Vec<i64>, SearchError> {
        Err(not_yet())
    }
    pub async fn generations(&self, stream: i64) -> Result<Vec<Generation>, SearchError> {
        Err(not_yet())
    }
    pub async fn create(&self, layout: &Layout) -> Result<Generation, SearchError> {
        Err(not_yet())
    }
    pub async fn promote(&self, stream: i64, name: &str) -> Result<(), SearchError> {
        Err(not_yet())
    }
    pub async fn discard(&self, stream: i64, name: Option<&str>) -> Result<(), SearchError> {
        Err(not_yet())
    }
    pub async fn writer(&self, stream: i64, name: &str) -> Result<Writer, SearchError> {
        Err(not_yet())
    }
    pub async fn view(&self, stream: i64) -> Result<Option<View>, SearchError> {
        Err(not_yet())
    }
}

#[allow(clippy::unused_async, unused_variables, missing_docs)]
impl Writer {
    pub fn position(&self) -> i64 {
        0
    }
    pub async fn write(&mut self, batch: Batch) -> Result<Written, SearchError> {
        Err(not_yet())
    }
    pub async fn expunge(&mut self) -> Result<(), SearchError> {
        Err(not_yet())
    }
}

#[allow(clippy::unused_async, unused_variables, missing_docs)]
impl View {
    pub fn layout(&self) -> &Layout {
        &self.layout
    }
    pub fn indexed_seq(&self) -> i64 {
        0
    }
    pub async fn hits(&self, hits: &Hits<'_>) -> Result<Vec<Hit>, SearchError> {
        Err(not_yet())
    }
    pub async fn count(&self, ask: &Ask<'_>) -> Result<i64, SearchError> {
        Err(not_yet())
    }
    pub async fn terms(
        &self,
        ask: &Ask<'_>,
        facet: Facet,
        limit: usize,
    ) -> Result<Terms, SearchError> {
        Err(not_yet())
    }
    pub async fn group(&self, grouping: &Grouping<'_>) -> Result<Option<Vec<Group>>, SearchError> {
        Err(not_yet())
    }
    pub async fn windows(&self, size: i64) -> Result<Vec<Window>, SearchError> {
        Err(not_yet())
    }
}
