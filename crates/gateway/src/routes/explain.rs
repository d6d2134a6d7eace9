//! Which route a request takes, and why none of the others: each is asked, without the index.

use super::matching::{Miss, is_path};
use super::own::is_own;
use super::request::{Asked, Asker};
use super::route::{Host, Route};
use super::table::Table;

/// What a route says of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The route's name.
    pub route: String,
    /// Its priority.
    pub priority: i64,
    /// Whether the request takes it.
    pub taken: bool,
    /// Why, or why not.
    pub why: String,
}

impl Table {
    /// What each route says, in the order in which they are asked.
    pub fn explain(&self, asked: &Asked<'_>, asker: Asker<'_>) -> Vec<Said> {
        let mut first: Option<&str> = None;
        let mut all = Vec::new();
        for route in self.routes() {
            let (taken, why) = match (verdict(route, asked, asker), first) {
                (Err(miss), _) => (false, miss.to_string()),
                (Ok(()), Some(name)) => (false, format!("it fits, and `{name}` comes before it")),
                (Ok(()), None) => {
                    first = Some(&route.name);
                    (true, "it fits, and is the first that does".to_owned())
                }
            };
            all.push(Said { route: route.name.clone(), priority: route.priority, taken, why });
        }
        all
    }
}

fn verdict<'r>(route: &'r Route, asked: &Asked<'_>, asker: Asker<'_>) -> Result<(), Miss<'r>> {
    if !route.host.fits(&asked.host) {
        return Err(Miss::Host);
    }
    if !is_path(&route.path, asked) {
        return Err(Miss::Path);
    }
    if route.host == Host::Any && is_own(asked.path) {
        return Err(Miss::Own);
    }
    route.wants(asked, asker)
}
