use std::time::Duration;

use forebay_outgoing::Guard;
use serde_json::json;

use super::*;

fn means() -> Means {
    let client = Client::new(Guard::new(Vec::new())).unwrap();
    Means { client, timeout: Duration::from_secs(1), office: None, channel: String::new() }
}

fn build(kind: &dyn ChannelKind, config: &Value) -> Result<Arc<dyn Channel>> {
    let now = Timestamp::from_micros(0);
    let secrets = kind.renew(None, now).unwrap().unwrap_or_default();
    let members = config.as_object().unwrap();
    kind.build(Config { members, secrets: &secrets }, &means())
}

#[test]
fn each_kind_stands_once_and_in_order() {
    assert!(CHANNELS.windows(2).all(|two| two[0].name() < two[1].name()));
    for known in CHANNELS {
        assert_eq!(kind(known.name()).unwrap().name(), known.name());
        assert!(!known.about().is_empty());
    }
    let error = kind("webhok").err().unwrap();
    assert!(error.errors[0].message.contains("did you mean `webhook`?"), "{error:?}");
}

#[test]
fn each_kind_is_built_from_its_example_and_refuses_what_it_does_not_know() {
    for kind in CHANNELS {
        let example = kind.example();
        build(*kind, &example).map(|_| ()).unwrap();
        let properties = kind.schema()["properties"].as_object().unwrap().clone();
        for name in example.as_object().unwrap().keys().map(String::as_str) {
            assert!(properties.contains_key(name), "{name}");
        }
        for name in kind.secret_members() {
            assert!(properties.contains_key(*name), "{name}");
        }
        let mut more = example.clone();
        more["bogus"] = json!(1);
        let error = build(*kind, &more).err().unwrap();
        assert_eq!(error.errors[0].path, "/bogus");
        for name in properties.keys() {
            let mut wrong = example.clone();
            wrong[name] = json!([[1]]);
            assert!(build(*kind, &wrong).is_err(), "{name}");
        }
    }
}
