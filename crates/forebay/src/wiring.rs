//! Which service is in this process and which in another: decided here, once. Behind the doors that
//! this gives out nobody knows the difference.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::Router;
use forebay_auth::config::AuthConfig;
use forebay_auth::{Auth, First, Opened};
use forebay_config::Config;
use forebay_contract::{Identity, Quotas};
use forebay_db::Db;
use forebay_gateway::config::GatewayConfig;
use forebay_gateway::service::{Deps as ServiceDeps, Patience, Service};
use forebay_gateway::{Asking, Inside, served_by};
use forebay_http::cursor::Sealer;
use forebay_http::internal::Keys;
use forebay_model::time::SharedClock;
use forebay_notify::Notify;
use forebay_notify::config::NotifyConfig;
use forebay_process::Process;
use forebay_remote::{Place, RemoteIdentity, RemoteQuotas};
use forebay_store::Store;
use forebay_store::catalog::StoredCatalog;
use forebay_store::config::{SearchConfig, StoreConfig};
use forebay_store::index::{OpenError, Search};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::parts::{Part, Parts};
use crate::serve::{not_opened, other};
use crate::settings::Settings;
use crate::{Failure, openapi};

/// What all services of a process stand on.
pub(crate) struct Ground {
    pub(crate) parts: Parts,
    /// Where a process has data.
    pub(crate) db: Option<Db>,
    pub(crate) clock: SharedClock,
    /// Cancelled when the process stops.
    pub(crate) stopping: CancellationToken,
    /// Whether it is about to.
    pub(crate) leaving: Arc<AtomicBool>,
    /// What other processes are shown, where there are some.
    pub(crate) keys: Option<Keys>,
}

/// The services, local or remote.
pub(crate) struct Wired {
    /// All of them, for the gateway of this process.
    pub(crate) routes: Router,
    /// Those of this process, for other processes.
    pub(crate) inside: Router,
    /// Who asks; a process that only writes does not ask.
    pub(crate) identity: Option<Arc<dyn Identity>>,
    /// How much is left of quotas; a process that is not told where they are counted does not ask.
    pub(crate) quotas: Option<Arc<dyn Quotas>>,
    pub(crate) auth: Option<Opened>,
    pub(crate) store: Option<Store>,
    pub(crate) notify: Option<Notify>,
    /// The indexes, where the store is.
    pub(crate) search: Option<Arc<Search>>,
    /// Those of other processes.
    pub(crate) elsewhere: Vec<Arc<Service>>,
    remote: Option<Arc<RemoteIdentity>>,
}

/// Opens what is here, and finds what is elsewhere.
pub(crate) async fn open(
    ground: &Ground,
    config: &Config,
    settings: Settings,
    first: First<'_>,
) -> Result<Wired, Failure> {
    let Settings { auth, process, store, search, notify, services, gateway, .. } = settings;
    let sealing = auth.clone();
    let opened = match &ground.db {
        Some(db) if ground.parts.has(Part::Auth) => {
            Some(Auth::open(db, ground.clock.clone(), first, auth).await.map_err(not_opened)?)
        }
        _ => None,
    };
    let places: Vec<(Part, Vec<String>)> = ground
        .parts
        .elsewhere()
        .into_iter()
        .map(|part| (part, part.addresses(&services).to_vec()))
        .collect();
    let mut wired = Wired {
        routes: Router::new(),
        inside: Router::new(),
        identity: opened.as_ref().map(|opened| opened.auth.identity()),
        quotas: opened.as_ref().map(|opened| opened.auth.quotas()),
        auth: opened,
        store: None,
        notify: None,
        search: None,
        elsewhere: Vec::new(),
        remote: None,
    };
    wired.find_identity(ground, &places)?;
    wired.find_quotas(ground, Part::Auth.addresses(&services))?;
    if let Some(db) = &ground.db {
        let catalog = StoredCatalog::new(db.clone());
        wired.open_store(ground, (db, catalog.clone()), (store, search)).await?;
        wired.open_notify(ground, (db, catalog.clone()), (notify, sealing)).await?;
        if ground.parts.has(Part::Process) {
            let (db, clock) = (db.clone(), ground.clock.clone());
            let process = Process::open(process, forebay_process::Deps { db, catalog, clock });
            wired.add(Part::Process, process.router());
        }
    }
    if let Some(opened) = &wired.auth {
        let (routes, doors) = (opened.auth.router(), opened.auth.router_for_processes());
        wired.routes = std::mem::take(&mut wired.routes).merge(served_by("auth", routes));
        wired.inside = std::mem::take(&mut wired.inside).merge(served_by("auth", doors));
    }
    if ground.parts.has(Part::Gateway) {
        wired.find_services(ground, config, &gateway, &places)?;
    }
    Ok(wired)
}

