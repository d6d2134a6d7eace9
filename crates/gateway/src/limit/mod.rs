//! How much somebody may ask: rates and requests at once, by the policies of the configuration.
//!
//! They are this process's alone. Times are nanoseconds since it began.

mod concurrency;
mod gcra;
mod policy;
mod recent;
mod table;
mod ticket;

use std::sync::Arc;
use std::time::Instant;

pub(crate) use policy::{Asked, Stage};
pub use policy::{Draft, Policy};
pub(crate) use ticket::{Ticket, counts};

use concurrency::Running;
use recent::Recent;
use table::Table;

/// The policies with what is counted for them.
pub(crate) struct Limits {
    policies: Vec<Counted>,
    table: Table,
    /// Streams that were counted of late.
    recent: Recent,
    running: Arc<Running>,
    begun: Instant,
}

/// A policy, and how often it has said what.
struct Counted {
    policy: Policy,
    stage: Stage,
    allowed: metrics::Counter,
    refused: metrics::Counter,
}

impl Limits {
    /// Counts for these policies, with about `most` keys at once.
    pub(crate) fn new(policies: &[Policy], most: usize) -> Limits {
        let counted = |policy: &Policy| {
            let decided = |decision: &'static str| {
                let labels = [("policy", policy.name.clone()), ("decision", decision.to_owned())];
                metrics::counter!("forebay_limit_decisions_total", &labels)
            };
            let (allowed, refused) = (decided("allowed"), decided("refused"));
            Counted { policy: policy.clone(), stage: policy.stage(), allowed, refused }
        };
        Limits {
            policies: policies.iter().map(counted).collect(),
            table: Table::new(most),
            recent: Recent::default(),
            running: Arc::default(),
            begun: Instant::now(),
        }
    }

    /// What a request takes; none where nothing is limited.
    pub(crate) fn ticket(self: &Arc<Self>) -> Option<Arc<Ticket>> {
        (!self.policies.is_empty()).then(|| Arc::new(Ticket::new(self.clone())))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
