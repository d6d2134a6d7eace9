use super::*;
use crate::meter::{Allowance, Plan};
use crate::principal::{Peer, Way};
use forebay_model::period::Period;
use forebay_model::principal::{Permission, Principal};

const SECRET: &str = "a secret of thirty-two bytes, or more";
fn now() -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000)
}

fn keys() -> Keys {
    Keys::new(SECRET).unwrap()
}

fn somebody() -> Principal {
    let permission = |text: &str| Permission::parse(text).unwrap();
    let viewer = Principal { id: "user:v".into(), name: "v".into(), ..Principal::default() };
    Principal {
        id: "user:1".into(),
        name: "Ann \"é\"".into(),
        permissions: vec![permission("records:read@stream/eu-*"), permission("*:*")],
        user_id: Some("1".into()),
        email: Some("ann@example.com".into()),
        roles: vec!["admin".into(), "b".into()],
        key_id: Some("k".into()),
        session_id: Some("s".into()),
        filter: Some("data.owner == \"me\"".into()),
        viewer: Some(Arc::new(viewer)),
        proven_at: Some(now()),
        until: Some(now()),
    }
}

fn said() -> Said {
    let left = Allowance {
        policy: "ingest".into(),
        stream: Some("orders".into()),
        each: true,
        every: 1_000,
        burst: 5,
        taken: 2_000,
    };
    let plan = Plan {
        policy: "plan".into(),
        quota: 1_000,
        period: Period::Week,
        open: true,
        count: "plan records week role 1 é".into(),
        by_stream: true,
    };
    Said {
        who: Some(Arc::new(somebody())),
        peer: Peer("2001:db8::1".parse().unwrap(), Way::Relayed),
        request_id: "r-1".into(),
        left: vec![left],
        by_stream: true,
        plans: vec![plan],
    }
}

fn asked(target: &str) -> Asked<'_> {
    Asked { method: &Method::POST, target }
}

fn headers(word: &str) -> HeaderMap {
    HeaderMap::from_iter([(INTERNAL.clone(), HeaderValue::from_str(word).unwrap())])
}

fn word() -> String {
    let word = keys().sign(asked("/v1/a?x=1"), &said(), now()).unwrap();
    assert!(word.is_sensitive());
    word.to_str().unwrap().to_owned()
}

fn later(seconds: i64) -> Timestamp {
    Timestamp::from_micros(now().micros() + seconds * 1_000_000)
}

#[test]
fn all_that_is_said_arrives() {
    let read = keys().verify(asked("/v1/a?x=1"), &headers(&word()), later(29)).unwrap();
    assert_eq!(read, said());
    let nobody = Said::by_itself("r".into());
    let word = keys().sign(asked("/"), &nobody, now()).unwrap();
    let word = HeaderMap::from_iter([(INTERNAL.clone(), word)]);
    assert_eq!(keys().verify(asked("/"), &word, now()).unwrap(), nobody);
}

#[test]
fn a_word_is_good_for_its_request_and_its_time_alone() {
    let good = headers(&word());
    let refused = |keys: &Keys, asked: Asked<'_>, headers: &HeaderMap, now| {
        let error = keys.verify(asked, headers, now).unwrap_err();
        assert_eq!(error.code, Code::Unauthenticated);
        error.cause.unwrap()
    };
    let here = asked("/v1/a?x=1");
    let other = Keys::new("another secret of thirty-two bytes!").unwrap();
    assert!(refused(&other, here, &good, now()).contains("signed"));
    let get = Asked { method: &Method::GET, target: "/v1/a?x=1" };
    assert!(refused(&keys(), get, &good, now()).contains("signed"));
    for target in ["/v1/a", "/v1/a?x=2", "/v1/b?x=1", "/v1/a?x=1&", "/internal/v1/identify"] {
        assert!(refused(&keys(), asked(target), &good, now()).contains("signed"), "{target}");
    }
    assert_eq!(refused(&keys(), here, &good, later(36)), "over");
    assert_eq!(refused(&keys(), here, &good, later(-6)), "from the future");
}

#[test]
fn nothing_else_is_a_word() {
    let whole = word();
    let mut twice = headers(&whole);
    twice.append(INTERNAL.clone(), HeaderValue::from_str(&whole).unwrap());
    let refused = |headers: &HeaderMap| keys().verify(asked("/v1/a?x=1"), headers, now()).is_err();
    assert!(refused(&HeaderMap::new()) && refused(&twice));
    for at in [2, whole.len() / 2, whole.len() - 2] {
        let changed = if whole.as_bytes()[at] == b'A' { "B" } else { "A" };
        let mut tampered = whole.clone();
        tampered.replace_range(at..=at, changed);
        assert!(refused(&headers(&tampered)), "{at}");
    }
    let parts: Vec<&str> = whole.split('.').collect();
    for bad in [
        String::new(),
        format!("2.{}.{}", parts[1], parts[2]),
        format!("1.{}.", parts[1]),
        format!("1..{}", parts[2]),
        format!("{whole}.x"),
        format!("{whole}="),
        format!("1.{}.{}", "A".repeat(MAX_BYTES), parts[2]),
    ] {
        assert!(refused(&headers(&bad)), "{}", bad.len());
    }
}

#[test]
fn a_word_of_another_life_is_not_taken() {
    // Signed with the right key, but for longer than words are good.
    let long = said().write(now(), later(3_600));
    let tag = BASE64.encode(keys().tag(asked("/"), long.as_bytes()).sign());
    let word = format!("1.{}.{tag}", BASE64.encode(&long));
    assert!(keys().verify(asked("/"), &headers(&word), now()).is_err());
    // And one that says what is not known here.
    for unknown in ["{}", "[]", "null", "{\"at\":1}"] {
        let tag = BASE64.encode(keys().tag(asked("/"), unknown.as_bytes()).sign());
        let word = format!("1.{}.{tag}", BASE64.encode(unknown));
        assert!(keys().verify(asked("/"), &headers(&word), now()).is_err(), "{unknown}");
    }
}

#[test]
fn bounds() {
    assert!(Keys::new("thirty-one bytes is not enough.").is_err());
    let mut many = somebody();
    many.permissions = vec![Permission::parse("records:read@stream/eu-*").unwrap(); 4_000];
    let said = Said { who: Some(Arc::new(many)), ..said() };
    assert_eq!(keys().sign(asked("/"), &said, now()).unwrap_err().code, Code::Forbidden);
}

#[test]
fn what_is_told_arrives_once() {
    let told = Told {
        records: vec![("orders".into(), 3), ("a-b".into(), 0)],
        refused: Some("ingest".into()),
        drawn: vec![
            Drawn { policy: "plan".into(), left: Some((1, 2, 3)) },
            Drawn { policy: "open".into(), left: None },
        ],
        identity: Some(42),
        leaving: true,
    };
    let mut headers = HeaderMap::new();
    told.write(&mut headers);
    assert_eq!(Told::take(&mut headers), told);
    assert!(headers.is_empty());
    assert_eq!(Told::take(&mut headers), Told::default());
    Told::default().write(&mut headers);
    assert!(headers.is_empty());
    let many = (0..1_000).map(|n| (format!("stream-{n}"), 2)).collect();
    Told { records: many, ..Told::default() }.write(&mut headers);
    let read = Told::take(&mut headers).records;
    assert_eq!((read.len(), read.last().cloned()), (201, Some((String::new(), 1_600))));
    headers.insert(&INTERNAL, HeaderValue::from_static("!"));
    assert_eq!(Told::take(&mut headers), Told::default());
}
