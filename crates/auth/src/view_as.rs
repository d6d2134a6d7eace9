//! Seeing what somebody else sees: their rights to read, and who really asks.

use std::sync::Arc;

use forebay_contract::Seen;
use forebay_db::{Conn, Db, DbError, Lane, Look, outbox};
use forebay_model::audit::{Actor, Event};
use forebay_model::principal::{Permission, Principal, VIEW_AS, meet_all};
use forebay_model::time::Timestamp;
use forebay_model::{Code, Error, Result};

use crate::directory;
use crate::sql::{account, person};

/// What is left of somebody's rights when another looks through their eyes.
const READING: [&str; 2] = ["*:read", "access:bypass"];

/// Looks through somebody's eyes, and writes that down before anything is shown.
pub(crate) async fn begin(
    db: &Db,
    who: &Arc<Principal>,
    seen: Seen<'_>,
    now: Timestamp,
) -> Result<Arc<Principal>> {
    let found = match who.require(VIEW_AS) {
        Ok(()) => {
            let mut conn = db.reader(Look::Point).await?;
            let found = look(&mut conn, who, seen.account).await?;
            found.ok_or_else(|| Error::not_found(format!("the account `{}`", seen.account)))
        }
        Err(error) => Err(error),
    };
    let failure = match &found {
        Ok(Ok(_)) => None,
        Ok(Err(error)) | Err(error) => Some(error.code.as_str()),
    };
    let mut event = Event {
        action: "view_as",
        failure,
        actor: Some(Actor::from(who.as_ref())),
        target: Some(("account", seen.account.chars().take(200).collect())),
        address: Some(seen.address.to_string()),
        request_id: Some(seen.request_id.to_owned()),
        ..Event::default()
    };
    let (method, path) = seen.request;
    event.details.insert("method".to_owned(), method.into());
    event.details.insert("path".to_owned(), path.chars().take(500).collect::<String>().into());
    let noted = db.writer().run(Lane::Interactive, move |conn| {
        Box::pin(async move { outbox::note(conn, &event, now).await })
    });
    noted.await?;
    Ok(Arc::new(found??))
}

/// Looks again: `None` when one of the two may not any more.
pub(crate) async fn again(
    conn: &mut Conn,
    viewer: &Arc<Principal>,
    id: &str,
) -> Result<Option<Principal>, DbError> {
    Ok(look(conn, viewer, id).await?.and_then(Result::ok))
}

/// The account as `who` sees it, if it may do nothing that they may not.
async fn look(
    conn: &mut Conn,
    who: &Arc<Principal>,
    id: &str,
) -> Result<Option<Result<Principal>>, DbError> {
    let account = account::find(conn, id).await?.filter(|account| account.enabled);
    let Some(account) = account else { return Ok(None) };
    let held = directory::permissions_of(conn, &account.roles).await?;
    if !held.iter().all(|permission| who.holds(permission)) {
        let detail = "this account may do what you may not";
        return Ok(Some(Err(Error::new(Code::Forbidden, detail))));
    }
    let reading: Vec<Permission> =
        READING.iter().filter_map(|text| Permission::parse(text)).collect();
    let email = person::find(conn, &account.id).await?.map(|person| person.email);
    let kind = if account.person { "user" } else { "service" };
    Ok(Some(Ok(Principal {
        id: format!("{kind}:{}", account.id),
        name: account.name,
        permissions: meet_all(&held, &reading),
        user_id: Some(account.id),
        email,
        roles: account.roles,
        // Whoever sees through a filter sees no more through other eyes.
        filter: who.filter.clone(),
        viewer: Some(who.clone()),
        ..Principal::default()
    })))
}
