//! From what is stored to who asks: accounts, their roles, and what a key leaves of them.

use forebay_db::{Conn, DbError};
use forebay_model::principal::{Permission, Principal, meet_all};

use crate::issuer::Passport;
use crate::rights;
use crate::session::Session;
use crate::sql::api_key::{self, ApiKey};
use crate::sql::{account, person, role};

/// The owner of keys that the administrator's first key has made: it is no account, and has all
/// rights.
pub(crate) const BOOTSTRAP: &str = "bootstrap";

/// Who shows the administrator's first key.
pub(crate) fn bootstrap() -> Principal {
    Principal {
        id: "key:admin".to_owned(),
        name: "administrator".to_owned(),
        permissions: rights::built_in("admin").unwrap_or_default(),
        roles: vec!["admin".to_owned()],
        key_id: Some("admin".to_owned()),
        ..Principal::default()
    }
}

/// Who shows a key that is good until the process ends.
pub(crate) fn for_this_run(rights: &[&str]) -> Principal {
    Principal {
        id: "key:run".to_owned(),
        name: "this run".to_owned(),
        permissions: rights.iter().filter_map(|text| Permission::parse(text)).collect(),
        key_id: Some("run".to_owned()),
        ..Principal::default()
    }
}

/// Who shows a key: what the key allows, as far as its owner may do it now. `None` when the owner
/// is gone or disabled.
pub(crate) async fn of_key(conn: &mut Conn, key: &ApiKey) -> Result<Option<Principal>, DbError> {
    let (roles, user_id, held) = if key.owner == BOOTSTRAP {
        // It has no account, so no roles that a rule could ask for: only what it says.
        (Vec::new(), None, rights::built_in("admin").unwrap_or_default())
    } else {
        match account::find(conn, &key.owner).await? {
            Some(owner) if owner.enabled => {
                let held = permissions_of(conn, &owner.roles).await?;
                (owner.roles, Some(owner.id), held)
            }
            _ => return Ok(None),
        }
    };
    Ok(Some(Principal {
        id: format!("key:{}", key.id),
        name: key.name.clone(),
        permissions: meet_all(&key.permissions, &held),
        user_id,
        roles,
        key_id: Some(key.id.clone()),
        filter: key.filter.clone(),
        ..Principal::default()
    }))
}

/// An account by itself, without key or session. `None` when it is gone or disabled.
pub(crate) async fn of_account(conn: &mut Conn, id: &str) -> Result<Option<Principal>, DbError> {
    let account = account::find(conn, id).await?.filter(|account| account.enabled);
    let Some(account) = account else { return Ok(None) };
    let permissions = permissions_of(conn, &account.roles).await?;
    let email = person::find(conn, &account.id).await?.map(|person| person.email);
    let kind = if account.person { "user" } else { "service" };
    Ok(Some(Principal {
        id: format!("{kind}:{}", account.id),
        name: account.name,
        permissions,
        user_id: Some(account.id),
        email,
        roles: account.roles,
        ..Principal::default()
    }))
}

/// What a principal holds now that is known by its id alone: nothing when it is gone or disabled.
pub(crate) async fn held_by(conn: &mut Conn, id: &str) -> Result<Vec<Permission>, DbError> {
    if id == bootstrap().id {
        return Ok(bootstrap().permissions);
    }
    if let Some(key) = id.strip_prefix("key:") {
        let Some(key) = api_key::find(conn, key).await? else { return Ok(Vec::new()) };
        let principal = of_key(conn, &key).await?;
        return Ok(principal.map(|principal| principal.permissions).unwrap_or_default());
    }
    let Some(account) = id.strip_prefix("user:") else { return Ok(Vec::new()) };
    match account::find(conn, account).await? {
        Some(account) if account.enabled => permissions_of(conn, &account.roles).await,
        _ => Ok(Vec::new()),
    }
}

/// Who asks in a session. `None` when the account is gone or disabled.
pub(crate) async fn of_session(
    conn: &mut Conn,
    session: &Session,
) -> Result<Option<Principal>, DbError> {
    let account = account::find(conn, &session.account).await?.filter(|account| account.enabled);
    let Some(account) = account else { return Ok(None) };
    let email = person::find(conn, &account.id).await?.map(|person| person.email);
    let mut roles = account.roles;
    if !session.second_factor {
        roles = without_second_factor(conn, roles).await?;
    }
    Ok(Some(Principal {
        id: format!("user:{}", account.id),
        name: account.name,
        permissions: permissions_of(conn, &roles).await?,
        user_id: Some(account.id),
        email,
        roles,
        session_id: Some(session.id.clone()),
        proven_at: Some(session.proven_at),
        ..Principal::default()
    }))
}

/// Who shows a token of another issuer, with the roles that are here now. A role that asks for a
/// second factor is not had: whether there was one is the issuer's word alone.
pub(crate) async fn of_passport(
    conn: &mut Conn,
    passport: &Passport,
) -> Result<Principal, DbError> {
    let mut roles = Vec::with_capacity(passport.roles.len());
    for name in &passport.roles {
        let made = rights::built_in(name).is_none();
        if !made || role::find(conn, name).await?.is_some_and(|role| !role.second_factor) {
            roles.push(name.clone());
        }
    }
    Ok(Principal {
        id: passport.id.clone(),
        name: passport.name.clone(),
        permissions: permissions_of(conn, &roles).await?,
        user_id: Some(passport.id.clone()),
        email: passport.email.clone(),
        roles,
        until: Some(passport.until),
        ..Principal::default()
    })
}

/// The roles that are had without a second factor.
pub(crate) async fn without_second_factor(
    conn: &mut Conn,
    roles: Vec<String>,
) -> Result<Vec<String>, DbError> {
    let mut left = Vec::with_capacity(roles.len());
    for name in roles {
        let asks = rights::built_in(&name).is_none()
            && role::find(conn, &name).await?.is_some_and(|role| role.second_factor);
        if !asks {
            left.push(name);
        }
    }
    Ok(left)
}

/// The permissions of some roles; a role that is gone has none.
pub(crate) async fn permissions_of(
    conn: &mut Conn,
    roles: &[String],
) -> Result<Vec<Permission>, DbError> {
    let mut permissions = Vec::new();
    for name in roles {
        match rights::built_in(name) {
            Some(built_in) => permissions.extend(built_in),
            None => {
                let found = role::find(conn, name).await?;
                permissions.extend(found.map(|role| role.permissions).unwrap_or_default());
            }
        }
    }
    Ok(permissions)
}
