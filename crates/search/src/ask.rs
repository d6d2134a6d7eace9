//! What an index is asked, and what it says. All of it is answered at the view's position.

pub use forebay_filter::lower::Key;
use forebay_filter::lower::{Bound, Condition, Place};

/// A value of a place; nothing where the record has none.
pub type Cell = Option<Bound>;

/// Which records are meant.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// What they match; search fields are named by their place in the layout.
    pub condition: &'a Condition,
    /// Nothing beyond this seq; the view's own position is a bound as well.
    pub up_to: i64,
    /// Records that were erased since: they are left out.
    pub without: &'a [i64],
}

/// One key of an order; missing values come last, whichever way it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// What is ordered by.
    pub place: Place,
    /// Greatest first.
    pub descending: bool,
}

/// A page of records.
#[derive(Debug, Clone)]
pub struct Hits<'a> {
    /// Which.
    pub ask: Ask<'a>,
    /// What the score is of: a condition of words (BM25). With it, and no order, the best come first,
    /// of equal ones the newest.
    pub score: Option<&'a Condition>,
    /// The order; its last key is `seq` or `id`. Empty: by score.
    pub order: &'a [Order],
    /// The keys of the record to go on behind; by score: the score and the seq.
    pub after: Option<&'a [Cell]>,
    /// The most records.
    pub limit: usize,
}

/// A record that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Its position.
    pub seq: i64,
    /// How well it fits; 0 where nothing was scored.
    pub score: f32,
    /// One a key of the order; by score: the score and the seq.
    pub keys: Vec<Cell>,
}

/// How often the values of a place occur.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Terms {
    /// Values with how many records have them, most first, of equal ones the least first. A record
    /// with several values of a keyword counts once for each.
    pub values: Vec<(Bound, i64)>,
    /// Whether there are more.
    pub more: bool,
}

/// What is counted by its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Facet {
    /// A place.
    Place(Place),
    /// A keyword field of the layout.
    Field(usize),
}

/// What to group, and how.
#[derive(Debug, Clone, Copy)]
pub struct Grouping<'a> {
    /// Which records.
    pub ask: Ask<'a>,
    /// What makes a group.
    pub keys: &'a [Key],
    /// What is asked of each.
    pub parts: &'a [Part],
    /// The most groups; more are an error of the caller's making.
    pub limit: usize,
}

/// What is asked of each group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// How many records.
    Count,
    /// How many have a value.
    CountOf(Place),
    /// The exact sum of integers.
    Whole(Place),
    /// The sum of doubles, and how far it may be off.
    Real(Place),
    /// The least value.
    Least(Place),
    /// The greatest value.
    Greatest(Place),
}

/// What an engine says of a part.
#[derive(Debug, Clone, PartialEq)]
pub enum Partial {
    /// How many.
    Count(i64),
    /// An exact sum; nothing when there are no values.
    Whole(Option<i128>),
    /// A sum, and how far it may be off; nothing when there are no values.
    Real(Option<(f64, f64)>),
    /// A value.
    Value(Cell),
}

/// A group. The same keys may come more than once.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Its keys; steps and ranges are integers.
    pub keys: Vec<Cell>,
    /// One a part.
    pub partials: Vec<Partial>,
}

/// A stretch of positions, for a check of index against store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its number: positions from `number * size` to the next.
    pub number: i64,
    /// How many records.
    pub count: i64,
    /// The sum of their checksums.
    pub sum: i64,
}
