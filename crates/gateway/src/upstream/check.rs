//! Asks endpoints how they are.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use http::Request;
use http::header::{CONNECTION, HOST, HeaderValue, USER_AGENT};
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior};

use super::config::Check;
use super::connection::Connection;
use super::endpoint::{Endpoint, Endpoints};
use super::outgoing::Parcel;
use super::pool::Open;
use axum::body::Body;

/// Most endpoints that are asked at once.
const AT_ONCE: usize = 16;

/// Asks all of them again and again; it never ends by itself.
pub(crate) async fn run(endpoints: &Endpoints, check: &Check) {
    let mut ticks = tokio::time::interval(check.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let asked = endpoints.all.iter().enumerate();
        stream::iter(asked)
            .for_each_concurrent(AT_ONCE, async |(at, endpoint)| {
                let asked = tokio::time::timeout(check.timeout, ask(endpoint, check));
                endpoints.checked(at, matches!(asked.await, Ok(Some(true))));
            })
            .await;
    }
}

/// Asks one, on a connection of its own: whether it takes connections is part of the question.
async fn ask(endpoint: &Endpoint, check: &Check) -> Option<bool> {
    let socket = TcpStream::connect(&*endpoint.target.address).await.ok()?;
    let mut connection = Connection::open(socket, Open::uncounted()).await.ok()?;
    let body = Parcel::new(Body::empty(), None).take(Arc::clone(&connection.seen));
    let mut request = Request::new(body);
    *request.uri_mut() = check.path.parse().ok()?;
    let headers = request.headers_mut();
    headers.insert(HOST, endpoint.target.host.clone());
    headers.insert(USER_AGENT, HeaderValue::from_static("forebay-check"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let answered = connection.exchange(request, check.timeout, None::<Instant>).await.ok()?;
    let status = answered.status();
    Some(status.is_success() || status.is_redirection())
}
