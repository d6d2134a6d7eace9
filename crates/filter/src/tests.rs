//! What texts mean, and what is said of wrong ones.

use forebay_model::field::FieldPath;
use forebay_model::schema::ScalarType;
use forebay_model::stream::{Column, ColumnState};
use forebay_model::time::Timestamp;
use serde_json::{Value, json};

use crate::lower::{lower, sql::Sql};
use crate::{Auth, Env, Filter, Scope, View};

fn schema() -> Value {
    json!({"type": "object", "properties": {
        "n": {"type": "integer", "x-index": true}, "d": {"type": "number", "x-index": true},
        "s": {"type": "string", "x-index": true}, "b": {"type": "boolean", "x-index": true},
        "place": {"type": "string"}, "when": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "items": {"type": "array", "items": {"type": "object", "properties": {
            "price": {"type": "number"}, "name": {"type": "string"}}}},
        "bag": {"type": "object"}}})
}

fn columns() -> Vec<Column> {
    let all = [
        ("data.n", ScalarType::Integer),
        ("data.d", ScalarType::Number),
        ("data.s", ScalarType::String),
        ("data.b", ScalarType::Boolean),
    ];
    let column = |(at, (path, scalar)): (usize, (&str, ScalarType))| Column {
        number: i64::try_from(at).unwrap() + 1,
        path: FieldPath::parse(path).unwrap(),
        scalar,
        state: ColumnState::Ready,
    };
    all.into_iter().enumerate().map(column).collect()
}

fn now() -> Timestamp {
    Timestamp::parse("2026-11-25T12:00:00Z").unwrap()
}

fn verdict(source: &str, data: &str) -> Option<bool> {
    let schema = schema();
    let filter = Filter::compile(source, Scope::record(&schema));
    let filter = filter.unwrap_or_else(|m| panic!("{source}: {m:?}"));
    let view = View {
        id: "dev-7",
        seq: 41,
        version: 1,
        time: Timestamp::parse("2026-11-25T11:58:00Z").unwrap().micros(),
        received_at: now().micros(),
        data,
    };
    let auth =
        Auth { user_id: Some("u1".into()), roles: Some(vec!["ops".into()]), ..Auth::default() };
    filter.verdict(&view, &Env { now: now(), auth: Some(&auth), given: &[] })
}

#[test]
fn verdicts() {
    let data = r#"{"n":7,"d":4.5,"s":"Dev\"x","b":true,"place":"10km N of Alaska","when":"2026-11-25T13:00:00+02:00","tags":["a","b"],"items":[{"price":5,"name":"x"},{"name":"y"}],"bag":{"k":null,"z":1.0,"l":[1,"2",null]}}"#;
    let (t, f, u) = (Some(true), Some(false), None);
    for (source, expected) in [
        ("data.n == 7 && data.d >= 4.5", t),
        ("data.n == 7.0 && data.n < 7.5 && data.d > 4", t),
        ("data.place.contains(\"Alaska\") && time > now() - duration(\"5m\")", t),
        ("data.s == 'Dev\"x' && data.s.startsWith(\"Dev\") && !data.s.endsWith(\"y\")", t),
        ("data.s.lower() == \"dev\\\"x\" && size(data.s) == 5 && upper(data.s) != data.s", t),
        ("data.s.matches('^D.v') && !matches(data.s, 'z')", t),
        ("data.b", t),
        ("!data.b || data.n in [1, 7]", t),
        ("\"a\" in data.tags && !(\"z\" in data.tags)", t),
        ("data.tags.exists(t, t == \"b\") && data.tags.all(t, size(t) == 1)", t),
        ("data.items.exists(i, i.price > 4)", t),
        ("data.items.all(i, i.price > 4)", u),
        ("data.items.all(i, has(i.price))", f),
        ("data.items[1].name == 'y' && data.tags[0] == 'a'", t),
        ("data.tags[5] == 'a'", u),
        ("has(data.bag.z) && !has(data.bag.k) && !has(data.bag.q)", t),
        ("data.bag.k == 1", u),
        ("!(data.bag.k == 1)", u),
        ("data.bag.k == 1 || data.n == 7", t),
        ("data.bag.k == 1 && data.n == 8", f),
        ("data.bag.z == 1 && data.bag.z == 1.0", t),
        ("data.bag.z == 'x'", u),
        ("1 in data.bag.l", t),
        ("3 in data.bag.l", u),
        ("data.bag.l.exists(e, e == 1)", t),
        ("timestamp(data.when) == timestamp('2026-11-25T11:00:00Z')", t),
        ("timestamp(data.s) == now()", u),
        ("time.getHours() == 11 && time.getHours('Europe/Berlin') == 12", t),
        ("now() - time == duration('2m') && (now() - time).getSeconds() == 120", t),
        ("data.n / 2 == 3 && data.n % 4 == 3 && data.d * 2 == 9.0 && -data.n == -7", t),
        ("data.n / 0 == 1", u),
        ("data.n + 9223372036854775807 > 0", u),
        ("data.d / 0.0 > 1.0", u),
        ("data.n > 5 ? data.b : data.n == 1", t),
        ("id == 'dev-7' && seq == 41 && version == 1 && id.startsWith('dev')", t),
        ("auth.user_id == 'u1' && 'ops' in auth.roles && auth.roles.exists(r, r == 'ops')", t),
        ("auth.email == 'x'", u),
        ("data.n in []", f),
        ("data.s in [auth.user_id, 'Dev\"x']", t),
        ("data.s in [auth.email, data.place, 'Dev\"x']", t),
        ("data.s in [auth.email, data.place]", u),
        ("data.s in [auth.user_id, data.place]", f),
        ("data.bag.k in [data.n]", u),
        ("data['n'] == 7", t),
        ("size(data.tags) == 2 && size(data.bag) == 3", t),
        ("'a' + data.s == 'aDev\"x'", t),
    ] {
        assert_eq!(verdict(source, data), expected, "{source}");
    }
    for source in ["data.n == 7", "!(data.n == 7)", "data.b", "data.tags.exists(t, t == 'a')"] {
        assert_eq!(verdict(source, "{}"), None, "{source}");
        let wrong = r#"{"n":"7","b":1,"tags":"a"}"#;
        assert_eq!(verdict(source, wrong), None, "{source}");
    }
}

