//! E-mail addresses: as they are compared, and which are taken.

use forebay_model::{Error, FieldError, Result};
use unicode_normalization::UnicodeNormalization as _;

const MAX_BYTES: usize = 254;

/// An address as it is compared: one spelling a letter, whatever its case or width.
pub(crate) fn key(email: &str) -> String {
    email.trim().nfkc().flat_map(char::to_lowercase).nfkc().collect()
}

/// Reads the member `/email` of somebody new.
pub(crate) fn check(email: &str) -> Result<()> {
    let plain = |c: char| !c.is_control() && !c.is_whitespace();
    let (local, domain) = email.rsplit_once('@').unwrap_or_default();
    let whole = !local.is_empty() && !local.contains('@') && !domain.is_empty();
    if whole && email.len() <= MAX_BYTES && email.chars().all(plain) {
        return Ok(());
    }
    let message = "an address is written name@example.com";
    Err(Error::invalid(FieldError::new("/email", "invalid", message)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_however_it_is_typed() {
        for typed in
            ["ann@example.com", " Ann@Example.COM ", "ＡＮＮ@example.com", "Ann@ＥＸＡＭＰＬＥ.com"]
        {
            assert_eq!(key(typed), "ann@example.com", "{typed}");
        }
        assert_eq!(key("zoe\u{308}@x"), key("zo\u{eb}@X"));
        assert_ne!(key("ann+a@example.com"), key("ann@example.com"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        assert!(check("a@b").is_ok() && check("añn+x@exämple.com").is_ok());
        let long = format!("{}@b", "a".repeat(254));
        for bad in ["", "a", "@b", "a@", "a b@c", "a@b@c", "a\0@b", "a\n@b", &long] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }
}
