//! What a request costs beyond itself: told to the gateway by whoever has read it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use forebay_model::period::Period;
use forebay_model::{Code, Error};
use serde_json::{Value, json};

use crate::internal::{Drawn, Told};

/// Counts against the caller's limits.
#[async_trait]
pub trait Meter: Send + Sync {
    /// Takes the records that a request brings, by stream: all or none. Beyond a limit it is
    /// `rate_limited`, with the time after which it would not be.
    async fn records(&self, streams: &[(&str, u64)]) -> Result<(), Error>;
}

/// The meter of a request; one that has come past the gateway, or that nothing limits, has none.
#[derive(Clone)]
pub struct Metered(pub Arc<dyn Meter>);

impl fmt::Debug for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metered")
    }
}

/// The refusal of a request that is beyond a limit; the wait is in nanoseconds.
pub fn beyond(limit: &str, wait: u64) -> Error {
    let seconds = u32::try_from(wait.div_ceil(1_000_000_000)).unwrap_or(u32::MAX);
    let detail = format!("the limit `{limit}` is reached");
    Error::new(Code::RateLimited, detail).retry_after(seconds.max(1))
}

/// What is left of a rate of records, as the gateway in another process knows it. Times are
/// nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// The limit's name.
    pub policy: String,
    /// The stream whose records count, where it is not all of them.
    pub stream: Option<String>,
    /// Whether a stream counts as one, however many records it gets.
    pub each: bool,
    /// In which time one record is there again.
    pub every: u64,
    /// How many at once.
    pub burst: u64,
    /// For how long what was taken is not forgotten.
    pub taken: u64,
}

impl Allowance {
    /// How long to wait until so many may come, if at all: as the gateway's own limits have it, more
    /// than a burst waits for a whole one.
    pub fn wait(&self, records: u64) -> Option<u64> {
        let asked = self.every.saturating_mul(records.min(self.burst));
        let room = self.every.saturating_mul(self.burst);
        self.taken.saturating_add(asked).checked_sub(room).filter(|wait| *wait > 0)
    }

    /// What a request takes of it that brings so many to each stream.
    fn cost(&self, sums: &BTreeMap<&str, u64>) -> u64 {
        match &self.stream {
            None => sums.values().sum(),
            Some(stream) => match sums.get(stream.as_str()) {
                Some(_) if self.each => 1,
                count => count.copied().unwrap_or(0),
            },
        }
    }

    pub(crate) fn write(&self) -> Value {
        json!([self.policy, self.every, self.burst, self.taken, self.stream, self.each])
    }

    pub(crate) fn read(written: &Value) -> Option<Allowance> {
        let number = |at: usize| written.get(at)?.as_u64();
        Some(Allowance {
            policy: written.get(0)?.as_str()?.to_owned(),
            stream: written.get(4)?.as_str().map(str::to_owned),
            each: written.get(5)?.as_bool()?,
            every: number(1)?,
            burst: number(2)?,
            taken: number(3)?,
        })
    }
}

/// A quota of records, as the gateway knows it, for whoever reads what a request brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The limit's name.
    pub policy: String,
    /// How much may be used in a period.
    pub quota: u64,
    /// The period.
    pub period: Period,
    /// Whether requests pass while nobody can count them.
    pub open: bool,
    /// What the count is known by; where streams count apart, without the stream.
    pub count: String,
    /// Whether streams count apart.
    pub by_stream: bool,
}

impl Plan {
    /// What a stream's count is known by, where streams count apart.
    pub fn of_stream(count: &str, stream: &str) -> String {
        // The length says where it ends, whatever stands in it.
        format!("{count} stream {} {stream}", stream.len())
    }

    pub(crate) fn write(&self) -> Value {
        let period = self.period.as_str();
        json!([self.policy, self.quota, period, self.open, self.count, self.by_stream])
    }

    pub(crate) fn read(written: &Value) -> Option<Plan> {
        let text = |at: usize| written.get(at)?.as_str();
        Some(Plan {
            policy: text(0)?.to_owned(),
            quota: written.get(1)?.as_u64()?,
            period: Period::parse(text(2)?)?,
            open: written.get(3)?.as_bool()?,
            count: text(4)?.to_owned(),
            by_stream: written.get(5)?.as_bool()?,
        })
    }
}

/// The meter in a process behind the gateway: it refuses by what was left when the request was
/// handed on, and keeps what to tell the gateway. What passes here at the same time elsewhere is
/// paid off afterwards.
pub struct Tally {
    left: Vec<Allowance>,
    by_stream: bool,
    told: Mutex<Told>,
}

