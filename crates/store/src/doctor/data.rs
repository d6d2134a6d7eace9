//! The record log: whether positions have no hole.

use forebay_db::DbError;
use forebay_db::log::scan::holes;

use super::Finding;
use crate::Inner;

pub(super) const LOG_GAP_FREE: &str = "data.log_gap_free";

/// Whether each position that a stream keeps has a record.
pub(super) async fn log_gap_free(inner: &Inner) -> Result<Vec<Finding>, DbError> {
    let (mut findings, mut streams, mut records) = (Vec::new(), 0_usize, 0);
    for head in super::streams(inner).await? {
        let mut conn = inner.db.reader(forebay_db::Look::Scan).await?;
        let counted = match holes(&mut conn, head.number).await {
            Ok(counted) => counted,
            // It went meanwhile.
            Err(DbError::Gone(_)) => continue,
            Err(error) => return Err(error),
        };
        if counted.expected == counted.found {
            streams += 1;
            records += counted.found;
            continue;
        }
        let measured = format!(
            "{}: {} records were numbered and not erased, {} are there",
            head.name, counted.expected, counted.found
        );
        let advice =
            "records are lost, or there are more than were numbered: restore from a backup";
        findings.push(Finding::fail(LOG_GAP_FREE, measured, advice));
    }
    if findings.is_empty() {
        let measured = format!("{streams} streams, {records} records, no hole");
        findings.push(Finding::ok(LOG_GAP_FREE, measured));
    }
    Ok(findings)
}
