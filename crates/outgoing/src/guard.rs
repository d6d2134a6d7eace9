//! The guard: where a call may go. A name is resolved once, refused if any of its addresses is not
//! everybody's, and connected to at the addresses that were looked at.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ipnet::IpNet;
use reqwest::Url;

use crate::address::{is_global, meant};

/// How long a name may take to be resolved.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most addresses of a name that are looked at and tried.
const MOST: usize = 32;
/// The longest URL.
const MAX_URL_BYTES: usize = 2048;
/// Ports of other protocols above the first 1024, which a page's scripts may not reach either (Fetch
/// standard, "bad port").
const OTHER_PORTS: [u16; 18] = [
    1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669,
    6679, 10080,
];

/// Why a call may not go somewhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The URL itself.
    #[error("{0}")]
    Url(&'static str),
    /// One of the name's addresses is of this machine or a private network. Which one is not said.
    #[error(
        "this is not a public address: notify.allow_private names the private networks that may \
         be reached"
    )]
    Private,
    /// The name is nobody's, or its server does not answer.
    #[error("the name cannot be resolved")]
    Unresolved,
}

/// Who knows the addresses of names.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// All addresses of a name.
    async fn resolve(&self, host: &str) -> std::io::Result<Vec<IpAddr>>;
}

/// The system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((host, 0)).await?;
        Ok(found.map(|address| address.ip()).take(MOST + 1).collect())
    }
}

/// Says where calls may go.
#[derive(Clone)]
pub struct Guard {
    allowed: Arc<[IpNet]>,
    resolver: Arc<dyn Resolver>,
}

impl Guard {
    /// Lets calls go to everybody's addresses and to these networks.
    pub fn new(allowed: Vec<IpNet>) -> Guard {
        Guard::with_resolver(allowed, Arc::new(SystemResolver))
    }

    /// The same, with another way to resolve names.
    pub fn with_resolver(allowed: Vec<IpNet>, resolver: Arc<dyn Resolver>) -> Guard {
        Guard { allowed: allowed.into(), resolver }
    }

    /// Reads a URL, and refuses one that no call may ever go to; a name is not resolved yet.
    pub fn read(&self, text: &str) -> Result<Url, Refusal> {
        if text.len() > MAX_URL_BYTES {
            return Err(Refusal::Url("a URL has at most 2048 bytes"));
        }
        let url = Url::parse(text).map_err(|_| Refusal::Url("this is not a URL"))?;
        self.check(&url)?;
        Ok(url)
    }

