//! Time buckets: civil periods of a zone as intervals of UTC.
//!
//! A period is cut into pieces within which the zone's offset does not change. A part of a day of
//! an hour or less is such a piece: the hour that comes twice in autumn is two buckets. A longer
//! period is what a calendar and a clock on the wall say: all its pieces are one bucket, which is
//! named by its first instant.

use forebay_filter::{Zone, read_span};
use forebay_model::time::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::AmbiguousOffset;

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;
/// The shortest part of a day.
const SHORTEST: i64 = 1_000;
/// The most days of a period.
const MOST_DAYS: i64 = 366;

/// The length of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Every {
    /// A part that divides a day, in microseconds.
    Part(i64),
    /// Days, counted from 1970-01-01.
    Days(i64),
    /// From Monday on (ISO 8601).
    Week,
    Month,
    Quarter,
    Year,
}

impl Every {
    /// Reads `10s`, `5m`, `1h`, `1d`, `1w`, `1M`, `1q`, `1y`. The error is a message for people.
    pub(crate) fn read(text: &str) -> Result<Every, &'static str> {
        const EXPECTED: &str = "takes 10s, 5m, 1h, 1d, 7d, 1w, 1M, 1q or 1y";
        let calendar = [
            ("1w", Every::Week),
            ("1M", Every::Month),
            ("1q", Every::Quarter),
            ("1y", Every::Year),
        ];
        if let Some((_, every)) = calendar.iter().find(|(known, _)| *known == text) {
            return Ok(*every);
        }
        let micros = read_span(text).filter(|micros| *micros > 0).ok_or(EXPECTED)?;
        if micros % DAY == 0 {
            let days = micros / DAY;
            return if days <= MOST_DAYS {
                Ok(Every::Days(days))
            } else {
                Err("takes 366d at most")
            };
        }
        match () {
            () if micros < SHORTEST => Err("takes 1ms at least"),
            () if DAY % micros != 0 => Err("takes a part that divides a day, or whole days"),
            () => Ok(Every::Part(micros)),
        }
    }

    /// Whether pieces of one period are buckets of their own.
    fn is_piecewise(self) -> bool {
        matches!(self, Every::Part(part) if part <= HOUR)
    }

    /// The period around a local time, in microseconds of local time.
    fn around(self, local: i64) -> Option<(i64, i64)> {
        let day = local.div_euclid(DAY);
        let days = |first: i64, length: i64| Some((first * DAY, (first + length) * DAY));
        match self {
            Every::Part(part) => {
                let first = local - local.rem_euclid(part);
                Some((first, first + part))
            }
            Every::Days(length) => days(day.div_euclid(length) * length, length),
            // 1970-01-01 was a Thursday.
            Every::Week => days((day + 3).div_euclid(7) * 7 - 3, 7),
            Every::Month => months(day, 1),
            Every::Quarter => months(day, 3),
            Every::Year => months(day, 12),
        }
    }
}

/// The period of as many months, which divide a year, around a day.
fn months(day: i64, length: i8) -> Option<(i64, i64)> {
    let date = date(day)?;
    let month = (date.month() - 1) / length * length + 1;
    let first = Date::new(date.year(), month, 1).ok()?;
    let (year, next) = match month + length {
        13 => (date.year().checked_add(1)?, 1),
        next => (date.year(), next),
    };
    Some((day_of(first) * DAY, day_of(Date::new(year, next, 1).ok()?) * DAY))
}

const EPOCH: Date = Date::constant(1970, 1, 1);

fn date(day: i64) -> Option<Date> {
    EPOCH.checked_add(jiff::Span::new().try_days(day).ok()?).ok()
}

fn day_of(date: Date) -> i64 {
    date.duration_since(EPOCH).as_secs() / 86_400
}

/// An interval of UTC, without its end, all of which is in one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    from: i64,
    to: i64,
    /// The bucket's first instant.
    bucket: i64,
}

/// An interval of UTC, without its end, in which a zone's offset is the same.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    from: i64,
    to: i64,
    offset: i64,
}

/// Equal steps of a shifted UTC, of which each lies in one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Steps {
    /// Is added to a time, which makes it positive.
    pub(crate) shift: i64,
    /// The length of a step.
    pub(crate) step: i64,
    /// How many there are.
    pub(crate) count: i64,
    least: i64,
}

