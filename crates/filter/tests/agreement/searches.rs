//! Random searches, as filters and as people type them: they are read as they were meant, and what
//! engines are given finds them.

use std::rc::Rc;
use std::sync::Arc;

use forebay_filter::ast::{Expr, Kind, Literal, Operator};
use forebay_filter::lower::{Holds, WordTest, lower_for};
use forebay_filter::search::{Mode, Query};
use forebay_filter::{Filter, View};
use forebay_model::search::SearchField;
use serde_json::Value;

use super::condition::Row;
use super::rng::Rng;
use super::shape::{self, Dirt, Field, Search, Shape};
use super::trees::{binary, expr, members, method, name, text};
use super::words::{self, Said};
use super::{Case, each_case, view, written};

/// What somebody means.
#[derive(Debug)]
enum Meant {
    All(Vec<Meant>),
    Any(Vec<Meant>),
    Not(Box<Meant>),
    In(Target, Box<Meant>),
    Phrase(String),
    Word(String, bool),
}

/// A field that is named.
#[derive(Debug, Clone)]
enum Target {
    /// By its number, and its name.
    Searched(usize, String),
    Scalar(Expr, Shape, String),
}

impl Meant {
    /// As it is typed; `alone` where nothing may stand beside it.
    fn typed(&self, alone: bool) -> String {
        let joined = |parts: &[Meant], by: &str| {
            let each: Vec<String> = parts.iter().map(|part| part.typed(true)).collect();
            if alone { format!("({})", each.join(by)) } else { each.join(by) }
        };
        match self {
            Meant::All(parts) => joined(parts, " "),
            Meant::Any(parts) => joined(parts, " OR "),
            Meant::Not(inner) => format!("-{}", inner.typed(true)),
            Meant::In(Target::Searched(_, name) | Target::Scalar(_, _, name), inner) => {
                match inner.as_ref() {
                    Meant::Not(_) => format!("{name}:({})", inner.typed(false)),
                    _ => format!("{name}:{}", inner.typed(true)),
                }
            }
            Meant::Phrase(text) => format!("\"{text}\""),
            // In parentheses, a dash would leave something out.
            Meant::Word(text, false) if text.starts_with('-') => format!("\"{text}\""),
            Meant::Word(text, star) => format!("{text}{}", if *star { "*" } else { "" }),
        }
    }
}

/// Makes up what somebody means.
struct Typist<'t> {
    rng: &'t mut Rng,
    targets: Vec<Target>,
}

/// A part of a name that can be typed before a colon.
fn is_plain(name: &str) -> bool {
    name.chars().all(char::is_alphabetic)
}

fn targets(fields: &[Field]) -> Vec<Target> {
    let searched = words::searched(fields);
    let named = |path: &[String]| format!("data.{}", path.join("."));
    let mut found: Vec<Target> = Vec::new();
    for (at, (path, search)) in searched.iter().enumerate() {
        if *search != Search::None && path.iter().all(|name| is_plain(name)) {
            found.push(Target::Searched(at, named(path)));
        }
    }
    let mut places = Vec::new();
    members(&name("data"), fields, &mut places);
    for (place, shape) in places {
        let Some(path) = path_of(&place) else { continue };
        let other = searched.iter().all(|(known, _)| *known != path);
        if shape.scalar().is_some() && other && path.iter().all(|name| is_plain(name)) {
            found.push(Target::Scalar(place, shape, named(&path)));
        }
    }
    found
}

/// The names of a member of `data`.
fn path_of(place: &Expr) -> Option<Vec<String>> {
    match &place.kind {
        Kind::Name(_) => Some(Vec::new()),
        Kind::Member(target, name) => Some([path_of(target)?, vec![name.clone()]].concat()),
        _ => None,
    }
}

impl Typist<'_> {
    fn meant(&mut self, depth: usize, inside: Option<&Target>) -> Meant {
        if depth == 0 {
            return self.leaf(inside);
        }
        match self.rng.below(8) {
            0 | 1 => Meant::Not(Box::new(self.meant(depth - 1, inside))),
            2 | 3 if inside.is_none() && !self.targets.is_empty() => {
                let target = self.targets[self.rng.below(self.targets.len())].clone();
                let inner = Box::new(self.meant(depth - 1, Some(&target)));
                Meant::In(target, inner)
            }
            2..=4 => self.leaf(inside),
            kind => {
                let parts = (0..2 + self.rng.below(2)).map(|_| self.meant(depth - 1, inside));
                let parts = parts.collect();
                if kind == 5 { Meant::Any(parts) } else { Meant::All(parts) }
            }
        }
    }

    fn leaf(&mut self, inside: Option<&Target>) -> Meant {
        let pick = |rng: &mut Rng| rng.pick(&words::ASKED).to_owned();
        match inside {
            Some(Target::Scalar(_, Shape::Bool, _)) => {
                Meant::Word(self.rng.pick(&["true", "false"]).to_owned(), false)
            }
            Some(Target::Scalar(_, Shape::Int, _)) => {
                Meant::Word(self.rng.pick(&shape::INTS).to_string(), false)
            }
            Some(Target::Scalar(_, Shape::Double, _)) => {
                Meant::Word(self.rng.pick(&["0.5", "1", "-7.5", "1e300", "-0"]).to_owned(), false)
            }
            Some(Target::Scalar(..)) => {
                let text = self.rng.pick(&["a", "ab", "z", "ä", "10", "1h30m", "disk"]);
                Meant::Word(text.to_owned(), self.rng.chance(30))
            }
            Some(Target::Searched(..)) | None if self.rng.chance(30) => {
                let phrases = ["full disk", "full disk full", "a a", "a b a", "by peer", "dev 01"];
                let one = self.rng.pick(&phrases).to_owned();
                Meant::Phrase(if self.rng.chance(30) { pick(self.rng) } else { one })
            }
            _ => Meant::Word(pick(self.rng), self.rng.chance(20)),
        }
    }
}

