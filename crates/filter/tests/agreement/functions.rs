//! What functions of values are, by the rules.

use std::sync::LazyLock;

use regex::Regex;

use super::calendar;
use super::reference::R;

static SPAN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^(-?)((?:(?:\d+|\d*\.\d+)(?:d|h|ms|us|µs|ns|m|s))+)$").unwrap());
static PART: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(\d*)(?:\.(\d+))?(d|h|ms|us|µs|ns|m|s)").unwrap());
static TIME: LazyLock<Regex> = LazyLock::new(|| {
    let date = r"^(?i)(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?";
    Regex::new(&format!(r"{date}(?:Z|([+-])(\d\d):(\d\d))$")).unwrap()
});

pub(crate) fn call(name: &str, values: &[R]) -> R {
    let bool = R::Bool;
    match (name, values) {
        ("startsWith", [R::Text(text), R::Text(part)]) => bool(text.starts_with(part.as_str())),
        ("endsWith", [R::Text(text), R::Text(part)]) => bool(text.ends_with(part.as_str())),
        ("contains", [R::Text(text), R::Text(part)]) => bool(text.contains(part.as_str())),
        ("matches", [R::Text(text), R::Text(pattern)]) => {
            bool(Regex::new(pattern).unwrap().is_match(text))
        }
        ("lower", [R::Text(text)]) => R::Text(text.to_lowercase()),
        ("upper", [R::Text(text)]) => R::Text(text.to_uppercase()),
        ("size", [R::Text(text)]) => size(text.chars().count()),
        ("size", [R::Json(serde_json::Value::Array(items), _)]) => size(items.len()),
        ("size", [R::Json(serde_json::Value::Object(members), _)]) => size(members.len()),
        ("duration", [R::Text(text)]) => span(text).map_or(R::Unknown, R::Span),
        ("timestamp", [R::Text(text)]) => time(text).map_or(R::Unknown, R::Time),
        ("timestamp", [R::Int(seconds)]) => {
            within(i128::from(*seconds) * 1_000_000).map_or(R::Unknown, R::Time)
        }
        ("timestamp", [R::Time(micros)]) => R::Time(*micros),
        (piece, [R::Time(micros)]) => {
            calendar::piece(piece, *micros, "UTC").map_or(R::Unknown, R::Int)
        }
        (piece, [R::Time(micros), R::Text(zone)]) => {
            calendar::piece(piece, *micros, zone).map_or(R::Unknown, R::Int)
        }
        ("getHours", [R::Span(micros)]) => R::Int(micros / 3_600_000_000),
        ("getMinutes", [R::Span(micros)]) => R::Int(micros / 60_000_000),
        ("getSeconds", [R::Span(micros)]) => R::Int(micros / 1_000_000),
        ("getMilliseconds", [R::Span(micros)]) => R::Int(micros / 1_000 % 1_000),
        _ => R::Unknown,
    }
}

fn size(count: usize) -> R {
    R::Int(i64::try_from(count).unwrap())
}

fn within(micros: i128) -> Option<i64> {
    let good = (calendar::FIRST..=calendar::LAST).contains(&micros);
    good.then(|| i64::try_from(micros).unwrap())
}

fn span(text: &str) -> Option<i64> {
    if text == "0" || text == "-0" {
        return Some(0);
    }
    let whole = SPAN.captures(text)?;
    let mut nanos = 0_i128;
    for part in PART.captures_iter(&whole[2]) {
        let unit: i128 = match &part[3] {
            "d" => 86_400_000_000_000,
            "h" => 3_600_000_000_000,
            "m" => 60_000_000_000,
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            "us" | "µs" => 1_000,
            _ => 1,
        };
        let digits = |at: usize| part.get(at).map_or("", |found| found.as_str());
        let number: i128 = format!("0{}{:0<12}", digits(1), digits(2)).parse().unwrap();
        nanos += number * unit / 1_000_000_000_000;
    }
    let micros = nanos / 1000;
    i64::try_from(if &whole[1] == "-" { -micros } else { micros }).ok()
}

fn time(text: &str) -> Option<i64> {
    let found = TIME.captures(text)?;
    let number = |at: usize| found.get(at).map_or(0, |digits| digits.as_str().parse().unwrap());
    let (year, month, day) = (number(1), number(2), number(3));
    let (hour, minute, second) = (number(4), number(5), number(6));
    if !(1..=12).contains(&month) || day < 1 || day > calendar::days_of(year, month) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let fraction = found.get(7).map_or("", |digits| digits.as_str());
    let micros: i128 = format!("{fraction:0<6}")[..6].parse().unwrap();
    let offset = (number(9) * 60 + number(10))
        * if found.get(8).is_some_and(|s| s.as_str() == "-") { -1 } else { 1 };
    let days = calendar::days(year, month, day);
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset * 60;
    within(i128::from(seconds) * 1_000_000 + micros)
}
