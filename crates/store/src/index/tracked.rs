//! What is known of a stream whose indexes are written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use forebay_search::Layout;

/// What a stream has of indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// To see which indexes there are, and which there should be.
    Plan,
    /// To write the one that answers.
    Live,
    /// To write the one that is being built.
    Building,
}

/// A turn.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) stream: i64,
    pub(crate) name: Arc<str>,
    pub(crate) role: Role,
    /// The index; `None` for a plan.
    pub(crate) index: Option<Index>,
    /// Whether the worker has its writer open.
    pub(crate) open: bool,
}

/// An index that is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Index {
    pub(crate) generation: String,
    pub(crate) layout: Arc<Layout>,
    /// `None` before it was opened.
    pub(crate) position: Option<i64>,
}

/// What is known of a stream.
#[derive(Debug, Clone)]
pub(crate) struct Tracked {
    pub(crate) name: Arc<str>,
    /// Of its definition.
    pub(crate) version: i64,
    pub(crate) head: i64,
    /// Whether it is searched at all; `None` before its definition was read.
    pub(crate) searched: Option<bool>,
    pub(crate) live: Option<Index>,
    pub(crate) building: Option<Index>,
    /// The number of the last request to build anew that was carried out, and of the last one.
    pub(crate) rebuilt: i64,
    pub(crate) rebuild: i64,
    /// Indexes that turned out to be damaged.
    pub(crate) damaged: BTreeSet<String>,
    /// Whether the engine had indexes of it when it was asked.
    pub(crate) leftover: bool,
    /// Whether a plan is due.
    pub(super) plan: bool,
    /// Whether it is gone, and its indexes go.
    pub(crate) gone: bool,
    pub(super) turns: BTreeMap<Role, Turn>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Turn {
    /// Not before.
    pub(super) due: Duration,
    /// In which order they come.
    pub(super) since: u64,
    pub(super) state: State,
    pub(super) failures: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum State {
    #[default]
    Free,
    /// A worker is at it.
    Taken(usize),
    /// A worker has it open, with nothing to do.
    Kept(usize),
}

/// What a worker does next.
#[derive(Debug)]
pub(crate) enum Next {
    Job(Box<Job>),
    /// Nothing before this moment.
    At(Duration),
    /// Nothing that is known of.
    Nothing,
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Everything known is done, and the writer is kept open.
    Kept,
    /// The writer is closed.
    Closed,
    /// It went wrong; the writer is closed.
    Failed,
}

impl Turn {
    pub(super) fn is_free(&self) -> bool {
        self.state == State::Free
    }
}

impl Tracked {
    /// What is known of a stream that was not seen before.
    pub(super) fn new(name: &str, head: i64) -> Tracked {
        Tracked {
            name: name.into(),
            version: 0,
            head,
            searched: None,
            live: None,
            building: None,
            rebuilt: 0,
            rebuild: 0,
            damaged: BTreeSet::new(),
            leftover: false,
            plan: false,
            gone: false,
            turns: BTreeMap::new(),
        }
    }

    /// Notes how far the index of a role is; `None` when that is not known any more.
    pub(super) fn set_position(&mut self, role: Role, position: Option<i64>) {
        let index = match role {
            Role::Plan => None,
            Role::Live => self.live.as_mut(),
            Role::Building => self.building.as_mut(),
        };
        if let Some(index) = index {
            index.position = position;
        }
    }

    /// Has a stream planned that was empty, and so has no index.
    pub(super) fn begin(&mut self) {
        let none = self.live.is_none() && self.building.is_none();
        self.plan |= none && self.head > 0 && self.searched == Some(true);
    }
}
