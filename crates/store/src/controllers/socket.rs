//! Many subscriptions on one WebSocket: `{"type":"subscribe","uid","stream",…}`.

use std::collections::HashMap;

use axum::extract::ws::{Message, WebSocket};
use axum::extract::{Request, State};
use forebay_http::body::{mismatch, only, text};
use forebay_http::query::Params;
use forebay_http::{Answer, Who};
use forebay_model::principal::RECORDS_READ;
use forebay_model::{Code, Error, FieldError, json};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::Store;
use crate::controllers::subscribe::{Admitted, Wanted, both, read_after};
use crate::controllers::websocket::{Handshake, Heard, heard, say_goodbye};
use crate::follow::event::Event;

/// Subscriptions of one connection.
const MOST: usize = 1_000;
/// Frames that wait for the socket.
const FRAMES: usize = 64;
const MAX_UID_BYTES: usize = 255;

const SUBSCRIBE: &[&str] = &["type", "uid", "stream", "filter", "after", "snapshot"];
const UNSUBSCRIBE: &[&str] = &["type", "uid"];

/// `GET /v1/subscribe`: a WebSocket for many subscriptions.
#[utoipa::path(
    get,
    path = "/v1/subscribe",
    tag = "records",
    responses(
        (status = 101, description = "Commands {type: subscribe, uid, stream, filter, after, snapshot} and {type: unsubscribe, uid}; frames {uid, event, id, data}"),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn subscribe(
    State(store): State<Store>,
    who: Who,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    let handshake = Handshake::read(request).await?;
    let session = Session::new(store.clone(), who);
    Ok(handshake.then(&store, move |socket| serve(socket, session)))
}

/// What one connection follows.
struct Session {
    store: Store,
    who: Who,
    following: HashMap<String, AbortHandle>,
    frames: mpsc::Sender<String>,
    /// Taken by the loop that writes.
    written: Option<mpsc::Receiver<String>>,
}

async fn serve(mut socket: WebSocket, mut session: Session) {
    let Some(mut written) = session.written.take() else { return };
    let stopping = session.store.inner.stopping.clone();
    loop {
        let message = tokio::select! {
            () = stopping.cancelled() => return say_goodbye(&mut socket).await,
            Some(frame) = written.recv() => {
                if socket.send(Message::Text(frame.into())).await.is_err() {
                    return;
                }
                continue;
            }
            message = socket.recv() => message,
        };
        let text = match heard(&mut socket, message).await {
            Heard::Text(text) => text,
            Heard::Nothing => continue,
            Heard::End => return,
        };
        if let Err((uid, error)) = session.command(text.as_str()).await {
            let data = forebay_http::problem::document(&error, "");
            let event = Event::with("error", None, data);
            if socket.send(Message::Text(event.frame(Some(&uid)).into())).await.is_err() {
                return;
            }
        }
    }
}

impl Session {
    fn new(store: Store, who: Who) -> Session {
        let (frames, written) = mpsc::channel(FRAMES);
        Session { store, who, following: HashMap::new(), frames, written: Some(written) }
    }

    /// Carries out a command; an error comes with the subscription that it is about.
    async fn command(&mut self, text: &str) -> Result<(), (String, Error)> {
        let command =
            json::read(text).map_err(|f| (String::new(), forebay_http::body::unreadable(f)));
        let Value::Object(command) = command? else {
            let error =
                Error::invalid(FieldError::new("", "type_mismatch", "a command is an object"));
            return Err((String::new(), error));
        };
        let uid = command.get("uid").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.carry_out(&uid, &command).await.map_err(|error| (uid, error))
    }

    async fn carry_out(&mut self, uid: &str, command: &Map<String, Value>) -> Result<(), Error> {
        if uid.is_empty() || uid.len() > MAX_UID_BYTES {
            let message = "a text of 1 to 255 bytes that names the subscription";
            return Err(Error::invalid(FieldError::new("/uid", "invalid", message)));
        }
        match command.get("type").and_then(Value::as_str) {
            Some("subscribe") => {
                only(command, SUBSCRIBE)?;
                self.following.retain(|_, task| !task.is_finished());
                if self.following.contains_key(uid) {
                    let message = "this connection has a subscription of this name";
                    return Err(Error::invalid(FieldError::new("/uid", "duplicate", message)));
                }
                if self.following.len() >= MOST {
                    let detail = format!("a connection has at most {MOST} subscriptions");
                    return Err(Error::new(Code::RateLimited, detail));
                }
                self.subscribe(uid, command).await
            }
            Some("unsubscribe") => {
                only(command, UNSUBSCRIBE)?;
                match self.following.remove(uid) {
                    Some(task) => task.abort(),
                    None => return Err(Error::not_found(format!("the subscription `{uid}`"))),
                }
                Ok(())
            }
            _ => {
                let message = "`subscribe` or `unsubscribe`";
                Err(Error::invalid(FieldError::new("/type", "enum_mismatch", message)))
            }
        }
    }

    async fn subscribe(&mut self, uid: &str, command: &Map<String, Value>) -> Result<(), Error> {
        let stream = text(command, "stream")?.unwrap_or_default();
        self.who.0.require_on_stream(RECORDS_READ, &stream)?;
        let snapshot = match command.get("snapshot") {
            None => false,
            Some(Value::Bool(snapshot)) => *snapshot,
            Some(_) => return Err(mismatch("snapshot", "true or false")),
        };
        let after = match command.get("after") {
            Some(Value::Number(seq)) => Some(seq.to_string()),
            _ => text(command, "after")?,
        };
        let expected = || mismatch("after", "<seq> or <epoch>-<seq>");
        let after = after.map(|text| read_after(&text).ok_or_else(expected)).transpose()?;
        if snapshot && after.is_some() {
            return Err(both("/snapshot"));
        }
        let wanted = Wanted { stream, filter: text(command, "filter")?, after, snapshot };
        let admitted = wanted.follow(&self.store, self.who.0.clone(), "/filter").await?;
        let task = tokio::spawn(forward(admitted, uid.to_owned(), self.frames.clone()));
        self.following.insert(uid.to_owned(), task.abort_handle());
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.following.values().for_each(AbortHandle::abort);
    }
}

/// Hands a subscription's events to the socket; it waits where the socket is slow.
async fn forward(mut admitted: Admitted, uid: String, frames: mpsc::Sender<String>) {
    while let Some(events) = admitted.follower.next().await {
        for event in events {
            if frames.send(event.frame(Some(&uid))).await.is_err() {
                return;
            }
        }
    }
}
