//! Of two by chance the one that is answering fewer requests.

use super::{Among, Ask, Balance, Kind, better, two};

pub(super) const KIND: Kind = Kind { name: "least_request", build: |_| Box::new(LeastRequest) };

struct LeastRequest;

impl Balance for LeastRequest {
    fn pick(&self, among: &dyn Among, ask: Ask) -> Option<usize> {
        let cost = |at| (f64::from(among.in_flight(at)) + 1.0) / f64::from(among.weight(at));
        Some(better(two(among, ask.random)?, cost))
    }
}
