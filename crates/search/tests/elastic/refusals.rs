//! Servers, credentials and indexes that are refused, with what to do about it.

use std::time::Duration;

use forebay_filter::lower::Condition;
use forebay_search::elastic::Engine;
use forebay_search::settings::{Credentials, Outside};
use forebay_search::{Ask, Batch, SearchError};
use forebay_testkit::{Product, lacks};

use crate::fake::Fake;
use crate::suite::documents::layout;
use crate::{Place as Home, ask, both, documents, settings};

both! {
    an_index_of_somebody_else_is_left_alone
    a_server_says_what_it_is
}

const ELASTIC: &str = "x-elastic-product: Elasticsearch\r\n";

fn version(number: &str) -> String {
    format!(r#"{{"version":{{"number":"{number}"}}}}"#)
}

async fn opened(settings: &Outside) -> SearchError {
    Engine::open(settings).await.err().expect("it was refused")
}

#[tokio::test]
async fn other_servers_and_versions_are_unfit() {
    for (head, body) in [
        (ELASTIC, version("7.17.9")),
        ("", version("8.18.0")),
        ("", r#"{"version":{"distribution":"opensearch","number":"1.3.20"}}"#.to_owned()),
        ("", "<html>hello</html>".to_owned()),
        (ELASTIC, "{}".to_owned()),
    ] {
        let fake = Fake::new(vec![(200, head, body.clone())]).await;
        let said = opened(&settings(&fake.url)).await;
        assert!(matches!(said, SearchError::Unfit(_)), "{body}: {said:?}");
        assert!(said.to_string().contains("search.url"), "{said}");
    }
}

#[tokio::test]
async fn credentials_are_shown_and_never_told() {
    let secret = Credentials::Password("elastic".to_owned(), "s3cret".to_owned());
    let key = Credentials::Key("a2V5".to_owned());
    for (credentials, shown) in [(secret, "Basic ZWxhc3RpYzpzM2NyZXQ="), (key, "ApiKey a2V5")] {
        let no = r#"{"error":{"type":"security_exception","reason":"unable to"},"status":401}"#;
        for status in [401, 403] {
            let fake = Fake::new(vec![(status, ELASTIC, no.to_owned())]).await;
            let settings = Outside { credentials: credentials.clone(), ..settings(&fake.url) };
            let said = opened(&settings).await;
            assert!(matches!(said, SearchError::Unfit(_)), "{said:?}");
            let told = format!("{said} {said:?} {settings:?}");
            assert!(!told.contains("s3cret") && !told.contains("a2V5"), "{told}");
            assert!(fake.asked.lock().unwrap()[0].contains(shown));
            assert_eq!(fake.count(), 1);
        }
    }
    // In the address they are shown as well, and not told either.
    let fake = Fake::new(vec![(401, "", String::new())]).await;
    let said = opened(&settings(&fake.url.replace("://", "://elastic:s3cret@"))).await;
    assert!(!format!("{said:?}").contains("s3cret"));
    assert!(fake.asked.lock().unwrap()[0].contains("Basic ZWxhc3RpYzpzM2NyZXQ="));
    drop(fake);
    let gone = settings("http://elastic:s3cret@127.0.0.1:9");
    let said = opened(&gone).await;
    assert!(matches!(said, SearchError::Unavailable(_)), "{said:?}");
    assert!(!said.to_string().contains("s3cret"), "{said}");
}

#[tokio::test]
async fn a_busy_server_is_asked_again_and_a_broken_one_is_unavailable() {
    let good = (200, ELASTIC, version("8.18.0"));
    let busy = (429, ELASTIC, r#"{"error":{"type":"circuit_breaking_exception"}}"#.to_owned());
    let starting = (503, ELASTIC, String::new());
    let empty = (200, ELASTIC, "{}".to_owned());
    let fake = Fake::new(vec![good.clone(), busy.clone(), starting, empty.clone()]).await;
    let engine = Engine::open(&settings(&fake.url)).await.unwrap();
    assert_eq!((engine.name().as_str(), fake.count()), ("elasticsearch 8.18.0", 4));
    let fake = Fake::new(vec![good, empty, busy.clone()]).await;
    let engine = Engine::open(&settings(&fake.url)).await.unwrap();
    let said = engine.streams().await;
    assert!(matches!(said, Err(SearchError::Unavailable(_))), "{said:?}");
    assert_eq!(fake.count(), 2 + 4);
    let said = engine.check().await;
    assert!(matches!(said, Err(SearchError::Unavailable(_))), "{said:?}");
    // Something before the server that knows no way to it has not lost an index.
    let good = (200, ELASTIC, version("8.18.0"));
    let lost = (404, "", "<html>no</html>".to_owned());
    let fake = Fake::new(vec![good, (200, ELASTIC, "{}".to_owned()), lost]).await;
    let engine = Engine::open(&settings(&fake.url)).await.unwrap();
    for said in [engine.view(1).await.err(), engine.streams().await.err()] {
        assert!(matches!(said, Some(SearchError::Unavailable(_))), "{said:?}");
    }
}

#[tokio::test]
async fn a_wrong_setting_is_unfit_before_anything_is_asked() {
    let fake = Fake::new(vec![(200, ELASTIC, version("8.18.0"))]).await;
    let good = settings(&fake.url);
    for wrong in [
        Outside { url: "ftp://x".to_owned(), ..good.clone() },
        Outside { url: "nonsense".to_owned(), ..good.clone() },
        Outside { prefix: "No/Good*".to_owned(), ..good.clone() },
        Outside { ca: Some("/nowhere/ca.pem".into()), ..good.clone() },
        Outside { credentials: Credentials::Key("a\nb".to_owned()), ..good.clone() },
    ] {
        let said = opened(&wrong).await;
        assert!(matches!(said, SearchError::Unfit(_)), "{said:?}");
        assert!(said.to_string().contains("search."), "{said}");
    }
    assert_eq!(fake.count(), 0);
}

#[tokio::test]
async fn a_server_that_is_silent_is_unavailable() {
    let product = Product::Elasticsearch;
    let url = product.shared();
    if lacks(&url) {
        return;
    }
    // Nobody takes the connection, or answers.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    let silent = Outside { timeout: Duration::from_millis(20), ..settings(&silent) };
    let said = opened(&silent).await;
    assert!(matches!(said, SearchError::Unavailable(_)), "{said:?}");
}

async fn a_server_says_what_it_is(url: String) {
    let home = Home::new(&url).await;
    let name = home.engine.name();
    assert!(name == "elasticsearch 8.18.0" || name == "opensearch 2.19.1", "{name}");
    home.engine.check().await.unwrap();
    assert_eq!(home.engine.streams().await.unwrap(), Vec::<i64>::new());
    assert_eq!(home.engine.generations(3).await.unwrap(), []);
    assert!(home.engine.view(3).await.unwrap().is_none());
    home.engine.discard(3, None).await.unwrap();
}

async fn an_index_of_somebody_else_is_left_alone(url: String) {
    let home = Home::new(&url).await;
    let prefix = &home.settings.prefix;
    let made = home.engine.create(&layout(17)).await.unwrap();
    home.engine.promote(17, &made.name).await.unwrap();
    // Another deployment with the same prefix.
    let other = Outside { deployment: "another one".to_owned(), ..home.settings.clone() };
    let said = opened(&other).await;
    let SearchError::Unfit(text) = &said else { panic!("{said:?}") };
    assert!(text.contains(&made.name) && text.contains("search.prefix"), "{text}");
    assert_eq!(home.engine.generations(17).await.unwrap().len(), 1);
    // Something without any of our marks: by its name, or by an alias.
    let plain = format!("{prefix}-s18-{}", "0".repeat(32));
    for (name, body) in [
        (plain.clone(), "{}".to_owned()),
        (format!("{prefix}-s18"), "{}".to_owned()),
        (format!("x{prefix}"), format!(r#"{{"aliases":{{"{prefix}-s18":{{}}}}}}"#)),
    ] {
        ask("PUT", &url, &name, &body).await;
        for said in [
            home.engine.generations(18).await.err(),
            home.engine.streams().await.err(),
            home.engine.create(&layout(18)).await.err(),
            home.engine.promote(18, &plain).await.err(),
            home.engine.discard(18, None).await.err(),
            Engine::open(&home.settings).await.err(),
        ] {
            assert!(matches!(said, Some(SearchError::Unfit(_))), "{name}: {said:?}");
        }
        let there = ask("GET", &url, &format!("{name}/_count"), "").await;
        assert!(there.contains("count"), "{there}");
        ask("DELETE", &url, &name, "").await;
    }
    // A name that only looks like one of ours is nothing to us.
    let like = format!("{prefix}-s18-archive");
    ask("PUT", &url, &like, "{}").await;
    assert_eq!(home.engine.streams().await.unwrap(), [17]);
    ask("DELETE", &url, &like, "").await;
    // The live alias on an index of another deployment is not searched.
    let view = home.engine.view(17).await.unwrap();
    assert!(view.is_some());
    home.leave().await;
}

#[tokio::test]
async fn what_a_server_quotes_of_a_record_is_not_passed_on() {
    let product = Product::OpenSearch;
    let url = product.shared();
    if lacks(&url) {
        return;
    }
    let home = Home::new(&url.unwrap()).await;
    let made = home.engine.create(&layout(17)).await.unwrap();
    let mut writer = home.engine.writer(17, &made.name).await.unwrap();
    let mut documents = documents(3);
    documents[1].columns[0] = Some(forebay_filter::lower::Bound::Text("s3cret".repeat(6000)));
    let batch = Batch { documents, erased: Vec::new(), position: 3 };
    let written = writer.write(batch).await.unwrap();
    let [(2, what)] = &written.refused[..] else { panic!("{written:?}") };
    assert!(!what.contains("s3cret") && !what.contains("115, 51"), "{what}");
    home.engine.promote(17, &made.name).await.unwrap();
    let view = home.view(17, 3).await;
    let all = Ask { condition: &Condition::All, up_to: i64::MAX, without: &[] };
    assert_eq!(view.count(&all).await.unwrap(), 2);
    home.leave().await;
}
