//! Durations, sizes and secrets as they stand in settings.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

/// A duration: a whole number and `ms`, `s`, `m`, `h` or `d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

/// A number of bytes, plain or with `KiB`, `MiB` or `GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub usize);

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        read_span(&text).ok_or_else(|| {
            de::Error::custom(format!(
                "`{text}` is not a duration such as 250ms, 10s, 5m, 24h or 7d"
            ))
        })
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        read_size(&text).ok_or_else(|| {
            de::Error::custom(format!("`{text}` is not a size such as 65536, 64KiB, 32MiB or 1GiB"))
        })
    }
}

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit.trim_start()))
}

fn read_span(text: &str) -> Option<Span> {
    let (number, unit) = split(text.trim())?;
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Span(Duration::from_millis(number.checked_mul(millis)?)))
}

fn read_size(text: &str) -> Option<Size> {
    let (number, unit) = split(text.trim())?;
    let bytes: u64 = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    Some(Size(usize::try_from(number.checked_mul(bytes)?).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        assert_eq!(read_span("250ms"), Some(Span(Duration::from_millis(250))));
        assert_eq!(read_span("7d"), Some(Span(Duration::from_secs(604_800))));
        assert_eq!(read_size("32MiB"), Some(Size(32 << 20)));
        for bad in ["", "10", "s", "-1s", "1y", "99999999999999999d"] {
            assert_eq!(read_span(bad), None, "{bad}");
        }
        assert_eq!(read_size("1.5MiB"), None);
    }
}
