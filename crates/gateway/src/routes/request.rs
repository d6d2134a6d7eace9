//! A request as routes see it, and as their filters speak of it: `method`, `host`, `path`, `client`,
//! `headers["x-tenant"]`, `query.page`, `auth.roles`.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::net::IpAddr;

use forebay_filter::{Auth, Env, Filter, Scope, Type, Val, View};
use forebay_model::time::Timestamp;
use http::header::HOST;
use http::{HeaderMap, Method, Uri};
use serde_json::{Map, Value};

/// What is asked, by whom as far as the connection says it.
#[derive(Debug)]
pub struct Asked<'r> {
    pub(crate) method: &'r Method,
    /// In lower case, without its port.
    pub(crate) host: Cow<'r, str>,
    /// In its one form.
    pub(crate) path: &'r str,
    pub(crate) query: Option<&'r str>,
    pub(crate) headers: &'r HeaderMap,
    pub(crate) client: IpAddr,
    fields: OnceCell<Value>,
    parameters: OnceCell<Value>,
}

/// Who asks, as far as that is known.
#[derive(Debug, Clone, Copy)]
pub enum Asker<'r> {
    /// Nobody has looked yet.
    Unknown,
    /// Whoever shows a credential, or nobody.
    Known(Option<&'r Auth>),
}

impl<'r> Asked<'r> {
    /// Takes a request whose path is in its one form.
    pub(crate) fn new(
        method: &'r Method,
        uri: &'r Uri,
        headers: &'r HeaderMap,
        client: IpAddr,
    ) -> Asked<'r> {
        Asked {
            method,
            host: host(uri, headers),
            path: uri.path(),
            query: uri.query(),
            headers,
            client,
            fields: OnceCell::new(),
            parameters: OnceCell::new(),
        }
    }

    /// The same request for another path.
    pub(crate) fn at<'a>(&'a self, path: &'a str) -> Asked<'a> {
        Asked {
            path,
            host: Cow::Borrowed(&self.host),
            fields: self.fields.clone(),
            parameters: self.parameters.clone(),
            ..*self
        }
    }

    /// The values of a query parameter.
    pub(crate) fn parameters<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
        let all = form_urlencoded::parse(self.query.unwrap_or_default().as_bytes());
        all.filter(move |(known, _)| known == name).map(|(_, value)| value)
    }

    /// What a filter says of it: true, false or unknown.
    pub(crate) fn verdict(&self, filter: &Filter, auth: Option<&Auth>) -> Option<bool> {
        let client = self.client.to_canonical().to_string();
        let given = [
            Val::Text(Cow::Borrowed(self.method.as_str())),
            Val::Text(Cow::Borrowed(&self.host)),
            Val::Text(Cow::Borrowed(self.path)),
            Val::Text(Cow::Borrowed(&client)),
            Val::Tree(self.fields.get_or_init(|| fields(self.headers))),
            Val::Tree(self.parameters.get_or_init(|| parameters(self.query))),
        ];
        // Filters that ask for the time were refused.
        let env = Env { now: Timestamp::from_micros(0), auth, given: &given };
        let nothing = View { id: "", seq: 0, version: 0, time: 0, received_at: 0, data: "" };
        filter.verdict(&nothing, &env)
    }
}

/// Reads a route's filter; the error is a message for people.
pub(crate) fn filter(text: &str) -> Result<Filter, String> {
    let text_of = |name: &str| (name.to_owned(), Type::Text);
    let object = |name: &str| (name.to_owned(), Type::Object);
    let given = [
        text_of("method"),
        text_of("host"),
        text_of("path"),
        text_of("client"),
        object("headers"),
        object("query"),
    ];
    let filter = Filter::compile(text, Scope::given(&given)).map_err(|mistakes| {
        let all = mistakes.all.iter().map(|mistake| {
            let (column, _) = mistakes.place(mistake);
            format!("column {column}: {}", mistake.message)
        });
        all.collect::<Vec<_>>().join("; ")
    })?;
    if filter.asks_the_time() {
        return Err("where a request goes does not hang on the time".to_owned());
    }
    Ok(filter)
}

