//! Lengths of time as they are written, points in time by their parts, and zones.

use forebay_model::time::Timestamp;
use jiff::tz::{Offset, TimeZone};

/// A zone: a name of the IANA database, `UTC`, or an offset such as `+02:00`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// The database is compiled in, so that a text means the same on every machine.
static DATABASE: std::sync::LazyLock<jiff::tz::TimeZoneDatabase> =
    std::sync::LazyLock::new(jiff::tz::TimeZoneDatabase::bundled);

impl Zone {
    /// Coordinated Universal Time.
    pub const UTC: Zone = Zone(TimeZone::UTC);

    /// Finds a zone.
    pub fn find(name: &str) -> Option<Zone> {
        if name == "UTC" || name == "Z" {
            return Some(Zone::UTC);
        }
        if let Some(offset) = offset(name) {
            return Some(Zone(TimeZone::fixed(offset)));
        }
        DATABASE.get(name).ok().map(Zone)
    }

    /// The zone itself.
    pub fn inner(&self) -> &TimeZone {
        &self.0
    }
}

/// Reads `+02:00` and `-0530`.
fn offset(text: &str) -> Option<Offset> {
    let negative = text.starts_with('-');
    let digits: String = text.strip_prefix(['+', '-'])?.replacen(':', "", 1);
    if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (i32, i32) = (digits[..2].parse().ok()?, digits[2..].parse().ok()?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = (hours * 60 + minutes) * 60;
    Offset::from_seconds(if negative { -seconds } else { seconds }).ok()
}

const UNITS: [(&str, i128); 8] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("ns", 1),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
];

/// Reads a duration such as `7d`, `1h30m`, `-1.5s`, into microseconds; smaller parts are dropped.
pub fn read_span(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut nanos: i128 = 0;
    if rest.is_empty() || rest.len() > 100 {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let (name, unit) = UNITS.iter().find(|(name, _)| {
            let after = tail.strip_prefix(name);
            after.is_some_and(|after| {
                after.is_empty() || after.starts_with(|c: char| c.is_ascii_digit())
            })
        })?;
        nanos = nanos.checked_add(times(number, *unit)?)?;
        rest = &tail[name.len()..];
    }
    let micros = nanos / 1000;
    i64::try_from(if negative { -micros } else { micros }).ok()
}

fn times(number: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() > 20 || fraction.len() > 12 || whole.is_empty() && fraction.is_empty() {
        return None;
    }
    if number.ends_with('.') || fraction.contains('.') {
        return None;
    }
    let read = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<i128>().ok() };
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    read(whole)?.checked_mul(unit)?.checked_add(read(fraction)?.checked_mul(unit)? / scale)
}

/// A part of a point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    FullYear,
    Month,
    Date,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

impl Piece {
    /// CEL's names; months, days of month, week and year begin at 0, `getDate` at 1.
    pub(crate) const ALL: [(&'static str, Piece); 10] = [
        ("getFullYear", Piece::FullYear),
        ("getMonth", Piece::Month),
        ("getDate", Piece::Date),
        ("getDayOfMonth", Piece::DayOfMonth),
        ("getDayOfWeek", Piece::DayOfWeek),
        ("getDayOfYear", Piece::DayOfYear),
        ("getHours", Piece::Hours),
        ("getMinutes", Piece::Minutes),
        ("getSeconds", Piece::Seconds),
        ("getMilliseconds", Piece::Milliseconds),
    ];

    /// Whether a duration has it too.
    pub(crate) fn of_span(self) -> bool {
        matches!(self, Piece::Hours | Piece::Minutes | Piece::Seconds | Piece::Milliseconds)
    }

    /// The part of a point in time, in a zone.
    pub(crate) fn of_time(self, micros: i64, zone: &Zone) -> Option<i64> {
        let at = jiff::Timestamp::from_microsecond(Timestamp::from_micros(micros).micros()).ok()?;
        let local = zone.0.to_datetime(at);
        Some(match self {
            Piece::FullYear => local.year().into(),
            Piece::Month => i64::from(local.month()) - 1,
            Piece::Date => local.day().into(),
            Piece::DayOfMonth => i64::from(local.day()) - 1,
            Piece::DayOfWeek => local.weekday().to_sunday_zero_offset().into(),
            Piece::DayOfYear => i64::from(local.day_of_year()) - 1,
            Piece::Hours => local.hour().into(),
            Piece::Minutes => local.minute().into(),
            Piece::Seconds => local.second().into(),
            Piece::Milliseconds => local.millisecond().into(),
        })
    }

    /// The whole of a duration in hours, minutes or seconds; its milliseconds within a second.
    pub(crate) fn in_span(self, micros: i64) -> Option<i64> {
        Some(match self {
            Piece::Hours => micros / 3_600_000_000,
            Piece::Minutes => micros / 60_000_000,
            Piece::Seconds => micros / 1_000_000,
            Piece::Milliseconds => micros / 1_000 % 1_000,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, micros) in [
            ("7d", 604_800_000_000),
            ("1h30m", 5_400_000_000),
            ("-1.5s", -1_500_000),
            ("250ms", 250_000),
            ("1m1us", 60_000_001),
            ("0", 0),
            ("999ns", 0),
        ] {
            assert_eq!(read_span(text), Some(micros), "{text}");
        }
        for bad in
            ["", "-", "5", "d", "1y", "1.s", ".s", "1..5s", "1 h", "1e3s", "300000000d", "+1s"]
        {
            assert_eq!(read_span(bad), None, "{bad}");
        }
    }

    #[test]
    fn zones_and_parts() {
        let at = Timestamp::parse("2026-03-29T00:59:59.999Z").unwrap().micros();
        let berlin = Zone::find("Europe/Berlin").unwrap();
        assert_eq!(Piece::Hours.of_time(at, &berlin), Some(1));
        assert_eq!(Piece::Hours.of_time(at + 1_000, &berlin), Some(3));
        assert_eq!(Piece::Hours.of_time(at, &Zone::find("-05:30").unwrap()), Some(19));
        assert_eq!(Piece::DayOfWeek.of_time(at, &Zone::UTC), Some(0));
        assert_eq!(Piece::Month.of_time(at, &Zone::UTC), Some(2));
        assert_eq!(Piece::Milliseconds.of_time(at, &Zone::UTC), Some(999));
        for bad in ["", "Mars/Base", "+25:00", "+1:00", "02:00", "../etc/passwd"] {
            assert_eq!(Zone::find(bad), None, "{bad}");
        }
    }
}
