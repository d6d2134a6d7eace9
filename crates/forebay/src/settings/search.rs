//! How records are searched: an engine inside, or one outside with who asks there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use forebay_config::{Config, Secret, Size, Span};
use forebay_search::settings::{Credentials, Inside, Outside};
use forebay_store::config::SearchConfig;
use reqwest::Url;
use serde::Deserialize;

use crate::Failure;

/// What a writer inside needs at least, in bytes.
const LEAST_MEMORY: usize = 16 << 20;
/// What it can use at most.
const MOST_MEMORY: usize = 2 << 30;
/// How often a server makes at most visible what was written: each time costs it a piece of an index.
const LEAST_REFRESH: Duration = Duration::from_millis(500);
const MAX_PREFIX_BYTES: usize = 64;

#[derive(Deserialize)]
pub(super) struct Search {
    url: Option<Secret>,
    api_key: Option<Secret>,
    user: Option<String>,
    password: Option<Secret>,
    tls_ca: Option<PathBuf>,
    prefix: String,
    timeout: Span,
    memory: Size,
    refresh: Span,
    tail: i64,
    wait: Span,
}

impl Search {
    pub(super) fn read(self, config: &Config, data_dir: &Path) -> Result<SearchConfig, Failure> {
        let wrong = |name: &str, what: &str| {
            Failure::Configuration(config.fault(&format!("search.{name}"), what))
        };
        if !(LEAST_MEMORY..=MOST_MEMORY).contains(&self.memory.0) {
            return Err(wrong("memory", "from 16MiB to 2GiB"));
        }
        if self.tail < 0 {
            return Err(wrong("tail", "not less than 0"));
        }
        let (refresh, tail, wait) = (self.refresh.0, self.tail, self.wait.0);
        let engine = match given(self.url.as_ref()) {
            None => forebay_search::Settings::Inside(Inside {
                folder: data_dir.join("search"),
                memory: self.memory.0,
            }),
            Some(url) => {
                let url = address(url).map_err(|what| wrong("url", what))?;
                forebay_search::Settings::Outside(self.outside(url, &wrong)?)
            }
        };
        Ok(SearchConfig { engine, refresh, tail, wait })
    }

    fn outside(
        &self,
        mut url: Url,
        wrong: &dyn Fn(&str, &str) -> Failure,
    ) -> Result<Outside, Failure> {
        let credentials = self.credentials(&url).map_err(|(name, what)| wrong(name, what))?;
        // An address without a host cannot have any: this was looked at.
        let _ = (url.set_username(""), url.set_password(None));
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let named = self.prefix.starts_with(|c: char| c.is_ascii_lowercase());
        if !named || !self.prefix.chars().all(good) || self.prefix.len() > MAX_PREFIX_BYTES {
            let what = "small letters, digits and -, beginning with a letter; at most 64";
            return Err(wrong("prefix", what));
        }
        if let Some(file) = &self.tls_ca
            && let Err(error) = std::fs::metadata(file)
        {
            return Err(wrong("tls_ca", &format!("{}: {error}", file.display())));
        }
        Ok(Outside {
            url: url.as_str().trim_end_matches('/').to_owned(),
            prefix: self.prefix.clone(),
            credentials,
            ca: self.tls_ca.clone(),
            deployment: String::new(),
            timeout: self.timeout.0,
            refresh: self.refresh.0.max(LEAST_REFRESH),
        })
    }

