//! What a principal may see of a stream: its access rule, and the filter of the key that is shown.

use forebay_filter::{Filter, Scope, Sight};
use forebay_model::principal::Principal;
use forebay_model::stream::{Definition, Stream};
use forebay_model::{Error, FieldError};

/// What a principal may see of a stream; a rule that denies all is told of in the log.
pub(crate) fn sight(who: &Principal, stream: &Stream) -> Sight {
    Sight::of(who, stream, |mistakes| {
        tracing::warn!(stream = stream.name, ?mistakes, "an access rule denies all");
    })
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
