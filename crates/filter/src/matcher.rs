//! Many filters against one record: the cost follows those that may match, not all of them.
//!
//! Most filters ask that some field equals some constant. Such a filter is kept under that field and
//! value: a record is looked up by its own values, and only what is found there is evaluated.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use forebay_model::time::Timestamp;

use crate::ast::Operator;
use crate::compile::Filter;
use crate::eval::{Env, View};
use crate::fields::{Paths, Slots};
use crate::node::{Kind, Node};
use crate::number;
use crate::scope::{Auth, AuthPart};
use crate::types::Type;
use crate::value::{Const, Val};

/// Fields that no filter asks for any more are forgotten when there are so many of them.
const STALE_FIELDS: usize = 64;

/// What somebody wants to hear of: records that match all of some filters, which may speak of who
/// asks. Without a filter, every record.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// The filters.
    pub filters: Vec<Arc<Filter>>,
    /// What `auth.…` is.
    pub auth: Option<Arc<Auth>>,
}

impl Wish {
    /// Whether a record is wanted that arrived at `now`.
    pub fn matches(&self, view: &View<'_>, now: Timestamp) -> bool {
        let env = Env { now, auth: self.auth.as_deref(), given: &[] };
        self.filters.iter().all(|filter| filter.matches(view, &env))
    }

    /// The filter that leaves the fewest records by an equality.
    fn anchor(&self) -> Option<Anchor<'_>> {
        let auth = self.auth.as_deref();
        let anchors = self.filters.iter().filter_map(|f| anchor_of(f, auth, &f.0.root));
        anchors.min_by_key(|anchor| anchor.values.len())
    }
}

/// Wishes by who asked, with an index over their equalities.
#[derive(Debug)]
pub struct Matcher<K> {
    wishes: HashMap<K, Wish>,
    paths: Paths,
    /// By the slots of `paths`.
    fields: Vec<Index<K>>,
    /// Filters that ask for no equality, and those who want every record.
    others: Vec<K>,
}

/// The filters that ask for values of one field.
#[derive(Debug)]
struct Index<K> {
    texts: HashMap<String, Vec<K>>,
    scalars: HashMap<Scalar, Vec<K>>,
}

/// A value that is no text; a number is the same however it is spelt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Scalar {
    Int(i64),
    /// The bits of a double that is no integer.
    Double(u64),
    Bool(bool),
}

/// What every record must have that a filter matches: one of some values at a path.
struct Anchor<'f> {
    path: &'f [String],
    values: Vec<Cow<'f, Const>>,
}

impl<K> Default for Matcher<K> {
    fn default() -> Self {
        Matcher {
            wishes: HashMap::new(),
            paths: Paths::new(),
            fields: Vec::new(),
            others: Vec::new(),
        }
    }
}

impl<K: Copy + Eq + Hash> Matcher<K> {
    /// Adds a wish, in the place of an earlier one.
    pub fn insert(&mut self, who: K, wish: Wish) {
        self.remove(who);
        self.index(who, &wish);
        self.wishes.insert(who, wish);
    }

    /// Takes a wish away.
    pub fn remove(&mut self, who: K) {
        let Some(wish) = self.wishes.remove(&who) else { return };
        match wish.anchor() {
            None => self.others.retain(|other| *other != who),
            Some(anchor) => {
                let slot = self.paths.slot(anchor.path, Type::Any);
                if let Some(index) = self.fields.get_mut(slot) {
                    anchor.values.iter().for_each(|value| index.remove(value, who));
                }
            }
        }
        if self.fields.iter().filter(|index| index.is_empty()).count() > STALE_FIELDS {
            self.rebuild();
        }
    }

    /// How many wishes there are.
    pub fn len(&self) -> usize {
        self.wishes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.wishes.is_empty()
    }

    /// Tells of each wish that a record fulfils which arrived at `now`; each is told once.
    pub fn matching(&self, view: &View<'_>, now: Timestamp, mut tell: impl FnMut(K)) {
        let mut ask = |who: &K| {
            if self.wishes.get(who).is_some_and(|wish| wish.matches(view, now)) {
                tell(*who);
            }
        };
        self.others.iter().for_each(&mut ask);
        if self.fields.is_empty() {
            return;
        }
        let slots = self.paths.find(view.data);
        for (slot, index) in self.fields.iter().enumerate() {
            index.found(&slots, slot).for_each(&mut ask);
        }
    }

