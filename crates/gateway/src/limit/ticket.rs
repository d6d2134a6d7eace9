//! What one request has taken of each limit, and what its answer says about that.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use forebay_http::meter::{Meter, beyond};
use forebay_model::Error;
use forebay_model::principal::Principal;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

mod elsewhere;

pub(crate) use elsewhere::counts;

use super::concurrency::Place;
use super::gcra::Quota;
use super::leases::Hold;
use super::policy::Measure;
use super::table::Key;
use super::{Asked, Counted, Limits, Stage};

const SECOND: u64 = 1_000_000_000;

/// A request's account; what it holds is given back when it is dropped.
pub(crate) struct Ticket {
    pub(super) limits: Arc<Limits>,
    taken: Mutex<Taken>,
}

/// What is left of a policy.
#[derive(Clone, Copy)]
pub(super) struct Told {
    pub(super) left: u64,
    /// In how many seconds all of it is there again.
    pub(super) reset: Option<u64>,
    /// A period's length in seconds, where that is not always the same.
    pub(super) window: Option<u64>,
}

#[derive(Default)]
pub(super) struct Taken {
    /// By policy.
    told: Vec<(usize, Told)>,
    places: Vec<Place>,
    /// Who asked for what, for what is counted later.
    caller: Option<Caller>,
}

struct Caller {
    method: Method,
    uri: Uri,
    client: IpAddr,
    who: Option<Arc<Principal>>,
}

impl Caller {
    fn asked(&self) -> Asked<'_> {
        let Caller { method, uri, client, who } = self;
        // What goes to users' services is not metered.
        let route = None;
        Asked { method, path: uri.path(), route, client: *client, who: who.as_deref() }
    }
}

/// What has been taken, to be given back when another limit refuses.
#[derive(Default)]
pub(super) struct Taking {
    rates: Vec<(Key, Quota, u64)>,
    pub(super) holds: Vec<Hold>,
}

impl Ticket {
    pub(crate) fn new(limits: Arc<Limits>) -> Ticket {
        Ticket { limits, taken: Mutex::default() }
    }

    /// Takes one request of every limit of a stage that is for it: all or none.
    pub(crate) async fn enter(&self, stage: Stage, asked: Asked<'_>) -> Result<(), Error> {
        // What is known here first: it costs nothing to refuse.
        let mut taking = self.enter_here(stage, asked)?;
        match stage {
            Stage::Address => Ok(()),
            Stage::Caller => self.draw(asked, &mut taking).await,
        }
    }

    /// The limits that are this process's alone.
    fn enter_here(&self, stage: Stage, asked: Asked<'_>) -> Result<Taking, Error> {
        let now = self.limits.now();
        let mut taken = self.taken();
        let mut taking = Taking::default();
        let policies = self.limits.policies.iter().enumerate();
        for (at, counted) in policies.filter(|(_, counted)| counted.stage == stage) {
            for key in counted.policy.keys(&self.limits.table, asked, asked.stream()) {
                let wait = match counted.policy.measure {
                    Measure::Requests(quota) => {
                        self.pay(&mut taken, &mut taking, (at, key, quota, 1), now).err()
                    }
                    // What it brings is known when it has been read: here is only asked whether
                    // reading it makes sense.
                    Measure::Records(quota) => match self.limits.table.wait(key, quota, 1, now) {
                        Ok(until) => {
                            taken.tell(at, quota, until, now);
                            None
                        }
                        Err(wait) => {
                            taken.tell(at, quota, now.saturating_add(quota.window()), now);
                            Some(wait)
                        }
                    },
                    Measure::Concurrent(most) => match self.limits.running.take(key, most) {
                        Some((place, left)) => {
                            taken.note(at, Told::now(u64::from(left)));
                            taken.places.push(place);
                            None
                        }
                        None => {
                            taken.note(at, Told::now(0));
                            Some(SECOND)
                        }
                    },
                    // Counted elsewhere, and last.
                    Measure::Calendar(_) => continue,
                };
                self.judge(counted, wait, &taking)?;
            }
        }
        Ok(taking)
    }

    /// Remembers who asked, where something of theirs is counted later.
    pub(crate) fn remember(
        &self,
        method: &Method,
        uri: &Uri,
        client: IpAddr,
        who: Option<Arc<Principal>>,
    ) {
        let later = |counted: &Counted| match counted.policy.measure {
            Measure::Records(_) => true,
            Measure::Calendar(calendar) => calendar.records,
            _ => counted.policy.by_stream(),
        };
        if self.limits.policies.iter().any(later) {
            let (method, uri) = (method.clone(), uri.clone());
            self.taken().caller = Some(Caller { method, uri, client, who });
        }
    }

