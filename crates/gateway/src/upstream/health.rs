//! Which endpoints are well: what checks say, and what requests meet.
//!
//! A failing check takes an endpoint down. Requests that fail in a row eject it for a time; when that
//! is over one request goes there to see (it is half open), and the outcome decides.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::config::{Check, Ejection};

/// How an endpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It gets its share.
    Healthy,
    /// Its requests have failed: it gets none for a time.
    Ejected,
    /// It may show with one request that it is well again.
    HalfOpen,
    /// It is showing it.
    Probing,
    /// Its checks have failed.
    Down,
}

impl Standing {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Healthy => "healthy",
            Standing::Ejected => "ejected",
            Standing::HalfOpen => "half_open",
            Standing::Probing => "probing",
            Standing::Down => "down",
        }
    }
}

/// Which endpoints a request may go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Healthy ones; half-open ones only after a time of grace: it cannot be repeated.
    Once,
    /// Healthy and half-open ones: it can be repeated elsewhere.
    Repeatable,
    /// All but those that are down: there is no better one.
    Any,
}

/// The health of an upstream's endpoints.
pub(crate) struct Health {
    ejection: Option<Ejection>,
    good: u32,
    bad: u32,
    members: Mutex<Vec<Member>>,
    /// Of each whether it is healthy without a failure: then nothing has to be looked up.
    spotless: Vec<AtomicBool>,
}

#[derive(Debug, Default, Clone)]
struct Member {
    down: bool,
    /// Checks in a row that say the opposite of `down`.
    against: u32,
    /// Failures in a row.
    failures: u32,
    out: Option<Out>,
    /// How often in a row it was ejected, and when the last time was over.
    ejections: u32,
    back: Option<Instant>,
    /// How often it was ejected.
    total: u64,
}

#[derive(Debug, Clone, Copy)]
struct Out {
    until: Instant,
    probing: bool,
}

impl Member {
    fn standing(&self, now: Instant) -> Standing {
        match self.out {
            _ if self.down => Standing::Down,
            None => Standing::Healthy,
            Some(out) if out.probing => Standing::Probing,
            Some(out) if out.until <= now => Standing::HalfOpen,
            Some(_) => Standing::Ejected,
        }
    }

    fn eject(&mut self, rules: &Ejection, now: Instant) {
        // What went well since the last time counts for it.
        if let Some(back) = self.back.take() {
            let well = now.saturating_duration_since(back).as_nanos();
            let forgiven = well / rules.base.as_nanos().max(1);
            let forgiven = u32::try_from(forgiven).unwrap_or(u32::MAX);
            self.ejections = self.ejections.saturating_sub(forgiven);
        }
        let times = 1_u32.checked_shl(self.ejections.min(20)).unwrap_or(u32::MAX);
        let time = rules.base.saturating_mul(times).min(rules.max);
        self.ejections += 1;
        self.total += 1;
        self.failures = 0;
        self.out = Some(Out { until: now + time, probing: false });
    }

    fn readmit(&mut self, now: Instant) {
        self.out = None;
        self.back = Some(now);
    }
}

impl Health {
    pub(crate) fn new(count: usize, ejection: Option<Ejection>, check: Option<&Check>) -> Health {
        Health {
            ejection,
            good: check.map_or(1, |check| check.good),
            bad: check.map_or(1, |check| check.bad),
            members: Mutex::new(vec![Member::default(); count]),
            spotless: (0..count).map(|_| AtomicBool::new(true)).collect(),
        }
    }

    /// How an endpoint is, and how often it was ejected.
    pub(crate) fn standing(&self, at: usize, now: Instant) -> (Standing, u64) {
        let members = self.members();
        let member = members.get(at);
        member.map_or((Standing::Down, 0), |member| (member.standing(now), member.total))
    }

    /// Whether a request may go there.
    pub(crate) fn usable(&self, at: usize, need: Need, now: Instant) -> bool {
        if self.is_spotless(at) {
            return true;
        }
        let members = self.members();
        let Some(member) = members.get(at) else { return false };
        match member.standing(now) {
            Standing::Healthy => true,
            Standing::Down => false,
            Standing::Ejected | Standing::Probing => need == Need::Any,
            Standing::HalfOpen => need != Need::Once || self.grace(member) <= Some(now),
        }
    }

