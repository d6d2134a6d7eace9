//! How often somebody may try, decided before anything is hashed or looked up: known and unknown
//! names are counted alike, so that a refusal says nothing about them.
//!
//! Each count is a GCRA cell: one number, the time at which all of its tries are forgotten.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::hmac;
use forebay_model::time::Timestamp;
use forebay_model::{Code, Error, Result};

use forebay_db::seal::Master;

const SECOND: i64 = 1_000_000;
/// The most cells; then those that are nearest to being forgotten go.
const MOST: usize = 100_000;

/// So many tries at once, and then one in each of these periods.
#[derive(Debug, Clone, Copy)]
struct Limit {
    burst: i64,
    every: i64,
}

/// A name from an address.
const PAIR: Limit = Limit { burst: 10, every: 60 * SECOND };
/// An address, whatever the name.
const ADDRESS: Limit = Limit { burst: 60, every: 5 * SECOND };
/// A name from anywhere. Beyond it tries are slowed, never refused: else anybody could lock anybody
/// out.
const NAME: Limit = Limit { burst: 50, every: 72 * SECOND };
/// Second factors of an account whose password was right.
const CODE: Limit = Limit { burst: 5, every: 300 * SECOND };

type Cell = [u8; 32];

/// The counts of this process.
pub(crate) struct Throttle {
    names: hmac::Key,
    cells: Mutex<HashMap<Cell, i64>>,
    /// Whose counts an administrator has set back, and when that was: they are counted anew.
    unlocked: Mutex<HashMap<Vec<u8>, i64>>,
}

/// A try that may go on.
#[derive(Debug)]
pub(crate) struct Pass {
    taken: Vec<(Cell, Limit)>,
    /// There were too many tries at this name.
    pub(crate) slowed: bool,
}

impl Throttle {
    pub(crate) fn new(master: &Master) -> Throttle {
        let key: [u8; 32] = master.derive("throttle");
        let names = hmac::Key::new(hmac::HMAC_SHA256, &key);
        Throttle { names, cells: Mutex::default(), unlocked: Mutex::default() }
    }

    /// What stands for a name, or for an account, where it is written down that its counts were set
    /// back.
    pub(crate) fn unlocked_name(&self, name: &str) -> Vec<u8> {
        self.cell(&["unlocked", name]).to_vec()
    }

    /// Takes whose counts were set back, and when.
    pub(crate) fn unlock(&self, unlocked: HashMap<Vec<u8>, i64>) {
        *self.unlocked.lock().unwrap_or_else(PoisonError::into_inner) = unlocked;
    }

    /// Since when a name is counted; nothing when that was never set back.
    fn since(&self, name: &str) -> String {
        let unlocked = self.unlocked.lock().unwrap_or_else(PoisonError::into_inner);
        if unlocked.is_empty() {
            return String::new();
        }
        let at = unlocked.get(self.cell(&["unlocked", name]).as_slice());
        at.map(i64::to_string).unwrap_or_default()
    }

    /// Counts a try at a name (as it is compared) from an address.
    pub(crate) fn name(&self, name: &str, address: IpAddr, now: Timestamp) -> Result<Pass> {
        let network = network(address);
        let address = (self.cell(&["address", &network]), ADDRESS);
        let since = self.since(name);
        let pair = (self.cell(&["pair", name, &network, &since]), PAIR);
        let anywhere = (self.cell(&["name", name, &since]), NAME);
        let mut cells = self.cells();
        let slowed = wait(&cells, anywhere, now) > 0;
        let mut taken = vec![address, pair];
        if !slowed {
            taken.push(anywhere);
        }
        take(&mut cells, taken, now).map(|taken| Pass { taken, slowed })
    }

    /// Counts a try at a secret that belongs to no name, from an address.
    pub(crate) fn address(&self, address: IpAddr, now: Timestamp) -> Result<Pass> {
        let address = (self.cell(&["address", &network(address)]), ADDRESS);
        let taken = take(&mut self.cells(), vec![address], now)?;
        Ok(Pass { taken, slowed: false })
    }

    /// Counts a try at an account's second factor.
    pub(crate) fn code(&self, account: &str, now: Timestamp) -> Result<Pass> {
        let code = (self.cell(&["code", account, &self.since(account)]), CODE);
        let taken = take(&mut self.cells(), vec![code], now)?;
        Ok(Pass { taken, slowed: false })
    }

    /// Takes back a try that was right.
    pub(crate) fn forgive(&self, pass: &Pass) {
        let mut cells = self.cells();
        for (cell, limit) in &pass.taken {
            if let Some(until) = cells.get_mut(cell) {
                *until -= limit.every;
            }
        }
    }

    fn cells(&self) -> MutexGuard<'_, HashMap<Cell, i64>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names are kept as what nobody can read.
    fn cell(&self, parts: &[&str]) -> Cell {
        let mut context = hmac::Context::with_key(&self.names);
        for part in parts {
            context.update(part.as_bytes());
            context.update(&[0xff]);
        }
        let mut cell = [0; 32];
        cell.copy_from_slice(context.sign().as_ref());
        cell
    }
}

