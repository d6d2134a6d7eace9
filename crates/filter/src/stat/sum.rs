//! Exact sums: integers in 128 bits, doubles without any rounding until the end.
//!
//! A sum of doubles is held as doubles that do not overlap (Shewchuk 1997, "Adaptive Precision
//! Floating-Point Arithmetic", section 2.4), and rounded once. So neither the order of the records
//! nor how an engine cut them into pieces changes a single bit.

use smallvec::SmallVec;

use super::double;

/// A sum of doubles, as terms that do not overlap, the smallest first.
#[derive(Debug, Clone, Default)]
struct Terms(SmallVec<[f64; 2]>);

impl Terms {
    fn add(&mut self, mut value: f64) {
        let mut kept = 0;
        for at in 0..self.0.len() {
            let mut term = self.0[at];
            if value.abs() < term.abs() {
                std::mem::swap(&mut value, &mut term);
            }
            let high = value + term;
            let low = term - (high - value);
            if low != 0.0 {
                self.0[kept] = low;
                kept += 1;
            }
            value = high;
        }
        self.0.truncate(kept);
        if value != 0.0 {
            self.0.push(value);
        }
    }

    /// The nearest double, ties to even.
    fn rounded(&self) -> f64 {
        let mut rest = self.0.iter().rev();
        let mut high = rest.next().copied().unwrap_or_default();
        let mut low = 0.0;
        for term in rest.by_ref() {
            let sum = high + term;
            low = term - (sum - high);
            high = sum;
            if low != 0.0 {
                break;
            }
        }
        // What is left decides a tie.
        if rest.next().is_some_and(|next| (*next < 0.0) == (low < 0.0)) {
            let (twice, away) = (low * 2.0, high + low * 2.0);
            if away - high == twice {
                high = away;
            }
        }
        high
    }
}

/// 2⁹⁰⁰: sums of smaller values stay far below the largest double.
const HUGE: f64 = f64::from_bits((1023 + 900) << 52);
/// 2²⁰⁰: how much larger values are scaled down, so that their sums do too.
const SCALE: f64 = f64::from_bits((1023 + 200) << 52);

/// A sum of integers and doubles, with how many they were.
#[derive(Debug, Clone, Default)]
pub struct Sum {
    /// Of the integers. 2⁶³ of them fit.
    whole: i128,
    terms: Terms,
    /// Of the values beyond [`HUGE`], scaled down.
    huge: Option<Box<Terms>>,
    doubles: bool,
    count: u64,
    doubt: f64,
}

/// What a sum is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Total {
    /// Of integers.
    Int(i128),
    /// Of doubles, or of both.
    Double(f64),
}

impl Sum {
    /// Adds an integer.
    pub fn add_int(&mut self, value: i64) {
        self.add_ints(value.into(), 1);
    }

    /// Adds the exact sum of some integers.
    pub fn add_ints(&mut self, sum: i128, count: u64) {
        self.whole += sum;
        self.count += count;
    }

    /// Adds a finite double.
    pub fn add_double(&mut self, value: f64) {
        self.add_doubles(value, 1, 0.0);
    }

    /// Adds a finite sum of some doubles that may be off by `doubt`.
    pub fn add_doubles(&mut self, sum: f64, count: u64, doubt: f64) {
        if sum.abs() < HUGE {
            self.terms.add(sum);
        } else {
            self.huge.get_or_insert_default().add(sum / SCALE);
        }
        self.doubles |= count > 0;
        self.count += count;
        self.doubt += doubt;
    }

    /// Adds what another one holds.
    pub fn merge(&mut self, other: &Sum) {
        self.whole += other.whole;
        other.terms.0.iter().for_each(|term| self.terms.add(*term));
        if let Some(huge) = &other.huge {
            let own = self.huge.get_or_insert_default();
            huge.0.iter().for_each(|term| own.add(*term));
        }
        self.doubles |= other.doubles;
        self.count += other.count;
        self.doubt += other.doubt;
    }

    /// What it holds beside itself, in bytes.
    pub fn bytes(&self) -> usize {
        let heap = |terms: &Terms| if terms.0.spilled() { terms.0.capacity() * 8 } else { 0 };
        heap(&self.terms) + self.huge.as_ref().map_or(0, |huge| heap(huge) + size_of::<Terms>())
    }

    /// Whether what engines rounded on the way stays far below what is promised.
    pub fn is_sure(&self) -> bool {
        self.doubt == 0.0 || self.doubt <= self.scaled().0.abs() * 5e-10
    }

