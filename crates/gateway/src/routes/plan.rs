//! What the configuration says of routes and upstreams, and what holds of it now.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use forebay_model::field::nearest;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::route::Route;
use super::table::Table;
use crate::upstream::{Upstream, UpstreamConfig};

/// Routes and the upstreams that they go to, checked.
#[derive(Debug, Default)]
pub struct Plan {
    table: Arc<Table>,
    upstreams: Vec<UpstreamConfig>,
}

/// What is wrong with a plan: in which list, the number of the entry, and a message for people that
/// begins with the member.
pub type Fault = (&'static str, usize, String);

impl Plan {
    /// Puts them together, in the order of the configuration.
    pub fn new(routes: Vec<Route>, upstreams: Vec<UpstreamConfig>) -> Result<Plan, Fault> {
        for (at, upstream) in upstreams.iter().enumerate() {
            if upstreams.iter().take(at).any(|other| other.name() == upstream.name()) {
                return Err(("upstreams", at, "name: another one has it".to_owned()));
            }
        }
        for (at, route) in routes.iter().enumerate() {
            for (name, _) in route.upstreams() {
                if !upstreams.iter().any(|upstream| upstream.name() == name) {
                    let near = nearest(name, upstreams.iter().map(UpstreamConfig::name));
                    let hint = near.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
                    let what = format!("upstream: there is no upstream `{name}`{hint}");
                    return Err(("routes", at, what));
                }
            }
        }
        let table = Table::new(routes).map_err(|(at, what)| ("routes", at, what))?;
        Ok(Plan { table: Arc::new(table), upstreams })
    }

    /// The routes.
    pub fn table(&self) -> &Table {
        &self.table
    }
}

/// What holds: requests keep the snapshot that they began with.
#[derive(Default)]
pub(crate) struct Snapshot {
    pub(crate) table: Arc<Table>,
    upstreams: BTreeMap<String, Arc<Running>>,
}

/// An upstream at work; with the last snapshot that has it, its checks end.
struct Running {
    config: UpstreamConfig,
    upstream: Arc<Upstream>,
    _stopping: DropGuard,
}

impl Snapshot {
    pub(crate) fn upstream(&self, name: &str) -> Option<&Arc<Upstream>> {
        self.upstreams.get(name).map(|running| &running.upstream)
    }

    /// By their names.
    pub(crate) fn upstreams(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.upstreams.values().map(|running| &running.upstream)
    }

    /// What comes after it: upstreams that are as they were go on as they are, with their connections
    /// and what is known of their health.
    fn next(&self, plan: &Plan) -> Snapshot {
        let running = |config: &UpstreamConfig| {
            let before = self.upstreams.get(config.name()).filter(|old| old.config == *config);
            let running = before.cloned().unwrap_or_else(|| Running::begin(config.clone()));
            (config.name().to_owned(), running)
        };
        let upstreams = plan.upstreams.iter().map(running).collect();
        Snapshot { table: plan.table.clone(), upstreams }
    }
}

impl Running {
    fn begin(config: UpstreamConfig) -> Arc<Running> {
        let upstream = Upstream::new(config.clone());
        let stopping = CancellationToken::new();
        let (working, until) = (upstream.clone(), stopping.clone());
        tokio::spawn(async move { working.run(until).await });
        Arc::new(Running { config, upstream, _stopping: stopping.drop_guard() })
    }
}

/// The snapshot that holds now.
pub struct Routing(RwLock<Arc<Snapshot>>);

impl Routing {
    /// Begins; its upstreams run where it is called.
    pub(crate) fn new(plan: &Plan) -> Arc<Routing> {
        Arc::new(Routing(RwLock::new(Arc::new(Snapshot::default().next(plan)))))
    }

    pub(crate) fn now(&self) -> Arc<Snapshot> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a plan in the place of the one before, for requests that begin from now on.
    pub fn swap(&self, plan: &Plan) {
        let mut now = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *now = Arc::new(now.next(plan));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Action, Draft};
    use super::*;
    use crate::upstream;

    fn config(name: &str, port: u16) -> UpstreamConfig {
        UpstreamConfig::new(upstream::Draft {
            name: name.to_owned(),
            endpoints: vec![(format!("http://127.0.0.1:{port}"), 1)],
            ..upstream::Draft::default()
        })
        .unwrap()
    }

    fn route(name: &str, upstream: &str) -> Route {
        let action = Action::Upstream(vec![(upstream.to_owned(), 1)]);
        Route::new(Draft { name: name.to_owned(), action, ..Draft::default() }).unwrap()
    }

    #[test]
    fn a_plan_is_whole() {
        let named = || vec![config("shop", 1), config("blog", 2)];
        assert!(Plan::new(vec![route("a", "shop")], named()).is_ok());
        let (list, at, what) =
            Plan::new(vec![route("a", "shop"), route("b", "shp")], named()).unwrap_err();
        assert_eq!((list, at), ("routes", 1));
        assert_eq!(what, "upstream: there is no upstream `shp`; did you mean `shop`?");
        let twice = Plan::new(Vec::new(), vec![config("shop", 1), config("shop", 2)]);
        assert_eq!(twice.unwrap_err().0, "upstreams");
        let twice = Plan::new(vec![route("a", "shop"), route("a", "shop")], named());
        assert_eq!(twice.unwrap_err().1, 1);
    }

    #[tokio::test]
    async fn what_is_unchanged_is_not_touched() {
        let plan = |upstreams| Plan::new(vec![route("a", "shop")], upstreams).unwrap();
        let routing = Routing::new(&plan(vec![config("shop", 1), config("blog", 2)]));
        let before = routing.now();
        routing.swap(&plan(vec![config("shop", 1), config("blog", 3), config("new", 4)]));
        let after = routing.now();
        let same =
            |name: &str| Arc::ptr_eq(before.upstream(name).unwrap(), after.upstream(name).unwrap());
        assert!(same("shop") && !same("blog"));
        assert!(before.upstream("new").is_none() && after.upstream("new").is_some());
        routing.swap(&plan(vec![config("shop", 1)]));
        // Whoever began with a snapshot has all of it until the end.
        assert!(after.upstream("blog").is_some() && routing.now().upstream("blog").is_none());
        assert_eq!(routing.now().upstreams().count(), 1);
    }
}
