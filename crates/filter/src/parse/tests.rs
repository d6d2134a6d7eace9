//! What is read back, what is told of wrong texts, and that hostile ones end.

use super::*;

fn places(source: &str) -> Vec<(u64, String)> {
    let mistakes = parse(source).unwrap_err();
    mistakes.all.iter().map(|m| (mistakes.place(m).0, m.message.clone())).collect()
}

#[test]
fn what_is_printed_is_read_back_as_the_same() {
    for (source, printed) in [
        ("a&&b  &&(c&&d)", "a && b && c && d"),
        ("(a || b) && !c", "(a || b) && !c"),
        ("!(a == 1)", "!(a == 1)"),
        ("a - (b - c) - d", "a - (b - c) - d"),
        ("(a + b) * -c % 2", "(a + b) * -c % 2"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("1 - -1", "1 - -1"),
        ("(-1).f()", "-1.f()"),
        ("-(1.f())", "-(1.f())"),
        ("-(1.5)[0].a", "-(1.5[0].a)"),
        ("-(-x)", "--x"),
        ("-(-1)", "--1"),
        ("-(1) - 1", "-(1) - 1"),
        ("-0.0", "-0.0"),
        ("data['a b'].c[0].d", "data[\"a b\"].c[0].d"),
        ("a ? b : c ? d : e", "a ? b : c ? d : e"),
        ("(a ? b : c) ? d : e", "(a ? b : c) ? d : e"),
        ("(a ? b : c) && d", "(a ? b : c) && d"),
        ("x.exists(t, t == 'p\\n\\u00e9\"')", "x.exists(t, t == \"p\\né\\\"\")"),
        ("a in [1, 2.0, 1e300, -0.5]", "a in [1, 2.0, 1e300, -0.5]"),
        ("(a == b) == (c in d)", "a == b == (c in d)"),
        ("r'\\d' // a comment\n", "\"\\\\d\""),
        ("0x10 + .5", "16 + 0.5"),
        ("'\u{85}\u{7}'", "\"\\u0085\\u0007\""),
    ] {
        let read = parse(source).unwrap_or_else(|m| panic!("{source}: {m:?}"));
        assert_eq!(read.to_string(), printed);
        assert_eq!(parse(printed).unwrap(), read, "{source}");
    }
}

#[test]
fn several_mistakes_are_told_at_once() {
    assert_eq!(
        places("data.a = 1 && (data.b >) && data.c == null"),
        [
            (8, "`=` is no operator here; did you mean `==`?".to_owned()),
            (24, "a value is expected before `)`".to_owned()),
            (39, "there is no null; ask `has(data.field)`".to_owned()),
        ]
    );
    assert_eq!(places("&& a").len(), 1);
    assert_eq!(places("a || && b ? : c").len(), 2);
    for (source, column) in [
        ("", 1),
        ("a b", 3),
        ("a &&", 5),
        ("(a", 3),
        ("a)", 2),
        ("f(a,", 5),
        ("[1, 2", 6),
        ("'abc", 1),
        ("\"é\" + 'x\\q'", 9),
        ("a.", 3),
        ("a ? b", 6),
        ("9223372036854775808", 1),
        ("12ab", 1),
        ("1u", 1),
        ("1e999", 1),
        ("a and b", 3),
        ("'\\u0000'", 1),
        ("{}", 1),
    ] {
        assert_eq!(places(source)[0].0, column, "{source}: {:?}", places(source));
    }
}

#[test]
fn hostile_texts_end_soon() {
    for source in [
        "(".repeat(4096),
        "[".repeat(4096),
        "!".repeat(4096),
        "-".repeat(4096),
        "a?".repeat(2048),
        "a.b".repeat(1000),
        "a+".repeat(2000),
        "a&&".repeat(1300),
        format!("[{}]", "1,".repeat(1500)),
        "f(".repeat(2000),
        "\"\\".repeat(2000),
        "🦀".repeat(1000),
        "x".repeat(5000),
        "é".repeat(5000),
    ] {
        assert!(parse(&source).is_err(), "{}", &source[..20]);
    }
    assert!(parse(&format!("a in [{}1]", "1,".repeat(999))).is_ok());
    assert!(parse(&format!("a in [{}-1]", "-1,true,".repeat(499))).is_ok());
    assert!(parse(&format!("{}a{}", "(".repeat(31), ")".repeat(31))).is_ok());
}
