//! Random filters on random records: what is printed is read back, the evaluator says what a naive
//! reference says, and what is lowered finds every match.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "tests")]

mod calendar;
mod cel;
mod condition;
mod functions;
mod generate;
mod reference;
mod rng;
mod searches;
mod shape;
mod trees;
mod words;

use std::sync::Arc;

use forebay_filter::ast::Expr;
use forebay_filter::lower::lower;
use forebay_filter::{Auth, Env, Filter, MAX_BYTES, Matcher, Scope, View, Wish, parse};
use forebay_model::json;
use forebay_model::time::Timestamp;
use serde_json::Value;

use condition::Row;
use generate::Generator;
use reference::World;
use rng::Rng;
use shape::{Dirt, Field};

const CASES: u64 = 14_000;
const NOW: i64 = 1_795_608_000_000_000;

/// A filter with a schema and records to ask it about, all from one seed.
struct Case {
    seed: u64,
    fields: Vec<Field>,
    schema: Value,
    tree: Expr,
    text: String,
    auth: Option<Auth>,
    rng: Rng,
}

impl Case {
    fn new(seed: u64) -> Case {
        let mut rng = Rng::new(seed);
        let fields = shape::stream(&mut rng);
        let (depth, narrow) = (rng.below(4), rng.chance(30));
        let mut generator = Generator::new(&mut rng, &fields);
        let tree = if narrow { generator.narrow(depth) } else { generator.condition(depth) };
        let auth = rng
            .chance(50)
            .then(|| Auth { user_id: Some(rng.pick(&shape::TEXTS).to_owned()), ..Auth::default() });
        let schema = shape::schema(&fields);
        Case { seed, fields, schema, text: tree.to_string(), tree, auth, rng }
    }

    /// The filter, if it is of the right types.
    fn filter(&self) -> Option<Filter> {
        Filter::compile(&self.text, Scope::record(&self.schema)).ok()
    }

    fn env(&self) -> Env<'_> {
        Env { now: Timestamp::from_micros(NOW), auth: self.auth.as_ref(), given: &[] }
    }

    fn world<'w>(&'w self, data: &'w Value, view: View<'w>) -> World<'w> {
        World {
            fields: &self.fields,
            data,
            view,
            now: NOW,
            auth: self.auth.as_ref(),
            variables: Vec::new(),
            said: words::Said::of(&self.fields, data),
            met_unknown: false,
            lost: false,
        }
    }

    /// What a client would send to ask again, and what was asked.
    fn told(&self, data: &str) -> String {
        format!("FOREBAY_TEST_SEED={}: {} on {data}, {}", self.seed, self.text, self.schema)
    }
}

/// A record's envelope; `data` is its text.
fn view<'d>(rng: &mut Rng, data: &'d str) -> View<'d> {
    let times = [NOW - 120_000_000, 0, -1, 1_774_745_999_999_000, -62_135_596_800_000_000];
    View {
        id: rng.pick(&["dev-7", "a", "", "\u{1F600}"]),
        seq: i64::try_from(rng.below(60)).unwrap(),
        version: 1 + i64::try_from(rng.below(3)).unwrap(),
        time: rng.pick(&times),
        received_at: NOW,
        data,
    }
}

/// The canonical text, and what it says.
fn written(value: &Value) -> (String, Value) {
    let text = json::to_canonical(value);
    let read = json::read(&text).unwrap();
    (text, read)
}

fn each_case(mut ask: impl FnMut(&mut Case)) {
    let seed = rng::seed();
    let given = std::env::var_os("FOREBAY_TEST_SEED").is_some();
    for at in 0..if given { 1 } else { CASES } {
        ask(&mut Case::new(seed + at));
    }
}

#[test]
fn what_is_printed_is_read_back() {
    each_case(|case| match parse(&case.text) {
        Ok(read) => assert_eq!(read, case.tree, "{}", case.told("")),
        Err(mistakes) => {
            // A random tree may be larger than a text can be.
            let limits = ["too_long", "too_deep"];
            let large = mistakes.all.iter().all(|m| limits.contains(&m.code));
            assert!(large || case.text.len() > MAX_BYTES, "{}: {mistakes:?}", case.told(""));
        }
    });
}

