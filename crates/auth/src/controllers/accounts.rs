//! What the accounts of people and of programs have in common: how one is found, changed, and given
//! roles.

use forebay_db::{Conn, DbError, Look};
use forebay_http::query::Params;
use forebay_http::{Page, body};
use forebay_model::principal::Principal;
use forebay_model::{Code, Error, FieldError};
use http::HeaderValue;
use serde_json::{Map, Value};

use super::{Done, may_grant, read_name};
use crate::sql::account::{self, Account};
use crate::sql::{role, session};
use crate::{Auth, audit, directory, rights};

/// The most roles of an account.
const MOST_ROLES: usize = 32;

/// A page of accounts, and where the next begins.
pub(super) async fn page(
    auth: &Auth,
    params: &Params,
    scope: &str,
    person: bool,
) -> Result<(Vec<Account>, Option<String>), Error> {
    let page = Page::read(params, &auth.inner.sealer, scope)?;
    let mut conn = auth.inner.db.reader(Look::Point).await?;
    let mut found = account::list(&mut conn, person, page.after(), page.rows()).await?;
    let next = page.cut(&mut found, |last| last.id.clone())?;
    Ok((found, next))
}

/// What is to be changed of an account.
pub(super) struct Change {
    pub(super) name: Option<String>,
    pub(super) roles: Option<Vec<String>>,
    pub(super) enabled: Option<bool>,
}

impl Change {
    /// Reads the members `name`, `roles` and `state`.
    pub(super) fn read(members: &Map<String, Value>) -> Result<Change, Error> {
        let name = body::text(members, "name")?.map(|name| read_name(Some(name))).transpose()?;
        let enabled = match body::text(members, "state")?.as_deref() {
            None => None,
            Some("active") => Some(true),
            Some("disabled") => Some(false),
            Some(_) => return Err(body::mismatch("state", "active or disabled")),
        };
        Ok(Change { name, roles: body::texts(members, "roles")?, enabled })
    }

    /// Says in the audit what is changed.
    pub(super) fn note(&self) {
        if let Some(roles) = &self.roles {
            audit::detail("roles", roles.clone());
        }
        if let Some(enabled) = self.enabled {
            audit::detail("enabled", enabled);
        }
    }

    /// Changes what was found, if whoever asks may give its new roles. Somebody who is disabled
    /// has no sessions left: being enabled again is no sign-in.
    pub(super) async fn apply(
        self,
        conn: &mut Conn,
        who: &Principal,
        account: &mut Account,
    ) -> Done<()> {
        let before = account.clone();
        if let Some(roles) = self.roles {
            if let Err(error) = may_assign(conn, who, &roles).await? {
                return Ok(Err(error));
            }
            account.roles = roles;
            account.roles.sort();
        }
        if let Some(name) = self.name {
            account.name = name;
        }
        account.enabled = self.enabled.unwrap_or(account.enabled);
        account.version += 1;
        if let Err(error) = one_is_left(conn, &before, Some(account)).await? {
            return Ok(Err(error));
        }
        if before.enabled && !account.enabled {
            session::delete_others(conn, &account.id, "").await?;
        }
        Ok(Ok(()))
    }
}

/// Refuses what would leave nobody who may do everything. Under the lock: two who take it from each
/// other at the same time do so one after the other.
pub(crate) async fn one_is_left(
    conn: &mut Conn,
    before: &Account,
    after: Option<&Account>,
) -> Done<()> {
    let may_all = |account: &Account| {
        account.person && account.enabled && account.roles.iter().any(|role| role == "admin")
    };
    let taken = may_all(before) && !after.is_some_and(may_all);
    if taken && !account::has_other_administrator(conn, &before.id).await? {
        let detail = "nobody else is an administrator: make somebody one first";
        return Ok(Err(Error::new(Code::Conflict, detail)));
    }
    Ok(Ok(()))
}

/// The account (and whether it is to be a person's) that is to be changed, if it is there at the
/// version asked for, and holds nothing that who changes it lacks.
pub(super) async fn found(
    conn: &mut Conn,
    who: &Principal,
    (id, person): (&str, bool),
    if_match: Option<&HeaderValue>,
) -> Done<Account> {
    let account = account::find(conn, id).await?.filter(|account| account.person == person);
    let Some(account) = account else { return Ok(Err(missing(id, person))) };
    let held = directory::permissions_of(conn, &account.roles).await?;
    if let Err(error) = may_grant(who, &held, "/roles") {
        return Ok(Err(error));
    }
    let tag = format!("\"{}\"", account.version);
    if if_match.is_some() && !forebay_http::reply::matches(if_match, &tag) {
        let detail = format!("the account is at version {}", account.version);
        return Ok(Err(Error::new(Code::VersionMismatch, detail)));
    }
    Ok(Ok(account))
}

/// Whether somebody may give these roles: each exists, and holds nothing that the giver lacks.
pub(super) async fn may_assign(conn: &mut Conn, who: &Principal, roles: &[String]) -> Done<()> {
    if let Some(error) = unknown_role(conn, roles).await? {
        return Ok(Err(error));
    }
    let permissions = directory::permissions_of(conn, roles).await?;
    Ok(may_grant(who, &permissions, "/roles"))
}

/// What is wrong with a list of roles, where something is.
pub(crate) async fn unknown_role(
    conn: &mut Conn,
    roles: &[String],
) -> Result<Option<Error>, DbError> {
    if roles.len() > MOST_ROLES {
        let message = format!("at most {MOST_ROLES}");
        return Ok(Some(Error::invalid(FieldError::new("/roles", "too_long", message))));
    }
    for (at, name) in roles.iter().enumerate() {
        let known = rights::built_in(name).is_some() || role::find(conn, name).await?.is_some();
        if !known || roles[..at].contains(name) {
            let path = format!("/roles/{at}");
            let message = if known { "stands twice" } else { "there is no such role" };
            return Ok(Some(Error::invalid(FieldError::new(path, "invalid", message))));
        }
    }
    Ok(None)
}

/// The answer where there is no such account.
pub(super) fn missing(id: &str, person: bool) -> Error {
    let kind = if person { "user" } else { "service account" };
    Error::not_found(format!("the {kind} `{id}`"))
}

/// The account's state, as it is shown.
pub(super) fn state(account: &Account) -> &'static str {
    if account.enabled { "active" } else { "disabled" }
}
