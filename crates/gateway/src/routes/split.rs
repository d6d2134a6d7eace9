//! Which of several upstreams a request goes to, by their weights.

/// The number of the one that request `n` of a route goes to. Of any run of requests each gets its
/// share to within a few: the numbers walk by the golden ratio, which spreads them evenly.
pub(crate) fn pick(weights: impl Iterator<Item = u32> + Clone, n: u64) -> usize {
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
    let total: u64 = weights.clone().map(u64::from).sum();
    let point = (u128::from(n.wrapping_mul(GOLDEN)) * u128::from(total)) >> 64;
    let mut sum = 0_u128;
    for (at, weight) in weights.enumerate() {
        sum += u128::from(weight);
        if point < sum {
            return at;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gets_its_share_of_any_run() {
        for weights in [&[1_u32][..], &[90, 10], &[0, 5], &[1, 1, 1], &[99, 1], &[u32::MAX, 1]] {
            let total: f64 = weights.iter().map(|w| f64::from(*w)).sum();
            for start in [0_u64, 12_345, u64::MAX - 500] {
                let mut counts = vec![0_u32; weights.len()];
                for n in 0..1000 {
                    counts[pick(weights.iter().copied(), start.wrapping_add(n))] += 1;
                }
                for (count, weight) in counts.iter().zip(weights) {
                    let share = 1000.0 * f64::from(*weight) / total;
                    assert!((f64::from(*count) - share).abs() < 5.0, "{weights:?}: {counts:?}");
                    assert!(*weight > 0 || *count == 0);
                }
            }
        }
    }
}
