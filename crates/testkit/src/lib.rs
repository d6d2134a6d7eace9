//! Real servers and real data for the tests: a PostgreSQL, a PgBouncer, an Elasticsearch and an
//! OpenSearch of a test's own, on private ports in scratch folders; programs of others that speak
//! with Forebay; the folder of published vectors and real files.

mod ask;
mod bouncer;
mod clients;
mod data;
mod host;
mod oidc_provider;
mod postgres;
mod search_jars;
mod search_server;

pub use bouncer::PgBouncer;
pub use clients::{oathtool, promtool, python_with_jwt};
pub use data::{DATA, data, lacks};
pub use oidc_provider::OidcProvider;
pub use postgres::{Postgres, Stop};
pub use search_jars::Product;
pub use search_server::SearchServer;
