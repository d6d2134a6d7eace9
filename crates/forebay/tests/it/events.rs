//! Subscribers, by server-sent events and by WebSocket.

use futures_util::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::support::{Answer, KEY, Server};

pub(crate) struct Events {
    response: reqwest::Response,
    text: String,
}

impl Events {
    /// Subscribes to a stream.
    pub(crate) async fn open(s: &Server, stream: &str, query: &str, last: Option<&str>) -> Events {
        let path = format!("/v1/streams/{stream}/subscribe{query}");
        let mut request = s.request(Method::GET, &path);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        Self::ask(request).await.unwrap()
    }

    /// Subscribes, or says why not.
    pub(crate) async fn ask(request: reqwest::RequestBuilder) -> Result<Events, Answer> {
        let response = request.send().await.unwrap();
        if response.status() != 200 {
            return Err(Answer::read(response).await);
        }
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Ok(Events { response, text: String::new() })
    }

    /// The next event that is news: name, id, data. `None` when the server ended the stream.
    pub(crate) async fn next(&mut self) -> Option<(String, String, Value)> {
        loop {
            let heard = self.heard().await?;
            if heard.0 != "heartbeat" {
                return Some(heard);
            }
        }
    }

    /// The next event, also one that says nothing but where the stream is.
    pub(crate) async fn heard(&mut self) -> Option<(String, String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let part = |name: &str| {
                    let line = event.lines().find_map(|l| l.strip_prefix(name));
                    line.unwrap_or_default().to_owned()
                };
                let data = serde_json::from_str(&part("data: ")).unwrap();
                let found = (part("event: "), part("id: "), data);
                self.text = rest.to_owned();
                return Some(found);
            }
            let chunk = self.response.chunk().await.unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

/// A connection that carries many subscriptions.
pub(crate) struct Socket(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(crate) async fn open(s: &Server, key: &str) -> Socket {
        Self::open_at(s, key, "/v1/subscribe").await
    }

    pub(crate) async fn open_at(s: &Server, key: &str, path: &str) -> Socket {
        let url = format!("ws://{}{path}", s.address);
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("x-api-key", key.parse().unwrap());
        Socket(tokio_tungstenite::connect_async(request).await.unwrap().0)
    }

    pub(crate) async fn send(&mut self, command: Value) {
        self.0.send(Message::Text(command.to_string().into())).await.unwrap();
    }

    /// The next frame that is news.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            let heard = self.heard().await;
            if heard["event"] != "heartbeat" {
                return heard;
            }
        }
    }

    /// The next frame, also one that says nothing but where a stream is.
    pub(crate) async fn heard(&mut self) -> Value {
        let frame = self.0.next().await.unwrap().unwrap().into_text().unwrap();
        serde_json::from_str(frame.as_str()).unwrap()
    }

    /// Skips all frames up to the one that ends the connection: its code.
    pub(crate) async fn end(&mut self) -> Option<u16> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                _ => return None,
            }
        }
    }
}

/// A subscriber that has read the head of its answer and nothing more.
pub(crate) struct Idle(BufReader<TcpStream>);

impl Idle {
    pub(crate) async fn open(s: &Server) -> Idle {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut socket = socket.connect(s.address.parse().unwrap()).await.unwrap();
        let head = format!(
            "GET /v1/streams/orders/subscribe?after=0 HTTP/1.1\r\nhost: x\r\n\
             x-api-key: {KEY}\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut idle = Idle(BufReader::with_capacity(256, socket));
        assert_eq!(idle.line().await, "HTTP/1.1 200 OK");
        while !idle.line().await.is_empty() {}
        idle
    }

    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        line.trim_end().to_owned()
    }
}
