//! A receiver of webhooks: it notes what comes, and answers as it is told.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

/// A message that came.
#[derive(Debug, Clone)]
pub(super) struct Came {
    pub(super) path: String,
    pub(super) headers: HashMap<String, String>,
    pub(super) body: String,
}

impl Came {
    pub(super) fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// How it answers, by path; 204 where nothing is said.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    Status(u16),
    Redirect(&'static str),
    Endless,
    Never,
}

#[derive(Default)]
struct Inside {
    came: Mutex<Vec<Came>>,
    more: Condvar,
    ways: Mutex<HashMap<String, Way>>,
}

/// A running receiver; it ends with the test's process.
#[derive(Clone)]
pub(super) struct Receiver {
    inside: Arc<Inside>,
    pub(super) url: String,
}

impl Receiver {
    /// Starts one in a thread of its own, so that a test may wait for it.
    pub(super) fn start() -> Receiver {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let inside = Arc::new(Inside::default());
        let router = Router::new().fallback(take).with_state(inside.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, router).await.unwrap();
            });
        });
        Receiver { inside, url }
    }

    pub(super) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub(super) fn answers(&self, path: &str, way: Way) {
        self.inside.ways.lock().unwrap().insert(path.to_owned(), way);
    }

    pub(super) fn came(&self) -> Vec<Came> {
        self.inside.came.lock().unwrap().clone()
    }

    /// What came to a path.
    pub(super) fn came_to(&self, path: &str) -> Vec<Came> {
        self.came().into_iter().filter(|came| came.path == path).collect()
    }

    /// Waits until what came is as wanted.
    pub(super) fn until(&self, wanted: impl Fn(&[Came]) -> bool) -> Vec<Came> {
        let limit = std::time::Duration::from_secs(60);
        let came = self.inside.came.lock().unwrap();
        let missing = |came: &mut Vec<Came>| !wanted(came);
        let (came, late) = self.inside.more.wait_timeout_while(came, limit, missing).unwrap();
        assert!(!late.timed_out(), "{} came: {:?}", came.len(), came.last());
        came.clone()
    }
}

async fn take(
    State(inside): State<Arc<Inside>>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    let path = uri.path().to_owned();
    let headers = headers.iter();
    let headers = headers.map(|(k, v)| (k.to_string(), v.to_str().unwrap_or("").to_owned()));
    let way = inside.ways.lock().unwrap().get(&path).copied().unwrap_or(Way::Status(204));
    inside.came.lock().unwrap().push(Came { path, headers: headers.collect(), body });
    inside.more.notify_all();
    match way {
        Way::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Way::Redirect(to) => (StatusCode::FOUND, [("location", to)]).into_response(),
        Way::Endless => {
            let piece = || futures_util::future::ready(Ok::<_, std::io::Error>("x".repeat(65_536)));
            let pieces = futures_util::stream::repeat_with(piece);
            axum::body::Body::from_stream(futures_util::StreamExt::buffered(pieces, 1))
                .into_response()
        }
        Way::Never => std::future::pending().await,
    }
}
