//! Of two by chance the one that would answer sooner: its latest round trips, times what it has to
//! do already. So one that becomes slow loses its work within an answer, and nobody runs to the best
//! all at once.

use super::{Among, Ask, Balance, Kind, better, two};

pub(super) const KIND: Kind = Kind { name: "p2c", build: |_| Box::new(P2c) };

struct P2c;

impl Balance for P2c {
    fn pick(&self, among: &dyn Among, ask: Ask) -> Option<usize> {
        let cost = |at| {
            let waiting = f64::from(among.in_flight(at)) + 1.0;
            among.round_trip(at) * waiting / f64::from(among.weight(at))
        };
        Some(better(two(among, ask.random)?, cost))
    }
}
