//! PostgreSQL: a bounded pool, TLS, and statements that work behind PgBouncer.
//!
//! Statements are unnamed and typed by the caller, so a transaction pooler may move a session
//! between servers at any time; limits are set with `SET LOCAL` for the same reason.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use futures_util::future::try_join3;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::conn::Insert;
use crate::dialect::Dialect;
use crate::error::DbError;
use crate::value::{Kind, Row, Value};

/// Longest run of upkeep.
const UPKEEP: Duration = Duration::from_secs(600);

/// How to reach and use the server.
#[derive(Debug, Clone)]
pub struct PgSettings {
    /// The connection URL.
    pub url: String,
    /// Most connections.
    pub pool: usize,
    /// Longest wait for a free connection.
    pub pool_timeout: Duration,
    /// Longest wait for a new connection.
    pub connect_timeout: Duration,
    /// Longest run of one statement.
    pub statement_timeout: Duration,
    /// PEM file of the authorities to trust; the system's without it.
    pub tls_ca: Option<String>,
}

impl PgSettings {
    /// Says which setting cannot be used, whatever the server says; it is not asked here.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let url: Result<tokio_postgres::Config, _> = self.url.parse();
        url.map_err(|e| ("database.url", e.to_string()))?;
        if let Some(file) = &self.tls_ca {
            let named =
                |e: &dyn std::fmt::Display| ("database.postgres.tls_ca", format!("{file}: {e}"));
            authorities(file).map_err(|e| named(&e))?;
        }
        Ok(())
    }
}

/// A bounded pool of sessions.
#[derive(Clone)]
pub struct PgPool {
    pool: Pool,
    tls: MakeRustlsConnect,
    statement_timeout: Duration,
}

/// One session out of the pool.
pub struct PgConn {
    session: Option<Object>,
    tls: MakeRustlsConnect,
    statement_timeout: Duration,
}

impl PgPool {
    /// Sets the pool up; nothing is connected yet.
    pub fn new(settings: &PgSettings) -> Result<Self, DbError> {
        let mut config: tokio_postgres::Config =
            settings.url.parse().map_err(|e| DbError::Unfit(format!("DATABASE_URL: {e}")))?;
        config.connect_timeout(settings.connect_timeout);
        config.application_name("forebay");
        config.keepalives_idle(Duration::from_secs(30));
        let tls = MakeRustlsConnect::new(tls_config(settings)?);
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let pool = Pool::builder(Manager::from_config(config, tls.clone(), recycling))
            .max_size(settings.pool.max(2))
            .wait_timeout(Some(settings.pool_timeout))
            .create_timeout(Some(settings.connect_timeout))
            .runtime(deadpool_postgres::Runtime::Tokio1)
            .build()
            .map_err(|e| DbError::Unfit(e.to_string()))?;
        Ok(PgPool { pool, tls, statement_timeout: settings.statement_timeout })
    }

    /// Takes a session.
    pub async fn get(&self) -> Result<PgConn, DbError> {
        use deadpool_postgres::{PoolError, TimeoutType};
        let asked = Instant::now();
        let session = self.pool.get().await.map_err(|error| match error {
            PoolError::Timeout(TimeoutType::Wait) => {
                DbError::Timeout("no connection became free".to_owned())
            }
            PoolError::Backend(error) => DbError::from(error),
            other => DbError::Unavailable(other.to_string()),
        })?;
        metrics::histogram!("forebay_pool_wait_seconds").record(asked.elapsed());
        let (tls, statement_timeout) = (self.tls.clone(), self.statement_timeout);
        Ok(PgConn { session: Some(session), tls, statement_timeout })
    }
}

/// Reads the authorities of a PEM file; there is at least one.
fn authorities(file: &str) -> Result<rustls::RootCertStore, String> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|e| e.to_string())? {
        let certificate = certificate.map_err(|e| e.to_string())?;
        roots.add(certificate).map_err(|e| e.to_string())?;
    }
    if roots.is_empty() { Err("no certificate is in it".to_owned()) } else { Ok(roots) }
}

fn tls_config(settings: &PgSettings) -> Result<rustls::ClientConfig, DbError> {
    let unfit = |e: &dyn std::fmt::Display| DbError::Unfit(format!("TLS: {e}"));
    let roots = match &settings.tls_ca {
        Some(file) => authorities(file).map_err(|e| unfit(&e))?,
        None => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots
        }
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| unfit(&e))?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// Why a statement has no answer.
enum Trouble {
    Late,
    Refused(tokio_postgres::Error),
}