/// What a record says to it, by the rules.
fn truth(meant: &Meant, inside: Option<&Target>, (case, said, world): &Asked<'_>) -> Option<bool> {
    let asked = (*case, said.clone(), *world);
    let each = |parts: &[Meant]| -> Vec<Option<bool>> {
        parts.iter().map(|part| truth(part, inside, &asked)).collect()
    };
    match meant {
        Meant::All(parts) => {
            let each = each(parts);
            match each.contains(&Some(false)) {
                true => Some(false),
                false => each.into_iter().collect::<Option<Vec<bool>>>().map(|_| true),
            }
        }
        Meant::Any(parts) => {
            let each = each(parts);
            match each.contains(&Some(true)) {
                true => Some(true),
                false => each.into_iter().collect::<Option<Vec<bool>>>().map(|_| false),
            }
        }
        Meant::Not(inner) => truth(inner, inside, &asked).map(|is| !is),
        Meant::In(target, inner) => truth(inner, Some(target), &asked),
        Meant::Phrase(text) => leaf(text, false, inside, &asked),
        Meant::Word(text, star) => leaf(text, *star, inside, &asked),
    }
}

/// A case, what its record says, and the record.
type Asked<'a> = (&'a Case, Rc<Said>, (&'a Value, View<'a>));

fn leaf(
    typed: &str,
    star: bool,
    inside: Option<&Target>,
    (case, said, (data, view)): &Asked<'_>,
) -> Option<bool> {
    let fields = match inside {
        Some(Target::Scalar(place, shape, _)) => {
            let constant = match shape {
                Shape::Int => Literal::Int(typed.parse().unwrap()),
                Shape::Double => Literal::Double(typed.parse().unwrap()),
                Shape::Bool => Literal::Bool(typed.parse().unwrap()),
                _ => Literal::Text(typed.to_owned()),
            };
            let test = match star {
                true => method(place.clone(), "startsWith", vec![text(typed)]),
                false => binary(Operator::Equal, place.clone(), expr(Kind::Literal(constant))),
            };
            return case.world(data, *view).truth(&test);
        }
        Some(Target::Searched(field, _)) => vec![*field],
        None => said.texts(),
    };
    let keyword = |field: &usize| said.fields()[*field].1 == Search::Keyword;
    if fields.iter().any(keyword) || fields.is_empty() {
        let all = (0..said.fields().len()).filter(keyword).collect();
        let fields: Vec<usize> = if fields.is_empty() { all } else { fields };
        let value = WordTest::Value(typed.to_owned());
        return Some(fields.into_iter().any(|field| said.has(field, &value)));
    }
    let mut count = words::words(typed).len();
    let mut found = true;
    if star {
        count -= 1;
        let begin = words::words(typed)[count].clone();
        found = fields.iter().any(|field| {
            let stem = said.as_in(*field, typed)[count].clone();
            said.has(*field, &WordTest::Prefix(begin.clone()))
                || said.has(*field, &WordTest::Word(stem))
        });
    }
    let phrase = |field: usize| WordTest::Phrase(said.as_in(field, typed)[..count].to_vec());
    Some(found && (count == 0 || fields.iter().any(|field| said.has(*field, &phrase(*field)))))
}

fn searched(case: &Case) -> Arc<[SearchField]> {
    let fields = forebay_model::search::fields(&case.schema);
    let known: Vec<Vec<String>> = fields.iter().map(|field| field.path.clone()).collect();
    let own: Vec<Vec<String>> =
        words::searched(&case.fields).into_iter().map(|(path, _)| path).collect();
    assert_eq!(known, own);
    fields.into()
}

