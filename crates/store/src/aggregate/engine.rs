//! The engine groups; what it says of a group is merged here.
//!
//! Times come in steps that no bucket's end divides, sums of doubles with how far they may be off.
//! Where an engine's answer would not be as exact as promised there is none, and we count.

use forebay_db::log::group::{Group, Grouping, Part, Partial, RealSum, group};
use forebay_db::log::read::Span;
use forebay_db::log::scan::extremes;
use forebay_db::{Conn, Value};
use forebay_filter::Type;
use forebay_filter::lower::{Key, Place};
use forebay_model::Error;
use forebay_model::stream::Stream;

use super::accumulate::{Accumulator, Keep};
use super::bucket::Steps;
use super::level::{Level, Shape};
use super::metric::Measure;
use super::plan;
use super::question::{Metric, Question, Slot};
use super::scalar::{Scalar, nearest};
use super::table::{Keys, Work, val_of};

/// The most steps of time over all records.
const MOST_STEPS: i64 = 100_000;
/// The most groups that are taken from the engine; several may be parts of one.
pub(crate) const MOST_PARTS: usize = 200_000;
/// Beyond this a sum of doubles might not be finite on its way.
const LARGEST: f64 = 1e300;

/// The engine's groups, each a part of one of ours.
pub(crate) struct Parts {
    steps: Vec<Option<Steps>>,
    /// Which of what was asked is how many values a slot's sum is of, where that is wanted.
    counts: Vec<Option<usize>>,
    groups: Vec<Group>,
}

/// What an engine is asked.
pub(crate) struct Asking {
    steps: Vec<Option<Steps>>,
    counts: Vec<Option<usize>>,
    pub(crate) keys: Vec<Key>,
    pub(crate) parts: Vec<Part>,
}

impl Asking {
    /// The engine's answer; nothing when it has too many parts.
    pub(crate) fn answered(self, groups: Vec<Group>) -> Option<Parts> {
        let Asking { steps, counts, .. } = self;
        (groups.len() <= MOST_PARTS).then_some(Parts { steps, counts, groups })
    }
}

/// Asks the engine; nothing when it cannot give an answer as exact as promised.
pub(crate) async fn ask(
    conn: &mut Conn,
    stream: &Stream,
    question: &Question,
    here: Span,
) -> Result<Option<Parts>, Error> {
    let Some(asking) = asking(conn, stream, question, here).await? else { return Ok(None) };
    let grouping = Grouping {
        condition: question.asked.condition(),
        up_to: here.last_seq,
        keys: &asking.keys,
        parts: &asking.parts,
        limit: i64::try_from(MOST_PARTS + 1).unwrap_or(i64::MAX),
    };
    let groups = group(conn, stream.number, &grouping).await?;
    Ok(asking.answered(groups))
}

/// What an engine is to be asked; nothing when no engine could answer it well.
pub(crate) async fn asking(
    conn: &mut Conn,
    stream: &Stream,
    question: &Question,
    here: Span,
) -> Result<Option<Asking>, Error> {
    let Some(steps) = steps(conn, stream, question).await? else { return Ok(None) };
    let keys = question.levels.iter().zip(&steps).map(|(level, steps)| {
        let steps = steps.map(|steps| (steps.shift, steps.step));
        plan::place(level, stream).and_then(|place| plan::key(level, place, steps))
    });
    let Some(keys) = keys.collect::<Option<Vec<Key>>>() else { return Ok(None) };
    let mut parts = Vec::with_capacity(question.slots.len());
    for slot in &question.slots {
        let Some(part) = part(conn, stream, (question, *slot), here).await? else {
            return Ok(None);
        };
        parts.push(part);
    }
    let counts = counts(question, &mut parts);
    Ok(Some(Asking { steps, counts, keys, parts }))
}

/// Asks also how many values those sums are of that a mean is made of.
fn counts(question: &Question, parts: &mut Vec<Part>) -> Vec<Option<usize>> {
    let is_mean = |metric: &Metric| metric.measure == Measure::Avg;
    let means: Vec<usize> =
        question.metrics.iter().filter(|m| is_mean(m)).map(|metric| metric.slot).collect();
    let slots = question.slots.iter().enumerate().map(|(at, slot)| {
        let argument = slot.argument.filter(|_| means.contains(&at))?;
        let part = Part::CountOf(question.arguments.get(argument)?.place?);
        let known = parts.iter().position(|known| *known == part);
        Some(known.unwrap_or_else(|| {
            parts.push(part);
            parts.len() - 1
        }))
    });
    slots.collect()
}

/// Puts the engine's groups together; false when their sums are not as exact as promised.
pub(crate) fn take(work: &mut Work, parts: &Parts) -> Result<bool, Error> {
    for group in &parts.groups {
        merge(work, parts, group)?;
    }
    Ok(work.table.is_sure())
}

