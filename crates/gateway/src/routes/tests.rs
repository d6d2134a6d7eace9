//! Routes: which one a request takes, by the index and by asking each.

use forebay_filter::Auth;
use http::{HeaderMap, HeaderName, Method, Uri};

use super::table::Found;
use super::*;

fn route(name: &str, wanted: Wanted) -> Draft {
    let action = Action::Upstream(vec![("u".to_owned(), 1)]);
    Draft { name: name.to_owned(), wanted, action, ..Draft::default() }
}

fn on(host: &str, prefix: &str) -> Wanted {
    Wanted { host: Some(host.to_owned()), prefix: Some(prefix.to_owned()), ..Wanted::default() }
}

fn at(path: &str) -> Wanted {
    Wanted { path: Some(path.to_owned()), ..Wanted::default() }
}

fn below(prefix: &str) -> Wanted {
    Wanted { prefix: Some(prefix.to_owned()), ..Wanted::default() }
}

fn table(drafts: Vec<Draft>) -> Table {
    let routes = drafts.into_iter().map(|draft| Route::new(draft).unwrap()).collect();
    Table::new(routes).unwrap()
}

/// The name of the route that a request takes; both ways of finding it say the same.
fn taken(table: &Table, method: &str, url: &str, headers: &[(&str, &str)]) -> String {
    let method: Method = method.parse().unwrap();
    let uri: Uri = url.parse().unwrap();
    let fields = headers.iter().map(|(name, value)| {
        (name.parse::<HeaderName>().unwrap(), http::HeaderValue::try_from(*value).unwrap())
    });
    let mut all = HeaderMap::new();
    fields.for_each(|(name, value)| {
        all.append(name, value);
    });
    let asked = Asked::new(&method, &uri, &all, "192.0.2.1".parse().unwrap());
    let found = match table.find(&asked, Asker::Known(None)) {
        Found::Route(route) => route.name().to_owned(),
        Found::Own => "own".to_owned(),
        Found::AsksWho => "who".to_owned(),
    };
    let said = table.explain(&asked, Asker::Known(None));
    let explained = said.iter().find(|said| said.taken).map_or("own", |said| &said.route);
    assert_eq!(found, explained, "{url}: {said:?}");
    found
}

#[test]
fn the_highest_priority_wins_then_the_first_in_the_file() {
    let high = Draft { priority: 10, ..route("high", at("/a/x")) };
    let low = Draft { priority: -1, ..route("low", at("/a/b")) };
    let t = table(vec![low, route("first", below("/a")), route("second", at("/a/{id}")), high]);
    assert_eq!(taken(&t, "GET", "/a/x", &[]), "high");
    assert_eq!(taken(&t, "GET", "/a/b", &[]), "first");
    assert_eq!(taken(&t, "GET", "/b", &[]), "own");
    let twice = vec![route("a", at("/a")), route("a", at("/b"))];
    let twice = twice.into_iter().map(|draft| Route::new(draft).unwrap()).collect();
    assert_eq!(Table::new(twice).unwrap_err(), (1, "name: another one has it".to_owned()));
}

#[test]
fn hosts_are_exact_or_below_a_name() {
    let t = table(vec![
        Draft { priority: 1, ..route("exact", on("shop.Example.com", "/")) },
        route("wide", on("*.example.com", "/")),
        route("deep", on("*.eu.example.com", "/")),
        route("any", below("/")),
    ]);
    for (url, name) in [
        ("http://shop.example.com/x", "exact"),
        ("http://SHOP.example.com:8080/x", "exact"),
        ("http://a.example.com/x", "wide"),
        ("http://a.eu.example.com/x", "wide"),
        ("http://example.com/x", "any"),
        ("http://evilexample.com/x", "any"),
        ("http://shop.example.com.evil/x", "any"),
        ("/x", "any"),
    ] {
        assert_eq!(taken(&t, "GET", url, &[]), name, "{url}");
    }
    assert_eq!(taken(&t, "GET", "/x", &[("host", "Shop.example.com.:80")]), "exact");
    assert!(t.names("b.a.example.com") && t.names("shop.example.com"));
    assert!(!t.names("example.com") && !t.names(""));
}

#[test]
fn paths_are_exact_prefixes_and_templates() {
    let t = table(vec![
        route("exact", at("/a/b")),
        route("root", at("/")),
        route("template", at("/a/{id}/c")),
        route("open", at("/a/{id}/*")),
        route("prefix", below("/p/q")),
        route("slash", at("/s/")),
        route("escaped", at("/\u{e4} x%2fy".replace(' ', "%20").as_str())),
    ]);
    for (path, name) in [
        ("/", "root"),
        ("/a/b", "exact"),
        ("/a/b/", "open"),
        ("/a/1/c", "template"),
        ("/a/1/d", "open"),
        ("/a/1/d/e", "open"),
        ("/a/1", "own"),
        ("/a", "own"),
        ("/p/q", "prefix"),
        ("/p/q/", "prefix"),
        ("/p/q/r/s", "prefix"),
        ("/p/qr", "own"),
        ("/p", "own"),
        ("/s/", "slash"),
        ("/s", "own"),
        ("/%C3%A4%20x%2Fy", "escaped"),
    ] {
        assert_eq!(taken(&t, "GET", path, &[]), name, "{path}");
    }
    let mut star: Uri = "*".parse().unwrap();
    normal::target(&mut star).unwrap();
    assert_eq!(taken(&table(vec![route("all", below("/"))]), "OPTIONS", "*", &[]), "own");
}

