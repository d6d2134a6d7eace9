//! The groups that were found, within a bound on their number and on what they hold.

use std::collections::HashMap;

use forebay_filter::{Env, Type, Val, View};
use forebay_model::record::Record;
use forebay_model::{Code, Error, FieldError};

use super::accumulate::Accumulator;
use super::level::Level;
use super::question::{Argument, Question, Slot};
use super::scalar::{Scalar, nearest};

/// The most groups.
const MOST_GROUPS: usize = 100_000;
/// The most bytes that all groups of one request hold.
const MOST_BYTES: usize = 256 << 20;

/// The keys of a group, one a level; a record without the field is in the group `None`.
pub(crate) type Keys = Vec<Option<Scalar>>;

/// The groups by their keys.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) groups: HashMap<Keys, Vec<Accumulator>>,
    bytes: usize,
}

impl Table {
    /// A table for a question. Without levels there is one group, also when it stays empty.
    pub(crate) fn new(question: &Question) -> Result<Table, Error> {
        let mut table = Table::default();
        if question.levels.is_empty() {
            table.update(&[], &question.slots, |_| {})?;
        }
        Ok(table)
    }

    /// Changes what is kept of one group.
    pub(crate) fn update(
        &mut self,
        keys: &[Option<Scalar>],
        slots: &[Slot],
        change: impl FnOnce(&mut [Accumulator]),
    ) -> Result<(), Error> {
        if !self.groups.contains_key(keys) {
            self.begin(keys, slots)?;
        }
        let Some(kept) = self.groups.get_mut(keys) else { return Ok(()) };
        let held = |kept: &[Accumulator]| kept.iter().map(Accumulator::bytes).sum::<usize>();
        let before = held(kept);
        change(kept);
        self.bytes = (self.bytes + held(kept)).saturating_sub(before);
        if self.bytes > MOST_BYTES {
            return Err(too_many(&format!("the groups hold more than {} MiB", MOST_BYTES >> 20)));
        }
        Ok(())
    }

    /// Whether all sums are as exact as promised.
    pub(crate) fn is_sure(&self) -> bool {
        let sure = |kept: &Accumulator| match kept {
            Accumulator::Sum(sum) => sum.is_sure(),
            _ => true,
        };
        self.groups.values().flatten().all(sure)
    }

    fn begin(&mut self, keys: &[Option<Scalar>], slots: &[Slot]) -> Result<(), Error> {
        if self.groups.len() == MOST_GROUPS {
            return Err(too_many(&format!("there are more than {MOST_GROUPS} groups")));
        }
        let kept: Vec<Accumulator> = slots.iter().map(|slot| Accumulator::new(slot.keep)).collect();
        let fixed = size_of_val(keys) + size_of_val(kept.as_slice()) + 64;
        self.bytes += fixed + keys.iter().flatten().map(Scalar::bytes).sum::<usize>();
        self.groups.insert(keys.to_vec(), kept);
        Ok(())
    }
}

fn too_many(what: &str) -> Error {
    let message = "group by fewer values: narrow the filter, or take ranges or longer periods";
    let field = FieldError::new("/group_by", "too_many_groups", message);
    Error::new(Code::TooManyGroups, what.to_owned()).field(field)
}

/// A question with what was found so far; it moves between threads.
pub(crate) struct Work {
    pub(crate) question: Question,
    pub(crate) table: Table,
    keys: Keys,
}

impl Work {
    pub(crate) fn new(question: Question) -> Result<Work, Error> {
        let table = Table::new(&question)?;
        Ok(Work { question, table, keys: Vec::new() })
    }

    /// Forgets what was found.
    pub(crate) fn begin_anew(&mut self) -> Result<(), Error> {
        self.table = Table::new(&self.question)?;
        Ok(())
    }

    /// Takes records, those that match.
    pub(crate) fn take_records(&mut self, records: &[Record]) -> Result<(), Error> {
        // Shared, because what is taken changes the question's own memory.
        let asker = self.question.asked.asker();
        let env = Env { now: self.question.asked.now, auth: Some(&asker), given: &[] };
        let is_exact = self.question.asked.is_exact();
        for record in records {
            let view = View::from(record);
            if is_exact || self.question.asked.matches(&view) {
                self.take(&Seen::Record(view, env))?;
            }
        }
        Ok(())
    }

    /// Takes the values of records that match: the seq, then of the levels, then of the arguments.
    pub(crate) fn take_values(&mut self, rows: &[forebay_db::Row]) -> Result<(), Error> {
        rows.iter().try_for_each(|row| self.take(&Seen::Values(row)))
    }

