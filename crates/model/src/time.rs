//! Points in time: integer microseconds in UTC, written as RFC 3339.

use std::fmt;
use std::sync::Arc;

use jiff::fmt::temporal::DateTimePrinter;
use serde::{Serialize, Serializer};

/// Microseconds since 1970-01-01T00:00:00Z, between the years 0001 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

impl Timestamp {
    /// 0001-01-01T00:00:00Z.
    pub const MIN: Timestamp = Timestamp(-62_135_596_800_000_000);
    /// 9999-12-30T22:00:00Z, the last instant that every zone can write with four digits.
    pub const MAX: Timestamp = Timestamp(253_402_207_200_000_000);

    /// Takes microseconds since the epoch, held within the range.
    pub fn from_micros(micros: i64) -> Self {
        Timestamp(micros.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339 with any offset. Digits below a microsecond are dropped.
    ///
    /// The error is a message for people.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "a time is written as RFC 3339, e.g. 2026-01-31T12:00:00Z";
        let read: jiff::Timestamp = text.parse().map_err(|_| EXPECTED)?;
        let micros = read.as_nanosecond().div_euclid(1000);
        let micros = i64::try_from(micros).map_err(|_| EXPECTED)?;
        if !(Self::MIN.0..=Self::MAX.0).contains(&micros) {
            return Err("a time lies between the years 0001 and 9999");
        }
        Ok(Timestamp(micros))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = jiff::Timestamp::from_microsecond(self.0).map_err(|_| fmt::Error)?;
        PRINTER.print_timestamp(&at, jiff::fmt::StdFmtWrite(f)).map_err(|_| fmt::Error)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where the time comes from: the system's clock in the product, a hand-moved one in tests.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// A clock that is shared by everything in a process.
pub type SharedClock = Arc<dyn Clock>;

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
    fn now(&self) -> Timestamp {
        let since =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_rfc_3339() {
        for (text, out) in [
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000000Z"),
            ("2026-01-31T12:00:00.1234567+02:00", "2026-01-31T10:00:00.123456Z"),
            ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        ] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), out);
        }
        for bad in ["", "yesterday", "2026-01-31", "2026-01-31T12:00:00", "0000-01-01T00:00:00Z"] {
            assert!(Timestamp::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_ends_of_the_range_can_be_written() {
        assert_eq!(Timestamp::from_micros(i64::MIN), Timestamp::MIN);
        assert!(Timestamp::from_micros(i64::MAX).to_string().starts_with("9999-12-30"));
    }
}
