//! The real servers of the tests, which stay until they are told to go.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use forebay_testkit::{Postgres, Product, SearchServer, Stop};

use crate::say;

/// Starts all that do not run; says where they are.
pub(crate) fn up() -> Result<()> {
    let mut all = Ok(());
    for (service, up) in started(&Service::ALL) {
        match up.context(service.name()) {
            Ok((url, _)) => say(&format!("{}={url}", service.variable()))?,
            Err(error) => all = Err(error),
        }
    }
    all
}

/// Stops all and drops their folders.
pub(crate) fn down() -> Result<()> {
    Service::ALL.iter().try_for_each(|service| service.down().context(service.name()))
}

/// What one run of the tests uses.
pub(crate) struct Lent {
    /// Variables, and the URLs that are told to the tests by them.
    pub(crate) told: Vec<(&'static str, String)>,
    ours: Vec<Service>,
}

impl Lent {
    /// Starts what no variable names. A search server that cannot be had here is left out, and the
    /// tests that ask for it say so.
    pub(crate) fn take() -> Result<Lent> {
        let missing: Vec<Service> = Service::ALL
            .into_iter()
            .filter(|service| std::env::var_os(service.variable()).is_none())
            .collect();
        let mut lent = Lent { told: Vec::new(), ours: Vec::new() };
        let mut failed = None;
        for (service, up) in started(&missing) {
            match up.context(service.name()) {
                Ok((url, ours)) => {
                    lent.told.push((service.variable(), url));
                    lent.ours.extend(ours.then_some(service));
                }
                Err(error) if service.can_be_missed() => {
                    // Nobody reads stderr: the tests say it too.
                    let _ = writeln!(std::io::stderr(), "xtask: {error:#}");
                }
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            None => Ok(lent),
            Some(error) => lent.give_back().and(Err(error)),
        }
    }

    /// Stops what was started for this run.
    pub(crate) fn give_back(&self) -> Result<()> {
        self.ours.iter().try_for_each(|service| service.down().context(service.name()))
    }
}

#[derive(Debug, Clone, Copy)]
enum Service {
    Postgres,
    Search(Product),
}

/// Starts services side by side; of each, its URL and whether it was started just now.
fn started(services: &[Service]) -> Vec<(Service, Result<(String, bool)>)> {
    std::thread::scope(|all| {
        let starting: Vec<_> = services.iter().map(|s| (*s, all.spawn(|| s.up()))).collect();
        let wait = |(service, up): (Service, std::thread::ScopedJoinHandle<'_, _>)| {
            (service, up.join().unwrap_or_else(|_| Err(anyhow::anyhow!("its thread panicked"))))
        };
        starting.into_iter().map(wait).collect()
    })
}

impl Service {
    const ALL: [Service; 3] = [
        Service::Postgres,
        Service::Search(Product::Elasticsearch),
        Service::Search(Product::OpenSearch),
    ];

    fn name(self) -> &'static str {
        match self {
            Service::Postgres => "PostgreSQL",
            Service::Search(Product::Elasticsearch) => "Elasticsearch",
            Service::Search(Product::OpenSearch) => "OpenSearch",
        }
    }

    /// The variable that names a server; without it one is started.
    fn variable(self) -> &'static str {
        match self {
            Service::Postgres => "FOREBAY_TEST_POSTGRES",
            Service::Search(product) => product.variable(),
        }
    }

    fn can_be_missed(self) -> bool {
        matches!(self, Service::Search(_))
    }

    /// Starts the server, or finds the one that runs; returns its URL, and whether it was started.
    fn up(self) -> Result<(String, bool)> {
        let folder = self.folder();
        if let Some(url) = self.find()? {
            return Ok((url, false));
        }
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        match self {
            Service::Postgres => {
                let server = Postgres::start(&folder)?;
                let url = server.url();
                server.leave();
                Ok((url, true))
            }
            Service::Search(product) => {
                let server = SearchServer::start(product, &folder)?;
                let url = server.url();
                server.leave()?;
                Ok((url, true))
            }
        }
    }

    fn find(self) -> Result<Option<String>> {
        let folder = self.folder();
        Ok(match self {
            Service::Postgres => Postgres::find(&folder)?.map(|server| server.url()),
            Service::Search(product) => {
                SearchServer::find(product, &folder)?.map(|server| server.url())
            }
        })
    }

    /// Stops the server and drops its folder.
    fn down(self) -> Result<()> {
        let folder = self.folder();
        match self {
            Service::Postgres => {
                if let Some(server) = Postgres::find(&folder)? {
                    server.stop(Stop::Fast)?;
                }
            }
            Service::Search(product) => {
                if let Some(mut server) = SearchServer::find(product, &folder)? {
                    server.stop(Stop::Immediate)?;
                }
            }
        }
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        Ok(())
    }

    fn folder(self) -> PathBuf {
        let name = format!("forebay-services-{}", self.name().to_lowercase());
        std::env::temp_dir().join(name.replace("postgresql", "postgres"))
    }
}
