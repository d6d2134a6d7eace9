//! Percentiles: exact for a few values, from buckets of the logarithm for many.
//!
//! The buckets are those of DDSketch (Masson, Rim, Lee 2019): any answer is within half a percent
//! of a value that has the rank asked for, and the order of the values changes nothing.

use std::collections::BTreeMap;

use super::double;

/// As many values are kept as they are.
const FEW: usize = 512;
/// The relative error of an answer from buckets.
const ERROR: f64 = 0.005;
/// How much wider each bucket is than the one before.
const GAMMA: f64 = (1.0 + ERROR) / (1.0 - ERROR);

/// What is kept of the values.
#[derive(Debug, Clone)]
pub enum Sketch {
    /// All of them.
    Few(Vec<f64>),
    /// Buckets.
    Many(Box<Buckets>),
}

/// How many values each bucket holds.
#[derive(Debug, Clone)]
pub struct Buckets {
    negative: BTreeMap<i32, u64>,
    zeros: u64,
    positive: BTreeMap<i32, u64>,
    count: u64,
    least: f64,
    greatest: f64,
}

impl Default for Sketch {
    fn default() -> Sketch {
        Sketch::new()
    }
}

impl Sketch {
    /// Nothing yet.
    pub fn new() -> Sketch {
        Sketch::Few(Vec::new())
    }

    /// Takes a finite value.
    pub fn add(&mut self, value: f64) {
        match self {
            Sketch::Few(values) if values.len() < FEW => values.push(value),
            Sketch::Few(values) => {
                let mut buckets = Box::new(Buckets::new());
                values.iter().for_each(|value| buckets.add(*value));
                buckets.add(value);
                *self = Sketch::Many(buckets);
            }
            Sketch::Many(buckets) => buckets.add(value),
        }
    }

    /// Takes what another one holds.
    pub fn merge(&mut self, other: &Sketch) {
        match other {
            Sketch::Few(values) => values.iter().for_each(|value| self.add(*value)),
            Sketch::Many(theirs) => {
                let mut own = match std::mem::take(self) {
                    Sketch::Many(own) => own,
                    Sketch::Few(values) => {
                        let mut own = Box::new(Buckets::new());
                        values.iter().for_each(|value| own.add(*value));
                        own
                    }
                };
                own.merge(theirs);
                *self = Sketch::Many(own);
            }
        }
    }

    /// Whether its answers are not exact.
    pub fn is_approximate(&self) -> bool {
        matches!(self, Sketch::Many(_))
    }

    /// What it holds beside itself, in bytes.
    pub fn bytes(&self) -> usize {
        match self {
            Sketch::Few(values) => values.capacity() * size_of::<f64>(),
            // A node of the tree is about half full.
            Sketch::Many(buckets) => {
                size_of::<Buckets>() + (buckets.negative.len() + buckets.positive.len()) * 32
            }
        }
    }

    /// The least value that at least a share `q` of all values do not exceed (nearest rank).
    pub fn quantile(&self, q: f64) -> Option<f64> {
        match self {
            Sketch::Few(values) if values.is_empty() => None,
            Sketch::Few(values) => {
                let mut sorted = values.clone();
                sorted.sort_unstable_by(f64::total_cmp);
                let rank = rank(q, u64::try_from(sorted.len()).unwrap_or(u64::MAX));
                usize::try_from(rank - 1).ok().and_then(|at| sorted.get(at)).copied()
            }
            Sketch::Many(buckets) => Some(buckets.at(rank(q, buckets.count))),
        }
    }
}

/// The rank from 1 that stands for a share. A share is a decimal: 0.07 of 100 is 7, although the
/// double is a little more.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 ≤ q ≤ 1")]
fn rank(q: f64, count: u64) -> u64 {
    let exact = q * double(count.into());
    let near = exact.round();
    let least = if (exact - near).abs() < 1e-9 * near.max(1.0) { near } else { exact.ceil() };
    (least as u64).clamp(1, count)
}

