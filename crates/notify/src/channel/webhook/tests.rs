use aws_lc_rs::{hmac, signature};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::sign::{Secrets, Signatures};
use super::*;

const DAY: i64 = 86_400_000_000;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn both() -> Signatures {
    Signatures::read(Some(vec!["v1".to_owned(), "v1a".to_owned()])).unwrap()
}

/// Whether one of a header's signatures is good for a secret, as a receiver checks it.
fn is_good(header: &str, secret: &str, content: &str) -> bool {
    let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    header
        .split(' ')
        .filter_map(|one| one.strip_prefix("v1,"))
        .any(|tag| hmac::verify(&key, content.as_bytes(), &BASE64.decode(tag).unwrap()).is_ok())
}

#[test]
fn the_standard_s_example() {
    // Of the specification's text, "Signature scheme": secret, id, time, body and what comes out.
    let key = BASE64.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let content = r#"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}"#;
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), content.as_bytes());
    assert_eq!(BASE64.encode(tag), "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn old_and_new_secrets_sign_for_a_day() {
    let first = Secrets::renew(None, at(0)).unwrap();
    let old = first.symmetric().unwrap();
    let second = Secrets::renew(Some(first), at(DAY)).unwrap();
    let second = Secrets::read(&second.to_json()).unwrap();
    let new = second.symmetric().unwrap();
    assert_ne!(old, new);
    for (now, old_is_good) in [(DAY + 1, true), (2 * DAY - 1, true), (2 * DAY, false)] {
        let header = second.sign(both(), ("id", 7), "{}", at(now));
        assert!(is_good(&header, &new, "id.7.{}"));
        assert_eq!(is_good(&header, &old, "id.7.{}"), old_is_good);
        assert!(!is_good(&header, &new, "id.8.{}"));
        assert_eq!(header.split(' ').count(), if old_is_good { 4 } else { 2 });
    }
    // However often it is renewed, few are good at once.
    let mut all = second;
    for _ in 0..10 {
        all = Secrets::renew(Some(all), at(DAY + 2)).unwrap();
    }
    assert_eq!(all.sign(both(), ("id", 7), "{}", at(DAY + 3)).split(' ').count(), 6);
}

#[test]
fn the_public_key_checks_the_other_signature() {
    let secrets = Secrets::renew(None, at(0)).unwrap();
    let key = BASE64.decode(secrets.public().unwrap().strip_prefix("whpk_").unwrap()).unwrap();
    let header = secrets.sign(both(), ("id", 7), "{}", at(1));
    let found = header.split(' ').find_map(|one| one.strip_prefix("v1a,")).unwrap();
    let found = BASE64.decode(found).unwrap();
    let key = signature::UnparsedPublicKey::new(&signature::ED25519, key);
    key.verify(b"id.7.{}", &found).unwrap();
    assert!(key.verify(b"id.7.{} ", &found).is_err());
    assert!(Signatures::read(Some(vec![])).is_err());
    assert!(Signatures::read(Some(vec!["v2".to_owned()])).is_err());
}

#[test]
fn headers_that_say_how_a_message_is_framed_are_refused() {
    for bad in [
        json!({"host": "x"}),
        json!({"Content-Length": "1"}),
        json!({"webhook-id": "1"}),
        json!({"x": "a\r\nb: c"}),
        json!({"x": "\u{7f}"}),
        json!({"x": "é"}),
        json!({"a b": "c"}),
        json!({"": "c"}),
        json!({"x": 1}),
        json!({"x": "a".repeat(3000)}),
        json!({"X-A": "1", "x-a": "2"}),
        json!([]),
    ] {
        assert!(headers::read(Some(&bad)).is_err(), "{bad}");
    }
    let many: Map<String, Value> = (0..21).map(|n| (format!("x-{n}"), json!("1"))).collect();
    assert!(headers::read(Some(&many.into())).is_err());
    let good = headers::read(Some(&json!({"authorization": "Bearer x"}))).unwrap();
    assert_eq!(good["authorization"], "Bearer x");
}

#[test]
fn what_receivers_ask_for_is_heard_within_bounds() {
    let now = at(1_445_412_420_000_000);
    let read = |text: &str| headers::retry_after(text, now).map(|asked| asked.as_secs());
    assert_eq!(read("120"), Some(120));
    assert_eq!(read(" 7 "), Some(7));
    assert_eq!(read("Wed, 21 Oct 2015 07:28:00 GMT"), Some(60));
    assert_eq!(read("Wed, 21 Oct 2015 07:20:00 GMT"), None);
    assert_eq!(read("999999999999"), Some(86_400));
    for bad in ["", "-1", "soon", "1.5"] {
        assert_eq!(read(bad), None, "{bad}");
    }
}

#[test]
fn what_answers_mean() {
    let answer = |status, retry_after: Option<&str>| {
        let retry_after = retry_after.map(str::to_owned);
        judge(&Answer { status, body: b"a\0b".to_vec(), cut: false, retry_after }, at(0))
    };
    let seconds = |n| Verdict::Again(Duration::from_secs(n));
    for (status, verdict) in [
        (200, Verdict::Delivered),
        (204, Verdict::Delivered),
        (301, seconds(0)),
        (400, seconds(0)),
        (410, Verdict::Gone),
        (429, seconds(60)),
        (500, seconds(0)),
    ] {
        assert_eq!(answer(status, None).verdict, verdict, "{status}");
    }
    assert_eq!(answer(503, Some("7")).verdict, seconds(7));
    assert_eq!(answer(429, Some("7")).verdict, seconds(60));
    assert_eq!(answer(429, Some("70")).verdict, seconds(70));
    assert_eq!(answer(500, None).excerpt, "a\u{fffd}b");
    assert_eq!(failed(&Failure::Timeout(FLOOR)).verdict, seconds(60));
}

#[test]
fn a_text_is_shortened_at_a_character() {
    let long = "é".repeat(MAX_EXCERPT_BYTES);
    assert!(shorten(&long).len() <= MAX_EXCERPT_BYTES);
}
