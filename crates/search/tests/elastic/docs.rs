//! Documents for the tests: small worlds, so that values meet.

use forebay_filter::lower::Bound;
use forebay_model::search::{Language, SearchField, SearchKind};
use forebay_model::text;
use forebay_search::layout::{Column, FORMAT};
use forebay_search::{Document, Layout};

/// A stream with a column of each type and a field of each kind.
pub(crate) fn layout(stream: i64) -> Layout {
    let column = |number, name: &str| Column {
        number,
        path: vec![format!("m{number}")],
        scalar: name.to_owned(),
    };
    let field = |name: &str, kind| SearchField { path: vec![name.to_owned()], kind };
    Layout {
        format: FORMAT,
        words: text::VERSION,
        stream,
        epoch: 1,
        columns: vec![
            column(1, "string"),
            column(2, "integer"),
            column(3, "number"),
            column(7, "boolean"),
        ],
        fields: vec![
            field("msg", SearchKind::Text(None)),
            field("secret", SearchKind::None),
            field("body", SearchKind::Text(Language::from_name("english"))),
            field("tags", SearchKind::Keyword),
        ],
    }
}

/// Numbers that are the same in each run (xorshift).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides).unwrap()).unwrap()
    }

    pub(crate) fn of<'v, V: ?Sized>(&mut self, values: &[&'v V]) -> &'v V {
        values[self.roll(values.len())]
    }
}

const TEXTS: &[&str] = &["", "a", "A", "a\u{0}b", "é", "zz", "\u{10FFFF}", "\u{FFFF}", "a b\\\"c"];
const WHOLE: &[i64] = &[
    i64::MIN,
    i64::MIN + 1,
    -9_007_199_254_740_993,
    -1,
    0,
    1,
    2,
    9_007_199_254_740_992,
    9_007_199_254_740_993,
    i64::MAX - 1,
    i64::MAX,
];
const REAL: &[f64] = &[
    f64::MIN,
    -1.5,
    -5e-324,
    -0.0,
    0.0,
    5e-324,
    0.1,
    0.1 + 1e-17,
    1.0,
    9.007_199_254_740_993e15,
    f64::MAX,
];
pub(crate) const WORDS: &[&str] =
    &["disk", "full", "on", "dev", "01", "größe", "שלום", "x2", "fullest"];

/// A value that a column may have.
pub(crate) fn value(dice: &mut Dice, number: i64) -> Bound {
    match number {
        1 => Bound::Text(dice.of(TEXTS).to_owned()),
        2 => Bound::Int(WHOLE[dice.roll(WHOLE.len())]),
        3 => Bound::Real(REAL[dice.roll(REAL.len())]),
        _ => Bound::Int(i64::try_from(dice.roll(2)).unwrap()),
    }
}

fn texts(dice: &mut Dice) -> Vec<Vec<String>> {
    let words = |dice: &mut Dice| {
        let count = dice.roll(6);
        (0..count).map(|_| dice.of(WORDS).to_owned()).collect()
    };
    (0..dice.roll(3)).map(|_| words(dice)).collect()
}

/// A document of [`layout`].
pub(crate) fn document(dice: &mut Dice, seq: i64) -> Document {
    let columns = [1, 2, 3, 7].into_iter();
    let columns = columns.map(|number| (dice.roll(4) > 0).then(|| value(dice, number))).collect();
    let tags = (0..dice.roll(4)).map(|_| vec![dice.of(TEXTS).to_owned()]).collect();
    let fields = vec![texts(dice), Vec::new(), texts(dice), tags];
    let near = i64::try_from(dice.roll(40)).unwrap();
    Document {
        seq,
        id: format!("id {seq} \u{1F980}"),
        version: 1,
        time: 1_700_000_000_000_000 + near * 250_000,
        received_at: 1_700_000_000_000_000 + seq,
        checksum: u32::MAX - u32::try_from(near).unwrap(),
        columns,
        fields,
    }
}

pub(crate) fn documents(count: i64) -> Vec<Document> {
    let mut dice = Dice(0x5eed);
    (1..=count).map(|seq| document(&mut dice, seq)).collect()
}
