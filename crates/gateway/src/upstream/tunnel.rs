//! Two connections that speak another protocol with each other: bytes go both ways until either end
//! closes.

use std::time::Duration;

use hyper::client::conn::http1::Parts;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, copy};
use tokio_util::sync::CancellationToken;

use super::connection::Socket;
use super::endpoint::Flight;
use super::pool::Place;

/// How long the other way goes on when one has ended: for a last word.
const LAST_WORD: Duration = Duration::from_secs(5);

/// Joins the client's connection with the one that a place has left, until one of them closes, or
/// `hang_up`; nothing when there is none.
pub(crate) fn join(
    client: OnUpgrade,
    (mut place, flight): (Place, Flight),
    hang_up: CancellationToken,
) -> Option<()> {
    let parts = place.connection.upgraded.take()?;
    tokio::spawn(async move {
        // A client that is gone needs no answer.
        if let Ok(client) = client.await {
            carry(TokioIo::new(client), parts, &hang_up).await;
        }
        // Counted and seated for as long.
        drop((place, flight));
    });
    Some(())
}

/// Carries until either end closes.
async fn carry(
    client: impl AsyncRead + AsyncWrite,
    parts: Parts<Socket>,
    hang_up: &CancellationToken,
) {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_endpoint, mut to_endpoint) = tokio::io::split(parts.io.into_inner());
    let inward = async {
        let _ = copy(&mut from_client, &mut to_endpoint).await;
        let _ = to_endpoint.shutdown().await;
    };
    let outward = async {
        // What came with the head is the protocol's first word.
        if to_client.write_all(&parts.read_buf).await.is_ok() {
            let _ = copy(&mut from_endpoint, &mut to_client).await;
        }
        let _ = to_client.shutdown().await;
    };
    let (mut inward, mut outward) = (std::pin::pin!(inward), std::pin::pin!(outward));
    // Whether there was a last word or not, it is over.
    let _ = tokio::select! {
        () = &mut inward => tokio::time::timeout(LAST_WORD, outward).await,
        () = &mut outward => tokio::time::timeout(LAST_WORD, inward).await,
        () = hang_up.cancelled() => Ok(()),
    };
}