#[test]
fn a_chain_of_memberships_stays_as_small_as_its_text() {
    let source = format!("data.b{}", " in [data.b, true]".repeat(50));
    assert_eq!(verdict(&source, r#"{"b":true}"#), Some(true));
    assert_eq!(verdict(&source, "{}"), None);
}

#[test]
fn mistakes_say_where_and_what_was_meant() {
    let schema = schema();
    for (source, column, said) in [
        ("data.nn == 1", 6, "did you mean `n`?"),
        ("n == 1", 1, "did you mean `data.n`?"),
        ("data.s > 5", 1, "`data.s` is a string, `5` is an integer"),
        ("time > '2026-01-01T00:00:00Z'", 1, "write `timestamp(\"2026-01-01T00:00:00Z\")`"),
        ("data.tags == 'a'", 1, "write `\"a\" in data.tags`"),
        ("data.tags.contains('a')", 1, "write `\"a\" in data.tags`"),
        ("data.s.startswith('a')", 8, "did you mean `startsWith`?"),
        ("data.n", 1, "a condition is asked for, this is an integer"),
        ("data.n && data.b", 1, "a boolean is expected, `data.n` is an integer"),
        ("data.s.matches('(?=x)')", 16, "look-around"),
        ("duration('5 minutes') > duration('1s')", 10, "a duration is written"),
        ("timestamp('yesterday') < now()", 11, "RFC 3339"),
        ("time.getHours('Mars') == 1", 15, "no zone"),
        ("search('x')", 1, "cannot be searched"),
        ("data.n.x == 1", 8, "an integer has no members"),
        ("auth.userid == 'x'", 1, "did you mean `auth.user_id`?"),
        ("data.tags.exists(time, time == 'x')", 18, "`time` has a meaning already"),
        ("data == 1", 1, "name a field"),
        ("data.items.exists(i, i.prise > 1)", 24, "did you mean `price`?"),
        ("data.n in 'abc'", 11, "a list is expected"),
        ("data.s - 1 > 2", 1, "`-` does not take these"),
        ("has(1)", 5, "`has` takes a field"),
        ("data.s in [1]", 12, "these do not compare"),
    ] {
        let mistakes = Filter::compile(source, Scope::record(&schema)).unwrap_err();
        let first = &mistakes.all[0];
        assert_eq!(mistakes.place(first).0, column, "{source}: {}", first.message);
        assert!(first.message.contains(said), "{source}: {}", first.message);
    }
    let two = Filter::compile("data.x == 1 || data.s == 2", Scope::record(&schema)).unwrap_err();
    assert_eq!(two.all.len(), 2);
}

#[test]
fn what_is_lowered_is_a_superset() {
    let schema = schema();
    for (source, text, exact) in [
        ("data.n == 7 && data.place.contains('x')", "c1 = $1", false),
        ("data.n == 7 || data.place.contains('x')", "1 = 1", false),
        ("!(data.n == 7 || data.d < 4)", "(c1 <> $1 AND c2 >= $2)", true),
        ("data.n > 4.5 && data.n == 4.5", "1 = 0", true),
        ("!(data.n == 4.5)", "c1 IS NOT NULL", true),
        ("data.s in ['a', 'b']", "c3 IN ($1, $2)", true),
        ("!(data.s.startsWith('ab'))", "(c3 < $1 OR c3 >= $2)", true),
        ("!data.b && has(data.n)", "(c4 = $1 AND c1 IS NOT NULL)", true),
        ("time > now() - duration('7d')", "time > $1", true),
        ("auth.user_id == data.s", "1 = 0", true),
        ("5 < data.n", "c1 > $1", true),
        ("data.n == data.n && data.n < data.d", "c1 = c1", false),
        ("id == 'x'", "seq IN (SELECT seq FROM record_id WHERE stream = $1 AND id = $2)", true),
        ("data.s in [auth.email, 'x', data.s]", "(c3 = $1 OR c3 = c3)", true),
        ("!('u' in [data.s, 'v'])", "c3 <> $1", true),
        ("'u' in [data.s, 'u']", "1 = 1", true),
        ("!(data.s in [auth.email, 'x'])", "1 = 0", true),
        ("data.s in [data.place]", "1 = 1", false),
        ("true", "1 = 1", true),
        ("!(data.bag.x == 1)", "1 = 1", false),
    ] {
        let filter = Filter::compile(source, Scope::record(&schema)).unwrap();
        let lowered = lower(&filter, &columns(), &Env::at(now()));
        let mut sql = Sql::default();
        sql.condition(17, &lowered.condition);
        assert_eq!((sql.text.as_str(), lowered.exact), (text, exact), "{source}");
    }
}
