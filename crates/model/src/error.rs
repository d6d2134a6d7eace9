//! Every error that a client can see: a closed list of codes with their HTTP status.
//!
//! An [`Error`] is rich inside (a `cause` for the log) and opaque outside (code, detail, fields).

use std::borrow::Cow;

use serde::Serialize;

/// What went wrong, as the `code` member of a problem document (RFC 9457).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The body is not JSON as RFC 8259 defines it.
    InvalidJson,
    /// The request was read, but something in it breaks a rule; `errors` says what.
    ValidationFailed,
    /// A filter does not parse or does not fit the stream's schema.
    FilterInvalid,
    /// The request's framing, head or method line is malformed.
    BadRequest,
    /// No credential, or one that is not valid.
    Unauthenticated,
    /// An account, password or code is not right; which of them is not said.
    InvalidCredentials,
    /// The principal is known, but lacks the permission.
    Forbidden,
    /// The change asks for a password or code that was shown just now.
    StepUpRequired,
    /// The browser's request came from another site, or without TLS.
    OriginRefused,
    /// A subscription's rights, or its stream's rules, are not what they were when it began.
    AccessChanged,
    /// There is nothing here, or nothing that the caller may see.
    NotFound,
    /// The path exists, but not with this method.
    MethodNotAllowed,
    /// Records of an append stream never change.
    AppendOnly,
    /// The client was too slow in sending its request.
    RequestTimeout,
    /// The record's id is taken by other content.
    IdConflict,
    /// Something of this name exists already, or is being changed by somebody else.
    Conflict,
    /// There is an administrator already.
    SetupDone,
    /// `If-Match` or `If-None-Match` does not hold.
    VersionMismatch,
    /// The body, a record or a count is over its limit.
    TooLarge,
    /// The request line is longer than the limit.
    UriTooLong,
    /// The head is larger than the limit.
    HeadTooLarge,
    /// The content type or content encoding is not one that is read here.
    UnsupportedMediaType,
    /// This speaks WebSocket, in a version that the request did not ask for.
    UpgradeRequired,
    /// The `Idempotency-Key` was used before with another body.
    IdempotencyMismatch,
    /// No index narrows a filter enough to answer it exactly.
    FilterTooBroad,
    /// An aggregate has more groups than are kept.
    TooManyGroups,
    /// A principal is over one of its limits.
    RateLimited,
    /// A service of others, which the request was for, did not answer as it should.
    UpstreamFailed,
    /// A queue is full or the service is stopping; try again.
    Overloaded,
    /// A storage engine cannot be reached or does not answer.
    EngineUnavailable,
    /// The store has not reached the `min_seq` that was asked for.
    IndexBehind,
    /// The request took longer than its limit.
    Timeout,
    /// A fault of ours; the log has the cause under the request id.
    Internal,
}

impl Code {
    /// Every code, in the order of their status.
    pub const ALL: &'static [Code] = &[
        Code::InvalidJson,
        Code::ValidationFailed,
        Code::FilterInvalid,
        Code::BadRequest,
        Code::Unauthenticated,
        Code::InvalidCredentials,
        Code::Forbidden,
        Code::StepUpRequired,
        Code::OriginRefused,
        Code::AccessChanged,
        Code::NotFound,
        Code::MethodNotAllowed,
        Code::AppendOnly,
        Code::RequestTimeout,
        Code::IdConflict,
        Code::Conflict,
        Code::SetupDone,
        Code::VersionMismatch,
        Code::TooLarge,
        Code::UriTooLong,
        Code::UnsupportedMediaType,
        Code::IdempotencyMismatch,
        Code::FilterTooBroad,
        Code::TooManyGroups,
        Code::UpgradeRequired,
        Code::RateLimited,
        Code::HeadTooLarge,
        Code::Internal,
        Code::UpstreamFailed,
        Code::Overloaded,
        Code::EngineUnavailable,
        Code::IndexBehind,
        Code::Timeout,
    ];

    /// Returns the wire name, its HTTP status and a short title, in this order.
    const fn row(self) -> (&'static str, u16, &'static str) {
        match self {
            Code::InvalidJson => ("invalid_json", 400, "The body is not valid JSON"),
            Code::ValidationFailed => ("validation_failed", 400, "The request is not valid"),
            Code::FilterInvalid => ("filter_invalid", 400, "The filter is not valid"),
            Code::BadRequest => ("bad_request", 400, "The request is malformed"),
            Code::Unauthenticated => ("unauthenticated", 401, "A valid credential is needed"),
            Code::InvalidCredentials => {
                ("invalid_credentials", 401, "The account or its proof is not right")
            }
            Code::StepUpRequired => ("step_up_required", 403, "A fresh proof is needed"),
            Code::OriginRefused => ("origin_refused", 403, "A browser may not ask this from there"),
            Code::SetupDone => ("setup_done", 410, "There is an administrator already"),
            Code::Forbidden => ("forbidden", 403, "A permission is missing"),
            Code::AccessChanged => ("access_changed", 403, "Rights or rules have changed"),
            Code::NotFound => ("not_found", 404, "Not found"),
            Code::MethodNotAllowed => ("method_not_allowed", 405, "The method is not allowed"),
            Code::AppendOnly => ("append_only", 405, "Records of an append stream do not change"),
            Code::RequestTimeout => ("request_timeout", 408, "The request arrived too slowly"),
            Code::IdConflict => ("id_conflict", 409, "The id is taken by other content"),
            Code::Conflict => ("conflict", 409, "The request conflicts with what is there"),
            Code::VersionMismatch => ("version_mismatch", 412, "The version does not match"),
            Code::TooLarge => ("too_large", 413, "The request is too large"),
            Code::UriTooLong => ("uri_too_long", 414, "The request line is too long"),
            Code::UnsupportedMediaType => {
                ("unsupported_media_type", 415, "The media type is not supported")
            }
            Code::FilterTooBroad => {
                ("filter_too_broad", 422, "Too many records would have to be looked at")
            }
            Code::TooManyGroups => ("too_many_groups", 422, "There are too many groups"),
            Code::IdempotencyMismatch => {
                ("idempotency_mismatch", 422, "The idempotency key was used with another body")
            }
            Code::UpgradeRequired => ("upgrade_required", 426, "This speaks WebSocket"),
            Code::RateLimited => ("rate_limited", 429, "Too many requests"),
            Code::HeadTooLarge => ("head_too_large", 431, "The request head is too large"),
            Code::Internal => ("internal", 500, "Internal error"),
            Code::UpstreamFailed => ("upstream_failed", 502, "The service behind did not answer"),
            Code::Overloaded => ("overloaded", 503, "The service is busy"),
            Code::EngineUnavailable => ("engine_unavailable", 503, "A storage engine is away"),
            Code::IndexBehind => ("index_behind", 504, "The store has not reached that position"),
            Code::Timeout => ("timeout", 504, "The request took too long"),
        }
    }

    /// The wire name, e.g. `validation_failed`.
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status that goes with it.
    pub const fn status(self) -> u16 {
        self.row().1
    }

    /// A short title for people; the same for every problem of this code.
    pub const fn title(self) -> &'static str {
        self.row().2
    }
}