    /// Refuses a URL that no call may ever go to.
    pub fn check(&self, url: &Url) -> Result<(), Refusal> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refusal::Url("a URL begins with https:// or http://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Url("a URL carries no user and password"));
        }
        let host = url.host_str().unwrap_or_default();
        if host.is_empty() {
            return Err(Refusal::Url("a URL names a host"));
        }
        let literal = literal(host);
        if let Some(address) = literal
            && !self.may(address)
        {
            return Err(Refusal::Private);
        }
        // In a network that is allowed, everything there is.
        let trusted = literal.is_some_and(|address| self.is_allowed(address));
        let port = url.port_or_known_default().unwrap_or(0);
        let usual = matches!(port, 80 | 443) || port >= 1024 && !OTHER_PORTS.contains(&port);
        if trusted || usual {
            return Ok(());
        }
        Err(Refusal::Url("a URL's port is 80, 443, or one above 1023 that speaks HTTP"))
    }

    /// The addresses to connect to, all of them looked at.
    pub async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Refusal> {
        let found = match literal(host) {
            Some(address) => vec![address],
            None => {
                let resolved = tokio::time::timeout(PATIENCE, self.resolver.resolve(host)).await;
                resolved.ok().and_then(Result::ok).ok_or(Refusal::Unresolved)?
            }
        };
        if found.is_empty() || found.len() > MOST {
            return Err(Refusal::Unresolved);
        }
        if !found.iter().all(|address| self.may(*address)) {
            return Err(Refusal::Private);
        }
        Ok(found.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    fn may(&self, address: IpAddr) -> bool {
        is_global(address) || self.is_allowed(address)
    }

    fn is_allowed(&self, address: IpAddr) -> bool {
        let address = meant(address);
        self.allowed.iter().any(|net| net.contains(&address))
    }
}

/// The address that stands in a URL in the place of a name. The URL's reader has brought octal, hexadecimal
/// and short forms into the usual one (URL standard, "host parsing").
fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Names(&'static [(&'static str, &'static [&'static str])]);

    #[async_trait]
    impl Resolver for Names {
        async fn resolve(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
            let found = self.0.iter().find(|(name, _)| *name == host);
            let (_, found) = found.ok_or_else(|| std::io::Error::other("no such name"))?;
            Ok(found.iter().map(|text| text.parse().unwrap()).collect())
        }
    }

    #[test]
    fn a_private_address_is_refused_however_it_is_written() {
        let guard = Guard::new(Vec::new());
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://017700000001/",
            "http://127.0.0.1./",
            "http://%31%32%37.0.0.1/",
            "http://①②⑦.0.0.1/",
            "http://0/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[64:ff9b::10.0.0.1]/",
            "http://169.254.169.254/latest/meta-data",
            "https://10.0.0.1:8443/",
            "http://[fd00::1]/",
            "http://[fe80::1]/",
            "http://[::]/",
        ] {
            assert_eq!(guard.read(url).unwrap_err(), Refusal::Private, "{url}");
        }
    }

    #[test]
    fn a_url_is_http_to_a_usual_port_without_a_password() {
        let guard = Guard::new(Vec::new());
        for url in [
            "",
            "x",
            "//example.com/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "gopher://example.com/",
            "http://",
            "http://u:p@example.com/",
            "http://u@example.com/",
            "http://example.com:22/",
            "http://example.com:25/",
            "http://example.com:6667/",
            "http://example.com:0/",
            "http://exa mple.com/",
            "http://[::1",
        ] {
            assert!(matches!(guard.read(url), Err(Refusal::Url(_))), "{url}");
        }
        assert!(guard.read(&format!("http://example.com/{}", "x".repeat(3000))).is_err());
        for url in [
            "http://example.com/",
            "https://example.com/a?b=c",
            "https://example.com:8443/",
            "http://1.1.1.1/",
            "https://[2606:4700::1111]:443/",
        ] {
            guard.read(url).unwrap();
        }
    }

    #[tokio::test]
    async fn one_private_address_among_public_ones_is_enough() {
        let names = Names(&[
            ("good.example", &["1.1.1.1", "2606:4700::1111"]),
            ("bad.example", &["1.1.1.1", "10.0.0.1"]),
            ("mapped.example", &["::ffff:127.0.0.1"]),
            ("empty.example", &[]),
        ]);
        let guard = Guard::with_resolver(Vec::new(), Arc::new(names));
        let good = guard.addresses("good.example", 443).await.unwrap();
        assert_eq!(good[0], "1.1.1.1:443".parse().unwrap());
        assert_eq!(good.len(), 2);
        for host in ["bad.example", "mapped.example", "127.0.0.1", "[::1]"] {
            assert_eq!(guard.addresses(host, 80).await.unwrap_err(), Refusal::Private, "{host}");
        }
        for host in ["empty.example", "none.example"] {
            assert_eq!(guard.addresses(host, 80).await.unwrap_err(), Refusal::Unresolved, "{host}");
        }
    }

    #[tokio::test]
    async fn networks_that_are_allowed_are_reached_and_no_others() {
        let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap()]);
        guard.read("http://127.0.0.1:1/").unwrap();
        guard.read("http://[::ffff:127.0.0.1]/").unwrap();
        assert!(guard.addresses("127.0.0.1", 25).await.is_ok());
        for url in ["http://10.0.0.1/", "http://[::1]/", "http://169.254.169.254/"] {
            assert_eq!(guard.read(url).unwrap_err(), Refusal::Private, "{url}");
        }
    }
}