/// All or none is counted, under one lock: tries at the same time cannot pass side by side.
fn take(
    cells: &mut HashMap<Cell, i64>,
    asked: Vec<(Cell, Limit)>,
    now: Timestamp,
) -> Result<Vec<(Cell, Limit)>> {
    let longest = asked.iter().map(|asked| wait(cells, *asked, now)).max().unwrap_or(0);
    if longest > 0 {
        let seconds = u32::try_from(longest.div_euclid(SECOND) + 1).unwrap_or(u32::MAX);
        return Err(Error::new(Code::RateLimited, "too many tries").retry_after(seconds));
    }
    make_room(cells, asked.len(), now);
    for (cell, limit) in &asked {
        let until = cells.get(cell).copied().unwrap_or(0).max(now.micros());
        cells.insert(*cell, until + limit.every);
    }
    Ok(asked)
}

/// How many microseconds until another try; 0 is now.
fn wait(cells: &HashMap<Cell, i64>, (cell, limit): (Cell, Limit), now: Timestamp) -> i64 {
    let until = cells.get(&cell).copied().unwrap_or(0);
    (until - now.micros() - (limit.burst - 1) * limit.every).max(0)
}

fn make_room(cells: &mut HashMap<Cell, i64>, more: usize, now: Timestamp) {
    if cells.len() + more <= MOST {
        return;
    }
    cells.retain(|_, until| *until > now.micros());
    if cells.len() + more > MOST {
        let mut times: Vec<i64> = cells.values().copied().collect();
        let middle = times.len() / 2;
        let (_, median, _) = times.select_nth_unstable(middle);
        let median = *median;
        cells.retain(|_, until| *until > median);
    }
}

/// An address, or the network that one customer of the newer protocol has.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros((1_800_000_000 + seconds) * SECOND)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn throttle() -> Throttle {
        Throttle::new(&Master::new(&[1; 32]))
    }

    #[test]
    fn so_many_at_once_then_one_a_period() {
        let t = throttle();
        let home = ip("192.0.2.1");
        for _ in 0..10 {
            t.name("a", home, at(0)).unwrap();
        }
        let refused = t.name("a", home, at(0)).unwrap_err();
        assert_eq!((refused.code, refused.retry_after), (Code::RateLimited, Some(61)));
        assert!(t.name("b", home, at(0)).is_ok());
        assert!(t.name("a", ip("192.0.2.2"), at(0)).is_ok());
        assert!(t.name("a", home, at(59)).is_err());
        assert!(t.name("a", home, at(60)).is_ok());
        assert!(t.name("a", home, at(60)).is_err());
        // What was refused was not counted.
        assert!(t.name("a", home, at(120)).is_ok());
    }

    #[test]
    fn a_right_try_is_taken_back() {
        let t = throttle();
        for _ in 0..500 {
            let pass = t.name("a", ip("::1"), at(0)).unwrap();
            t.forgive(&pass);
        }
    }

    #[test]
    fn an_address_is_bound_whatever_the_name_and_neighbours_are_one() {
        let t = throttle();
        let host = |n: u32| ip(&format!("2001:db8:0:1::{n:x}"));
        for n in 0..60 {
            t.name(&format!("name {n}"), host(n), at(0)).unwrap();
        }
        assert!(t.name("another", host(99), at(0)).is_err());
        assert!(t.address(host(99), at(0)).is_err());
        assert!(t.name("another", ip("2001:db8:0:2::1"), at(0)).is_ok());
        assert!(t.address(ip("::ffff:192.0.2.1"), at(0)).is_ok());
        assert_eq!(network(ip("::ffff:192.0.2.1")), "192.0.2.1");
    }

    #[test]
    fn a_name_that_all_the_world_tries_is_slowed_and_not_locked() {
        let t = throttle();
        let from = |n: u32| ip(&format!("10.0.{}.{}", n / 250, n % 250));
        for n in 0..50 {
            assert!(!t.name("victim", from(n), at(0)).unwrap().slowed);
        }
        for n in 50..500 {
            assert!(t.name("victim", from(n), at(0)).unwrap().slowed);
        }
        assert!(!t.name("victim", from(501), at(3600)).unwrap().slowed);
    }

    #[test]
    fn codes_are_few() {
        let t = throttle();
        for _ in 0..5 {
            t.code("a", at(0)).unwrap();
        }
        assert!(t.code("a", at(299)).is_err());
        assert!(t.code("b", at(0)).is_ok());
        assert!(t.code("a", at(300)).is_ok());
    }

    #[test]
    fn whoever_is_unlocked_is_counted_anew() {
        let t = throttle();
        let home = ip("192.0.2.1");
        for _ in 0..10 {
            t.name("a", home, at(0)).unwrap();
            t.name("b", home, at(0)).unwrap();
        }
        (0..5).for_each(|_| drop(t.code("a", at(0)).unwrap()));
        t.unlock(HashMap::from([(t.unlocked_name("a"), 7)]));
        for _ in 0..10 {
            t.name("a", home, at(0)).unwrap();
        }
        assert!(t.name("a", home, at(0)).is_err() && t.name("b", home, at(0)).is_err());
        t.code("a", at(0)).unwrap();
    }

    #[test]
    fn the_table_is_bounded() {
        let t = throttle();
        let most = u32::try_from(MOST).unwrap();
        for n in 0..most / 2 {
            let from = IpAddr::from(n.to_be_bytes());
            t.name("one", from, at(0)).unwrap();
        }
        for n in 0..most {
            let from = IpAddr::from((1 << 31 | n).to_be_bytes());
            t.name(&n.to_string(), from, at(1)).unwrap();
        }
        assert!(t.cells().len() <= MOST);
    }

    #[test]
    fn tries_side_by_side_do_not_pass_together() {
        let t = throttle();
        let passed = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        if t.name("a", ip("::1"), at(0)).is_ok() {
                            passed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(passed.into_inner(), 10);
    }
}
