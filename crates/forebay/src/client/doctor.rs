//! Shows what a running Forebay finds when it looks at itself, and what to do.

use clap::Args;
use comfy_table::Table;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use reqwest::Method;
use serde_json::Value;

use super::{Forebay, Target, other, print};
use crate::Failure;

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// Shows all checks. The exit status is 0 when all is well, 1 when somebody should look at something,
/// 2 when something does not work.
pub(super) async fn run(args: DoctorArgs) -> Result<(), Failure> {
    let forebay = Forebay::new(args.target)?;
    let request = forebay.request(Method::GET, "/v1/system/doctor").await?;
    let report: Value = forebay.send(request).await?.json().await.map_err(other)?;
    if args.json {
        print(&report.to_string())?;
    } else {
        print(&table(&report))?;
    }
    match worst(&report) {
        0 => Ok(()),
        status => Err(Failure::Found(status)),
    }
}

fn checks(report: &Value) -> &[Value] {
    report["checks"].as_array().map_or(&[], Vec::as_slice)
}

fn worst(report: &Value) -> u8 {
    let status = |check: &Value| match check["status"].as_str() {
        Some("ok") => 0,
        Some("warn") => 1,
        _ => 2,
    };
    checks(report).iter().map(status).max().unwrap_or(2)
}

fn table(report: &Value) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(["", "CHECK", "MEASURED", "WHAT TO DO"]);
    for check in checks(report) {
        let text = |name: &str| check[name].as_str().unwrap_or_default().to_owned();
        table.add_row([text("status"), text("id"), text("measured"), text("advice")]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_worst_check_is_the_status() {
        let report = |all: &[&str]| {
            let checks: Vec<Value> = all.iter().map(|status| json!({"status": status})).collect();
            json!({"checks": checks})
        };
        assert_eq!(worst(&report(&["ok", "ok"])), 0);
        assert_eq!(worst(&report(&["ok", "warn", "ok"])), 1);
        assert_eq!(worst(&report(&["warn", "fail"])), 2);
        assert_eq!(worst(&json!({})), 2);
    }
}
