//! Two connections that speak another protocol with each other: bytes go both ways until either end
//! closes.

use std::time::Duration;

use hyper::client::conn::http1::Parts;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy, sink};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::Socket;
use super::endpoint::Flight;
use super::frames::{COME_AGAIN, Frames};
use super::pool::Place;

/// How long the other way goes on when one has ended: for a last word.
const LAST_WORD: Duration = Duration::from_secs(5);
/// How long a client has to agree to the end.
pub(crate) const PARTING: Duration = Duration::from_secs(2);

/// Joins the client's connection with the one that a place has left, until one of them closes, or
/// `hang_up`; nothing when there is none.
pub(crate) fn join(
    client: OnUpgrade,
    (mut place, flight): (Place, Flight),
    (hang_up, open): (CancellationToken, &TaskTracker),
) -> Option<()> {
    let parts = place.connection.upgraded.take()?;
    open.spawn(async move {
        // A client that is gone needs no answer.
        if let Ok(client) = client.await {
            carry(TokioIo::new(client), parts, &hang_up).await;
        }
        // Counted and seated for as long.
        drop((place, flight));
    });
    Some(())
}

/// Carries until either end closes, or `hang_up`: then the client is told to come again elsewhere.
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
        let ended = relay(&mut from_endpoint, &mut to_client, &parts.read_buf, hang_up).await;
        if matches!(ended, Ok(Ended::HungUp)) {
            // The client's answer ends the endpoint's side too.
            let mut nobody = sink();
            let rest = copy(&mut from_endpoint, &mut nobody);
            let _ = tokio::time::timeout(PARTING, rest).await;
        }
        let _ = to_client.shutdown().await;
    };
    let (mut inward, mut outward) = (std::pin::pin!(inward), std::pin::pin!(outward));
    // Whoever does not come to the end of a frame, or does not agree to the end, has had its time.
    let late = async {
        hang_up.cancelled().await;
        tokio::time::sleep(PARTING).await;
    };
    // Whether there was a last word or not, it is over.
    let _ = tokio::select! {
        () = late => Ok(()),
        () = &mut inward => tokio::time::timeout(LAST_WORD, outward).await,
        () = &mut outward => tokio::time::timeout(LAST_WORD, inward).await,
    };
}

/// How a relay has ended.
enum Ended {
    Closed,
    HungUp,
}

/// Carries what an endpoint says. On `hang_up` the client hears it between two frames.
async fn relay(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    first: &[u8],
    hang_up: &CancellationToken,
) -> std::io::Result<Ended> {
    let mut frames = Frames::default();
    // What came with the head is the protocol's first word.
    frames.see(first);
    to.write_all(first).await?;
    let mut buffer = vec![0; 8 << 10];
    loop {
        let count = tokio::select! {
            count = from.read(&mut buffer) => count?,
            () = hang_up.cancelled(), if frames.are_whole() => {
                to.write_all(&COME_AGAIN).await?;
                to.flush().await?;
                return Ok(Ended::HungUp);
            }
        };
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
            return Ok(Ended::Closed);
        };
        frames.see(bytes);
        to.write_all(bytes).await?;
        to.flush().await?;
    }
}
