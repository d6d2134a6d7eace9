use serde_json::{Value, json};

use super::*;
use crate::eval::{Env, View};
use crate::{Filter, Scope};
use forebay_model::time::Timestamp;

fn schema() -> Value {
    json!({"type": "object", "properties": {
        "msg": {"type": "string", "x-search": "text"},
        "note": {"type": "string", "x-search": {"as": "text", "language": "english"}},
        "tags": {"type": "array", "items": {"type": "string"}, "x-search": "keyword"},
        "host": {"type": "string", "x-index": true},
        "status": {"type": "integer"},
        "ok": {"type": "boolean"},
        "geo": {"type": "object", "properties": {"place": {"type": "string", "x-search": "text"}}},
        "more": {"type": "object", "x-search": "text"}}})
}

fn query(text: &str, mode: Mode) -> Result<Option<Query>, crate::Mistakes> {
    let schema = schema();
    let fields = forebay_model::search::fields(&schema).into();
    Query::read(text, (&schema, &fields), mode)
}

fn view(data: &str) -> View<'_> {
    View { id: "a", seq: 1, version: 1, time: 0, received_at: 0, data }
}

fn matches(text: &str, data: &Value) -> bool {
    let data = data.to_string();
    let query = query(text, Mode::Lenient).unwrap();
    query.is_none_or(|q| q.filter().matches(&view(&data), &Env::at(Timestamp::from_micros(0))))
}

fn record() -> Value {
    json!({"msg": "Disk FULL on dev-01, 93.5% used", "note": "connections were reset",
        "tags": ["prod", "eu west"], "host": "dev-01", "status": 503, "ok": true,
        "geo": {"place": "42 km S of Anchorage, Alaska"}, "more": {"x": {"y": ["deep water"]}, "n": 77}})
}

#[test]
fn what_people_type_finds_what_they_mean() {
    let data = record();
    for text in [
        "disk",
        "DISK full",
        "\"full on dev\"",
        "dis*",
        "disk -empty",
        "disk NOT empty",
        "empty OR full",
        "empty | full",
        "(empty OR full) disk",
        "dev-01",
        "93.5",
        "msg:disk",
        "data.msg:disk",
        "msg:\"disk full\"",
        "msg:(empty OR full)",
        "connection",
        "note:connect",
        "connecting*",
        "note:conn*",
        "tags:prod",
        "tags:\"eu west\"",
        "host:dev-01",
        "status:503",
        "ok:true",
        "place:alaska",
        "geo.place:anchorage",
        "deep",
        "77",
        "alaska disk deep",
        "-empty",
        "disk AND full",
        "disk && full",
        "host:dev*",
        "disk -(empty OR broken)",
        "--disk",
        "\"dev 01\"",
        "disk \"",
        "disk (",
        "disk )",
        "(disk",
        "disk OR",
        "OR disk",
        "AND disk",
        "disk -",
        "*",
        "!!!",
        "disk*full",
        "disk \"full on",
        "disk:full",
        "“disk full”",
        "unknown:disk OR disk",
        "(((disk)))",
        "",
        "di*sk OR disk",
        "disk - full",
        "()disk",
        "more:water",
    ] {
        assert!(matches(text, &data), "{text}");
    }
}

#[test]
fn what_people_do_not_mean_is_not_found() {
    let data = record();
    for text in [
        "empty",
        "disk empty",
        "\"disk on\"",
        "-disk",
        "disk -full",
        "msg:alaska",
        "note:disk",
        "tags:eu",
        "tags:pro",
        "tags:PROD",
        "status:50",
        "status:x",
        "ok:false",
        "host:dev",
        "isk",
        "disk -dev-01",
        "(empty OR broken) disk",
        "\"water 77\"",
        "y",
        "empty OR \"",
        "geo.place:disk",
        "dev-02",
        "disk - empty",
        "connectin*",
        "status:-503",
        "msg:http://disk",
        "https://disk.full",
        "disk AND empty",
        "\"eu west\"",
    ] {
        assert!(!matches(text, &data), "{text}");
    }
}

#[test]
fn programs_are_told_what_is_not_clear() {
    for (text, code, column) in [
        ("disk \"full", "syntax", 6),
        ("(disk", "syntax", 1),
        ("disk)", "syntax", 5),
        ("nope:disk", "unknown_field", 1),
        ("msgg:disk", "unknown_field", 1),
        ("status:x", "type_mismatch", 8),
        ("OR disk", "syntax", 1),
        ("disk -", "no_word", 6),
        ("disk - full", "no_word", 6),
        ("disk OR -)", "syntax", 9),
        ("!!!", "no_word", 1),
        ("tags:pro*", "type_mismatch", 6),
        ("*sk", "syntax", 1),
        ("()", "syntax", 1),
    ] {
        let mistakes = query(text, Mode::Strict).unwrap_err();
        let first = &mistakes.all[0];
        assert_eq!((first.code, mistakes.place(first).0), (code, column), "{text}: {mistakes:?}");
    }
    for clear in
        ["disk", "disk -full", "msg:(a OR b) \"c d\" e*", "status:503", "status:-5", "msg:a:b"]
    {
        assert!(query(clear, Mode::Strict).is_ok(), "{clear}");
    }
}

