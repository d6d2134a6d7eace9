//! What a principal may see of a stream: its access rule, and the filter of the key that is shown.

use std::sync::Arc;

use forebay_model::principal::{ACCESS_BYPASS, Principal};
use forebay_model::stream::Stream;
use forebay_model::time::Timestamp;

use crate::compile::Filter;
use crate::eval::{Env, View};
use crate::mistake::Mistakes;
use crate::scope::{Auth, Scope};

/// The filters that every record must match which a principal is shown, or told of.
#[derive(Debug, Clone)]
pub struct Sight {
    /// The stream's rule and the key's filter, where there are some.
    pub filters: Vec<Arc<Filter>>,
    /// What `auth.…` is in them.
    pub auth: Arc<Auth>,
}

impl Sight {
    /// What a principal may see of a stream. A rule that cannot be evaluated any more denies all, which
    /// `denied` hears of.
    pub fn of(who: &Principal, stream: &Stream, mut denied: impl FnMut(&Mistakes)) -> Sight {
        let rule = stream.definition.access.read.as_deref();
        let rule = rule.filter(|_| !who.may_on_stream(ACCESS_BYPASS, &stream.name));
        let texts = rule.into_iter().chain(who.filter.as_deref());
        let scope = Scope::record(&stream.definition.schema);
        let filters = texts.filter_map(|text| {
            let filter = Filter::compile(text, scope).or_else(|mistakes| {
                denied(&mistakes);
                Filter::compile("false", scope)
            });
            filter.map(Arc::new).ok()
        });
        Sight { filters: filters.collect(), auth: Arc::new(Auth::from(who)) }
    }

    /// Whether it is the whole stream.
    pub fn is_all(&self) -> bool {
        self.filters.is_empty()
    }

    /// Whether a record is seen, at a time.
    pub fn sees(&self, view: &View<'_>, now: Timestamp) -> bool {
        let env = Env { now, auth: Some(&self.auth), given: &[] };
        self.filters.iter().all(|filter| filter.matches(view, &env))
    }
}