async fn timed<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Trouble> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer.map_err(Trouble::Refused),
        Err(_) => Err(Trouble::Late),
    }
}

/// A session while it answers a question. When nobody waits for the answer any more, because a
/// client has left, it is told to stop: the next who takes it would wait for the answer else.
struct Asked {
    session: Option<Object>,
    tls: MakeRustlsConnect,
}

impl Drop for Asked {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            stop(session, &self.tls);
        }
    }
}

/// Ends what a session is doing, and gives the session up.
fn stop(session: Object, tls: &MakeRustlsConnect) {
    let (token, tls) = (session.cancel_token(), tls.clone());
    drop(Object::take(session));
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move {
            if let Err(error) = token.cancel_query(tls).await {
                tracing::debug!(%error, "a statement was not stopped; it ends by itself");
            }
        });
    }
}

impl PgConn {
    fn session(&self) -> Result<&Object, DbError> {
        self.session.as_ref().ok_or_else(|| DbError::Unavailable("the session was lost".into()))
    }

    /// Gives the session up instead of returning it to the pool.
    pub(crate) fn discard(&mut self) {
        if let Some(session) = self.session.take() {
            drop(Object::take(session));
        }
    }

    /// Gives up a session that was lost or is late.
    fn settle<T>(&mut self, answer: Result<T, Trouble>) -> Result<T, DbError> {
        match answer {
            Ok(answer) => Ok(answer),
            Err(Trouble::Late) => {
                if let Some(session) = self.session.take() {
                    stop(session, &self.tls);
                }
                Err(DbError::Timeout("the statement took too long".to_owned()))
            }
            Err(Trouble::Refused(error)) => {
                if error.as_db_error().is_none() {
                    self.discard();
                }
                Err(error.into())
            }
        }
    }

    pub(crate) async fn begin(&mut self) -> Result<(), DbError> {
        let timeout = self.statement_timeout.as_millis();
        // synchronous_commit: 2xx means durable, whatever the server's default is.
        self.batch(&format!(
            "BEGIN; SET LOCAL statement_timeout = {timeout}; SET LOCAL synchronous_commit = on"
        ))
        .await
    }

    pub(crate) async fn batch(&mut self, sql: &str) -> Result<(), DbError> {
        let answer = timed(self.statement_timeout, self.session()?.batch_execute(sql)).await;
        self.settle(answer)
    }

    /// Runs upkeep, which no transaction may stand around and which may take a while.
    pub(crate) async fn upkeep(&mut self, sql: &str) -> Result<(), DbError> {
        let answer = timed(UPKEEP, self.session()?.batch_execute(sql)).await;
        self.settle(answer)
    }

    pub(crate) async fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, DbError> {
        let typed = scalars(params);
        self.session()?;
        let mut asked = Asked { session: self.session.take(), tls: self.tls.clone() };
        let answer = match &asked.session {
            Some(session) => timed(self.statement_timeout, session.query_typed(sql, &typed)).await,
            None => Err(Trouble::Late),
        };
        self.session = asked.session.take();
        self.settle(answer)?.iter().map(read_row).collect()
    }

    /// Runs a query whose second parameter is a list of texts.
    pub(crate) async fn query_ids(
        &mut self,
        sql: &str,
        stream: i64,
        ids: &[&str],
    ) -> Result<Vec<Row>, DbError> {
        let typed: [(&(dyn ToSql + Sync), Type); 2] =
            [(&stream, Type::INT8), (&ids, Type::TEXT_ARRAY)];
        let asked = self.session()?.query_typed(sql, &typed);
        let answer = timed(self.statement_timeout, asked).await;
        self.settle(answer)?.iter().map(read_row).collect()
    }

    /// Runs a statement whose parameters are arrays: one for each kind, over all rows.
    pub(crate) async fn many(
        &mut self,
        sql: &str,
        kinds: &[Kind],
        rows: Vec<Row>,
    ) -> Result<(), DbError> {
        let arrays = arrays(kinds, rows);
        let typed = typed(&arrays);
        let asked = self.session()?.query_typed(sql, &typed);
        let answer = timed(self.statement_timeout, asked).await;
        self.settle(answer).map(|_| ())
    }

