//! The first administrator: a link with a token that is the same in all processes of a deployment,
//! good until a person is an administrator.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use forebay_db::Look;
use forebay_model::Result;

use crate::sql::account;
use crate::sql::setting::{self, SETUP};
use crate::{Auth, open};

/// The token, while there is no administrator.
pub(crate) async fn pending(auth: &Auth) -> Result<Option<String>> {
    if open::has_administrator(auth).await? {
        return Ok(None);
    }
    let mut conn = auth.inner.db.reader(Look::Point).await?;
    let nonce = setting::find(&mut conn, SETUP).await?.unwrap_or_default();
    Ok(Some(token(auth, &nonce)))
}

/// The token of a nonce: it stands in no database.
pub(crate) fn token(auth: &Auth, nonce: &[u8]) -> String {
    let key: [u8; 32] = auth.inner.master.derive("setup");
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), nonce);
    URL_SAFE_NO_PAD.encode(tag)
}

impl Auth {
    /// Waits until a person is an administrator.
    pub async fn set_up(&self) {
        let mut changes = self.inner.directory.subscribe();
        loop {
            let mut conn = match self.inner.db.reader(Look::Point).await {
                Ok(conn) => conn,
                Err(error) => {
                    tracing::warn!(%error, "whether there is an administrator cannot be seen");
                    let _ = changes.changed().await;
                    continue;
                }
            };
            if account::has_administrator(&mut conn).await.unwrap_or(false) {
                return;
            }
            drop(conn);
            // The directory lives as long as this does.
            let _ = changes.changed().await;
        }
    }
}
