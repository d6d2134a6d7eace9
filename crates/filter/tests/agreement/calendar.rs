//! The Gregorian calendar by counting, and the zones that the generated filters name.

/// 0001-01-01T00:00:00Z in microseconds since 1970.
pub(crate) const FIRST: i128 = -62_135_596_800_000_000;
/// 9999-12-30T22:00:00Z.
pub(crate) const LAST: i128 = 253_402_207_200_000_000;

const DAY: i64 = 86_400_000_000;

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(crate) fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn year_days(year: i64) -> i64 {
    if is_leap(year) { 366 } else { 365 }
}

/// Days from 1970-01-01 to the first day of a year; 400 years are 146 097 days.
fn year_start(year: i64) -> i64 {
    let (cycles, rest) = ((year - 1970).div_euclid(400), (year - 1970).rem_euclid(400));
    cycles * 146_097 + (1970..1970 + rest).map(year_days).sum::<i64>()
}

pub(crate) fn days(year: i64, month: i64, day: i64) -> i64 {
    year_start(year) + (1..month).map(|month| days_of(year, month)).sum::<i64>() + day - 1
}

/// The last Sunday of a month, at 01:00 UTC, in microseconds: when Berlin changes its clocks.
fn change(year: i64, month: i64) -> i64 {
    let last = days(year, month, days_of(year, month));
    // 1970-01-01 was a Thursday.
    let sunday = last - (last + 4).rem_euclid(7);
    sunday * DAY + 3_600_000_000
}

/// What a zone adds, in microseconds; `None` where this file does not know.
fn offset(zone: &str, micros: i64) -> Option<i64> {
    let minutes = match zone {
        "UTC" => 0,
        "+02:00" => 120,
        "-0530" => -330,
        // The rule of the European Union stands since 1996.
        "Europe/Berlin" => {
            let year = (1996..2037).find(|year| micros < year_start(year + 1) * DAY)?;
            if micros < year_start(1996) * DAY {
                return None;
            }
            if (change(year, 3)..change(year, 10)).contains(&micros) { 120 } else { 60 }
        }
        _ => return None,
    };
    Some(minutes * 60_000_000)
}

/// Whether this file knows what a zone's clocks show.
pub(crate) fn knows(zone: &str, micros: i64) -> bool {
    offset(zone, micros).is_some()
}

pub(crate) fn piece(piece: &str, micros: i64, zone: &str) -> Option<i64> {
    let local = micros + offset(zone, micros)?;
    let (mut day, clock) = (local.div_euclid(DAY), local.rem_euclid(DAY));
    let weekday = (day + 4).rem_euclid(7);
    let mut year = 1970 + day.div_euclid(146_097) * 400;
    day = day.rem_euclid(146_097);
    while day >= year_days(year) {
        day -= year_days(year);
        year += 1;
    }
    let of_year = day;
    let mut month = 1;
    while day >= days_of(year, month) {
        day -= days_of(year, month);
        month += 1;
    }
    Some(match piece {
        "getFullYear" => year,
        "getMonth" => month - 1,
        "getDate" => day + 1,
        "getDayOfMonth" => day,
        "getDayOfWeek" => weekday,
        "getDayOfYear" => of_year,
        "getHours" => clock / 3_600_000_000,
        "getMinutes" => clock / 60_000_000 % 60,
        "getSeconds" => clock / 1_000_000 % 60,
        "getMilliseconds" => clock / 1_000 % 1_000,
        _ => return None,
    })
}
