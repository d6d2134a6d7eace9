//! The service's settings.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

/// Plain data; the defaults stand in `config/app.yaml`.
#[derive(Debug, Clone)]
pub struct NotifyConfig {
    /// Private networks that channels may reach.
    pub allow_private: Vec<IpNet>,
    /// Where a process keeps what it calls itself where it holds something: the same after a restart.
    pub identity_file: PathBuf,
    /// Messages of this process that are on their way at once, to all channels and to one.
    pub in_flight: usize,
    /// To one channel.
    pub in_flight_each: usize,
    /// How long a receiver may take to answer.
    pub timeout: Duration,
    /// How long deliveries are kept that have ended.
    pub keep: Duration,
}