#[test]
fn the_evaluator_says_what_the_reference_says() {
    let (mut asked, mut said) = (0_u32, [0_u32; 3]);
    each_case(|case| {
        let Some(filter) = case.filter() else { return };
        for _ in 0..3 {
            let (text, data) = written(&shape::data(&mut case.rng, &case.fields, Dirt::All));
            let view = view(&mut case.rng, &text);
            let found = filter.verdict(&view, &case.env());
            let mut world = case.world(&data, view);
            let expected = world.truth(&case.tree);
            if !world.lost {
                assert_eq!(found, expected, "{}", case.told(&text));
                asked += 1;
                said[expected.map_or(2, usize::from)] += 1;
            }
        }
    });
    println!("{asked} verdicts: {said:?}");
    if std::env::var_os("FOREBAY_TEST_SEED").is_none() {
        assert!(asked >= 10_000 && said.iter().all(|n| *n >= 1_000), "{asked}: {said:?}");
    }
}

/// Where nothing is unknown and CEL has the functions, it is CEL.
#[test]
fn the_evaluator_says_what_cel_says() {
    let mut asked = 0_u32;
    each_case(|case| {
        if !cel::speaks(&case.tree) {
            return;
        }
        let (Some(filter), Some(program)) = (case.filter(), cel::compile(&case.text)) else {
            return;
        };
        for _ in 0..8 {
            let (text, data) = written(&shape::data(&mut case.rng, &case.fields, Dirt::None));
            let view = view(&mut case.rng, &text);
            let mut world = case.world(&data, view);
            let unknown = world.truth(&case.tree).is_none() || world.met_unknown;
            if unknown || cel::rounds(&case.tree, &data) {
                continue;
            }
            let Some(expected) = cel::verdict(&program, &case.fields, &data, view) else {
                continue;
            };
            assert_eq!(filter.verdict(&view, &case.env()), Some(expected), "{}", case.told(&text));
            asked += 1;
        }
    });
    println!("{asked} verdicts of CEL");
    if std::env::var_os("FOREBAY_TEST_SEED").is_none() {
        assert!(asked >= 5_000, "{asked}");
    }
}

/// Many filters at once say what each says alone.
#[test]
fn the_matcher_says_what_each_filter_says() {
    let mut told = 0;
    each_case(|case| {
        // One schema of a hundred is asked forty filters at once.
        if case.seed % 100 == 0 || std::env::var_os("FOREBAY_TEST_SEED").is_some() {
            told += matched(case);
        }
    });
    if std::env::var_os("FOREBAY_TEST_SEED").is_none() {
        assert!(told >= 3_000, "{told}");
    }
}

/// How often a filter was told of one of some records.
fn matched(case: &mut Case) -> usize {
    let (mut matcher, mut filters, mut count) = (Matcher::default(), Vec::new(), 0);
    while filters.len() < 40 {
        let text = Generator::new(&mut case.rng, &case.fields).narrow(1).to_string();
        filters.extend(Filter::compile(&text, Scope::record(&case.schema)).map(Arc::new));
    }
    for (at, filter) in filters.iter().enumerate() {
        let auth = case.auth.clone().map(Arc::new);
        matcher.insert(at, Wish { filters: vec![filter.clone()], auth });
    }
    for _ in 0..20 {
        let (text, _) = written(&shape::data(&mut case.rng, &case.fields, Dirt::All));
        let view = view(&mut case.rng, &text);
        let mut told = Vec::new();
        matcher.matching(&view, case.env().now, |at| told.push(at));
        told.sort_unstable();
        let each = (0..filters.len()).filter(|at| filters[*at].matches(&view, &case.env()));
        let each: Vec<usize> = each.collect();
        let sources =
            || each.iter().chain(&told).map(|at| filters[*at].source()).collect::<Vec<_>>();
        assert_eq!(told, each, "{}: {:?}", case.told(&text), sources());
        count += told.len();
    }
    count
}

