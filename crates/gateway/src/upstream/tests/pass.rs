//! Requests and answers pass as they are.

use super::kit::{Backend, draft, get, passing, post, text, upstream};

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-own: 1\r\n\r\nhello";

#[tokio::test]
async fn a_connection_is_used_again() {
    let backend = Backend::saying(HELLO).await;
    let upstream = upstream(draft(&[backend.address]));
    for n in 0..10 {
        let response = upstream.send(get(&format!("/a?n={n}")), passing()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["x-own"], "1");
        assert_eq!(text(response).await, "hello");
        let response = upstream.send(post("/b", "body"), passing()).await.unwrap();
        assert_eq!(text(response).await, "hello");
    }
    let heads = backend.heads();
    assert_eq!((heads.len(), backend.connections()), (20, 1));
    assert!(heads[4].starts_with("get /a?n=2 http/1.1\r\n"), "{}", heads[4]);
    assert!(heads[5].contains("\r\ncontent-length: 4\r\n"), "{}", heads[5]);
}