    /// From when on also a request that cannot be repeated may show how it is.
    fn grace(&self, member: &Member) -> Option<Instant> {
        let base = self.ejection.as_ref().map_or(Duration::ZERO, |rules| rules.base);
        member.out.map(|out| out.until + base)
    }

    /// A request goes there: says whether it may, for another may have been quicker to show how it is.
    pub(crate) fn claim(&self, at: usize, need: Need, now: Instant) -> bool {
        if self.is_spotless(at) {
            return true;
        }
        if !self.usable(at, need, now) {
            return false;
        }
        let mut members = self.members();
        let Some(member) = members.get_mut(at) else { return false };
        match &mut member.out {
            Some(out) if out.probing && need != Need::Any => false,
            Some(out) => {
                out.probing = true;
                true
            }
            None => true,
        }
    }

    /// Whether a request is showing how it is.
    pub(crate) fn is_probing(&self, at: usize) -> bool {
        let probing = |member: &Member| member.out.is_some_and(|out| out.probing);
        !self.is_spotless(at) && self.members().get(at).is_some_and(probing)
    }

    /// A request went well; says whether the endpoint is back by that.
    pub(crate) fn succeeded(&self, at: usize, now: Instant) -> bool {
        if self.is_spotless(at) {
            return false;
        }
        self.change(at, |member| {
            member.failures = 0;
            let back = member.out.is_some_and(|out| out.probing);
            if back {
                member.readmit(now);
            }
            back
        })
    }

    /// A request failed; says whether the endpoint is ejected by that.
    pub(crate) fn failed(&self, at: usize, now: Instant) -> bool {
        let Some(rules) = &self.ejection else { return false };
        let may = {
            let members = self.members();
            let out = members.iter().filter(|member| member.out.is_some()).count();
            let others = members.iter().enumerate().filter(|(other, _)| *other != at);
            let well = others.filter(|(_, other)| other.standing(now) == Standing::Healthy).count();
            well > 0 && (out + 1) * 100 <= members.len() * rules.max_percent as usize
        };
        self.change(at, |member| {
            member.failures = member.failures.saturating_add(1);
            let ejected = match member.out {
                Some(out) => out.probing,
                None => may && member.failures >= rules.failures,
            };
            if ejected {
                member.eject(rules, now);
            }
            ejected
        })
    }

    /// Nothing was learned of a request: another one may show how the endpoint is.
    pub(crate) fn released(&self, at: usize) {
        if !self.is_spotless(at) {
            self.change(at, |member| {
                if let Some(out) = &mut member.out {
                    out.probing = false;
                }
                false
            });
        }
    }

    /// A check's answer; says whether the endpoint is down or up by that.
    pub(crate) fn checked(&self, at: usize, good: bool, now: Instant) -> Option<Standing> {
        let mut changed = None;
        self.change(at, |member| {
            if good != member.down {
                member.against = 0;
                return false;
            }
            member.against += 1;
            let enough = if member.down { self.good } else { self.bad };
            if member.against >= enough {
                member.against = 0;
                member.down = !good;
                // Who is up again need not sit out what it was ejected for: it may show it.
                if let Some(out) = &mut member.out
                    && good
                {
                    out.until = out.until.min(now);
                }
                changed = Some(member.standing(now));
            }
            false
        });
        changed
    }

    fn change(&self, at: usize, change: impl FnOnce(&mut Member) -> bool) -> bool {
        let mut members = self.members();
        let Some(member) = members.get_mut(at) else { return false };
        let outcome = change(member);
        let spotless = !member.down && member.out.is_none() && member.failures == 0;
        if let Some(flag) = self.spotless.get(at) {
            flag.store(spotless, Relaxed);
        }
        outcome
    }

    /// Whether it is healthy without a failure.
    pub(crate) fn is_spotless(&self, at: usize) -> bool {
        self.spotless.get(at).is_some_and(|flag| flag.load(Relaxed))
    }

    fn members(&self) -> MutexGuard<'_, Vec<Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
