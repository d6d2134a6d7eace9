//! How many distinct values: exactly for a few, by HyperLogLog for many.
//!
//! HyperLogLog with 2¹⁸ registers has a standard error of 0.2 %, so that one percent is five of
//! them. The estimate is Ertl's (2017, "New cardinality estimation algorithms for HyperLogLog
//! sketches", algorithm 6), which needs no table of corrections.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::value::Val;

use super::double;
use crate::number::exact_int;

/// As many are counted one by one.
const FEW: usize = 16_384;
/// The bits of a hash that choose a register.
const BITS: u32 = 18;
const REGISTERS: usize = 1 << BITS;
/// The greatest value of a register.
const MOST: usize = 64 - BITS as usize + 1;

/// The hashes of the values, or what HyperLogLog keeps of them.
#[derive(Debug, Clone)]
pub enum Distinct {
    /// Their hashes.
    Few(HashSet<u64>),
    /// Registers.
    Many(Box<[u8]>),
}

impl Default for Distinct {
    fn default() -> Distinct {
        Distinct::new()
    }
}

impl Distinct {
    /// Nothing yet.
    pub fn new() -> Distinct {
        Distinct::Few(HashSet::new())
    }

    /// Takes a value; what is unknown is none.
    pub fn add(&mut self, val: &Val<'_>) {
        let Some(hash) = hash(val) else { return };
        self.note(hash);
    }

    /// Takes what another one holds.
    pub fn merge(&mut self, other: &Distinct) {
        match (&mut *self, other) {
            (_, Distinct::Few(hashes)) => hashes.iter().for_each(|hash| self.note(*hash)),
            (Distinct::Many(own), Distinct::Many(theirs)) => {
                own.iter_mut().zip(theirs).for_each(|(own, theirs)| *own = (*own).max(*theirs));
            }
            (Distinct::Few(hashes), Distinct::Many(theirs)) => {
                let mut registers = theirs.clone();
                hashes.iter().for_each(|hash| note(&mut registers, *hash));
                *self = Distinct::Many(registers);
            }
        }
    }

    fn note(&mut self, hash: u64) {
        match self {
            Distinct::Few(hashes) => {
                hashes.insert(hash);
                if hashes.len() > FEW {
                    let mut registers = vec![0; REGISTERS].into_boxed_slice();
                    hashes.iter().for_each(|hash| note(&mut registers, *hash));
                    *self = Distinct::Many(registers);
                }
            }
            Distinct::Many(registers) => note(registers, hash),
        }
    }

    /// Whether the count is not exact.
    pub fn is_approximate(&self) -> bool {
        matches!(self, Distinct::Many(_))
    }

    /// What it holds beside itself, in bytes.
    pub fn bytes(&self) -> usize {
        match self {
            Distinct::Few(hashes) => hashes.capacity() * 10,
            Distinct::Many(registers) => registers.len(),
        }
    }

    /// How many distinct values there were, about.
    pub fn count(&self) -> u64 {
        match self {
            Distinct::Few(hashes) => u64::try_from(hashes.len()).unwrap_or(u64::MAX),
            Distinct::Many(registers) => estimate(registers),
        }
    }
}

/// Equal values have equal hashes: 1 and 1.0 are one value.
fn hash(val: &Val<'_>) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    match val {
        Val::Bool(b) => (0_u8, b).hash(&mut hasher),
        Val::Int(n) => (1_u8, n).hash(&mut hasher),
        Val::Double(d) => match exact_int(*d) {
            Some(n) => (1_u8, n).hash(&mut hasher),
            None => (2_u8, d.to_bits()).hash(&mut hasher),
        },
        Val::Text(text) => (3_u8, text.as_bytes()).hash(&mut hasher),
        Val::Time(micros) => (4_u8, micros).hash(&mut hasher),
        Val::Span(micros) => (5_u8, micros).hash(&mut hasher),
        Val::Unknown | Val::Tree(_) | Val::Texts(_) => return None,
    }
    Some(hasher.finish())
}

/// Notes in the register that a hash chooses how many zeros its other bits begin with.
fn note(registers: &mut [u8], hash: u64) {
    let rest = hash << BITS | 1 << (BITS - 1);
    let zeros = u8::try_from(rest.leading_zeros() + 1).unwrap_or(u8::MAX);
    let chosen = usize::try_from(hash >> (64 - BITS)).ok().and_then(|at| registers.get_mut(at));
    if let Some(register) = chosen {
        *register = zeros.max(*register);
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "finite, positive")]
fn estimate(registers: &[u8]) -> u64 {
    let mut counts = [0.0_f64; MOST + 1];
    for register in registers {
        counts[usize::from(*register).min(MOST)] += 1.0;
    }
    let all = double(1 << BITS);
    let mut z = all * tau(1.0 - counts[MOST] / all);
    for count in counts[1..MOST].iter().rev() {
        z = (z + count) / 2.0;
    }
    z += all * sigma(counts[0] / all);
    (all / (2.0 * std::f64::consts::LN_2) * all / z).round() as u64
}

fn sigma(mut x: f64) -> f64 {
    let (mut weight, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * weight;
        weight += weight;
        if sum == before || !sum.is_finite() {
            return sum;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut weight, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        weight /= 2.0;
        sum -= (1.0 - x).powi(2) * weight;
        if sum == before {
            return sum / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_count_once() {
        let mut distinct = Distinct::new();
        for val in [
            Val::Int(1),
            Val::Double(1.0),
            Val::Text("1".into()),
            Val::Bool(true),
            Val::Time(1),
            Val::Unknown,
            Val::Double(1.5),
            Val::Int(1),
        ] {
            distinct.add(&val);
        }
        assert_eq!(distinct.count(), 5);
    }

    #[test]
    fn few_are_exact_and_many_within_one_percent() {
        let mut distinct = Distinct::new();
        let mut next = 0_i64;
        for (count, error) in
            [(100, 0), (16_384, 0), (16_385, 163), (200_000, 2_000), (2_000_000, 20_000)]
        {
            while next < count {
                distinct.add(&Val::Int(next * 7));
                distinct.add(&Val::Int(next * 7));
                next += 1;
            }
            let found = i64::try_from(distinct.count()).unwrap();
            assert!((found - count).abs() <= error, "{found} for {count}");
            assert_eq!(distinct.is_approximate(), error > 0);
        }
        assert_eq!(distinct.bytes(), REGISTERS);
    }
}
