//! The body of an aggregate, read strictly: its members, not yet what its texts mean.

use forebay_model::field::nearest;
use forebay_model::{Error, FieldError};
use serde_json::{Map, Value};

use super::reader::{Reader, below};

/// The most metrics.
const MOST_METRICS: usize = 32;
/// The most levels of groups.
const MOST_LEVELS: usize = 4;
/// The most bounds between ranges.
const MOST_BOUNDS: usize = 100;
/// Groups in an answer: without a word, and at most.
const LIMIT: (usize, usize) = (100, 10_000);
/// The most bytes of a name.
const NAME_BYTES: usize = 255;

const MEMBERS: &[&str] =
    &["filter", "q", "group_by", "metrics", "having", "order_by", "limit", "explain"];
const LEVEL_MEMBERS: &[&str] = &["as", "field", "expr", "every", "zone", "ranges"];

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) filter: Option<String>,
    /// What somebody typed.
    pub(crate) q: Option<String>,
    pub(crate) levels: Vec<WantedLevel>,
    /// Names with their expressions.
    pub(crate) metrics: Vec<(String, String)>,
    pub(crate) having: Option<String>,
    pub(crate) order: Vec<Key>,
    pub(crate) limit: usize,
    pub(crate) explain: bool,
}

/// A level of groups.
#[derive(Debug)]
pub(crate) struct WantedLevel {
    pub(crate) name: String,
    pub(crate) source: Source,
    pub(crate) every: Option<String>,
    pub(crate) zone: Option<String>,
    pub(crate) ranges: Option<Vec<Value>>,
}

/// Where a level's values come from.
#[derive(Debug)]
pub(crate) enum Source {
    Field(String),
    Expr(String),
}

/// A key of the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// Among the levels, then the metrics.
    pub(crate) at: usize,
    pub(crate) descending: bool,
}

impl Request {
    /// Reads a body, or says everything that is wrong with its structure.
    pub(crate) fn read(body: &Value) -> Result<Request, Error> {
        let Some(members) = body.as_object() else {
            let message = "an aggregate is an object";
            return Err(Error::invalid(FieldError::new("", "type_mismatch", message)));
        };
        let mut reader = Reader::default();
        reader.only(members, MEMBERS, "");
        let levels = reader.levels(members.get("group_by"));
        let metrics = reader.metrics(members.get("metrics"));
        reader.check_names(&levels, &metrics);
        let order = reader.order(members.get("order_by"), &levels, &metrics);
        let request = Request {
            filter: reader.text(members.get("filter"), "/filter").filter(|t| !t.trim().is_empty()),
            q: reader.text(members.get("q"), "/q").filter(|t| !t.trim().is_empty()),
            having: reader.text(members.get("having"), "/having").filter(|t| !t.trim().is_empty()),
            limit: reader.limit(members.get("limit")),
            explain: reader.flag(members.get("explain"), "/explain"),
            levels,
            metrics,
            order,
        };
        if reader.errors.is_empty() { Ok(request) } else { Err(Error::invalid_all(reader.errors)) }
    }
}

impl Reader {
    fn limit(&mut self, value: Option<&Value>) -> usize {
        let (default, most) = LIMIT;
        let read = match value {
            None | Some(Value::Null) => Some(default),
            Some(number) => number.as_u64().and_then(|limit| usize::try_from(limit).ok()),
        };
        match read.filter(|limit| (1..=most).contains(limit)) {
            Some(limit) => limit,
            None => {
                self.refuse("/limit", "out_of_range", format!("takes an integer from 1 to {most}"));
                default
            }
        }
    }

    fn metrics(&mut self, value: Option<&Value>) -> Vec<(String, String)> {
        let members = match value {
            None | Some(Value::Null) => return vec![("count".to_owned(), "count()".to_owned())],
            Some(Value::Object(members)) => members,
            Some(_) => {
                let message = "takes an object: {\"n\": \"count()\"}";
                self.refuse("/metrics", "type_mismatch", message);
                return Vec::new();
            }
        };
        if members.len() > MOST_METRICS {
            self.refuse("/metrics", "too_long", format!("has at most {MOST_METRICS} members"));
            return Vec::new();
        }
        let mut metrics = Vec::new();
        for (name, value) in members {
            let path = below("/metrics", name);
            match value {
                Value::String(text) => metrics.push((name.clone(), text.clone())),
                _ => self.refuse(path, "type_mismatch", "takes a string such as \"sum(data.n)\""),
            }
        }
        metrics
    }