/// What an engine with words finds, against the verdict; whether it passed over the record.
fn narrowed(case: &Case, filter: &Filter, (data, view): (&Value, View<'_>)) -> (bool, bool) {
    let (columns, fields) = (shape::columns(&case.fields), searched(case));
    let holds = Holds { columns: &columns, words: Some(&fields), compares: false };
    let lowered = lower_for(filter, holds, &case.env());
    let said = Said::of(&case.fields, data);
    let mut row = Row::new(view, &columns, data);
    row.words = Some(Box::new(|field, test| said.has(field, test)));
    let (found, matches) = (row.passes(&lowered.condition), filter.matches(&view, &case.env()));
    let told = || format!("{}: {}: {lowered:?}", case.told(view.data), filter.source());
    assert!(found || !matches, "{}", told());
    assert!(found == matches || !lowered.exact, "{}", told());
    (!found, lowered.exact)
}

#[test]
fn engines_with_words_find_every_match() {
    let (mut asked, mut passed, mut exact) = (0_u32, 0_u32, 0_u32);
    each_case(|case| {
        let Some(filter) = case.filter() else { return };
        if !words::searched(&case.fields).iter().any(|(_, search)| *search != Search::None) {
            return;
        }
        for _ in 0..2 {
            let (text, data) = written(&shape::data(&mut case.rng, &case.fields, Dirt::Unindexed));
            let view = view(&mut case.rng, &text);
            let (over, is_exact) = narrowed(case, &filter, (&data, view));
            asked += 1;
            passed += u32::from(over);
            exact += u32::from(is_exact);
        }
    });
    println!("{asked} rows, {passed} passed over, {exact} exactly");
    if std::env::var_os("FOREBAY_TEST_SEED").is_none() {
        assert!(asked >= 5_000 && passed >= 2_000 && exact >= 1_000, "{asked} {passed} {exact}");
    }
}

#[test]
fn what_is_typed_is_read_as_it_is_meant() {
    let (mut said_of, mut exact, mut marked) = ([0_u32; 3], 0_u32, 0_u32);
    each_case(|case| {
        let targets = targets(&case.fields);
        let searches = |(_, s): &(_, Search)| *s != Search::None;
        if !words::searched(&case.fields).iter().any(searches) {
            return;
        }
        let depth = case.rng.below(4);
        let meant = Typist { rng: &mut case.rng, targets }.meant(depth, None);
        let (typed, fields) = (meant.typed(false), searched(case));
        let read = |mode| Query::read(&typed, (&case.schema, &fields), mode);
        let lenient = read(Mode::Lenient).unwrap().expect("there is a word in it");
        let told = |text: &str| format!("{}: {typed}", case.told(text));
        let strict = read(Mode::Strict);
        // A star behind a whole value is the one thing here that is not clear.
        assert!(strict.is_ok() || typed.contains('*'), "{}: {strict:?}", told(""));
        let mut rng = case.rng.clone();
        for _ in 0..2 {
            let (text, data) = written(&shape::data(&mut rng, &case.fields, Dirt::Unindexed));
            let view = view(&mut rng, &text);
            let said = Rc::new(Said::of(&case.fields, &data));
            let expected = truth(&meant, None, &(case, said, (&data, view)));
            let found = lenient.filter().verdict(&view, &case.env());
            assert_eq!(found, expected, "{}", told(&text));
            said_of[expected.map_or(2, usize::from)] += 1;
            exact += u32::from(narrowed(case, lenient.filter(), (&data, view)).1);
            for (_, fragments) in lenient.highlight(&text) {
                marked += 1;
                fragments.iter().for_each(|fragment| {
                    assert!(stands_in(fragment, &data), "{}: {fragment}", told(&text));
                });
            }
        }
    });
    println!("{said_of:?}, {exact} exactly, {marked} fields marked");
    if std::env::var_os("FOREBAY_TEST_SEED").is_none() {
        assert!(said_of.iter().all(|n| *n >= 150) && exact >= 3_000 && marked >= 100);
    }
}

/// Whether a fragment is a part of a text of the record, with marks in it.
fn stands_in(fragment: &str, data: &Value) -> bool {
    assert!(fragment.contains("<mark>"));
    let mut text = fragment.replace("<mark>", "").replace("</mark>", "");
    assert!(!text.contains(['<', '>', '"', '\'']));
    let (most, marks) = (160 + 2 * '…'.len_utf8(), fragment.matches("<mark>").count());
    let escaped = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    for (written, meant) in escaped {
        text = text.replace(written, meant);
    }
    // A word that is longer than a fragment stands in it whole.
    assert!(text.len() <= most || marks == 1, "{text}");
    let bare = text.strip_prefix('…').unwrap_or(&text);
    let bare = bare.strip_suffix('…').unwrap_or(bare);
    texts(data).iter().any(|whole| whole.contains(bare))
}

fn texts(data: &Value) -> Vec<String> {
    match data {
        Value::String(text) => vec![text.clone()],
        Value::Number(n) => vec![n.to_string()],
        Value::Bool(b) => vec![b.to_string()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        Value::Null => Vec::new(),
    }
}
