//! Random schemas, and random records that obey them more or less.

use forebay_model::field::FieldPath;
use forebay_model::schema::ScalarType;
use forebay_model::stream::{Column, ColumnState};
use serde_json::{Map, Value, json};

use super::rng::Rng;

/// What is declared of a place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    Int,
    Double,
    Text,
    Bool,
    /// Nothing is declared.
    Any,
    List(Box<Shape>),
    /// These members and no others.
    Object(Vec<Field>),
}

/// A declared member.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    pub(crate) nullable: bool,
    pub(crate) indexed: bool,
    pub(crate) search: Option<Search>,
}

/// What `x-search` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Search {
    Text,
    English,
    Keyword,
    None,
}

impl Search {
    pub(crate) fn any(rng: &mut Rng) -> Search {
        match rng.below(10) {
            0..=4 => Search::Text,
            5 | 6 => Search::English,
            7 | 8 => Search::Keyword,
            _ => Search::None,
        }
    }

    pub(crate) fn schema(self) -> Value {
        match self {
            Search::Text => json!("text"),
            Search::English => json!({"as": "text", "language": "english"}),
            Search::Keyword => json!("keyword"),
            Search::None => json!("none"),
        }
    }
}

/// Which values may be of a type that is not declared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Dirt {
    None,
    /// Those that no index holds.
    Unindexed,
    All,
}

const NAMES: [&str; 16] =
    ["n", "m", "d", "s", "t", "b", "a", "list", "o", "x y", "é", "in", "true", "q\"", "size", "C"];
pub(crate) const INTS: [i64; 20] = [
    0,
    1,
    -1,
    2,
    3,
    5,
    7,
    -7,
    10,
    41,
    59,
    1000,
    -86400,
    9_007_199_254_740_991,
    9_007_199_254_740_992,
    9_007_199_254_740_993,
    -9_007_199_254_740_993,
    i64::MAX,
    i64::MIN,
    i64::MAX - 1,
];
pub(crate) const DOUBLES: [f64; 20] = [
    0.0,
    -0.0,
    0.5,
    1.0,
    -1.0,
    1.5,
    2.0,
    7.0,
    -7.5,
    0.1,
    31.245270191439438,
    5e-324,
    1e300,
    -1e300,
    9_007_199_254_740_992.0,
    9_007_199_254_740_994.0,
    9_223_372_036_854_774_784.0,
    9_223_372_036_854_775_808.0,
    -9_223_372_036_854_775_808.0,
    1.797_693_134_862_315_7e308,
];
pub(crate) const TEXTS: [&str; 34] = [
    "",
    "a",
    "ab",
    "abc",
    "b",
    "A",
    "B",
    "z",
    "ä",
    "é",
    "e\u{301}",
    "ß",
    "\u{D7FF}",
    "\u{E000}",
    "\u{FFFF}",
    "\u{1F600}",
    "\u{10FFFF}",
    "a\u{10FFFF}",
    "a\"b\\c",
    "x\ny\t",
    "%",
    "_",
    "a%",
    "'",
    "'; DROP TABLE s1; --",
    "$1",
    "\u{1}",
    "10",
    "9",
    "1h30m",
    "-1.5s",
    "2026-03-29T00:59:59.999Z",
    "1969-12-31T23:59:59.999999Z",
    "9999-12-30T22:00:00+00:00",
];

/// The members of a stream's `data`.
pub(crate) fn stream(rng: &mut Rng) -> Vec<Field> {
    let mut fields = fields(rng, 2, true);
    if rng.chance(40) {
        let more = 10 + rng.below(60);
        search(rng, &mut fields, more);
    }
    fields
}

/// Puts `x-search` on so many fields of a hundred.
fn search(rng: &mut Rng, fields: &mut [Field], percent: usize) {
    for field in fields {
        field.search = rng.chance(percent).then(|| Search::any(rng));
        if let Shape::Object(below) = &mut field.shape {
            search(rng, below, percent);
        }
    }
}

