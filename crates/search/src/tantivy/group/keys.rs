//! Which group a document is in: a number for each key, and a slot for each combination.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use forebay_filter::lower::Bound;
use smallvec::SmallVec;
use tantivy::u64_to_i64;

use super::Source;
use crate::ask::{Cell, Key};
use crate::tantivy::collect::BLOCK;

/// A number for each key, and at last which of them are missing.
pub(super) type Codes = SmallVec<[u64; 4]>;

/// So many combinations are looked up in a table.
const TABLE: u64 = 1 << 20;
/// No slot yet.
const NONE: u32 = u32::MAX;

/// How one key is numbered within a segment.
struct Coder {
    source: usize,
    how: How,
    /// The numbers that there may be, and one for what is missing; nothing where 64 bits end.
    size: Option<u64>,
}

enum How {
    /// From the least value on.
    Value {
        least: u64,
    },
    /// From the first step on.
    Step {
        shift: i64,
        step: i64,
        first: i64,
    },
    Range(Vec<u64>),
}

impl How {
    fn code(&self, value: u64) -> u64 {
        match self {
            How::Value { least } => value.wrapping_sub(*least),
            How::Step { shift, step, first } => {
                let number = u64_to_i64(value).saturating_add(*shift) / *step;
                number.wrapping_sub(*first).cast_unsigned()
            }
            How::Range(bounds) => {
                let reached = bounds.partition_point(|bound| *bound <= value);
                u64::try_from(reached).unwrap_or(u64::MAX)
            }
        }
    }
}

impl Coder {
    fn new(key: &Key, at: usize, sources: &[Source]) -> tantivy::Result<Coder> {
        let column = sources.get(at).map(|source| &source.values);
        let ends = column.filter(|values| values.column.values.num_vals() > 0);
        let ends = ends.map(|values| (values.column.min_value(), values.column.max_value()));
        let (least, most) = ends.unwrap_or((0, 0));
        let (how, last) = match key {
            Key::Value(_) => (How::Value { least }, most.wrapping_sub(least)),
            Key::Step { shift, step, .. } => {
                let step = (*step).max(1);
                let number = |value| u64_to_i64(value).saturating_add(*shift) / step;
                let how = How::Step { shift: *shift, step, first: number(least) };
                let last = how.code(most);
                (how, last)
            }
            Key::Range(_, bounds) => {
                let spots = bounds.iter().map(|bound| match column {
                    Some(values) => Ok(values.spot(bound)?.from),
                    None => Ok(0),
                });
                let spots: Vec<u64> = spots.collect::<tantivy::Result<_>>()?;
                let last = u64::try_from(spots.len()).unwrap_or(u64::MAX);
                (How::Range(spots), last)
            }
        };
        Ok(Coder { source: at, how, size: last.checked_add(2) })
    }

    fn cell(&self, code: u64, sources: &[Source]) -> tantivy::Result<Cell> {
        Ok(Some(match &self.how {
            How::Value { least } => match sources.get(self.source) {
                Some(source) => source.values.value(code.wrapping_add(*least))?,
                None => return Ok(None),
            },
            How::Step { first, .. } => Bound::Int(first.wrapping_add(code.cast_signed())),
            How::Range(_) => Bound::Int(code.cast_signed()),
        }))
    }
}

/// The groups of a segment.
pub(super) struct Grouped {
    coders: Vec<Coder>,
    slots: Slots,
    /// By slot.
    pub(super) ids: Vec<Codes>,
}

enum Slots {
    /// By the combination's number.
    Table(Vec<u32>),
    Hashed(HashMap<Codes, u32, BuildHasherDefault<Mixed>>),
}

impl Grouped {
    pub(super) fn new(
        keys: &[(&Key, usize)],
        sources: &[Source],
        documents: u32,
    ) -> tantivy::Result<Grouped> {
        let coders = keys.iter().map(|(key, at)| Coder::new(key, *at, sources));
        let coders = coders.collect::<tantivy::Result<Vec<_>>>()?;
        let combinations = coders.iter().try_fold(1_u64, |all, coder| all.checked_mul(coder.size?));
        // A table larger than what is counted costs more than it spares.
        let most = TABLE.min(u64::from(documents) * 4 + 64);
        let slots = match combinations.filter(|all| *all <= most) {
            Some(all) => Slots::Table(vec![NONE; usize::try_from(all).unwrap_or_default()]),
            None => Slots::Hashed(HashMap::default()),
        };
        Ok(Grouped { coders, slots, ids: Vec::new() })
    }

