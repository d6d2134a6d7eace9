//! The engine inside: the behaviour of every engine, and what is its own — files.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "tests"
)]

#[path = "../suite/mod.rs"]
mod suite;

mod damage;
mod files;

use std::path::Path;

use forebay_search::settings::Inside;
use forebay_search::{Engine, Settings};

/// An engine on a folder.
async fn open(folder: &Path) -> Engine {
    let inside = Inside { folder: folder.join("search"), memory: 15_000_000 };
    Engine::open(&Settings::Inside(inside)).await.unwrap()
}

macro_rules! suite {
    ($($name:ident($($check:tt)*)),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let folder = tempfile::tempdir().unwrap();
            let engine = open(folder.path()).await;
            let seed = suite::rng::seed();
            eprintln!("FOREBAY_TEST_SEED={seed}");
            suite!(@ engine seed $($check)*);
        }
    )*};
    (@ $engine:ident $seed:ident $($path:ident)::+ seeded) => {
        suite::$($path)::+(&$engine, 7, $seed).await;
    };
    (@ $engine:ident $seed:ident $($path:ident)::+ plain) => {
        suite::$($path)::+(&$engine, 7).await;
    };
}

suite! {
    conditions(answers::conditions_mean_the_same seeded),
    orders(answers::orders_and_their_pages seeded),
    scores(answers::the_best_come_first seeded),
    values(answers::values_are_counted seeded),
    groups(answers::groups_are_exact seeded),
    phrases(answers::phrases_stay_within_a_text plain),
    batches(writing::a_batch_is_taken_once seeded),
    snapshots(writing::a_view_stays_as_it_was seeded),
    erasures(writing::what_is_erased_is_gone seeded),
    generations(writing::generations_follow_each_other seeded),
    windows(writing::windows_tell_what_is_there seeded),
    everything(all plain),
}
