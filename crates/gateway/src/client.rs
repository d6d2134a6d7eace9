//! Who is at the other end when proxies stand between: the last address that nobody before us could
//! have made up.
//!
//! Each proxy appends the address that it was asked from, so the list is read from the right, and
//! only for as long as the one who wrote an entry is trusted. What stands further left came from
//! whoever is asking, and says nothing.

use std::net::{IpAddr, SocketAddr};

use forebay_http::principal::{Peer, Way};
use http::HeaderMap;
use http::header::{FORWARDED, HeaderName, VIA};
use ipnet::IpNet;

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// The header that the proxies write. The other one is passed on as the client sent it, so it is
/// not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Written {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The proxies whose word is taken.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    networks: Vec<IpNet>,
    written: Written,
}

impl Proxies {
    /// Trusts all addresses of these networks: `10.0.0.0/8`, or an address alone. The error is a
    /// message for people.
    pub fn new(networks: &[String], written: Written) -> Result<Proxies, String> {
        let read = |text: &String| {
            let text = text.trim();
            let alone = || text.parse::<IpAddr>().ok().map(IpNet::from);
            let network = text.parse::<IpNet>().ok().or_else(alone);
            network.ok_or_else(|| format!("`{text}` is no network such as 10.0.0.0/8"))
        };
        let networks = networks.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Proxies { networks, written })
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Finds the client of a connection. It has come straight to us only where no header says
    /// otherwise: one that is there by mistake or malice takes a browser on this machine its rights,
    /// and gives nobody any.
    pub(crate) fn client(&self, socket: IpAddr, headers: &HeaderMap) -> Peer {
        if !self.trusts(socket) {
            let relayed = [&FORWARDED, &X_FORWARDED_FOR, &X_REAL_IP, &VIA];
            let relayed = relayed.into_iter().any(|name| headers.contains_key(name));
            return Peer(socket, if relayed { Way::Relayed } else { Way::Direct });
        }
        let (name, read): (_, fn(&str) -> Option<IpAddr>) = match self.written {
            Written::XForwardedFor => (&X_FORWARDED_FOR, node),
            Written::Forwarded => (&FORWARDED, forwarded),
        };
        let mut client = socket;
        // A comma within quotes would be cut here too; no address has one, and what cannot be read
        // ends the walk.
        let hops = headers.get_all(name).iter().rev();
        for hop in hops.flat_map(|line| line.as_bytes().rsplit(|c| *c == b',')) {
            let hop = std::str::from_utf8(hop).unwrap_or_default();
            let Some(address) = read(hop.trim()) else { break };
            client = address;
            if !self.trusts(client) {
                break;
            }
        }
        Peer(client, Way::Relayed)
    }
}

/// The `for` of an element of `Forwarded` (RFC 7239, 4).
fn forwarded(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let mut found = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    let (_, value) = found.next()?;
    let value = value.trim();
    let bare = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    if found.next().is_some() { None } else { node(bare.unwrap_or(value)) }
}