#[test]
fn own_paths_are_taken_for_a_named_host_alone() {
    let t = table(vec![route("all", below("/")), route("host", on("app.example.com", "/v1"))]);
    for path in ["/v1/streams", "/healthz", "/metrics", "/.well-known/jwks.json", "/openapi.json"] {
        assert_eq!(taken(&t, "GET", path, &[]), "own", "{path}");
    }
    assert_eq!(taken(&t, "GET", "/v1/streams", &[("host", "app.example.com")]), "host");
    assert_eq!(taken(&t, "GET", "/healthz", &[("host", "app.example.com")]), "own");
    assert_eq!(taken(&t, "GET", "/v2", &[]), "all");
    for wanted in [below("/v1/x"), at("/healthz"), at("/oauth2/{a}")] {
        let error = Route::new(route("own", wanted)).unwrap_err();
        assert!(error.starts_with("match: ") && error.contains("Forebay's own"), "{error}");
    }
}

#[test]
fn methods_headers_and_parameters_are_as_they_are_to_be() {
    let text = |text: &str| Is::Text(text.to_owned());
    let with = |headers: &[(&str, Is)], query: &[(&str, Is)]| {
        let own = |pairs: &[(&str, Is)]| {
            pairs.iter().map(|(name, is)| ((*name).to_owned(), is.clone())).collect()
        };
        Wanted { headers: own(headers), query: own(query), ..below("/") }
    };
    let t = table(vec![
        route("put", Wanted { methods: vec!["PUT".to_owned()], ..below("/") }),
        route("header", with(&[("X-Beta", text("1"))], &[])),
        route("both", with(&[("x-a", Is::There(true)), ("x-b", Is::There(false))], &[])),
        route("query", with(&[], &[("v", text("a b"))])),
        route("no-query", with(&[], &[("debug", Is::There(true))])),
        route("get", Wanted { methods: vec!["GET".to_owned()], ..below("/") }),
    ]);
    for (method, path, headers, name) in [
        ("PUT", "/", &[][..], "put"),
        ("GET", "/", &[("x-beta", "1")], "header"),
        ("GET", "/", &[("x-beta", "1"), ("x-beta", "1")], "get"),
        ("GET", "/", &[("x-beta", "2")], "get"),
        ("GET", "/", &[("x-a", "")], "both"),
        ("GET", "/", &[("x-a", ""), ("x-b", "1")], "get"),
        ("GET", "/?v=a%20b", &[], "query"),
        ("GET", "/?v=a+b&w", &[], "query"),
        ("GET", "/?v=a+b&v=c", &[], "get"),
        ("GET", "/?debug", &[], "no-query"),
        ("HEAD", "/", &[], "get"),
        ("POST", "/", &[], "own"),
    ] {
        assert_eq!(taken(&t, method, path, headers), name, "{method} {path} {headers:?}");
    }
}

#[test]
fn filters_choose_and_say_when_they_need_to_know_who() {
    let filtered = |filter: &str| Wanted { filter: Some(filter.to_owned()), ..below("/") };
    let t = table(vec![
        route("tenant", filtered("headers[\"x-tenant\"].startsWith(\"a\")")),
        route("beta", filtered("auth.roles.exists(r, r == \"beta\")")),
        route("all", below("/")),
    ]);
    assert_eq!(taken(&t, "GET", "/", &[("x-tenant", "acme")]), "tenant");
    assert_eq!(taken(&t, "GET", "/", &[]), "all");
    let (uri, headers) = ("/".parse().unwrap(), HeaderMap::new());
    let asked = Asked::new(&Method::GET, &uri, &headers, "192.0.2.1".parse().unwrap());
    assert!(matches!(t.find(&asked, Asker::Unknown), Found::AsksWho));
    let beta = Auth { roles: Some(vec!["beta".to_owned()]), ..Auth::default() };
    let found = t.find(&asked, Asker::Known(Some(&beta)));
    assert!(matches!(found, Found::Route(route) if route.name() == "beta"));
    let error = Route::new(route("x", filtered("path == method ++"))).unwrap_err();
    assert!(error.starts_with("match.filter: column "), "{error}");
}

