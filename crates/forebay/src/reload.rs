//! Reads the settings again when their files change, or on SIGHUP: what can change while the process
//! runs changes whole, and what cannot be used is refused, so that what held goes on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use forebay_config::Config;
use forebay_gateway::routes::{Plan, Routing};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::settings::plan;

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(1);
/// The settings that can change.
const LIVE: [&str; 2] = ["routes", "upstreams"];

/// The settings that hold, and who is told of others.
pub(crate) struct Reloads {
    config: Config,
    routing: Arc<Routing>,
    hangup: Signal,
    seen: Vec<Look>,
}

/// A file as it was looked at: when it was written, how long it is, and which it is.
type Look = Option<(Option<SystemTime>, u64, u64)>;

/// What became of reading again.
enum Outcome {
    /// Nothing that can change has changed.
    Unchanged,
    Applied(Config, Plan),
    Refused(String),
}

impl Reloads {
    /// Begins with what holds; from here on SIGHUP does not end the process.
    pub(crate) fn new(config: Config, routing: Arc<Routing>) -> std::io::Result<Reloads> {
        let seen = look(&config.files());
        Ok(Reloads { config, routing, hangup: signal(SignalKind::hangup())?, seen })
    }

    /// Watches for as long as it is asked to.
    pub(crate) async fn watch(mut self) {
        let files = self.config.files();
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut before = self.seen.clone();
        loop {
            let asked = tokio::select! {
                asked = self.hangup.recv() => asked.is_some(),
                _ = ticks.tick() => false,
            };
            let now = look(&files);
            // A file that is being written may be read in half: it is waited for to rest.
            let rests = now == before;
            before.clone_from(&now);
            if asked || (rests && now != self.seen) {
                self.seen = now;
                self.reload().await;
            }
        }
    }

    async fn reload(&mut self) {
        let before = self.config.clone();
        let read = tokio::task::spawn_blocking(move || read(&before)).await;
        let outcome = match read.unwrap_or_else(|e| Outcome::Refused(e.to_string())) {
            Outcome::Unchanged => "unchanged",
            Outcome::Applied(config, plan) => {
                self.routing.swap(&plan);
                let routes = plan.table().routes().len();
                tracing::info!(routes, "routes and upstreams were read again");
                self.config = config;
                "applied"
            }
            Outcome::Refused(what) => {
                tracing::error!("the settings cannot be used, what held goes on: {what}");
                "refused"
            }
        };
        metrics::counter!("forebay_config_reloads_total", "outcome" => outcome).increment(1);
    }
}

fn read(before: &Config) -> Outcome {
    let config = match before.again() {
        Ok(config) => config,
        Err(error) => return Outcome::Refused(error.to_string()),
    };
    let changed = config.changed(before);
    let (live, fixed): (Vec<&str>, Vec<&str>) =
        changed.into_iter().partition(|key| LIVE.contains(key));
    if !fixed.is_empty() {
        tracing::warn!(settings = fixed.join(" "), "these have changed, which needs a restart");
    }
    if live.is_empty() {
        return Outcome::Unchanged;
    }
    match plan(&config) {
        Ok(plan) => Outcome::Applied(config, plan),
        Err(failure) => Outcome::Refused(failure.to_string()),
    }
}

fn look(files: &[PathBuf]) -> Vec<Look> {
    use std::os::unix::fs::MetadataExt as _;
    let one = |file: &PathBuf| {
        let about = std::fs::metadata(file).ok()?;
        Some((about.modified().ok(), about.len(), about.ino()))
    };
    files.iter().map(one).collect()
}
