//! Who gets how much, and who is avoided.

use super::*;

/// Endpoints as a test wants them.
#[derive(Clone)]
struct Few {
    usable: Vec<bool>,
    weights: Vec<u32>,
    in_flight: Vec<u32>,
    round_trips: Vec<f64>,
}

impl Few {
    fn new(weights: &[u32]) -> Few {
        let count = weights.len();
        Few {
            usable: vec![true; count],
            weights: weights.to_vec(),
            in_flight: vec![0; count],
            round_trips: vec![1e6; count],
        }
    }
}

impl Among for Few {
    fn count(&self) -> usize {
        self.usable.len()
    }
    fn usable(&self, at: usize) -> bool {
        self.usable[at]
    }
    fn weight(&self, at: usize) -> u32 {
        self.weights[at]
    }
    fn in_flight(&self, at: usize) -> u32 {
        self.in_flight[at]
    }
    fn round_trip(&self, at: usize) -> f64 {
        self.round_trips[at]
    }
    fn mark(&self, at: usize) -> u64 {
        key(format!("10.0.0.{at}:80").as_bytes())
    }
}

const ROUNDS: u64 = 10_000;

/// How often each is picked.
fn picks(kind: &str, few: &Few) -> Vec<u64> {
    let kind = KINDS.iter().find(|known| known.name == kind).unwrap();
    let (balance, dice) = ((kind.build)(few.count()), Dice::new(7));
    let mut counts = vec![0; few.count()];
    for n in 0..ROUNDS {
        let ask = Ask { key: Some(mix(n)), random: dice.roll() };
        counts[balance.pick(few, ask).unwrap()] += 1;
    }
    counts
}

fn near(count: u64, percent: u64) -> bool {
    count.abs_diff(ROUNDS * percent / 100) < ROUNDS / 50
}

#[test]
fn equal_endpoints_get_equal_shares() {
    for kind in KINDS {
        let counts = picks(kind.name, &Few::new(&[1, 1, 1, 1]));
        assert!(counts.iter().all(|count| near(*count, 25)), "{}: {counts:?}", kind.name);
    }
}

#[test]
fn what_may_not_be_picked_is_not() {
    for kind in KINDS {
        let mut few = Few::new(&[1, 1, 1]);
        few.usable[1] = false;
        let counts = picks(kind.name, &few);
        assert_eq!(counts[1], 0, "{}", kind.name);
        assert!(near(counts[0], 50) && near(counts[2], 50), "{}: {counts:?}", kind.name);
        few.usable[2] = false;
        assert_eq!(picks(kind.name, &few), [ROUNDS, 0, 0], "{}", kind.name);
        few.usable[0] = false;
        let ask = Ask { key: None, random: 3 };
        assert_eq!((kind.build)(3).pick(&few, ask), None, "{}", kind.name);
    }
}

#[test]
fn weights_are_shares() {
    let few = Few::new(&[5, 3, 2]);
    assert_eq!(picks("weighted", &few), [ROUNDS / 2, ROUNDS * 3 / 10, ROUNDS / 5]);
    let counts = picks("hash", &few);
    assert!(near(counts[0], 50) && near(counts[1], 30) && near(counts[2], 20), "{counts:?}");
    assert!(picks("round_robin", &few).iter().all(|count| near(*count, 33)));
    // Evenly mixed: the heaviest does not take all its turns at once.
    let kind = (weighted::KIND.build)(2);
    let ask = Ask { key: None, random: 0 };
    let turns: Vec<_> = (0..4).map(|_| kind.pick(&Few::new(&[2, 2]), ask).unwrap()).collect();
    assert_eq!(turns, [0, 1, 0, 1]);
}

#[test]
fn the_slow_and_the_busy_are_avoided() {
    let mut slow = Few::new(&[1, 1, 1, 1]);
    slow.round_trips[2] = 50e6;
    // It is only picked where it meets itself, and it never does.
    assert_eq!(picks("p2c", &slow)[2], 0);
    assert!(near(picks("least_request", &slow)[2], 25));
    let mut busy = Few::new(&[1, 1, 1, 1]);
    busy.in_flight[0] = 9;
    for kind in ["p2c", "least_request"] {
        let counts = picks(kind, &busy);
        assert_eq!(counts[0], 0, "{kind}");
        assert!(near(counts[1], 33), "{kind}: {counts:?}");
        // Twice as strong and equally busy: less of a load.
        let mut strong = Few::new(&[1, 4]);
        strong.in_flight = vec![2, 3];
        assert_eq!(picks(kind, &strong)[0], 0, "{kind}");
    }
}

#[test]
fn keys_stay_where_they_are() {
    let all = Few::new(&[1, 1, 1, 1, 1]);
    let mut fewer = all.clone();
    fewer.usable[3] = false;
    let hash = (hash::KIND.build)(5);
    let mut moved_to = [0; 5];
    for n in 0..ROUNDS {
        let ask = Ask { key: Some(key(&n.to_be_bytes())), random: n };
        let before = hash.pick(&all, ask).unwrap();
        assert_eq!(hash.pick(&all, Ask { random: !n, ..ask }), Some(before));
        let after = hash.pick(&fewer, ask).unwrap();
        if before == 3 {
            moved_to[after] += 1;
        } else {
            assert_eq!(before, after);
        }
    }
    // They are spread over all that are left.
    let moved: u64 = moved_to.iter().sum();
    let fair = |count: &u64| count.abs_diff(moved / 4) < moved / 10;
    assert!(moved_to[3] == 0 && moved_to.iter().filter(|count| fair(count)).count() == 4);
}

#[test]
fn keys_are_the_same_in_every_release() {
    assert_eq!(key(b""), 17_665_956_581_633_026_203);
    assert_ne!(key(b"a"), key(b"b"));
}