    fn take(&mut self, seen: &Seen<'_>) -> Result<(), Error> {
        let Question { levels, arguments, slots, .. } = &mut self.question;
        self.keys.clear();
        for (at, level) in levels.iter_mut().enumerate() {
            self.keys.push(seen.key(at, level));
        }
        let levels = levels.len();
        self.table.update(&self.keys, slots, |kept| {
            for (slot, kept) in slots.iter().zip(kept.iter_mut()) {
                if slot.argument.is_none() {
                    kept.take(&Val::Bool(true));
                }
            }
            for (at, argument) in arguments.iter().enumerate() {
                seen.with_argument((at, levels), argument, |val| {
                    let all = slots.iter().zip(kept.iter_mut());
                    all.filter(|(slot, _)| slot.argument == Some(at))
                        .for_each(|(_, kept)| kept.take(val));
                });
            }
        })
    }
}

/// A record, or the values that an engine gave of it.
enum Seen<'s> {
    Record(View<'s>, Env<'s>),
    Values(&'s [forebay_db::Value]),
}

impl Seen<'_> {
    fn key(&self, at: usize, level: &mut Level) -> Option<Scalar> {
        match self {
            Seen::Record(view, env) => {
                // The expression is lent out while the level's memory changes.
                let Level { expression, shape, .. } = level;
                expression.with_value(view, env, |val| shape.key(val))
            }
            Seen::Values(row) => {
                let val =
                    row.get(1 + at).map_or(Val::Unknown, |v| val_of(v, level.expression.ty()));
                level.shape.key(&val)
            }
        }
    }

    fn with_argument(
        &self,
        (at, levels): (usize, usize),
        argument: &Argument,
        take: impl FnOnce(&Val<'_>),
    ) {
        match self {
            Seen::Record(view, env) => argument.expression.with_value(view, env, take),
            Seen::Values(row) => {
                let value = row.get(1 + levels + at);
                take(&value.map_or(Val::Unknown, |v| val_of(v, argument.expression.ty())));
            }
        }
    }
}

/// An engine's value as one of an expression of this type.
pub(crate) fn val_of<'v>(value: &'v forebay_db::Value, ty: &Type) -> Val<'v> {
    use forebay_db::Value;
    match (value, ty) {
        (Value::Int(n), Type::Bool) => Val::Bool(*n != 0),
        (Value::Int(micros), Type::Time) => Val::Time(*micros),
        (Value::Int(n), Type::Double) => Val::Double(nearest(*n)),
        (Value::Int(n), _) => Val::Int(*n),
        (Value::Real(d), _) => Val::Double(*d),
        (Value::Text(text), _) => Val::Text(text.as_str().into()),
        (Value::Null(_) | Value::Blob(_), _) => Val::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::accumulate::Keep;
    use super::*;

    fn fill(keep: Keep, groups: i64, each: i64) -> Result<Table, Error> {
        let slots = [Slot { keep, argument: Some(0) }];
        let mut table = Table::default();
        for group in 0..groups {
            let keys = [Some(Scalar::Int(group.into()))];
            table.update(&keys, &slots, |kept| {
                (0..each).for_each(|n| kept.iter_mut().for_each(|kept| kept.take(&Val::Int(n))));
            })?;
        }
        Ok(table)
    }

    #[test]
    fn groups_are_bounded_and_what_they_hold_is_known() {
        assert_eq!(fill(Keep::Count, 100_000, 1).unwrap().groups.len(), MOST_GROUPS);
        let refused = fill(Keep::Count, 100_001, 1);
        assert_eq!(refused.err().map(|e| e.code), Some(Code::TooManyGroups));
        let held = fill(Keep::Sketch, 100, 512).unwrap().bytes;
        assert!((400_000..500_000).contains(&held), "{held}");
    }

    #[test]
    fn groups_are_bounded_by_what_they_hold() {
        let slots = [Slot { keep: Keep::Greatest, argument: Some(0) }];
        let mut table = Table::default();
        let long = "x".repeat(1 << 20);
        let filled = (0..300).try_for_each(|group| {
            let keys = [Some(Scalar::Int(group))];
            table.update(&keys, &slots, |kept| kept[0].take(&Val::Text(long.as_str().into())))
        });
        assert_eq!(filled.unwrap_err().code, Code::TooManyGroups);
        // What is replaced is not held any more.
        let mut table = Table::default();
        for n in 0..300 {
            let text = format!("{n:03}{long}");
            table.update(&[], &slots, |kept| kept[0].take(&Val::Text(text.into()))).unwrap();
        }
        assert!(table.bytes < 2 << 20);
    }
}
