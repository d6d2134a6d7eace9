//! What a request takes of limits in a process behind the gateway: of rates by what was left when it
//! was handed on, of quotas by leases of this process's own, exactly.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use forebay_http::internal::{Drawn, Told};
use forebay_http::meter::{Meter, Plan, Tally, beyond};
use forebay_model::{Code, Error};

use super::Limits;
use super::calendar::Calendar;
use super::leases::{Denied, Hold};

const SECOND: u64 = 1_000_000_000;

/// The meter of one request.
pub(crate) struct Counting {
    limits: Arc<Limits>,
    tally: Tally,
    /// The quotas that it is for, until they are drawn of.
    plans: Mutex<Vec<Plan>>,
}

impl Counting {
    pub(crate) fn new(limits: Arc<Limits>, tally: Tally, plans: Vec<Plan>) -> Counting {
        Counting { limits, tally, plans: Mutex::new(plans) }
    }

    /// What to tell the gateway, once.
    pub(crate) fn take(&self) -> Told {
        self.tally.take()
    }

    /// Takes of one count; nothing where nobody can say and requests pass all the same.
    async fn draw(&self, plan: &Plan, name: &str, cost: u64) -> Result<Option<Hold>, Error> {
        let (leases, policy) = (&self.limits.leases, &plan.policy);
        let Plan { quota, period, open, .. } = *plan;
        let calendar = Calendar { quota, period, records: true, open };
        // Gateways start anew with other numbers while this process goes on.
        let key = self.limits.table.key(("count", name, quota));
        let cell = leases.cell(key, calendar, || name.to_owned());
        let drawn = leases.take(&cell, cost).await;
        let state = leases.state(&cell);
        let left = Some((state.remaining, state.until_end, state.window));
        let left = left.filter(|_| !matches!(drawn, Err(Denied::Away)));
        self.tally.note(Drawn { policy: policy.clone(), left });
        match drawn {
            Ok(hold) => Ok(Some(hold)),
            Err(Denied::Spent) => {
                self.tally.forget(Some(policy));
                Err(beyond(policy, state.until_end.saturating_mul(SECOND)))
            }
            Err(Denied::Away) if open => Ok(None),
            Err(Denied::Away) => {
                self.tally.forget(None);
                let detail = format!("the quota `{policy}` cannot be counted now");
                Err(Error::new(Code::EngineUnavailable, detail).retry_after(1))
            }
        }
    }

    async fn draw_all(
        &self,
        plan: &Plan,
        streams: &[(&str, u64)],
        holds: &mut Vec<Hold>,
    ) -> Result<(), Error> {
        let all = [("", streams.iter().map(|(_, count)| count).sum())];
        let shares = if plan.by_stream { streams } else { &all };
        for (stream, count) in shares.iter().filter(|(_, count)| *count > 0) {
            let drawn = match plan.by_stream {
                true => self.draw(plan, &Plan::of_stream(&plan.count, stream), *count).await,
                false => self.draw(plan, &plan.count, *count).await,
            };
            holds.extend(drawn?);
        }
        Ok(())
    }
}

#[async_trait]
impl Meter for Counting {
    async fn records(&self, streams: &[(&str, u64)]) -> Result<(), Error> {
        // What is known here first: it costs nothing to refuse.
        self.tally.records(streams).await?;
        let plans = {
            let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *plans)
        };
        let mut holds = Vec::new();
        for plan in &plans {
            if let Err(error) = self.draw_all(plan, streams, &mut holds).await {
                holds.iter().for_each(Hold::give_back);
                return Err(error);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "inside_tests.rs"]
mod tests;
