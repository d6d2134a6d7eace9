//! What a request takes of quotas behind the gateway: all or nothing, and what the gateway is told.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use forebay_contract::{Ask, Count, Granted, Quotas};
use forebay_http::meter::Allowance;
use forebay_model::period::Period;
use forebay_model::time::SystemClock;

use super::*;

/// Hands out what is asked for, and knows how much.
#[derive(Default)]
struct Door {
    used: Mutex<HashMap<String, u64>>,
    away: AtomicBool,
}

#[async_trait]
impl Quotas for Door {
    async fn take(&self, count: &Count, ask: Ask) -> Result<Granted, Error> {
        if self.away.load(Ordering::Relaxed) {
            return Err(Error::new(Code::EngineUnavailable, "away"));
        }
        let mut used = self.used.lock().unwrap();
        let used = used.entry(count.key.clone()).or_default();
        let granted = if ask.quota - *used < ask.need { 0 } else { ask.need };
        *used += granted;
        Ok(Granted { granted, left: ask.quota - *used })
    }

    async fn give_back(&self, unused: Vec<(Count, u64)>) -> Result<(), Error> {
        for (count, units) in unused {
            *self.used.lock().unwrap().get_mut(&count.key).unwrap() -= units;
        }
        Ok(())
    }
}

struct House {
    door: Arc<Door>,
    limits: Arc<Limits>,
}

impl House {
    fn new() -> House {
        let door = Arc::<Door>::default();
        let limits = Limits::new((&[], 100), door.clone(), Arc::new(SystemClock), true);
        House { door, limits: Arc::new(limits) }
    }

    /// Counts what a request brings that these are for.
    async fn brings(&self, plans: &[Plan], streams: &[(&str, u64)]) -> (Result<(), Error>, Told) {
        let tally = Tally::new(Vec::new(), true);
        let counting = Counting::new(self.limits.clone(), tally, plans.to_vec());
        let counted = counting.records(streams).await;
        if counted.is_ok() {
            // A second attempt brings nothing more.
            counting.records(streams).await.unwrap();
        }
        (counted, counting.take())
    }

    fn used(&self, count: &str) -> u64 {
        self.door.used.lock().unwrap().get(count).copied().unwrap_or(0)
    }
}

fn plan(policy: &str, quota: u64, by_stream: bool) -> Plan {
    let (policy, count) = (policy.to_owned(), policy.to_owned());
    Plan { policy, quota, period: Period::Month, open: false, count, by_stream }
}

fn left(told: &Told) -> Vec<(&str, Option<u64>)> {
    let left = |drawn: &Option<(u64, u64, u64)>| drawn.map(|(left, ..)| left);
    told.drawn.iter().map(|drawn| (drawn.policy.as_str(), left(&drawn.left))).collect()
}

#[tokio::test]
async fn all_that_it_is_for_or_nothing() {
    let house = House::new();
    let plans = [plan("plan", 100, false), plan("each", 60, true)];
    let (counted, told) = house.brings(&plans, &[("a", 50), ("b", 10)]).await;
    counted.unwrap();
    assert_eq!(left(&told), [("plan", Some(40)), ("each", Some(10))]);
    assert_eq!((told.records.len(), told.refused), (2, None));
    // The stream has 10 left, the whole 40: neither pays.
    let (counted, told) = house.brings(&plans, &[("b", 5), ("a", 11)]).await;
    let error = counted.unwrap_err();
    assert_eq!(error.code, Code::RateLimited);
    assert!(error.detail.contains("`each`") && error.retry_after.is_some(), "{error:?}");
    assert_eq!((told.records.len(), told.refused.as_deref()), (0, Some("each")));
    house.limits.close().await;
    let used = ["plan", "each stream 1 a", "each stream 1 b"].map(|count| house.used(count));
    assert_eq!(used, [60, 50, 10]);
    house.brings(&plans, &[("b", 30), ("a", 10)]).await.0.unwrap();
    assert!(house.brings(&plans, &[("c", 1)]).await.0.unwrap_err().detail.contains("`plan`"));
    // Another number is another count's lease, and what was used stays.
    house.brings(&[plan("plan", 101, false)], &[("c", 1)]).await.0.unwrap();
}

#[tokio::test]
async fn when_nobody_counts_the_policy_says_what_holds() {
    let house = House::new();
    house.door.away.store(true, Ordering::Relaxed);
    let (closed, open) = (plan("closed", 9, false), Plan { open: true, ..plan("open", 9, false) });
    let (counted, told) = house.brings(std::slice::from_ref(&open), &[("a", 5)]).await;
    counted.unwrap();
    assert_eq!((left(&told), told.records.len()), (vec![("open", None)], 1));
    let (counted, told) = house.brings(&[open, closed], &[("a", 5)]).await;
    let error = counted.unwrap_err();
    assert_eq!((error.code, error.retry_after), (Code::EngineUnavailable, Some(1)));
    assert!(error.detail.contains("`closed`"), "{error:?}");
    assert_eq!((told.records.len(), told.refused.as_deref()), (0, None));
}

#[tokio::test]
async fn what_a_rate_refuses_takes_nothing() {
    let house = House::new();
    let rate = Allowance {
        policy: "rate".into(),
        stream: None,
        each: false,
        every: 10,
        burst: 5,
        taken: 50,
    };
    let tally = Tally::new(vec![rate], false);
    let counting = Counting::new(house.limits.clone(), tally, vec![plan("plan", 9, false)]);
    let error = counting.records(&[("a", 1)]).await.unwrap_err();
    assert!(error.detail.contains("`rate`"), "{error:?}");
    assert_eq!((house.used("plan"), counting.take().drawn.len()), (0, 0));
}
