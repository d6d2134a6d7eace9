//! Requests as bytes: what HTTP/1.1 does not allow (RFC 9112), and bodies that take their time.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::{Engine, KEY, Server, orders};

const POST: &str = "POST /v1/streams/orders/records HTTP/1.1\r\n";

/// A connection, with what came and was not looked at.
struct Raw(TcpStream, Vec<u8>);

impl Raw {
    fn open(s: &Server) -> Raw {
        let socket = TcpStream::connect(&s.address).unwrap();
        socket.set_nodelay(true).unwrap();
        Raw(socket, Vec::new()).patient(20_000)
    }

    /// How long a read waits from now on.
    fn patient(self, millis: u64) -> Raw {
        self.0.set_read_timeout(Some(Duration::from_millis(millis))).unwrap();
        self
    }

    /// Writes; what was refused before all of it was sent need not be.
    fn write(&mut self, text: &str) {
        let _ = self.0.write_all(text.as_bytes());
    }

    /// The status of the next answer, and all of the answer.
    fn answer(&mut self) -> (u16, String) {
        loop {
            let text = String::from_utf8_lossy(&self.1).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let lower = head.to_ascii_lowercase();
                let length = lower.lines().find_map(|l| l.strip_prefix("content-length: "));
                let length: usize = length.map_or(0, |l| l.parse().unwrap());
                if body.len() >= length {
                    self.1.drain(..head.len() + 4 + length);
                    return (text[9..12].parse().unwrap(), text);
                }
            }
            let mut piece = [0; 4096];
            match self.0.read(&mut piece).unwrap() {
                0 => panic!("ended after {text:?}"),
                read => self.1.extend_from_slice(&piece[..read]),
            }
        }
    }

    fn ended(&mut self) -> bool {
        matches!(self.0.read(&mut [0; 16]), Ok(0) | Err(_))
    }
}

async fn start(settings: &[(&str, &str)]) -> Server {
    let s = Server::start_with(Engine::Sqlite, settings).await;
    s.put("/v1/streams/orders", orders()).await.expect(201);
    s
}

/// A request's head with these fields, by somebody who may.
fn head(line: &str, fields: &str) -> String {
    format!("{line}x-api-key: {KEY}\r\n{fields}\r\n")
}

fn ask(s: &Server, text: &str) -> (u16, String) {
    let mut socket = Raw::open(s);
    socket.write(text);
    socket.answer()
}

#[tokio::test]
async fn a_head_is_as_long_as_it_may_be() {
    let s = start(&[]).await;
    let line = "GET /v1/streams HTTP/1.1\r\n";
    for (bytes, status) in [(31, 200), (33, 431), (40, 431), (48, 431), (60, 431)] {
        let filled = |rest: usize| format!("a: {}\r\n", "x".repeat((bytes << 10) - rest));
        let text = head(line, &format!("host: x\r\n{}", filled(200)));
        let (told, answer) = ask(&s, &text);
        assert_eq!(told, status, "{bytes} KiB: {answer}");
        // The same behind a request that is in order, in one piece with it.
        let first = head(line, "host: x\r\n");
        let mut socket = Raw::open(&s);
        socket.write(&format!("{first}{text}"));
        assert_eq!(socket.answer().0, 200);
        assert_eq!(socket.answer().0, status, "{bytes} KiB");
        // As spaces that no field holds, and in the path.
        let spaces = format!("host: x\r\na:{}b\r\n", " ".repeat((bytes << 10) - 200));
        assert_eq!(ask(&s, &head(line, &spaces)).0, status, "{bytes} KiB of spaces");
        let long = format!("GET /v1/me?{} HTTP/1.1\r\n", "a".repeat((bytes << 10) - 200));
        let (told, _) = ask(&s, &head(&long, "host: x\r\n"));
        assert_eq!(told, if status == 200 { 400 } else { 431 }, "{bytes} KiB of path");
    }
}

