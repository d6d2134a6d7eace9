//! Metrics in the text format that Prometheus reads.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::names;

/// Seconds.
const LATENCIES: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// Counts.
const SIZES: [f64; 9] = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0];

/// How often samples are added up. Until then each is kept by itself, and nobody may ever ask for them.
const UPKEEP: Duration = Duration::from_secs(5);

/// What has been counted, ready to be written out.
pub struct Metrics {
    handle: PrometheusHandle,
    system: Mutex<System>,
}

impl Metrics {
    /// Starts counting.
    pub fn start() -> Result<Metrics, String> {
        let suffix = |text: &str| Matcher::Suffix(text.to_owned());
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(suffix("_seconds"), &LATENCIES)
            .and_then(|b| b.set_buckets_for_metric(suffix("_batch_requests"), &SIZES))
            .and_then(|b| b.set_buckets_for_metric(suffix("_batch_records"), &SIZES));
        let handle = builder.and_then(PrometheusBuilder::install_recorder);
        let handle = handle.map_err(|e| e.to_string())?;
        names::describe();
        let kept = handle.clone();
        let upkeep = move || loop {
            #[expect(clippy::disallowed_methods, reason = "there is nothing to wait for but time")]
            std::thread::sleep(UPKEEP);
            kept.run_upkeep();
        };
        let thread = std::thread::Builder::new().name("metrics".to_owned());
        thread.spawn(upkeep).map_err(|e| e.to_string())?;
        let system = System::new().map_err(|e| e.to_string())?;
        Ok(Metrics { handle, system: Mutex::new(system) })
    }

    /// Writes everything out, with the process's own resources as they are now.
    pub fn render(&self) -> String {
        self.handle.run_upkeep();
        let own = Pid::from_u32(std::process::id());
        let mut system = self.system.lock().unwrap_or_else(PoisonError::into_inner);
        let what = ProcessRefreshKind::nothing().with_memory().with_cpu();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), true, what);
        if let Some(process) = system.process(own) {
            #[expect(clippy::cast_precision_loss, reason = "a gauge is an f64")]
            let gauge = |value: u64| value as f64;
            metrics::gauge!("process_resident_memory_bytes").set(gauge(process.memory()));
            metrics::gauge!("process_start_time_seconds").set(gauge(process.start_time()));
            let seconds = gauge(process.accumulated_cpu_time()) / 1000.0;
            metrics::gauge!("process_cpu_seconds_total").set(seconds);
            if let Some(open) = process.open_files() {
                metrics::gauge!("process_open_fds").set(gauge(open as u64));
            }
        }
        // The library's counters are whole numbers, and this one has fractions.
        shown(&self.handle.render()).replacen(
            "# TYPE process_cpu_seconds_total gauge",
            "# TYPE process_cpu_seconds_total counter",
            1,
        )
    }
}

/// Leaves out what is no number: a gauge of something that is gone is set to that.
fn shown(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.trim_end().ends_with(" NaN")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_left_out() {
        let text = "# TYPE a gauge\na{b=\"c NaN\"} 1\na{b=\"d\"} NaN\na{b=\"e\"} 0\n";
        assert_eq!(shown(text), "# TYPE a gauge\na{b=\"c NaN\"} 1\na{b=\"e\"} 0\n");
    }
}
