//! Questions about a stream's records: a filter, an order, a place to go on from.

pub(crate) mod count;
pub(crate) mod explain;
pub(crate) mod facets;
pub(crate) mod fields;
pub(crate) mod held;
pub(crate) mod index;
pub(crate) mod list;
pub(crate) mod position;
pub(crate) mod ranked;
pub(crate) mod sort;
pub(crate) mod source;

use std::sync::Arc;

use forebay_db::log::find::Found;
use forebay_filter::lower::{Condition, Holds, Lowered, lower, lower_for};
use forebay_filter::search::{Mode, Query};
use forebay_filter::{Auth, Env, Filter, Scope, Sight, View};
use forebay_http::query::Params;
use forebay_model::principal::Principal;
use forebay_model::stream::{Column, Stream};
use forebay_model::time::Timestamp;
use forebay_model::{Error, FieldError};
use forebay_search::Layout;

use crate::access::sight;

/// A question at one point in time: a filter, narrowed by what the asker may see. Every door that
/// shows records asks through this.
pub(crate) struct Asked {
    filter: Option<(Filter, Lowered)>,
    /// What the asker typed.
    query: Option<Query>,
    /// What the asker may see; each is lowered by itself, so that none hides in another.
    sight: Vec<Arc<Filter>>,
    condition: Condition,
    exact: bool,
    auth: Arc<Auth>,
    /// Where the filter stands in the request.
    pub(crate) path: &'static str,
    /// What `now()` is, for as long as the question is walked through.
    pub(crate) now: Timestamp,
}

/// The text of a filter, and where it stands in the request.
pub(crate) type Placed<'t> = (Option<&'t str>, &'static str);

impl Asked {
    /// Reads `?filter=`; without it every record matches that the asker may see.
    pub(crate) fn read(
        params: &Params,
        stream: &Stream,
        who: &Principal,
        now: Timestamp,
    ) -> Result<Asked, Error> {
        Asked::of((params.get("filter"), "?filter"), stream, who, now)
    }

    /// Reads a filter; without one every record matches that the asker may see.
    pub(crate) fn of(
        (text, path): Placed<'_>,
        stream: &Stream,
        who: &Principal,
        now: Timestamp,
    ) -> Result<Asked, Error> {
        let Sight { filters: sight, auth } = sight(who, stream);
        let env = Env { now, auth: Some(&auth), given: &[] };
        let lowered = |filter: &Filter| lower(filter, &stream.columns, &env);
        let filter = compile(text, stream, path)?.map(|filter| {
            let lowered = lowered(&filter);
            (filter, lowered)
        });
        let mut parts: Vec<Lowered> = sight.iter().map(|filter| lowered(filter)).collect();
        parts.extend(filter.as_ref().map(|(_, lowered)| lowered.clone()));
        let exact = parts.iter().all(|part| part.exact);
        let condition = together(parts.into_iter().map(|part| part.condition).collect());
        Ok(Asked { filter, query: None, sight, condition, exact, auth, path, now })
    }

    /// Narrows by what the asker typed.
    pub(crate) fn and(mut self, query: Option<Query>, stream: &Stream) -> Asked {
        if let Some(query) = &query {
            let lowered = lower(query.filter(), &stream.columns, &self.env());
            self.exact &= lowered.exact;
            self.condition = together(vec![self.condition, lowered.condition]);
        }
        self.query = query;
        self
    }

    /// The question as an index of the stream's words answers it that holds these columns too.
    /// `compares` is whether it compares places.
    pub(crate) fn searched(
        &self,
        stream: &Stream,
        (columns, compares): (&[Column], bool),
    ) -> Searched {
        let env = self.env();
        let words = Some(&stream.schema.searched()[..]);
        let lowered = |filter: &Filter| lower_for(filter, Holds { columns, words, compares }, &env);
        let filter = self.filter.as_ref().map(|(filter, _)| lowered(filter));
        let query = self.query.as_ref().map(|query| lowered(query.filter()));
        let mut parts: Vec<Lowered> = self.sight.iter().map(|filter| lowered(filter)).collect();
        parts.extend(filter.iter().chain(&query).cloned());
        let exact = parts.iter().all(|part| part.exact);
        let condition = together(parts.into_iter().map(|part| part.condition).collect());
        Searched { condition, exact, filter }
    }

