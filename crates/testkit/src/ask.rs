//! One request over a connection of its own: enough of HTTP to pull a server's levers.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// How long an answer may take; nothing that is asked here does.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends a request with a body of JSON, or of lines of it; returns the status and the body.
pub(crate) fn ask(port: u16, method: &str, path: &str, body: &str) -> Result<(u16, String)> {
    let mut connection = TcpStream::connect(("127.0.0.1", port))?;
    connection.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    connection.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer)?;
    read(&answer).context("this is no answer")
}

/// Takes a whole answer apart; nothing where it is not one.
fn read(answer: &[u8]) -> Option<(u16, String)> {
    let (head, body) = split(answer, b"\r\n\r\n")?;
    let head = std::str::from_utf8(head).ok()?.to_ascii_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let in_chunks = head.contains("\r\ntransfer-encoding: chunked");
    let body = if in_chunks { join(body)? } else { body.to_owned() };
    Some((status, String::from_utf8(body).ok()?))
}

/// Joins the chunks of a body (RFC 9112, section 7.1).
fn join(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let (size, rest) = split(body, b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        whole.extend(rest.get(..size)?);
        body = rest.get(size + 2..)?;
    }
}

fn split<'a>(bytes: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let place = bytes.windows(at.len()).position(|window| window == at)?;
    Some((bytes.get(..place)?, bytes.get(place + at.len()..)?))
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn an_answer_is_whole_or_none() {
        let plain = b"HTTP/1.1 429 Too Many\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(read(plain), Some((429, "{}".to_owned())));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{\"\r\nA\r\n\u{e4}12345678\r\n0\r\n\r\n";
        assert_eq!(read(chunked.as_bytes()), Some((200, "{\"\u{e4}12345678".to_owned())));
        for cut in [0, 20, 50, chunked.len() - 10] {
            assert_eq!(read(&chunked.as_bytes()[..cut]), None, "{cut}");
        }
    }
}
