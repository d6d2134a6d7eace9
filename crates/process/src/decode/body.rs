//! Takes a body in: bounded in bytes, in time and, when compressed, in what comes out of it.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use forebay_model::{Code, Error};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A body, with its share of the queue for as long as it is held.
pub(crate) struct Taken {
    pub(crate) bytes: Vec<u8>,
    _share: Option<OwnedSemaphorePermit>,
}

/// The limits of one request.
pub(crate) struct Limits {
    pub(crate) max: usize,
    pub(crate) silence: Duration,
    pub(crate) queue: Arc<Semaphore>,
}

/// Reads and decodes a body.
pub(crate) async fn read_body(
    headers: &HeaderMap,
    mut body: Body,
    limits: &Limits,
) -> Result<Taken, Error> {
    let coding = Coding::of(headers)?;
    // A body that says itself too long is refused before it is sent, or read for nothing.
    if body.size_hint().lower() > limits.max as u64 {
        return Err(too_large(limits.max));
    }
    let mut share: Option<OwnedSemaphorePermit> = None;
    let mut bytes = Vec::new();
    loop {
        let frame = tokio::time::timeout(limits.silence, body.frame())
            .await
            .map_err(|_| Error::new(Code::RequestTimeout, "the body stopped arriving"))?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|e| {
            Error::new(Code::BadRequest, "the body broke off, or its pieces are malformed").cause(e)
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > limits.max {
            return Err(too_large(limits.max));
        }
        grow(&mut share, &limits.queue, bytes.len() + data.len())?;
        bytes.extend_from_slice(&data);
    }
    if coding == Coding::Identity {
        return Ok(Taken { bytes, _share: share });
    }
    let max = limits.max;
    let decoded = tokio::task::spawn_blocking(move || coding.decode(&bytes, max));
    let bytes = decoded.await.map_err(Error::internal)??;
    grow(&mut share, &limits.queue, bytes.len())?;
    Ok(Taken { bytes, _share: share })
}

/// Takes a larger share of the queue, or says that it is full.
fn grow(
    share: &mut Option<OwnedSemaphorePermit>,
    queue: &Arc<Semaphore>,
    bytes: usize,
) -> Result<(), Error> {
    let held = share.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
    let wanted = bytes / 1024 + 1;
    let Some(more) = wanted.checked_sub(held).filter(|more| *more > 0) else { return Ok(()) };
    let more = u32::try_from(more).unwrap_or(u32::MAX);
    let taken = queue.clone().try_acquire_many_owned(more);
    let taken = taken.map_err(|_| Error::overloaded("too many bytes wait to be stored"))?;
    match share {
        Some(share) => share.merge(taken),
        None => *share = Some(taken),
    }
    Ok(())
}

fn too_large(max: usize) -> Error {
    let detail =
        format!("a body has at most {max} bytes, decoded; split it, or use `forebay push`");
    Error::new(Code::TooLarge, detail)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
    Zstd,
}

impl Coding {
    fn of(headers: &HeaderMap) -> Result<Coding, Error> {
        let Some(value) = headers.get(CONTENT_ENCODING) else { return Ok(Coding::Identity) };
        match value.to_str().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Coding::Identity),
            "gzip" | "x-gzip" => Ok(Coding::Gzip),
            "zstd" => Ok(Coding::Zstd),
            _ => Err(Error::new(Code::UnsupportedMediaType, "send gzip, zstd or no encoding")),
        }
    }

    /// Decodes no further than one byte past the limit: a bomb costs no more than a body.
    pub(crate) fn decode(self, bytes: &[u8], max: usize) -> Result<Vec<u8>, Error> {
        let limit = max as u64 + 1;
        let mut out = Vec::new();
        let read = match self {
            Coding::Identity => bytes.take(limit).read_to_end(&mut out),
            Coding::Gzip => {
                flate2::read::MultiGzDecoder::new(bytes).take(limit).read_to_end(&mut out)
            }
            Coding::Zstd => zstd::stream::read::Decoder::new(bytes).and_then(|mut decoder| {
                decoder.window_log_max(25)?;
                decoder.take(limit).read_to_end(&mut out)
            }),
        };
        read.map_err(|e| {
            Error::new(Code::BadRequest, format!("the compressed body cannot be read: {e}"))
        })?;
        if out.len() > max { Err(too_large(max)) } else { Ok(out) }
    }
}
