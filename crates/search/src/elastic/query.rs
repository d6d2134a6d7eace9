//! A condition as the server's query language has it, passing exactly the same records.

use forebay_filter::ast::Operator;
use forebay_filter::lower::{Bound, Condition, Place, Test, WordTest, Words};
use forebay_model::search::SearchKind;
use serde_json::{Value as Json, json};

use super::mapping::{Kind, field, json_of};
use crate::ask::Ask;
use crate::error::SearchError;
use crate::layout::Layout;

/// The most parts of a query: servers take 1024, with those that are always there. A test of a number
/// counts twice (points, and values beside them), one that is turned around once more.
const MAX_PARTS: usize = 1000;
/// The most steps inside each other; servers take 20, with those around and in a test.
const MAX_DEPTH: usize = 16;
/// The most values of one list.
const MAX_VALUES: usize = 65_536;

/// A query on its way.
pub(super) struct Writing<'l> {
    layout: &'l Layout,
    parts: usize,
}

/// The records that are asked for, up to a position. What scores does not narrow.
pub(super) fn of(
    layout: &Layout,
    ask: &Ask<'_>,
    up_to: i64,
    score: Option<&Condition>,
) -> Result<Json, SearchError> {
    let mut writing = Writing { layout, parts: 0 };
    writing.count(2 + 2 * ask.without.len().div_ceil(MAX_VALUES))?;
    // What was erased, and the position itself, have no seq.
    let mut filter = vec![json!({"range": {"seq": {"lte": up_to.min(ask.up_to)}}})];
    if *ask.condition != Condition::All {
        filter.push(writing.condition(ask.condition, 0)?);
    }
    let mut query = json!({"filter": filter});
    if !ask.without.is_empty() {
        let lists = ask.without.chunks(MAX_VALUES);
        query["must_not"] = lists.map(|list| json!({"terms": {"seq": list}})).collect();
    }
    if let Some(score) = score {
        query["should"] = json!([writing.score(score, 0)?]);
        query["minimum_should_match"] = 0.into();
    }
    Ok(json!({"bool": query}))
}

