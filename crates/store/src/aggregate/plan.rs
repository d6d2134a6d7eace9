//! Who counts: the index, the database, we from its columns, or we from the records themselves.
//!
//! All give the same answer; each is slower than the one before and can do more.

use forebay_db::Dialect;
use forebay_filter::lower::{Bound, Key, Place};
use forebay_filter::{Type, lower};
use forebay_model::stream::Stream;
use serde_json::{Value, json};

use super::accumulate::Keep;
use super::level::{Level, Shape};
use super::question::Question;
use super::scalar::Scalar;
use crate::query::explain;

/// How a question is answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Plan {
    /// The engine groups and adds up.
    Sql,
    /// We group what the engine gives of each record: levels, then arguments.
    Columns(Vec<Place>),
    /// The stream's index groups and adds up; we, what stands behind it.
    Index(By),
    /// We evaluate each record that the stream's index finds, and those behind it.
    Hits(By),
    /// We evaluate each record.
    Records,
}

/// An index that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct By {
    pub(crate) engine: String,
    /// Up to where.
    pub(crate) position: i64,
}

impl Plan {
    fn name(&self) -> &'static str {
        match self {
            Plan::Sql => "sql",
            Plan::Columns(_) => "columns",
            Plan::Index(_) => "index",
            Plan::Hits(_) => "hits",
            Plan::Records => "records",
        }
    }
}

/// Chooses a plan: the first that can answer.
pub(crate) fn choose(question: &Question, stream: &Stream, dialect: Dialect) -> Plan {
    let is_quick = question.levels.is_empty() || dialect.groups_by_hash();
    match columns(question, stream) {
        Some(_) if question.asked.is_exact() && is_quick && by_sql(question, stream) => Plan::Sql,
        Some(places) if question.asked.is_exact() => Plan::Columns(places),
        _ => Plan::Records,
    }
}

/// Where engines hold all levels and arguments, when they do.
pub(crate) fn columns(question: &Question, stream: &Stream) -> Option<Vec<Place>> {
    let levels = question.levels.iter().map(|level| place(level, stream));
    let arguments = question.arguments.iter().map(|argument| argument.place);
    levels.chain(arguments).collect()
}

pub(crate) fn place(level: &Level, stream: &Stream) -> Option<Place> {
    lower::place(&level.expression, &stream.columns)
}

pub(crate) fn by_sql(question: &Question, stream: &Stream) -> bool {
    let added_up = |keep| !matches!(keep, Keep::Distinct | Keep::Sketch);
    question.slots.iter().all(|slot| added_up(slot.keep))
        && question.levels.iter().all(|level| match &level.shape {
            Shape::Terms => true,
            Shape::Every(_) => {
                matches!(place(level, stream), Some(Place::Time | Place::ReceivedAt))
            }
            Shape::Ranges(ranges) => bounds(&ranges.bounds, level.expression.ty()).is_some(),
        })
}

/// The key by which an engine tells the groups of a level apart; times come in steps.
pub(crate) fn key(level: &Level, place: Place, steps: Option<(i64, i64)>) -> Option<Key> {
    match (&level.shape, steps) {
        (Shape::Terms, _) => Some(Key::Value(place)),
        (Shape::Every(_), Some((shift, step))) => Some(Key::Step { place, shift, step }),
        (Shape::Every(_), None) => None,
        (Shape::Ranges(ranges), _) => {
            bounds(&ranges.bounds, level.expression.ty()).map(|bounds| Key::Range(place, bounds))
        }
    }
}

/// Bounds in the type of what they are compared with, so that engines compare exactly.
fn bounds(bounds: &[Scalar], ty: &Type) -> Option<Vec<Bound>> {
    let bound = |bound: &Scalar| match (bound, ty) {
        (Scalar::Time(micros), Type::Time) => Some(Bound::Int(*micros)),
        (Scalar::Int(n), Type::Int) => i64::try_from(*n).ok().map(Bound::Int),
        // An integer is less than 2.5 when it is less than 3.
        (Scalar::Double(d), Type::Int) => super::scalar::whole(d.ceil()).map(Bound::Int),
        (Scalar::Int(n), Type::Double) => Some(Bound::Real(super::scalar::double(*n))),
        (Scalar::Double(d), Type::Double) => Some(Bound::Real(*d)),
        _ => None,
    };
    bounds.iter().map(bound).collect()
}

/// What a client is told of the plan.
pub(crate) fn explained(plan: &Plan, question: &Question, stream: &Stream) -> Value {
    let mut out = match plan {
        Plan::Index(by) | Plan::Hits(by) => {
            let searched = question.asked.searched(stream, (&stream.columns, true));
            let mut out =
                explain::of(stream, question.asked.filter().zip(searched.filter.as_ref()));
            out["engine"] = json!(by.engine);
            out["indexed_seq"] = json!(by.position);
            out
        }
        _ => explain::parts(stream, &question.asked),
    };
    let levels = question.levels.iter().map(|level| &level.expression);
    let arguments = question.arguments.iter().map(|argument| &argument.expression);
    for expression in levels.chain(arguments) {
        let Some(path) = expression.field() else { continue };
        let path = json!(format!("data.{}", path.join(".")));
        let scalar = !matches!(expression.ty(), Type::List(_) | Type::Object | Type::Any);
        let list = match lower::place(expression, &stream.columns) {
            Some(_) => "indexes",
            None if scalar => "wanted",
            None => continue,
        };
        if let Some(Value::Array(list)) = out.get_mut(list)
            && !list.contains(&path)
        {
            list.push(path);
        }
    }
    out["plan"] = json!(plan.name());
    out
}
