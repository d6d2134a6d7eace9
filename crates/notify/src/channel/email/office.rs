//! What all e-mail goes through: the operator's server, texts, and links by which people unsubscribe.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_db::seal::Master;
use forebay_db::{Conn, Db, DbError, Look, mail};
use forebay_http::cursor::Sealer;
use forebay_model::{Error, Result};
use lettre::message::Mailbox;
use serde_json::{Value, json};

use super::smtp::Server;
use crate::config::Smtp;
use crate::message::Message;
use crate::sql::unsubscribed;
use crate::template::{self, Made};

/// What links by which people unsubscribe are sealed for.
const SCOPE: &str = "unsubscribe";

/// The office.
pub(crate) struct Office {
    db: Db,
    master: Master,
    sealer: Sealer,
    /// Where browsers find this deployment.
    site: String,
    operator: Option<Operator>,
}

/// The operator's own way to send.
pub(crate) struct Operator {
    pub(crate) server: Arc<Server>,
    pub(crate) from: Mailbox,
    /// Domains that channels may write to; all without one.
    pub(crate) domains: Vec<String>,
}

/// Who wants nothing more, and of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Farewell {
    pub(crate) channel: String,
    pub(crate) address: String,
    pub(crate) category: String,
}

impl Office {
    pub(crate) fn open(
        smtp: Option<&Smtp>,
        (db, master, sealer): (Db, Master, Sealer),
        site: &str,
    ) -> Result<Office> {
        let operator = smtp.map(operator).transpose()?;
        Ok(Office { db, master, sealer, site: site.to_owned(), operator })
    }

    /// The operator's server, where there is one.
    pub(crate) fn operator(&self) -> Option<&Operator> {
        self.operator.as_ref()
    }

    /// The text of a message, with the link by which its reader unsubscribes; `None` when its reader has.
    pub(super) async fn make(
        &self,
        message: &Message,
        channel: &str,
        address: &str,
    ) -> Result<Option<(Made, Option<String>)>> {
        let mut conn = self.db.reader(Look::Point).await?;
        if unsubscribed::holds(&mut conn, channel, &key(address)).await? {
            return Ok(None);
        }
        let data: Value = serde_json::from_str(&message.data).unwrap_or_default();
        if let Some(sealed) = data.get("sealed").and_then(Value::as_str) {
            let made = self.personal(&mut conn, message, sealed).await?;
            return Ok(Some((made, None)));
        }
        let data = template::data(&message.kind, &message.time.to_string(), data, &self.site);
        let made = template::make(&mut conn, &message.kind, &data).await?;
        let farewell = Farewell {
            channel: channel.to_owned(),
            address: address.to_owned(),
            category: template::category(&message.kind).to_owned(),
        };
        let link = format!("{}/v1/unsubscribe?token={}", self.site, self.seal(&farewell)?);
        Ok(Some((made.finish(Some(("Unsubscribe", &link))), Some(link))))
    }

    /// The text of what is about somebody's account: sealed, for links in it open doors.
    async fn personal(&self, conn: &mut Conn, message: &Message, sealed: &str) -> Result<Made> {
        let sealed = STANDARD.decode(sealed).map_err(Error::internal)?;
        let mut data = mail::open(&self.master, &message.id, &sealed)?;
        let path = data.get("path").and_then(Value::as_str).unwrap_or_default();
        data["link"] = format!("{}/{path}", self.site).into();
        Ok(template::make(conn, &message.kind, &data).await?.finish(None))
    }

    pub(crate) fn seal(&self, farewell: &Farewell) -> Result<String> {
        let Farewell { channel, address, category } = farewell;
        self.sealer.seal(SCOPE, &json!([channel, address, category]).to_string())
    }

    /// Reads what a link says.
    pub(crate) fn read(&self, token: &str) -> Option<Farewell> {
        let text = self.sealer.open(SCOPE, token).ok()?;
        let [channel, address, category] = serde_json::from_str(&text).ok()?;
        Some(Farewell { channel, address, category })
    }
}

fn operator(smtp: &Smtp) -> Result<Operator> {
    let mut server = Server::new(smtp.host.clone(), smtp.port, smtp.tls);
    server.login = smtp.login.clone();
    if let Some(path) = &smtp.ca_file {
        let read = std::fs::read(path);
        server.roots = Some(read.map_err(|e| Error::internal(format!("{}: {e}", path.display())))?);
    }
    let from = smtp.from.parse().map_err(Error::internal)?;
    Ok(Operator { server: Arc::new(server), from, domains: smtp.allow_to.clone() })
}

/// An address as it is compared.
pub(crate) fn key(address: &str) -> String {
    address.trim().to_lowercase()
}

/// Writes down that somebody wants nothing more: for an account it is a preference.
pub(crate) async fn note(
    conn: &mut Conn,
    farewell: &Farewell,
    now: forebay_model::time::Timestamp,
) -> std::result::Result<(), DbError> {
    let Farewell { channel, address, category } = farewell;
    if channel == crate::inbox::MAIL {
        if let Some(account) = forebay_db::people::of_address(conn, &key(address)).await? {
            let wish = (category.as_str(), "email", false);
            crate::sql::preference::put(conn, &account, wish, now).await?;
        }
        return Ok(());
    }
    unsubscribed::put(conn, (channel, &key(address)), now).await
}