impl Writing<'_> {
    fn condition(&mut self, condition: &Condition, depth: usize) -> Result<Json, SearchError> {
        deep(depth)?;
        Ok(match condition {
            Condition::All => {
                self.count(1)?;
                json!({"match_all": {}})
            }
            Condition::None => json!({"match_none": {}}),
            Condition::And(parts) => json!({"bool": {"filter": self.all(parts, depth)?}}),
            Condition::Or(parts) => {
                json!({"bool": {"should": self.all(parts, depth)?, "minimum_should_match": 1}})
            }
            Condition::Test(place, test) => self.test(*place, test)?,
            Condition::Words(words) => self.words(words)?,
            Condition::Between(..) => {
                let what = "this engine does not compare two places of a record";
                return Err(SearchError::Internal(what.to_owned()));
            }
        })
    }

    fn all(&mut self, parts: &[Condition], depth: usize) -> Result<Vec<Json>, SearchError> {
        parts.iter().map(|part| self.condition(part, depth + 1)).collect()
    }

    /// What the score is of: only words count.
    fn score(&mut self, condition: &Condition, depth: usize) -> Result<Json, SearchError> {
        deep(depth)?;
        let mut all = |parts: &[Condition]| -> Result<Vec<Json>, SearchError> {
            parts.iter().map(|part| self.score(part, depth + 1)).collect()
        };
        Ok(match condition {
            Condition::And(parts) => json!({"bool": {"must": all(parts)?}}),
            Condition::Or(parts) => {
                json!({"bool": {"should": all(parts)?, "minimum_should_match": 1}})
            }
            Condition::Words(words) if words.positive => self.words(words)?,
            other => {
                let filter = self.condition(other, depth)?;
                json!({"constant_score": {"filter": filter, "boost": 0}})
            }
        })
    }

    fn count(&mut self, parts: usize) -> Result<(), SearchError> {
        self.parts += parts;
        match self.parts > MAX_PARTS {
            true => Err(SearchError::TooLarge(format!("more than {MAX_PARTS}"))),
            false => Ok(()),
        }
    }

    fn test(&mut self, place: Place, test: &Test) -> Result<Json, SearchError> {
        let field = field(self.layout, place)?;
        let parts = match (test, field.kind) {
            (Test::Present | Test::Absent, _) | (_, Kind::Text) => 1,
            (Test::In(bounds) | Test::NotIn(bounds), _) => 2 * bounds.len().div_ceil(MAX_VALUES),
            _ => 2,
        };
        self.count(parts + usize::from(is_turned(test)))?;
        let name = field.name.as_str();
        let there = match field.optional {
            true => json!({"exists": {"field": name}}),
            false => json!({"match_all": {}}),
        };
        let but = |not: Vec<Json>| json!({"bool": {"filter": there, "must_not": not}});
        let range = |least: &Bound, beyond: &Option<Bound>| {
            let mut limits = json!({"gte": json_of(least)});
            if let Some(beyond) = beyond {
                limits["lt"] = json_of(beyond);
            }
            json!({"range": {name: limits}})
        };
        let side = |side: &str, bound: &Bound| json!({"range": {name: {side: json_of(bound)}}});
        Ok(match test {
            Test::Compare(Operator::Equal, bound) => term(name, bound),
            Test::Compare(Operator::NotEqual, bound) => but(vec![term(name, bound)]),
            Test::Compare(Operator::Less, bound) => side("lt", bound),
            Test::Compare(Operator::LessOrEqual, bound) => side("lte", bound),
            Test::Compare(Operator::Greater, bound) => side("gt", bound),
            Test::Compare(Operator::GreaterOrEqual, bound) => side("gte", bound),
            Test::Compare(other, _) => {
                return Err(SearchError::Internal(format!("{other:?} compares nothing")));
            }
            Test::In(bounds) => match lists(name, bounds).as_mut_slice() {
                [] => json!({"match_none": {}}),
                [one] => one.take(),
                many => json!({"bool": {"should": many, "minimum_should_match": 1}}),
            },
            Test::NotIn(bounds) => but(lists(name, bounds)),
            Test::Range(least, beyond) => range(least, beyond),
            Test::NotRange(least, beyond) => but(vec![range(least, beyond)]),
            Test::Present => there,
            Test::Absent if field.optional => json!({"bool": {"must_not": there}}),
            Test::Absent => json!({"match_none": {}}),
        })
    }

    fn words(&mut self, words: &Words) -> Result<Json, SearchError> {
        self.count(if words.positive { 1 } else { 2 })?;
        let field = self.layout.fields.get(words.field);
        let kind = field.map(|field| field.kind);
        let name = format!("f{}", words.field);
        let has = match (&words.test, kind) {
            (WordTest::Word(word), Some(SearchKind::Text(_)))
            | (WordTest::Value(word), Some(SearchKind::Keyword)) => {
                json!({"term": {name: {"value": word}}})
            }
            (WordTest::Prefix(prefix), Some(SearchKind::Text(_))) => {
                json!({"prefix": {name: {"value": prefix}}})
            }
            (WordTest::Phrase(words), Some(SearchKind::Text(_))) => match words.as_slice() {
                [] => json!({"match_none": {}}),
                [word] => json!({"term": {name: {"value": word}}}),
                words => json!({"match_phrase": {name: {"query": words.join(" ")}}}),
            },
            _ => {
                let what = format!("the index's field {} is not asked so", words.field);
                return Err(SearchError::Internal(what));
            }
        };
        Ok(match words.positive {
            true => has,
            false => json!({"bool": {"must_not": has}}),
        })
    }
}

fn deep(depth: usize) -> Result<(), SearchError> {
    match depth > MAX_DEPTH {
        true => Err(SearchError::TooLarge(format!("more than {MAX_DEPTH} inside each other"))),
        false => Ok(()),
    }
}

/// Whether a test is of what is there and does not pass another one.
fn is_turned(test: &Test) -> bool {
    matches!(
        test,
        Test::Compare(Operator::NotEqual, _) | Test::NotIn(_) | Test::NotRange(..) | Test::Absent
    )
}

fn term(name: &str, bound: &Bound) -> Json {
    json!({"term": {name: {"value": json_of(bound)}}})
}

fn lists(name: &str, bounds: &[Bound]) -> Vec<Json> {
    let lists = bounds.chunks(MAX_VALUES);
    lists.map(|list| json!({"terms": {name: list.iter().map(json_of).collect::<Json>()}})).collect()
}