    fn index(&mut self, who: K, wish: &Wish) {
        let Some(anchor) = wish.anchor() else {
            self.others.push(who);
            return;
        };
        let slot = self.paths.slot(anchor.path, Type::Any);
        if slot == self.fields.len() {
            self.fields.push(Index { texts: HashMap::new(), scalars: HashMap::new() });
        }
        if let Some(index) = self.fields.get_mut(slot) {
            anchor.values.iter().for_each(|value| index.insert(value, who));
        }
    }

    fn rebuild(&mut self) {
        let wishes = std::mem::take(&mut self.wishes);
        *self = Matcher::default();
        for (who, wish) in &wishes {
            self.index(*who, wish);
        }
        self.wishes = wishes;
    }
}

impl<K: Copy + Eq> Index<K> {
    fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.scalars.is_empty()
    }

    fn insert(&mut self, value: &Const, who: K) {
        let list = match value {
            Const::Text(text) => self.texts.entry(text.clone()).or_default(),
            other => match scalar(&other.val()) {
                Some(key) => self.scalars.entry(key).or_default(),
                None => return,
            },
        };
        if !list.contains(&who) {
            list.push(who);
        }
    }

    fn remove(&mut self, value: &Const, who: K) {
        match value {
            Const::Text(text) => {
                if let Some(list) = self.texts.get_mut(text) {
                    list.retain(|other| *other != who);
                    if list.is_empty() {
                        self.texts.remove(text);
                    }
                }
            }
            other => {
                let Some(key) = scalar(&other.val()) else { return };
                if let Some(list) = self.scalars.get_mut(&key) {
                    list.retain(|other| *other != who);
                    if list.is_empty() {
                        self.scalars.remove(&key);
                    }
                }
            }
        }
    }

    /// The filters that ask for the value that a record has, each once.
    fn found(&self, slots: &Slots<'_>, slot: usize) -> impl Iterator<Item = &K> {
        let asked = |key: Option<Scalar>| key.and_then(|key| self.scalars.get(&key));
        let (exact, rounded) = match slots.value(slot, &Type::Any) {
            _ if self.is_empty() => (None, None),
            Val::Text(text) => (self.texts.get(text.as_ref()), None),
            // Where the field is declared a double, it is read as the nearest one.
            Val::Int(int) => {
                let nearest = scalar(&Val::Double(number::nearest_double(int)));
                let other = nearest.filter(|key| *key != Scalar::Int(int));
                (asked(Some(Scalar::Int(int))), asked(other))
            }
            value => (asked(scalar(&value)), None),
        };
        let exact = exact.map_or(&[][..], Vec::as_slice);
        let rounded = rounded.map_or(&[][..], Vec::as_slice);
        exact.iter().chain(rounded.iter().filter(|who| !exact.contains(who)))
    }
}

fn scalar(value: &Val<'_>) -> Option<Scalar> {
    Some(match value {
        Val::Int(int) => Scalar::Int(*int),
        Val::Double(double) => match number::exact_int(*double) {
            Some(int) => Scalar::Int(int),
            None => Scalar::Double(double.to_bits()),
        },
        Val::Bool(bool) => Scalar::Bool(*bool),
        _ => return None,
    })
}

fn anchor_of<'f>(filter: &'f Filter, auth: Option<&Auth>, node: &'f Node) -> Option<Anchor<'f>> {
    let path = |node: &Node| match &node.kind {
        Kind::Data(slot) => filter.0.paths.fields().get(*slot).map(|field| field.path.as_slice()),
        _ => None,
    };
    match &node.kind {
        // The one with the fewest values leaves the fewest records.
        Kind::And(parts) => {
            let anchors = parts.iter().filter_map(|part| anchor_of(filter, auth, part));
            anchors.min_by_key(|anchor| anchor.values.len())
        }
        Kind::Or(parts) => {
            let mut anchors = parts.iter().map(|part| anchor_of(filter, auth, part));
            let mut all = anchors.next()??;
            for other in anchors {
                let other = other.filter(|other| other.path == all.path)?;
                all.values.extend(other.values);
            }
            Some(all)
        }
        Kind::Compare(Operator::Equal, sides) => {
            let (field, value) = match path(&sides[0]) {
                Some(path) => (path, &sides[1].kind),
                None => (path(&sides[1])?, &sides[0].kind),
            };
            Some(Anchor { path: field, values: vec![known(value, auth)?] })
        }
        Kind::Among(value, list) => {
            Some(Anchor { path: path(value)?, values: list.iter().map(Cow::Borrowed).collect() })
        }
        Kind::Data(_) => {
            Some(Anchor { path: path(node)?, values: vec![Cow::Owned(Const::Bool(true))] })
        }
        _ => None,
    }
}

