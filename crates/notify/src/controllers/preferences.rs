//! What somebody wants to hear of, and by which way.

use axum::extract::{Request, State};
use forebay_db::{Lane, Look};
use forebay_http::query::Params;
use forebay_http::reply::json_text;
use forebay_http::{Answer, Who, body};
use forebay_model::{Error, FieldError};
use http::StatusCode;
use serde_json::{Map, Value};

use super::inbox::own;
use crate::Notify;
use crate::inbox::{CATEGORIES, WAYS};
use crate::sql::preference::{self as table, Wanted};

const MAX_BYTES: usize = 16 << 10;

/// `GET /v1/me/preferences`: each category with its ways.
#[utoipa::path(
    get,
    path = "/v1/me/preferences",
    tag = "notifications",
    responses(
        (status = 200, body = crate::api::Preferences),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show(State(notify): State<Notify>, Who(who): Who, params: Params) -> Answer {
    params.only(&[])?;
    let account = own(&who)?;
    let mut conn = notify.inner.db.reader(Look::Point).await?;
    let wanted = table::of(&mut conn, &[account]).await?;
    Ok(json_text(StatusCode::OK, describe(account, &wanted).to_string()))
}

/// `PATCH /v1/me/preferences`: what is left out stays. What is critical, and what is about the account
/// itself, is told by every way.
#[utoipa::path(
    patch,
    path = "/v1/me/preferences",
    tag = "notifications",
    request_body(content = crate::api::Preferences),
    responses(
        (status = 200, body = crate::api::Preferences),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn patch(
    State(notify): State<Notify>,
    Who(who): Who,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    let account = own(&who)?.to_owned();
    let (head, content) = request.into_parts();
    body::json_only(&head.headers)?;
    let document = body::document(content, MAX_BYTES).await?;
    let asked = read(&body::members(document, &CATEGORIES)?)?;
    let now = notify.inner.clock.now();
    let (of, written) = (account.clone(), notify.inner.db.writer());
    let written = written.run(Lane::Interactive, move |conn| {
        Box::pin(async move {
            for (category, way, wanted) in asked {
                table::put(conn, &of, (category, way, wanted), now).await?;
            }
            table::of(conn, &[of.as_str()]).await
        })
    });
    let wanted = written.await?;
    Ok(json_text(StatusCode::OK, describe(&account, &wanted).to_string()))
}

type Wish = (&'static str, &'static str, bool);

fn read(members: &Map<String, Value>) -> Result<Vec<Wish>, Error> {
    let mut asked = Vec::new();
    for category in CATEGORIES {
        let ways = match members.get(category) {
            None => continue,
            Some(Value::Object(ways)) => ways,
            Some(_) => return Err(body::mismatch(category, "an object")),
        };
        let known = WAYS.map(|(name, _)| name);
        let within = |mut error: Error| {
            let path = format!("/{category}");
            error.errors.iter_mut().for_each(|field: &mut FieldError| {
                field.path.insert_str(0, &path);
            });
            error
        };
        body::only(ways, &known).map_err(within)?;
        for way in known {
            let wanted = body::flag(ways, way).map_err(within)?;
            asked.extend(wanted.map(|wanted| (category, way, wanted)));
        }
    }
    Ok(asked)
}

fn describe(account: &str, wanted: &Wanted) -> Value {
    let of = |category: &str| -> Value {
        let ways = WAYS.iter().map(|(way, usual)| {
            let key = (account.to_owned(), category.to_owned(), (*way).to_owned());
            ((*way).to_owned(), wanted.get(&key).copied().unwrap_or(*usual).into())
        });
        Value::Object(ways.collect())
    };
    let all = CATEGORIES.iter().map(|category| ((*category).to_owned(), of(category)));
    Value::Object(all.collect())
}
