//! Real servers and real data for the tests: a PostgreSQL and a PgBouncer of a test's own, on
//! private ports in scratch folders; the folder of published vectors and real files.

mod bouncer;
mod data;
mod host;
mod postgres;

pub use bouncer::PgBouncer;
pub use data::{DATA, data, lacks};
pub use postgres::{Postgres, Stop};
