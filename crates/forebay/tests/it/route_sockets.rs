//! WebSockets through a user's route: what goes in comes out, and a stop is told.

use serde_json::json;

use crate::events::Socket;
use crate::support::{Engine, KEY, Server, orders};

#[tokio::test]
async fn a_websocket_passes_a_route_and_hears_of_a_stop() {
    // A Forebay is a service of somebody's too.
    let behind = Server::start(Engine::Sqlite).await;
    behind.put("/v1/streams/orders", orders()).await.expect(201);
    let routes = json!([{"name": "behind", "match": {"prefix": "/b"}, "rewrite": {"prefix": "/"},
        "upstream": "behind", "auth": "none", "pass_credentials": true}]);
    let endpoint = format!("http://{}", behind.address);
    let upstreams = json!([{"name": "behind", "endpoints": [endpoint]}]);
    let environment =
        [("FOREBAY_ROUTES", routes.to_string()), ("FOREBAY_UPSTREAMS", upstreams.to_string())];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut front = Server::start_with(Engine::Sqlite, &environment).await;
    let mut socket = Socket::open_at(&front, KEY, "/b/v1/subscribe").await;
    let command = json!({"type": "subscribe", "uid": "a", "stream": "orders", "after": 0});
    socket.send(command).await;
    let long = "x".repeat(70_000);
    for n in 0..50 {
        let record = json!({"n": n, "owner": "ann", "text": long});
        behind.post("/v1/streams/orders/records", record).await.expect(200);
        let told = socket.next().await;
        let told = if told["event"] == "create" { told } else { socket.next().await };
        assert_eq!(told["data"]["record"]["data"]["n"], n, "{}", told["event"]);
    }
    let stopping = std::thread::spawn(move || front.stop());
    assert_eq!(socket.end().await, Some(1012));
    drop(socket);
    assert_eq!(stopping.join().unwrap(), Some(0));
    behind.get("/v1/streams").await.expect(200);
}