impl Steps {
    /// A time in a step, which is a record's or between two of them.
    pub(crate) fn time(&self, number: i64) -> i64 {
        (number * self.step - self.shift).max(self.least)
    }
}

/// Finds the buckets of times.
#[derive(Debug, Clone)]
pub(crate) struct Buckets {
    every: Every,
    zone: Zone,
    /// Where the time before was: the next is often there too.
    last: Option<Piece>,
    here: Option<Stretch>,
}

impl Buckets {
    pub(crate) fn new(every: Every, zone: Zone) -> Buckets {
        Buckets { every, zone, last: None, here: None }
    }

    /// The first instant of the bucket that a time is in.
    pub(crate) fn of(&mut self, time: i64) -> i64 {
        let time = Timestamp::from_micros(time).micros();
        match self.last {
            Some(piece) if (piece.from..piece.to).contains(&time) => piece.bucket,
            _ => {
                let piece = self.piece(time);
                self.last = Some(piece);
                piece.bucket
            }
        }
    }

    fn piece(&mut self, time: i64) -> Piece {
        let known = self.here.filter(|here| (here.from..here.to).contains(&time));
        let here = known.unwrap_or_else(|| self.stretch(time));
        self.here = Some(here);
        let local = time + here.offset;
        // Only the ends of time have no whole period.
        let (first, next) = self.every.around(local).unwrap_or((local, local + 1));
        let from = here.from.max(first - here.offset);
        let to = here.to.min(next - here.offset);
        let bucket = if self.every.is_piecewise() { from } else { self.instant(first) };
        Piece { from, to, bucket: Timestamp::from_micros(bucket).micros() }
    }

    /// The stretch of time around an instant.
    fn stretch(&self, time: i64) -> Stretch {
        let zone = self.zone.inner();
        let Ok(at) = jiff::Timestamp::from_microsecond(time) else {
            return Stretch { from: i64::MIN, to: i64::MAX, offset: 0 };
        };
        let just_after = at.checked_add(jiff::Span::new().nanoseconds(1)).unwrap_or(at);
        let before = zone.preceding(just_after).next();
        let after = zone.following(at).next();
        let micros = |at: jiff::tz::TimeZoneTransition<'_>| at.timestamp().as_microsecond();
        Stretch {
            from: before.map_or(i64::MIN, micros),
            to: after.map_or(i64::MAX, micros),
            offset: i64::from(zone.to_offset(at).seconds()) * 1_000_000,
        }
    }