impl Wired {
    fn add(&mut self, part: Part, routes: Router) {
        let routes = served_by(part.name(), routes);
        self.routes = std::mem::take(&mut self.routes).merge(routes.clone());
        self.inside = std::mem::take(&mut self.inside).merge(routes);
    }

    /// Finds out where it is asked who somebody is.
    fn find_identity(
        &mut self,
        ground: &Ground,
        places: &[(Part, Vec<String>)],
    ) -> Result<(), Failure> {
        let place = places.iter().find(|(part, _)| *part == Part::Auth);
        let (Some((_, addresses)), Some(keys)) = (place, &ground.keys) else { return Ok(()) };
        let place =
            Place { addresses: addresses.clone(), keys: keys.clone(), clock: ground.clock.clone() };
        let remote = RemoteIdentity::new(place).map_err(|e| other(&e))?;
        self.identity = Some(remote.clone());
        self.remote = Some(remote);
        Ok(())
    }

    /// Finds out where quotas are counted. Whoever reads records asks there too.
    fn find_quotas(&mut self, ground: &Ground, addresses: &[String]) -> Result<(), Failure> {
        let Some(keys) = ground.keys.as_ref().filter(|_| !addresses.is_empty()) else {
            return Ok(());
        };
        if self.quotas.is_none() {
            let (addresses, clock) = (addresses.to_vec(), ground.clock.clone());
            let place = Place { addresses, keys: keys.clone(), clock };
            self.quotas = Some(RemoteQuotas::new(place).map_err(|e| other(&e))?);
        }
        Ok(())
    }

    /// What the gateway of this process asks, where it has one.
    pub(crate) fn asking(&self, ground: &Ground) -> Option<Asking> {
        let here = ground.parts.has(Part::Gateway);
        let (identity, quotas) = (self.identity.clone()?, self.quotas.clone()?);
        let (clock, reads) = (ground.clock.clone(), ground.parts.has(Part::Process));
        here.then_some(Asking { identity, quotas, clock, reads })
    }

    /// The way in of other processes.
    pub(crate) fn entrance(&self, ground: &Ground) -> Option<Inside> {
        let (clock, leaving) = (ground.clock.clone(), ground.leaving.clone());
        let inside = Inside::new(ground.keys.clone()?, clock, leaving);
        Some(match &self.quotas {
            Some(quotas) => inside.asking(quotas.clone()),
            None => inside,
        })
    }

    async fn open_store(
        &mut self,
        ground: &Ground,
        (db, catalog): (&Db, Arc<StoredCatalog>),
        (config, search): (StoreConfig, SearchConfig),
    ) -> Result<(), Failure> {
        let Some(identity) = self.identity.clone().filter(|_| ground.parts.has(Part::Store)) else {
            return Ok(());
        };
        let search = Search::open(search, db.clone()).await.map_err(|error| match error {
            OpenError::Unfit(what) => Failure::Engine(what),
            OpenError::Other(error) => other(&error),
        })?;
        self.search = Some(search.clone());
        let deps = forebay_store::Deps {
            db: db.clone(),
            catalog,
            search,
            identity,
            sealer: self.sealer(db).await?,
            clock: ground.clock.clone(),
            stopping: ground.stopping.clone(),
        };
        let store = Store::open(config, deps);
        store.prepare().await.map_err(|e| other(&e))?;
        self.add(Part::Store, store.router());
        self.store = Some(store);
        Ok(())
    }

