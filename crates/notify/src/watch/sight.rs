//! As whom a rule runs, and what of a stream that principal may see.

use std::sync::Arc;

use forebay_contract::Identity;
use forebay_filter::{Auth, Env, Filter, Scope, View};
use forebay_model::principal::{ACCESS_BYPASS, Principal, RECORDS_READ};
use forebay_model::stream::Stream;
use forebay_model::time::Timestamp;
use forebay_model::{Error, Result};

/// What a rule sees of its stream.
#[derive(Debug, Clone)]
pub(crate) struct Sight {
    filters: Vec<Arc<Filter>>,
    auth: Auth,
}

impl Sight {
    /// What a principal sees of a stream: `forbidden` when nothing.
    pub(crate) fn of(who: &Principal, stream: &Stream) -> Result<Sight> {
        who.require_on_stream(RECORDS_READ, &stream.name)?;
        let rule = stream.definition.access.read.as_deref();
        let rule = rule.filter(|_| !who.may_on_stream(ACCESS_BYPASS, &stream.name));
        let scope = Scope::record(&stream.definition.schema);
        let texts = rule.into_iter().chain(who.filter.as_deref());
        // A rule that cannot be evaluated any more denies.
        let filters = texts.filter_map(|text| {
            Filter::compile(text, scope).or_else(|_| Filter::compile("false", scope)).ok()
        });
        Ok(Sight { filters: filters.map(Arc::new).collect(), auth: Auth::from(who) })
    }

    /// Whether a record is seen.
    pub(crate) fn sees(&self, view: &View<'_>) -> bool {
        let now = Timestamp::from_micros(view.received_at);
        let env = Env { now, auth: Some(&self.auth), given: &[] };
        self.filters.iter().all(|filter| filter.matches(view, &env))
    }
}

/// The principal as whom a rule runs, as it is now.
pub(crate) async fn runner(identity: &dyn Identity, runs_as: &str) -> Result<Arc<Principal>> {
    let seed = match runs_as.strip_prefix("key:") {
        Some(key) => Principal {
            id: runs_as.to_owned(),
            key_id: Some(key.to_owned()),
            ..Principal::default()
        },
        None => Principal {
            id: runs_as.to_owned(),
            user_id: runs_as.split_once(':').map(|(_, account)| account.to_owned()),
            ..Principal::default()
        },
    };
    let gone = || Error::not_found(format!("`{runs_as}`, as whom the rule runs,"));
    identity.current(&seed).await?.ok_or_else(gone)
}
