//! The service that knows who asks: for now one principal, the administrator, by one key.

mod key;

use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use forebay_contract::{Identity, Shown};
use forebay_db::log::read::cells;
use forebay_db::{Conn, Db, DbError, Lane, Value};
use forebay_model::Result;
use forebay_model::principal::{Permission, Principal};
use tokio::sync::watch;

const ADMIN_KEY: &str = "admin_key_sha256";
const CURSOR_SECRET: &str = "cursor_secret";

/// The administrator's key, known by its hash.
pub struct Keys {
    hash: Vec<u8>,
    admin: Arc<Principal>,
    changes: watch::Sender<u64>,
}

/// What a first start finds or makes.
pub struct Opened {
    /// Who asks.
    pub keys: Keys,
    /// The administrator's key, when it was made just now: to be shown once.
    pub made: Option<String>,
    /// What cursors are signed with; the same for all processes of a deployment.
    pub cursor_secret: Vec<u8>,
}

impl Keys {
    /// Opens the service: with the environment's key where there is one, else with the one that a
    /// first start makes. Only its hash is stored.
    pub async fn open(db: &Db, from_environment: Option<&str>) -> Result<Opened> {
        let new = if from_environment.is_none() { Some(key::generate()?) } else { None };
        let new_hash = new.as_deref().map(sha256);
        let secret = key::random()?;
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
        let own = new.as_deref().map(sha256);
        let made = new.filter(|_| own == stored);
        let hash = match (from_environment, stored) {
            (Some(key), _) => sha256(key),
            (None, stored) => stored.unwrap_or_default(),
        };
        let permissions = Permission::parse("*:*").into_iter().collect();
        let admin = Principal {
            id: "key:admin".into(),
            name: "administrator".into(),
            permissions,
            roles: vec!["admin".into()],
            key_id: Some("admin".into()),
            ..Principal::default()
        };
        let keys = Keys { hash, admin: Arc::new(admin), changes: watch::Sender::new(0) };
        Ok(Opened { keys, made, cursor_secret: secret })
    }
}

#[async_trait]
impl Identity for Keys {
    async fn identify(&self, shown: Shown<'_>) -> Result<Option<Arc<Principal>>> {
        let same = verify_slices_are_equal(&self.hash, &sha256(shown.secret)).is_ok();
        Ok(same.then(|| self.admin.clone()))
    }

    async fn current(&self, principal: &Principal) -> Result<Option<Arc<Principal>>> {
        Ok((principal.id == self.admin.id).then(|| self.admin.clone()))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// Makes a key for a run; it is stored nowhere.
pub fn new_key() -> Result<String> {
    key::generate()
}

/// A key is random and long, so that one round is enough: there is nothing to guess.
fn sha256(text: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, text.as_bytes()).as_ref().to_vec()
}

/// Stores a setting unless it is there; returns what is there then.
async fn keep(conn: &mut Conn, name: &'static str, value: Vec<u8>) -> Result<Vec<u8>, DbError> {
    let insert = "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    conn.execute(insert, &[name.into(), Value::Blob(value)]).await?;
    let row = conn.query_opt("SELECT value FROM setting WHERE name = $1", &[name.into()]).await?;
    let [value] = cells(row.unwrap_or_default())?;
    value.blob()
}
