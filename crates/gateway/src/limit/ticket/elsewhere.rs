//! A ticket for a request that a service in another process reads: what is left goes there with it,
//! and what it brought is taken when the answer says so.
//!
//! Requests that are on their way at the same time see the same that is left, so together they may
//! bring more than that: it is taken all the same, and whoever comes next waits until it is paid off.
//! Of quotas the service draws itself, and what is left of them comes with the answer.

use std::sync::Arc;

use forebay_http::internal::Told;
use forebay_http::meter::{Allowance, Plan};

use super::{Taken, Ticket, Told as Left};
use crate::limit::gcra::Quota;
use crate::limit::policy::Measure;
use crate::limit::table::Key;
use crate::limit::{Asked, Counted};

impl Ticket {
    /// What is left of each limit of records that the request may use up, and whether records are
    /// counted by stream.
    pub(crate) fn left(&self) -> (Vec<Allowance>, bool) {
        let (now, taken) = (self.limits.now(), self.taken());
        let Some(caller) = &taken.caller else { return (Vec::new(), false) };
        let asked = caller.asked();
        let (mut left, mut by_stream) = (Vec::new(), false);
        for counted in &self.limits.policies {
            let policy = &counted.policy;
            let Some((quota, each)) = later(counted, asked) else { continue };
            by_stream |= policy.by_stream();
            let allowance = |key: Key, stream: Option<String>| Allowance {
                policy: policy.name.clone(),
                stream,
                each,
                every: quota.every(),
                burst: quota.burst(),
                taken: self.limits.table.until(key).saturating_sub(now),
            };
            if !policy.by_stream() || asked.stream().is_some() {
                let keys = policy.keys(&self.limits.table, asked, asked.stream());
                left.extend(keys.into_iter().map(|key| allowance(key, None)));
                continue;
            }
            // Which streams it is about is known when it is read: what is left of those of late.
            left.push(allowance(self.owing(counted, asked), None));
            for stream in self.limits.recent.all() {
                let keys = policy.keys(&self.limits.table, asked, Some(&stream));
                let all = keys.into_iter().map(|key| allowance(key, Some(stream.clone())));
                left.extend(all.filter(|allowance| allowance.taken > 0));
            }
        }
        (left, by_stream)
    }

    /// The quotas of records that the request is for.
    pub(crate) fn plans(&self) -> Vec<Plan> {
        let taken = self.taken();
        let Some(caller) = &taken.caller else { return Vec::new() };
        let asked = caller.asked();
        let mut plans = Vec::new();
        for (_, counted, calendar) in self.quotas().filter(|(.., calendar)| calendar.records) {
            let policy = &counted.policy;
            let by_stream = policy.by_stream() && asked.stream().is_none();
            let all = match by_stream {
                true => policy.parts_but_stream(asked),
                false => policy.parts(asked, asked.stream()),
            };
            plans.extend(all.iter().map(|parts| Plan {
                policy: policy.name.clone(),
                quota: calendar.quota,
                period: calendar.period,
                open: calendar.open,
                count: policy.name(parts, &calendar),
                by_stream,
            }));
        }
        plans
    }

    /// Tells what is left of quotas, as the service knows it.
    fn settle_quotas(&self, told: &Told) {
        for (at, counted, _) in self.quotas() {
            let name = &counted.policy.name;
            let refused = told.refused.as_ref() == Some(name);
            for drawn in told.drawn.iter().filter(|drawn| drawn.policy == *name) {
                let Some((left, reset, window)) = drawn.left else {
                    counted.uncounted.increment(1);
                    continue;
                };
                let (reset, window) = (Some(reset), Some(window));
                self.taken().note(at, Left { left, reset, window });
                if !refused {
                    counted.allowed.increment(1);
                }
            }
        }
    }

    /// Takes what a service tells that the request has brought, or that it was refused for a limit.
    pub(crate) fn settle(&self, told: &Told) {
        self.settle_quotas(told);
        let now = self.limits.now();
        let mut taken = self.taken();
        if let Some(refused) = &told.refused {
            self.refused(&mut taken, refused, now);
        }
        let Some(caller) = taken.caller.take_if(|_| !told.records.is_empty()) else { return };
        let asked = caller.asked();
        let all: u64 = told.records.iter().map(|(_, count)| count).sum();
        let whole = [(String::new(), all)];
        for (at, counted) in self.limits.policies.iter().enumerate() {
            let policy = &counted.policy;
            let Some((quota, each)) = later(counted, asked) else { continue };
            let shares = if policy.by_stream() { told.records.as_slice() } else { &whole };
            for (stream, count) in shares {
                let cost = if each { 1 } else { *count };
                let named = Some(stream.as_str()).filter(|stream| !stream.is_empty());
                for key in policy.keys(&self.limits.table, asked, named) {
                    let until = self.limits.table.charge(key, quota, cost, now);
                    taken.tell(at, quota, until, now);
                    counted.allowed.increment(1);
                    if !policy.by_stream() {
                        continue;
                    }
                    let named = named.or_else(|| asked.stream());
                    if named.is_none_or(|stream| !self.limits.recent.note(stream)) {
                        // Too many to tell apart: the caller's next batch waits for the one that owes.
                        self.limits.table.owe(self.owing(counted, asked), until, now);
                    }
                }
            }
        }
    }

    /// What stands for those of a caller's streams that nobody tells apart, by the one that owes most.
    fn owing(&self, counted: &Counted, asked: Asked<'_>) -> Key {
        let who = asked.who.map(|who| who.id.as_str());
        self.limits.table.key(("batch", &counted.policy.name, who, asked.client))
    }

    fn refused(&self, taken: &mut Taken, name: &str, now: u64) {
        let policies = self.limits.policies.iter().enumerate();
        for (at, counted) in policies.filter(|(_, counted)| counted.policy.name == name) {
            counted.refused.increment(1);
            if let Measure::Records(quota) | Measure::Requests(quota) = counted.policy.measure {
                taken.tell(at, quota, now.saturating_add(quota.window()), now);
            }
        }
    }
}

/// The quota of a limit that counts what a request brings, and whether each stream is one.
fn later(counted: &Counted, asked: Asked<'_>) -> Option<(Quota, bool)> {
    match counted.policy.measure {
        Measure::Records(quota) => Some((quota, false)),
        Measure::Requests(quota) if counted.policy.by_stream() && asked.stream().is_none() => {
            Some((quota, true))
        }
        _ => None,
    }
}

/// A request that a service elsewhere may refuse or count for.
pub(crate) fn counts(ticket: Option<&Arc<Ticket>>) -> (Vec<Allowance>, bool, Vec<Plan>) {
    let Some(ticket) = ticket else { return Default::default() };
    let (left, by_stream) = ticket.left();
    (left, by_stream, ticket.plans())
}
