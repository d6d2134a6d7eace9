//! What is asked of each group, added up by slot.

use tantivy::{u64_to_f64, u64_to_i64};

use super::Source;
use crate::ask::Partial;

/// One part; what stands behind the column is by slot.
pub(super) enum Sums {
    Count(Vec<i64>),
    CountOf(usize, Vec<i64>),
    Whole(usize, Vec<Whole>),
    Real(usize, Vec<Real>),
    Least(usize, Vec<Option<u64>>),
    Greatest(usize, Vec<Option<u64>>),
}

/// A sum of integers: 2⁶³ of them fit.
#[derive(Clone, Copy, Default)]
pub(super) struct Whole {
    sum: i128,
    count: i64,
}

/// A sum of doubles that is compensated at each step (Knuth's TwoSum; Ogita, Rump, Oishi 2005).
#[derive(Clone, Copy, Default)]
pub(super) struct Real {
    sum: f64,
    low: f64,
    /// The sum of absolute values.
    size: f64,
    count: i64,
}

impl Real {
    fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        let part = sum - self.sum;
        self.low += (self.sum - (sum - part)) + (value - part);
        self.sum = sum;
        self.size += value.abs();
        self.count += 1;
    }

    /// The sum and how far it may be off: the same share of what was added as of SQLite's sums.
    fn partial(self) -> Option<(f64, f64)> {
        let error = self.size * 8.0 * f64::EPSILON;
        (self.count > 0).then_some((self.sum + self.low, error))
    }
}

/// The sum of two sums.
pub(super) fn joined(a: Option<(f64, f64)>, b: Option<(f64, f64)>) -> Option<(f64, f64)> {
    match (a, b) {
        (Some((a, off)), Some((b, by))) => {
            let sum = a + b;
            Some((sum, off + by + sum.abs() * f64::EPSILON))
        }
        (one, other) => one.or(other),
    }
}

impl Sums {
    /// Adds the documents of a block to their slots.
    pub(super) fn add(&mut self, sources: &[Source], slots: &[u32], groups: usize) {
        match self {
            Sums::Count(counts) => {
                counts.resize(groups, 0);
                for slot in slots {
                    if let Some(count) = at(counts, *slot) {
                        *count += 1;
                    }
                }
            }
            Sums::CountOf(source, counts) => {
                each((counts, groups), sources.get(*source), slots, |count, _| *count += 1);
            }
            Sums::Whole(source, sums) => {
                each((sums, groups), sources.get(*source), slots, |sum, value| {
                    sum.sum += i128::from(u64_to_i64(value));
                    sum.count += 1;
                });
            }
            Sums::Real(source, sums) => {
                each((sums, groups), sources.get(*source), slots, |sum, value| {
                    sum.add(u64_to_f64(value));
                });
            }
            Sums::Least(source, values) => {
                each((values, groups), sources.get(*source), slots, |least, value| {
                    *least = Some(least.map_or(value, |least| least.min(value)));
                });
            }
            Sums::Greatest(source, values) => {
                each((values, groups), sources.get(*source), slots, |greatest, value| {
                    *greatest = Some(greatest.map_or(value, |greatest| greatest.max(value)));
                });
            }
        }
    }

    /// What there is of a group.
    pub(super) fn partial(&self, slot: usize, sources: &[Source]) -> tantivy::Result<Partial> {
        let value = |source: &usize, values: &[Option<u64>]| {
            let value = values.get(slot).copied().flatten();
            match (value, sources.get(*source)) {
                (Some(value), Some(source)) => source.values.value(value).map(Some),
                _ => Ok(None),
            }
        };
        Ok(match self {
            Sums::Count(counts) | Sums::CountOf(_, counts) => {
                Partial::Count(counts.get(slot).copied().unwrap_or_default())
            }
            Sums::Whole(_, sums) => {
                let sum = sums.get(slot).filter(|sum| sum.count > 0);
                Partial::Whole(sum.map(|sum| sum.sum))
            }
            Sums::Real(_, sums) => Partial::Real(sums.get(slot).and_then(|sum| sum.partial())),
            Sums::Least(source, values) | Sums::Greatest(source, values) => {
                Partial::Value(value(source, values)?)
            }
        })
    }
}

fn at<T>(sums: &mut [T], slot: u32) -> Option<&mut T> {
    usize::try_from(slot).ok().and_then(|slot| sums.get_mut(slot))
}

/// Does something with the slot and the value of each document that has one.
fn each<T: Clone + Default>(
    (sums, groups): (&mut Vec<T>, usize),
    source: Option<&Source>,
    slots: &[u32],
    add: impl Fn(&mut T, u64),
) {
    sums.resize(groups, T::default());
    let Some(source) = source else { return };
    if let Some(values) = source.full(slots.len()) {
        for (slot, value) in slots.iter().zip(values) {
            if let Some(sum) = at(sums, *slot) {
                add(sum, *value);
            }
        }
        return;
    }
    for (slot, value) in slots.iter().zip(source.each(slots.len())) {
        if let (Some(sum), Some(value)) = (at(sums, *slot), value) {
            add(sum, value);
        }
    }
}
