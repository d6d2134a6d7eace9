//! Hostile texts and records: what is refused, what is unknown, and that all of it ends.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use forebay_filter::{Env, Filter, MAX_BYTES, MAX_DEPTH, MAX_LIST, MAX_NODES, Scope, View, parse};
use forebay_model::time::Timestamp;
use serde_json::{Value, json};

fn schema() -> Value {
    json!({"type": "object", "properties": {
        "n": {"type": "integer"}, "b": {"type": "boolean"}, "s": {"type": "string"}, "any": {},
        "list": {"type": "array", "items": {"type": "integer"}},
        "tags": {"type": "array", "items": {"type": "string"}},
        "bag": {"type": "object"}}})
}

fn compile(text: &str) -> Result<Filter, String> {
    let schema = schema();
    let filter = Filter::compile(text, Scope::record(&schema));
    filter.map_err(|mistakes| mistakes.all[0].code.to_owned())
}

fn verdict(text: &str, data: &Value) -> Option<bool> {
    let filter = compile(text).unwrap_or_else(|code| panic!("{text}: {code}"));
    let data = data.to_string();
    let view = View { id: "x", seq: 1, version: 1, time: 0, received_at: 0, data: &data };
    filter.verdict(&view, &Env::at(Timestamp::from_micros(0)))
}

#[test]
fn limits_hold_to_the_last_one() {
    let sum = |parts: usize| format!("1{} > 0", "+1".repeat(parts - 1));
    // Each `+1` is two parts; the comparison and its 0 are two more.
    let most = (MAX_NODES - 2).div_ceil(2);
    assert_eq!(compile(&sum(most)).err(), None);
    assert_eq!(compile(&sum(most + 1)).err().as_deref(), Some("too_long"));
    let deep = |levels: usize| format!("{}true{}", "(".repeat(levels), ")".repeat(levels));
    assert_eq!(compile(&deep(MAX_DEPTH - 1)).err(), None);
    assert_eq!(compile(&deep(MAX_DEPTH)).err().as_deref(), Some("too_deep"));
    for one in ["1", "-1"] {
        let list = |count: usize| format!("data.n in [{}]", vec![one; count].join(","));
        assert_eq!(compile(&list(MAX_LIST)).err(), None);
        assert_eq!(compile(&list(MAX_LIST + 1)).err().as_deref(), Some("too_long"));
    }
    let long = |bytes: usize| format!("true{}", " ".repeat(bytes - 4));
    assert_eq!(compile(&long(MAX_BYTES)).err(), None);
    assert_eq!(compile(&long(MAX_BYTES + 1)).err().as_deref(), Some("too_long"));
}

