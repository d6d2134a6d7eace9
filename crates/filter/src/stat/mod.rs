//! What is kept of many values: exact sums, percentiles, how many are distinct.
//!
//! The order in which values come changes nothing, nor whether they come at once or are put together
//! from parts.

mod distinct;
mod sketch;
mod sum;

pub use distinct::Distinct;
pub use sketch::Sketch;
pub use sum::{Sum, Total};

/// The nearest double.
#[allow(clippy::cast_precision_loss, reason = "this is what it says")]
fn double(int: i128) -> f64 {
    int as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Val;

    #[test]
    fn what_is_put_together_from_parts_is_what_comes_at_once() {
        let value = |n: i32| f64::from(n * 37 % 1009) * 1.1 - 300.0;
        for parts in [1, 3, 100] {
            let (mut sum, mut sketch, mut distinct) = <(Sum, Sketch, Distinct)>::default();
            let (mut sums, mut sketches, mut distincts) =
                (Sum::default(), Sketch::new(), Distinct::new());
            for part in 0..parts {
                let (mut own_sum, mut own_sketch, mut own_distinct) =
                    <(Sum, Sketch, Distinct)>::default();
                for n in (0..20_000).filter(|n| n % parts == part) {
                    own_sum.add_double(value(n));
                    own_sketch.add(value(n));
                    own_distinct.add(&Val::Int(n.into()));
                }
                sums.merge(&own_sum);
                sketches.merge(&own_sketch);
                distincts.merge(&own_distinct);
            }
            for n in 0..20_000 {
                sum.add_double(value(n));
                sketch.add(value(n));
                distinct.add(&Val::Int(n.into()));
            }
            assert_eq!(sum.total(), sums.total());
            assert_eq!(sketch.quantile(0.95), sketches.quantile(0.95));
            assert_eq!(distinct.count(), distincts.count());
        }
    }
}