    /// Whether nothing but an index narrows it as far as it can be.
    pub(crate) fn needs_index(&self, stream: &Stream) -> bool {
        self.asks_words() && self.searched(stream, (&stream.columns, true)).has_words()
    }

    /// Whether it speaks of words anywhere.
    fn asks_words(&self) -> bool {
        let typed = self.query.as_ref().map(Query::filter);
        let mut all = self.sight.iter().map(Arc::as_ref).chain(typed);
        all.any(Filter::asks_words) || self.filter.as_ref().is_some_and(|(f, _)| f.asks_words())
    }

    /// What the asker typed, where there is a word in it.
    pub(crate) fn query(&self) -> Option<&Query> {
        self.query.as_ref()
    }

    /// What engines narrow by.
    pub(crate) fn condition(&self) -> &Condition {
        &self.condition
    }

    /// Whether the engine's answer is the answer.
    pub(crate) fn is_exact(&self) -> bool {
        self.exact
    }

    /// What surrounds an evaluation on a record.
    pub(crate) fn env(&self) -> Env<'_> {
        Env { now: self.now, auth: Some(&self.auth), given: &[] }
    }

    /// Who asks, as filters see it.
    pub(crate) fn asker(&self) -> Arc<Auth> {
        self.auth.clone()
    }

    /// Whether a candidate matches.
    pub(crate) fn takes(&self, found: &Found) -> bool {
        self.matches(&View::from(&found.record))
    }

    /// Whether a record matches, and may be seen.
    pub(crate) fn matches(&self, view: &View<'_>) -> bool {
        let env = self.env();
        self.sight.iter().all(|filter| filter.matches(view, &env))
            && self.filter.as_ref().is_none_or(|(filter, _)| filter.matches(view, &env))
            && self.query.as_ref().is_none_or(|query| query.filter().matches(view, &env))
    }

    /// The asker's own filter with what was made of it, where there is one.
    pub(crate) fn parts(&self) -> Option<(&Filter, &Lowered)> {
        self.filter.as_ref().map(|(filter, lowered)| (filter, lowered))
    }

    /// The asker's own filter, where there is one.
    pub(crate) fn filter(&self) -> Option<&Filter> {
        self.filter.as_ref().map(|(filter, _)| filter)
    }

    /// Whether the asker sees all of the stream.
    pub(crate) fn sees_all(&self) -> bool {
        self.sight.is_empty()
    }
}

/// A question as an index of words answers it.
pub(crate) struct Searched {
    /// What it narrows by.
    pub(crate) condition: Condition,
    /// Whether its answer is the answer.
    pub(crate) exact: bool,
    /// What was made of the asker's own filter.
    pub(crate) filter: Option<Lowered>,
}

impl Searched {
    /// Whether words narrow it: nothing but an index of them answers that.
    pub(crate) fn has_words(&self) -> bool {
        fn has(condition: &Condition) -> bool {
            match condition {
                Condition::Words(_) => true,
                Condition::And(parts) | Condition::Or(parts) => parts.iter().any(has),
                _ => false,
            }
        }
        has(&self.condition)
    }
}

/// All of some conditions.
pub(crate) fn together(parts: Vec<Condition>) -> Condition {
    let mut kept = Vec::new();
    for part in parts {
        match part {
            Condition::All => {}
            Condition::None => return Condition::None,
            Condition::And(inner) => kept.extend(inner),
            other => kept.push(other),
        }
    }
    match kept.len() {
        0 => Condition::All,
        1 => kept.swap_remove(0),
        _ => Condition::And(kept),
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

/// Reads what somebody typed for a stream; `path` is where it came from. Without a word in it there is
/// no query.
pub(crate) fn typed(
    text: Option<&str>,
    stream: &Stream,
    (mode, path): (Mode, &str),
) -> Result<Option<Query>, Error> {
    let Some(text) = text else { return Ok(None) };
    if Layout::of(stream).is_none() {
        return Err(not_searched(path, &stream.name));
    }
    let fields = stream.schema.searched();
    let query = Query::read(text, (&stream.definition.schema, fields), mode);
    query.map_err(|mistakes| mistakes.into_error(path))
}

/// The refusal of a search where nothing is searched.
pub(crate) fn not_searched(path: &str, stream: &str) -> Error {
    let message = format!("no field of the stream `{stream}` has x-search");
    Error::invalid(FieldError::new(path, "not_searched", message))
}
