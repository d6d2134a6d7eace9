//! Answers that are the issuer's keys, and answers that are not.

use axum::Router;
use axum::body::Body;
use axum::response::Redirect;
use axum::routing::get;
use futures_util::stream;
use serde_json::json;

use super::*;
use crate::issuer::Draft;

/// A host that answers all of it.
async fn host() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let document = |issuer: &str, keys: &str| {
        let text = json!({"issuer": format!("{url}{issuer}"), "jwks_uri": keys}).to_string();
        get(move || async move { text })
    };
    let endless = || async {
        let piece = || Ok::<_, std::io::Error>(vec![b' '; 4096]);
        Body::from_stream(stream::repeat_with(piece))
    };
    let document_of = |path: &str| format!("{path}/.well-known/openid-configuration");
    let router = Router::new()
        .route("/keys", get(|| async { "the keys" }))
        .route("/moved", get(|| async { Redirect::temporary("/keys") }))
        .route("/endless", get(endless))
        .route("/exact", get(|| async { vec![b' '; MAX_BYTES] }))
        .route("/large", get(|| async { vec![b' '; MAX_BYTES + 1] }))
        .route(&document_of("/good"), document("/good", &format!("{url}/keys")))
        .route(&document_of("/slash"), document("/slash/", &format!("{url}/keys")))
        .route(&document_of("/other"), document("/good", &format!("{url}/keys")))
        .route(&document_of("/away"), document("/away", "http://169.254.169.254/keys"))
        .route(&document_of("/file"), document("/file", "file:///etc/passwd"))
        .route(&document_of("/port"), document("/port", "http://127.0.0.1:1/keys"))
        .route(&document_of("/text"), get(|| async { "no JSON" }))
        .route(&document_of("/none"), get(|| async { "{}" }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

async fn fetched(issuer: &str, jwks_url: Option<String>) -> Result<Vec<u8>, String> {
    let draft = Draft {
        name: "acme".into(),
        issuer: issuer.into(),
        audience: "forebay".into(),
        jwks_url,
        ..Draft::default()
    };
    Web::new(&Issuer::new(draft).unwrap()).unwrap().fetch().await
}

#[tokio::test]
async fn only_what_the_settings_name_is_asked_and_within_bounds() {
    let host = host().await;
    let at = async |path: &str| fetched("acme", Some(format!("{host}{path}"))).await;
    assert_eq!(at("/keys").await.unwrap(), b"the keys");
    assert_eq!(at("/exact").await.unwrap().len(), MAX_BYTES);
    for (path, why) in [
        ("/moved", "answered 307"),
        ("/nothing", "answered 404"),
        ("/large", "more than"),
        ("/endless", "more than"),
    ] {
        let refused = at(path).await.unwrap_err();
        assert!(refused.contains(why), "{path}: {refused}");
    }
    // Nobody is there: the error says so, down to its cause.
    let refused = fetched("acme", Some("http://127.0.0.1:1/keys".into())).await.unwrap_err();
    assert!(refused.contains("refused"), "{refused}");
}

#[tokio::test]
async fn keys_are_discovered_where_their_issuer_is() {
    let host = host().await;
    let of = async |path: &str| fetched(&format!("{host}{path}"), None).await;
    assert_eq!(of("/good").await.unwrap(), b"the keys");
    // The issuer's name ends with a slash, its document's place has but one.
    assert_eq!(of("/slash/").await.unwrap(), b"the keys");
    for (path, why) in [
        ("/slash", "another issuer's"),
        ("/other", "another issuer's"),
        ("/away", "set jwks_url"),
        ("/port", "set jwks_url"),
        ("/file", "set jwks_url"),
        ("/text", "is not JSON"),
        ("/none", "another issuer's"),
        ("/nothing", "answered 404"),
    ] {
        let refused = of(path).await.unwrap_err();
        assert!(refused.contains(why), "{path}: {refused}");
    }
}