    /// The sum; nothing when there was nothing to add, or when no double holds it.
    pub fn total(&self) -> Option<Total> {
        if self.count == 0 {
            return None;
        }
        if !self.doubles {
            return Some(Total::Int(self.whole));
        }
        let (rounded, scale) = self.scaled();
        Some(rounded * scale).filter(|total| total.is_finite()).map(Total::Double)
    }

    /// The mean; nothing when there is nothing.
    pub fn mean(&self) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        if !self.doubles {
            return Some(mean(self.whole, self.count));
        }
        let (rounded, scale) = self.scaled();
        Some(rounded / double(self.count.into()) * scale).filter(|mean| mean.is_finite())
    }

    /// The sum as a double and what it is to be multiplied with.
    fn scaled(&self) -> (f64, f64) {
        let mut terms = self.terms.clone();
        for part in thirds(self.whole) {
            terms.add(part);
        }
        let Some(huge) = &self.huge else { return (terms.rounded(), 1.0) };
        if huge.rounded() == 0.0 {
            return (terms.rounded(), 1.0);
        }
        let mut all = huge.as_ref().clone();
        for term in terms.0 {
            all.add(term / SCALE);
        }
        (all.rounded(), SCALE)
    }
}

/// The quotient, rounded as if the sum were not rounded before.
fn mean(sum: i128, count: u64) -> f64 {
    let count = i128::from(count);
    double(sum / count) + double(sum % count) / double(count)
}

/// Doubles whose sum an integer is.
fn thirds(whole: i128) -> [f64; 3] {
    let low = whole & 0xFF_FFFF_FFFF;
    let middle = whole >> 40 & 0xFF_FFFF_FFFF;
    [double(low), double(middle << 40), double(whole >> 80 << 80)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(values: &[f64]) -> Option<f64> {
        let mut sum = Sum::default();
        values.iter().for_each(|value| sum.add_double(*value));
        match sum.total() {
            Some(Total::Double(total)) => Some(total),
            _ => None,
        }
    }

    #[test]
    fn doubles_are_added_without_rounding() {
        assert_eq!(total(&[0.1; 10]), Some(1.0));
        assert_eq!(total(&[1e100, 1.0, 1e50, -1e50, -1e100]), Some(1.0));
        assert_eq!(total(&[1e308, 1e308, -1e308]), Some(1e308));
        assert_eq!(total(&[1e308, 5e-324, -1e308]), Some(5e-324));
        assert_eq!(total(&[1e308, 1e308]), None);
        assert_eq!(total(&[f64::MAX, -f64::MAX]), Some(0.0));
        assert_eq!(total(&[]), None);
        // A tie that a third, tiny term decides.
        let half = f64::EPSILON / 2.0;
        assert_eq!(total(&[1.0, half]), Some(1.0));
        assert_eq!(total(&[1.0, half, 1e-300]), Some(1.0 + f64::EPSILON));
        assert_eq!(total(&[1.0, half, -1e-300]), Some(1.0));
    }

    #[test]
    fn the_order_changes_nothing() {
        let mut values: Vec<f64> = (1..200).map(|n| (f64::from(n) * 0.7).exp() / 3.0).collect();
        values.extend(values.clone().iter().map(|v| -v * 1.000_000_1));
        let forward = total(&values);
        values.reverse();
        assert_eq!(total(&values), forward);
        values.sort_by(f64::total_cmp);
        assert_eq!(total(&values), forward);
    }

    #[test]
    fn integers_are_exact_beyond_64_bits() {
        let mut sum = Sum::default();
        for _ in 0..3 {
            sum.add_int(i64::MAX);
        }
        assert_eq!(sum.total(), Some(Total::Int(i128::from(i64::MAX) * 3)));
        assert_eq!(sum.mean(), Some(double(i64::MAX.into())));
        sum.add_double(0.5);
        sum.add_ints(-i128::from(i64::MAX) * 3, 3);
        assert_eq!(sum.total(), Some(Total::Double(0.5)));
    }

    #[test]
    fn a_mean_stands_where_the_sum_cannot() {
        let mut sum = Sum::default();
        sum.add_double(1.5e308);
        sum.add_double(1.5e308);
        assert_eq!((sum.total(), sum.mean()), (None, Some(1.5e308)));
    }

    #[test]
    fn doubt_is_weighed_against_the_sum() {
        let mut sum = Sum::default();
        sum.add_doubles(1e6, 10, 1e-4);
        assert!(sum.is_sure());
        sum.add_doubles(-999_999.0, 10, 1e-4);
        assert!(!sum.is_sure());
    }
}
