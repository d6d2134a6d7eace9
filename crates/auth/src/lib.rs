//! The service that knows who asks: keys, service accounts, roles.

pub mod api;
mod controllers;
mod directory;
mod identity;
mod key;
mod rights;
mod sql;
mod tasks;

use std::sync::Arc;

use axum::Router;
use forebay_contract::Identity;
use forebay_db::log::read::cells;
use forebay_db::{Conn, Db, DbError, Lane, Value};
use forebay_http::cursor::Signer;
use forebay_model::Result;
use forebay_model::time::SharedClock;

use identity::Directory;

const ADMIN_KEY: &str = "admin_key_sha256";
const CURSOR_SECRET: &str = "cursor_secret";

/// The service.
#[derive(Clone)]
pub struct Auth {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    clock: SharedClock,
    signer: Signer,
    directory: Arc<Directory>,
}

/// What a start finds or makes.
pub struct Opened {
    /// The service.
    pub auth: Auth,
    /// The administrator's first key, when it was made just now: to be shown once.
    pub made: Option<String>,
    /// What cursors are signed with; the same for all processes of a deployment.
    pub signer: Signer,
}

impl Auth {
    /// Opens the service: with the environment's key where there is one, else with the one that a
    /// first start makes. Only its hash is stored.
    pub async fn open(db: &Db, clock: SharedClock, key: Option<&str>) -> Result<Opened> {
        let new = if key.is_none() { Some(key::generate("admin")?) } else { None };
        let own = new.as_deref().map(key::hash);
        let (new_hash, secret) = (own.clone(), key::random()?);
        let run = db.writer().run(Lane::Interactive, move |conn| {
            Box::pin(async move {
                let secret = keep(conn, CURSOR_SECRET, secret.to_vec()).await?;
                let hash = match new_hash {
                    Some(hash) => Some(keep(conn, ADMIN_KEY, hash).await?),
                    None => None,
                };
                Ok((secret, hash))
            })
        });
        let (secret, stored) = run.await?;
        let made = new.filter(|_| own == stored);
        let admin = key.map(key::hash).or(stored).unwrap_or_default();
        let directory = Arc::new(Directory::new(db.clone(), clock.clone(), admin));
        let signer = Signer::new(&secret);
        let inner = Inner { db: db.clone(), clock, signer: signer.clone(), directory };
        Ok(Opened { auth: Auth { inner: Arc::new(inner) }, made, signer })
    }

    /// Who is this?
    pub fn identity(&self) -> Arc<dyn Identity> {
        self.inner.directory.clone()
    }

    /// Its HTTP door.
    pub fn router(&self) -> Router {
        controllers::router().with_state(self.clone())
    }

    /// Its background loops; they run until they are dropped.
    pub async fn tasks(self) {
        let Inner { db, directory, .. } = self.inner.as_ref();
        tokio::join!(tasks::listen(directory), tasks::note_used(directory, db));
    }
}

/// Makes a key for a run; it is stored nowhere.
pub fn new_key() -> Result<String> {
    key::generate("admin")
}

/// Stores a setting unless it is there; returns what is there then.
async fn keep(conn: &mut Conn, name: &'static str, value: Vec<u8>) -> Result<Vec<u8>, DbError> {
    let insert = "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    conn.execute(insert, &[name.into(), Value::Blob(value)]).await?;
    let row = conn.query_opt("SELECT value FROM setting WHERE name = $1", &[name.into()]).await?;
    let [value] = cells(row.unwrap_or_default())?;
    value.blob()
}
