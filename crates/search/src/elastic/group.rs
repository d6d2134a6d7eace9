//! Groups of records, counted and added up by the server; only what its doubles have exactly.

use forebay_filter::lower::{Bound, Place};
use serde_json::{Map, Value as Json, json};

use super::mapping::{Field, field, json_of};
use super::order::{EXACT, cell, whole};
use super::view::{View, buckets, total, unread};
use crate::ask::{Cell, Group, Grouping, Key, Part, Partial};
use crate::error::SearchError;

/// The most values of one key that are asked for.
const MAX_VALUES: usize = 65_000;
/// The most records whose doubles are added up with a known error.
const MAX_ADDED: f64 = 1_099_511_627_776.0;
/// How far a sum of doubles may be off, for each of the greatest value: a server adds with a
/// correction (Kahan), which errs by two roundings of the sum of all sizes, and adds up parts.
const ERROR: f64 = 8.0 * f64::EPSILON;

impl View {
    /// Groups records; `None` when the server's doubles do not have the answer exactly.
    ///
    /// # Errors
    /// When the server cannot answer.
    pub async fn group(&self, grouping: &Grouping<'_>) -> Result<Option<Vec<Group>>, SearchError> {
        let tree = Tree::of(self, grouping)?;
        if grouping.limit >= MAX_VALUES || !tree.is_fit() {
            return Ok(None);
        }
        let mut aggregations = tree.level(&tree.keys);
        aggregations.extend(tree.limits());
        let body = json!({
            "size": 0, "track_total_hits": true, "query": self.query(&grouping.ask)?,
            "aggs": aggregations,
        });
        let answer = match self.search(&body).await {
            // More groups than the server holds at a time.
            Err(SearchError::TooLarge(_)) => return Ok(None),
            answer => answer?,
        };
        let mut reading = Reading { tree: &tree, groups: Vec::new(), keys: Vec::new() };
        let root = answer.get("aggregations").unwrap_or(&Json::Null);
        if !tree.is_exact(root) {
            return Ok(None);
        }
        let exact = reading.level(&tree.keys, root, total(&answer)?)?;
        let mut groups = reading.groups;
        groups.truncate(grouping.limit);
        Ok(exact.then_some(groups))
    }
}

/// What is asked, with the fields of the places.
struct Tree<'g> {
    keys: Vec<(&'g Key, Field)>,
    parts: Vec<(Part, Option<Field>)>,
    limit: usize,
}

impl<'g> Tree<'g> {
    fn of(view: &View, grouping: &Grouping<'g>) -> Result<Tree<'g>, SearchError> {
        let at = |place: Place| field(&view.layout, place);
        let key = |key: &'g Key| match key {
            Key::Value(place) | Key::Step { place, .. } | Key::Range(place, _) => {
                Ok((key, at(*place)?))
            }
        };
        let part = |part: &Part| match part {
            Part::Count => Ok((*part, None)),
            Part::CountOf(place)
            | Part::Whole(place)
            | Part::Real(place)
            | Part::Least(place)
            | Part::Greatest(place) => Ok((*part, Some(at(*place)?))),
        };
        Ok(Tree {
            keys: grouping.keys.iter().map(key).collect::<Result<_, SearchError>>()?,
            parts: grouping.parts.iter().map(part).collect::<Result<_, SearchError>>()?,
            limit: grouping.limit,
        })
    }

    /// Whether the server has anything that answers it.
    fn is_fit(&self) -> bool {
        self.keys.iter().all(|(key, _)| match key {
            Key::Step { step, .. } => *step > 0,
            _ => true,
        })
    }

    /// The aggregations of a key, with those of the later ones inside.
    fn level(&self, keys: &[(&Key, Field)]) -> Map<String, Json> {
        let Some(((key, field), rest)) = keys.split_first() else { return self.parts() };
        let inside = self.level(rest);
        let name = field.name.as_str();
        let groups = match key {
            Key::Value(_) => json!({"terms": {"field": name, "size": self.limit + 1}}),
            Key::Range(_, bounds) => json!({"filters": {"filters": ranges(name, bounds)}}),
            Key::Step { shift, step, .. } => json!({"histogram": {
                "field": name, "interval": step, "offset": offset(*shift, *step),
                "min_doc_count": 1,
            }}),
        };
        let mut level = Map::new();
        level.insert("v".to_owned(), within(groups, &inside));
        if field.optional {
            level.insert("m".to_owned(), within(json!({"missing": {"field": name}}), &inside));
        }
        level
    }

    fn parts(&self) -> Map<String, Json> {
        let mut aggregations = Map::new();
        for (at, (part, field)) in self.parts.iter().enumerate() {
            let Some(name) = field.as_ref().map(|field| field.name.as_str()) else { continue };
            let there = json!({"filter": {"exists": {"field": name}}});
            let first = |order: &str| {
                let first = json!({"f": {"top_hits": {
                    "size": 1, "_source": false, "docvalue_fields": [name],
                    "sort": [{name: order}],
                }}});
                within(there.clone(), first.as_object().unwrap_or(&Map::new()))
            };
            let asked = match part {
                Part::Count => continue,
                Part::CountOf(_) => there,
                Part::Whole(_) | Part::Real(_) => json!({"stats": {"field": name}}),
                Part::Least(_) => first("asc"),
                Part::Greatest(_) => first("desc"),
            };
            aggregations.insert(format!("p{at}"), asked);
        }
        aggregations
    }

    /// Asks for the limits of times that are put into steps: steps are counted in doubles.
    fn limits(&self) -> Vec<(String, Json)> {
        let steps = self.keys.iter().enumerate().filter(|(_, (key, _))| is_step(key));
        let limits = steps.map(|(at, (_, field))| {
            (format!("l{at}"), json!({"stats": {"field": field.name.as_str()}}))
        });
        limits.collect()
    }