    fn credentials(&self, url: &Url) -> Result<Credentials, (&'static str, &'static str)> {
        let key = given(self.api_key.as_ref());
        let user = self.user.as_deref().filter(|user| !user.is_empty());
        let password = given(self.password.as_ref());
        let in_url = !url.username().is_empty();
        match (key, user, password) {
            (Some(_), _, _) if in_url => Err(("api_key", "there are credentials in the URL too")),
            (Some(_), Some(_), _) => Err(("api_key", "a key, or a user with a password")),
            (Some(key), None, _) => Ok(Credentials::Key(key.to_owned())),
            (None, Some(_), _) if in_url => Err(("user", "there are credentials in the URL too")),
            (None, Some(user), Some(password)) => {
                Ok(Credentials::Password(user.to_owned(), password.to_owned()))
            }
            (None, Some(_), None) => Err(("password", "a user has one")),
            (None, None, Some(_)) => Err(("user", "a password belongs to one")),
            (None, None, None) if in_url => {
                let read = |text: &str| {
                    let text = percent_encoding(text);
                    text.ok_or(("url", "the credentials in it cannot be read"))
                };
                let password = url.password().unwrap_or_default();
                Ok(Credentials::Password(read(url.username())?, read(password)?))
            }
            (None, None, None) => Ok(Credentials::None),
        }
    }
}

/// A secret that is there.
fn given(secret: Option<&Secret>) -> Option<&str> {
    secret.map(Secret::reveal).filter(|text| !text.is_empty())
}

fn address(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "an address such as https://10.0.0.9:9200")?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("begins with http:// or https://");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("ends with the path");
    }
    Ok(url)
}

/// Reads `%41` as `A` (RFC 3986, section 2.1).
fn percent_encoding(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        let digits = std::str::from_utf8(&digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(environment: &[(&str, &str)]) -> Result<SearchConfig, String> {
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let config = Config::load(None, environment, &[]).map_err(|e| e.to_string())?;
        let search: Search = config.section("search").map_err(|e| e.to_string())?;
        search.read(&config, Path::new("data")).map_err(|e| e.to_string())
    }

    fn outside(environment: &[(&str, &str)]) -> Outside {
        match read(environment).unwrap().engine {
            forebay_search::Settings::Outside(outside) => outside,
            forebay_search::Settings::Inside(_) => panic!("inside"),
        }
    }

    #[test]
    fn inside_without_an_address() {
        let config = read(&[]).unwrap();
        let forebay_search::Settings::Inside(inside) = config.engine else { panic!("outside") };
        assert_eq!(inside.folder, Path::new("data/search"));
    }

    #[test]
    fn credentials_stand_in_the_url_or_beside_it() {
        let url = ("ELASTICSEARCH_URL", "https://ann:p%40ss@example.com:9200/es/");
        let known = outside(&[url]);
        assert_eq!(known.url, "https://example.com:9200/es");
        let Credentials::Password(user, password) = known.credentials else { panic!() };
        assert_eq!((user.as_str(), password.as_str()), ("ann", "p@ss"));
        let bare = ("ELASTICSEARCH_URL", "http://example.com");
        let key = ("FOREBAY_SEARCH__API_KEY", "abc");
        assert!(matches!(outside(&[bare, key]).credentials, Credentials::Key(_)));
        assert!(matches!(outside(&[bare]).credentials, Credentials::None));
        for wrong in [&[url, key] as &[_], &[bare, ("FOREBAY_SEARCH__PASSWORD", "s3cret")]] {
            let error = read(wrong).unwrap_err();
            assert!(error.contains("search.") && !error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        for (name, value, key) in [
            ("ELASTICSEARCH_URL", "example.com:9200", "search.url"),
            ("ELASTICSEARCH_URL", "ftp://example.com", "search.url"),
            ("ELASTICSEARCH_URL", "http://example.com/?a=b", "search.url"),
            ("FOREBAY_SEARCH__MEMORY", "1MiB", "search.memory"),
            ("FOREBAY_SEARCH__TAIL", "-1", "search.tail"),
        ] {
            let error = read(&[(name, value)]).unwrap_err();
            assert!(error.contains(&format!("{name}: {key}: ")), "{error}");
        }
        let url = ("ELASTICSEARCH_URL", "http://example.com");
        assert!(read(&[url, ("FOREBAY_SEARCH__PREFIX", "A b")]).is_err());
    }
}
