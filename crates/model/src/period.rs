//! Periods of the calendar, in UTC: what quotas are counted in.

use jiff::ToSpan as _;
use jiff::tz::TimeZone;

use crate::time::Timestamp;

const DAY: i64 = 86_400_000_000;

/// How long a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// From midnight on.
    Day,
    /// From Monday on (ISO 8601).
    Week,
    /// From the first on.
    Month,
}

/// One period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// Its first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub until: Timestamp,
}

impl Period {
    /// Reads `day`, `week` or `month`.
    pub fn parse(word: &str) -> Option<Period> {
        match word {
            "day" => Some(Period::Day),
            "week" => Some(Period::Week),
            "month" => Some(Period::Month),
            _ => None,
        }
    }

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Period::Day => "day",
            Period::Week => "week",
            Period::Month => "month",
        }
    }

    /// The one that an instant lies in.
    pub fn around(self, at: Timestamp) -> Span {
        let days = at.micros().div_euclid(DAY);
        match self {
            Period::Day => span(days, 1),
            // 1970-01-01 was a Thursday.
            Period::Week => span((days + 3).div_euclid(7) * 7 - 3, 7),
            // Every timestamp has a month.
            Period::Month => month(at).unwrap_or(Span { from: Timestamp::MIN, until: at }),
        }
    }
}

impl Span {
    /// How long it is, in whole seconds.
    pub fn seconds(self) -> u64 {
        seconds(self.from, self.until)
    }

    /// How many seconds are left of it, begun ones too.
    pub fn left(self, now: Timestamp) -> u64 {
        seconds(now, self.until)
    }
}

fn seconds(from: Timestamp, until: Timestamp) -> u64 {
    let micros = u64::try_from(until.micros().saturating_sub(from.micros())).unwrap_or(0);
    micros.div_ceil(1_000_000)
}

fn span(first: i64, days: i64) -> Span {
    let at = |day: i64| Timestamp::from_micros(day * DAY);
    Span { from: at(first), until: at(first + days) }
}

fn month(at: Timestamp) -> Option<Span> {
    let at = jiff::Timestamp::from_microsecond(at.micros()).ok()?;
    let first = TimeZone::UTC.to_datetime(at).date().first_of_month();
    let instant = |date: jiff::civil::Date| {
        let at = TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()?;
        Some(Timestamp::from_micros(at.as_microsecond()))
    };
    // The last month of all ends with time itself.
    let until = first.checked_add(1.month()).ok().and_then(instant).unwrap_or(Timestamp::MAX);
    Some(Span { from: instant(first)?, until })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn periods_begin_and_end_at_midnight() {
        for (period, now, from, until) in [
            (Period::Day, "2026-11-25T13:00:00Z", "2026-11-25", "2026-11-26"),
            (Period::Day, "2026-11-25T00:00:00Z", "2026-11-25", "2026-11-26"),
            (Period::Day, "2026-11-25T23:59:59.999999Z", "2026-11-25", "2026-11-26"),
            (Period::Day, "1969-12-31T23:00:00Z", "1969-12-31", "1970-01-01"),
            (Period::Week, "2026-11-25T13:00:00Z", "2026-11-23", "2026-11-30"),
            (Period::Week, "2026-11-29T23:59:59Z", "2026-11-23", "2026-11-30"),
            (Period::Week, "2026-11-30T00:00:00Z", "2026-11-30", "2026-12-07"),
            (Period::Week, "1969-12-28T12:00:00Z", "1969-12-22", "1969-12-29"),
            (Period::Month, "2026-11-25T13:00:00Z", "2026-11-01", "2026-12-01"),
            (Period::Month, "2026-12-31T23:59:59.999999Z", "2026-12-01", "2027-01-01"),
            (Period::Month, "2028-02-29T00:00:00Z", "2028-02-01", "2028-03-01"),
        ] {
            let midnight = |day: &str| at(&format!("{day}T00:00:00Z"));
            let wanted = Span { from: midnight(from), until: midnight(until) };
            assert_eq!(period.around(at(now)), wanted, "{now}");
        }
    }

    #[test]
    fn the_ends_of_time_have_periods_too() {
        for period in [Period::Day, Period::Week, Period::Month] {
            assert_eq!(Period::parse(period.as_str()), Some(period));
            for at in [Timestamp::MIN, Timestamp::MAX] {
                let span = period.around(at);
                assert!(span.from <= at && at <= span.until, "{period:?} {span:?}");
            }
        }
        assert_eq!(Period::parse("year"), None);
        let february = Period::Month.around(at("2026-02-10T00:00:00Z"));
        assert_eq!(february.seconds(), 28 * 86_400);
        assert_eq!(february.left(at("2026-02-28T23:59:58.5Z")), 2);
        assert_eq!(february.left(at("2026-03-01T00:00:01Z")), 0);
    }
}