impl Buckets {
    fn new() -> Buckets {
        Buckets {
            negative: BTreeMap::new(),
            zeros: 0,
            positive: BTreeMap::new(),
            count: 0,
            least: f64::INFINITY,
            greatest: f64::NEG_INFINITY,
        }
    }

    fn add(&mut self, value: f64) {
        self.count += 1;
        self.least = self.least.min(value);
        self.greatest = self.greatest.max(value);
        if value == 0.0 {
            self.zeros += 1;
        } else if value < 0.0 {
            *self.negative.entry(bucket(-value)).or_default() += 1;
        } else {
            *self.positive.entry(bucket(value)).or_default() += 1;
        }
    }

    fn merge(&mut self, other: &Buckets) {
        for (own, theirs) in
            [(&mut self.negative, &other.negative), (&mut self.positive, &other.positive)]
        {
            theirs.iter().for_each(|(at, count)| *own.entry(*at).or_default() += count);
        }
        self.zeros += other.zeros;
        self.count += other.count;
        self.least = self.least.min(other.least);
        self.greatest = self.greatest.max(other.greatest);
    }

    /// About the value of a rank.
    fn at(&self, rank: u64) -> f64 {
        if rank == 1 {
            return self.least;
        }
        if rank == self.count {
            return self.greatest;
        }
        let negative = self.negative.iter().rev().map(|(at, count)| (-middle(*at), *count));
        let positive = self.positive.iter().map(|(at, count)| (middle(*at), *count));
        let mut left = rank;
        for (value, count) in negative.chain([(0.0, self.zeros)]).chain(positive) {
            if left <= count {
                return value.clamp(self.least, self.greatest);
            }
            left -= count;
        }
        self.greatest
    }
}

/// The bucket of a positive value: from γ^(i−1), without it, to γ^i.
#[allow(clippy::cast_possible_truncation, reason = "a logarithm of a double is small")]
fn bucket(value: f64) -> i32 {
    (value.ln() / GAMMA.ln()).ceil() as i32
}

/// The value that is as far from both ends of a bucket.
fn middle(bucket: i32) -> f64 {
    (f64::from(bucket) * GAMMA.ln()).exp() * 2.0 / (1.0 + GAMMA)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sketch(values: &[f64]) -> Sketch {
        let mut sketch = Sketch::new();
        values.iter().for_each(|value| sketch.add(*value));
        sketch
    }

    #[test]
    fn a_few_values_are_exact() {
        let few = sketch(&[3.0, 1.0, 2.0, 4.0]);
        assert_eq!(
            [0.0, 0.25, 0.26, 0.5, 0.95, 1.0].map(|q| few.quantile(q).unwrap()),
            [1.0, 1.0, 2.0, 2.0, 4.0, 4.0]
        );
        assert_eq!(sketch(&[]).quantile(0.5), None);
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(sketch(&hundred).quantile(0.07), Some(7.0));
    }

    #[test]
    fn many_values_are_within_half_a_percent() {
        let mut state = 1_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            double((state >> 33).into()) / double(1 << 31)
        };
        let mut values: Vec<f64> = (0..20_000)
            .map(|n| match n % 4 {
                0 => 0.0,
                1 => -(random() * 30.0).exp(),
                2 => random() * 1e-300,
                _ => (random() * 600.0).exp(),
            })
            .collect();
        values.extend([f64::MAX, -f64::MAX, f64::MIN_POSITIVE, 5e-324]);
        let many = sketch(&values);
        values.reverse();
        let reversed = sketch(&values);
        values.sort_by(f64::total_cmp);
        for percent in 0..=1000 {
            let q = f64::from(percent) / 1000.0;
            let found = many.quantile(q).unwrap();
            let truth = values[usize::try_from(rank(q, 20_004)).unwrap() - 1];
            assert!((found - truth).abs() <= truth.abs() * 0.005_001, "{q}: {found} for {truth}");
            assert_eq!(found.to_bits(), reversed.quantile(q).unwrap().to_bits());
        }
        assert_eq!((many.quantile(0.0), many.quantile(1.0)), (Some(-f64::MAX), Some(f64::MAX)));
        assert!(many.is_approximate());
    }
}
