//! The one path of records in: take the body, decode, prepare, append, answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use axum::extract::Request;
use axum::response::Response;
use forebay_db::log::{Append, Done, Idempotency, Outcome, Part, PartDone, RowDone};
use forebay_db::{DbError, Lane, Look};
use forebay_http::meter::Metered;
use forebay_http::{Answer, reply};
use forebay_model::principal::{Principal, RECORDS_WRITE};
use forebay_model::stream::Stream;
use forebay_model::time::Timestamp;
use forebay_model::{Code, Error, FieldError};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::Process;
use crate::access::Creation;
use crate::answer::{Entry, Plan};
use crate::decode::{Bounds, Form, Limits, Row, Taken, batch, read_body};
use crate::prepare::{Reading, prepare};

/// For how long a request is prepared anew because a stream's definition changes under it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bodies from here on are decoded on a thread that may be busy for a while.
const LARGE: usize = 64 << 10;
/// Longest `Idempotency-Key`.
const MAX_KEY_BYTES: usize = 255;

/// What a body holds.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// Records of one stream.
    Stream(String, Form),
    /// Records of several.
    Batch,
}

/// How the records are read and answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) envelope: bool,
    pub(crate) atomic: bool,
    pub(crate) minimal: bool,
    pub(crate) batch: bool,
}

/// A request with its body.
struct Job {
    who: Arc<Principal>,
    now: Timestamp,
    body: Taken,
    source: Source,
    shape: Shape,
    max_records: usize,
    max_record: usize,
    key: Option<Key>,
    meter: Option<Metered>,
}

struct Key {
    text: String,
    /// Of the target and the body.
    hash: Vec<u8>,
}

/// What has been read of one stream, before it is checked.
struct Share {
    stream: Arc<Stream>,
    /// `None` until the body is decoded, which needs the stream.
    rows: Option<Vec<Row>>,
}

/// The tries of one request.
pub(crate) struct Tries(Instant);

impl Tries {
    pub(crate) fn begin() -> Tries {
        Tries(Instant::now())
    }

    /// Whether there is time for one more.
    pub(crate) fn go_on(&self) -> bool {
        self.0.elapsed() < PATIENCE
    }
}

impl Process {
    /// Stores what a request brings, and answers when that is durable.
    pub(crate) async fn ingest(
        &self,
        who: &Arc<Principal>,
        request: Request,
        source: Source,
        shape: Shape,
    ) -> Answer {
        let config = &self.inner.config;
        let (mut head, body) = request.into_parts();
        let key = idempotency_key(&head.headers)?;
        let limits = Limits {
            max: config.max_body,
            silence: config.body_timeout,
            queue: self.inner.queue.clone(),
        };
        let body = read_body(&head.headers, body, &limits).await?;
        let key = key.map(|text| {
            let mut hash = digest::Context::new(&digest::SHA256);
            hash.update(head.uri.to_string().as_bytes());
            hash.update(&[0]);
            hash.update(&body.bytes);
            Key { text, hash: hash.finish().as_ref().to_vec() }
        });
        if key.is_some() {
            self.inner.quota.take(&self.inner.db, &who.id, config.max_keys).await?;
        }
        let job = Arc::new(Job {
            who: who.clone(),
            now: self.inner.clock.now(),
            body,
            source,
            shape,
            max_records: config.max_records,
            max_record: config.max_record,
            key,
            meter: head.extensions.remove::<Metered>(),
        });
        let tries = Tries::begin();
        while tries.go_on() {
            if let Some(answer) = self.attempt(&job).await? {
                return Ok(answer);
            }
        }
        Err(Error::overloaded("the stream's definition keeps changing").into())
    }