/// The deepest trees that the limits leave are walked on a small stack.
#[test]
fn chains_do_not_take_the_stack() {
    let chains = [
        format!("data.n{} == 1", " + data.n".repeat(126)),
        format!("data.b{}", " == true".repeat(126)),
        format!("data.b{}", " in [data.b]".repeat(84)),
        format!("data.s{} == 'x'", ".lower()".repeat(250)),
        format!("data.any{} == 'x'", "[0]".repeat(125)),
        format!("data.any{} == 'x'", ".b".repeat(250)),
        format!("data.any[0]{} == 'x'", ".b".repeat(250)),
        format!("{}data.b{}", "!(".repeat(15), ")".repeat(15)),
        format!("{}data.n == 1", "-".repeat(31)),
        format!("{}data.b", "data.b ? true : ".repeat(30)),
    ];
    let walk = move || {
        for text in chains {
            if let Ok(tree) = parse(&text) {
                assert_eq!(parse(&tree.to_string()).as_ref(), Ok(&tree));
            }
            if compile(&text).is_ok() {
                verdict(&text, &json!({"n": 1, "b": true, "s": "x", "any": [1], "list": [1]}));
            }
        }
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(walk).unwrap().join().unwrap();
}

#[test]
fn four_kilobytes_of_anything_are_read_or_refused() {
    let scraps = [
        "(",
        ")",
        "[",
        "]",
        "{",
        "!",
        "-",
        ".",
        ",",
        "?",
        ":",
        "a",
        "1",
        "\"",
        "'",
        "\\",
        "\n",
        "/",
        "&&",
        "||",
        "==",
        " in ",
        "a.",
        "a[",
        "f(",
        "a?",
        "a?b:",
        "!-",
        "-(",
        "[[",
        "(]",
        "\"\\",
        "0x",
        "1e",
        "//",
        "//\n",
        "has(",
        "data.n ",
        "data.n+",
        "data.b&&",
        "1,",
        "x.all(y,",
        "é",
        "\u{1F600}",
        "\u{0}",
        "r'",
        "\\u0000",
        "not ",
        "and ",
        "null ",
        "= ",
        "data.b in [data.b] in ",
    ];
    for scrap in scraps {
        for (before, after) in [("", ""), ("data.n in [", "]"), ("(", ")"), ("\"", "\"")] {
            let room = MAX_BYTES - before.len() - after.len();
            let text = format!("{before}{}{after}", scrap.repeat(room / scrap.len()));
            if let Err(mistakes) = parse(&text) {
                assert!((1..=10).contains(&mistakes.all.len()), "{scrap}");
            }
            let _ = compile(&text);
        }
    }
}

#[test]
fn patterns_are_compiled_within_a_bound_for_all_of_them() {
    // One alone is good, and so are many small ones; many large ones are not.
    assert_eq!(compile(r"data.s.matches(r'\w{10}')").err(), None);
    let many = |pattern: &str, count: usize| {
        vec![format!("data.s.matches(r'{pattern}')"); count].join(" || ")
    };
    assert_eq!(compile(&many("^a.*b$", 60)).err(), None);
    assert_eq!(compile(&many(r"\w{10}", 60)).err().as_deref(), Some("pattern_invalid"));
    for hostile in [
        r"\w{1000}",
        "((((a{100}){100}){100}){100}){100}",
        "(?:a?){4000000000}",
        "a{99999999999999}",
        "(a*)*(a*)*(a*)*(",
        "(?=a)",
        r"(a)\1",
        "[\\x{10FFFF}-\\x{0}]",
    ] {
        let text = format!("data.s.matches(r'{hostile}')");
        assert_eq!(compile(&text).err().as_deref(), Some("pattern_invalid"), "{hostile}");
    }
    let nested = format!("data.s.matches('{}a{}')", "(".repeat(2000), ")".repeat(2000));
    assert_eq!(compile(&nested).err().as_deref(), Some("pattern_invalid"));
}

#[test]
fn patterns_that_explode_elsewhere_answer_or_are_unknown() {
    let letters: String =
        (0..300_000_u32).map(|n| if n.wrapping_mul(n) % 7 < 3 { 'a' } else { 'b' }).collect();
    let (a, data) = ("a".repeat(300_000), json!({"s": letters}));
    for pattern in ["(a*)*c", "(a+)+c", "(a|aa)+c", "(a|a)*c", "(.*a){20}c", "^(([a-z])+.)+[A-Z]$"]
    {
        let text = format!("data.s.matches('{pattern}')");
        assert_eq!(verdict(&text, &data), Some(false), "{pattern}");
        assert_eq!(verdict(&text, &json!({"s": a})), Some(false), "{pattern}");
    }
    let explosive = "data.s.matches('[ab]*a[ab]{4000}c')";
    assert_eq!(verdict(explosive, &json!({"s": "bab"})), Some(false));
    assert_eq!(verdict(&format!("{explosive} || true"), &data), Some(true));
}

#[test]
fn an_evaluation_that_visits_too_much_is_unknown() {
    let list = |count: usize| json!({"list": vec![1; count], "n": 2});
    let twice = "data.list.exists(a, data.list.exists(b, a + b == 3))";
    assert_eq!(verdict(twice, &list(400)), Some(false));
    assert_eq!(verdict(twice, &list(500)), None);
    assert_eq!(verdict(&format!("!{twice}"), &list(500)), None);
    assert_eq!(verdict(&format!("data.n == 2 || {twice}"), &list(500)), Some(true));
    let five = "data.list.all(a, data.list.all(b, data.list.all(c, data.list.all(d, \
                data.list.all(e, a + b + c + d + e == 5)))))";
    assert_eq!(verdict(five, &list(10)), Some(true));
    assert_eq!(verdict(five, &list(20_000)), None);
    assert_eq!(verdict("data.list.all(a, a == 1)", &list(150_000)), Some(true));
    assert_eq!(verdict("3 in data.list", &list(150_000)), Some(false));
    // A list of constants is gone through for each element.
    let constants = vec!["3"; MAX_LIST].join(",");
    let text = format!("data.list.exists(a, a in [{constants}])");
    assert_eq!(verdict(&text, &list(10_000)), Some(false));
    assert_eq!(verdict(&text, &list(20_000)), None);
}

#[test]
fn an_evaluation_that_reads_too_much_is_unknown() {
    let tags: Vec<String> = (0..1000).map(|n| format!("t{n}")).collect();
    let data = json!({"s": "x".repeat(500_000), "tags": tags, "n": 1});
    for costly in [
        "data.tags.exists(t, data.s.contains(t))",
        "data.tags.exists(t, size(data.s) == 1)",
        "data.tags.exists(t, data.s.lower() == t)",
        "data.tags.exists(t, (data.s + t).endsWith('!'))",
        "data.tags.exists(t, data.s.matches('y'))",
        "data.tags.exists(t, data.s == data.s + t)",
    ] {
        assert_eq!(verdict(costly, &data), None, "{costly}");
        // What could not be read makes nothing true or false.
        assert_eq!(verdict(&format!("!({costly})"), &data), None, "{costly}");
        assert_eq!(verdict(&format!("({costly}) || data.n == 2"), &data), None, "{costly}");
    }
    assert_eq!(verdict("data.s.contains('y') || data.s.matches('y')", &data), Some(false));
    assert_eq!(verdict("data.tags.exists(t, t.contains('t999'))", &data), Some(true));
}

#[test]
fn objects_that_are_looked_into_at_each_level_are_not_held_many_times() {
    // Each level of `bag` is asked for its size: each would be built anew.
    let mut inner = json!(vec![1; 300_000]);
    let mut sizes = Vec::new();
    for level in 0..15 {
        inner = json!({"b": inner});
        sizes.push(format!("size(data.bag{}) == 9", ".b".repeat(level)));
    }
    let text = sizes.join(" || ");
    assert_eq!(verdict(&text, &json!({"bag": inner})), None);
    assert_eq!(verdict("size(data.bag) == 1", &json!({"bag": inner})), Some(true));
}

#[test]
fn what_fuel_did_not_reach_is_not_taken_for_missing() {
    let data = json!({"s": "x".repeat(1_000_000), "any": [{"n": 1}], "list": vec![0; 100]});
    let burn = "data.list.exists(a, size(data.s) == 1)";
    assert_eq!(verdict(&format!("{burn} || !has(data.any[0].n)"), &data), None);
    assert_eq!(verdict("!has(data.any[0].n)", &data), Some(false));
}

/// Texts that `parse` takes stay what they are when they are printed, up to every limit.
#[test]
fn what_is_read_at_the_limits_is_printed_and_read_back() {
    let inside =
        |level: usize, core: &str| format!("{}{core}{}", "(".repeat(level), ")".repeat(level));
    for core in ["-1.f()", "--1", "-(1)", "---x", "-(1.f())", "!-x", "- -1", "(-1)[0]"] {
        for level in 0..MAX_DEPTH {
            if let Ok(tree) = parse(&inside(level, core)) {
                let printed = tree.to_string();
                assert_eq!(parse(&printed).as_ref(), Ok(&tree), "{core} at {level}: {printed}");
            }
        }
    }
}