    /// Finds the slot of each document of a block.
    pub(super) fn assign(&mut self, sources: &[Source], slots: &mut [u32]) {
        match &mut self.slots {
            Slots::Table(table) => {
                let numbers = numbers(&self.coders, sources, slots.len());
                for (slot, number) in slots.iter_mut().zip(numbers) {
                    let known = usize::try_from(number).ok().and_then(|at| table.get_mut(at));
                    let Some(known) = known else { continue };
                    if *known == NONE {
                        *known = next(&self.ids);
                        self.ids.push(apart(&self.coders, number));
                    }
                    *slot = *known;
                }
            }
            Slots::Hashed(table) => {
                for (at, slot) in slots.iter_mut().enumerate() {
                    let codes = codes(&self.coders, sources, at);
                    *slot = match table.get(&codes) {
                        Some(known) => *known,
                        None => {
                            let new = next(&self.ids);
                            self.ids.push(codes.clone());
                            table.insert(codes, new);
                            new
                        }
                    };
                }
            }
        }
    }

    /// The keys of a group.
    pub(super) fn cells(&self, codes: &Codes, sources: &[Source]) -> tantivy::Result<Vec<Cell>> {
        let missing = codes.last().copied().unwrap_or_default();
        let each = self.coders.iter().zip(codes).enumerate();
        each.map(|(at, (coder, code))| match is_set(missing, at) {
            true => Ok(None),
            false => coder.cell(*code, sources),
        })
        .collect()
    }
}

fn next(ids: &[Codes]) -> u32 {
    u32::try_from(ids.len()).unwrap_or(NONE - 1)
}

fn is_set(bits: u64, at: usize) -> bool {
    u32::try_from(at).ok().and_then(|at| bits.checked_shr(at)).is_some_and(|bits| bits & 1 == 1)
}

/// The number of each document's combination.
fn numbers(coders: &[Coder], sources: &[Source], count: usize) -> [u64; BLOCK] {
    let mut numbers = [0; BLOCK];
    for coder in coders {
        let (Some(source), Some(size)) = (sources.get(coder.source), coder.size) else { continue };
        if let Some(values) = source.full(count) {
            match &coder.how {
                // Without a look at what is asked for each value.
                How::Value { least } => {
                    for (number, value) in numbers.iter_mut().zip(values) {
                        *number = *number * size + value.wrapping_sub(*least);
                    }
                }
                how => {
                    for (number, value) in numbers.iter_mut().zip(values) {
                        *number = *number * size + how.code(*value);
                    }
                }
            }
            continue;
        }
        for (number, value) in numbers.iter_mut().zip(source.each(count)) {
            *number = *number * size + value.map_or(size - 1, |value| coder.how.code(value));
        }
    }
    numbers
}

/// The numbers that a combination is made of.
fn apart(coders: &[Coder], mut number: u64) -> Codes {
    let mut codes: Codes = SmallVec::new();
    let mut missing = 0;
    for (at, coder) in coders.iter().enumerate().rev() {
        let size = coder.size.unwrap_or(1).max(1);
        let code = number % size;
        number /= size;
        missing |= u64::from(code == size - 1) << at.min(63);
        codes.push(code);
    }
    codes.reverse();
    codes.push(missing);
    codes
}

fn codes(coders: &[Coder], sources: &[Source], at: usize) -> Codes {
    let mut codes: Codes = SmallVec::new();
    let mut missing = 0;
    for (key, coder) in coders.iter().enumerate() {
        let source = sources.get(coder.source).filter(|source| is_set(source.present, at));
        let code = source.and_then(|source| source.block.get(at)).map(|v| coder.how.code(*v));
        missing |= u64::from(code.is_none()) << key.min(63);
        codes.push(code.unwrap_or_default());
    }
    codes.push(missing);
    codes
}

/// A quick hash of integers that nobody chooses freely: places in a dictionary and values that are
/// already stored. Whoever stores such that meet slows down only the groups of the own stream.
#[derive(Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn write_u64(&mut self, value: u64) {
        let mixed = (self.0.rotate_left(29) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(u64::try_from(value).unwrap_or_default());
    }

    fn finish(&self) -> u64 {
        self.0.wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }
}
