use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::guard::Resolver;

/// A server that says these bytes to each connection, once it was asked; and how many there were.
async fn server(says: &'static [u8], ends: bool) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut asked = [0; 4096];
                let _ = socket.read(&mut asked).await;
                let _ = socket.write_all(says).await;
                if !ends {
                    std::future::pending::<()>().await;
                }
            });
        }
    });
    (port, count)
}

fn client() -> Client {
    Client::new(Guard::new(vec!["127.0.0.1/32".parse().unwrap()])).unwrap()
}

fn call(url: &str) -> Call {
    Call {
        method: Method::POST,
        url: Url::parse(url).unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"{}"),
        timeout: Duration::from_secs(5),
        keep: 100,
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_no_way() {
    let (there, visits) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", true).await;
    let says = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:{there}/\r\n\
         content-length: 0\r\n\r\n"
    );
    let (port, _) = server(says.leak().as_bytes(), true).await;
    let answer = client().send(call(&format!("http://127.0.0.1:{port}/"))).await.unwrap();
    assert_eq!(answer.status, 307);
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_answer_is_kept_up_to_its_bound() {
    let short = b"HTTP/1.1 500 No\r\nretry-after: 7\r\ncontent-length: 3\r\n\r\nabc";
    let (port, _) = server(short, false).await;
    let answer = client().send(call(&format!("http://127.0.0.1:{port}/"))).await.unwrap();
    let retry_after = Some("7".to_owned());
    assert_eq!(answer, Answer { status: 500, body: b"abc".to_vec(), cut: false, retry_after });
    let long = [&b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n"[..], &[b'x'; 5000]];
    let (port, _) = server(long.concat().leak(), false).await;
    let answer = client().send(call(&format!("http://127.0.0.1:{port}/"))).await.unwrap();
    assert_eq!((answer.status, answer.body.len(), answer.cut), (200, 100, true));
}

#[tokio::test]
async fn silence_and_nobody() {
    let (port, _) = server(b"", false).await;
    let url = format!("http://127.0.0.1:{port}/");
    let call_for = Call { timeout: Duration::from_millis(50), ..call(&url) };
    let failure = client().send(call_for).await.unwrap_err();
    assert_eq!(failure, Failure::Timeout(Duration::from_millis(50)));
    let failure = client().send(call("http://127.0.0.1:1/")).await.unwrap_err();
    assert!(matches!(failure, Failure::Unreachable(_)), "{failure}");
    let failure = client().send(call("http://10.0.0.1/")).await.unwrap_err();
    assert_eq!(failure, Failure::Refused(Refusal::Private));
}

/// A name that stands for one address first, and for others later.
struct Rebinding(AtomicUsize);

#[async_trait]
impl Resolver for Rebinding {
    async fn resolve(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
        let first = self.0.fetch_add(1, Ordering::SeqCst) == 0;
        let address = if first { "127.0.0.1" } else { "127.0.0.2" };
        Ok(vec![address.parse().unwrap()])
    }
}

#[tokio::test]
async fn a_name_is_resolved_once_and_what_it_stands_for_later_is_looked_at_too() {
    let says = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let (port, _) = server(says, true).await;
    let names = Arc::new(Rebinding(AtomicUsize::new(0)));
    // One address of this machine is allowed, and the one beside it is not.
    let allowed = vec!["127.0.0.1/32".parse().unwrap()];
    let client = Client::new(Guard::with_resolver(allowed, names.clone())).unwrap();
    let url = format!("http://rebinding.example:{port}/");
    assert_eq!(client.send(call(&url)).await.unwrap().status, 200);
    assert_eq!(names.0.load(Ordering::SeqCst), 1);
    let failure = client.send(call(&url)).await.unwrap_err();
    assert_eq!(failure, Failure::Refused(Refusal::Private));
}
