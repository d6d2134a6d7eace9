//! What limits may say, and whom they count together.

use super::*;
use forebay_model::principal::Permission;

fn draft(key: &[&str]) -> Draft {
    Draft {
        name: "a".to_owned(),
        key: key.iter().map(|word| (*word).to_owned()).collect(),
        rate: Some("10/s".to_owned()),
        ..Draft::default()
    }
}

fn quota(key: &[&str]) -> Draft {
    Draft { rate: None, quota: Some("5/day".to_owned()), ..draft(key) }
}

fn who(id: &str, roles: &[&str], permission: &str) -> Principal {
    Principal {
        id: id.to_owned(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        permissions: Permission::parse(permission).into_iter().collect(),
        ..Principal::default()
    }
}

fn keys(draft: &Draft, table: &Table, client: &str, who: Option<&Principal>) -> Vec<Key> {
    let asked = Asked {
        route: None,
        method: &Method::GET,
        path: "/v1/streams/orders",
        client: client.parse().unwrap(),
        who,
    };
    Policy::new(draft.clone()).unwrap().keys(table, asked, asked.stream())
}

#[test]
fn a_customers_network_is_one_address() {
    let (table, by_ip) = (Table::new(1000), draft(&["ip"]));
    let of = |client: &str| keys(&by_ip, &table, client, None);
    assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
    assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
}

#[test]
fn who_is_counted_with_whom() {
    let table = Table::new(1000);
    let (ann, bob) = (who("ann", &["a", "b"], "*:*"), who("bob", &["b"], "*:*"));
    let of = |draft: &Draft, who| keys(draft, &table, "192.0.2.1", who);
    let principal = draft(&["principal"]);
    assert_eq!(of(&principal, None), []);
    assert_ne!(of(&principal, Some(&ann)), of(&principal, Some(&bob)));
    let role = draft(&["role"]);
    assert_eq!(of(&role, Some(&ann)).len(), 2);
    assert_eq!(of(&role, Some(&ann))[1..], of(&role, Some(&bob))[..]);
    let narrowed = Draft { roles: vec!["a".to_owned()], ..role };
    assert_eq!((of(&narrowed, Some(&ann)).len(), of(&narrowed, Some(&bob)).len()), (1, 0));
    // A session has no key, and a stranger no share in a stream.
    assert_eq!(of(&draft(&["key"]), Some(&ann)), []);
    let stream = draft(&["stream"]);
    assert_eq!(of(&stream, Some(&ann)), of(&stream, Some(&bob)));
    let eve = who("eve", &[], "records:read@stream/x");
    assert_eq!(of(&stream, Some(&eve)), []);
    assert_eq!(of(&stream, None), []);
    let elsewhere = Draft { routes: vec!["/v1/me".to_owned()], ..principal };
    assert_eq!(of(&elsewhere, Some(&ann)), []);
}

#[test]
fn addresses_alone_are_looked_at_first() {
    let stage = |draft: Draft| Policy::new(draft).unwrap().stage();
    let routes = || vec!["/v1/*".to_owned()];
    assert_eq!(stage(draft(&["ip"])), Stage::Address);
    assert_eq!(stage(Draft { routes: routes(), ..draft(&["ip", "route"]) }), Stage::Address);
    assert_eq!(stage(Draft { routes: routes(), ..draft(&["route"]) }), Stage::Caller);
    assert_eq!(stage(Draft { roles: routes(), ..draft(&["ip"]) }), Stage::Caller);
    assert_eq!(stage(draft(&["ip", "stream"])), Stage::Caller);
}

#[test]
fn a_count_has_one_name() {
    let name = |draft: Draft, who: &Principal, path: &str| {
        let policy = Policy::new(draft).unwrap();
        let Measure::Calendar(calendar) = policy.measure else { panic!("{policy:?}") };
        let client = "192.0.2.1".parse().unwrap();
        let (method, who) = (&Method::GET, Some(who));
        let asked = Asked { method, path, route: None, client, who };
        let [parts] = policy.parts(asked, asked.stream())[..] else { panic!("{policy:?}") };
        policy.name(&parts, &calendar)
    };
    let (ann, bob) = (who("ann", &["a"], "*:*"), who("bob role 1 a", &["a"], "*:*"));
    let principal = || quota(&["principal"]);
    assert_eq!(name(principal(), &ann, "/v1/me"), "a requests day principal 3 ann");
    assert_eq!(name(principal(), &bob, "/v1/me"), "a requests day principal 12 bob role 1 a");
    // Which place a route has in its list says nothing.
    let routes = |routes: &[&str]| {
        let routes = routes.iter().map(|route| (*route).to_owned()).collect();
        Draft { routes, ..quota(&["route"]) }
    };
    let one = name(routes(&["/v1/me", "/v1/streams"]), &ann, "/v1/streams");
    assert_eq!(one, name(routes(&["/v1/streams"]), &bob, "/v1/streams"));
    assert_ne!(one, name(routes(&["/v1/*"]), &bob, "/v1/streams"));
}

#[test]
fn what_a_limit_may_say() {
    let text = |text: &str| Some(text.to_owned());
    let item = |draft: Draft| Policy::new(draft).unwrap().item;
    assert_eq!(item(draft(&["ip"])), "\"a\";q=10;w=1");
    let slow = Draft { rate: text("20/m"), burst: Some(5), ..draft(&["ip"]) };
    assert_eq!(item(slow), "\"a\";q=5;w=15");
    let records = Draft { cost: text("records"), ..draft(&["stream"]) };
    assert_eq!(item(records), "\"a\";q=10;qu=\"records\";w=1");
    let at_once = Draft { rate: None, concurrent: Some(3), ..draft(&["principal"]) };
    assert_eq!(item(at_once), "\"a\";q=3;qu=\"concurrent-requests\"");
    for (bad, begins) in [
        (Draft { name: String::new(), ..draft(&["ip"]) }, "name:"),
        (Draft { name: "A\"".to_owned(), ..draft(&["ip"]) }, "name:"),
        (draft(&[]), "key:"),
        (draft(&["address"]), "key:"),
        (draft(&["route"]), "routes:"),
        (Draft { routes: vec!["v1".to_owned()], ..draft(&["ip"]) }, "routes:"),
        (Draft { rate: None, ..draft(&["ip"]) }, "rate:"),
        (Draft { rate: text("10"), ..draft(&["ip"]) }, "rate:"),
        (Draft { rate: text("10/w"), ..draft(&["ip"]) }, "rate:"),
        (Draft { rate: text("0/s"), ..draft(&["ip"]) }, "rate:"),
        (Draft { rate: text("-1/s"), ..draft(&["ip"]) }, "rate:"),
        (Draft { burst: Some(0), ..draft(&["ip"]) }, "rate:"),
        (Draft { concurrent: Some(1), ..draft(&["ip"]) }, "rate:"),
        (Draft { rate: None, concurrent: Some(0), ..draft(&["ip"]) }, "concurrent:"),
        (
            Draft { rate: None, concurrent: Some(1), burst: Some(1), ..draft(&["ip"]) },
            "concurrent:",
        ),
        (Draft { cost: text("bytes"), ..draft(&["ip"]) }, "cost:"),
        (Draft { fail: text("open"), ..draft(&["ip"]) }, "fail:"),
        (Draft { quota: text("5/day"), ..draft(&["principal"]) }, "rate:"),
        (quota(&["ip"]), "key:"),
        (quota(&["principal", "ip"]), "key:"),
        (quota(&["stream"]), "key:"),
        (Draft { burst: Some(1), ..quota(&["principal"]) }, "burst:"),
        (Draft { quota: text("5/d"), ..quota(&["principal"]) }, "quota:"),
        (Draft { fail: text("half"), ..quota(&["principal"]) }, "fail:"),
    ] {
        let told = Policy::new(bad.clone()).unwrap_err();
        assert!(told.starts_with(begins), "{bad:?}: {told}");
    }
}
