//! Questions about a stream's records: a filter, an order, a place to go on from.

pub(crate) mod count;
pub(crate) mod explain;
pub(crate) mod fields;
pub(crate) mod list;
pub(crate) mod position;
pub(crate) mod sort;

use forebay_db::log::find::Found;
use forebay_filter::lower::{Condition, Lowered, lower};
use forebay_filter::{Env, Filter, Scope, View};
use forebay_http::query::Params;
use forebay_model::Error;
use forebay_model::stream::Stream;
use forebay_model::time::Timestamp;

/// A filter that is ready to be asked, at one point in time.
pub(crate) struct Asked {
    filter: Option<Filter>,
    lowered: Option<Lowered>,
    /// Where the filter stands in the request.
    pub(crate) path: &'static str,
    /// What `now()` is, for as long as the question is walked through.
    pub(crate) now: Timestamp,
}

impl Asked {
    /// Reads `?filter=`; without it every record matches.
    pub(crate) fn read(params: &Params, stream: &Stream, now: Timestamp) -> Result<Asked, Error> {
        Asked::of(params.get("filter"), "?filter", stream, now)
    }

    /// Reads a filter that stands at `path`; without it every record matches.
    pub(crate) fn of(
        text: Option<&str>,
        path: &'static str,
        stream: &Stream,
        now: Timestamp,
    ) -> Result<Asked, Error> {
        let filter = compile(text, stream, path)?;
        let lowered = filter.as_ref().map(|f| lower(f, &stream.columns, &Env::at(now)));
        Ok(Asked { filter, lowered, path, now })
    }

    /// What engines narrow by.
    pub(crate) fn condition(&self) -> &Condition {
        self.lowered.as_ref().map_or(&Condition::All, |lowered| &lowered.condition)
    }

    /// Whether the engine's answer is the answer.
    pub(crate) fn is_exact(&self) -> bool {
        self.lowered.as_ref().is_none_or(|lowered| lowered.exact)
    }

    /// Whether a candidate matches.
    pub(crate) fn takes(&self, found: &Found) -> bool {
        self.matches(&View::from(&found.record))
    }

    /// Whether a record matches.
    pub(crate) fn matches(&self, view: &View<'_>) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.matches(view, &Env::at(self.now)))
    }

    /// The filter with what was made of it, where there is one.
    pub(crate) fn parts(&self) -> Option<(&Filter, &Lowered)> {
        self.filter.as_ref().zip(self.lowered.as_ref())
    }
}

/// Reads a filter for a stream; an empty one is none. `path` is where it came from.
pub(crate) fn compile(
    text: Option<&str>,
    stream: &Stream,
    path: &str,
) -> Result<Option<Filter>, Error> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(None) };
    let scope = Scope::record(&stream.definition.schema);
    Filter::compile(text, scope).map(Some).map_err(|mistakes| mistakes.into_error(path))
}
