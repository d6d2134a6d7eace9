//! Which route a request takes, and why none of the others: each is asked, without the index.

use std::net::IpAddr;
use std::sync::Arc;

use forebay_filter::Auth;
use forebay_model::{Code, Error};
use http::{HeaderMap, Method, Uri};

use super::matching::{Miss, is_path};
use super::normal;
use super::own::is_own;
use super::request::{Asked, Asker};
use super::route::{Action, Host, Route};
use super::table::{Found, Table};
use super::target::{place, rewritten};

/// A request that is only thought of.
#[derive(Debug)]
pub struct Question<'q> {
    /// Its method.
    pub method: &'q Method,
    /// Its target, with the host where it names one.
    pub uri: Uri,
    /// Its head.
    pub headers: &'q HeaderMap,
    /// Where it comes from.
    pub client: IpAddr,
    /// Who asks.
    pub auth: Option<&'q Auth>,
}

/// What becomes of it.
#[derive(Debug)]
pub struct Explained {
    /// Its path in its one form, which everybody is asked for.
    pub path: String,
    /// The route that it takes; none for Forebay's own services.
    pub route: Option<Arc<Route>>,
    /// Where it goes from there.
    pub went: Went,
    /// What each route says of it.
    pub said: Vec<Said>,
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Went {
    /// To Forebay's own services.
    Own,
    /// To one of these upstreams by their weights, asking for this path.
    Upstream(Vec<(String, u32)>, String),
    /// To another place.
    Redirect(u16, String),
    /// Nowhere: it is answered.
    Answer(u16),
}

impl Table {
    /// Says what becomes of a request, and why.
    ///
    /// Errors: what the gateway would refuse it with before a route is asked, or because of its path.
    pub fn answer(&self, question: Question<'_>) -> Result<Explained, Error> {
        let Question { method, mut uri, headers, client, auth } = question;
        normal::target(&mut uri)?;
        let asked = Asked::new(method, &uri, headers, client);
        let asker = Asker::Known(auth);
        let said = self.explain(&asked, asker);
        let route = match self.find(&asked, asker) {
            Found::Route(route) => Some(route.clone()),
            Found::Own | Found::AsksWho => None,
        };
        if let Some(route) = &route {
            self.one_reading(route, &asked, asker)?;
        }
        let went = match route.as_deref() {
            None => Went::Own,
            Some(route) => match &route.action {
                Action::Upstream { split, .. } => {
                    let written = rewritten(route, &uri, headers)?;
                    let path = written.as_ref().unwrap_or(&uri).path().to_owned();
                    Went::Upstream(split.clone(), path)
                }
                Action::Redirect { status, .. } => {
                    let place = place(route, &uri, headers)?;
                    let place = String::from_utf8_lossy(place.as_bytes()).into_owned();
                    Went::Redirect(status.as_u16(), place)
                }
                Action::Answer { status, .. } => Went::Answer(status.as_u16()),
            },
        };
        Ok(Explained { path: uri.path().to_owned(), route, went, said })
    }

    /// Refuses a path that a laxer service could read as another route's, unless the route lets it.
    pub(crate) fn one_reading(
        &self,
        route: &Route,
        asked: &Asked<'_>,
        asker: Asker<'_>,
    ) -> Result<(), Error> {
        let judged = !route.lax_paths && !route.upstreams().is_empty();
        let Some(other) = normal::read_laxly(asked.path).filter(|_| judged) else {
            return Ok(());
        };
        match self.find(&asked.at(&other), asker) {
            Found::Route(read) if read.name == route.name => Ok(()),
            _ => {
                Err(Error::new(Code::BadRequest, "the path can be read in two ways: see lax_paths"))
            }
        }
    }
}

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