/// An address, with or without a port or brackets.
fn node(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address = text.parse().ok().or_else(bracketed).or_else(with_port)?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn proxies(written: Written) -> Proxies {
        let networks = ["10.0.0.0/8", "127.0.0.1", "fd00::/8"].map(str::to_owned);
        Proxies::new(&networks, written).unwrap()
    }

    fn client(written: Written, socket: &str, lines: &[(&'static str, &str)]) -> (String, Way) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let Peer(address, way) = proxies(written).client(socket.parse().unwrap(), &headers);
        (address.to_string(), way)
    }

    #[test]
    fn x_forwarded_for_is_read_from_the_right() {
        let of = |socket: &str, lines: &[&str]| {
            let lines: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
            client(Written::XForwardedFor, socket, &lines).0
        };
        // Nobody's word is taken but the proxies'.
        assert_eq!(of("203.0.113.9", &["198.51.100.7"]), "203.0.113.9");
        assert_eq!(of("127.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(of("127.0.0.1", &["192.0.2.1, 198.51.100.7"]), "198.51.100.7");
        assert_eq!(of("127.0.0.1", &["127.0.0.1, 198.51.100.7"]), "198.51.100.7");
        assert_eq!(of("127.0.0.1", &["198.51.100.7,10.1.2.3 , 10.0.0.1"]), "198.51.100.7");
        // Several lines are one list.
        assert_eq!(of("127.0.0.1", &["192.0.2.1", "198.51.100.7", "10.0.0.1"]), "198.51.100.7");
        // What cannot be read ends it at the last who is known; all trusted: the first of them.
        for bad in ["unknown", "_hidden", "", "1.2.3", "198.51.100.7 x", "é", "[::1", "1.2.3.4:x"]
        {
            assert_eq!(of("127.0.0.1", &[&format!("192.0.2.1, {bad}")]), "127.0.0.1", "{bad}");
            assert_eq!(of("127.0.0.1", &[&format!("{bad}, 10.0.0.1")]), "10.0.0.1", "{bad}");
        }
        assert_eq!(of("127.0.0.1", &["10.0.0.2, 10.0.0.1"]), "10.0.0.2");
        assert_eq!(of("127.0.0.1", &[]), "127.0.0.1");
        for (written, read) in [
            ("198.51.100.7:4711", "198.51.100.7"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("::ffff:198.51.100.7", "198.51.100.7"),
        ] {
            assert_eq!(of("fd00::1", &[written]), read);
        }
    }

    #[test]
    fn forwarded_is_read_by_its_standard() {
        let of = |line: &str| client(Written::Forwarded, "127.0.0.1", &[("forwarded", line)]).0;
        for (line, read) in [
            ("for=192.0.2.43", "192.0.2.43"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("by=203.0.113.43 ; for=192.0.2.60", "192.0.2.60"),
            ("for=192.0.2.43, for=198.51.100.17", "198.51.100.17"),
            ("for=192.0.2.43, for=10.0.0.9", "192.0.2.43"),
            // A quote that a client has left open hides nothing.
            ("for=\"192.0.2.43, for=198.51.100.17", "198.51.100.17"),
            ("for=\"x, for=\"[2001:db8::1]:80\"", "2001:db8::1"),
            ("for=unknown", "127.0.0.1"),
            ("for=_gazonk", "127.0.0.1"),
            ("proto=https", "127.0.0.1"),
            ("for=192.0.2.43;for=192.0.2.44", "127.0.0.1"),
        ] {
            assert_eq!(of(line), read, "{line}");
        }
    }

    #[test]
    fn the_header_that_the_proxies_do_not_write_is_the_clients() {
        let both = [("forwarded", "for=127.0.0.1"), ("x-forwarded-for", "198.51.100.7")];
        assert_eq!(client(Written::XForwardedFor, "10.0.0.1", &both).0, "198.51.100.7");
        assert_eq!(client(Written::Forwarded, "10.0.0.1", &both).0, "127.0.0.1");
    }

    #[test]
    fn only_who_comes_straight_is_on_this_machine() {
        let way = |socket: &str, lines: &[(&'static str, &str)]| {
            client(Written::XForwardedFor, socket, lines).1
        };
        assert_eq!(way("127.0.0.2", &[]), Way::Direct);
        assert_eq!(way("127.0.0.1", &[]), Way::Relayed);
        for name in ["x-forwarded-for", "forwarded", "x-real-ip", "via"] {
            assert_eq!(way("127.0.0.2", &[(name, "x")]), Way::Relayed, "{name}");
        }
        assert_eq!(way("127.0.0.1", &[("x-forwarded-for", "127.0.0.2")]), Way::Relayed);
    }

    #[test]
    fn networks_are_networks() {
        for bad in ["10.0.0.0/33", "localhost", "", "10.0.0.0-10.0.0.9"] {
            assert!(Proxies::new(&[bad.to_owned()], Written::default()).is_err(), "{bad}");
        }
    }
}
