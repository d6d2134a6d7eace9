//! Requests that two readers could read in two ways (RFC 9112, 11.2): refused, and nothing after them
//! is read.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::{Engine, KEY, Server, orders};

/// A request's line and its fields, without the last line end of the head.
struct Case {
    name: &'static str,
    line: &'static str,
    fields: &'static str,
    /// What stands behind the head.
    rest: &'static str,
}

const GET: &str = "GET /v1/streams HTTP/1.1";
const POST: &str = "POST /v1/streams/orders/records HTTP/1.1";
const CHUNKED: &str = "Host: x\r\nTransfer-Encoding: chunked\r\n";

const fn case(
    name: &'static str,
    line: &'static str,
    fields: &'static str,
    rest: &'static str,
) -> Case {
    Case { name, line, fields, rest }
}

/// Two ends of a body, or none that everybody sees.
const ENDS: &[Case] = &[
    case(
        "length and coding",
        POST,
        "Host: x\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n",
        "0\r\n\r\n",
    ),
    case(
        "coding and length",
        POST,
        "Host: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\n",
        "0\r\n\r\n",
    ),
    case(
        "coding and no length",
        POST,
        "Host: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "0\r\n\r\n",
    ),
    case(
        "length twice, unlike",
        POST,
        "Host: x\r\nContent-Length: 7\r\nContent-Length: 8\r\n",
        "{\"n\":1}",
    ),
    case(
        "length twice, alike",
        POST,
        "Host: x\r\nContent-Length: 7\r\nContent-Length: 7\r\n",
        "{\"n\":1}",
    ),
    case("a list of lengths, alike", POST, "Host: x\r\nContent-Length: 7, 7\r\n", "{\"n\":1}"),
    case("a list of lengths, unlike", POST, "Host: x\r\nContent-Length: 7, 8\r\n", "{\"n\":1}"),
    case("a length with a sign", POST, "Host: x\r\nContent-Length: +7\r\n", "{\"n\":1}"),
    case("a negative length", POST, "Host: x\r\nContent-Length: -7\r\n", "{\"n\":1}"),
    case("no length in it", POST, "Host: x\r\nContent-Length: \r\n", "{\"n\":1}"),
    case("a length in hex", POST, "Host: x\r\nContent-Length: 0x7\r\n", "{\"n\":1}"),
    case("a length with a point", POST, "Host: x\r\nContent-Length: 7.0\r\n", "{\"n\":1}"),
    case("a length with more", POST, "Host: x\r\nContent-Length: 7abc\r\n", "{\"n\":1}"),
    case("a length in pieces", POST, "Host: x\r\nContent-Length: 0 7\r\n", "{\"n\":1}"),
    case(
        "a length beyond all",
        POST,
        "Host: x\r\nContent-Length: 99999999999999999999999\r\n",
        "{\"n\":1}",
    ),
    case(
        "a length that wraps",
        POST,
        "Host: x\r\nContent-Length: 18446744073709551623\r\n",
        "{\"n\":1}",
    ),
    case("a length of NUL", POST, "Host: x\r\nContent-Length: 7\0\r\n", "{\"n\":1}"),
    case("a length of other digits", POST, "Host: x\r\nContent-Length: \u{667}\r\n", "{\"n\":1}"),
    case(
        "coding twice",
        POST,
        "Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "0\r\n\r\n",
    ),
    case(
        "coding, and another",
        POST,
        "Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "0\r\n\r\n",
    ),
    case(
        "another, and coding",
        POST,
        "Host: x\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "0\r\n\r\n",
    ),
    case("identity", POST, "Host: x\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"),
    case("gzip before", POST, "Host: x\r\nTransfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
    case("gzip behind", POST, "Host: x\r\nTransfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"),
    case(
        "chunked of chunked",
        POST,
        "Host: x\r\nTransfer-Encoding: chunked, chunked\r\n",
        "0\r\n\r\n",
    ),
    case("xchunked", POST, "Host: x\r\nTransfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
    case("chunkedx", POST, "Host: x\r\nTransfer-Encoding: chunkedx\r\n", "0\r\n\r\n"),
    case("quoted", POST, "Host: x\r\nTransfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"),
    case("with a parameter", POST, "Host: x\r\nTransfer-Encoding: chunked;q=1\r\n", "0\r\n\r\n"),
    case("with a comma", POST, "Host: x\r\nTransfer-Encoding: chunked,\r\n", "0\r\n\r\n"),
    case("behind a comma", POST, "Host: x\r\nTransfer-Encoding: , chunked\r\n", "0\r\n\r\n"),
    case("no coding in it", POST, "Host: x\r\nTransfer-Encoding:\r\n", "0\r\n\r\n"),
    case("a vertical tab", POST, "Host: x\r\nTransfer-Encoding: \u{b}chunked\r\n", "0\r\n\r\n"),
    case("a form feed", POST, "Host: x\r\nTransfer-Encoding: chunked\u{c}\r\n", "0\r\n\r\n"),
    case("a NUL", POST, "Host: x\r\nTransfer-Encoding: chunked\0\r\n", "0\r\n\r\n"),
    case("a coding of 1.0", "POST /v1/streams/orders/records HTTP/1.0", CHUNKED, "0\r\n\r\n"),
    case(
        "a coding by underscore",
        POST,
        "Host: x\r\nContent-Length: 7\r\nTransfer_Encoding: chunked\r\nTransfer-Encoding : chunked\r\n",
        "{\"n\":1}",
    ),
];

/// Names, values and lines that some readers take in another way.
const FIELDS: &[Case] = &[
    case("a space before the colon", POST, "Host: x\r\nContent-Length : 7\r\n", "{\"n\":1}"),
    case("a tab before the colon", POST, "Host: x\r\nContent-Length\t: 7\r\n", "{\"n\":1}"),
    case(
        "coding, a space before the colon",
        POST,
        "Host: x\r\nTransfer-Encoding : chunked\r\n",
        "0\r\n\r\n",
    ),
    case(
        "a space before the name",
        POST,
        "Host: x\r\n Transfer-Encoding: chunked\r\n",
        "0\r\n\r\n",
    ),
    case("a space before the first name", POST, " Host: x\r\nContent-Length: 7\r\n", "{\"n\":1}"),
    case("a folded coding", POST, "Host: x\r\nTransfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"),
    case("a folded value", GET, "Host: x\r\na: b\r\n\tc\r\n", ""),
    case("a folded length", POST, "Host: x\r\nContent-Length:\r\n 7\r\n", "{\"n\":1}"),
    case("a bare line feed", GET, "Host: x\na: b\r\n", ""),
    case(
        "a bare line feed before a coding",
        POST,
        "Host: x\r\na: b\nTransfer-Encoding: chunked\r\n",
        "0\r\n\r\n",
    ),
    case("a bare carriage return", GET, "Host: x\r\na: b\rc: d\r\n", ""),
    case(
        "a bare carriage return before a coding",
        POST,
        "Host: x\r\na: b\rTransfer-Encoding: chunked\r\n",
        "0\r\n\r\n",
    ),
    case("two carriage returns", GET, "Host: x\r\na: b\r\r\n", ""),
    case("a NUL in a value", GET, "Host: x\r\na: b\0c\r\n", ""),
    case("a NUL in a name", GET, "Host: x\r\na\0: b\r\n", ""),
    case("a control in a value", GET, "Host: x\r\na: b\u{1}c\r\n", ""),
    case("a delete in a value", GET, "Host: x\r\na: b\u{7f}c\r\n", ""),
    case("a name of none", GET, "Host: x\r\n: b\r\n", ""),
    case("a line without a colon", GET, "Host: x\r\nnothing\r\n", ""),
    case("a name with a space", GET, "Host: x\r\na b: c\r\n", ""),
    case("a name with a slash", GET, "Host: x\r\na/b: c\r\n", ""),
    case("a name in brackets", GET, "Host: x\r\n[a]: c\r\n", ""),
    case("a name beyond ASCII", GET, "Host: x\r\n\u{e9}: c\r\n", ""),
    case("no host", GET, "", ""),
    case("two hosts", GET, "Host: x\r\nHost: y\r\n", ""),
    case("two hosts, alike", GET, "Host: x\r\nHost: x\r\n", ""),
    case("a list of hosts", GET, "Host: x, y\r\n", ""),
    case("a host with a space", GET, "Host: x y\r\n", ""),
    case("a host with somebody", GET, "Host: a@x\r\n", ""),
    case("a host with a path", GET, "Host: x/y\r\n", ""),
    case("a host with a query", GET, "Host: x?y\r\n", ""),
    case("a host with a fragment", GET, "Host: x#y\r\n", ""),
    case("a host with no port", GET, "Host: x:y\r\n", ""),
    case("a host that is folded", GET, "Host:\r\n x\r\n", ""),
];

/// Lines that begin a request.
const LINES: &[Case] = &[
    case("two spaces", "GET  /v1/streams HTTP/1.1", "Host: x\r\n", ""),
    case("a tab", "GET\t/v1/streams\tHTTP/1.1", "Host: x\r\n", ""),
    case("a space behind", "GET /v1/streams HTTP/1.1 ", "Host: x\r\n", ""),
    case("a space before", " GET /v1/streams HTTP/1.1", "Host: x\r\n", ""),
    case("a space in the target", "GET /v1/streams a HTTP/1.1", "Host: x\r\n", ""),
    case("no version", "GET /v1/streams", "Host: x\r\n", ""),
    case("version 0.9", "GET /v1/streams HTTP/0.9", "Host: x\r\n", ""),
    case("version 1.2", "GET /v1/streams HTTP/1.2", "Host: x\r\n", ""),
    case("version 2.0", "GET /v1/streams HTTP/2.0", "Host: x\r\n", ""),
    case("version 1.1 in small letters", "GET /v1/streams http/1.1", "Host: x\r\n", ""),
    case("version 1.10", "GET /v1/streams HTTP/1.10", "Host: x\r\n", ""),
    case("version 01.1", "GET /v1/streams HTTP/01.1", "Host: x\r\n", ""),
    case("no slash", "GET v1/streams HTTP/1.1", "Host: x\r\n", ""),
    case("a fragment", "GET /v1/streams#a HTTP/1.1", "Host: x\r\n", ""),
    case("a NUL", "GET /v1/streams\0 HTTP/1.1", "Host: x\r\n", ""),
    case("a carriage return", "GET /v1/streams\rHTTP/1.1", "Host: x\r\n", ""),
    case("a bare line feed", "GET /v1/streams HTTP/1.1\nHost: x", "a: b\r\n", ""),
    case("a star", "GET * HTTP/1.1", "Host: x\r\n", ""),
    case("another host", "GET http://y/v1/streams HTTP/1.1", "Host: x\r\n", ""),
    case("another port", "GET http://x:81/v1/streams HTTP/1.1", "Host: x\r\n", ""),
    case("another scheme", "GET ftp://x/v1/streams HTTP/1.1", "Host: x\r\n", ""),
    case("a host with somebody", "GET http://a@x/v1/streams HTTP/1.1", "Host: x\r\n", ""),
    case("a tunnel", "CONNECT x:80 HTTP/1.1", "Host: x:80\r\n", ""),
    case("a method in brackets", "G(T /v1/streams HTTP/1.1", "Host: x\r\n", ""),
    case("HTTP/2 as it is known before", "PRI * HTTP/2.0", "", "SM\r\n\r\n"),
];

/// Bodies whose pieces do not say clearly where they end.
const CHUNKS: &[Case] = &[
    case("no size", POST, CHUNKED, "\r\n{\"n\":1}\r\n0\r\n\r\n"),
    case("no number", POST, CHUNKED, "x\r\n{\"n\":1}\r\n0\r\n\r\n"),
    case("a size with a sign", POST, CHUNKED, "+7\r\n{\"n\":1}\r\n0\r\n\r\n"),
    case("a negative size", POST, CHUNKED, "-7\r\n{\"n\":1}\r\n0\r\n\r\n"),
    case("a size with 0x", POST, CHUNKED, "0x7\r\n{\"n\":1}\r\n0\r\n\r\n"),
    case("a size with a space before", POST, CHUNKED, " 7\r\n{\"n\":1}\r\n0\r\n\r\n"),
    case("a size with a space behind", POST, CHUNKED, "7 \r\n{\"n\":1}\r\n0\r\n\r\n"),
    case("a size that wraps", POST, CHUNKED, "10000000000000007\r\n{\"n\":1}\r\n0\r\n\r\n"),
    case(
        "a size of many zeroes",
        POST,
        CHUNKED,
        "000000000000000000000007\r\n{\"n\":1}\r\n0\r\n\r\n",
    ),
    case("a bare line feed behind the size", POST, CHUNKED, "7\n{\"n\":1}\r\n0\r\n\r\n"),
    case("a bare carriage return behind the size", POST, CHUNKED, "7\r{\"n\":1}\r\n0\r\n\r\n"),
    case("a bare line feed behind the piece", POST, CHUNKED, "7\r\n{\"n\":1}\n0\r\n\r\n"),
    case("nothing behind the piece", POST, CHUNKED, "7\r\n{\"n\":1}0\r\n\r\n"),
    case("more than the size", POST, CHUNKED, "7\r\n{\"n\":1} \r\n0\r\n\r\n"),
    case("less than the size", POST, CHUNKED, "8\r\n{\"n\":1}\r\n0\r\n\r\n"),
    case("a bare line feed behind the last", POST, CHUNKED, "7\r\n{\"n\":1}\r\n0\n\r\n"),
    case("an end of one line feed", POST, CHUNKED, "7\r\n{\"n\":1}\r\n0\r\n\n"),
    case("an extension with a line feed", POST, CHUNKED, "7;a\nb\r\n{\"n\":1}\r\n0\r\n\r\n"),
    case("an extension with a carriage return", POST, CHUNKED, "7;a\rb\r\n{\"n\":1}\r\n0\r\n\r\n"),
    case("an extension of NUL", POST, CHUNKED, "7;\0\r\n{\"n\":1}\r\n0\r\n\r\n"),
    case("a trailer without a colon", POST, CHUNKED, "7\r\n{\"n\":1}\r\n0\r\nnothing\r\n\r\n"),
    case("a folded trailer", POST, CHUNKED, "7\r\n{\"n\":1}\r\n0\r\na: b\r\n c\r\n\r\n"),
    case(
        "a trailer with a bare line feed",
        POST,
        CHUNKED,
        "7\r\n{\"n\":1}\r\n0\r\na: b\nc: d\r\n\r\n",
    ),
];

/// What stands behind each: a reader that took another end would answer it.
fn second() -> String {
    format!("GET /v1/me HTTP/1.1\r\nHost: x\r\nX-Api-Key: {KEY}\r\n\r\n")
}

/// All that comes until the connection ends.
fn told(s: &Server, text: &str) -> String {
    let mut socket = TcpStream::connect(&s.address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    // It may be refused before all of it was sent.
    let _ = socket.write_all(text.as_bytes());
    let mut told = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match socket.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => told.extend_from_slice(&piece[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => {
                told.extend_from_slice(format!("\n(left open: {error})").as_bytes());
                break;
            }
        }
    }
    String::from_utf8_lossy(&told).into_owned()
}

/// What is wrong with how a case is answered.
fn wrong(s: &Server, before: &str, case: &Case) -> Option<String> {
    let Case { name, line, fields, rest } = case;
    let head = format!("{line}\r\nX-Api-Key: {KEY}\r\n{fields}\r\n");
    // What is wrong with the first field must stay there.
    let head = if fields.starts_with(' ') {
        format!("{line}\r\n{fields}X-Api-Key: {KEY}\r\n\r\n")
    } else {
        head
    };
    let text = told(s, &format!("{before}{head}{rest}{}", second()));
    let answers = text.matches("HTTP/1.1 ").count();
    let expected = if before.is_empty() { 1 } else { 2 };
    let last = text.rsplit("HTTP/1.1 ").next().unwrap_or_default();
    let refused = ["400", "501", "505"].contains(&last.get(..3).unwrap_or_default());
    let first = before.is_empty() || text.starts_with("HTTP/1.1 200");
    let close = last.to_ascii_lowercase().contains("connection: close");
    let open = text.contains("(left open");
    (answers != expected || !refused || !first || !close || open)
        .then(|| format!("{name}: {text}\n\n"))
}

async fn all(cases: &[Case]) {
    let s = Server::start(Engine::Sqlite).await;
    s.put("/v1/streams/orders", orders()).await.expect(201);
    let mut failed = Vec::new();
    // Alone, and in one piece with a request before it, whose answer is still to come.
    for before in [String::new(), second()] {
        failed.extend(cases.iter().filter_map(|case| wrong(&s, &before, case)));
    }
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), cases.len() * 2, failed.concat());
    assert_eq!(s.get("/v1/streams/orders").await.expect(200)["last_seq"], 0);
    s.post("/v1/streams/orders/records", serde_json::json!({"n": 1})).await.expect(200);
}

#[tokio::test]
async fn a_body_has_one_end() {
    all(ENDS).await;
}

#[tokio::test]
async fn a_field_is_one_line_with_one_name() {
    all(FIELDS).await;
}

#[tokio::test]
async fn a_request_begins_with_one_line() {
    all(LINES).await;
}

#[tokio::test]
async fn a_piece_is_as_long_as_it_says() {
    all(CHUNKS).await;
}

/// What looks odd and is allowed.
#[tokio::test]
async fn what_has_one_reading_is_taken() {
    let s = Server::start(Engine::Sqlite).await;
    s.put("/v1/streams/orders", orders()).await.expect(201);
    let mut stored = 0;
    for (line, fields, body) in [
        (POST, CHUNKED, "7\r\n{\"n\":1}\r\n0\r\n\r\n"),
        (
            POST,
            "Host: x\r\ntransfer-encoding:\tChunked \r\n",
            "07;a=\"b c\"\r\n{\"n\":1}\r\n00\r\n\r\n",
        ),
        (POST, CHUNKED, "3\r\n{\"n\r\n4;a\r\n\":1}\r\n0\r\na: b\r\n\r\n"),
        (POST, "Host: x\r\nContent-Length:7\r\n", "{\"n\":1}"),
        (POST, "Host: x\r\nContent-Length:   0000000007   \r\n", "{\"n\":1}"),
        (
            "POST http://x/v1/streams/orders/records HTTP/1.1",
            "Host: x\r\nContent-Length: 7\r\n",
            "{\"n\":1}",
        ),
        (
            "POST http://X:80/v1/streams/orders/records HTTP/1.1",
            "Host: x\r\nContent-Length: 7\r\n",
            "{\"n\":1}",
        ),
    ] {
        let head = format!("{line}\r\nX-Api-Key: {KEY}\r\n{fields}\r\n");
        // Two in one piece, and an end.
        let last = "GET /v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let text = told(&s, &format!("\r\n{head}{body}{head}{body}{last}"));
        assert_eq!(text.matches("HTTP/1.1 200").count(), 2, "{line} {fields} {body}: {text}");
        assert_eq!(text.matches("HTTP/1.1 ").count(), 3, "{line} {fields} {body}: {text}");
        stored += 2;
    }
    assert_eq!(s.get("/v1/streams/orders").await.expect(200)["last_seq"], stored);
}
