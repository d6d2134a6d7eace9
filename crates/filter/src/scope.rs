//! What a text may speak of: a record of a stream, who asks, or values that are given by name.

use forebay_model::principal::Principal;
use serde_json::Value;

use crate::types::Type;

/// The names that a text may use.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scope<'s> {
    /// The JSON Schema of `data`; without it there is no record to speak of.
    pub schema: Option<&'s Value>,
    /// Values by name, in the order in which they will be given.
    pub given: &'s [(String, Type)],
}

impl<'s> Scope<'s> {
    /// The records of a stream with this schema.
    pub fn record(schema: &'s Value) -> Scope<'s> {
        Scope { schema: Some(schema), ..Scope::default() }
    }

    /// Values that are given by name, and nothing else.
    pub fn given(given: &'s [(String, Type)]) -> Scope<'s> {
        Scope { given, ..Scope::default() }
    }
}

/// Who asks, as `auth.…` sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Auth {
    /// `auth.user_id`
    pub user_id: Option<String>,
    /// `auth.roles`
    pub roles: Option<Vec<String>>,
    /// `auth.email`
    pub email: Option<String>,
    /// `auth.key_id`
    pub key_id: Option<String>,
}

impl From<&Principal> for Auth {
    fn from(who: &Principal) -> Auth {
        Auth {
            user_id: who.user_id.clone(),
            roles: Some(who.roles.clone()),
            email: who.email.clone(),
            key_id: who.key_id.clone(),
        }
    }
}

/// The parts of `auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuthPart {
    UserId,
    Roles,
    Email,
    KeyId,
}

impl AuthPart {
    pub(crate) const ALL: [(&'static str, AuthPart); 4] = [
        ("user_id", AuthPart::UserId),
        ("roles", AuthPart::Roles),
        ("email", AuthPart::Email),
        ("key_id", AuthPart::KeyId),
    ];

    pub(crate) fn ty(self) -> Type {
        match self {
            AuthPart::UserId | AuthPart::Email | AuthPart::KeyId => Type::Text,
            AuthPart::Roles => Type::List(Box::new(Type::Text)),
        }
    }
}

/// The parts of a record beside its `data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Id,
    Seq,
    Version,
    Time,
    ReceivedAt,
}

impl Part {
    pub(crate) const ALL: [(&'static str, Part); 5] = [
        ("id", Part::Id),
        ("seq", Part::Seq),
        ("version", Part::Version),
        ("time", Part::Time),
        ("received_at", Part::ReceivedAt),
    ];

    pub(crate) fn ty(self) -> Type {
        match self {
            Part::Id => Type::Text,
            Part::Seq | Part::Version => Type::Int,
            Part::Time | Part::ReceivedAt => Type::Time,
        }
    }
}