    async fn open_notify(
        &mut self,
        ground: &Ground,
        (db, catalog): (&Db, Arc<StoredCatalog>),
        (config, auth): (NotifyConfig, AuthConfig),
    ) -> Result<(), Failure> {
        let Some(identity) = self.identity.clone().filter(|_| ground.parts.has(Part::Notify))
        else {
            return Ok(());
        };
        let master = match &self.auth {
            Some(opened) => opened.master.clone(),
            None => forebay_auth::master(db, &auth).await.map_err(not_opened)?,
        };
        let deps = forebay_notify::Deps {
            db: db.clone(),
            catalog,
            identity,
            sealer: self.sealer(db).await?,
            master,
            clock: ground.clock.clone(),
            stopping: ground.stopping.clone(),
        };
        let notify = Notify::open(config, deps).map_err(|e| other(&e))?;
        self.add(Part::Notify, notify.router());
        self.notify = Some(notify);
        Ok(())
    }

    async fn sealer(&self, db: &Db) -> Result<Sealer, Failure> {
        match &self.auth {
            Some(opened) => Ok(opened.sealer.clone()),
            None => forebay_auth::sealer(db).await.map_err(|e| other(&e)),
        }
    }

    /// Has the gateway hand on what is for services elsewhere.
    fn find_services(
        &mut self,
        ground: &Ground,
        config: &Config,
        gateway: &GatewayConfig,
        places: &[(Part, Vec<String>)],
    ) -> Result<(), Failure> {
        let Some(keys) = &ground.keys else { return Ok(()) };
        let patience = Patience {
            // It says itself that it takes too long.
            answer: gateway.request_timeout + Duration::from_secs(5),
            rest: (gateway.keep_alive_timeout / 2).max(Duration::from_secs(1)),
            at_once: u32::try_from(gateway.max_connections).unwrap_or(u32::MAX),
        };
        for (part, addresses) in places {
            let remote = self.remote.clone();
            let changed = move |number| {
                if let Some(remote) = &remote {
                    remote.heard(number);
                }
            };
            let deps = ServiceDeps {
                keys: keys.clone(),
                clock: ground.clock.clone(),
                changed: Box::new(changed),
                stopping: ground.stopping.clone(),
            };
            let name = part.name();
            let wrong =
                |what| Failure::Configuration(config.fault(&format!("services.{name}"), what));
            let service = Service::new(name, addresses, patience, deps).map_err(wrong)?;
            let operations = openapi::operations(*part)?;
            let routes = service.router(&operations).map_err(Failure::Other)?;
            self.routes = std::mem::take(&mut self.routes).merge(served_by(name, routes));
            self.elsewhere.push(service);
        }
        Ok(())
    }

    /// Waits for a while until every WebSocket has ended and every message is back, when the process stops.
    pub(crate) async fn hang_up(&self) {
        for service in &self.elsewhere {
            service.hang_up().await;
        }
        if let Some(store) = &self.store {
            store.sockets_closed().await;
        }
        if let Some(notify) = &self.notify {
            notify.settled().await;
        }
    }

    /// Runs the background loops of all of them, each in a task of its own, until they are aborted.
    pub(crate) fn run(&self) -> Vec<JoinHandle<()>> {
        let mut tasks = Vec::new();
        if let Some(opened) = &self.auth {
            tasks.push(tokio::spawn(opened.auth.clone().tasks()));
        }
        if let Some(store) = &self.store {
            tasks.push(tokio::spawn(store.clone().tasks()));
        }
        if let Some(notify) = &self.notify {
            tasks.push(tokio::spawn(notify.clone().tasks()));
        }
        if let Some(remote) = self.remote.clone() {
            tasks.push(tokio::spawn(async move { remote.listen_on().await }));
        }
        for service in &self.elsewhere {
            let service = service.clone();
            tasks.push(tokio::spawn(async move { service.watch().await }));
        }
        tasks
    }
}