/// The steps of each level by time; nothing when there would be too many.
async fn steps(
    conn: &mut Conn,
    stream: &Stream,
    question: &Question,
) -> Result<Option<Vec<Option<Steps>>>, Error> {
    let mut all = Vec::with_capacity(question.levels.len());
    for level in &question.levels {
        let (Shape::Every(buckets), Some(place)) = (&level.shape, plan::place(level, stream))
        else {
            all.push(None);
            continue;
        };
        let (least, greatest) = match extremes(conn, stream.number, place).await? {
            Some((least, greatest)) => (least.int()?, greatest.int()?),
            None => (0, 0),
        };
        let steps = buckets.steps(least, greatest);
        if steps.count > MOST_STEPS {
            return Ok(None);
        }
        all.push(Some(steps));
    }
    Ok(Some(all))
}

/// What is asked of the engine for a slot; nothing when it could not answer well.
async fn part(
    conn: &mut Conn,
    stream: &Stream,
    (question, slot): (&Question, Slot),
    here: Span,
) -> Result<Option<Part>, Error> {
    let Some(argument) = slot.argument.and_then(|at| question.arguments.get(at)) else {
        return Ok(Some(Part::Count));
    };
    let Some(place) = argument.place else { return Ok(None) };
    Ok(match slot.keep {
        Keep::Count => Some(Part::CountOf(place)),
        Keep::Least => Some(Part::Least(place)),
        Keep::Greatest => Some(Part::Greatest(place)),
        Keep::Sum => sum(conn, stream, (place, argument.expression.ty()), here).await?,
        Keep::Distinct | Keep::Sketch => None,
    })
}

/// How a place is added up: what its least and greatest value allow.
async fn sum(
    conn: &mut Conn,
    stream: &Stream,
    (place, ty): (Place, &Type),
    here: Span,
) -> Result<Option<Part>, Error> {
    let count = (here.last_seq - here.first_seq + 1).max(1);
    if !matches!(place, Place::Column(_)) {
        return Ok(Some(Part::Whole { place, wide: true }));
    }
    let found = extremes(conn, stream.number, place).await?;
    let (least, greatest) = found.unwrap_or((Value::Int(0), Value::Int(0)));
    if *ty == Type::Int {
        let safe = |value: i64| value.checked_mul(count).is_some();
        let wide = !(safe(least.int()?) && safe(greatest.int()?));
        return Ok(Some(Part::Whole { place, wide }));
    }
    let (least, greatest) = (real(&least), real(&greatest));
    let largest = least.abs().max(greatest.abs()) * nearest(count);
    let part = Part::Real { place, signed: least < 0.0 && greatest > 0.0 };
    Ok((largest < LARGEST).then_some(part))
}

fn real(value: &Value) -> f64 {
    match value {
        Value::Real(d) => *d,
        Value::Int(n) => nearest(*n),
        _ => 0.0,
    }
}

/// Adds what the engine says of a group to the group that it is a part of.
fn merge(work: &mut Work, parts: &Parts, group: &Group) -> Result<(), Error> {
    let levels = work.question.levels.iter_mut().zip(&parts.steps).zip(&group.keys);
    let keys: Keys = levels.map(|((level, steps), key)| key_of(level, *steps, key)).collect();
    let Work { question, table, .. } = work;
    table.update(&keys, &question.slots, |kept| {
        let slots = question.slots.iter().zip(kept).zip(group.partials.iter().zip(&parts.counts));
        for ((slot, kept), (partial, count)) in slots {
            let argument = slot.argument.and_then(|at| question.arguments.get(at));
            let ty = argument.map_or(&Type::Int, |argument| argument.expression.ty());
            let count = match count.and_then(|at| group.partials.get(at)) {
                Some(Partial::Count(count)) => unsigned(*count),
                // Some, where nobody asks how many.
                _ => 1,
            };
            add(kept, partial, (ty, count));
        }
    })
}

fn key_of(level: &mut Level, steps: Option<Steps>, key: &Value) -> Option<Scalar> {
    match (&mut level.shape, steps, key) {
        (Shape::Every(buckets), Some(steps), Value::Int(number)) => {
            Some(Scalar::Time(buckets.of(steps.time(*number))))
        }
        (Shape::Ranges(_), _, Value::Int(range)) => Some(Scalar::Int((*range).into())),
        (Shape::Terms, _, value) => Scalar::of(&val_of(value, level.expression.ty())),
        _ => None,
    }
}

fn add(kept: &mut Accumulator, partial: &Partial, (ty, count): (&Type, u64)) {
    match (kept, partial) {
        (Accumulator::Count(all), Partial::Count(count)) => *all += unsigned(*count),
        (Accumulator::Sum(all), Partial::Whole(Some(sum))) => all.add_ints(*sum, count),
        (Accumulator::Sum(all), Partial::Real(Some(RealSum { sum, error }))) => {
            all.add_doubles(*sum, count, *error);
        }
        (kept, Partial::Value(value)) => kept.take(&val_of(value, ty)),
        _ => {}
    }
}

fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}
