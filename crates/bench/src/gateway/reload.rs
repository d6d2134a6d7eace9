//! Settings that change under load: no request may fail by it.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};

use super::load::Client;
use super::proxies::{self, Forebay, Proxy};
use crate::KEY;

const RELOADS: usize = 10;
const CLIENTS: usize = 16;

/// Asks all the time while the routes change, and counts what fails.
pub(super) async fn measure(binary: &Path, backend: &str, table: &mut String) -> Result<()> {
    let ours = proxies::forebay(binary, backend, 2, Forebay::PLAIN).await?;
    let change = |n: usize| {
        let text = proxies::settings(backend, Forebay::PLAIN, n % 3 + 1);
        // Put in place whole, as an editor does it.
        let (new, file) = (ours.folder.path().join("new"), ours.folder.path().join("app.yaml"));
        std::fs::write(&new, text)?;
        std::fs::rename(new, file)?;
        hang_up(&ours)
    };
    let (answered, failed) = under_load(&ours, change)?;
    let applied = applied(&ours).await?;
    ensure!(applied == RELOADS, "{applied} of {RELOADS} changes were applied");
    writeln!(table, "{RELOADS} reloads: {failed} of {} requests failed", answered + failed)?;
    if Path::new("/usr/sbin/nginx").exists() {
        let nginx = proxies::nginx(proxies::NGINX, false, backend, 2)?;
        let (answered, failed) = under_load(&nginx, |_| hang_up(&nginx))?;
        let all = answered + failed;
        writeln!(table, "{RELOADS} reloads of nginx: {failed} of {all} requests failed")?;
    }
    Ok(())
}

/// Tells a process to read its settings again.
fn hang_up(proxy: &Proxy) -> Result<()> {
    let told = Command::new("kill").args(["-HUP", &proxy.pid().to_string()]).status()?;
    ensure!(told.success(), "it cannot be told");
    Ok(())
}

/// Requests that were answered, and those that were not, meanwhile.
fn under_load(proxy: &Proxy, change: impl Fn(usize) -> Result<()>) -> Result<(usize, usize)> {
    let over = AtomicBool::new(false);
    let (answered, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let ask = || {
        let mut client = None;
        while !over.load(Ordering::Relaxed) {
            let asked = match client.take().map_or_else(|| Client::connect(proxy), Ok) {
                Ok(mut open) => open.ask().map(|_| open),
                Err(error) => Err(error),
            };
            let count = if asked.is_ok() { &answered } else { &failed };
            count.fetch_add(1, Ordering::Relaxed);
            client = asked.ok();
        }
    };
    let changed = std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(ask);
        }
        let changed = (0..RELOADS).try_for_each(|n| {
            std::thread::sleep(Duration::from_millis(500));
            change(n)
        });
        std::thread::sleep(Duration::from_millis(500));
        over.store(true, Ordering::Relaxed);
        changed
    });
    changed?;
    Ok((answered.into_inner(), failed.into_inner()))
}

/// How often new settings were taken.
async fn applied(proxy: &Proxy) -> Result<usize> {
    let url = format!("http://{}/metrics", proxy.address);
    let text = reqwest::Client::new().get(url).bearer_auth(KEY).send().await?.text().await?;
    let name = "forebay_config_reloads_total{outcome=\"applied\"} ";
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    Ok(line.and_then(|count| count.parse().ok()).unwrap_or_default())
}
