//! What a principal may see of a stream: its access rule, and the filter of the key that is shown.

use std::sync::Arc;

use forebay_filter::{Auth, Filter, Scope};
use forebay_model::principal::{ACCESS_BYPASS, Principal};
use forebay_model::stream::{Definition, Stream};
use forebay_model::{Error, FieldError};

/// The filters that every record must match which a principal is shown.
#[derive(Debug, Clone)]
pub(crate) struct Sight {
    pub(crate) filters: Vec<Arc<Filter>>,
    pub(crate) auth: Arc<Auth>,
}

impl Sight {
    /// What a principal may see of a stream. A rule that cannot be evaluated any more denies.
    pub(crate) fn of(who: &Principal, stream: &Stream) -> Sight {
        let rule = stream.definition.access.read.as_deref();
        let rule = rule.filter(|_| !who.may_on_stream(ACCESS_BYPASS, &stream.name));
        let texts = rule.into_iter().chain(who.filter.as_deref());
        let scope = Scope::record(&stream.definition.schema);
        let filters = texts.filter_map(|text| {
            let filter = Filter::compile(text, scope).or_else(|mistakes| {
                tracing::warn!(stream = stream.name, ?mistakes, "an access rule denies all");
                Filter::compile("false", scope)
            });
            filter.map(Arc::new).ok()
        });
        Sight { filters: filters.collect(), auth: Arc::new(Auth::from(who)) }
    }
}

/// Checks a definition's rules against its schema.
pub(crate) fn check(definition: &Definition) -> Result<(), Error> {
    let scope = Scope::record(&definition.schema);
    let mut errors: Vec<FieldError> = Vec::new();
    for (name, rule) in definition.access.rules() {
        let Some(text) = rule else { continue };
        if let Err(mistakes) = Filter::compile(text, scope) {
            errors.extend(mistakes.into_error(&format!("/access/{name}")).errors);
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::invalid_all(errors)) }
}