    fn is_exact(&self, root: &Json) -> bool {
        self.keys.iter().enumerate().all(|(at, (key, _))| {
            let Key::Step { step, .. } = key else { return true };
            let limits = root.get(format!("l{at}"));
            let limit = |name: &str| limits.and_then(|l| l.get(name)).and_then(Json::as_f64);
            // Without a value there is no step either.
            let size = limit("min").unwrap_or_default().abs().max(limit("max").unwrap_or_default());
            whole(&json!(step)).is_some() && size + (*step as f64) < EXACT
        })
    }
}

fn is_step(key: &Key) -> bool {
    matches!(key, Key::Step { .. })
}

fn within(mut aggregation: Json, inside: &Map<String, Json>) -> Json {
    if !inside.is_empty() {
        aggregation["aggs"] = Json::Object(inside.clone());
    }
    aggregation
}

/// Where steps begin, from 0 on.
fn offset(shift: i64, step: i64) -> i64 {
    shift.checked_neg().unwrap_or_default().rem_euclid(step.max(1))
}

fn ranges(name: &str, bounds: &[Bound]) -> Vec<Json> {
    let bound = |at: usize| bounds.get(at).map(json_of);
    let range = |at: usize| {
        let mut limits = Map::new();
        if let Some(least) = at.checked_sub(1).and_then(bound) {
            limits.insert("gte".to_owned(), least);
        }
        if let Some(beyond) = bound(at) {
            limits.insert("lt".to_owned(), beyond);
        }
        match limits.is_empty() {
            true => json!({"exists": {"field": name}}),
            false => json!({"range": {name: limits}}),
        }
    };
    (0..=bounds.len()).map(range).collect()
}

/// Groups on their way out of an answer.
struct Reading<'t> {
    tree: &'t Tree<'t>,
    groups: Vec<Group>,
    keys: Vec<Cell>,
}

impl Reading<'_> {
    /// Takes all groups below a bucket; false when something of them is not exact.
    fn level(
        &mut self,
        keys: &[(&Key, Field)],
        bucket: &Json,
        count: i64,
    ) -> Result<bool, SearchError> {
        let Some(((key, field), rest)) = keys.split_first() else {
            return self.group(bucket, count);
        };
        for (at, found) in buckets(bucket.get("v"))?.iter().enumerate() {
            let value = self.key(key, field, at, found)?;
            if !self.below(rest, found, value)? {
                return Ok(false);
            }
        }
        match bucket.get("m") {
            Some(missing) => self.below(rest, missing, None),
            None => Ok(true),
        }
    }

    fn below(
        &mut self,
        rest: &[(&Key, Field)],
        bucket: &Json,
        value: Cell,
    ) -> Result<bool, SearchError> {
        let count = bucket.get("doc_count").and_then(Json::as_i64).ok_or_else(unread)?;
        if count == 0 || self.groups.len() > self.tree.limit {
            return Ok(true);
        }
        self.keys.push(value);
        let exact = self.level(rest, bucket, count);
        self.keys.pop();
        exact
    }

    fn key(&self, key: &Key, field: &Field, at: usize, bucket: &Json) -> Result<Cell, SearchError> {
        let named = bucket.get("key");
        Ok(match key {
            Key::Value(_) => Some(named.and_then(|key| cell(field.kind, key)).ok_or_else(unread)?),
            Key::Range(..) => i64::try_from(at).ok().map(Bound::Int),
            Key::Step { shift, step, .. } => {
                let first = named.and_then(whole).ok_or_else(unread)?;
                let number = (i128::from(first) + i128::from(*shift)).div_euclid((*step).into());
                i64::try_from(number).ok().map(Bound::Int)
            }
        })
    }

    fn group(&mut self, bucket: &Json, count: i64) -> Result<bool, SearchError> {
        let mut partials = Vec::with_capacity(self.tree.parts.len());
        for (at, (part, field)) in self.tree.parts.iter().enumerate() {
            let said = bucket.get(format!("p{at}"));
            let partial = match (part, field) {
                (Part::Whole(_), _) => sum(said.ok_or_else(unread)?, true),
                (Part::Real(_), _) => sum(said.ok_or_else(unread)?, false),
                (Part::CountOf(_), _) => {
                    let count = said.and_then(|said| said.get("doc_count")?.as_i64());
                    count.map(Partial::Count)
                }
                (Part::Least(_) | Part::Greatest(_), Some(field)) => {
                    let values = said.and_then(|said| said.pointer("/f/hits/hits/0/fields"));
                    let value = values.and_then(|values| values.get(&field.name)?.get(0));
                    Some(Partial::Value(value.and_then(|value| cell(field.kind, value))))
                }
                _ => Some(Partial::Count(count)),
            };
            let Some(partial) = partial else { return Ok(false) };
            partials.push(partial);
        }
        self.groups.push(Group { keys: self.keys.clone(), partials });
        Ok(true)
    }
}

/// A sum; none when doubles do not have it well enough.
fn sum(stats: &Json, is_whole: bool) -> Option<Partial> {
    let number = |name: &str| stats.get(name).and_then(Json::as_f64);
    let count = number("count")?;
    if count == 0.0 {
        return Some(if is_whole { Partial::Whole(None) } else { Partial::Real(None) });
    }
    let (least, most, sum) = (number("min")?, number("max")?, number("sum")?);
    let size = least.abs().max(most.abs()) * count;
    if is_whole {
        return (size < EXACT)
            .then(|| whole(&sum.into()).map(|sum| Partial::Whole(Some(sum.into()))))?;
    }
    let usable = sum.is_finite() && size.is_finite() && count < MAX_ADDED;
    usable.then_some(Partial::Real(Some((sum, size * ERROR))))
}
