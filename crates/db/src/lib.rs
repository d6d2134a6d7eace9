//! State that must not be lost: the record log and everything beside it, on SQLite or PostgreSQL.

pub mod conn;
mod db;
pub mod dialect;
pub mod error;
pub mod heads;
pub mod log;
mod migrate;
pub mod outbox;
pub mod postgres;
pub mod scrub;
mod sqlite;
pub mod value;
pub mod writer;

pub use conn::{Conn, Insert};
pub use db::{Db, Look, Settings};
pub use dialect::{Dialect, Order};
pub use error::DbError;
pub use value::{Kind, Row, Value};
pub use writer::{Lane, Writer};
