//! Which records a principal may make: the stream's `create` rule.

use forebay_db::log::NewRow;
use forebay_filter::{Auth, Env, Filter, Scope, View};
use forebay_model::principal::{ACCESS_BYPASS, Principal};
use forebay_model::stream::Stream;
use forebay_model::time::Timestamp;

use crate::decode::Rejection;

/// A stream's rule for new records, as it is for one principal.
pub(crate) struct Creation {
    /// None when permissions alone decide.
    rule: Option<Rule>,
    auth: Auth,
    now: Timestamp,
}

enum Rule {
    Matches(Box<Filter>),
    /// The rule does not fit the schema any more: what cannot be evaluated denies.
    Denies,
}

impl Creation {
    pub(crate) fn of(who: &Principal, stream: &Stream, now: Timestamp) -> Creation {
        let text = stream.definition.access.create.as_deref();
        let text = text.filter(|_| !who.may_on_stream(ACCESS_BYPASS, &stream.name));
        let scope = Scope::record(&stream.definition.schema);
        let rule = text.map(|text| match Filter::compile(text, scope) {
            Ok(filter) => Rule::Matches(Box::new(filter)),
            Err(_) => Rule::Denies,
        });
        Creation { rule, auth: Auth::from(who), now }
    }

    /// Lets a record through, or says that it may not be made.
    pub(crate) fn check(&self, row: NewRow) -> Result<NewRow, Rejection> {
        let allowed = match &self.rule {
            None => true,
            Some(Rule::Denies) => false,
            Some(Rule::Matches(filter)) => {
                let (now, time) = (self.now, row.time.unwrap_or(self.now.micros()));
                let view = View {
                    id: &row.id,
                    seq: 0,
                    version: 1,
                    time,
                    received_at: now.micros(),
                    data: &row.data,
                };
                filter.matches(&view, &Env { now, auth: Some(&self.auth), given: &[] })
            }
        };
        if allowed {
            return Ok(row);
        }
        Err(Rejection::new("forbidden", "", "the stream's access rule does not allow this record"))
    }
}
