//! WebSockets (RFC 6455): the handshake, what a client says, and how a connection ends.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{FromRequestParts, Request};
use axum::response::Response;
use forebay_model::{Code, Error};
use http::HeaderMap;
use http::header::{SEC_WEBSOCKET_VERSION, UPGRADE};
use tokio_tungstenite::tungstenite;

use crate::Store;

/// Clients send small commands, if anything.
const MAX_MESSAGE_BYTES: usize = 64 << 10;
/// How long an end waits for the other side to agree.
const PARTING: Duration = Duration::from_secs(2);

/// Whether a request asks for a WebSocket.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    let protocols = headers.get_all(UPGRADE).iter().filter_map(|value| value.to_str().ok());
    protocols.flat_map(|list| list.split(',')).any(|p| p.trim().eq_ignore_ascii_case("websocket"))
}

/// A handshake that is in order, and not yet answered.
pub(crate) struct Handshake(WebSocketUpgrade);

impl Handshake {
    /// Reads a request's handshake.
    pub(crate) async fn read(request: Request) -> Result<Handshake, Error> {
        let (mut parts, _) = request.into_parts();
        let needed = |detail| Error::new(Code::UpgradeRequired, detail);
        if !is_wanted(&parts.headers) {
            return Err(needed("this needs a WebSocket handshake (RFC 6455)"));
        }
        if parts.headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(needed("this speaks version 13 of WebSocket"));
        }
        let read = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
        read.map(Handshake).map_err(|refused| Error::new(Code::BadRequest, refused.to_string()))
    }

    /// Agrees, and then serves the socket. A process that stops waits for its end.
    pub(crate) fn then<F, S>(self, store: &Store, serve: F) -> Response
    where
        F: FnOnce(WebSocket) -> S + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let bounded = self.0.max_message_size(MAX_MESSAGE_BYTES).max_frame_size(MAX_MESSAGE_BYTES);
        let waited_for = store.inner.sockets.token();
        bounded.on_upgrade(move |socket| async move {
            serve(socket).await;
            drop(waited_for);
        })
    }
}

impl Store {
    /// Waits until every WebSocket has ended, each with its reason: for a while, when the process stops.
    pub async fn sockets_closed(&self) {
        self.inner.sockets.close();
        // Whoever does not agree to the end in its time has had it.
        let _ = tokio::time::timeout(PARTING + PARTING / 2, self.inner.sockets.wait()).await;
    }
}

/// What a client has said.
pub(crate) enum Heard {
    /// A text.
    Text(Utf8Bytes),
    /// Nothing to act on.
    Nothing,
    /// Its last word, or what ended the connection.
    End,
}

/// Hears a client's message. What breaks the protocol ends the connection with the code that says so.
pub(crate) async fn heard(
    socket: &mut WebSocket,
    message: Option<Result<Message, axum::Error>>,
) -> Heard {
    match message {
        Some(Ok(Message::Text(text))) => return Heard::Text(text),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Heard::Nothing,
        Some(Ok(Message::Binary(_))) => {
            close(socket, close_code::UNSUPPORTED, "only text is read here").await;
        }
        // The answer, with the client's own code, waits in line: reading on sends it.
        Some(Ok(Message::Close(_))) => {
            let _ = tokio::time::timeout(PARTING, socket.recv()).await;
        }
        Some(Err(error)) => {
            if let Some((code, reason)) = fault(error) {
                close(socket, code, reason).await;
            }
        }
        None => {}
    }
    Heard::End
}

/// The code of a client's fault (RFC 6455, 7.4.1); none where the connection itself is gone.
fn fault(error: axum::Error) -> Option<(u16, &'static str)> {
    use tungstenite::Error as E;
    match error.into_inner().downcast_ref::<E>()? {
        E::Capacity(_) => Some((close_code::SIZE, "a message has at most 65536 bytes")),
        E::Utf8(_) => Some((close_code::INVALID, "a text is UTF-8")),
        E::Protocol(_) => Some((close_code::PROTOCOL, "a frame breaks the protocol")),
        _ => None,
    }
}

/// Ends a socket because the process stops.
pub(crate) async fn say_goodbye(socket: &mut WebSocket) {
    close(socket, close_code::RESTART, "stopping").await;
}

/// Ends a socket, and waits a while for the client to agree; one that is gone needs no word.
pub(crate) async fn close(socket: &mut WebSocket, code: u16, reason: &'static str) {
    let ended = async {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        if socket.send(Message::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    let _ = tokio::time::timeout(PARTING, ended).await;
}
