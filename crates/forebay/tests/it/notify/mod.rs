//! From a notification to its receivers.

mod channels;
mod crash;
mod deliveries;
mod email;
mod inbox;
mod mail;
mod people;
mod posts;
mod receiver;
mod rules;
mod standard;
mod templates;

use serde_json::{Value, json};

use crate::support::{Engine, Server};
use receiver::Receiver;

/// Receivers of the tests are on this machine.
const LOCAL: (&str, &str) = ("FOREBAY_NOTIFY__ALLOW_PRIVATE", "127.0.0.0/8");

/// Where nobody is: what asks a proxy fails.
const PROXIES: [(&str, &str); 3] = [
    ("HTTP_PROXY", "http://127.0.0.1:1"),
    ("http_proxy", "http://127.0.0.1:1"),
    ("ALL_PROXY", "http://127.0.0.1:1"),
];

async fn start(engine: Engine) -> Server {
    Server::start_with(engine, &[&[LOCAL][..], &PROXIES].concat()).await
}

/// Makes a webhook; what its door answered.
async fn webhook(s: &Server, url: &str) -> Value {
    let body = json!({"name": "hook", "kind": "webhook", "config": {"url": url}});
    s.post("/v1/channels", body).await.expect(201)
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("{name}: {value}")).to_owned()
}

/// Waits until a page of deliveries is as wanted.
async fn until(s: &Server, query: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let limit = std::time::Duration::from_secs(60);
    let look = async {
        loop {
            let page = s.get(&format!("/v1/deliveries?limit=1000{query}")).await.expect(200);
            let items = page["items"].as_array().unwrap().clone();
            if wanted(&items) {
                return items;
            }
        }
    };
    tokio::time::timeout(limit, look).await.expect("the deliveries are never as wanted")
}

fn all(state: &'static str) -> impl Fn(&[Value]) -> bool {
    move |items| !items.is_empty() && items.iter().all(|item| item["state"] == state)
}