/// A value that is the same for every record: a constant, or a part of who asks.
fn known<'f>(kind: &'f Kind, auth: Option<&Auth>) -> Option<Cow<'f, Const>> {
    let text = match kind {
        Kind::Const(value) => return Some(Cow::Borrowed(value)),
        Kind::Auth(AuthPart::UserId) => auth?.user_id.clone()?,
        Kind::Auth(AuthPart::Email) => auth?.email.clone()?,
        Kind::Auth(AuthPart::KeyId) => auth?.key_id.clone()?,
        _ => return None,
    };
    Some(Cow::Owned(Const::Text(text)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Scope;

    const FILTERS: [&str; 13] = [
        "data.a == auth.user_id",
        "data.a == 'x'",
        "data.a == 'x' && data.b > 5",
        "data.a in ['x', 'y'] || data.a == 'z'",
        "data.b == 5.0",
        "5 == data.b && data.a != 'x'",
        "data.c.d == 0.5",
        "data.b > 4",
        "data.a == 'x' || data.b == 5",
        "data.ok",
        "!data.ok",
        "data.a in []",
        "data.b in [4, 5] && data.a in ['x']",
    ];

    #[test]
    fn the_index_says_what_asking_each_would_say() {
        let schema = json!({"type": "object"});
        let mut matcher = Matcher::default();
        let auth = Arc::new(Auth { user_id: Some("x".into()), ..Auth::default() });
        let filters: Vec<Arc<Filter>> = FILTERS
            .iter()
            .map(|text| Arc::new(Filter::compile(text, Scope::record(&schema)).unwrap()))
            .collect();
        for (at, filter) in filters.iter().enumerate() {
            let wish = Wish { filters: vec![filter.clone()], auth: Some(auth.clone()) };
            matcher.insert(at, wish);
        }
        matcher.insert(99, Wish::default());
        let records = [
            "{}",
            r#"{"a":"x","b":5,"ok":true}"#,
            r#"{"a":"z","b":5.0,"c":{"d":0.5}}"#,
            r#"{"a":null,"b":"5","ok":false}"#,
            r#"{"a":["x"],"b":6}"#,
            r#"{"a":"\u0078","b":4}"#,
        ];
        let now = Timestamp::from_micros(0);
        let env = Env { now, auth: Some(&auth), given: &[] };
        for removed in 0..=filters.len() {
            for data in records {
                let view = View { id: "", seq: 1, version: 1, time: 0, received_at: 0, data };
                let mut told = Vec::new();
                matcher.matching(&view, now, |who| told.push(who));
                told.sort_unstable();
                let asked = filters.iter().enumerate().skip(removed);
                let mut expected: Vec<usize> =
                    asked.filter(|(_, f)| f.matches(&view, &env)).map(|(at, _)| at).collect();
                expected.push(99);
                assert_eq!(told, expected, "{data}");
            }
            matcher.remove(removed);
        }
        assert_eq!(matcher.len(), 1);
    }

    #[test]
    fn an_integer_from_before_its_field_was_a_double_is_found() {
        let schema = json!({"type": "object", "properties": {"d": {"type": "number"}}});
        let mut matcher = Matcher::default();
        for (at, text) in [
            "data.d == 9007199254740992",
            "data.d in [9007199254740992, 9007199254740993]",
            "data.d == 9007199254740993",
        ]
        .iter()
        .enumerate()
        {
            let filters = vec![Arc::new(Filter::compile(text, Scope::record(&schema)).unwrap())];
            matcher.insert(at, Wish { filters, auth: None });
        }
        let data = r#"{"d":9007199254740993}"#;
        let view = View { id: "", seq: 1, version: 1, time: 0, received_at: 0, data };
        let mut told = Vec::new();
        matcher.matching(&view, Timestamp::from_micros(0), |at| told.push(at));
        told.sort_unstable();
        assert_eq!(told, [0, 1], "as a double it is the one before");
    }

    #[test]
    fn fields_that_nobody_asks_for_are_forgotten() {
        let schema = json!({"type": "object"});
        let mut matcher = Matcher::default();
        for at in 0..1000 {
            let text = format!("data.f{at} == 1");
            let filters = vec![Arc::new(Filter::compile(&text, Scope::record(&schema)).unwrap())];
            matcher.insert(at, Wish { filters, auth: None });
            matcher.remove(at);
        }
        assert!(matcher.fields.len() <= STALE_FIELDS + 1);
        assert!(matcher.is_empty());
    }
}
