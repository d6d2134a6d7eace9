//! Letters to people: written in the transaction of what they tell of; `notify` sends them. Without a
//! mail server a notice is told in the inbox alone, and nothing else is written.

use forebay_db::mail::{self, Mail, NOBODY};
use forebay_db::seal::Master;
use forebay_db::{Conn, DbError};
use forebay_model::audit::Event;
use forebay_model::time::Timestamp;
use forebay_model::{Code, Error, Result};
use serde_json::{Value, json};

use crate::Auth;
use crate::session::Session;
use crate::sql::{account, person};

/// What is told of each change that somebody else could have made.
const NOTICES: &[(&str, &str)] = &[
    ("password.change", "your password was changed"),
    ("password.reset", "your password was chosen anew by a link"),
    ("recovery_codes.renew", "new recovery codes were made"),
    ("totp.confirm", "a second factor was added"),
    ("totp.remove", "your second factor was taken away"),
];
/// Where a person looks at what has happened to their account.
const ACCOUNT: &str = "console/account";

/// Somebody to write to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct To<'t> {
    pub(crate) account: &'t str,
    pub(crate) address: &'t str,
}

/// Nobody: the letter costs what one costs.
pub(crate) const TO_NOBODY: To<'static> = To { account: "", address: "" };

impl Auth {
    /// Refuses what goes by mail where no mail is sent.
    pub(crate) fn require_mail(&self) -> Result<()> {
        if self.inner.config.mail {
            return Ok(());
        }
        let detail = "this goes by mail, and no mail server is set up (notify.smtp): ask an \
                      administrator";
        Err(Error::new(Code::Forbidden, detail))
    }

    /// A letter, sealed. `path` is where its link leads, with the token in it.
    pub(crate) fn letter(&self, kind: &str, to: To<'_>, data: &Value) -> Result<Mail> {
        let kind = if to.address.is_empty() { NOBODY } else { kind };
        letter(&self.inner.master, (kind, to), data, self.inner.clock.now())
    }
}

fn letter(
    master: &Master,
    (kind, to): (&str, To<'_>),
    data: &Value,
    now: Timestamp,
) -> Result<Mail> {
    let id = uuid::Uuid::now_v7().to_string();
    let sealed = mail::seal(master, &id, data)?;
    Ok(Mail {
        id,
        kind: kind.to_owned(),
        account: to.account.to_owned(),
        address: to.address.to_owned(),
        time: now,
        data: sealed,
    })
}

/// Writes the notice of a change, where it is one that is told of. In the change's transaction.
pub(crate) async fn notice(
    conn: &mut Conn,
    master: &Master,
    event: &Event,
    now: Timestamp,
) -> std::result::Result<(), DbError> {
    let what = NOTICES.iter().find(|(action, _)| *action == event.action);
    let said = |name: &str| event.details.get(name) == Some(&Value::Bool(true));
    let renewed =
        event.action == "user.update" && (said("password") || said("second_factor_dropped"));
    let by_another = "an administrator has changed how you sign in";
    let what = what.map(|(_, what)| *what).or(renewed.then_some(by_another));
    let Some((what, (_, id))) = what.zip(event.target.as_ref()) else { return Ok(()) };
    let data = json!({"what": what, "address": event.address, "at": at(now), "path": ACCOUNT});
    tell(conn, master, ("mail.notice", id), data, now).await
}

/// Writes the notice of a sign-in from where there was none before.
pub(crate) async fn sign_in(
    conn: &mut Conn,
    master: &Master,
    session: &Session,
) -> std::result::Result<(), DbError> {
    let now = session.proven_at;
    let data = json!({
        "device": crate::device::shown(&session.device), "address": session.address, "at": at(now),
        "path": ACCOUNT,
    });
    tell(conn, master, ("mail.sign_in", &session.account), data, now).await
}

/// Writes that an address has taken the place of another one, to both.
pub(crate) async fn moved(
    conn: &mut Conn,
    master: &Master,
    (id, addresses): (&str, [&str; 2]),
    now: Timestamp,
) -> std::result::Result<(), DbError> {
    let [old, new] = addresses;
    let what = format!("your e-mail address was changed from {old} to {new}");
    let data = json!({"what": what, "at": at(now), "path": ACCOUNT});
    // The new one's letter stands in the inbox too.
    for to in [To { account: "", address: old }, To { account: id, address: new }] {
        let letter = letter(master, ("mail.notice", to), &data, now);
        mail::put(conn, &letter.map_err(unsealed)?).await?;
    }
    Ok(())
}

async fn tell(
    conn: &mut Conn,
    master: &Master,
    (kind, id): (&str, &str),
    mut data: Value,
    now: Timestamp,
) -> std::result::Result<(), DbError> {
    let found = account::find(conn, id).await?.zip(person::find(conn, id).await?);
    let Some((account, person)) = found else { return Ok(()) };
    data["name"] = account.name.into();
    let address = if person.verified { person.email.as_str() } else { "" };
    let to = To { account: id, address };
    mail::put(conn, &letter(master, (kind, to), &data, now).map_err(unsealed)?).await
}

fn unsealed(error: Error) -> DbError {
    DbError::Internal(error.cause.unwrap_or_else(|| error.detail.into_owned()))
}

/// A time as people read it.
fn at(time: Timestamp) -> String {
    let text = time.to_string();
    format!("{} UTC", text.get(..16).unwrap_or(&text).replace('T', " "))
}
