//! Who the caller is, and what somebody may do about themselves.

use std::io::{Cursor, Write as _};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use forebay_db::{Conn, Look};
use forebay_http::query::Params;
use forebay_http::reply::json_text;
use forebay_http::{Answer, Who, body};
use forebay_model::Error;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::login::without_cookie;
use super::sessions::account_of;
use super::{Done, MAX_BYTES, accounts, api_keys, read_name, session_of, sessions, users};
use crate::sign_in::count;
use crate::sql::{account, api_key, person, session};
use crate::{Auth, rights};

/// How many keys are read at a time.
const PAGE: i64 = 1000;

/// `GET /v1/me`.
#[utoipa::path(
    get,
    path = "/v1/me",
    tag = "identity",
    responses(
        (status = 200, body = crate::api::Me),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show(Who(who): Who, params: Params) -> Answer {
    params.only(&[])?;
    let document = json!({
        "id": who.user_id.as_ref().unwrap_or(&who.id),
        "email": who.email,
        "name": who.name,
        "roles": who.roles,
        "permissions": rights::to_json(&who.permissions),
    });
    Ok(json_text(StatusCode::OK, document.to_string()))
}

/// `PATCH /v1/me`: one's own name.
#[utoipa::path(
    patch,
    path = "/v1/me",
    tag = "identity",
    request_body(content = crate::api::MeChange),
    responses(
        (status = 200, body = crate::api::User),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn patch(
    State(auth): State<Auth>,
    Who(who): Who,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    session_of(&who)?;
    let id = account_of(&who)?.to_owned();
    let document = body::document(request.into_body(), MAX_BYTES).await?;
    let members = body::members(document, &["name"])?;
    let name = read_name(body::text(&members, "name")?)?;
    let renamed = auth.change(move |conn| Box::pin(rename(conn, id, name)));
    let document = renamed.await?;
    Ok(json_text(StatusCode::OK, document.to_string()))
}

async fn rename(conn: &mut Conn, id: String, name: String) -> Done<Value> {
    let (found, person) = (account::find(conn, &id).await?, person::find(conn, &id).await?);
    let Some((mut account, person)) = found.zip(person) else {
        return Ok(Err(accounts::missing(&id, true)));
    };
    account.name = name;
    account.version += 1;
    account::put(conn, &account).await?;
    Ok(Ok(users::describe(&account, &person)))
}

/// `GET /v1/me/export`: what is kept about the caller, as lines of JSON in a zip. Secrets are not
/// in it: what is kept of them is good for nobody.
#[utoipa::path(
    get,
    path = "/v1/me/export",
    tag = "identity",
    responses(
        (status = 200, description = "`account.ndjson`, `sessions.ndjson` and `api-keys.ndjson`", content_type = "application/zip"),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn export(State(auth): State<Auth>, Who(who): Who, params: Params) -> Answer {
    params.only(&[])?;
    let current = session_of(&who)?.to_owned();
    let id = account_of(&who)?;
    let mut conn = auth.inner.db.reader(Look::Point).await?;
    let account = account::find(&mut conn, id).await?;
    let person = person::find(&mut conn, id).await?;
    let (account, person) = account.zip(person).ok_or_else(|| accounts::missing(id, true))?;
    let sessions = session::of_account(&mut conn, id).await?;
    let sessions = sessions.iter().map(|session| sessions::describe(session, &current)).collect();
    let keys = keys_of(&mut conn, id).await?;
    drop(conn);
    let files = [
        ("account.ndjson", vec![users::describe(&account, &person)]),
        ("sessions.ndjson", sessions),
        ("api-keys.ndjson", keys),
    ];
    let mut response = Response::new(Body::from(zipped(&files).map_err(Error::internal)?));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let name = HeaderValue::from_static("attachment; filename=\"forebay-account.zip\"");
    headers.insert(CONTENT_DISPOSITION, name);
    Ok(response)
}

async fn keys_of(conn: &mut Conn, id: &str) -> Result<Vec<Value>, Error> {
    let (mut keys, mut after) = (Vec::new(), String::new());
    loop {
        let page = api_key::list(conn, Some(id), &after, PAGE).await?;
        keys.extend(page.iter().map(|key| Value::Object(api_keys::describe(key))));
        match page.last() {
            Some(last) => after.clone_from(&last.id),
            None => return Ok(keys),
        }
    }
}

fn zipped(files: &[(&str, Vec<Value>)]) -> Result<Vec<u8>, zip::result::ZipError> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, lines) in files {
        archive.start_file(*name, stored)?;
        for line in lines {
            writeln!(archive, "{line}")?;
        }
    }
    Ok(archive.finish()?.into_inner())
}

/// `DELETE /v1/me`: the caller's account, with its keys and sessions.
#[utoipa::path(
    delete,
    path = "/v1/me",
    tag = "identity",
    responses(
        (status = 204),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(State(auth): State<Auth>, Who(who): Who, params: Params) -> Answer {
    params.only(&[])?;
    session_of(&who)?;
    who.require_proof(auth.inner.clock.now())?;
    let id = account_of(&who)?.to_owned();
    let deleted = auth.change(move |conn| {
        Box::pin(async move {
            let Some(account) = account::find(conn, &id).await? else {
                return Ok(Err(accounts::missing(&id, true)));
            };
            if let Err(error) = accounts::one_is_left(conn, &account, None).await? {
                return Ok(Err(error));
            }
            account::delete(conn, &id).await?;
            Ok(Ok(()))
        })
    });
    deleted.await?;
    count("user_deleted");
    Ok(without_cookie(&auth, StatusCode::NO_CONTENT.into_response()))
}
