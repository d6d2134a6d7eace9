//! A receiver by others: npm's `standardwebhooks` checks what is sent.

use forebay_testkit::{lacks, verify_webhook};
use serde_json::json;

use super::{Receiver, start, text, webhook};
use crate::support::Engine;

#[tokio::test]
async fn others_take_the_signature_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let s = start(Engine::Sqlite).await;
    let receiver = Receiver::start();
    let made = webhook(&s, &receiver.at("/")).await;
    let (id, secret) = (text(&made, "id"), text(&made, "secret"));
    s.post(&format!("/v1/channels/{id}/test"), json!({})).await.expect(200);
    let renewed = s.post(&format!("/v1/channels/{id}/rotate"), json!({})).await.expect(200);
    s.post(&format!("/v1/channels/{id}/test"), json!({})).await.expect(200);
    let came = receiver.came();
    let check = |at: usize, secret: &str, body: &str| {
        let headers = json!(came[at].headers).to_string();
        verify_webhook(folder.path(), secret, &headers, body)
    };
    let first = check(0, &secret, &came[0].body);
    if lacks(&first) {
        return;
    }
    assert!(first.unwrap());
    assert!(check(1, &secret, &came[1].body).unwrap());
    assert!(check(1, &text(&renewed, "secret"), &came[1].body).unwrap());
    assert!(!check(0, &text(&renewed, "secret"), &came[0].body).unwrap());
    assert!(!check(0, &secret, &format!("{} ", came[0].body)).unwrap());
}
