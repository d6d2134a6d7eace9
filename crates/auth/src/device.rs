//! From where somebody signs in: the kind of program and the network, coarse, so that neither a new
//! version nor a new address at home is news.

use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};

use crate::session::Session;

/// What stands for the place a session is opened from.
pub(crate) fn hash(session: &Session) -> Vec<u8> {
    let kind: String = session.device.chars().filter(|c| !c.is_ascii_digit()).collect();
    let network = session.address.parse().map(network).unwrap_or_default();
    digest(&SHA256, format!("{kind}\n{network}").as_bytes()).as_ref().to_vec()
}

fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}")
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}")
        }
    }
}

/// A program's name as it is shown to people: what it says of itself, and nothing that moves the text.
pub(crate) fn shown(device: &str) -> String {
    device.chars().filter(|c| !c.is_control()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use forebay_model::time::Timestamp;

    use super::*;

    fn from(device: &str, address: &str) -> Vec<u8> {
        let time = Timestamp::from_micros(0);
        hash(&Session {
            id: String::new(),
            account: String::new(),
            counter: 0,
            rotated_at: time,
            second_factor: false,
            created_at: time,
            proven_at: time,
            last_used_at: time,
            expires_at: time,
            device: device.to_owned(),
            address: address.to_owned(),
        })
    }

    #[test]
    fn a_new_version_or_a_neighbouring_address_is_no_other_place() {
        let known = from("Firefox/128.0", "192.0.2.1");
        assert_eq!(known, from("Firefox/129.1", "192.0.2.77"));
        assert_eq!(known, from("Firefox/128.0", "::ffff:192.0.2.1"));
        assert_ne!(known, from("Chrome/128.0", "192.0.2.1"));
        assert_ne!(known, from("Firefox/128.0", "192.0.3.1"));
        assert_eq!(from("x", "2001:db8:1:2::1"), from("x", "2001:db8:1:3::9"));
        assert_ne!(from("x", "2001:db8:1::1"), from("x", "2001:db8:2::1"));
    }
}
