//! A subscriber by server-sent events.

use reqwest::Method;
use serde_json::Value;

use crate::support::{Answer, Server};

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

    /// The next event: name, id, data. `None` when the server ended the stream.
    pub(crate) async fn next(&mut self) -> Option<(String, String, Value)> {
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
