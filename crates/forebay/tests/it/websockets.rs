//! How a WebSocket begins and ends (RFC 6455): the handshake, and the code for each end.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use futures_util::SinkExt as _;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::events::Socket;
use crate::support::{Engine, KEY, Server, orders};

const ONE: &str = "/v1/streams/orders/subscribe";
const MANY: &str = "/v1/subscribe";

async fn start() -> Server {
    let s = Server::start(Engine::Sqlite).await;
    s.put("/v1/streams/orders", orders()).await.expect(201);
    s
}

/// A connection on which frames are written by hand.
struct Raw(TcpStream);

impl Raw {
    /// Sends a handshake with these headers; the head of the answer.
    fn ask(s: &Server, path: &str, headers: &str) -> (Raw, String) {
        let mut socket = TcpStream::connect(&s.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\n{headers}\r\n");
        socket.write_all(head.as_bytes()).unwrap();
        let mut text = Vec::new();
        let mut byte = [0];
        while !text.ends_with(b"\r\n\r\n") && socket.read(&mut byte).unwrap() > 0 {
            text.extend_from_slice(&byte);
        }
        (Raw(socket), String::from_utf8(text).unwrap().to_ascii_lowercase())
    }

    fn open(s: &Server, path: &str) -> Raw {
        let (socket, head) = Raw::ask(s, path, &handshake("13"));
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        socket
    }

    /// The code of the closing frame, after whatever else is said.
    fn end(mut self) -> u16 {
        loop {
            let mut head = [0; 2];
            self.0.read_exact(&mut head).unwrap();
            let length = match head[1] {
                126 => {
                    let mut long = [0; 2];
                    self.0.read_exact(&mut long).unwrap();
                    usize::from(u16::from_be_bytes(long))
                }
                short => usize::from(short),
            };
            let mut payload = vec![0; length];
            self.0.read_exact(&mut payload).unwrap();
            if head[0] == 0x88 {
                return u16::from_be_bytes([payload[0], payload[1]]);
            }
        }
    }
}

fn handshake(version: &str) -> String {
    format!(
        "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: {version}\r\n\
         sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    )
}

/// A client's frame; its mask is zero.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match u16::try_from(payload.len()) {
        Ok(short) if short < 126 => bytes.push(0x80 | short.to_be_bytes()[1]),
        Ok(long) => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&long.to_be_bytes());
        }
        Err(_) => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(payload);
    bytes
}

#[tokio::test]
async fn a_handshake_that_is_none_is_told_what_is_spoken() {
    let s = start().await;
    for path in [ONE, MANY] {
        let (_, head) = Raw::ask(&s, path, &handshake("8"));
        assert!(head.starts_with("http/1.1 426 "), "{head}");
        assert!(head.contains("\r\nsec-websocket-version: 13\r\n"), "{head}");
        assert!(head.contains("\r\nupgrade: websocket\r\n"), "{head}");
        assert!(head.contains("application/problem+json"), "{head}");
        let (_, head) = Raw::ask(&s, path, &handshake("13").replace("AAAA==", "AA=="));
        assert!(head.starts_with("http/1.1 101 ") || head.starts_with("http/1.1 400 "), "{head}");
    }
    s.get(MANY).await.problem(426, "upgrade_required");
    // Another protocol is not asked for here: the events come as they always do.
    let (_, head) = Raw::ask(&s, ONE, "connection: upgrade\r\nupgrade: h2c\r\n");
    assert!(head.starts_with("http/1.1 200 "), "{head}");
}

#[tokio::test]
async fn what_breaks_the_protocol_is_told_its_code() {
    let s = start().await;
    let huge = vec![b' '; 1 << 20];
    for path in [ONE, MANY] {
        for (bytes, code) in [
            (frame(0x82, b"{}"), 1003),
            (frame(0x81, b"\"\xff\""), 1007),
            (frame(0x81, &huge), 1009),
            // A frame of no kind, one with a reserved bit, one that is not masked.
            (frame(0x83, b""), 1002),
            (frame(0xC1, b"{}"), 1002),
            (vec![0x81, 2, b'{', b'}'], 1002),
        ] {
            let mut socket = Raw::open(&s, path);
            // The server may have said its last word before it has heard all.
            let _ = socket.0.write_all(&bytes);
            assert_eq!(socket.end(), code, "{path} {:x?}", &bytes[..2]);
        }
    }
}

#[tokio::test]
async fn an_end_is_answered_with_its_code() {
    let s = start().await;
    for path in [ONE, MANY] {
        for code in [1000, 1001, 4_321] {
            let mut socket = Raw::open(&s, path);
            let payload = [&u16::to_be_bytes(code)[..], b"done"].concat();
            socket.0.write_all(&frame(0x88, &payload)).unwrap();
            assert_eq!(socket.end(), code);
        }
        let mut socket = Socket::open_at(&s, KEY, path).await;
        let frame = CloseFrame { code: 1000.into(), reason: "done".into() };
        socket.0.close(Some(frame)).await.unwrap();
        assert_eq!(socket.end().await, Some(1000));
    }
}

#[tokio::test]
async fn commands_where_none_are_taken_are_not_passed_over() {
    let s = start().await;
    let mut socket = Socket::open_at(&s, KEY, ONE).await;
    socket.0.send(Message::Text("{\"type\":\"unsubscribe\"}".into())).await.unwrap();
    let told = socket.next().await;
    assert_eq!((&told["event"], &told["data"]["code"]), (&json!("error"), &json!("bad_request")));
    assert_eq!(socket.end().await, Some(1008));
    // Where commands are taken, one that cannot be read does not end the others.
    let mut socket = Socket::open(&s, KEY).await;
    for wrong in ["{", "[]", "{\"type\":\"x\",\"uid\":\"a\"}"] {
        socket.0.send(Message::Text(wrong.into())).await.unwrap();
        assert_eq!(socket.next().await["event"], "error");
    }
    socket.send(json!({"type": "subscribe", "uid": "a", "stream": "orders"})).await;
    assert_eq!(socket.heard().await["event"], "heartbeat");
}

#[tokio::test]
async fn a_subscription_that_ends_says_why() {
    let mut s = start().await;
    let mut gone = Socket::open_at(&s, KEY, ONE).await;
    assert_eq!(gone.heard().await["event"], "heartbeat");
    s.delete("/v1/streams/orders").await.expect(204);
    assert_eq!(gone.next().await["data"]["code"], "not_found");
    assert_eq!(gone.end().await, Some(1008));
    let mut socket = Socket::open(&s, KEY).await;
    assert_eq!(s.stop(), Some(0));
    assert_eq!(socket.end().await, Some(1012));
}
