//! What is kept of a group's values until all records were seen.

use forebay_filter::Val;
use forebay_filter::stat::{Distinct, Sketch, Sum};

use super::scalar::{Scalar, nearest};

/// What must be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Count,
    Sum,
    Least,
    Greatest,
    Distinct,
    Sketch,
}

/// What is kept. The order in which values come changes nothing.
#[derive(Debug, Clone)]
pub(crate) enum Accumulator {
    Count(u64),
    Sum(Sum),
    Least(Option<Scalar>),
    Greatest(Option<Scalar>),
    Distinct(Distinct),
    Sketch(Sketch),
}

impl Accumulator {
    pub(crate) fn new(keep: Keep) -> Accumulator {
        match keep {
            Keep::Count => Accumulator::Count(0),
            Keep::Sum => Accumulator::Sum(Sum::default()),
            Keep::Least => Accumulator::Least(None),
            Keep::Greatest => Accumulator::Greatest(None),
            Keep::Distinct => Accumulator::Distinct(Distinct::new()),
            Keep::Sketch => Accumulator::Sketch(Sketch::new()),
        }
    }

    /// Takes one record's value; what is unknown adds nothing.
    pub(crate) fn take(&mut self, val: &Val<'_>) {
        match self {
            Accumulator::Count(count) => *count += u64::from(*val != Val::Unknown),
            Accumulator::Sum(sum) => match val {
                // Durations are added in microseconds.
                Val::Int(n) | Val::Span(n) => sum.add_int(*n),
                Val::Double(d) => sum.add_double(*d),
                _ => {}
            },
            Accumulator::Least(held) => {
                if let Some(scalar) = Scalar::of(val)
                    && held.as_ref().is_none_or(|held| scalar < *held)
                {
                    *held = Some(scalar);
                }
            }
            Accumulator::Greatest(held) => {
                if let Some(scalar) = Scalar::of(val)
                    && held.as_ref().is_none_or(|held| scalar > *held)
                {
                    *held = Some(scalar);
                }
            }
            Accumulator::Distinct(distinct) => distinct.add(val),
            Accumulator::Sketch(sketch) => match val {
                Val::Int(n) | Val::Span(n) => sketch.add(nearest(*n)),
                Val::Double(d) => sketch.add(*d),
                _ => {}
            },
        }
    }

    /// Whether its answer is not exact.
    pub(crate) fn is_approximate(&self) -> bool {
        match self {
            Accumulator::Distinct(distinct) => distinct.is_approximate(),
            Accumulator::Sketch(sketch) => sketch.is_approximate(),
            _ => false,
        }
    }

    /// What it holds beside itself, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Accumulator::Count(_) => 0,
            Accumulator::Sum(sum) => sum.bytes(),
            Accumulator::Least(held) | Accumulator::Greatest(held) => {
                held.as_ref().map_or(0, Scalar::bytes)
            }
            Accumulator::Distinct(distinct) => distinct.bytes(),
            Accumulator::Sketch(sketch) => sketch.bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_takes_what_it_can() {
        let vals = [
            Val::Int(3),
            Val::Unknown,
            Val::Text("x".into()),
            Val::Double(0.5),
            Val::Bool(true),
            Val::Int(3),
        ];
        let kept = |keep| {
            let mut kept = Accumulator::new(keep);
            vals.iter().for_each(|val| kept.take(val));
            kept
        };
        assert!(matches!(kept(Keep::Count), Accumulator::Count(5)));
        let Accumulator::Sum(sum) = kept(Keep::Sum) else { panic!() };
        assert_eq!(sum.mean(), Some(6.5 / 3.0));
        let Accumulator::Least(least) = kept(Keep::Least) else { panic!() };
        assert_eq!(least, Some(Scalar::Bool(true)));
        let Accumulator::Greatest(greatest) = kept(Keep::Greatest) else { panic!() };
        assert_eq!(greatest, Some(Scalar::Text("x".to_owned())));
        let Accumulator::Distinct(distinct) = kept(Keep::Distinct) else { panic!() };
        assert_eq!(distinct.count(), 4);
        let Accumulator::Sketch(sketch) = kept(Keep::Sketch) else { panic!() };
        assert_eq!(sketch.quantile(1.0), Some(3.0));
    }
}
