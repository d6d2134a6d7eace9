//! Which streams a process writes the indexes of, where all processes share an engine: about as many as
//! the others. Pure.

use std::collections::BTreeSet;

/// What a process takes, and what it lets go of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) take: Vec<i64>,
    pub(crate) leave: Vec<i64>,
}

/// Decides: of `all` streams, it has `mine`, others have `theirs`, and there are so many processes.
pub(crate) fn share(
    all: &BTreeSet<i64>,
    (mine, theirs): (&BTreeSet<i64>, &BTreeSet<i64>),
    processes: usize,
) -> Change {
    let fair = all.len().div_ceil(processes.max(1));
    // Streams that are no more.
    let mut leave: Vec<i64> = mine.difference(all).copied().collect();
    let kept: Vec<i64> = mine.intersection(all).copied().collect();
    leave.extend(kept.iter().skip(fair));
    let free = all.iter().filter(|stream| !mine.contains(stream) && !theirs.contains(stream));
    let take = free.take(fair.saturating_sub(kept.len())).copied().collect();
    Change { take, leave }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(numbers: impl IntoIterator<Item = i64>) -> BTreeSet<i64> {
        numbers.into_iter().collect()
    }

    #[test]
    fn processes_come_to_have_equal_shares() {
        let all = set(0..10);
        let mut held = [set([]), set([]), set([])];
        let mut step = |alive: &[usize]| {
            for &one in alive {
                let others = alive.iter().filter(|&&other| other != one);
                let theirs = set(others.flat_map(|&other| held[other].clone()));
                let change = share(&all, (&held[one], &theirs), alive.len());
                held[one].retain(|stream| !change.leave.contains(stream));
                held[one].extend(change.take);
            }
            let counts: Vec<usize> = alive.iter().map(|&one| held[one].len()).collect();
            counts
        };
        assert_eq!(step(&[0]), [10]);
        step(&[0, 1]);
        assert_eq!(step(&[0, 1]), [5, 5]);
        step(&[0, 1, 2]);
        assert_eq!(step(&[0, 1, 2]), [4, 4, 2]);
        // One is gone, and its leases are over.
        assert_eq!(step(&[0, 2]), [5, 5]);
    }

    #[test]
    fn what_is_no_more_is_left() {
        let change = share(&set([1]), (&set([1, 2]), &set([])), 1);
        assert_eq!(change, Change { take: vec![], leave: vec![2] });
        assert_eq!(share(&set([]), (&set([]), &set([])), 0), Change::default());
    }
}
