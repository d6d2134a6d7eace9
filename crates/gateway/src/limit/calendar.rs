//! A quota as it is configured: so much in a day, a week or a month.

use forebay_model::period::Period;

/// The most that a quota can be.
const MOST: u64 = 1_000_000_000_000_000;

/// How much may be used in a period of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Calendar {
    pub(crate) quota: u64,
    pub(crate) period: Period,
    /// Whether records are counted, and not requests.
    pub(crate) records: bool,
    /// Whether requests pass while nobody can count them.
    pub(crate) open: bool,
}

impl Calendar {
    /// Reads `1000000/month`, what a unit of it is, and what holds when it cannot be counted; the
    /// error is a message for people.
    pub(crate) fn read(
        text: &str,
        cost: Option<&str>,
        fail: Option<&str>,
    ) -> Result<Calendar, String> {
        let wrong =
            || format!("quota: `{text}` is no quota such as 1000/day, 5000/week or 1000000/month");
        let (quota, period) = text.trim().split_once('/').ok_or_else(wrong)?;
        let quota: u64 = quota.trim().parse().map_err(|_| wrong())?;
        let period = Period::parse(period.trim()).ok_or_else(wrong)?;
        if !(1..=MOST).contains(&quota) {
            return Err(format!("quota: from 1 to {MOST}"));
        }
        let records = match cost {
            None | Some("requests") => false,
            Some("records") => true,
            Some(_) => return Err("cost: requests or records".to_owned()),
        };
        let open = match fail {
            None | Some("closed") => false,
            Some("open") => true,
            Some(_) => return Err("fail: closed or open".to_owned()),
        };
        Ok(Calendar { quota, period, records, open })
    }

    /// Its item of `RateLimit-Policy`, up to the window: months differ.
    pub(crate) fn item(&self, name: &str) -> String {
        let unit = if self.records { ";qu=\"records\"" } else { "" };
        format!("\"{name}\";q={}{unit}", self.quota)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_quota_may_say() {
        let read = |text| Calendar::read(text, None, None);
        let day = Calendar { quota: 5, period: Period::Day, records: false, open: false };
        assert_eq!(read("5/day"), Ok(day));
        assert_eq!(read(" 5 / week ").unwrap().period, Period::Week);
        let month = Calendar::read("1000000/month", Some("records"), Some("open")).unwrap();
        assert_eq!((month.records, month.open), (true, true));
        assert_eq!(month.item("plan"), "\"plan\";q=1000000;qu=\"records\"");
        for bad in ["5", "0/day", "-1/day", "1/year", "1000000000000001/day", "/day", "5/d"] {
            assert!(read(bad).unwrap_err().starts_with("quota: "), "{bad}");
        }
        assert!(Calendar::read("5/day", Some("bytes"), None).unwrap_err().starts_with("cost: "));
        assert!(Calendar::read("5/day", None, Some("half")).unwrap_err().starts_with("fail: "));
    }
}
