//! Random documents of one layout: few values, so that they meet, and the ends of every type.

use forebay_filter::lower::{Bound, Place};
use forebay_model::search::{Language, SearchField, SearchKind};
use forebay_model::text;
use forebay_search::layout::{Column, FORMAT};
use forebay_search::{Document, Layout};

use super::rng::Rng;

/// The place of the keyword field among the fields.
pub(crate) const TAGS: usize = 2;

/// Words, some of which begin alike.
pub(crate) const WORDS: &[&str] = &[
    "a", "disk", "disks", "full", "fuller", "error", "er", "é", "éa", "𝔘", "日本", "日", "x1", "9",
];
pub(crate) const VALUES: &[&str] =
    &["", "a", "A", "a b", "ab", "abc", "é", "\u{ffff}", "\u{10000}", "\u{10ffff}", "日本"];
pub(crate) const INTS: &[i64] =
    &[i64::MIN, i64::MIN + 1, -2, -1, 0, 1, 2, 3, (1 << 53) + 1, i64::MAX - 1, i64::MAX];
pub(crate) const REALS: &[f64] =
    &[f64::MIN, -1.5, -0.1, 0.0, 5e-324, 0.1, 0.2, 0.30000000000000004, 1.0, 2.5, 1e300, f64::MAX];
/// Doubles whose sum is one.
pub(crate) const MODEST: &[f64] = &[-1e9, -1.5, -0.1, 0.0, 0.1, 0.2, 0.3, 7.25, 123_456.789];
/// Microseconds; years before 1970 among them.
pub(crate) const TIMES: &[i64] =
    &[-62_135_596_800_000_000, -1, 0, 1, 1_795_608_000_000_000, 1_795_608_000_000_001];

/// The columns: two texts, two integers, two numbers, a boolean; the fields: two texts, a keyword.
pub(crate) fn layout(stream: i64) -> Layout {
    let column = |number: i64, name: &str, scalar: &str| Column {
        number,
        path: vec![name.to_owned()],
        scalar: scalar.to_owned(),
    };
    let field = |name: &str, kind| SearchField { path: vec![name.to_owned()], kind };
    Layout {
        format: FORMAT,
        words: text::VERSION,
        stream,
        epoch: 1,
        columns: vec![
            column(1, "text", "string"),
            column(2, "other_text", "string"),
            column(3, "int", "integer"),
            column(4, "other_int", "integer"),
            column(5, "real", "number"),
            column(7, "modest", "number"),
            column(8, "flag", "boolean"),
        ],
        fields: vec![
            field("msg", SearchKind::Text(None)),
            field("title", SearchKind::Text(Language::from_name("english"))),
            field("tags", SearchKind::Keyword),
        ],
    }
}

/// A record's document.
pub(crate) fn document(rng: &mut Rng, seq: i64) -> Document {
    let maybe = |rng: &mut Rng, bound: Bound| (!rng.chance(20)).then_some(bound);
    let text = Bound::Text(rng.pick(VALUES).to_owned());
    let other_text = Bound::Text(rng.pick(VALUES).to_owned());
    let (int, other_int) = (Bound::Int(rng.pick(INTS)), Bound::Int(rng.pick(INTS)));
    let (real, modest) = (Bound::Real(rng.pick(REALS)), Bound::Real(rng.pick(MODEST)));
    let flag = Bound::Int(rng.below(2).try_into().unwrap());
    let columns = [text, other_text, int, other_int, real, modest, flag];
    let mut tags: Vec<Vec<String>> =
        (0..rng.below(4)).map(|_| vec![rng.pick(VALUES).to_owned()]).collect();
    if rng.chance(3) {
        tags.push(vec!["k".repeat(1024)]);
    }
    Document {
        seq,
        id: format!("{}{seq:03}", rng.pick(&["", "a", "Z", "é", "\u{ffff}", "\u{10000}"])),
        version: rng.below(4).try_into().unwrap(),
        time: rng.pick(TIMES) + i64::try_from(rng.below(3)).unwrap(),
        received_at: 1_795_608_000_000_000 + seq / 4,
        checksum: (rng.roll() & 0xffff_ffff).try_into().unwrap(),
        columns: columns.into_iter().map(|bound| maybe(rng, bound)).collect(),
        fields: vec![texts(rng), texts(rng), tags],
    }
}

fn texts(rng: &mut Rng) -> Vec<Vec<String>> {
    let text = |rng: &mut Rng| (0..rng.below(7)).map(|_| rng.pick(WORDS).to_owned()).collect();
    (0..rng.below(4)).map(|_| text(rng)).collect()
}

/// Documents with these positions.
pub(crate) fn documents(rng: &mut Rng, seqs: impl Iterator<Item = i64>) -> Vec<Document> {
    seqs.map(|seq| document(rng, seq)).collect()
}

/// Every place of the layout.
pub(crate) fn places(layout: &Layout) -> Vec<Place> {
    let columns = layout.columns.iter().map(|column| Place::Column(column.number));
    let always = [Place::Id, Place::Seq, Place::Version, Place::Time, Place::ReceivedAt];
    columns.chain(always).collect()
}