#[test]
fn the_index_says_what_asking_each_says() {
    let segments = ["a", "b", "{x}", "c"];
    let hosts = [None, Some("h.example"), Some("*.example"), Some("*.h.example")];
    let mut drafts = Vec::new();
    for n in 0..600_usize {
        let path: Vec<&str> = (0..=n % 4).map(|at| segments[(n / (at + 1)) % 4]).collect();
        // A name stands once in a path.
        let named = |(at, segment): (usize, &&str)| segment.replace("{x}", &format!("{{x{at}}}"));
        let text: Vec<String> = path.iter().enumerate().map(named).collect();
        let tail = ["", "/*", "/"][n % 3];
        let host = hosts[n % 4].map(str::to_owned);
        let methods = if n % 5 == 0 { vec!["POST".to_owned()] } else { Vec::new() };
        let wanted = Wanted { host, methods, ..at(&format!("/{}{tail}", text.join("/"))) };
        let priority = i64::try_from(n % 7).unwrap();
        drafts.push(Draft { priority, ..route(&format!("r{n}"), wanted) });
    }
    let t = table(drafts);
    for host in ["x", "h.example", "g.example", "g.h.example"] {
        for path in ["/", "/a", "/a/", "/a/b", "/b/z/c", "/a/a/a/a", "/z/z/z/", "/c/b/a/b/c/d"] {
            for method in ["GET", "POST"] {
                taken(&t, method, path, &[("host", host)]);
            }
        }
    }
}

#[test]
fn what_is_wrong_is_named() {
    let wanted = |wanted: Wanted| route("r", wanted);
    let redirect = |status, to: &str| Action::Redirect { status, to: to.to_owned() };
    let edits = Edits { remove: vec!["host".to_owned()], ..Edits::default() };
    let base = || route("r", below("/a"));
    let secs = std::time::Duration::from_secs;
    for (draft, said) in [
        (route("A", below("/")), "name: "),
        (wanted(Wanted { host: Some("a b".into()), ..below("/") }), "match.host: `a b`"),
        (wanted(Wanted { host: Some("*".into()), ..below("/") }), "match.host: `*`"),
        (wanted(Wanted { host: Some("a.*.b".into()), ..below("/") }), "match.host: "),
        (wanted(Wanted { host: Some("a:80".into()), ..below("/") }), "match.host: "),
        (wanted(Wanted { path: Some("/b".into()), ..below("/a") }), "match.prefix: either"),
        (wanted(below("/a/")), "match.prefix: `/a/`"),
        (wanted(below("a")), "match.prefix: `a`"),
        (wanted(at("/a/../b")), "match.path: "),
        (wanted(at("/a//b")), "match.path: "),
        (wanted(at("/a%zz")), "match.path: the path holds a `%`"),
        (wanted(at("/{x}/{x}")), "match.path: the name `x`"),
        (wanted(Wanted { methods: vec!["get".into()], ..below("/") }), "match.methods: `get`"),
        (
            wanted(Wanted { headers: vec![("a b".into(), Is::There(true))], ..below("/") }),
            "match.headers: `a b`",
        ),
        (Draft { action: Action::Upstream(Vec::new()), ..base() }, "upstream: "),
        (Draft { action: Action::Upstream(vec![("u".into(), 0)]), ..base() }, "upstream: "),
        (Draft { action: redirect(200, "/"), ..base() }, "redirect.status: "),
        (Draft { action: redirect(301, "//evil"), ..base() }, "redirect.to: "),
        (Draft { action: redirect(301, "javascript:x"), ..base() }, "redirect.to: "),
        (Draft { action: redirect(301, "/{x}"), ..base() }, "redirect.to: there is no `{x}`"),
        (Draft { rewrite: Some(Rewrite::Path("b".into())), ..base() }, "rewrite.path: "),
        (
            Draft { rewrite: Some(Rewrite::Prefix("/".into())), ..wanted(at("/a")) },
            "rewrite.prefix: ",
        ),
        (Draft { rewrite: Some(Rewrite::Prefix("/../a".into())), ..base() }, "rewrite.prefix: "),
        (Draft { auth: Some("yes".into()), ..base() }, "auth: `yes`"),
        (Draft { permission: Some("routes".into()), ..base() }, "permission: `routes`"),
        (Draft { permission: Some("shops:see".into()), ..base() }, "permission: `shops:see`"),
        (
            Draft { permission: Some("metrics:read".into()), auth: Some("none".into()), ..base() },
            "permission: only",
        ),
        (Draft { timeout: Some(secs(0)), ..base() }, "timeout: "),
        (Draft { request_headers: edits.clone(), ..base() }, "request_headers.remove: `host`"),
        (Draft { response_headers: edits, ..base() }, "response_headers.remove: `host`"),
    ] {
        let error = Route::new(draft).unwrap_err();
        assert!(error.starts_with(said), "{error} is not {said}");
    }
}