/// The host that is asked for: the target's where it has one (RFC 9112, 3.2.2), else `Host`.
pub(crate) fn host<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> Cow<'r, str> {
    let said = || headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    bare(uri.authority().map_or_else(said, |authority| authority.as_str()))
}

/// A host without its port, and without the dot of the root, in lower case.
pub(crate) fn bare(host: &str) -> Cow<'_, str> {
    let port = |(_, port): &(&str, &str)| port.bytes().all(|c| c.is_ascii_digit());
    let host = host.rsplit_once(':').filter(port).map_or(host, |(host, _)| host);
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|c| c.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

/// Each header field with its lines as one (RFC 9110, 5.3); what is no text is not there.
fn fields(headers: &HeaderMap) -> Value {
    let mut all = Map::new();
    for name in headers.keys() {
        let lines = headers.get_all(name).iter().map(|line| std::str::from_utf8(line.as_bytes()));
        if let Ok(lines) = lines.collect::<Result<Vec<_>, _>>() {
            all.insert(name.as_str().to_owned(), lines.join(", ").into());
        }
    }
    Value::Object(all)
}

/// Each parameter; one that stands there more than once is a list.
fn parameters(query: Option<&str>) -> Value {
    let mut all = Map::new();
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let value = Value::from(value.into_owned());
        match all.get_mut(name.as_ref()) {
            None => {
                all.insert(name.into_owned(), value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_compared_bare() {
        for (given, host) in [
            ("Shop.Example.com:8443", "shop.example.com"),
            ("shop.example.com.", "shop.example.com"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("127.0.0.1", "127.0.0.1"),
            ("", ""),
        ] {
            assert_eq!(bare(given), host, "{given}");
        }
        let headers = HeaderMap::from_iter([(HOST, "b.example".parse().unwrap())]);
        assert_eq!(host(&"http://a.example:1/x".parse().unwrap(), &headers), "a.example");
        assert_eq!(host(&"/x".parse().unwrap(), &headers), "b.example");
    }

    #[test]
    fn filters_speak_of_the_request() {
        let mut headers = HeaderMap::new();
        headers.insert("x-tenant", "acme".parse().unwrap());
        headers.append("accept", "text/html".parse().unwrap());
        headers.append("accept", "text/plain".parse().unwrap());
        headers.insert(HOST, "Shop.example:80".parse().unwrap());
        let uri: Uri = "/a/b?page=2&tag=x&tag=y".parse().unwrap();
        let client = "::ffff:10.1.2.3".parse().unwrap();
        let asked = Asked::new(&Method::PUT, &uri, &headers, client);
        let auth = Auth { roles: Some(vec!["beta".to_owned()]), ..Auth::default() };
        for (text, verdict) in [
            (r#"method == "PUT" && host == "shop.example" && path.startsWith("/a/")"#, Some(true)),
            (r#"headers["x-tenant"] == "acme" && client.startsWith("10.")"#, Some(true)),
            (r#"headers.accept == "text/html, text/plain""#, Some(true)),
            (r#"has(headers.cookie)"#, Some(false)),
            (r#"headers.cookie == "a""#, None),
            (r#"query.page == "2" && query.tag.exists(t, t == "y")"#, Some(true)),
            (r#"query.tag == "x""#, None),
            (r#"auth.roles.exists(r, r == "beta")"#, Some(true)),
            (r#"auth.user_id == "u""#, None),
        ] {
            let filter = filter(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(asked.verdict(&filter, Some(&auth)), verdict, "{text}");
        }
    }

    #[test]
    fn a_filter_that_cannot_be_read_says_where() {
        for (text, said) in [
            ("methd == \"GET\"", "column 1: there is no `methd` here; did you mean `method`?"),
            ("data.a == 1", "column 1: "),
            ("path", "column 1: a condition is asked for"),
            ("auth.user == \"a\"", "did you mean `auth.user_id`?"),
            ("path == 1", "column "),
            ("now() > now()", "time"),
        ] {
            let error = filter(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