    /// The first instant at which local time has come to here.
    fn instant(&self, local: i64) -> i64 {
        let (day, rest) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        let span = jiff::Span::new().microseconds(rest);
        let civil = date(day).and_then(|date| DateTime::from(date).checked_add(span).ok());
        let Some(civil) = civil else { return local };
        let micros = |offset: jiff::tz::Offset| i64::from(offset.seconds()) * 1_000_000;
        match self.zone.inner().to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => local - micros(offset),
            AmbiguousOffset::Fold { before, .. } => local - micros(before),
            // Local time jumps over it.
            AmbiguousOffset::Gap { before, .. } => self.stretch(local - micros(before)).from,
        }
    }

    /// The longest equal steps that no bucket's end divides, for times from `least` to `greatest`.
    ///
    /// Within a stretch all ends are whole units of local time. Where the offset changes, both the
    /// change itself and the difference must be whole steps too.
    pub(crate) fn steps(&self, least: i64, greatest: i64) -> Steps {
        let unit = if let Every::Part(part) = self.every { part } else { DAY };
        let mut here = self.stretch(least);
        let (offset, mut step) = (here.offset, unit);
        while here.to <= greatest && step > SHORTEST {
            let change = here.to;
            here = self.stretch(change);
            step = gcd(step, here.offset - offset);
            step = gcd(step, change + offset);
        }
        // Whole days before all times: what is shifted so is positive.
        let shift = offset - (Timestamp::MIN.micros() - 2 * DAY);
        let count = (greatest - least) / step + 1;
        Steps { shift, step, count, least }
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a.abs(), b.abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(every: &str, zone: &str) -> Buckets {
        Buckets::new(Every::read(every).unwrap(), Zone::find(zone).unwrap())
    }

    fn micros(text: &str) -> i64 {
        Timestamp::parse(text).unwrap().micros()
    }

    /// The bucket of a time, both without its date's century and zone.
    fn bucket(every: &str, zone: &str, time: &str) -> String {
        let found = buckets(every, zone).of(micros(time));
        Timestamp::from_micros(found).to_string().replace(":00.000000Z", "Z")
    }

    #[test]
    fn periods_are_read_strictly() {
        for (text, every) in [
            ("10s", Every::Part(10_000_000)),
            ("1h30m", Every::Part(90 * 60_000_000)),
            ("1d", Every::Days(1)),
            ("24h", Every::Days(1)),
            ("7d", Every::Days(7)),
            ("1m", Every::Part(60_000_000)),
            ("1M", Every::Month),
        ] {
            assert_eq!(Every::read(text), Ok(every), "{text}");
        }
        for bad in
            ["", "0s", "-1h", "7m", "5h", "25h", "36h", "1us", "367d", "2w", "2M", "1Y", "1 d"]
        {
            assert!(Every::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn days_and_hours_around_the_changes_of_the_clock() {
        for (every, zone, time, expected) in [
            // The day in spring has 23 hours, the one in autumn 25.
            ("1d", "Europe/Berlin", "2026-03-28T22:59:59Z", "2026-03-27T23:00Z"),
            ("1d", "Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-28T23:00Z"),
            ("1d", "Europe/Berlin", "2026-03-29T21:59:59Z", "2026-03-28T23:00Z"),
            ("1d", "Europe/Berlin", "2026-03-29T22:00:00Z", "2026-03-29T22:00Z"),
            ("1d", "Europe/Berlin", "2026-10-25T22:59:59Z", "2026-10-24T22:00Z"),
            ("1d", "Europe/Berlin", "2026-10-25T23:00:00Z", "2026-10-25T23:00Z"),
            // The hour from 2 to 3 comes twice.
            ("1h", "Europe/Berlin", "2026-10-25T00:59:59Z", "2026-10-25T00:00Z"),
            ("1h", "Europe/Berlin", "2026-10-25T01:00:00Z", "2026-10-25T01:00Z"),
            ("6h", "Europe/Berlin", "2026-10-25T04:59:59Z", "2026-10-24T22:00Z"),
            ("6h", "Europe/Berlin", "2026-03-29T03:59:59Z", "2026-03-28T23:00Z"),
            ("6h", "Europe/Berlin", "2026-03-29T04:00:00Z", "2026-03-29T04:00Z"),
            ("1w", "Europe/Berlin", "2026-03-29T21:59:59Z", "2026-03-22T23:00Z"),
            ("1M", "Europe/Berlin", "2026-03-31T21:59:59Z", "2026-02-28T23:00Z"),
            ("1q", "Europe/Berlin", "2026-03-31T22:00:00Z", "2026-03-31T22:00Z"),
            ("1y", "Europe/Berlin", "2026-12-31T22:59:59Z", "2025-12-31T23:00Z"),
            ("1d", "Asia/Kolkata", "2026-01-01T18:29:59Z", "2025-12-31T18:30Z"),
            ("1h", "Asia/Kolkata", "2026-01-01T18:29:59Z", "2026-01-01T17:30Z"),
            // At one minute past midnight the clock went back to the day before.
            ("1d", "America/St_Johns", "2006-10-29T02:30:30Z", "2006-10-29T02:30Z"),
            ("1d", "America/St_Johns", "2006-10-29T02:31:00Z", "2006-10-28T02:30Z"),
            ("1d", "America/St_Johns", "2006-10-29T03:30:00Z", "2006-10-29T02:30Z"),
            ("1h", "America/St_Johns", "2006-10-29T02:29:00Z", "2006-10-29T01:30Z"),
            ("1h", "America/St_Johns", "2006-10-29T02:30:30Z", "2006-10-29T02:30Z"),
            ("1h", "America/St_Johns", "2006-10-29T02:31:00Z", "2006-10-29T02:31Z"),
            ("1h", "America/St_Johns", "2006-10-29T03:30:00Z", "2006-10-29T03:30Z"),
            // There was no 30th of December.
            ("1d", "Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T10:00Z"),
            ("1d", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00Z"),
            ("1w", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-26T10:00Z"),
            // Half an hour.
            ("1h", "Australia/Lord_Howe", "2026-04-04T14:59:59Z", "2026-04-04T14:00Z"),
            ("1h", "Australia/Lord_Howe", "2026-04-04T15:00:00Z", "2026-04-04T15:00Z"),
            ("1h", "Australia/Lord_Howe", "2026-04-04T15:30:00Z", "2026-04-04T15:30Z"),
            ("1h", "Australia/Lord_Howe", "2026-10-03T15:30:00Z", "2026-10-03T15:30Z"),
            ("1h", "Australia/Lord_Howe", "2026-10-03T16:00:00Z", "2026-10-03T16:00Z"),
            ("1d", "Australia/Lord_Howe", "2026-10-04T12:59:59Z", "2026-10-03T13:30Z"),
            // Midnight itself was jumped over.
            ("1d", "America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-04T03:00Z"),
            ("1d", "America/Sao_Paulo", "2018-11-04T02:59:59Z", "2018-11-03T03:00Z"),
            // Before 1970.
            ("1d", "UTC", "1969-12-31T23:59:59.999999Z", "1969-12-31T00:00Z"),
            ("7d", "UTC", "1969-12-31T00:00:00Z", "1969-12-25T00:00Z"),
            ("1w", "UTC", "1969-12-28T23:59:59Z", "1969-12-22T00:00Z"),
            ("1q", "+05:30", "1900-03-31T18:30:00Z", "1900-03-31T18:30Z"),
            ("10s", "UTC", "1960-02-29T00:00:09Z", "1960-02-29T00:00Z"),
        ] {
            assert_eq!(bucket(every, zone, time), expected, "{every} {zone} {time}");
        }
    }

    #[test]
    fn the_ends_of_time_are_in_a_bucket() {
        for every in ["1ms", "1h", "12h", "1d", "366d", "1w", "1M", "1q", "1y"] {
            for zone in ["UTC", "+23:59", "-23:59", "Pacific/Kiritimati", "Pacific/Niue"] {
                for time in [Timestamp::MIN, Timestamp::MAX] {
                    let found = buckets(every, zone).of(time.micros());
                    assert!(found <= time.micros(), "{every} {zone}");
                    assert_eq!(Timestamp::from_micros(found).micros(), found);
                }
            }
        }
    }

    #[test]
    fn steps_lie_in_one_bucket_each() {
        for (every, zone, least, greatest, step) in [
            ("1d", "UTC", "2026-01-01T00:00:00Z", "2026-12-31T00:00:00Z", DAY),
            ("1M", "UTC", "1960-01-01T00:00:00Z", "2026-12-31T00:00:00Z", DAY),
            ("1d", "Asia/Kolkata", "2026-01-01T00:00:00Z", "2026-12-31T00:00:00Z", DAY),
            ("1d", "Europe/Berlin", "2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z", DAY),
            ("1d", "Europe/Berlin", "2026-01-01T00:00:00Z", "2026-12-31T00:00:00Z", HOUR),
            ("6h", "Australia/Lord_Howe", "2026-01-01T00:00:00Z", "2026-12-01T00:00:00Z", HOUR / 2),
            ("1h", "America/St_Johns", "2006-10-01T00:00:00Z", "2006-11-01T00:00:00Z", HOUR / 60),
            ("1d", "Pacific/Apia", "2011-12-01T00:00:00Z", "2012-02-01T00:00:00Z", DAY),
            ("10s", "Europe/Berlin", "2026-10-25T00:00:00Z", "2026-10-26T00:00:00Z", 10_000_000),
        ] {
            let mut found = buckets(every, zone);
            let (least, greatest) = (micros(least) + 12_345, micros(greatest));
            let steps = found.steps(least, greatest);
            assert_eq!(steps.step, step, "{every} {zone}");
            let mut time = least;
            while time <= greatest {
                let number = (time + steps.shift) / steps.step;
                let same = found.of(steps.time(number));
                assert_eq!(found.of(time), same, "{every} {zone} {time}");
                time += steps.step / 3 + 7_777_777;
            }
        }
    }
}
