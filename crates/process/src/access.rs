//! Which records a principal may make, and which it may erase: the stream's rules `create`, `read` and
//! `delete`, and the filter of the key that is shown.

use forebay_db::log::NewRow;
use forebay_filter::{Auth, Env, Filter, Scope, Sight, View};
use forebay_model::principal::{ACCESS_BYPASS, Principal};
use forebay_model::record::Record;
use forebay_model::stream::Stream;
use forebay_model::time::Timestamp;
use forebay_model::{Code, Error};

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

impl Rule {
    fn of(text: &str, stream: &Stream) -> Rule {
        match Filter::compile(text, Scope::record(&stream.definition.schema)) {
            Ok(filter) => Rule::Matches(Box::new(filter)),
            Err(_) => Rule::Denies,
        }
    }

    fn matches(&self, view: &View<'_>, env: &Env<'_>) -> bool {
        match self {
            Rule::Matches(filter) => filter.matches(view, env),
            Rule::Denies => false,
        }
    }
}

impl Creation {
    pub(crate) fn of(who: &Principal, stream: &Stream, now: Timestamp) -> Creation {
        let text = stream.definition.access.create.as_deref();
        let text = text.filter(|_| !who.may_on_stream(ACCESS_BYPASS, &stream.name));
        let rule = text.map(|text| Rule::of(text, stream));
        Creation { rule, auth: Auth::from(who), now }
    }

    /// Lets a record through, or says that it may not be made.
    pub(crate) fn check(&self, row: NewRow) -> Result<NewRow, Rejection> {
        let allowed = match &self.rule {
            None => true,
            Some(rule) => {
                let (now, time) = (self.now, row.time.unwrap_or(self.now.micros()));
                let view = View {
                    id: &row.id,
                    seq: 0,
                    version: 1,
                    time,
                    received_at: now.micros(),
                    data: &row.data,
                };
                rule.matches(&view, &Env { now, auth: Some(&self.auth), given: &[] })
            }
        };
        if allowed {
            return Ok(row);
        }
        Err(Rejection::new("forbidden", "", "the stream's access rule does not allow this record"))
    }
}

/// Which records of a stream a principal may erase.
pub(crate) struct Erasure {
    /// What it may see: what it may not is not there for it.
    sight: Sight,
    /// What it may delete; all that it sees without one.
    delete: Option<Rule>,
    now: Timestamp,
}

impl Erasure {
    pub(crate) fn of(who: &Principal, stream: &Stream, now: Timestamp) -> Erasure {
        let delete = stream.definition.access.delete.as_deref();
        let delete = delete.filter(|_| !who.may_on_stream(ACCESS_BYPASS, &stream.name));
        Erasure {
            sight: Sight::of(who, stream, |_| {}),
            delete: delete.map(|text| Rule::of(text, stream)),
            now,
        }
    }

    /// Whether it may erase every record, so that it may also know which were erased.
    pub(crate) fn is_all(&self) -> bool {
        self.sight.is_all() && self.delete.is_none()
    }

    /// Lets a record be erased, or says why not.
    pub(crate) fn check(&self, record: &Record) -> Result<(), Error> {
        let view = View::from(record);
        if !self.sight.sees(&view, self.now) {
            return Err(Error::not_found(format!("the record `{}`", record.id)));
        }
        let env = Env { now: self.now, auth: Some(&self.sight.auth), given: &[] };
        if self.delete.as_ref().is_none_or(|rule| rule.matches(&view, &env)) {
            return Ok(());
        }
        let detail = "the stream's access rule does not allow to delete this record";
        Err(Error::new(Code::Forbidden, detail))
    }
}
