//! How much somebody may ask: rates, requests at once and quotas, by the policies of the configuration.
//!
//! Rates and requests at once are this process's alone, and their times are nanoseconds since it
//! began. Quotas are counted in the database, of which this process holds leases.

mod calendar;
mod concurrency;
mod draw;
mod gcra;
mod inside;
mod lease;
mod leases;
mod policy;
mod recent;
mod table;
mod ticket;

use std::sync::Arc;
use std::time::Instant;

pub(crate) use inside::Counting;
pub(crate) use policy::{Asked, Stage};
pub use policy::{Draft, Policy};
pub(crate) use ticket::{Ticket, counts};

use forebay_contract::Quotas;
use forebay_model::time::SharedClock;

use concurrency::Running;
use leases::Leases;
use policy::Measure;
use recent::Recent;
use table::Table;

/// The policies with what is counted for them.
pub(crate) struct Limits {
    policies: Vec<Counted>,
    table: Table,
    /// Streams that were counted of late.
    recent: Recent,
    running: Arc<Running>,
    leases: Leases,
    /// Whether records are read in this process.
    reads: bool,
    begun: Instant,
}

/// A policy, and how often it has said what.
struct Counted {
    policy: Policy,
    stage: Stage,
    allowed: metrics::Counter,
    refused: metrics::Counter,
    /// Nobody could count.
    uncounted: metrics::Counter,
}

impl Limits {
    /// Counts for these policies, with about `most` keys at once; quotas behind a door, and those of
    /// records only where it `reads` them.
    pub(crate) fn new(
        (policies, most): (&[Policy], usize),
        quotas: Arc<dyn Quotas>,
        clock: SharedClock,
        reads: bool,
    ) -> Limits {
        let counted = |policy: &Policy| {
            let decided = |decision: &'static str| {
                let labels = [("policy", policy.name.clone()), ("decision", decision.to_owned())];
                metrics::counter!("forebay_limit_decisions_total", &labels)
            };
            let (allowed, refused) = (decided("allowed"), decided("refused"));
            let uncounted = match policy.measure {
                Measure::Calendar(_) => decided("uncounted"),
                _ => metrics::Counter::noop(),
            };
            Counted { policy: policy.clone(), stage: policy.stage(), allowed, refused, uncounted }
        };
        Limits {
            policies: policies.iter().map(counted).collect(),
            table: Table::new(most),
            recent: Recent::default(),
            running: Arc::default(),
            leases: Leases::new(quotas, clock),
            reads,
            begun: Instant::now(),
        }
    }

    /// What a request takes; none where nothing is limited.
    pub(crate) fn ticket(self: &Arc<Self>) -> Option<Arc<Ticket>> {
        (!self.policies.is_empty()).then(|| Arc::new(Ticket::new(self.clone())))
    }

    /// Gives back what is held of quotas and not used, until it is dropped.
    pub(crate) async fn tend(&self) {
        self.leases.tend().await;
    }

    /// Gives back all that is held of quotas.
    pub(crate) async fn close(&self) {
        self.leases.close().await;
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
