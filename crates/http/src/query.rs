//! Query parameters: read strictly, an unknown one is an error that names it.

use std::borrow::Cow;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use forebay_model::field::nearest;
use forebay_model::{Error, FieldError};
use http::request::Parts;

use crate::problem::Problem;

/// A request's query parameters, as they were sent.
#[derive(Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Params::of(parts.uri.query().unwrap_or_default()))
    }
}

impl Params {
    /// Takes a query string apart: what stands behind the `?`.
    pub fn of(query: &str) -> Params {
        Params(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// Refuses parameters that are not known here, and those that stand twice.
    pub fn only(&self, known: &[&'static str]) -> Result<(), Error> {
        let mut errors = Vec::new();
        for (at, (name, _)) in self.0.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let hint = nearest(name, known.iter().copied());
                let hint = hint.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
                let message = format!("there is no parameter `{name}` here{hint}");
                errors.push(FieldError::new(format!("?{name}"), "unknown_parameter", message));
            } else if self.0[..at].iter().any(|(earlier, _)| earlier == name) {
                let message = "the parameter stands twice";
                errors.push(FieldError::new(format!("?{name}"), "duplicate_parameter", message));
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(Error::invalid_all(errors)) }
    }

    /// A parameter's text.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that is read with `FromStr`; `expected` says what it takes.
    pub fn parse<T: FromStr>(
        &self,
        name: &str,
        expected: &'static str,
    ) -> Result<Option<T>, Error> {
        let read = self.get(name).map(|text| text.parse().map_err(|_| bad(name, expected)));
        read.transpose()
    }

    /// A parameter that is true or false; absent is false.
    pub fn flag(&self, name: &str) -> Result<bool, Error> {
        Ok(self.parse(name, "true or false")?.unwrap_or(false))
    }
}

/// The error of a parameter that cannot be read.
pub fn bad(name: &str, expected: impl Into<Cow<'static, str>>) -> Error {
    let expected = expected.into();
    Error::invalid(FieldError::new(format!("?{name}"), "invalid", format!("takes {expected}")))
}
