//! One after the other by their weights, evenly mixed: each earns its weight with every turn, and who
//! has most takes the turn and pays for all.

use std::sync::{Mutex, PoisonError};

use super::{Among, Ask, Balance, Kind};

pub(super) const KIND: Kind =
    Kind { name: "weighted", build: |count| Box::new(Weighted(Mutex::new(vec![0; count]))) };

/// What each has earned and not spent.
struct Weighted(Mutex<Vec<i64>>);

impl Balance for Weighted {
    fn pick(&self, among: &dyn Among, _: Ask) -> Option<usize> {
        let mut earned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut all, mut best) = (0, None);
        for (at, purse) in earned.iter_mut().enumerate().filter(|(at, _)| among.usable(*at)) {
            let weight = i64::from(among.weight(at));
            all += weight;
            *purse += weight;
            if best.is_none_or(|(_, most)| *purse > most) {
                best = Some((at, *purse));
            }
        }
        let (at, _) = best?;
        *earned.get_mut(at)? -= all;
        Some(at)
    }
}
