//! Conditions as tantivy's queries.

use forebay_filter::lower::{Condition, Place, WordTest, Words};
use forebay_model::search::SearchKind;
use tantivy::Term;
use tantivy::query::{
    AllQuery, BooleanQuery, ConstScoreQuery, InvertedIndexRangeQuery, Occur, PhraseQuery, Query,
    TermQuery,
};
use tantivy::schema::IndexRecordOption;

use super::fields::{Fields, Held};
use super::pick::{Lacking, Picked};
use super::tested::{self, Compared};
use crate::error::SearchError;

type Found = Result<Box<dyn Query>, SearchError>;

/// What finds the documents that match.
pub(super) fn matching(fields: &Fields, condition: &Condition) -> Found {
    Ok(match condition {
        Condition::All => Box::new(AllQuery),
        Condition::None => tested::nothing(),
        Condition::And(parts) => every(fields, parts)?,
        Condition::Or(parts) => any(fields, parts)?,
        Condition::Test(place, test) => tested::query(held(fields, *place)?, test),
        Condition::Between(operator, left, right) => {
            let (left, right) = (held(fields, *left)?.clone(), held(fields, *right)?.clone());
            if left.kind != right.kind {
                return Err(SearchError::Internal("places of two types are compared".into()));
            }
            Picked::query(Compared { operator: *operator, left, right })
        }
        Condition::Words(Words { field, test, positive: true }) => words(fields, *field, test)?,
        Condition::Words(Words { field, test, .. }) => Lacking::query(words(fields, *field, test)?),
    })
}

fn held(fields: &Fields, place: Place) -> Result<&Held, SearchError> {
    let missing = || SearchError::Internal(format!("the index does not hold {place:?}"));
    fields.held(place).ok_or_else(missing)
}

fn every(fields: &Fields, parts: &[Condition]) -> Found {
    let clauses = parts.iter().map(|part| matching(fields, part)).collect::<Result<Vec<_>, _>>()?;
    Ok(match clauses.is_empty() {
        true => Box::new(AllQuery),
        false => Box::new(BooleanQuery::intersection(clauses)),
    })
}

fn any(fields: &Fields, parts: &[Condition]) -> Found {
    let clauses: Result<Vec<_>, _> = parts.iter().map(|part| matching(fields, part)).collect();
    let clauses = clauses?;
    Ok(if clauses.is_empty() { tested::nothing() } else { Box::new(BooleanQuery::union(clauses)) })
}

/// Texts with something of these words; scored, where scores are asked for: words and phrases by
/// BM25, a prefix or a value by one.
fn words(fields: &Fields, field: usize, test: &WordTest) -> Found {
    let missing = || SearchError::Internal(format!("the index has no field {field}"));
    let searched = fields.searched.get(field).ok_or_else(missing)?;
    let term = |word: &str| Term::from_field_text(searched.field, word);
    Ok(match (searched.kind, test) {
        (SearchKind::Keyword, WordTest::Value(value)) => {
            one(Box::new(TermQuery::new(term(value), IndexRecordOption::Basic)))
        }
        (SearchKind::Text(_), WordTest::Word(word)) => {
            Box::new(TermQuery::new(term(word), IndexRecordOption::WithFreqs))
        }
        (SearchKind::Text(_), WordTest::Prefix(prefix)) => {
            use std::ops::Bound::{Excluded, Included, Unbounded};
            let beyond = after(prefix.as_bytes()).map(|end| {
                let mut term = term("");
                term.append_bytes(&end);
                term
            });
            let range = (Included(term(prefix)), beyond.map_or(Unbounded, Excluded));
            one(Box::new(InvertedIndexRangeQuery::new(range.0, range.1)))
        }
        (SearchKind::Text(_), WordTest::Phrase(words)) => match words.as_slice() {
            [] => tested::nothing(),
            [word] => Box::new(TermQuery::new(term(word), IndexRecordOption::WithFreqs)),
            words => Box::new(PhraseQuery::new(words.iter().map(|word| term(word)).collect())),
        },
        (kind, test) => {
            return Err(SearchError::Internal(format!("{test:?} is asked of {kind:?}")));
        }
    })
}

