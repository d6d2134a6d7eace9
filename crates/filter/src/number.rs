//! Numbers as they compare: integers exactly with doubles.

use std::cmp::Ordering;

/// 2⁶³, the first double beyond every i64.
const LIMIT: f64 = 9_223_372_036_854_775_808.0;

/// Compares an integer with a finite double, exactly.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "within ±2⁶³")]
pub(crate) fn compare(int: i64, double: f64) -> Ordering {
    if double >= LIMIT {
        return Ordering::Less;
    }
    if double < -LIMIT {
        return Ordering::Greater;
    }
    let whole = double.trunc();
    int.cmp(&(whole as i64)).then_with(|| whole.partial_cmp(&double).unwrap_or(Ordering::Equal))
}

/// The double that is an integer, where there is one.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "compared back")]
pub(crate) fn exact_double(int: i64) -> Option<f64> {
    let double = int as f64;
    (compare(int, double) == Ordering::Equal).then_some(double)
}

/// The nearest double of an integer.
#[allow(clippy::cast_precision_loss, reason = "this is what it says")]
pub(crate) fn nearest_double(int: i64) -> f64 {
    int as f64
}

/// The integer that a double is, where it is one.
#[allow(clippy::cast_possible_truncation, reason = "the range is checked")]
pub(crate) fn exact_int(double: f64) -> Option<i64> {
    (double.fract() == 0.0 && (-LIMIT..LIMIT).contains(&double)).then_some(double as i64)
}

/// The least integer above a double, saturated; `None` beyond every integer.
#[allow(clippy::cast_possible_truncation, reason = "the range is checked")]
pub(crate) fn ceiling(double: f64) -> Option<i64> {
    let up = double.ceil();
    if up >= LIMIT {
        return None;
    }
    Some(if up < -LIMIT { i64::MIN } else { up as i64 })
}

/// The greatest integer below a double, saturated; `None` beneath every integer.
#[allow(clippy::cast_possible_truncation, reason = "the range is checked")]
pub(crate) fn floor(double: f64) -> Option<i64> {
    let down = double.floor();
    if down < -LIMIT {
        return None;
    }
    Some(if down >= LIMIT { i64::MAX } else { down as i64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_compare_exactly_with_doubles() {
        for (int, double, order) in [
            (1, 1.0, Ordering::Equal),
            (1, 1.5, Ordering::Less),
            (-1, -1.5, Ordering::Greater),
            (-2, -1.5, Ordering::Less),
            (9_007_199_254_740_993, 9_007_199_254_740_992.0, Ordering::Greater),
            (i64::MAX, LIMIT, Ordering::Less),
            (i64::MIN, -LIMIT, Ordering::Equal),
            (i64::MIN, -1e300, Ordering::Greater),
            (0, -0.0, Ordering::Equal),
            (0, -5e-324, Ordering::Greater),
        ] {
            assert_eq!(compare(int, double), order, "{int} {double}");
        }
        assert_eq!(exact_double(9_007_199_254_740_993), None);
        assert_eq!(exact_double(i64::MAX), None);
        assert_eq!((ceiling(4.5), floor(4.5), floor(-4.5)), (Some(5), Some(4), Some(-5)));
        assert_eq!((ceiling(1e300), floor(1e300)), (None, Some(i64::MAX)));
        assert_eq!((ceiling(-1e300), floor(-1e300)), (Some(i64::MIN), None));
    }
}