/// Whatever a text is, it is read or refused, each mistake within it.
#[test]
fn damaged_texts_are_read_or_refused() {
    let (mut read, mut refused) = (0_u32, 0_u32);
    each_case(|case| {
        let damaged = damaged(&mut case.rng, &case.text);
        match Filter::compile(&damaged, Scope::record(&case.schema)) {
            Ok(filter) => {
                read += 1;
                let (text, _) = written(&shape::data(&mut case.rng, &case.fields, Dirt::All));
                let view = view(&mut case.rng, &text);
                let opposite = format!("!({damaged}\n)");
                let found = filter.verdict(&view, &case.env());
                if let Ok(opposite) = Filter::compile(&opposite, Scope::record(&case.schema)) {
                    let opposite = opposite.verdict(&view, &case.env());
                    assert_eq!(opposite, found.map(|b| !b), "{}: {damaged}", case.told(&text));
                }
            }
            Err(mistakes) => {
                refused += 1;
                let length = u64::try_from(damaged.chars().count()).unwrap();
                assert!(!mistakes.all.is_empty());
                for mistake in &mistakes.all {
                    let (column, long) = mistakes.place(mistake);
                    let end = column - 1 + long;
                    assert!(end <= length.max(1) + 1, "{damaged}: {mistake:?}");
                    assert!(damaged.is_char_boundary(mistake.span.start), "{damaged}");
                }
                assert!(!mistakes.into_error("?filter").errors.is_empty());
            }
        }
    });
    println!("{read} read, {refused} refused");
}

fn damaged(rng: &mut Rng, text: &str) -> String {
    const SCRAPS: [&str; 30] = [
        "(",
        ")",
        "[",
        "]",
        "\"",
        "'",
        "\\",
        ".",
        ",",
        "&&",
        "||",
        "!",
        "-",
        "?",
        ":",
        " in ",
        "//",
        "\n",
        "0x",
        "1e",
        "9223372036854775808",
        "\u{0}",
        "é",
        "\u{1F600}",
        "null",
        "r\"",
        "\\u",
        "exists(",
        "has(",
        "data.",
    ];
    let mut letters: Vec<char> = text.chars().collect();
    for _ in 0..1 + rng.below(3) {
        let at = rng.below(letters.len() + 1);
        let gone = rng.below(4).min(letters.len() - at);
        let put = if rng.chance(60) { rng.pick(&SCRAPS) } else { "" };
        letters.splice(at..at + gone, put.chars());
    }
    letters.into_iter().collect()
}

#[test]
fn what_is_lowered_finds_every_match_and_nothing_else_where_it_is_exact() {
    let (mut asked, mut narrowed, mut exact) = (0_u32, 0_u32, 0_u32);
    each_case(|case| {
        let Some(filter) = case.filter() else { return };
        let columns = shape::columns(&case.fields);
        let lowered = lower(&filter, &columns, &case.env());
        exact += u32::from(lowered.exact);
        for _ in 0..3 {
            let (text, data) = written(&shape::data(&mut case.rng, &case.fields, Dirt::Unindexed));
            let view = view(&mut case.rng, &text);
            let matches = filter.matches(&view, &case.env());
            let found = Row::new(view, &columns, &data).passes(&lowered.condition);
            let told = || format!("{}: {lowered:?}", case.told(&text));
            assert!(found || !matches, "{}", told());
            assert!(found == matches || !lowered.exact, "{}", told());
            asked += 1;
            narrowed += u32::from(!found);
        }
    });
    println!("{asked} rows, {narrowed} passed over, {exact} filters exact");
    if std::env::var_os("FOREBAY_TEST_SEED").is_none() {
        assert!(
            asked >= 10_000 && narrowed >= 3_000 && exact >= 1_000,
            "{asked} {narrowed} {exact}"
        );
    }
}
