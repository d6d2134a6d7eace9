//! Random conditions over the documents of the suite, each as lowering might write it.

use forebay_filter::ast::Operator;
use forebay_filter::lower::{Bound, Condition, Place, Test, WordTest, Words};
use forebay_search::{Document, Layout};

use super::documents::{INTS, REALS, TAGS, VALUES, WORDS, places};
use super::naive;
use super::rng::Rng;

const OPERATORS: &[Operator] = &[
    Operator::Equal,
    Operator::NotEqual,
    Operator::Less,
    Operator::LessOrEqual,
    Operator::Greater,
    Operator::GreaterOrEqual,
];

/// What conditions are made of.
pub(crate) struct Maker<'m> {
    pub(crate) layout: &'m Layout,
    pub(crate) documents: &'m [Document],
    /// Whether two places may be compared.
    pub(crate) compares: bool,
}

impl Maker<'_> {
    /// A condition with a tree of at most this depth.
    pub(crate) fn condition(&self, rng: &mut Rng, depth: usize) -> Condition {
        if depth == 0 || rng.chance(35) {
            return self.leaf(rng);
        }
        let parts = (0..1 + rng.below(3)).map(|_| self.condition(rng, depth - 1)).collect();
        if rng.chance(50) { Condition::And(parts) } else { Condition::Or(parts) }
    }

    fn leaf(&self, rng: &mut Rng) -> Condition {
        match rng.below(20) {
            0 => Condition::All,
            1 => Condition::None,
            2 | 3 if self.compares => self.between(rng),
            4..=10 => Condition::Words(self.words(rng)),
            _ => {
                let place = rng.pick(&places(self.layout));
                Condition::Test(place, self.test(rng, place))
            }
        }
    }

    fn between(&self, rng: &mut Rng) -> Condition {
        let column = Place::Column;
        let pairs = [
            (column(1), column(2)),
            (column(1), Place::Id),
            (column(3), column(4)),
            (column(4), Place::Seq),
            (column(3), Place::Version),
            (column(5), column(7)),
            (Place::Time, Place::ReceivedAt),
            (Place::Seq, Place::Seq),
        ];
        let (a, b) = rng.pick(&pairs);
        Condition::Between(rng.pick(OPERATORS), a, b)
    }

    /// A test of words that some documents may pass.
    pub(crate) fn words(&self, rng: &mut Rng) -> Words {
        let field = rng.below(self.layout.fields.len());
        let word = |rng: &mut Rng| rng.pick(WORDS).to_owned();
        let test = match rng.below(4) {
            _ if field == TAGS => WordTest::Value(rng.pick(VALUES).to_owned()),
            0 => WordTest::Prefix(
                rng.pick(&["a", "d", "e", "er", "é", "日", "zz", "\u{10ffff}"]).to_owned(),
            ),
            1 => WordTest::Phrase((0..1 + rng.below(3)).map(|_| word(rng)).collect()),
            _ => WordTest::Word(word(rng)),
        };
        Words { field, test, positive: rng.chance(75) }
    }

    fn test(&self, rng: &mut Rng, place: Place) -> Test {
        let list = |rng: &mut Rng| -> Vec<Bound> {
            (0..1 + rng.below(6)).map(|_| self.bound(rng, place)).collect()
        };
        match rng.below(12) {
            0 => Test::Present,
            1 => Test::Absent,
            2 => Test::In(list(rng)),
            3 => Test::NotIn(list(rng)),
            4 | 5 => {
                let (least, beyond) = self.range(rng, place);
                Test::Range(least, beyond)
            }
            6 => {
                let (least, beyond) = self.range(rng, place);
                Test::NotRange(least, beyond)
            }
            _ => Test::Compare(rng.pick(OPERATORS), self.bound(rng, place)),
        }
    }

    fn range(&self, rng: &mut Rng, place: Place) -> (Bound, Option<Bound>) {
        let beyond = rng.chance(80).then(|| self.bound(rng, place));
        (self.bound(rng, place), beyond)
    }

    /// A value that some document has there, or one that may stand between those.
    fn bound(&self, rng: &mut Rng, place: Place) -> Bound {
        let document = &self.documents[rng.below(self.documents.len())];
        match (naive::cell(self.layout, document, place), place) {
            (Some(value), _) if rng.chance(60) => value,
            (_, Place::Column(1 | 2) | Place::Id) => {
                let texts = ["", "B", "aa", "z", "\u{e000}", "\u{10fffe}"];
                let texts = if rng.chance(50) { &texts } else { VALUES };
                Bound::Text(rng.pick(texts).to_owned())
            }
            (_, Place::Column(5 | 7)) => Bound::Real(rng.pick(REALS)),
            (_, Place::Column(8)) => Bound::Int(rng.below(2).try_into().unwrap()),
            _ => Bound::Int(rng.pick(INTS)),
        }
    }
}
