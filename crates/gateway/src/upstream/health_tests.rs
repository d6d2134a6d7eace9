//! Who is out, for how long, and how one comes back.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn health(count: usize) -> Health {
    let check = Check::default();
    Health::new(count, Some(Ejection::default()), Some(&check))
}

fn fail(health: &Health, at: usize, times: u32, now: Instant) -> bool {
    (0..times).filter(|_| health.failed(at, now)).count() > 0
}

#[test]
fn only_failures_in_a_row_eject() {
    let (health, now) = (health(2), Instant::now());
    assert!(!fail(&health, 0, 4, now));
    health.succeeded(0, now);
    assert!(!fail(&health, 0, 4, now));
    assert_eq!(health.standing(0, now).0, Standing::Healthy);
    assert!(fail(&health, 0, 1, now));
    assert_eq!(health.standing(0, now), (Standing::Ejected, 1));
    for need in [Need::Once, Need::Repeatable] {
        assert!(!health.usable(0, need, now) && health.usable(1, need, now));
    }
    // Where there is nothing else it is better than nothing.
    assert!(health.usable(0, Need::Any, now));
}

#[test]
fn half_may_be_out_and_never_the_last() {
    let now = Instant::now();
    let alone = health(1);
    assert!(!fail(&alone, 0, 50, now));
    let five = health(5);
    let out: Vec<bool> = (0..5).map(|at| fail(&five, at, 50, now)).collect();
    assert_eq!(out, [true, true, false, false, false]);
    // Whoever is down is no company.
    let two = health(2);
    (0..3).for_each(|_| assert!(two.checked(1, false, now).is_none_or(|s| s == Standing::Down)));
    assert_eq!(two.standing(1, now).0, Standing::Down);
    assert!(!fail(&two, 0, 50, now));
    let all = Ejection { max_percent: 100, ..Ejection::default() };
    let three = Health::new(3, Some(all), None);
    let out: Vec<bool> = (0..3).map(|at| fail(&three, at, 50, now)).collect();
    assert_eq!(out, [true, true, false]);
    let never = Health::new(3, None, None);
    assert!(!fail(&never, 0, 50, now));
}

#[test]
fn one_request_shows_how_it_is() {
    let (health, start) = (health(2), Instant::now());
    fail(&health, 0, 5, start);
    assert!(!health.claim(0, Need::Repeatable, start + 29 * SECOND));
    let now = start + 30 * SECOND;
    assert_eq!(health.standing(0, now).0, Standing::HalfOpen);
    // One that can be repeated goes first.
    assert!(!health.claim(0, Need::Once, now));
    assert!(health.claim(0, Need::Once, now + 30 * SECOND));
    health.released(0);
    assert!(health.claim(0, Need::Repeatable, now));
    assert_eq!(health.standing(0, now).0, Standing::Probing);
    assert!(!health.claim(0, Need::Repeatable, now));
    // Nothing learned: the next one.
    health.released(0);
    assert!(health.claim(0, Need::Repeatable, now));
    assert!(health.succeeded(0, now));
    assert_eq!(health.standing(0, now), (Standing::Healthy, 1));
    assert!(health.usable(0, Need::Once, now));
}

#[test]
fn who_fails_again_is_out_for_longer() {
    let (health, mut now) = (health(2), Instant::now());
    fail(&health, 0, 5, now);
    for seconds in [30, 60, 120, 240, 300, 300] {
        assert!(!health.usable(0, Need::Repeatable, now + (seconds - 1) * SECOND), "{seconds}");
        now += seconds * SECOND;
        assert!(health.claim(0, Need::Repeatable, now), "{seconds}");
        assert!(health.failed(0, now));
    }
    now += 300 * SECOND;
    assert!(health.claim(0, Need::Repeatable, now) && health.succeeded(0, now));
    // Soon again it is as before; after a long time it begins anew.
    assert!(fail(&health, 0, 5, now + SECOND));
    assert!(!health.usable(0, Need::Repeatable, now + 299 * SECOND));
    now += 301 * SECOND;
    assert!(health.claim(0, Need::Repeatable, now) && health.succeeded(0, now));
    now += 10_000 * SECOND;
    assert!(fail(&health, 0, 5, now));
    assert!(health.usable(0, Need::Repeatable, now + 30 * SECOND));
}

#[test]
fn late_news_of_old_requests_change_nothing() {
    let (health, now) = (health(2), Instant::now());
    fail(&health, 0, 5, now);
    assert!(!health.succeeded(0, now));
    assert!(!health.failed(0, now));
    assert_eq!(health.standing(0, now), (Standing::Ejected, 1));
}

#[test]
fn checks_in_a_row_decide() {
    let (health, now) = (health(2), Instant::now());
    let says = |goods: &[bool]| -> Vec<Option<Standing>> {
        goods.iter().map(|good| health.checked(0, *good, now)).collect()
    };
    assert_eq!(says(&[false, false, true, false, false]), [None; 5]);
    assert_eq!(says(&[false]), [Some(Standing::Down)]);
    for need in [Need::Once, Need::Repeatable, Need::Any] {
        assert!(!health.usable(0, need, now) && !health.claim(0, need, now));
    }
    assert_eq!(says(&[true, false, true]), [None; 3]);
    assert_eq!(says(&[true]), [Some(Standing::Healthy)]);
    assert!(health.usable(0, Need::Once, now));
}

#[test]
fn checks_let_one_show_itself_sooner() {
    let (health, now) = (health(2), Instant::now());
    fail(&health, 0, 5, now);
    (0..3).for_each(|_| assert_ne!(health.checked(0, false, now), Some(Standing::Healthy)));
    assert_eq!(health.standing(0, now).0, Standing::Down);
    assert_eq!(health.checked(0, true, now), None);
    assert_eq!(health.checked(0, true, now), Some(Standing::HalfOpen));
}
