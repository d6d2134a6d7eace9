//! All routes, and which of them a request takes: of those that are for it the one with the highest
//! priority, and of equal ones the one that stands first. Found by host, then along the path.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use smallvec::SmallVec;

use super::matching::Miss;
use super::own::is_own;
use super::request::{Asked, Asker};
use super::route::{Host, Route};
use crate::pattern::{PathPattern, Rest, Segment};

/// Most routes.
const MOST: usize = 10_000;

/// The routes in the order in which they are asked, with an index.
#[derive(Debug, Default)]
pub struct Table {
    routes: Vec<Arc<Route>>,
    hosts: HashMap<String, Node>,
    /// By what stands behind `*.`.
    below: HashMap<String, Node>,
    any: Node,
}

/// What a request takes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Found<'t> {
    Route(&'t Arc<Route>),
    /// No route: Forebay's own services.
    Own,
    /// It hangs on who asks.
    AsksWho,
}

/// Routes by their paths, a segment at a time. Numbers are places in the table.
#[derive(Debug, Default)]
struct Node {
    below: HashMap<String, Node>,
    named: Option<Box<Node>>,
    ends: Vec<usize>,
    /// At least one segment more.
    more: Vec<usize>,
    any: Vec<usize>,
}

type Places = SmallVec<[usize; 16]>;

impl Table {
    /// Takes routes in the order of the configuration. An error comes with the number of the one that
    /// is wrong.
    pub fn new(routes: Vec<Route>) -> Result<Table, (usize, String)> {
        if routes.len() > MOST {
            return Err((MOST, format!("name: there are more than {MOST} routes")));
        }
        let mut names = HashSet::new();
        for (at, route) in routes.iter().enumerate() {
            if !names.insert(route.name.clone()) {
                return Err((at, "name: another one has it".to_owned()));
            }
        }
        let mut routes: Vec<Arc<Route>> = routes.into_iter().map(Arc::new).collect();
        // Stable: of equal ones the first stays first.
        routes.sort_by_key(|route| std::cmp::Reverse(route.priority));
        let mut table = Table::default();
        for (at, route) in routes.iter().enumerate() {
            let node = match &route.host {
                Host::Any => &mut table.any,
                Host::Is(name) => table.hosts.entry(name.clone()).or_default(),
                Host::Below(name) => table.below.entry(name.clone()).or_default(),
            };
            node.insert(&route.path, at);
        }
        table.routes = routes;
        Ok(table)
    }

    /// In the order in which they are asked.
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// Whether some route is for this host by its name.
    pub(crate) fn names(&self, host: &str) -> bool {
        self.hosts.contains_key(host) || self.parents(host).next().is_some()
    }

    /// The route that a request takes.
    pub(crate) fn find(&self, asked: &Asked<'_>, asker: Asker<'_>) -> Found<'_> {
        if self.routes.is_empty() {
            return Found::Own;
        }
        for at in self.candidates(asked) {
            let Some(route) = self.routes.get(at) else { continue };
            match route.wants(asked, asker) {
                Ok(()) => return Found::Route(route),
                Err(Miss::AsksWho) => return Found::AsksWho,
                Err(_) => {}
            }
        }
        Found::Own
    }

    /// The routes whose host and path are the request's, in their order.
    fn candidates(&self, asked: &Asked<'_>) -> Places {
        let mut places = Places::new();
        let Some(path) = asked.path.strip_prefix('/') else { return places };
        if let Some(node) = self.hosts.get(asked.host.as_ref()) {
            node.walk(Some(path), &mut places);
        }
        for node in self.parents(&asked.host) {
            node.walk(Some(path), &mut places);
        }
        if !is_own(asked.path) {
            self.any.walk(Some(path), &mut places);
        }
        places.sort_unstable();
        places
    }

    /// The routes of `*.b.c` and `*.c` for `a.b.c`.
    fn parents<'t>(&'t self, host: &'t str) -> impl Iterator<Item = &'t Node> {
        let dots = host.match_indices('.').filter(|_| !self.below.is_empty());
        dots.filter_map(|(at, _)| self.below.get(host.get(at + 1..)?))
    }
}

impl Node {
    fn insert(&mut self, pattern: &PathPattern, at: usize) {
        let node = pattern.segments.iter().fold(self, |node, segment| match segment {
            Segment::Is(text) => node.below.entry(text.clone()).or_default(),
            Segment::Named(_) => node.named.get_or_insert_default(),
        });
        match pattern.rest {
            Rest::Nothing => node.ends.push(at),
            Rest::Below => node.more.push(at),
            Rest::Any => node.any.push(at),
        }
    }

    /// Collects what fits the rest of a path, no deeper than the longest pattern.
    fn walk(&self, rest: Option<&str>, places: &mut Places) {
        places.extend_from_slice(&self.any);
        let Some(rest) = rest else {
            places.extend_from_slice(&self.ends);
            return;
        };
        places.extend_from_slice(&self.more);
        let (segment, after) = match rest.split_once('/') {
            Some((segment, after)) => (segment, Some(after)),
            None => (rest, None),
        };
        if let Some(node) = self.below.get(segment) {
            node.walk(after, places);
        }
        if let Some(node) = self.named.as_deref().filter(|_| !segment.is_empty()) {
            node.walk(after, places);
        }
    }
}