    /// Inserts into two tables and runs a statement; the three are sent before the first is answered,
    /// and carried out in their order.
    pub(crate) async fn insert_both(
        &mut self,
        (one, other): (Insert, Insert),
        (sql, params): (&str, &[Value]),
    ) -> Result<(), DbError> {
        let prepare = |insert: Insert| {
            let sql = Dialect::Postgres.insert(&insert.table, &insert.columns);
            let kinds: Vec<Kind> = insert.columns.iter().map(|(_, kind)| *kind).collect();
            (sql, arrays(&kinds, insert.rows))
        };
        let ((first, first_arrays), (second, second_arrays)) = (prepare(one), prepare(other));
        let (first_typed, second_typed) = (typed(&first_arrays), typed(&second_arrays));
        let last_typed = scalars(params);
        let session = self.session()?;
        let asked = try_join3(
            session.query_typed(&first, &first_typed),
            session.query_typed(&second, &second_typed),
            session.query_typed(sql, &last_typed),
        );
        let answer = timed(self.statement_timeout, asked).await;
        self.settle(answer).map(|_| ())
    }
}

type Typed<'v> = Vec<(&'v (dyn ToSql + Sync), Type)>;
type Arrays = Vec<(Box<dyn ToSql + Sync + Send>, Type)>;

fn scalars(params: &[Value]) -> Typed<'_> {
    params.iter().map(|value| (bind(value), type_of(value.kind()))).collect()
}

/// Rows turned into columns.
fn arrays(kinds: &[Kind], rows: Vec<Row>) -> Arrays {
    let mut columns: Vec<Vec<Value>> =
        kinds.iter().map(|_| Vec::with_capacity(rows.len())).collect();
    for row in rows {
        for (column, value) in columns.iter_mut().zip(row) {
            column.push(value);
        }
    }
    columns.into_iter().zip(kinds).map(|(values, kind)| array_of(values, *kind)).collect()
}

fn typed(arrays: &Arrays) -> Typed<'_> {
    arrays.iter().map(|(array, ty)| (array.as_ref() as &(dyn ToSql + Sync), ty.clone())).collect()
}

fn type_of(kind: Kind) -> Type {
    match kind {
        Kind::Int => Type::INT8,
        Kind::Real => Type::FLOAT8,
        Kind::Text => Type::TEXT,
        Kind::Blob => Type::BYTEA,
    }
}

fn bind(value: &Value) -> &(dyn ToSql + Sync) {
    match value {
        Value::Null(Kind::Int) => &None::<i64>,
        Value::Null(Kind::Real) => &None::<f64>,
        Value::Null(Kind::Text) => &None::<String>,
        Value::Null(Kind::Blob) => &None::<Vec<u8>>,
        Value::Int(value) => value,
        Value::Real(value) => value,
        Value::Text(value) => value,
        Value::Blob(value) => value,
    }
}

fn array_of(values: Vec<Value>, kind: Kind) -> (Box<dyn ToSql + Sync + Send>, Type) {
    fn all<T>(values: Vec<Value>, take: impl Fn(Value) -> Option<T>) -> Vec<Option<T>> {
        values.into_iter().map(take).collect()
    }
    match kind {
        Kind::Int => {
            let take = |v| if let Value::Int(v) = v { Some(v) } else { None };
            (Box::new(all::<i64>(values, take)), Type::INT8_ARRAY)
        }
        Kind::Real => {
            let take = |v| if let Value::Real(v) = v { Some(v) } else { None };
            (Box::new(all::<f64>(values, take)), Type::FLOAT8_ARRAY)
        }
        Kind::Text => {
            let take = |v| if let Value::Text(v) = v { Some(v) } else { None };
            (Box::new(all::<String>(values, take)), Type::TEXT_ARRAY)
        }
        Kind::Blob => {
            let take = |v| if let Value::Blob(v) = v { Some(v) } else { None };
            (Box::new(all::<Vec<u8>>(values, take)), Type::BYTEA_ARRAY)
        }
    }
}

fn read_row(row: &tokio_postgres::Row) -> Result<Row, DbError> {
    fn cell<'r, T: tokio_postgres::types::FromSql<'r>>(
        row: &'r tokio_postgres::Row,
        at: usize,
        kind: Kind,
        wrap: impl Fn(T) -> Value,
    ) -> Result<Value, DbError> {
        let value: Option<T> = row.try_get(at)?;
        Ok(value.map_or(Value::Null(kind), wrap))
    }
    row.columns()
        .iter()
        .enumerate()
        .map(|(at, column)| match *column.type_() {
            Type::INT8 => cell(row, at, Kind::Int, Value::Int),
            Type::INT4 => cell(row, at, Kind::Int, |v: i32| Value::Int(v.into())),
            Type::FLOAT8 => cell(row, at, Kind::Real, Value::Real),
            Type::BYTEA => cell(row, at, Kind::Blob, Value::Blob),
            _ => cell(row, at, Kind::Text, Value::Text),
        })
        .collect()
}
