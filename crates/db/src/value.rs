//! Values as they are bound to and read from either engine.

use crate::error::DbError;

/// The types that cross the border to an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A 64-bit integer; also booleans (0, 1) and times (microseconds).
    Int,
    /// A double.
    Real,
    /// Text, ordered by code point.
    Text,
    /// Bytes.
    Blob,
}

/// One bound or read value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// NULL; bound with a type, since PostgreSQL wants to know it.
    Null(Kind),
    /// See [`Kind::Int`].
    Int(i64),
    /// See [`Kind::Real`].
    Real(f64),
    /// See [`Kind::Text`].
    Text(String),
    /// See [`Kind::Blob`].
    Blob(Vec<u8>),
}

impl Value {
    /// The type it is bound with.
    pub fn kind(&self) -> Kind {
        match self {
            Value::Null(kind) => *kind,
            Value::Int(_) => Kind::Int,
            Value::Real(_) => Kind::Real,
            Value::Text(_) => Kind::Text,
            Value::Blob(_) => Kind::Blob,
        }
    }

    /// Reads an integer.
    pub fn int(self) -> Result<i64, DbError> {
        match self {
            Value::Int(value) => Ok(value),
            other => Err(DbError::Internal(format!("expected an integer, read {other:?}"))),
        }
    }

    /// Reads text.
    pub fn text(self) -> Result<String, DbError> {
        match self {
            Value::Text(value) => Ok(value),
            other => Err(DbError::Internal(format!("expected text, read {other:?}"))),
        }
    }

    /// Reads bytes; NULL is empty.
    pub fn blob(self) -> Result<Vec<u8>, DbError> {
        match self {
            Value::Blob(value) => Ok(value),
            Value::Null(_) => Ok(Vec::new()),
            other => Err(DbError::Internal(format!("expected bytes, read {other:?}"))),
        }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Value::Real(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::Text(value)
    }
}

/// A row as it is read.
pub type Row = Vec<Value>;
