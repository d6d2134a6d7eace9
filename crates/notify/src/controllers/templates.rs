//! The texts of what is told, as administrators see and change them.

use axum::extract::{Path, Request, State};
use axum::response::IntoResponse;
use forebay_db::{Lane, Look, outbox};
use forebay_http::query::Params;
use forebay_http::reply::json_text;
use forebay_http::{Answer, Caller, Who, body};
use forebay_model::audit::Event;
use forebay_model::principal::{Principal, TEMPLATES_READ, TEMPLATES_WRITE, USERS_WRITE};
use forebay_model::{Error, FieldError};
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::Notify;
use crate::sql::template::{self as table, Kept};
use crate::template::Source;
use crate::template::builtin::{self, Builtin};
use crate::template::engine::MAX_SOURCE_BYTES;

const MAX_BYTES: usize = 8 * MAX_SOURCE_BYTES;
const MEMBERS: [&str; 3] = ["subject", "text", "html"];

/// `GET /v1/templates`: each with the text that holds.
#[utoipa::path(
    get,
    path = "/v1/templates",
    tag = "notifications",
    responses(
        (status = 200, body = crate::api::Templates),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(State(notify): State<Notify>, Who(who): Who, params: Params) -> Answer {
    params.only(&[])?;
    who.require(TEMPLATES_READ)?;
    let mut conn = notify.inner.db.reader(Look::Scan).await?;
    let own = table::list(&mut conn).await?;
    drop(conn);
    let of =
        |builtin: &Builtin| describe(builtin, own.iter().find(|kept| kept.name == builtin.name));
    let items: Vec<Value> = builtin::ALL.iter().map(of).collect();
    Ok(json_text(StatusCode::OK, json!({"items": items, "next_cursor": null}).to_string()))
}

/// `PUT /v1/templates/{name}`: in the place of the built-in text.
#[utoipa::path(
    put,
    path = "/v1/templates/{name}",
    tag = "notifications",
    params(("name" = String, Path, description = "alert.firing, …")),
    request_body(content = crate::api::TemplateText),
    responses(
        (status = 200, body = crate::api::Template),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn put(
    State(notify): State<Notify>,
    caller: Caller,
    Path(name): Path<String>,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    let builtin = changeable(&caller.who, &name)?;
    let (head, content) = request.into_parts();
    body::json_only(&head.headers)?;
    let members = body::members(body::document(content, MAX_BYTES).await?, &MEMBERS)?;
    let source = read(&members, builtin)?;
    source.make(&(builtin.sample)())?;
    let now = notify.inner.clock.now();
    let kept = Kept {
        name: builtin.name.to_owned(),
        source,
        updated_by: caller.who.id.clone(),
        updated_at: now,
    };
    let event = Event { action: "template.put", ..caller.event("template", builtin.name) };
    let answer = describe(builtin, Some(&kept));
    let written = notify.inner.db.writer().run(Lane::Interactive, move |conn| {
        Box::pin(async move {
            table::put(conn, &kept).await?;
            outbox::note(conn, &event, now).await
        })
    });
    written.await?;
    Ok(json_text(StatusCode::OK, answer.to_string()))
}

/// `DELETE /v1/templates/{name}`: back to the built-in text.
#[utoipa::path(
    delete,
    path = "/v1/templates/{name}",
    tag = "notifications",
    params(("name" = String, Path, description = "alert.firing, …")),
    responses(
        (status = 204),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(
    State(notify): State<Notify>,
    caller: Caller,
    Path(name): Path<String>,
    params: Params,
) -> Answer {
    params.only(&[])?;
    let builtin = changeable(&caller.who, &name)?;
    let event = Event { action: "template.delete", ..caller.event("template", builtin.name) };
    let now = notify.inner.clock.now();
    let deleted = notify.inner.db.writer().run(Lane::Interactive, move |conn| {
        Box::pin(async move {
            let was_there = table::delete(conn, builtin.name).await?;
            if was_there {
                outbox::note(conn, &event, now).await?;
            }
            Ok(was_there)
        })
    });
    if !deleted.await? {
        let detail = format!("a text of your own for `{name}`");
        return Err(Error::not_found(detail).into());
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /v1/templates/{name}/preview`: what a text would be, from a sample or from what is sent;
/// nothing is kept.
#[utoipa::path(
    post,
    path = "/v1/templates/{name}/preview",
    tag = "notifications",
    params(("name" = String, Path, description = "alert.firing, …")),
    request_body(content = crate::api::TemplatePreview),
    responses(
        (status = 200, body = crate::api::Previewed),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn preview(
    State(notify): State<Notify>,
    Who(who): Who,
    Path(name): Path<String>,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    who.require(TEMPLATES_READ)?;
    let builtin = known(&name)?;
    let (head, content) = request.into_parts();
    body::json_only(&head.headers)?;
    let known = ["subject", "text", "html", "data"];
    let mut members = body::members(body::document(content, MAX_BYTES).await?, &known)?;
    let data = match members.remove("data") {
        None | Some(Value::Null) => (builtin.sample)(),
        Some(data @ Value::Object(_)) => data,
        Some(_) => return Err(body::mismatch("data", "an object").into()),
    };
    let mut conn = notify.inner.db.reader(Look::Point).await?;
    let own = table::find(&mut conn, builtin.name).await?;
    drop(conn);
    let base = own.map_or_else(|| Source::from(builtin), |kept| kept.source);
    let made = filled(&members, base)?.make(&data)?.finish(None);
    let answer = json!({"subject": made.subject, "text": made.text, "html": made.html});
    Ok(json_text(StatusCode::OK, answer.to_string()))
}

/// The text by this name, if it may be changed. Those about accounts carry links that open doors: who
/// changes them could have the links sent elsewhere, so that takes the right over users too.
fn changeable(who: &Principal, name: &str) -> Result<&'static Builtin, Error> {
    who.require(TEMPLATES_WRITE)?;
    let builtin = known(name)?;
    if builtin.name.starts_with("mail.") {
        who.require(USERS_WRITE)?;
    }
    Ok(builtin)
}

fn known(name: &str) -> Result<&'static Builtin, Error> {
    builtin::find(name).ok_or_else(|| Error::not_found(format!("the template `{name}`")))
}

fn read(members: &Map<String, Value>, builtin: &Builtin) -> Result<Source, Error> {
    if members.is_empty() {
        let message = "a subject, a text or HTML";
        return Err(Error::invalid(FieldError::new("", "required", message)));
    }
    filled(members, Source::from(builtin))
}

/// What is sent, and for what is left out what holds.
fn filled(members: &Map<String, Value>, mut source: Source) -> Result<Source, Error> {
    let parts = [&mut source.subject, &mut source.text, &mut source.html];
    for (name, part) in MEMBERS.into_iter().zip(parts) {
        if let Some(text) = body::text(members, name)? {
            if text.contains('\0') {
                let message = "no character U+0000";
                return Err(Error::invalid(FieldError::new(
                    format!("/{name}"),
                    "invalid",
                    message,
                )));
            }
            *part = text;
        }
    }
    Ok(source)
}

fn describe(builtin: &Builtin, own: Option<&Kept>) -> Value {
    let holds = own.map_or_else(|| Source::from(builtin), |kept| kept.source.clone());
    json!({
        "name": builtin.name,
        "about": builtin.about,
        "subject": holds.subject,
        "text": holds.text,
        "html": holds.html,
        "built_in": own.is_none(),
        "sample": (builtin.sample)(),
        "updated_by": own.map(|kept| kept.updated_by.as_str()),
        "updated_at": own.map(|kept| kept.updated_at),
    })
}