    /// One attempt; `None` when a definition changed between the check and the append.
    async fn attempt(&self, job: &Arc<Job>) -> Result<Option<Response>, Error> {
        let shares = self.shares(job).await?;
        let streams: Vec<Arc<Stream>> = shares.iter().map(|s| s.stream.clone()).collect();
        let work = job.clone();
        let (plan, parts) = off_thread(job.body.bytes.len(), move || work.lay_out(shares)).await?;
        let plan = Arc::new(plan);
        if let Some(Metered(meter)) = &job.meter {
            // All that were read, whatever becomes of them: reading is the work. Once.
            meter.records(&plan.sent()).await?;
        }
        if plan.has_rejections() && self.have_changed(&plan, &streams).await? {
            return Ok(None);
        }
        if plan.atomic && plan.has_rejections() {
            let done = self.untouched(&parts).await?;
            return Ok(Some(self.conclude(&plan, &done)));
        }
        let rows: usize = parts.iter().map(|p| p.rows.len()).sum();
        let idempotency = job.key.as_ref().map(|key| {
            let plan = plan.clone();
            let ttl = self.inner.config.idempotency_ttl.as_micros();
            Idempotency {
                principal: job.who.id.clone(),
                key: key.text.clone(),
                body_hash: key.hash.clone(),
                ttl_micros: i64::try_from(ttl).unwrap_or(i64::MAX),
                render: Arc::new(move |done| plan.render(done)),
            }
        });
        if rows == 0 && idempotency.is_none() {
            let done = self.untouched(&parts).await?;
            return Ok(Some(self.conclude(&plan, &done)));
        }
        let lane = if rows <= 1 { Lane::Interactive } else { Lane::Batch };
        let append = Append { parts, atomic: plan.atomic, idempotency };
        match self.inner.db.writer().append(lane, append).await {
            Ok(Outcome::Done(done)) => Ok(Some(self.conclude(&plan, &done))),
            Ok(Outcome::Replayed(status, body)) => Ok(Some(replayed(answer(status, body)))),
            Ok(Outcome::IdempotencyMismatch) => Err(Error::new(
                Code::IdempotencyMismatch,
                "this `Idempotency-Key` was used for another request",
            )),
            Ok(Outcome::Stale) | Err(DbError::Gone(_)) => {
                for stream in &streams {
                    self.inner.catalog.forget(&stream.name);
                }
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a definition by which something is rejected is not what holds any more: another process
    /// may have changed it just now. What is accepted, the append checks.
    async fn have_changed(&self, plan: &Plan, streams: &[Arc<Stream>]) -> Result<bool, Error> {
        for (entry, stream) in plan.entries.iter().zip(streams) {
            if !entry.rejected.is_empty() {
                self.inner.catalog.forget(&stream.name);
                let now = self.inner.catalog.stream(&stream.name).await?;
                if (now.number, now.version) != (stream.number, stream.version) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Finds the streams that a request writes to.
    async fn shares(&self, job: &Arc<Job>) -> Result<Vec<Share>, Error> {
        if let Source::Stream(name, _) = &job.source {
            let stream = self.inner.catalog.stream(name).await?;
            return Ok(vec![Share { stream, rows: None }]);
        }
        let work = job.clone();
        let entries = off_thread(job.body.bytes.len(), move || {
            batch::entries(&work.body.bytes, work.max_records)
        });
        let mut shares = Vec::new();
        for (at, entry) in entries.await?.into_iter().enumerate() {
            job.who.require_on_stream(RECORDS_WRITE, &entry.stream)?;
            let stream = self.inner.catalog.stream(&entry.stream).await.map_err(|error| {
                let path = format!("/{at}/stream");
                let field = FieldError::new(path, error.code.as_str(), error.detail.clone());
                error.field(field)
            })?;
            shares.push(Share { stream, rows: Some(entry.records.into_iter().map(Ok).collect()) });
        }
        Ok(shares)
    }

    /// What a request is told that reached no log.
    async fn untouched(&self, parts: &[Part]) -> Result<Done, Error> {
        let mut conn = self.inner.db.reader(Look::Point).await?;
        let mut done = Done { applied: false, parts: Vec::new() };
        for part in parts {
            let span = forebay_db::log::read::span(&mut conn, part.stream).await?;
            let rows = vec![RowDone::Appended(0); part.rows.len()];
            done.parts.push(PartDone { rows, last_seq: span.map_or(0, |s| s.last_seq) });
        }
        Ok(done)
    }

    fn conclude(&self, plan: &Plan, done: &Done) -> Response {
        for (entry, part) in plan.entries.iter().zip(&done.parts) {
            let counts = entry.counts(part, done.applied);
            for (outcome, n) in [
                ("accepted", counts.accepted),
                ("duplicate", counts.duplicates),
                ("rejected", counts.rejected),
            ] {
                if n > 0 {
                    let labels =
                        [("stream", entry.stream.clone()), ("outcome", outcome.to_owned())];
                    metrics::counter!("forebay_records_total", &labels).increment(n);
                }
            }
        }
        let (status, body) = plan.render(done);
        answer(status, body)
    }
}

impl Job {
    /// Decodes and checks the records; what is left goes to the log.
    fn lay_out(&self, shares: Vec<Share>) -> Result<(Plan, Vec<Part>), Error> {
        let Shape { envelope, atomic, minimal, batch } = self.shape;
        let root = if envelope { "" } else { "/data" };
        let bounds = Bounds { max: self.max_records, root };
        let how = Reading { envelope, max_record: self.max_record };
        let mut plan = Plan { atomic, minimal, batch, entries: Vec::new() };
        let mut parts = Vec::new();
        for Share { stream, rows } in shares {
            let rows = match (rows, &self.source) {
                (Some(rows), _) => rows,
                (None, Source::Stream(_, form)) => form.rows(&self.body.bytes, &stream, bounds)?,
                (None, Source::Batch) => Vec::new(),
            };
            let mut entry = Entry {
                stream: stream.name.clone(),
                sent: rows.len(),
                rejected: Vec::new(),
                kept: Vec::with_capacity(rows.len()),
            };
            let mut kept = Vec::with_capacity(rows.len());
            let creation = Creation::of(&self.who, &stream, self.now);
            for (index, row) in rows.into_iter().enumerate() {
                let row = row.and_then(|row| prepare(row, &stream, how));
                match row.and_then(|row| creation.check(row)) {
                    Ok(row) => {
                        let id = if minimal { String::new() } else { row.id.clone() };
                        entry.kept.push((index, id));
                        kept.push(row);
                    }
                    Err(why) => entry.rejected.push((index, why)),
                }
            }
            plan.entries.push(entry);
            parts.push(Part {
                stream: stream.number,
                version: stream.version,
                columns: stream.columns.clone(),
                rows: kept,
            });
        }
        Ok((plan, parts))
    }
}

/// Runs small work here and large work where it holds nobody up.
async fn off_thread<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    if bytes < LARGE {
        return work();
    }
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}

fn answer(status: u16, body: String) -> Response {
    reply::json_text(StatusCode::from_u16(status).unwrap_or(StatusCode::OK), body)
}

/// Says that an answer is an earlier one.
fn replayed(mut answer: Response) -> Response {
    let name = HeaderName::from_static("idempotent-replayed");
    answer.headers_mut().insert(name, HeaderValue::from_static("true"));
    answer
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Error> {
    static NAME: HeaderName = HeaderName::from_static("idempotency-key");
    let mut values = headers.get_all(&NAME).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Error::new(Code::ValidationFailed, "`Idempotency-Key` stands twice"));
    }
    match value.to_str() {
        Ok(key) if (1..=MAX_KEY_BYTES).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => {
            let detail = format!("`Idempotency-Key` is 1 to {MAX_KEY_BYTES} visible characters");
            Err(Error::new(Code::ValidationFailed, detail))
        }
    }
}
