//! One after the other, whatever their weights.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{Among, Ask, Balance, Kind, nth_usable, usable};

pub(super) const KIND: Kind =
    Kind { name: "round_robin", build: |_| Box::new(RoundRobin(AtomicU64::new(0))) };

struct RoundRobin(AtomicU64);

impl Balance for RoundRobin {
    fn pick(&self, among: &dyn Among, _: Ask) -> Option<usize> {
        // Turns are counted among those that may be picked: nobody takes the turns of one that is out.
        let turn = self.0.fetch_add(1, Relaxed).checked_rem(usable(among) as u64)?;
        nth_usable(among, usize::try_from(turn).ok()?)
    }
}
