//! The remote face of `contract::Identity` and `contract::Quotas`: other processes of the deployment
//! ask here who somebody is, and how much is left. The paths are behind `/internal/`, which no gateway hands on.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use forebay_contract::{Ask, Count, Granted, Identity, Known, Quotas, Seen, Shown};
use forebay_http::internal::{Told, read_principal, write_principal};
use forebay_http::{Answer, body, reply};
use forebay_model::period::Span;
use forebay_model::principal::Principal;
use forebay_model::time::Timestamp;
use forebay_model::{Code, Error};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::Auth;

/// A secret, or a principal with all of its rights.
const MAX_BYTES: usize = 1 << 20;
/// How long another process may remember a secret without saying that it is used, in microseconds.
const REMEMBERED: i64 = 60_000_000;

/// Adds the doors to those of the service, and tells the gateway of each change as it is made.
pub(crate) fn router(auth: &Auth, service: Router) -> Router {
    let doors = Router::new()
        .route("/internal/v1/changes", get(changes))
        .route("/internal/v1/current", post(current))
        .route("/internal/v1/identify", post(identify))
        .route("/internal/v1/quotas/give-back", post(give_back))
        .route("/internal/v1/quotas/take", post(take))
        .route("/internal/v1/view-as", post(view_as))
        .with_state(auth.clone());
    service.layer(from_fn_with_state(auth.clone(), tell)).merge(doors)
}

/// Whoever has just changed something asks by the new rights from then on.
async fn tell(State(auth): State<Auth>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let mut response = next.run(request).await;
    if !reads {
        let identity = Some(auth.inner.directory.number());
        Told { identity, ..Told::default() }.write(response.headers_mut());
    }
    response
}

/// `GET`: the number of the last change, as the database has it now.
async fn changes(State(auth): State<Auth>) -> Answer {
    auth.inner.directory.listen().await?;
    answer(&auth, json!({}))
}

/// `POST {number, secret, cookie, address}`: whose it is, until when and where from.
async fn identify(State(auth): State<Auth>, request: Request) -> Answer {
    let asked = read(&auth, request).await?;
    let address = address(&asked)?;
    let cookie = asked["cookie"] == true;
    let shown = Shown { secret: text(&asked, "secret")?, cookie, address };
    let now = auth.inner.clock.now();
    let known = auth.inner.directory.find(shown).await?;
    if let Some(known) = known.as_ref().filter(|known| known.is_good(now, address)) {
        auth.inner.directory.note(&known.principal);
    }
    answer(&auth, json!({"known": known.map(|known| write(&known, now))}))
}

/// `POST {number, who}`: who it is now.
async fn current(State(auth): State<Auth>, request: Request) -> Answer {
    let asked = read(&auth, request).await?;
    let who = auth.inner.directory.current(&principal(&asked)?).await?;
    answer(&auth, json!({"who": who.map(|who| write_principal(&who))}))
}

/// `POST {number, who, account, method, path, request_id, address}`: whom they see as.
async fn view_as(State(auth): State<Auth>, request: Request) -> Answer {
    let asked = read(&auth, request).await?;
    let who = Arc::new(principal(&asked)?);
    let seen = Seen {
        account: text(&asked, "account")?,
        request: (text(&asked, "method")?, text(&asked, "path")?),
        request_id: text(&asked, "request_id")?,
        address: address(&asked)?,
    };
    let seen = auth.inner.directory.view_as(&who, seen).await?;
    answer(&auth, json!({"who": write_principal(&seen)}))
}

/// `POST {key, from, until, quota, need, want}`: `{granted, left}` of a quota.
async fn take(State(auth): State<Auth>, request: Request) -> Answer {
    let asked = body::document(request.into_body(), MAX_BYTES).await?;
    let units = |name| units(&asked, name);
    let ask = Ask { quota: units("quota")?, need: units("need")?, want: units("want")? };
    let Granted { granted, left } = auth.inner.counts.take(&count(&asked)?, ask).await?;
    answer(&auth, json!({"granted": granted, "left": left}))
}

/// `POST {unused: [{key, from, until, units}]}`: units of quotas that are not used.
async fn give_back(State(auth): State<Auth>, request: Request) -> Answer {
    let asked = body::document(request.into_body(), MAX_BYTES).await?;
    let wrong = || Error::new(Code::BadRequest, "`unused` is a list");
    let unused = asked["unused"].as_array().ok_or_else(wrong)?.iter();
    let unused = unused.map(|one| Ok((count(one)?, units(one, "units")?)));
    auth.inner.counts.give_back(unused.collect::<Result<_, Error>>()?).await?;
    answer(&auth, json!({}))
}

fn count(asked: &Value) -> Result<Count, Error> {
    let wrong = |name| Error::new(Code::BadRequest, format!("`{name}` is a time"));
    let time = |name| asked[name].as_i64().map(Timestamp::from_micros).ok_or_else(|| wrong(name));
    let period = Span { from: time("from")?, until: time("until")? };
    Ok(Count { key: text(asked, "key")?.to_owned(), period })
}

fn units(asked: &Value, name: &str) -> Result<u64, Error> {
    let wrong = || Error::new(Code::BadRequest, format!("`{name}` is a number of units"));
    asked[name].as_u64().ok_or_else(wrong)
}

fn write(known: &Known, now: Timestamp) -> Value {
    let remembered = now.micros() + REMEMBERED;
    let fresh = known.fresh_until.map_or(remembered, |at| at.micros().min(remembered));
    json!({
        "who": write_principal(&known.principal),
        "expires": known.expires_at.map(Timestamp::micros),
        "fresh": fresh,
        "networks": known.networks.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// Reads what is asked. Whoever has heard of a later change than this process has it look first.
async fn read(auth: &Auth, request: Request) -> Result<Value, Error> {
    let asked = body::document(request.into_body(), MAX_BYTES).await?;
    let directory = &auth.inner.directory;
    if asked["number"].as_i64().is_some_and(|number| number > directory.number()) {
        directory.listen().await?;
    }
    Ok(asked)
}

fn answer(auth: &Auth, mut found: Value) -> Answer {
    found["number"] = auth.inner.directory.number().into();
    Ok(reply::json_text(StatusCode::OK, found.to_string()))
}

fn text<'a>(asked: &'a Value, name: &str) -> Result<&'a str, Error> {
    let missing = || Error::new(Code::BadRequest, format!("`{name}` is a text"));
    asked[name].as_str().ok_or_else(missing)
}

fn address(asked: &Value) -> Result<IpAddr, Error> {
    let wrong = |_| Error::new(Code::BadRequest, "`address` is an address");
    text(asked, "address")?.parse().map_err(wrong)
}

fn principal(asked: &Value) -> Result<Principal, Error> {
    let wrong = || Error::new(Code::BadRequest, "`who` is a principal");
    read_principal(&asked["who"]).ok_or_else(wrong)
}
