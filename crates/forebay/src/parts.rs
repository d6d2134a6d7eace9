//! The parts of Forebay that a process runs, and what it needs when it does not run all of them.

use forebay_config::{Config, Secret};
use forebay_db::Settings as DbSettings;
use forebay_gateway::limit::Policy;
use forebay_http::internal::Keys;

use crate::Failure;
use crate::settings::{Services, Settings};

/// A part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// The door for everybody.
    Gateway,
    /// Who asks.
    Auth,
    /// Writes records.
    Process,
    /// Keeps and finds them.
    Store,
    /// Tells people and programs.
    Notify,
}

const ALL: [Part; 5] = [Part::Gateway, Part::Auth, Part::Process, Part::Store, Part::Notify];
/// Those that have data.
const SERVICES: [Part; 4] = [Part::Auth, Part::Process, Part::Store, Part::Notify];

impl Part {
    /// As it is called in settings, metrics and logs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Part::Gateway => "gateway",
            Part::Auth => "auth",
            Part::Process => "process",
            Part::Store => "store",
            Part::Notify => "notify",
        }
    }

    /// Where it is, if it is elsewhere.
    pub(crate) fn addresses(self, services: &Services) -> &[String] {
        match self {
            Part::Gateway => &[],
            Part::Auth => &services.auth,
            Part::Process => &services.process,
            Part::Store => &services.store,
            Part::Notify => &services.notify,
        }
    }
}

/// The parts that a process runs.
#[derive(Debug, Clone)]
pub(crate) struct Parts(Vec<Part>);

impl Parts {
    /// Those that are named; all when none is.
    pub(crate) fn of(named: &[Part]) -> Parts {
        let has = |part: &Part| named.is_empty() || named.contains(part);
        Parts(ALL.into_iter().filter(has).collect())
    }

    pub(crate) fn has(&self, part: Part) -> bool {
        self.0.contains(&part)
    }

    /// Whether this process is the whole of Forebay.
    pub(crate) fn is_all(&self) -> bool {
        self.0.len() == ALL.len()
    }

    /// Whether any of them has data.
    pub(crate) fn have_data(&self) -> bool {
        SERVICES.into_iter().any(|part| self.has(part))
    }

    /// The services that this process asks in another one: the gateway all of them, and `store` and
    /// `notify` ask `auth` who may go on reading.
    pub(crate) fn elsewhere(&self) -> Vec<Part> {
        let asked = |part: &Part| {
            let reads = self.has(Part::Store) || self.has(Part::Notify);
            !self.has(*part) && (self.has(Part::Gateway) || *part == Part::Auth && reads)
        };
        SERVICES.into_iter().filter(asked).collect()
    }

    /// Their names, for people.
    pub(crate) fn names(&self) -> String {
        self.0.iter().map(|part| part.name()).collect::<Vec<_>>().join(", ")
    }

    /// Checks that a process with these parts can work, and gives what it shows other processes; the
    /// whole of Forebay shows nothing to anybody.
    pub(crate) fn check(
        &self,
        config: &Config,
        settings: &Settings,
    ) -> Result<Option<Keys>, Failure> {
        if self.is_all() {
            return Ok(None);
        }
        let wrong = |key: &str, what: &str| Failure::Configuration(config.fault(key, what));
        if self.have_data() && matches!(settings.database, DbSettings::Sqlite { .. }) {
            let what = "parts of Forebay that run apart share one PostgreSQL, and SQLite belongs to \
                        one process: set DATABASE_URL to postgres://…, or run all parts in one \
                        process with `forebay serve`";
            return Err(wrong("database.url", what));
        }
        let Some(secret) = settings.secret.as_ref().map(Secret::reveal) else {
            let what = "parts of Forebay that run apart know each other by it: set \
                        FOREBAY_INTERNAL__SECRET to the same 32 bytes or more for all of them";
            return Err(wrong("internal.secret", what));
        };
        let keys = Keys::new(secret).map_err(|what| wrong("internal.secret", what))?;
        for part in self.elsewhere() {
            if part.addresses(&settings.services).is_empty() {
                let what = format!(
                    "this process runs {}, and has to know where `{}` is, e.g. \
                     [http://10.0.0.5:8101]",
                    self.names(),
                    part.name()
                );
                return Err(wrong(&format!("services.{}", part.name()), &what));
            }
        }
        let reads = self.has(Part::Process) && !self.has(Part::Auth);
        let counted = settings.gateway.limits.iter().any(Policy::is_quota_of_records);
        if reads && counted && settings.services.auth.is_empty() {
            let what = "`process` asks `auth` what is left of quotas of records, and has to know \
                        where it is, e.g. [http://10.0.0.5:8101]";
            return Err(wrong("services.auth", what));
        }
        let asking = !self.has(Part::Store)
            || !self.has(Part::Notify)
            || counted && !self.has(Part::Process);
        let asked = self.has(Part::Gateway) && self.has(Part::Auth) && asking;
        if asked && settings.services.listen.is_none() {
            let what = "a service elsewhere asks `auth`, which is here: this is where";
            return Err(wrong("services.listen", what));
        }
        Ok(Some(keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groupings() {
        assert!(Parts::of(&[]).is_all() && Parts::of(&ALL).is_all());
        let gateway = Parts::of(&[Part::Gateway]);
        assert!(!gateway.have_data() && !gateway.is_all());
        assert_eq!(gateway.elsewhere(), SERVICES);
        assert_eq!(Parts::of(&[Part::Store]).elsewhere(), [Part::Auth]);
        assert_eq!(Parts::of(&[Part::Notify]).elsewhere(), [Part::Auth]);
        assert!(Parts::of(&[Part::Process]).elsewhere().is_empty());
        assert!(Parts::of(&SERVICES).elsewhere().is_empty());
        let both = Parts::of(&[Part::Auth, Part::Gateway]);
        assert_eq!(both.elsewhere(), [Part::Process, Part::Store, Part::Notify]);
        assert_eq!(both.names(), "gateway, auth");
    }
}
