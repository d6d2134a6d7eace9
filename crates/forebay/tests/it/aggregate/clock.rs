//! Calendars by hand: civil dates from days (the proleptic Gregorian calendar), and two kinds of
//! zones: fixed ones, and Europe/Berlin as its rule has been since 1996.

const DAY: i64 = 86_400_000_000;
const HOUR: i64 = 3_600_000_000;

/// Days since 1970-01-01.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * month + 2) / 5 + day - 719_469
}

fn civil(day: i64) -> (i64, i64, i64) {
    let mut year = 1970 + day.div_euclid(366);
    while days(year + 1, 1, 1) <= day {
        year += 1;
    }
    let month = (1..=12).rev().find(|month| days(year, *month, 1) <= day).unwrap();
    (year, month, day - days(year, month, 1) + 1)
}

/// Midnight of a day in UTC.
pub(crate) fn micros(year: i64, month: i64, day: i64) -> i64 {
    days(year, month, day) * DAY
}

/// A time as it is written.
pub(crate) fn text(micros: i64) -> String {
    let ((year, month, day), rest) = (civil(micros.div_euclid(DAY)), micros.rem_euclid(DAY));
    let (hours, minutes, seconds) = (rest / HOUR, rest / 60_000_000 % 60, rest / 1_000_000 % 60);
    let fraction = rest % 1_000_000;
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{fraction:06}Z")
}

/// The last Sunday of a month of 31 days, at one in the morning UTC.
fn change(year: i64, month: i64) -> i64 {
    let last = days(year, month, 31);
    // Day 3 after the epoch was a Sunday.
    (last - (last - 3).rem_euclid(7)) * DAY + HOUR
}

fn offset(time: i64, zone: &str) -> i64 {
    match zone {
        "UTC" => 0,
        "+05:30" => HOUR * 11 / 2,
        "-03:00" => -3 * HOUR,
        _ => {
            let (year, ..) = civil(time.div_euclid(DAY));
            let summer = change(year, 3)..change(year, 10);
            if summer.contains(&time) { 2 * HOUR } else { HOUR }
        }
    }
}

/// The first instant of the period that a time is in.
pub(crate) fn start(time: i64, every: &str, zone: &str) -> i64 {
    let local = time + offset(time, zone);
    let day = local.div_euclid(DAY);
    let (year, month, _) = civil(day);
    let first = match every {
        // Each hour is one of its own: the clock changes at full hours.
        "1h" => return local - local.rem_euclid(HOUR) - offset(time, zone),
        "6h" => local - local.rem_euclid(6 * HOUR),
        "1d" => day * DAY,
        "10d" => day.div_euclid(10) * 10 * DAY,
        "1w" => (day - (day - 4).rem_euclid(7)) * DAY,
        "1M" => micros(year, month, 1),
        "1q" => micros(year, (month - 1) / 3 * 3 + 1, 1),
        "1y" => micros(year, 1, 1),
        other => panic!("{other}"),
    };
    // The first instant that shows this on the clock: the offset there is not the one here.
    let possible = [2 * HOUR, HOUR, 0, HOUR * 11 / 2, -3 * HOUR];
    let fits = |o: &i64| offset(first - o, zone) == *o;
    first - possible.into_iter().filter(fits).max().unwrap()
}
