use forebay_outgoing::Client;

use super::*;

fn build(config: &Value) -> Result<Arc<dyn Channel>> {
    let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap()]);
    let means = Means {
        client: Client::new(guard).unwrap(),
        timeout: Duration::from_secs(1),
        office: None,
        channel: "c".to_owned(),
    };
    let members = config.as_object().unwrap();
    Email.build(Config { members, secrets: &Value::Null }, &means)
}

fn with(name: &str, value: Value) -> Value {
    let mut config = Email.example();
    config[name] = value;
    config
}

#[test]
fn a_private_server_or_an_odd_port_is_refused_and_an_allowed_one_is_not() {
    for host in
        ["10.0.0.1", "::1", "[::1]", "169.254.169.254", "0x0a.1", "a/b", "a?b", "u@h", "", "a b"]
    {
        let error = build(&with("host", json!(host))).err().unwrap();
        assert_eq!(error.errors[0].path, "/host", "{host}");
    }
    for port in [22, 6667] {
        assert!(build(&with("port", json!(port))).is_err(), "{port}");
    }
    for port in [25, 465, 587, 2525] {
        assert!(build(&with("port", json!(port))).is_ok(), "{port}");
    }
    let mut local = with("host", json!("127.0.0.1"));
    local["port"] = json!(26);
    assert!(build(&local).is_ok());
}

#[test]
fn what_could_be_more_than_an_address_is_refused() {
    for to in ["", "a", "a@b\r\nBcc: c@d", "a@b\nX", "a@b c@d", "a@b>,<c@d", "<a@b>"] {
        let error = build(&with("to", json!(to))).err().unwrap();
        assert_eq!(error.errors[0].path, "/to", "{to:?}");
    }
    for from in ["", "x", "A\r\nBcc: c@d <a@b>", "A <a@b\r\n>", "<a@b> <c@d>"] {
        let error = build(&with("from", json!(from))).err().unwrap();
        assert_eq!(error.errors[0].path, "/from", "{from:?}");
    }
    assert!(build(&with("from", json!("Förebay <a@example.com>"))).is_ok());
}

#[test]
fn members_go_together() {
    let refused = |config: Value, path: &str| {
        assert_eq!(build(&config).err().unwrap().errors[0].path, path, "{config}");
    };
    refused(json!({"to": "a@example.com"}), "/host");
    refused(json!({"to": "a@example.com", "port": 25}), "/port");
    refused(with("accounts", json!(true)), "/to");
    refused(with("tls", json!("none")), "/tls");
    refused(with("password", Value::Null), "/user");
    let mut config = Email.example();
    config.as_object_mut().unwrap().remove("from");
    refused(config, "/from");
}

#[test]
fn five_is_for_good_and_four_is_not() {
    let verdict = |fault: Fault| (judge(&fault).verdict, judge(&fault).name);
    assert_eq!(verdict(Fault::Never(550, "x".into())), (Verdict::Never, "refused"));
    assert_eq!(verdict(Fault::Later(451, "x".into())), (Verdict::Again(FLOOR), "deferred"));
    let soon = Verdict::Again(Duration::ZERO);
    assert_eq!(verdict(Fault::Login(535, "x".into())), (soon, "login_refused"));
    assert_eq!(verdict(Fault::Connection("x".into())), (soon, "unreachable"));
    assert_eq!(judge(&Fault::Never(550, "a\0".repeat(5000))).excerpt.chars().count(), MAX_ANSWER);
}
