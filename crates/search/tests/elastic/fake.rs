//! A server that gives the answers that a test has written down, whatever is asked.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What is answered: a status, more head lines, a body.
pub(crate) type Answer = (u16, &'static str, String);

/// The server, and what it was asked.
pub(crate) struct Fake {
    pub(crate) url: String,
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    /// Answers the first request with the first answer; the last one is for all that come later.
    pub(crate) async fn new(answers: Vec<Answer>) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = asked.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, &answers, &seen).await;
            }
        });
        Fake { url, asked }
    }

    pub(crate) fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

/// Answers one request, and ends the connection.
async fn serve(mut stream: TcpStream, answers: &[Answer], asked: &Mutex<Vec<String>>) {
    let mut read = Vec::new();
    let mut part = [0; 4096];
    loop {
        let Ok(count) = stream.read(&mut part).await else { return };
        read.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&read).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if count == 0 {
                return;
            }
            continue;
        };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        if count == 0 || body.len() >= length {
            break;
        }
    }
    let number = {
        let mut asked = asked.lock().unwrap();
        asked.push(String::from_utf8_lossy(&read).into_owned());
        asked.len() - 1
    };
    let (status, head, body) = answers.get(number).or(answers.last()).unwrap();
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} X\r\n{head}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}
