//! Leases against a plain model of the database: whatever is asked, lost, given back and forgotten, no
//! more passes than the quota says.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use async_trait::async_trait;
use forebay_contract::Granted;
use forebay_model::period::Period;
use forebay_model::time::Clock;
use forebay_model::{Code, Error};

use super::super::table::Table;
use super::*;

const SECOND: i64 = 1_000_000;
/// A Wednesday, at noon.
const NOON: i64 = 1_795_608_000 * SECOND;

#[derive(Debug)]
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }
}

impl Hand {
    fn pass(&self, seconds: i64) {
        self.0.fetch_add(seconds * SECOND, Ordering::Relaxed);
    }
}

/// The database: what was handed out.
#[derive(Default)]
struct Model {
    used: Mutex<HashMap<Count, u64>>,
    asked: AtomicI64,
    /// It does not answer.
    away: AtomicBool,
    /// It answers, and nobody hears it.
    lost: AtomicBool,
}

impl Model {
    fn used(&self) -> MutexGuard<'_, HashMap<Count, u64>> {
        self.used.lock().unwrap()
    }

    fn asked(&self) -> i64 {
        self.asked.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Quotas for Model {
    async fn take(&self, count: &Count, ask: Ask) -> forebay_model::Result<Granted> {
        tokio::task::yield_now().await;
        self.asked.fetch_add(1, Ordering::Relaxed);
        let away = || Error::new(Code::EngineUnavailable, "away");
        if self.away.load(Ordering::Relaxed) {
            return Err(away());
        }
        assert!(ask.need <= ask.want, "{ask:?}");
        let granted = {
            let mut all = self.used();
            let used = all.entry(count.clone()).or_default();
            let left = ask.quota - *used;
            let granted = if left < ask.need { 0 } else { ask.want.min(left / 8).max(ask.need) };
            *used += granted;
            Granted { granted, left: left - granted }
        };
        tokio::task::yield_now().await;
        if self.lost.load(Ordering::Relaxed) { Err(away()) } else { Ok(granted) }
    }

    async fn give_back(&self, unused: Vec<(Count, u64)>) -> forebay_model::Result<()> {
        tokio::task::yield_now().await;
        for (count, units) in unused {
            let mut all = self.used();
            let used = all.get_mut(&count).unwrap();
            *used = used.checked_sub(units).unwrap();
        }
        Ok(())
    }
}

struct World {
    model: Arc<Model>,
    clock: Arc<Hand>,
    table: Table,
}

impl World {
    fn new() -> World {
        let clock = Arc::new(Hand(AtomicI64::new(NOON)));
        World { model: Arc::default(), clock, table: Table::new(100) }
    }

    fn leases(&self) -> Leases {
        Leases::new(self.model.clone(), self.clock.clone())
    }

    fn cell(&self, leases: &Leases, name: &str, quota: u64) -> Arc<Cell> {
        let calendar = Calendar { quota, period: Period::Day, records: false, open: false };
        leases.cell(self.table.key(name), calendar, || name.to_owned())
    }

    async fn take(&self, leases: &Leases, name: &str, quota: u64, cost: u64) -> Result<(), Denied> {
        leases.take(&self.cell(leases, name, quota), cost).await.map(drop)
    }

    fn used(&self) -> u64 {
        self.model.used().values().sum()
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let mixed = (self.0 ^ (self.0 >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        (mixed >> 11) % end
    }
}

#[tokio::test]
async fn several_gateways_never_let_more_pass_than_the_quota() {
    let mut random = Random(11);
    let (mut spent, mut full) = (0, 0);
    for round in 0..60 {
        let quota = [3, 40, 700, 25_000][round % 4];
        let world = World::new();
        let gateways: Vec<Leases> = (0..3).map(|_| world.leases()).collect();
        let mut passed: HashMap<Span, u64> = HashMap::new();
        for _ in 0..600 {
            let at = usize::try_from(random.below(3)).unwrap();
            let gateway = &gateways[at];
            world.model.away.store(random.below(60) == 0, Ordering::Relaxed);
            world.model.lost.store(random.below(60) == 0, Ordering::Relaxed);
            match random.below(40) {
                0 => world.clock.pass(i64::try_from(random.below(90)).unwrap()),
                1 if random.below(12) == 0 => world.clock.pass(43_200),
                2 => gateway.give_back(gateway.rested(REST)).await,
                3 => gateway.give_back(gateway.rested(0)).await,
                _ => {}
            }
            let cost = 1 + random.below(1 + quota / 20);
            let before = Period::Day.around(world.clock.now());
            let both = if random.below(4) == 0 {
                // Side by side, at two of them.
                let other = &gateways[(at + 1) % 3];
                let (one, two) = tokio::join!(
                    world.take(gateway, "a", quota, cost),
                    world.take(other, "a", quota, cost)
                );
                [Some(one), Some(two)]
            } else {
                [Some(world.take(gateway, "a", quota, cost).await), None]
            };
            for taken in both.into_iter().flatten() {
                match taken {
                    Ok(()) => *passed.entry(before).or_default() += cost,
                    Err(Denied::Spent) => spent += 1,
                    Err(Denied::Away) => {}
                }
            }
            for (period, passed) in &passed {
                let count = Count { key: "a".to_owned(), period: *period };
                let used = world.model.used()[&count];
                assert!(*passed <= used && used <= quota, "{passed} {used} of {quota}");
            }
        }
        full += passed.values().filter(|passed| **passed * 10 >= quota * 9).count();
    }
    assert!(spent > 1000 && full > 20, "{spent} {full}");
}

#[tokio::test]
async fn it_is_used_to_the_last_unit_and_asked_about_seldom() {
    let world = World::new();
    let leases = world.leases();
    for _ in 0..20_000 {
        world.take(&leases, "a", 20_000, 1).await.unwrap();
    }
    let asked = world.model.asked();
    assert!(asked < 400, "{asked}");
    // Who is refused does not ask again for a while, and others are not refused.
    for _ in 0..1000 {
        assert_eq!(world.take(&leases, "a", 20_000, 1).await, Err(Denied::Spent));
    }
    assert!(world.model.asked() <= asked + 1);
    world.clock.pass(6);
    assert_eq!(world.take(&leases, "a", 20_000, 1).await, Err(Denied::Spent));
    world.take(&leases, "b", 20_000, 1).await.unwrap();
    // The next day begins anew.
    world.clock.pass(43_200);
    world.take(&leases, "a", 20_000, 1).await.unwrap();
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_less_is_not() {
    let world = World::new();
    let leases = world.leases();
    world.take(&leases, "a", 100, 70).await.unwrap();
    assert_eq!(world.take(&leases, "a", 100, 31).await, Err(Denied::Spent));
    assert_eq!(world.take(&leases, "a", 100, 101).await, Err(Denied::Spent));
    world.take(&leases, "a", 100, 30).await.unwrap();
    let cell = world.cell(&leases, "a", 100);
    assert_eq!(leases.look(&cell).await, Err(Denied::Spent));
    assert_eq!(leases.state(&cell).remaining, 0);
    assert_eq!((leases.state(&cell).window, leases.state(&cell).until_end), (86_400, 43_200));
    // What another limit has refused can be used again.
    let hold = leases.take(&world.cell(&leases, "b", 100), 100).await.unwrap();
    hold.give_back();
    world.take(&leases, "b", 100, 100).await.unwrap();
}

#[tokio::test]
async fn what_rests_is_given_back() {
    let world = World::new();
    let (leases, other) = (world.leases(), world.leases());
    world.take(&leases, "a", 100_000, 1).await.unwrap();
    assert!(world.used() > 50);
    leases.give_back(leases.rested(REST)).await;
    assert!(world.used() > 50);
    world.clock.pass(61);
    leases.give_back(leases.rested(REST)).await;
    assert_eq!((world.used(), leases.cells().len()), (1, 0));
    // Others have it then, although they were refused before.
    world.take(&leases, "a", 100_000, 1).await.unwrap();
    let most = 100_000 - world.used();
    world.take(&other, "a", 100_000, most).await.unwrap();
    assert_eq!(world.take(&other, "a", 100_000, 1).await, Err(Denied::Spent));
    leases.close().await;
    assert_eq!(world.take(&other, "a", 100_000, 1).await, Err(Denied::Spent));
    world.clock.pass(6);
    world.take(&other, "a", 100_000, 1).await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_away_is_not_asked_by_everybody() {
    let world = World::new();
    let leases = world.leases();
    world.model.away.store(true, Ordering::Relaxed);
    for _ in 0..50 {
        assert_eq!(world.take(&leases, "a", 100, 1).await, Err(Denied::Away));
    }
    assert_eq!(world.model.asked(), 1);
    world.model.away.store(false, Ordering::Relaxed);
    world.clock.pass(2);
    world.take(&leases, "a", 100, 1).await.unwrap();
}

#[tokio::test]
async fn there_is_room_for_so_many_counts() {
    let world = World::new();
    let leases = Leases { most: 50, ..world.leases() };
    for n in 0..1000 {
        world.take(&leases, &format!("somebody {n}"), 1_000_000, 1).await.unwrap();
        assert!(leases.cells().len() <= 50);
    }
    leases.close().await;
    while world.used() > 1000 {
        tokio::task::yield_now().await;
    }
}