#[tokio::test]
async fn a_request_has_one_host_and_one_end() {
    let s = start(&[]).await;
    let line = "GET /v1/streams HTTP/1.1\r\n";
    for (fields, status) in [
        ("host: x\r\n", 200),
        ("host:\r\n", 200),
        ("Host: [::1]:8000\r\n", 200),
        ("", 400),
        ("host: x\r\nhost: x\r\n", 400),
        ("host: x\r\nHost: y\r\n", 400),
        ("host: a b\r\n", 400),
        ("host: a@b\r\n", 400),
    ] {
        let mut socket = Raw::open(&s);
        socket.write(&head(line, fields));
        let (told, text) = socket.answer();
        assert_eq!(told, status, "{fields:?}: {text}");
        assert!(told == 200 || text.contains("\"code\":\"bad_request\""), "{text}");
        assert!(told == 200 || socket.ended(), "{fields:?}");
    }
    // HTTP/1.0 needs none.
    assert_eq!(ask(&s, &head("GET /v1/streams HTTP/1.0\r\n", "")).0, 200);
    let body = "7\r\n{\"n\":1}\r\n0\r\n\r\n";
    for (fields, status) in [
        ("transfer-encoding: chunked\r\n", 200),
        ("Transfer-Encoding: Chunked\r\n", 200),
        ("transfer-encoding: gzip, chunked\r\n", 400),
        ("transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n", 400),
        ("transfer-encoding: chunked, chunked\r\n", 400),
        ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", 400),
        ("transfer-encoding: identity\r\n", 400),
        ("transfer-encoding: chunked\r\ncontent-length: 7\r\n", 400),
        ("content-length: 7\r\ntransfer-encoding: chunked\r\n", 400),
        ("content-length: 7\r\ncontent-length: 8\r\n", 400),
    ] {
        let mut socket = Raw::open(&s);
        let text = head(POST, &format!("host: x\r\n{fields}"));
        socket.write(&format!("{text}{body}"));
        let (told, text) = socket.answer();
        assert_eq!(told, status, "{fields:?}: {text}");
        assert!(told == 200 || socket.ended(), "{fields:?}");
    }
    let stream = s.get("/v1/streams/orders").await.expect(200);
    assert_eq!(stream["last_seq"], 2);
}

#[tokio::test]
async fn a_body_beyond_its_bound_is_not_asked_for() {
    let s = start(&[]).await;
    for line in [POST, "PUT /v1/streams/more HTTP/1.1\r\n"] {
        let expect = |length: u64| {
            let fields = format!("host: x\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n");
            ask(&s, &head(line, &fields))
        };
        let (status, text) = expect(1 << 30);
        assert_eq!(status, 413, "{text}");
        assert_eq!(expect(7).0, 100);
    }
}

#[tokio::test]
async fn a_body_that_comes_slowly_is_waited_for_and_one_that_stops_is_not() {
    let settings =
        [("FOREBAY_SERVER__REQUEST_TIMEOUT", "500ms"), ("FOREBAY_SERVER__BODY_TIMEOUT", "2s")];
    let s = start(&settings).await;
    for line in [POST, "PUT /v1/streams/orders?force=true HTTP/1.1\r\n"] {
        let mut socket = Raw::open(&s).patient(200);
        socket.write(&head(line, "host: x\r\ncontent-length: 12\r\n"));
        for _ in 0..10 {
            // Nothing is said while it comes, for four times as long as an answer may take.
            let kind = socket.0.read(&mut [0; 1]).unwrap_err().kind();
            assert!(matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{kind}");
            socket.write(" ");
        }
        socket.write("{}");
        let mut socket = socket.patient(20_000);
        assert_eq!(socket.answer().0, 200);
        socket.write(&head(line, "host: x\r\ncontent-length: 12\r\n"));
        socket.write("{");
        let (status, text) = socket.answer();
        assert_eq!(status, 408, "{text}");
        assert!(text.contains("\"code\":\"request_timeout\""), "{text}");
    }
}
