//! Questions about a stream's records: a filter, an order, a place to go on from.

pub(crate) mod count;
pub(crate) mod explain;
pub(crate) mod fields;
pub(crate) mod list;
pub(crate) mod position;
pub(crate) mod sort;

use std::sync::Arc;

use forebay_db::log::find::Found;
use forebay_filter::lower::{Condition, Lowered, lower};
use forebay_filter::{Auth, Env, Filter, Scope, View};
use forebay_http::query::Params;
use forebay_model::Error;
use forebay_model::principal::Principal;
use forebay_model::stream::Stream;
use forebay_model::time::Timestamp;

use crate::access::Sight;

/// A question at one point in time: a filter, narrowed by what the asker may see. Every door that
/// shows records asks through this.
pub(crate) struct Asked {
    filter: Option<(Filter, Lowered)>,
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
        let Sight { filters: sight, auth } = Sight::of(who, stream);
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
        Ok(Asked { filter, sight, condition, exact, auth, path, now })
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
    }

    /// The asker's own filter with what was made of it, where there is one.
    pub(crate) fn parts(&self) -> Option<(&Filter, &Lowered)> {
        self.filter.as_ref().map(|(filter, lowered)| (filter, lowered))
    }

    /// Whether the asker sees all of the stream.
    pub(crate) fn sees_all(&self) -> bool {
        self.sight.is_empty()
    }
}

/// All of some conditions.
fn together(parts: Vec<Condition>) -> Condition {
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
