//! State that must not be lost: the record log and everything beside it, on SQLite or PostgreSQL.

pub mod conn;
mod db;
pub mod dialect;
pub mod error;
pub mod heads;
pub mod log;
pub mod mail;
mod migrate;
pub mod outbox;
pub mod people;
pub mod postgres;
pub mod scrub;
pub mod seal;
mod sqlite;
pub mod value;
pub mod writer;

pub use conn::{Conn, Each, Insert};
pub use db::{Db, Look, Settings};
pub use dialect::{Dialect, Order};
pub use error::DbError;
pub use value::{Kind, Row, Value};
pub use writer::{Lane, Writer};