impl Tally {
    /// A meter of one request.
    pub fn new(left: Vec<Allowance>, by_stream: bool) -> Tally {
        Tally { left, by_stream, told: Mutex::default() }
    }

    /// Tells what was drawn of a quota; of several counts of one the least that is left.
    pub fn note(&self, drawn: Drawn) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |other: &&mut Drawn| {
            other.policy == drawn.policy && other.left.is_some() == drawn.left.is_some()
        };
        match told.drawn.iter_mut().find(same) {
            Some(before) if drawn.left <= before.left => *before = drawn,
            Some(_) => {}
            None => told.drawn.push(drawn),
        }
    }

    /// Tells that the request was refused, for this quota if for one: it brings nothing.
    pub fn forget(&self, refused: Option<&str>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.records.clear();
        told.refused = refused.map(str::to_owned);
    }

    /// What to tell the gateway, once.
    pub fn take(&self) -> Told {
        std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Meter for Tally {
    async fn records(&self, streams: &[(&str, u64)]) -> Result<(), Error> {
        self.count(streams)
    }
}

impl Tally {
    fn count(&self, streams: &[(&str, u64)]) -> Result<(), Error> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if !told.records.is_empty() {
            return Ok(());
        }
        let mut sums = BTreeMap::new();
        for (name, count) in streams {
            *sums.entry(*name).or_insert(0) += count;
        }
        for limit in &self.left {
            let cost = limit.cost(&sums);
            if let Some(wait) = limit.wait(cost).filter(|_| cost > 0) {
                told.refused = Some(limit.policy.clone());
                return Err(beyond(&limit.policy, wait));
            }
        }
        if !self.by_stream {
            told.records.push((String::new(), sums.values().sum()));
            return Ok(());
        }
        told.records = sums.into_iter().map(|(name, sum)| (name.to_owned(), sum)).collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(taken: u64) -> Allowance {
        Allowance { policy: "p".into(), stream: None, each: false, every: 10, burst: 5, taken }
    }

    #[test]
    fn what_is_left_decides() {
        assert_eq!((limit(0).wait(5), limit(0).wait(50)), (None, None));
        assert_eq!((limit(10).wait(4), limit(10).wait(5)), (None, Some(10)));
        assert_eq!(limit(10).wait(50), Some(10));
        assert_eq!(limit(120).wait(1), Some(80));
        let read = Allowance::read(&limit(7).write());
        assert_eq!(read, Some(limit(7)));
    }

    #[test]
    fn a_tally_counts_once_and_tells_once() {
        let tally = Tally::new(vec![limit(10)], true);
        tally.count(&[("a", 1), ("b", 1), ("a", 2)]).unwrap();
        tally.count(&[("a", 1)]).unwrap();
        let told = tally.take();
        assert_eq!(told.records, [("a".to_owned(), 3), ("b".to_owned(), 1)]);
        assert_eq!(tally.take(), Told::default());
        let of = |each| Allowance { stream: Some("b".into()), each, ..limit(40) };
        for (limit, good) in [(of(false), false), (of(true), true)] {
            assert!(Tally::new(vec![limit.clone()], true).count(&[("a", 9)]).is_ok());
            let told = Tally::new(vec![limit], true).count(&[("a", 9), ("b", 2)]);
            assert_eq!(told.is_ok(), good);
        }
        let sum = Tally::new(Vec::new(), false);
        sum.count(&[("a", 1), ("b", 1)]).unwrap();
        assert_eq!(sum.take().records, [(String::new(), 2)]);
        let drawn = |left| Drawn { policy: "q".into(), left };
        for left in [Some((5, 1, 1)), None, Some((3, 1, 1)), Some((4, 1, 1)), None] {
            sum.note(drawn(left));
        }
        assert_eq!(sum.take().drawn, [drawn(Some((3, 1, 1))), drawn(None)]);
        let refused = Tally::new(Vec::new(), false);
        refused.count(&[("a", 1)]).unwrap();
        refused.forget(Some("q"));
        assert_eq!(refused.take(), Told { refused: Some("q".into()), ..Told::default() });
        let full = Tally::new(vec![limit(10)], true);
        let error = full.count(&[("a", 5)]).unwrap_err();
        assert_eq!((error.code, error.retry_after), (Code::RateLimited, Some(1)));
        let told = full.take();
        assert_eq!((told.refused.as_deref(), told.records.len()), (Some("p"), 0));
    }
}