    /// Takes from one key and tells what is left of it; else how long to wait.
    fn pay(
        &self,
        taken: &mut Taken,
        taking: &mut Taking,
        (at, key, quota, cost): (usize, Key, Quota, u64),
        now: u64,
    ) -> Result<(), u64> {
        match self.limits.table.take(key, quota, cost, now) {
            Ok(until) => {
                taking.rates.push((key, quota, cost));
                taken.tell(at, quota, until, now);
                Ok(())
            }
            Err(wait) => {
                taken.tell(at, quota, now.saturating_add(quota.window()), now);
                Err(wait)
            }
        }
    }

    /// Counts a decision; a refusal gives back what was taken so far.
    pub(super) fn judge(
        &self,
        counted: &Counted,
        wait: Option<u64>,
        taking: &Taking,
    ) -> Result<(), Error> {
        let Some(wait) = wait else {
            counted.allowed.increment(1);
            return Ok(());
        };
        counted.refused.increment(1);
        self.give_back(taking);
        Err(beyond(&counted.policy.name, wait))
    }

    pub(super) fn give_back(&self, taking: &Taking) {
        for (key, quota, cost) in &taking.rates {
            self.limits.table.give_back(*key, *quota, *cost);
        }
        taking.holds.iter().for_each(Hold::give_back);
    }

    pub(super) fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what is left (draft-ietf-httpapi-ratelimit-headers).
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        let mut taken = self.taken();
        if taken.told.is_empty() {
            return;
        }
        taken.told.sort_by_key(|(at, _)| *at);
        let (mut policies, mut left) = (String::new(), String::new());
        for (n, (at, told)) in taken.told.iter().enumerate() {
            let policy = &self.limits.policies[*at].policy;
            let comma = if n > 0 { ", " } else { "" };
            // Writing to a text does not fail.
            let _ = write!(policies, "{comma}{}", policy.item);
            if let Some(window) = told.window {
                let _ = write!(policies, ";w={window}");
            }
            let _ = write!(left, "{comma}\"{}\";r={}", policy.name, told.left);
            if let Some(reset) = told.reset {
                let _ = write!(left, ";t={reset}");
            }
        }
        for (name, value) in [("ratelimit-policy", policies), ("ratelimit", left)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
}

impl Taken {
    /// What is left of a rate; nothing, a whole window long, where it has refused.
    fn tell(&mut self, at: usize, quota: Quota, until: u64, now: u64) {
        let reset = until.saturating_sub(now).div_ceil(SECOND);
        let told = Told { left: quota.left(until, now), reset: Some(reset), window: None };
        self.note(at, told);
    }

    /// Of several keys of a policy the one counts that has least.
    pub(super) fn note(&mut self, at: usize, told: Told) {
        match self.told.iter_mut().find(|(policy, _)| *policy == at) {
            Some((_, before)) if told.left <= before.left => *before = told,
            Some(_) => {}
            None => self.told.push((at, told)),
        }
    }
}

impl Told {
    /// What is free at this moment.
    fn now(left: u64) -> Told {
        Told { left, reset: None, window: None }
    }
}

#[async_trait]
impl Meter for Ticket {
    async fn records(&self, streams: &[(&str, u64)]) -> Result<(), Error> {
        let Some(caller) = self.taken().caller.take() else { return Ok(()) };
        let asked = caller.asked();
        let mut taking = self.records_here(streams, asked)?;
        self.draw_records(streams, asked, &mut taking).await
    }
}

impl Ticket {
    /// The rates that are this process's alone.
    fn records_here(&self, streams: &[(&str, u64)], asked: Asked<'_>) -> Result<Taking, Error> {
        let now = self.limits.now();
        let mut taken = self.taken();
        let all = streams.iter().map(|(_, count)| count).sum();
        let mut taking = Taking::default();
        for (at, counted) in self.limits.policies.iter().enumerate() {
            let policy = &counted.policy;
            let (quota, each) = match policy.measure {
                Measure::Records(quota) => (quota, false),
                // A request that names its streams in its body is one for each of them.
                Measure::Requests(quota) if policy.by_stream() && asked.stream().is_none() => {
                    (quota, true)
                }
                _ => continue,
            };
            let whole = [("", all)];
            let shares = if policy.by_stream() { streams } else { &whole };
            for (stream, count) in shares {
                let cost = if each { 1 } else { *count };
                let of = Some(*stream).filter(|stream| !stream.is_empty());
                for key in policy.keys(&self.limits.table, asked, of) {
                    let one = (at, key, quota, cost);
                    let wait = self.pay(&mut taken, &mut taking, one, now).err();
                    self.judge(counted, wait, &taking)?;
                }
            }
        }
        Ok(taking)
    }
}
