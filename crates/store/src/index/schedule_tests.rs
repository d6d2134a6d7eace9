use std::sync::Arc;

use forebay_search::Layout;
use forebay_search::layout::FORMAT;

use super::*;

const REFRESH: Duration = Duration::from_millis(250);
const FULL: i64 = 100;

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn index(generation: &str, position: Option<i64>) -> Index {
    let layout = Layout {
        format: FORMAT,
        words: forebay_model::text::VERSION,
        stream: 1,
        epoch: 1,
        columns: vec![],
        fields: vec![],
    };
    Index { generation: generation.into(), layout: Arc::new(layout), position }
}

/// Streams that have an index each, up to date with an empty log.
fn schedule(streams: i64) -> Schedule {
    let mut schedule = Schedule::new(FULL, REFRESH, true);
    for stream in 1..=streams {
        schedule.saw(stream, &format!("s{stream}"), 1, 0);
        let job = job(&mut schedule, 0, at(0));
        assert_eq!((job.role, job.stream), (Role::Plan, stream));
        searched(&mut schedule, stream);
        schedule.planned(stream, Some(index("a", Some(0))), None);
        schedule.ended(0, &job, Ended::Closed, at(0));
        schedule.streams.get_mut(&stream).unwrap().set_position(Role::Live, Some(0));
    }
    assert!(matches!(schedule.next(0, at(0)), Next::Nothing));
    schedule
}

fn searched(schedule: &mut Schedule, stream: i64) {
    schedule.streams.get_mut(&stream).unwrap().searched = Some(true);
}