/// One thing that is wrong, with the place where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// An RFC 6901 pointer into the body, or `?name` for a query parameter.
    pub path: String,
    /// What is wrong with it, e.g. `type_mismatch`.
    pub code: &'static str,
    /// The same for people.
    pub message: Cow<'static, str>,
    /// 1-based column in a text (a filter, a line of JSON), where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// How many characters from `column` on are meant, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
}

impl FieldError {
    /// Builds an error without a column.
    pub fn new(
        path: impl Into<String>,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        FieldError { path: path.into(), code, message: message.into(), column: None, length: None }
    }

    /// The refusal of a member whose feature this release does not have.
    pub fn unsupported(path: impl Into<String>, what: &str) -> Self {
        Self::new(path, "unsupported", format!("{what} is not part of this release"))
    }
}

/// An error on its way to a client.
#[derive(Debug, thiserror::Error)]
#[error("{}: {detail}", code.as_str())]
pub struct Error {
    /// What went wrong.
    pub code: Code,
    /// One sentence about this occurrence.
    pub detail: Cow<'static, str>,
    /// The places that are wrong.
    pub errors: Vec<FieldError>,
    /// Seconds after which a retry makes sense.
    pub retry_after: Option<u32>,
    /// What the log should know and the client should not.
    pub cause: Option<String>,
}

/// The result of anything that a client may hear about.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Builds an error from its code and one sentence.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Error { code, detail: detail.into(), errors: Vec::new(), retry_after: None, cause: None }
    }

    /// Adds one wrong place.
    #[must_use]
    pub fn field(mut self, error: FieldError) -> Self {
        self.errors.push(error);
        self
    }

    /// Says when a retry makes sense, in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Keeps the cause for the log; a client never sees it.
    #[must_use]
    pub fn cause(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// A request with one wrong place.
    pub fn invalid(error: FieldError) -> Self {
        Self::invalid_all(vec![error])
    }

    /// A request with several wrong places.
    pub fn invalid_all(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [one] => format!("{}: {}", one.path, one.message),
            many => format!("{} places are not valid", many.len()),
        };
        Error { errors, ..Error::new(Code::ValidationFailed, detail) }
    }

    /// Nothing here, or nothing that the caller may see.
    pub fn not_found(what: impl std::fmt::Display) -> Self {
        Error::new(Code::NotFound, format!("{what} does not exist"))
    }

    /// A fault of ours.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        Error::new(Code::Internal, "something failed on our side").cause(cause)
    }

    /// A full queue or a stopping service.
    pub fn overloaded(detail: impl Into<Cow<'static, str>>) -> Self {
        Error::new(Code::Overloaded, detail).retry_after(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stand_in_order_and_are_told_apart() {
        assert!(Code::ALL.is_sorted_by_key(|code| code.status()));
        let mut names: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!(Code::UpstreamFailed.status(), 502);
        assert!(Code::ALL.contains(&Code::UpstreamFailed));
    }
}
