//! The door behind the link in each message: whoever has the link wants no more of it.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use forebay_db::{Lane, outbox};
use forebay_http::query::Params;
use forebay_http::{Answer, Origin};
use forebay_model::audit::Event;
use forebay_model::{Code, Error};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use http::{HeaderValue, StatusCode};

use crate::Notify;
use crate::channel::email::office::{self, Farewell};

const ASK: &str = "<!doctype html><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
                   <title>Forebay</title><form method=post><p>No more of these messages?</p>\
                   <button>Unsubscribe</button></form>";
const DONE: &str = "<!doctype html><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
                    <title>Forebay</title><p>Done: no more of these messages.</p>";

/// `GET /v1/unsubscribe`: asks. What scanners of mail fetch changes nothing.
#[utoipa::path(
    get,
    path = "/v1/unsubscribe",
    tag = "notifications",
    params(("token" = String, Query, description = "Of the link")),
    responses(
        (status = 200, description = "A page that asks", body = String, content_type = "text/html"),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show(State(notify): State<Notify>, params: Params) -> Answer {
    params.only(&["token"])?;
    farewell(&notify, &params)?;
    Ok(page(ASK))
}

/// `POST /v1/unsubscribe`: at once (RFC 8058, 3.2); what is in the body does not matter.
#[utoipa::path(
    post,
    path = "/v1/unsubscribe",
    tag = "notifications",
    params(("token" = String, Query, description = "Of the link")),
    responses(
        (status = 200, description = "Done", body = String, content_type = "text/html"),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn take(
    State(notify): State<Notify>,
    params: Params,
    request: axum::extract::Request,
) -> Answer {
    params.only(&["token"])?;
    let farewell = farewell(&notify, &params)?;
    let Origin { address, request_id } = Origin::of(request.extensions());
    let mut event = Event {
        action: "mail.unsubscribe",
        target: Some(("channel", farewell.channel.clone())),
        address,
        request_id,
        ..Event::default()
    };
    event.details.insert("category".to_owned(), farewell.category.as_str().into());
    let now = notify.inner.clock.now();
    let noted = notify.inner.db.writer().run(Lane::Interactive, move |conn| {
        Box::pin(async move {
            office::note(conn, &farewell, now).await?;
            outbox::note(conn, &event, now).await
        })
    });
    noted.await?;
    Ok(page(DONE))
}

fn farewell(notify: &Notify, params: &Params) -> Result<Farewell, Error> {
    let token = params.get("token").unwrap_or_default();
    let unknown = || Error::new(Code::NotFound, "the link is not one of these");
    notify.inner.office.read(token).ok_or_else(unknown)
}

fn page(text: &'static str) -> Response {
    let mut response = (StatusCode::OK, text).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; form-action 'self'; frame-ancestors 'none'"),
        (REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