fn job(schedule: &mut Schedule, worker: usize, now: Duration) -> Job {
    match schedule.next(worker, now) {
        Next::Job(job) => *job,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_lone_record_is_written_at_once_and_what_follows_is_gathered() {
    let mut schedule = schedule(1);
    assert!(schedule.heard(1, 1) && !schedule.heard(9, 1));
    let first = job(&mut schedule, 0, at(1000));
    // Nobody else writes it meanwhile.
    assert!(matches!(schedule.next(1, at(1000)), Next::Nothing));
    schedule.wrote(&first, 1, at(1010));
    schedule.ended(0, &first, Ended::Kept, at(1010));
    schedule.heard(1, 2);
    assert!(matches!(schedule.next(0, at(1020)), Next::At(due) if due == at(1260)));
    // The one who has it open goes on with it, and no other.
    assert!(matches!(schedule.next(1, at(1300)), Next::Nothing));
    assert!(job(&mut schedule, 0, at(1300)).open);
}

#[test]
fn a_full_batch_does_not_wait() {
    let mut schedule = schedule(1);
    schedule.heard(1, 1);
    let first = job(&mut schedule, 0, at(0));
    schedule.wrote(&first, 1, at(10));
    schedule.ended(0, &first, Ended::Closed, at(10));
    schedule.heard(1, 1 + FULL);
    assert!(!job(&mut schedule, 1, at(11)).open);
}

#[test]
fn whoever_was_served_least_recently_comes_first() {
    let mut schedule = schedule(3);
    let mut served = Vec::new();
    let mut position = 0;
    for round in 0..9 {
        // The first stream never stops.
        position += 1000;
        schedule.heard(1, position);
        if round == 0 {
            schedule.heard(2, 1_000_000);
            schedule.heard(3, 1_000_000);
        }
        let job = job(&mut schedule, 0, at(round));
        assert!(schedule.others_wait(&job, at(round)));
        schedule.wrote(&job, i64::try_from(round + 1).unwrap(), at(round));
        schedule.ended(0, &job, Ended::Closed, at(round));
        served.push(job.stream);
    }
    assert_eq!(served, [1, 2, 3, 1, 2, 3, 1, 2, 3]);
}

#[test]
fn one_worker_builds_and_one_writes_what_answers() {
    let mut schedule = schedule(2);
    schedule.planned(1, Some(index("a", Some(0))), Some(index("b", None)));
    schedule.heard(1, 10);
    schedule.heard(2, 10);
    assert_eq!(job(&mut schedule, 1, at(0)).role, Role::Building);
    assert_eq!(job(&mut schedule, 0, at(0)).role, Role::Live);
    assert_eq!(job(&mut schedule, 1, at(0)).role, Role::Live);
}

#[test]
fn a_switch_waits_until_nobody_writes_the_old_one() {
    let mut schedule = schedule(1);
    schedule.heard(1, 10);
    let live = job(&mut schedule, 0, at(0));
    schedule.planned(1, Some(index("a", None)), Some(index("b", None)));
    let building = job(&mut schedule, 1, at(0));
    schedule.wrote(&building, 10, at(5));
    assert!(!schedule.may_promote(&building, at(5)));
    assert!(schedule.is_stale(&live, at(5)), "its writer is to be closed");
    schedule.ended(1, &building, Ended::Closed, at(5));
    schedule.ended(0, &live, Ended::Closed, at(6));
    let again = job(&mut schedule, 1, at(100));
    assert!(schedule.may_promote(&again, at(100)));
    schedule.promoted(&again);
    schedule.ended(1, &again, Ended::Closed, at(100));
    let tracked = &schedule.streams[&1];
    assert_eq!(tracked.live, Some(index("b", Some(10))));
    assert!(matches!(schedule.next(0, at(5000)), Next::Nothing));
}

#[test]
fn what_fails_waits_longer_each_time() {
    let mut schedule = schedule(1);
    schedule.heard(1, 10);
    let (mut now, mut pauses) = (at(0), Vec::new());
    for _ in 0..9 {
        let job = job(&mut schedule, 0, now);
        schedule.ended(0, &job, Ended::Failed, now);
        let Next::At(due) = schedule.next(0, now) else { panic!() };
        pauses.push(due - now);
        now = due;
    }
    assert!(pauses.is_sorted() && pauses[0] >= at(75) && pauses[0] <= at(100), "{pauses:?}");
    assert!(pauses[8] >= at(7500) && pauses[8] <= at(10_000), "{pauses:?}");
    let job = job(&mut schedule, 0, now);
    assert_eq!(job.index.as_ref().unwrap().position, None, "it is opened again");
    schedule.wrote(&job, 10, now);
    assert_eq!(schedule.failures(&job), 0);
}

#[test]
fn a_stream_that_is_gone_goes_when_nobody_writes_it() {
    let mut schedule = schedule(1);
    schedule.heard(1, 10);
    let live = job(&mut schedule, 0, at(0));
    schedule.only(&BTreeSet::new());
    assert!(matches!(schedule.next(1, at(0)), Next::Nothing));
    assert!(schedule.is_stale(&live, at(0)));
    schedule.ended(0, &live, Ended::Closed, at(1));
    let plan = job(&mut schedule, 1, at(1));
    assert_eq!(plan.role, Role::Plan);
    schedule.ended(1, &plan, Ended::Closed, at(2));
    assert!(schedule.streams.is_empty());
}

#[test]
fn an_empty_stream_has_an_index_from_its_first_record_on() {
    let mut schedule = Schedule::new(FULL, REFRESH, true);
    schedule.saw(1, "s", 1, 0);
    let plan = job(&mut schedule, 0, at(0));
    searched(&mut schedule, 1);
    // It comes while the plan is made.
    schedule.heard(1, 1);
    schedule.planned(1, None, None);
    schedule.ended(0, &plan, Ended::Closed, at(0));
    assert_eq!(job(&mut schedule, 0, at(1)).role, Role::Plan);
}

#[test]
fn another_definition_or_a_request_is_a_reason_to_plan() {
    let mut schedule = schedule(1);
    schedule.saw(1, "s1", 1, 0);
    schedule.asked(1, (3, 3));
    assert!(matches!(schedule.next(0, at(0)), Next::Nothing));
    schedule.saw(1, "s1", 2, 0);
    let plan = job(&mut schedule, 0, at(0));
    schedule.ended(0, &plan, Ended::Failed, at(0));
    // It failed, and comes again.
    assert_eq!(job(&mut schedule, 0, at(200)).role, Role::Plan);
    schedule.asked(1, (4, 3));
    assert!(schedule.streams[&1].rebuild > schedule.streams[&1].rebuilt);
}

#[test]
fn without_a_lease_only_definitions_are_read() {
    let mut schedule = Schedule::new(FULL, REFRESH, false);
    schedule.saw(1, "s", 1, 5);
    let plan = job(&mut schedule, 0, at(0));
    searched(&mut schedule, 1);
    schedule.ended(0, &plan, Ended::Closed, at(0));
    assert!(matches!(schedule.next(0, at(0)), Next::Nothing));
    schedule.leased(&BTreeSet::from([1]), at(1000));
    let plan = job(&mut schedule, 0, at(10));
    schedule.planned(1, Some(index("a", None)), None);
    schedule.ended(0, &plan, Ended::Closed, at(10));
    let live = job(&mut schedule, 0, at(20));
    assert!(!schedule.is_stale(&live, at(999)));
    // It is over, whether or not anybody has taken it.
    assert!(schedule.is_stale(&live, at(1000)));
    schedule.ended(0, &live, Ended::Closed, at(1000));
    assert!(matches!(schedule.next(0, at(1000)), Next::Nothing));
    schedule.leased(&BTreeSet::new(), at(9000));
    assert_eq!(schedule.streams[&1].live, None);
}

#[test]
fn an_engine_that_is_away_is_left_alone() {
    let mut schedule = schedule(1);
    schedule.heard(1, 1);
    schedule.held_back = at(500);
    assert!(matches!(schedule.next(0, at(100)), Next::At(due) if due == at(500)));
    assert_eq!(job(&mut schedule, 0, at(500)).role, Role::Live);
}
