//! What a request takes of quotas: after all that is known without asking, and back when refused.

use forebay_model::{Code, Error};

use super::calendar::Calendar;
use super::leases::Denied;
use super::policy::{Measure, Parts};
use super::ticket::{Taking, Ticket, Told};
use super::{Asked, Counted};

const SECOND: u64 = 1_000_000_000;

impl Ticket {
    /// Takes one request of every quota that is for it. Of records is only asked whether there is
    /// room for one: how many come is known when they have been read.
    pub(super) async fn draw(&self, asked: Asked<'_>, taking: &mut Taking) -> Result<(), Error> {
        let here = |calendar: &Calendar| !calendar.records || self.limits.reads;
        for (at, counted, calendar) in self.quotas().filter(|(.., calendar)| here(calendar)) {
            let cost = if calendar.records { 0 } else { 1 };
            for parts in counted.policy.parts(asked, asked.stream()) {
                self.draw_one((at, counted, calendar), &parts, cost, taking).await?;
            }
        }
        Ok(())
    }

    /// Takes the records that a request brings, by stream.
    pub(super) async fn draw_records(
        &self,
        streams: &[(&str, u64)],
        asked: Asked<'_>,
        taking: &mut Taking,
    ) -> Result<(), Error> {
        let all = [("", streams.iter().map(|(_, count)| count).sum())];
        for (at, counted, calendar) in self.quotas().filter(|(.., calendar)| calendar.records) {
            let shares = if counted.policy.by_stream() { streams } else { &all };
            for (stream, count) in shares.iter().filter(|(_, count)| *count > 0) {
                let of = Some(*stream).filter(|stream| !stream.is_empty());
                for parts in counted.policy.parts(asked, of) {
                    self.draw_one((at, counted, calendar), &parts, *count, taking).await?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn quotas(&self) -> impl Iterator<Item = (usize, &Counted, Calendar)> {
        let policies = self.limits.policies.iter().enumerate();
        policies.filter_map(|(at, counted)| match counted.policy.measure {
            Measure::Calendar(calendar) => Some((at, counted, calendar)),
            _ => None,
        })
    }

    /// Takes of one count; 0 looks whether there is anything left.
    async fn draw_one(
        &self,
        (at, counted, calendar): (usize, &Counted, Calendar),
        parts: &Parts<'_>,
        cost: u64,
        taking: &mut Taking,
    ) -> Result<(), Error> {
        let (leases, policy) = (&self.limits.leases, &counted.policy);
        let name = || policy.name(parts, &calendar);
        let cell = leases.cell(self.limits.table.key(parts), calendar, name);
        let drawn = match cost {
            0 => leases.look(&cell).await,
            _ => leases.take(&cell, cost).await.map(|hold| taking.holds.push(hold)),
        };
        let state = leases.state(&cell);
        let tell = |left| {
            let (reset, window) = (Some(state.until_end), Some(state.window));
            self.taken().note(at, Told { left, reset, window });
        };
        match drawn {
            Ok(()) => {
                tell(state.remaining);
                self.judge(counted, None, taking)
            }
            Err(Denied::Spent) => {
                tell(state.remaining);
                let wait = state.until_end.saturating_mul(SECOND);
                self.judge(counted, Some(wait), taking)
            }
            Err(Denied::Away) => {
                counted.uncounted.increment(1);
                if calendar.open {
                    return Ok(());
                }
                self.give_back(taking);
                let detail = format!("the quota `{}` cannot be counted now", policy.name);
                Err(Error::new(Code::EngineUnavailable, detail).retry_after(1))
            }
        }
    }
}