fn one(query: Box<dyn Query>) -> Box<dyn Query> {
    Box::new(ConstScoreQuery::new(query, 1.0))
}

/// The least bytes beyond all that begin so; a byte 255 is in no text.
fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let (last, before) = prefix.split_last()?;
    Some(before.iter().copied().chain([last + 1]).collect())
}

/// What is scored: the query, and the leaves that a score is the sum of.
pub(super) struct Scored {
    pub(super) query: Box<dyn Query>,
    pub(super) leaves: Vec<Box<dyn Query>>,
}

/// What finds the documents that match, with how well they fit `score`.
pub(super) fn scored(
    fields: &Fields,
    condition: &Condition,
    score: &Condition,
) -> Result<Scored, SearchError> {
    let mut leaves: Vec<&Words> = Vec::new();
    leaves_of(score, &mut leaves);
    let each = |words: &&Words| self::words(fields, words.field, &words.test);
    let queries = || leaves.iter().map(each).collect::<Result<Vec<_>, _>>();
    let mut parts = Vec::new();
    parts_of(condition, &mut parts);
    // Where parts of the condition are made of the very words that are scored, their scores are it:
    // then documents that cannot come far are passed over.
    let (own, others): (Vec<&Condition>, Vec<&Condition>) =
        parts.into_iter().partition(|part| is_of(part, &leaves));
    let mut covered: Vec<&Words> = Vec::new();
    own.iter().for_each(|part| leaves_of(part, &mut covered));
    let whole = leaves.iter().all(|leaf| covered.contains(leaf))
        && own.iter().map(|part| count(part)).sum::<usize>() == covered.len();
    let none = |part: &Condition| -> Found {
        Ok(Box::new(ConstScoreQuery::new(matching(fields, part)?, 0.0)))
    };
    let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
    if whole && !leaves.is_empty() {
        for part in own {
            clauses.push((Occur::Must, flat(fields, part)?));
        }
        for part in others {
            clauses.push((Occur::Must, none(part)?));
        }
    } else {
        clauses.push((Occur::Must, none(condition)?));
        clauses.extend(queries()?.into_iter().map(|query| (Occur::Should, query)));
    }
    let query = match clauses.pop() {
        Some((Occur::Must, only)) if clauses.is_empty() => only,
        last => {
            clauses.extend(last);
            Box::new(BooleanQuery::new(clauses))
        }
    };
    Ok(Scored { query, leaves: queries()? })
}

/// Words that are asked for, each once.
fn leaves_of<'c>(condition: &'c Condition, leaves: &mut Vec<&'c Words>) {
    match condition {
        Condition::Words(words) if words.positive && !leaves.contains(&words) => leaves.push(words),
        Condition::And(parts) | Condition::Or(parts) => {
            parts.iter().for_each(|part| leaves_of(part, leaves));
        }
        _ => {}
    }
}

/// What must all be true.
fn parts_of<'c>(condition: &'c Condition, parts: &mut Vec<&'c Condition>) {
    match condition {
        Condition::And(inner) => inner.iter().for_each(|part| parts_of(part, parts)),
        other => parts.push(other),
    }
}

/// Whether it is any of some scored words: its score is the sum of those that are there.
fn is_of(condition: &Condition, leaves: &[&Words]) -> bool {
    match condition {
        Condition::Words(words) => leaves.contains(&words),
        Condition::Or(parts) => !parts.is_empty() && parts.iter().all(|part| is_of(part, leaves)),
        _ => false,
    }
}

/// How many leaves there are; each may count once only.
fn count(condition: &Condition) -> usize {
    match condition {
        Condition::Or(parts) => parts.iter().map(count).sum(),
        _ => 1,
    }
}

/// Alternatives of words side by side: tantivy passes over documents in a union of words only.
fn flat(fields: &Fields, condition: &Condition) -> Found {
    let mut leaves = Vec::new();
    leaves_of(condition, &mut leaves);
    let each = leaves.iter().map(|words| self::words(fields, words.field, &words.test));
    let mut queries = each.collect::<Result<Vec<_>, _>>()?;
    match queries.pop() {
        Some(only) if queries.is_empty() => Ok(only),
        last => {
            queries.extend(last);
            Ok(Box::new(BooleanQuery::union(queries)))
        }
    }
}
