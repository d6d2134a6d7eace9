//! Random records, values and conditions, with what each means.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use serde_json::{Map, Value, json};

use super::clock;

/// Numbers that look random (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn seed() -> u64 {
        let given = std::env::var_os("FOREBAY_TEST_SEED").and_then(|s| s.into_string().ok());
        given.map_or_else(|| RandomState::new().build_hasher().finish(), |s| s.parse().unwrap())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from a range.
    pub(crate) fn of(&mut self, range: std::ops::Range<i64>) -> i64 {
        let length = u64::try_from(range.end - range.start).unwrap();
        range.start + i64::try_from(self.next() % length).unwrap()
    }

    pub(crate) fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[usize::try_from(self.of(0..i64::try_from(from.len()).unwrap())).unwrap()]
    }
}

/// A record; any field may be missing.
pub(crate) struct Rec {
    pub(crate) time: i64,
    s: Option<String>,
    b: Option<bool>,
    n: Option<i64>,
    d: Option<f64>,
}

impl Rec {
    pub(crate) fn random(random: &mut Random) -> Rec {
        let start = clock::micros(2024, 1, 1);
        let there = |random: &mut Random| random.of(0..6) > 0;
        let n = match random.of(0..40) {
            0 => i64::MAX,
            1 => i64::MIN,
            2 => 9_007_199_254_740_993,
            _ => random.of(-20..20),
        };
        let s = *random.pick(&["", "a", "ab", "é", "\u{1F980}", "z\"\\\n", "Z"]);
        let tenths = random.of(-3_000..3_000);
        Rec {
            time: start + random.of(0..86_400_000_000 * 900),
            s: there(random).then(|| s.to_owned()),
            b: there(random).then(|| random.of(0..2) == 0),
            n: there(random).then_some(n),
            d: there(random).then(|| f64::from(i32::try_from(tenths).unwrap()) * 0.1),
        }
    }

    pub(crate) fn envelope(&self) -> Value {
        let mut data = Map::new();
        for (name, value) in [
            ("s", self.s.as_ref().map(|s| json!(s))),
            ("b", self.b.map(|b| json!(b))),
            ("n", self.n.map(|n| json!(n))),
            ("d", self.d.map(|d| json!(d))),
        ] {
            data.extend(value.map(|value| (name.to_owned(), value)));
        }
        json!({"time": clock::text(self.time), "data": data})
    }
}

/// A value in the order in which groups stand.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum V {
    B(bool),
    I(i128),
    /// A double by its bits, which order as it does.
    D(i64),
    S(String),
    T(i64),
    /// A range.
    R(usize),
    /// Missing values are last.
    Null,
}

fn double(d: f64) -> V {
    // −0 is 0.
    let bits = i64::from_ne_bytes((d + 0.0).to_bits().to_ne_bytes());
    V::D(if bits < 0 { i64::MIN - bits } else { bits })
}

impl V {
    pub(crate) fn f64(&self) -> f64 {
        match self {
            V::I(n) => *n as f64,
            V::D(bits) => {
                let bits = if *bits < 0 { i64::MIN - bits } else { *bits };
                f64::from_bits(u64::from_ne_bytes(bits.to_ne_bytes()))
            }
            other => panic!("{other:?} is no number"),
        }
    }

    pub(crate) fn json(&self) -> Value {
        match self {
            V::B(b) => json!(b),
            V::I(n) => json!(i64::try_from(*n).unwrap()),
            V::D(_) => json!(self.f64()),
            V::S(text) => json!(text),
            V::T(micros) => json!(clock::text(*micros)),
            V::R(_) | V::Null => Value::Null,
        }
    }
}

pub(crate) type Read = fn(&Rec) -> V;

/// What is measured or grouped by: first what an index may hold.
pub(crate) const VALUES: [(&str, Read); 7] = [
    ("data.n", |r| r.n.map_or(V::Null, |n| V::I(n.into()))),
    ("data.d", |r| r.d.map_or(V::Null, double)),
    ("data.s", |r| r.s.clone().map_or(V::Null, V::S)),
    ("data.b", |r| r.b.map_or(V::Null, V::B)),
    ("time", |r| V::T(r.time)),
    ("data.n + 1", |r| r.n.and_then(|n| n.checked_add(1)).map_or(V::Null, |n| V::I(n.into()))),
    ("data.d * 2.0", |r| r.d.map_or(V::Null, |d| double(d * 2.0))),
];

/// One of them: `plain` ones have an index, `numeric` ones are numbers.
pub(crate) fn value(random: &mut Random, plain: bool, numeric: bool) -> (&'static str, Read) {
    loop {
        let at = usize::try_from(random.of(0..7)).unwrap();
        if !(plain && at > 4 || numeric && (2..5).contains(&at)) {
            return VALUES[at];
        }
    }
}

pub(crate) type Test = Box<dyn Fn(&Rec) -> Option<bool>>;

/// A condition, as text and as what it means; a `plain` one is answered by indexes.
pub(crate) fn condition(random: &mut Random, depth: u8, plain: bool) -> (String, Test) {
    let (n, d) = (random.of(-21..21), f64::from(i32::try_from(random.of(-300..300)).unwrap()));
    let s = *random.pick(&["a", "é", "\u{1F980}", "none"]);
    match random.of(0..if depth > 0 { 11 } else { 8 }) {
        0 => (format!("data.n > {n}"), Box::new(move |r| r.n.map(|v| v > n))),
        1 => (format!("data.n != {n}.0"), Box::new(move |r| r.n.map(|v| v != n))),
        2 => (format!("data.d <= {d:?}"), Box::new(move |r| r.d.map(|v| v <= d))),
        3 => (format!("data.s == \"{s}\""), Box::new(move |r| r.s.as_ref().map(|v| v == s))),
        4 => ("has(data.d)".into(), Box::new(|r| Some(r.d.is_some()))),
        5 => ("data.b".into(), Box::new(|r| r.b)),
        6 if !plain => (
            format!("data.s.contains(\"{s}\")"),
            Box::new(move |r| r.s.as_ref().map(|v| v.contains(s))),
        ),
        6 | 7 => {
            let at = clock::micros(2025, 3, random.of(1..28));
            let text = format!("time >= timestamp(\"{}\")", clock::text(at));
            (text, Box::new(move |r| Some(r.time >= at)))
        }
        8 => {
            let (text, test) = condition(random, depth - 1, plain);
            (format!("!({text})"), Box::new(move |r| test(r).map(|b| !b)))
        }
        way => {
            let ((a, test), (b, other)) =
                (condition(random, depth - 1, plain), condition(random, depth - 1, plain));
            // Kleene: the decisive value decides, else what is unknown makes all unknown.
            let decisive = way == 9;
            let text = format!("({a}) {} ({b})", if decisive { "||" } else { "&&" });
            (
                text,
                Box::new(move |r| match (test(r), other(r)) {
                    (a, b) if a == Some(decisive) || b == Some(decisive) => Some(decisive),
                    (Some(_), Some(_)) => Some(!decisive),
                    _ => None,
                }),
            )
        }
    }
}
