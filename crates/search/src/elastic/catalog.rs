//! Our indexes on a server: which there are, made, put in place, dropped.

use serde_json::{Value as Json, json};

use super::client::Call;
use super::fault::Fault;
use super::names::door;
use super::{Server, mapping};
use crate::error::SearchError;
use crate::layout::Layout;

/// The id of the document that says where an index is. Those of records begin with `r`.
pub(super) const POSITION: &str = "p";

/// An index of ours.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) stream: i64,
    pub(super) layout: Option<Layout>,
    pub(super) live: bool,
}

impl Server {
    pub(super) async fn of_stream(&self, stream: i64) -> Result<Vec<Found>, SearchError> {
        let mut found = self.find(self.names.of_stream(stream)).await?;
        found.retain(|index| index.stream == stream);
        Ok(found)
    }

    /// The indexes of ours among those that have certain names, by name.
    pub(super) async fn find(&self, names: String) -> Result<Vec<Found>, SearchError> {
        // The identity is asked for so that an index without anything else is not left out.
        let path = format!(
            "{names}?expand_wildcards=all&ignore_unavailable=true&allow_no_indices=true\
             &filter_path=*.aliases,*.mappings._meta,*.settings.index.uuid"
        );
        let answer = match self.client.ask(&Call::get(path)).await {
            Err(fault) if fault.is_gone() => return Ok(Vec::new()),
            answer => answer?,
        };
        let mut found = Vec::new();
        for (name, index) in answer.as_object().into_iter().flatten() {
            found.extend(self.ours(name, index)?);
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// An index that is ours; none where neither its name nor an alias is one that we use.
    fn ours(&self, name: &str, index: &Json) -> Result<Option<Found>, SearchError> {
        let meta = index.pointer("/mappings/_meta/forebay");
        let aliases = index.get("aliases").and_then(Json::as_object);
        let mut aliases = aliases.into_iter().flatten().map(|(alias, _)| alias.as_str());
        let Some(stream) = self.names.stream_of(name) else {
            let taken = [name].into_iter().chain(aliases);
            return match taken.into_iter().find(|name| self.names.stream_of_live(name).is_some()) {
                Some(_) => Err(foreign(name)),
                None => Ok(None),
            };
        };
        if !self.is_ours(meta) {
            return Err(foreign(name));
        }
        let live = self.names.live(stream);
        let live = aliases.any(|alias| alias == live);
        let layout = layout_in(meta).filter(|layout| layout.stream == stream);
        Ok(Some(Found { name: name.to_owned(), stream, layout, live }))
    }

    fn is_ours(&self, meta: Option<&Json>) -> bool {
        let deployment = meta.and_then(|meta| meta.get("deployment")).and_then(Json::as_str);
        deployment == Some(self.deployment.as_str())
    }

    /// What an index says that it holds.
    pub(super) async fn read_layout(&self, index: &str) -> Result<Layout, SearchError> {
        let path = format!("{index}/_mapping?filter_path=*.mappings._meta");
        let answer = self.client.ask(&Call::get(path)).await?;
        let meta = answer.get(index).and_then(|index| index.pointer("/mappings/_meta/forebay"));
        if !self.is_ours(meta) {
            return Err(foreign(index));
        }
        let unknown = || SearchError::Damaged(format!("{index} does not say what it holds"));
        layout_in(meta).ok_or_else(unknown)
    }

    pub(super) async fn create(&self, layout: &Layout) -> Result<String, SearchError> {
        // Looks for somebody else's first.
        self.of_stream(layout.stream).await?;
        let name = self.names.index(layout.stream);
        let body = mapping::index(layout, &self.deployment, self.refresh, &door(&name));
        self.client.once(&Call::put(name.as_str(), &body)).await.map_err(full)?;
        Ok(name)
    }

    pub(super) async fn promote(&self, stream: i64, name: &str) -> Result<(), SearchError> {
        let name = self.names.known(stream, name)?;
        let found = self.of_stream(stream).await?;
        if !found.iter().any(|index| index.name == name) {
            return Err(SearchError::Damaged(format!("{name} is not there")));
        }
        // What was written to it is seen before it answers: positions do not seem to go back.
        self.client.ask(&Call::act(format!("{name}/_refresh"))).await?;
        let mut actions = vec![json!({"add": {"index": name, "alias": self.names.live(stream)}})];
        let others = found.iter().filter(|index| index.name != name);
        actions.extend(others.map(|index| json!({"remove_index": {"index": index.name}})));
        // All of it happens, or nothing.
        match self.client.ask(&Call::post("_aliases", &json!({"actions": actions}))).await {
            // It has happened, and the first answer was lost; or somebody else did something.
            Err(fault) if fault.is_gone() => {
                let found = self.of_stream(stream).await?;
                let is_live = found.iter().any(|index| index.name == name && index.live);
                let other =
                    || SearchError::Unavailable(format!("{name} is not the live index yet"));
                is_live.then_some(()).ok_or_else(other)
            }
            answer => answer.map(drop).map_err(SearchError::from),
        }
    }

    pub(super) async fn discard(&self, stream: i64, name: Option<&str>) -> Result<(), SearchError> {
        let found = self.of_stream(stream).await?;
        let wanted = found.iter().filter(|index| name.is_none_or(|name| index.name == name));
        for index in wanted {
            match self.client.ask(&Call::delete(index.name.as_str())).await {
                Err(fault) if fault.is_gone() => {}
                answer => _ = answer?,
            }
        }
        Ok(())
    }
}

fn layout_in(meta: Option<&Json>) -> Option<Layout> {
    serde_json::from_value(meta?.get("layout")?.clone()).ok()
}

fn foreign(index: &str) -> SearchError {
    SearchError::Unfit(format!(
        "the index {index} was made by someone else: choose another search.prefix, or delete it"
    ))
}

/// A cluster that takes no more shards says so as if the request were wrong.
fn full(fault: Fault) -> SearchError {
    match fault.error {
        SearchError::Internal(text) if fault.kind == "validation_exception" => {
            SearchError::Unavailable(text)
        }
        error => error,
    }
}
