//! API keys: what a program shows. A key's secret is shown once.

use axum::extract::{Path, Request, State};
use axum::response::IntoResponse;
use forebay_db::{Conn, Look};
use forebay_filter::{Filter, Mistake, Scope};
use forebay_http::query::Params;
use forebay_http::reply::json_text;
use forebay_http::{Answer, Page, Who, body};
use forebay_model::principal::{ACCOUNTS_WRITE, KEYS_READ, KEYS_WRITE, Principal, USERS_WRITE};
use forebay_model::time::Timestamp;
use forebay_model::{Code, Error, FieldError};
use http::StatusCode;
use ipnet::IpNet;
use serde_json::{Map, Value, json};

use super::{Done, MAX_BYTES, may_grant, read_name};
use crate::directory::BOOTSTRAP;
use crate::sql::account;
use crate::sql::api_key::{self, ApiKey};
use crate::{Auth, audit, directory, key, rights};

const DAY: i64 = 86_400_000_000;
/// How long a key lives that does not say.
const LIFE: i64 = 90 * DAY;
/// How long the secret before a rotation stays good.
const OVERLAP: i64 = DAY;
const MAX_FILTER_BYTES: usize = forebay_filter::MAX_BYTES;
const MOST_NETWORKS: usize = 32;

/// `GET /v1/api-keys`: one's own keys, and those of others for who may see them.
#[utoipa::path(
    get,
    path = "/v1/api-keys",
    tag = "identity",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 1000, 50 without it"),
        ("cursor" = Option<String>, Query, description = "Where the page before ended"),
    ),
    responses(
        (status = 200, body = crate::api::ApiKeys),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(State(auth): State<Auth>, Who(who): Who, params: Params) -> Answer {
    params.only(&["limit", "cursor"])?;
    let own = who.require(KEYS_READ).is_err().then(|| owner_of(&who));
    let scope = format!("api-keys/{}", own.unwrap_or_default());
    let page = Page::read(&params, &auth.inner.sealer, scope)?;
    let mut conn = auth.inner.db.reader(Look::Point).await?;
    let mut found = api_key::list(&mut conn, own, page.after(), page.rows()).await?;
    let next = page.cut(&mut found, |last| last.id.clone())?;
    let items: Vec<Value> = found.iter().map(|key| Value::Object(describe(key))).collect();
    Ok(json_text(StatusCode::OK, json!({"items": items, "next_cursor": next}).to_string()))
}

/// `POST /v1/api-keys`.
#[utoipa::path(
    post,
    path = "/v1/api-keys",
    tag = "identity",
    request_body(content = crate::api::NewApiKey),
    responses(
        (status = 201, body = crate::api::ApiKeyWithSecret),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create(
    State(auth): State<Auth>,
    Who(who): Who,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    who.require(KEYS_WRITE)?;
    who.require_proof(auth.inner.clock.now())?;
    may_have_keys(&who)?;
    let document = body::document(request.into_body(), MAX_BYTES).await?;
    let known = &["name", "permissions", "filter", "networks", "expires_at", "owner"];
    let members = body::members(document, known)?;
    let new = read(&members, &who, auth.inner.clock.now())?;
    may_grant(&who, &new.permissions, "/permissions")?;
    audit::target(&new.id);
    audit::detail("owner", new.owner.clone());
    audit::detail("permissions", rights::to_json(&new.permissions));
    let secret = key::generate("key")?;
    let hash = key::hash(&secret);
    let written = auth.change(move |conn| {
        Box::pin(async move {
            if let Err(error) = may_own(conn, &who, &new.owner).await? {
                return Ok(Err(error));
            }
            let own = match &who.key_id {
                Some(id) => api_key::find(conn, id).await?,
                None => None,
            };
            let new = own.map_or(Ok(new.clone()), |own| within(new, &own));
            if let Ok(new) = &new {
                api_key::insert(conn, new, &hash).await?;
            }
            Ok(new)
        })
    });
    Ok(with_secret(StatusCode::CREATED, &written.await?, &secret))
}

/// `GET /v1/api-keys/{id}`.
#[utoipa::path(
    get,
    path = "/v1/api-keys/{id}",
    tag = "identity",
    params(("id" = String, Path, description = "The key's id")),
    responses(
        (status = 200, body = crate::api::ApiKey),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show(
    State(auth): State<Auth>,
    Who(who): Who,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    params.only(&[])?;
    let mut conn = auth.inner.db.reader(Look::Point).await?;
    let found = visible(&mut conn, &who, &id).await??;
    Ok(json_text(StatusCode::OK, Value::Object(describe(&found)).to_string()))
}

/// `DELETE /v1/api-keys/{id}`: whoever shows it is nobody from then on.
#[utoipa::path(
    delete,
    path = "/v1/api-keys/{id}",
    tag = "identity",
    params(("id" = String, Path, description = "The key's id")),
    responses(
        (status = 204),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(
    State(auth): State<Auth>,
    Who(who): Who,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    params.only(&[])?;
    who.require(KEYS_WRITE)?;
    who.require_proof(auth.inner.clock.now())?;
    let deleted = auth.change(move |conn| {
        Box::pin(async move {
            let found = match visible(conn, &who, &id).await? {
                Ok(found) => found,
                Err(error) => return Ok(Err(error)),
            };
            if let Err(error) = may_grant(&who, &found.permissions, "") {
                return Ok(Err(error));
            }
            api_key::delete(conn, &id).await?;
            Ok(Ok(()))
        })
    });
    deleted.await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /v1/api-keys/{id}/rotate`: a new secret; the one before stays good for a day.
#[utoipa::path(
    post,
    path = "/v1/api-keys/{id}/rotate",
    tag = "identity",
    params(("id" = String, Path, description = "The key's id")),
    responses(
        (status = 200, body = crate::api::ApiKeyWithSecret),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn rotate(
    State(auth): State<Auth>,
    Who(who): Who,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    params.only(&[])?;
    who.require(KEYS_WRITE)?;
    who.require_proof(auth.inner.clock.now())?;
    may_have_keys(&who)?;
    let secret = key::generate("key")?;
    let hash = key::hash(&secret);
    let until = Timestamp::from_micros(auth.inner.clock.now().micros().saturating_add(OVERLAP));
    let rotated = auth.change(move |conn| {
        Box::pin(async move {
            let found = match visible(conn, &who, &id).await? {
                Ok(found) => found,
                Err(error) => return Ok(Err(error)),
            };
            // A secret opens all that its key does: only who holds that may have it.
            if let Err(error) = may_grant(&who, &found.permissions, "") {
                return Ok(Err(error));
            }
            if who.filter.is_some() && who.filter != found.filter {
                let message = "the key sees other records than you do";
                return Ok(Err(Error::new(Code::Forbidden, message)));
            }
            api_key::rotate(conn, &id, &hash, until).await?;
            Ok(Ok(found))
        })
    });
    Ok(with_secret(StatusCode::OK, &rotated.await?, &secret))
}

/// Refuses whoever has no account: a key would outlive the token that another issuer has given them.
fn may_have_keys(who: &Principal) -> Result<(), Error> {
    if who.is_guest() {
        let detail = "the token of another issuer makes no keys: sign in, or show a key";
        return Err(Error::new(Code::Forbidden, detail));
    }
    Ok(())
}

/// Whether somebody may make keys of an account: rules ask for the account and its roles, so that a
/// key of it is as good as what it holds.
async fn may_own(conn: &mut Conn, who: &Principal, owner: &str) -> Done<()> {
    if owner == owner_of(who) {
        return Ok(Ok(()));
    }
    let Some(account) = account::find(conn, owner).await? else {
        let message = "there is no such account";
        return Ok(Err(Error::invalid(FieldError::new("/owner", "invalid", message))));
    };
    if let Err(error) = who.require(if account.person { USERS_WRITE } else { ACCOUNTS_WRITE }) {
        return Ok(Err(error));
    }
    let held = directory::permissions_of(conn, &account.roles).await?;
    Ok(may_grant(who, &held, "/owner"))
}

/// A key that is made by another is bound to the other's networks and end.
fn within(mut new: ApiKey, own: &ApiKey) -> Result<ApiKey, Error> {
    if let Some(end) = own.expires_at {
        new.expires_at = Some(new.expires_at.map_or(end, |at| at.min(end)));
    }
    if new.networks.is_empty() {
        new.networks.clone_from(&own.networks);
    } else if !own.networks.is_empty() && new.networks != own.networks {
        let message = "this key is bound to other networks";
        let field = FieldError::new("/networks", "forbidden", message);
        return Err(Error::new(Code::Forbidden, message).field(field));
    }
    Ok(new)
}

/// A key that somebody may see: one's own, or anybody's with the right to. Any other is not there.
async fn visible(conn: &mut Conn, who: &Principal, id: &str) -> Done<ApiKey> {
    let found = api_key::find(conn, id).await?;
    let seen = found.filter(|key| key.owner == owner_of(who) || who.require(KEYS_READ).is_ok());
    Ok(seen.ok_or_else(|| Error::not_found(format!("the key `{id}`"))))
}

/// Whose keys a principal's own keys are.
fn owner_of(who: &Principal) -> &str {
    who.user_id.as_deref().unwrap_or(BOOTSTRAP)
}

fn read(members: &Map<String, Value>, who: &Principal, now: Timestamp) -> Result<ApiKey, Error> {
    let owner = match body::text(members, "owner")? {
        Some(owner) if owner != owner_of(who) => {
            // Which of the two it takes is told to whoever has one.
            who.require(ACCOUNTS_WRITE)
                .or_else(|refused| who.require(USERS_WRITE).map_err(|_| refused))?;
            owner
        }
        _ => owner_of(who).to_owned(),
    };
    let mut filter = body::text(members, "filter")?;
    if let Some(text) = &filter {
        check_filter(text)?;
    }
    // Who sees through a filter hands no more on than that.
    if let Some(own) = &who.filter {
        let both = filter.map_or_else(|| own.clone(), |text| format!("({own}) && ({text})"));
        if both.len() > MAX_FILTER_BYTES {
            let message = "with your own filter it would be too long";
            return Err(Error::invalid(FieldError::new("/filter", "too_long", message)));
        }
        filter = Some(both);
    }
    Ok(ApiKey {
        id: uuid::Uuid::now_v7().to_string(),
        owner,
        name: read_name(body::text(members, "name")?)?,
        permissions: rights::read(members.get("permissions"))?,
        filter,
        networks: read_networks(members)?,
        created_at: now,
        expires_at: read_expiry(members.get("expires_at"), now)?,
        last_used_at: None,
    })
}

/// Checks a filter as far as that can be done without a stream: which fields there are, each stream
/// says when it is asked.
fn check_filter(text: &str) -> Result<(), Error> {
    let open = json!({"type": "object"});
    let Err(mistakes) = Filter::compile(text, Scope::record(&open)) else { return Ok(()) };
    let of_stream = |mistake: &Mistake| {
        let (before, place) = text.split_at_checked(mistake.span.start).unwrap_or_default();
        // Who asks is the same for all streams; a field of theirs may be called `auth`.
        let of_auth = place.starts_with("auth.") && !before.ends_with('.');
        // So is what a stream has that can be searched.
        mistake.code == "unsupported" || mistake.code == "unknown_field" && !of_auth
    };
    if mistakes.all.iter().all(of_stream) {
        return Ok(());
    }
    Err(mistakes.into_error("/filter"))
}

fn read_networks(members: &Map<String, Value>) -> Result<Vec<String>, Error> {
    let networks = body::texts(members, "networks")?.unwrap_or_default();
    let wrong = |at: usize, message: String| {
        Err(Error::invalid(FieldError::new(format!("/networks/{at}"), "invalid", message)))
    };
    if networks.len() > MOST_NETWORKS {
        return wrong(MOST_NETWORKS, format!("at most {MOST_NETWORKS}"));
    }
    match networks.iter().position(|network| network.parse::<IpNet>().is_err()) {
        Some(at) => wrong(at, "a network such as 10.0.0.0/8 or 2001:db8::/32".to_owned()),
        None => Ok(networks),
    }
}

/// Absent is ninety days, null is never.
fn read_expiry(value: Option<&Value>, now: Timestamp) -> Result<Option<Timestamp>, Error> {
    let wrong = |message: &'static str| {
        Err(Error::invalid(FieldError::new("/expires_at", "invalid", message)))
    };
    match value {
        None => Ok(Some(Timestamp::from_micros(now.micros().saturating_add(LIFE)))),
        Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => match Timestamp::parse(text) {
            Ok(at) if at > now => Ok(Some(at)),
            Ok(_) => wrong("this time is past"),
            Err(message) => wrong(message),
        },
        Some(_) => wrong("a time, or null"),
    }
}

fn with_secret(status: StatusCode, key: &ApiKey, secret: &str) -> axum::response::Response {
    let mut document = describe(key);
    document.insert("key".to_owned(), secret.into());
    json_text(status, Value::Object(document).to_string())
}

/// As it is shown.
pub(super) fn describe(key: &ApiKey) -> Map<String, Value> {
    let document = json!({
        "id": key.id,
        "name": key.name,
        "owner": (key.owner != BOOTSTRAP).then_some(&key.owner),
        "permissions": rights::to_json(&key.permissions),
        "filter": key.filter,
        "networks": key.networks,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
    });
    if let Value::Object(members) = document { members } else { Map::new() }
}