    fn levels(&mut self, value: Option<&Value>) -> Vec<WantedLevel> {
        let items = self.items(value, "/group_by", MOST_LEVELS);
        let levels = items.iter().enumerate().filter_map(|(at, item)| {
            let path = format!("/group_by/{at}");
            match item.as_object() {
                Some(members) => self.level(members, &path),
                None => {
                    let message =
                        "takes an object: {\"as\": \"region\", \"field\": \"data.region\"}";
                    self.refuse(path, "type_mismatch", message);
                    None
                }
            }
        });
        levels.collect()
    }

    fn level(&mut self, members: &Map<String, Value>, at: &str) -> Option<WantedLevel> {
        self.only(members, LEVEL_MEMBERS, at);
        let mut text = |name: &str| self.text(members.get(name), &below(at, name));
        let (name, field, expr) = (text("as"), text("field"), text("expr"));
        let (every, zone) = (text("every"), text("zone"));
        let ranges = self.ranges(members.get("ranges"), at);
        if zone.is_some() && every.is_none() {
            self.refuse(below(at, "zone"), "invalid", "stands beside `every` only");
        }
        if every.is_some() && ranges.is_some() {
            self.refuse(below(at, "ranges"), "invalid", "does not stand beside `every`");
        }
        let source = match (field, expr) {
            (Some(field), None) => Source::Field(field),
            (None, Some(expr)) => Source::Expr(expr),
            _ => {
                self.refuse(at, "required", "takes either `field` or `expr`");
                return None;
            }
        };
        let Some(name) = name.or_else(|| source.name()) else {
            self.refuse(below(at, "as"), "required", "the group needs a name");
            return None;
        };
        Some(WantedLevel { name, source, every, zone, ranges })
    }

    fn ranges(&mut self, value: Option<&Value>, at: &str) -> Option<Vec<Value>> {
        let path = below(at, "ranges");
        value.filter(|value| !value.is_null())?;
        let before = self.errors.len();
        let bounds = self.items(value, &path, MOST_BOUNDS);
        if bounds.is_empty() && self.errors.len() == before {
            self.refuse(path, "too_short", "takes at least one bound");
        }
        Some(bounds.to_vec())
    }

    /// Names stand in the answer, in `having` and `order_by`, where each must mean one thing.
    fn check_names(&mut self, levels: &[WantedLevel], metrics: &[(String, String)]) {
        for (at, level) in levels.iter().enumerate() {
            let path = format!("/group_by/{at}/as");
            if levels[..at].iter().any(|other| other.name == level.name) {
                self.refuse(&path, "name_taken", "another group has this name");
            }
            self.check_name(&level.name, path);
        }
        for (name, _) in metrics {
            let path = below("/metrics", name);
            if levels.iter().any(|level| level.name == *name) {
                self.refuse(&path, "name_taken", "a group has this name");
            }
            self.check_name(name, path);
        }
    }

    fn check_name(&mut self, name: &str, path: String) {
        let good = !name.starts_with('-') && !name.chars().any(char::is_control);
        if !good || !(1..=NAME_BYTES).contains(&name.len()) {
            let message = format!("a name has 1 to {NAME_BYTES} bytes and does not begin with -");
            self.refuse(path, "name_invalid", message);
        }
    }

    fn order(
        &mut self,
        value: Option<&Value>,
        levels: &[WantedLevel],
        metrics: &[(String, String)],
    ) -> Vec<Key> {
        let names = levels.iter().map(|level| level.name.as_str());
        let names: Vec<&str> = names.chain(metrics.iter().map(|(name, _)| name.as_str())).collect();
        let mut keys: Vec<Key> = Vec::new();
        let items = self.items(value, "/order_by", names.len().max(1));
        for (index, item) in items.iter().enumerate() {
            let path = format!("/order_by/{index}");
            let Some(text) = item.as_str() else {
                self.refuse(path, "type_mismatch", "takes a name, or -name for the greatest first");
                continue;
            };
            let (name, descending) = text.strip_prefix('-').map_or((text, false), |n| (n, true));
            match names.iter().position(|known| *known == name) {
                Some(at) if keys.iter().any(|key| key.at == at) => {
                    self.refuse(path, "duplicate", "the name stands here twice");
                }
                Some(at) => keys.push(Key { at, descending }),
                None => {
                    let hint = nearest(name, names.iter().copied());
                    let hint = hint.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
                    let message = format!("there is no group or metric of this name{hint}");
                    self.refuse(path, "unknown_name", message);
                }
            }
        }
        keys
    }
}