fn fields(rng: &mut Rng, depth: usize, may_index: bool) -> Vec<Field> {
    let mut names: Vec<&str> = Vec::new();
    for _ in 0..3 + rng.below(8) {
        let name = rng.pick(&NAMES);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let field = |name: &str| {
        let shape = shape(rng, depth);
        let scalar = matches!(shape, Shape::Int | Shape::Double | Shape::Text | Shape::Bool);
        let nullable = scalar && rng.chance(30);
        let indexed = scalar && may_index && rng.chance(50);
        Field { name: name.to_owned(), shape, nullable, indexed, search: None }
    };
    names.into_iter().map(field).collect()
}

fn shape(rng: &mut Rng, depth: usize) -> Shape {
    match rng.below(if depth > 0 { 13 } else { 9 }) {
        0 | 1 => Shape::Int,
        2 | 3 => Shape::Double,
        4..=6 => Shape::Text,
        7 => Shape::Bool,
        8 => Shape::Any,
        9..=11 => Shape::List(Box::new(list_element(rng, depth - 1))),
        _ => Shape::Object(fields(rng, depth - 1, true)),
    }
}

fn list_element(rng: &mut Rng, depth: usize) -> Shape {
    match shape(rng, depth) {
        // An index is not declared inside of arrays.
        Shape::Object(_) => Shape::Object(fields(rng, 0, false)),
        other => other,
    }
}

impl Shape {
    fn schema(&self) -> Value {
        match self {
            Shape::Int => json!({"type": "integer"}),
            Shape::Double => json!({"type": "number"}),
            Shape::Text => json!({"type": "string"}),
            Shape::Bool => json!({"type": "boolean"}),
            Shape::Any => json!({}),
            Shape::List(element) => json!({"type": "array", "items": element.schema()}),
            Shape::Object(fields) => schema(fields),
        }
    }

    pub(crate) fn scalar(&self) -> Option<ScalarType> {
        Some(match self {
            Shape::Int => ScalarType::Integer,
            Shape::Double => ScalarType::Number,
            Shape::Text => ScalarType::String,
            Shape::Bool => ScalarType::Boolean,
            _ => return None,
        })
    }
}

/// The JSON Schema of an object with these members.
pub(crate) fn schema(fields: &[Field]) -> Value {
    let property = |field: &Field| {
        let mut schema = field.shape.schema();
        if field.nullable {
            schema["type"] = json!([schema["type"], "null"]);
        }
        if field.indexed {
            schema["x-index"] = json!(true);
        }
        if let Some(search) = field.search {
            schema["x-search"] = search.schema();
        }
        (field.name.clone(), schema)
    };
    let properties: Map<String, Value> = fields.iter().map(property).collect();
    json!({"type": "object", "properties": properties})
}

/// The columns of the indexed members, ready.
pub(crate) fn columns(fields: &[Field]) -> Vec<Column> {
    let mut found = Vec::new();
    indexed(fields, &mut Vec::new(), &mut found);
    found
}

fn indexed(fields: &[Field], above: &mut Vec<String>, found: &mut Vec<Column>) {
    for field in fields {
        above.push(field.name.clone());
        if let (true, Some(scalar)) = (field.indexed, field.shape.scalar()) {
            let path = FieldPath::new(above.clone()).unwrap();
            let number = i64::try_from(found.len()).unwrap() + 1;
            found.push(Column { number, path, scalar, state: ColumnState::Ready });
        }
        if let Shape::Object(below) = &field.shape {
            indexed(below, above, found);
        }
        above.pop();
    }
}

/// A record's `data`.
pub(crate) fn data(rng: &mut Rng, fields: &[Field], dirt: Dirt) -> Value {
    let mut members = Map::new();
    for field in fields {
        let dirty = dirt == Dirt::All || dirt == Dirt::Unindexed && !field.indexed;
        // Anything may be an object with a member that an index does not hold.
        let holds_index = matches!(&field.shape, Shape::Object(_)) && dirt != Dirt::All;
        let value = match rng.below(20) {
            0 | 1 => continue,
            2 | 3 if field.nullable || dirty => Value::Null,
            4 | 5 if dirty && !holds_index => anything(rng, 2),
            _ => value(rng, &field.shape, dirt),
        };
        members.insert(field.name.clone(), value);
    }
    Value::Object(members)
}

fn value(rng: &mut Rng, shape: &Shape, dirt: Dirt) -> Value {
    match shape {
        Shape::Int if rng.chance(10) => json!(f64::from(u8::try_from(rng.below(9)).unwrap())),
        Shape::Int => json!(rng.pick(&INTS)),
        Shape::Double if rng.chance(20) => json!(rng.below(9)),
        Shape::Double => json!(rng.pick(&DOUBLES)),
        Shape::Text if rng.chance(25) => json!(super::words::prose(rng)),
        Shape::Text => json!(rng.pick(&TEXTS)),
        Shape::Bool => json!(rng.chance(50)),
        Shape::Any => anything(rng, 2),
        Shape::Object(fields) => data(rng, fields, dirt),
        Shape::List(element) => {
            let (dirty, length) = (dirt != Dirt::None, rng.below(5));
            let item = |_| match rng.below(12) {
                0 if dirty => anything(rng, 1),
                _ => value(rng, element, dirt),
            };
            Value::Array((0..length).map(item).collect())
        }
    }
}

fn anything(rng: &mut Rng, depth: usize) -> Value {
    match rng.below(if depth > 0 { 9 } else { 7 }) {
        0 => Value::Null,
        1 => json!(rng.chance(50)),
        2 | 3 => json!(rng.pick(&INTS)),
        4 => json!(rng.pick(&DOUBLES)),
        5 if rng.chance(50) => json!(super::words::prose(rng)),
        5 | 6 => json!(rng.pick(&TEXTS)),
        7 => Value::Array((0..rng.below(4)).map(|_| anything(rng, depth - 1)).collect()),
        _ => {
            let member = |_| (rng.pick(&NAMES).to_owned(), anything(rng, depth - 1));
            Value::Object((0..3).map(member).collect())
        }
    }
}
