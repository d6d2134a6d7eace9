//! The engine outside, on real servers of both makers: what it answers is what a naive reading of the
//! same documents answers, and what goes wrong ends as the interface says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends there")]

mod answers;
mod fake;
mod refusals;
#[allow(clippy::type_complexity, clippy::print_stderr, reason = "pairs; a seed is for people")]
#[path = "../suite/mod.rs"]
mod suite;
mod writing;

use std::time::Duration;

use forebay_search::elastic::{Engine, View};
use forebay_search::settings::{Credentials, Outside};
use forebay_search::{Batch, Document, Layout, Settings};
use forebay_testkit::Product;
use uuid::Uuid;

use suite::rng::Rng;

/// Settings for a server, with a prefix that no other test has.
fn settings(url: &str) -> Outside {
    Outside {
        url: url.to_owned(),
        prefix: format!("t{}", Uuid::now_v7().simple()),
        credentials: Credentials::None,
        ca: None,
        deployment: "this one".to_owned(),
        timeout: Duration::from_secs(60),
        refresh: Duration::from_millis(100),
    }
}

/// A place on the server of all tests; what was made there goes with it.
struct Place {
    settings: Outside,
    engine: Engine,
}

impl Place {
    async fn new(url: &str) -> Place {
        let settings = settings(url);
        let engine = Engine::open(&settings).await.unwrap();
        Place { settings, engine }
    }

    /// A live index with all of some documents.
    async fn with(url: &str, layout: &Layout, documents: &[Document]) -> (Place, View) {
        let place = Place::new(url).await;
        let made = place.engine.create(layout).await.unwrap();
        place.engine.promote(layout.stream, &made.name).await.unwrap();
        let mut writer = place.engine.writer(layout.stream, &made.name).await.unwrap();
        let position = documents.last().map_or(0, |document| document.seq);
        let batch = Batch { documents: documents.to_vec(), erased: Vec::new(), position };
        assert_eq!(writer.write(batch).await.unwrap().refused, []);
        let view = place.view(layout.stream, position).await;
        (place, view)
    }

    /// A view that has reached a position.
    async fn view(&self, stream: i64, position: i64) -> View {
        self.refresh().await;
        let view = self.engine.view(stream).await.unwrap().unwrap();
        assert_eq!(view.indexed_seq(), position);
        view
    }

    async fn refresh(&self) {
        ask("POST", &self.settings.url, &format!("{}-*/_refresh", self.settings.prefix), "").await;
    }

    async fn leave(self) {
        for stream in self.engine.streams().await.unwrap() {
            self.engine.discard(stream, None).await.unwrap();
        }
    }
}

/// Documents with the first positions, the same in each run.
fn documents(count: i64) -> Vec<Document> {
    suite::documents::documents(&mut Rng::new(7), 1..=count)
}

/// Asks a server past the engine.
async fn ask(method: &str, url: &str, path: &str, body: &str) -> String {
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.request(method, format!("{url}/{path}"));
    let request = request.header("content-type", "application/json").body(body.to_owned());
    request.send().await.unwrap().text().await.unwrap()
}

/// Makes a test of both products out of a function that takes the URL of a shared server.
macro_rules! both {
    ($($name:ident)*) => {
        mod elasticsearch {
            $(#[tokio::test]
            async fn $name() {
                crate::on_shared(forebay_testkit::Product::Elasticsearch, super::$name).await;
            })*
        }
        mod opensearch {
            $(#[tokio::test]
            async fn $name() {
                crate::on_shared(forebay_testkit::Product::OpenSearch, super::$name).await;
            })*
        }
    };
}
use both;

both! {
    behaves_as_every_engine
}

async fn behaves_as_every_engine(url: String) {
    let outside = Outside { refresh: Duration::from_millis(10), ..settings(&url) };
    let engine = forebay_search::Engine::open(&Settings::Outside(outside)).await.unwrap();
    suite::all(&engine, 1).await;
}

async fn on_shared<F: Future<Output = ()>>(product: Product, test: impl FnOnce(String) -> F) {
    let url = product.shared();
    if forebay_testkit::lacks(&url) {
        return;
    }
    test(url.unwrap()).await;
}