impl Source {
    /// The last name of a field's path, where it is one that `having` can speak of.
    fn name(&self) -> Option<String> {
        let Source::Field(path) = self else { return None };
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_name = |name: &&str| !name.is_empty() && name.chars().all(good);
        path.rsplit('.').next().filter(is_name).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wrong(body: &Value) -> Vec<(String, &'static str)> {
        let error = Request::read(body).unwrap_err();
        error.errors.into_iter().map(|e| (e.path, e.code)).collect()
    }

    #[test]
    fn an_empty_request_counts_all() {
        let request = Request::read(&json!({})).unwrap();
        assert_eq!(request.metrics, [("count".to_owned(), "count()".to_owned())]);
        assert_eq!((request.limit, request.levels.len()), (100, 0));
        let request = Request::read(&json!({"filter": " ", "having": null})).unwrap();
        assert_eq!((request.filter, request.having), (None, None));
    }

    #[test]
    fn a_field_names_its_group() {
        let body = json!({"group_by": [{"field": "data.geo.lat"}, {"expr": "data.n + 1", "as": "m"}],
                          "order_by": ["-count", "lat"]});
        let request = Request::read(&body).unwrap();
        assert_eq!(request.levels[0].name, "lat");
        let order = [Key { at: 2, descending: true }, Key { at: 0, descending: false }];
        assert_eq!(request.order, order);
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let body = json!({
            "filtr": "x", "filter": 1, "q": 2, "limit": 0, "explain": 1, "having": [],
            "metrics": {"-a": "count()", "region": "count()", "x": 1},
            "group_by": [
                {"as": "region", "field": "data.region", "feild": 1},
                {"as": "region", "field": "data.a", "expr": "1"},
                {"as": "day", "field": "time", "zone": "UTC"},
                {"field": "data.n", "ranges": []}],
            "order_by": ["regoin", 1]});
        let expected = [
            ("/filtr", "unknown_member"),
            ("/group_by/0/feild", "unknown_member"),
            ("/group_by/1", "required"),
            ("/group_by/2/zone", "invalid"),
            ("/group_by/3/ranges", "too_short"),
            ("/metrics/x", "type_mismatch"),
            ("/metrics/-a", "name_invalid"),
            ("/metrics/region", "name_taken"),
            ("/order_by/0", "unknown_name"),
            ("/order_by/1", "type_mismatch"),
            ("/filter", "type_mismatch"),
            ("/q", "type_mismatch"),
            ("/having", "type_mismatch"),
            ("/limit", "out_of_range"),
            ("/explain", "type_mismatch"),
        ];
        assert_eq!(wrong(&body), expected.map(|(path, code)| (path.to_owned(), code)));
        assert_eq!(wrong(&json!([])), [(String::new(), "type_mismatch")]);
        let many: Map<String, Value> =
            (0..33).map(|n| (format!("m{n}"), "count()".into())).collect();
        for (body, path) in [
            (json!({"metrics": many}), "/metrics"),
            (json!({"group_by": [{}, {}, {}, {}, {}]}), "/group_by"),
            (json!({"group_by": [{"field": "data.count"}]}), "/metrics/count"),
            (json!({"limit": 10_001}), "/limit"),
            (json!({"limit": 1.5}), "/limit"),
            (json!({"order_by": ["count", "-count"]}), "/order_by"),
            (json!({"group_by": {"field": "id"}}), "/group_by"),
            (json!({"group_by": ["id"]}), "/group_by/0"),
            (json!({"group_by": [{"expr": "data.n"}]}), "/group_by/0/as"),
            (json!({"group_by": [{"field": "data.a-b"}]}), "/group_by/0/as"),
            (json!({"metrics": []}), "/metrics"),
        ] {
            assert_eq!(wrong(&body)[0].0, path, "{body}");
        }
    }
}