#[test]
fn hostile_texts_are_bounded() {
    let long = "a ".repeat(40_000);
    assert_eq!(query(&long, Mode::Lenient).unwrap_err().all[0].code, "too_long");
    let many: String = (0..500).map(|n| format!("w{n}* ")).collect();
    assert_eq!(query(&many, Mode::Lenient).unwrap_err().all[0].code, "too_long");
    for text in [
        "(".repeat(4096),
        "\"".repeat(4095),
        "-".repeat(4096),
        "a:".repeat(2000),
        "*".repeat(4096),
        ")".repeat(4096),
        "OR ".repeat(1300),
        "\u{200d}\u{202e}\u{feff}".repeat(400),
        "𝕏".repeat(1000),
    ] {
        let _ = query(&text, Mode::Lenient);
        let _ = query(&text, Mode::Strict);
    }
}

#[test]
fn search_in_filters_means_all_words_anywhere() {
    let schema = schema();
    let data =
        json!({"msg": "Disk full", "note": "resetting connections", "host": "x"}).to_string();
    for (text, expected) in [
        ("search('full DISK')", Some(true)),
        ("search('connection disk')", Some(true)),
        ("search('disk empty')", Some(false)),
        ("!search('empty')", Some(true)),
        ("search('x')", Some(false)),
        ("data.host == 'x' && search('full')", Some(true)),
        ("data.status == 7 || search('full')", Some(true)),
    ] {
        let filter = Filter::compile(text, Scope::record(&schema)).unwrap();
        assert!(filter.asks_words());
        let verdict = filter.verdict(&view(&data), &Env::at(Timestamp::from_micros(0)));
        assert_eq!(verdict, expected, "{text}");
    }
    for (text, code) in [
        ("search('!')", "no_word"),
        ("search(data.msg)", "type_mismatch"),
        ("search('a') == 1", "type_mismatch"),
    ] {
        assert_eq!(
            Filter::compile(text, Scope::record(&schema)).unwrap_err().all[0].code,
            code,
            "{text}"
        );
    }
    let plain = json!({"type": "object", "properties": {"msg": {"type": "string"}}});
    let mistakes = Filter::compile("search('a')", Scope::record(&plain)).unwrap_err();
    assert_eq!(mistakes.all[0].code, "unsupported");
}

#[test]
fn what_was_found_is_marked_and_the_rest_is_escaped() {
    let data =
        json!({"msg": "<b>Disk</b> & \"full\"", "tags": ["prod"], "more": {"a": "no disk here"}});
    let marked =
        |text: &str| query(text, Mode::Lenient).unwrap().unwrap().highlight(&data.to_string());
    assert_eq!(
        marked("disk -empty"),
        [
            (
                "data.msg".to_owned(),
                vec!["&lt;b&gt;<mark>Disk</mark>&lt;/b&gt; &amp; &quot;full&quot;".to_owned()]
            ),
            ("data.more".to_owned(), vec!["no <mark>disk</mark> here".to_owned()]),
        ]
    );
    assert_eq!(
        marked("tags:prod"),
        [("data.tags".to_owned(), vec!["<mark>prod</mark>".to_owned()])]
    );
    let long = json!({"msg": format!("{}needle {}", "hay ".repeat(200), "stack ".repeat(200))})
        .to_string();
    let found = query("needle", Mode::Lenient).unwrap().unwrap().highlight(&long);
    let fragment = &found[0].1[0];
    assert!(fragment.starts_with("…hay") && fragment.ends_with('…'), "{fragment}");
    assert!(fragment.contains("<mark>needle</mark>") && fragment.len() < 220, "{fragment}");
}

#[test]
fn engines_are_given_words() {
    use crate::lower::{Condition, Holds, lower_for};
    let schema = schema();
    let fields = forebay_model::search::fields(&schema);
    let holds = Holds { columns: &[], words: Some(&fields), compares: false };
    let env = Env::at(Timestamp::from_micros(0));
    let lowered = |text: &str| {
        let filter = Filter::compile(text, Scope::record(&schema)).unwrap();
        lower_for(&filter, holds, &env)
    };
    let both = lowered("search('disk full') && data.status == 7");
    assert!(!both.exact && matches!(both.condition, Condition::And(_)), "{both:?}");
    let exact = lowered("!search('disk')");
    let Condition::And(parts) = &exact.condition else { panic!("{exact:?}") };
    assert!(exact.exact && parts.len() == 4);
    for valued in ["data.tags.exists(t, t == 'prod')", "'prod' in data.tags"] {
        let found = lowered(valued);
        assert!(!found.exact && matches!(found.condition, Condition::Words(_)), "{found:?}");
        assert_eq!((found.pushed.len(), found.evaluated.len()), (1, 1), "{found:?}");
    }
    let long = format!("'{}' in data.tags", "x".repeat(2000));
    for evaluated in ["data.tags.exists(t, t != 'prod')", "!('prod' in data.tags)", &long] {
        let found = lowered(evaluated);
        assert!(!found.exact && found.condition == Condition::All, "{found:?}");
    }
    let either = lowered("'prod' in data.tags || data.status == 7");
    assert_eq!((either.pushed.len(), either.evaluated.len()), (0, 2), "{either:?}");
    let filter = Filter::compile("search('disk')", Scope::record(&schema)).unwrap();
    assert_eq!(crate::lower::lower(&filter, &[], &env).condition, Condition::All);
    let query = query("disk -full tags:prod", Mode::Lenient).unwrap().unwrap();
    assert!(lower_for(query.filter(), holds, &env).exact);
    let Condition::Or(score) = query.score() else { panic!() };
    assert_eq!(score.len(), 5);
}
