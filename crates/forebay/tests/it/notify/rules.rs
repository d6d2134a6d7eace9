//! Rules: from a record to whoever wants to be told.

use forebay_model::time::Timestamp;
use serde_json::{Value, json};

use super::receiver::Came;
use super::{LOCAL, Receiver, start, text, until, webhook};
use crate::support::{Engine, Server, both};

both! {
    a_record_that_matches_is_told_once
    a_threshold_goes_from_pending_to_resolved
    who_does_not_report_is_missed
    what_is_silenced_is_told_when_the_silence_ends
    a_rule_sees_what_its_owner_sees
    what_is_wrong_with_a_rule_is_told
    a_backtest_says_what_would_have_been
    rules_survive_kill_9
}

/// The stream that the rules of these tests look at.
async fn metrics(s: &Server) {
    let body = json!({"schema": {"type": "object", "properties": {
        "host": {"type": "string", "x-index": true}, "value": {"type": "number"}}}});
    s.put("/v1/streams/metrics", body).await.expect(201);
}

async fn sample(s: &Server, host: &str, value: f64) {
    let body = json!({"host": host, "value": value});
    s.post("/v1/streams/metrics/records", body).await.expect(200);
}

/// Samples of a host, until a receiver has what is wanted.
async fn samples_until(
    s: &Server,
    (host, value): (&str, f64),
    receiver: &Receiver,
    wanted: impl Fn(&[Came]) -> bool,
) {
    let limit = std::time::Duration::from_secs(60);
    let feed = async {
        while !wanted(&receiver.came()) {
            sample(s, host, value).await;
        }
    };
    tokio::time::timeout(limit, feed).await.expect("what is wanted never comes");
}

fn kinds(came: &[Came]) -> Vec<String> {
    came.iter().map(|came| text(&came.json(), "type")).collect()
}

/// The states that the stream of alerts has, oldest first.
async fn alerts(s: &Server, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
    let limit = std::time::Duration::from_secs(60);
    let look = async {
        loop {
            let page = s.get("/v1/streams/_alerts/records?limit=1000").await.expect(200);
            let items = page["items"].as_array().unwrap().iter();
            let states: Vec<String> = items.map(|item| text(&item["data"], "state")).collect();
            if wanted(&states) {
                return states;
            }
        }
    };
    tokio::time::timeout(limit, look).await.expect("the alerts are never as wanted")
}

fn threshold(channel: &str) -> Value {
    json!({"name": "load", "stream": "metrics", "kind": "threshold",
        "filter": "data.host != \"quiet\"",
        "window": {"size": "2s", "slide": "1s"}, "value": "avg(data.value)",
        "when": "value > 80.0", "recover": "value < 70.0", "for": "1s",
        "group_by": ["data.host"], "receivers": [{"channel": channel}]})
}

mod scenario {
    use super::*;

    pub(super) async fn a_record_that_matches_is_told_once(engine: Engine) {
        let s = start(engine).await;
        metrics(&s).await;
        let receiver = Receiver::start();
        let channel = text(&webhook(&s, &receiver.at("/x")).await, "id");
        sample(&s, "early", 99.0).await;
        let rule = json!({"name": "hot", "stream": "metrics", "kind": "event",
            "filter": "data.value > 50.0", "receivers": [{"channel": channel}]});
        let made = s.post("/v1/rules", rule).await.expect(201);
        sample(&s, "a", 10.0).await;
        sample(&s, "b", 60.0).await;
        sample(&s, "c", 70.0).await;
        receiver.until(|came| came.len() >= 2);
        let came = receiver.came();
        let hosts: Vec<Value> =
            came.iter().map(|c| c.json()["data"]["record"]["data"]["host"].clone()).collect();
        // What came before the rule is not its business.
        assert!(hosts.contains(&json!("b")) && hosts.contains(&json!("c")), "{hosts:?}");
        assert_eq!(kinds(&came), ["record.matched"; 2]);
        assert_eq!(came[0].json()["data"]["rule_id"], made["id"]);
        assert_eq!(came[0].json()["data"]["rule"], "hot");
        let query = format!("&rule={}", text(&made, "id"));
        let delivered = until(&s, &query, |all| all.len() == 2).await;
        assert_eq!(delivered.len(), 2);
        // A rule that is gone tells nothing.
        s.delete(&format!("/v1/rules/{}", text(&made, "id"))).await.expect(204);
        s.get(&format!("/v1/rules/{}", text(&made, "id"))).await.problem(404, "not_found");
    }

    pub(super) async fn a_threshold_goes_from_pending_to_resolved(engine: Engine) {
        let s = start(engine).await;
        metrics(&s).await;
        let receiver = Receiver::start();
        let channel = text(&webhook(&s, &receiver.at("/x")).await, "id");
        let made = s.post("/v1/rules", threshold(&channel)).await.expect(201);
        let path = format!("/v1/rules/{}/groups", text(&made, "id"));
        samples_until(&s, ("a", 95.0), &receiver, |came| !came.is_empty()).await;
        let firing = receiver.came()[0].json();
        assert_eq!(firing["type"], "alert.firing");
        assert_eq!(firing["data"]["group"], json!({"data.host": "a"}));
        assert_eq!(firing["data"]["state"], "firing");
        assert!(firing["data"]["value"].as_f64().unwrap() > 80.0, "{firing}");
        assert!(firing["data"]["started_at"].is_string(), "{firing}");
        let groups = s.get(&path).await.expect(200);
        assert_eq!(groups["items"][0]["state"], "firing");
        let group = text(&groups["items"][0], "id");
        let seen = s.post(&format!("{path}/{group}/acknowledge"), json!({"for": "2h"})).await;
        seen.expect(200);
        let groups = s.get(&path).await.expect(200);
        assert!(groups["items"][0]["acknowledged_by"].is_string(), "{groups}");
        samples_until(&s, ("a", 20.0), &receiver, |came| came.len() >= 2).await;
        assert_eq!(kinds(&receiver.came()), ["alert.firing", "alert.resolved"]);
        let ends = |states: &[String]| states.last().is_some_and(|state| state == "resolved");
        let states = alerts(&s, ends).await;
        let changes = states.iter().filter(|state| *state != "acknowledged");
        let changes: Vec<&str> = changes.map(String::as_str).collect();
        assert_eq!(changes, ["pending", "firing", "resolved"]);
    }

    pub(super) async fn who_does_not_report_is_missed(engine: Engine) {
        let s = start(engine).await;
        metrics(&s).await;
        let receiver = Receiver::start();
        let channel = text(&webhook(&s, &receiver.at("/x")).await, "id");
        let rule = json!({"name": "silent", "stream": "metrics", "kind": "absence",
            "keys": {"field": "data.host", "from": ["a", "b"]}, "after": "2s",
            "startup_grace": "0s", "receivers": [{"channel": channel}]});
        s.post("/v1/rules", rule).await.expect(201);
        let missed = |came: &[Came], host: &str, kind: &str| {
            let is = |c: &Came| {
                c.json()["type"] == kind && c.json()["data"]["group"]["data.host"] == host
            };
            came.iter().any(is)
        };
        samples_until(&s, ("a", 1.0), &receiver, |came| missed(came, "b", "alert.firing")).await;
        assert!(!missed(&receiver.came(), "a", "alert.firing"));
        samples_until(&s, ("b", 1.0), &receiver, |came| missed(came, "b", "alert.resolved")).await;
    }

    pub(super) async fn what_is_silenced_is_told_when_the_silence_ends(engine: Engine) {
        let s = start(engine).await;
        metrics(&s).await;
        let receiver = Receiver::start();
        let hook = webhook(&s, &receiver.at("/x")).await;
        let channel = text(&hook, "id");
        let silence = json!({"matcher": "data.rule == \"load\" && data.group[\"data.host\"] == \"a\"",
            "comment": "known", "ends_at": "2100-01-01T00:00:00Z"});
        // It holds within a year.
        s.post("/v1/silences", silence.clone()).await.problem(400, "validation_failed");
        let now = Timestamp::parse(&text(&hook, "created_at")).unwrap();
        let ends_at = Timestamp::from_micros(now.micros() + 3_600_000_000).to_string();
        let mut silence = silence;
        silence["ends_at"] = ends_at.into();
        let made = s.post("/v1/silences", silence).await.expect(201);
        s.post("/v1/rules", threshold(&channel)).await.expect(201);
        // Another host is told of while this one is not.
        let limit = std::time::Duration::from_secs(60);
        let feed = async {
            while receiver.came().is_empty() {
                sample(&s, "a", 95.0).await;
                sample(&s, "b", 95.0).await;
            }
        };
        tokio::time::timeout(limit, feed).await.unwrap();
        let fire =
            |states: &[String]| states.iter().filter(|state| *state == "firing").count() == 2;
        alerts(&s, fire).await;
        assert!(receiver.came().iter().all(|c| c.json()["data"]["group"]["data.host"] == "b"));
        s.delete(&format!("/v1/silences/{}", text(&made, "id"))).await.expect(204);
        let told =
            |came: &[Came]| came.iter().any(|c| c.json()["data"]["group"]["data.host"] == "a");
        samples_until(&s, ("a", 95.0), &receiver, told).await;
    }

    pub(super) async fn a_rule_sees_what_its_owner_sees(engine: Engine) {
        let s = start(engine).await;
        let body = json!({"schema": {"type": "object", "properties": {
            "owner": {"type": "string", "x-index": true}, "n": {"type": "integer"}}},
            "access": {"read": "data.owner == auth.user_id"}});
        s.put("/v1/streams/private", body).await.expect(201);
        let (account, key) = s.program(&["editor"]).await;
        let receiver = Receiver::start();
        let hook = json!({"name": "h", "kind": "webhook", "config": {"url": receiver.at("/x")}});
        let channel = text(&s.post_by(&key, "/v1/channels", hook).await.expect(201), "id");
        let rule = json!({"name": "mine", "stream": "private", "kind": "event",
            "receivers": [{"channel": channel}]});
        let made = s.post_by(&key, "/v1/rules", rule.clone()).await.expect(201);
        for (owner, n) in [("somebody", 1), (account.as_str(), 2), ("else", 3), (&account, 4)] {
            let body = json!({"owner": owner, "n": n});
            s.post("/v1/streams/private/records", body).await.expect(200);
        }
        receiver.until(|came| came.len() >= 2);
        let mut told: Vec<i64> = receiver
            .came()
            .iter()
            .map(|c| c.json()["data"]["record"]["data"]["n"].as_i64().unwrap())
            .collect();
        told.sort_unstable();
        assert_eq!(told, [2, 4]);
        // Another's channel is none, and another's rule is not there.
        let (_, other) = s.program(&["editor"]).await;
        s.post_by(&other, "/v1/rules", rule).await.problem(400, "validation_failed");
        let path = format!("/v1/rules/{}", text(&made, "id"));
        s.get_by(&other, &path, &[]).await.problem(404, "not_found");
        let (_, viewer) = s.program(&["viewer"]).await;
        s.get_by(&viewer, "/v1/rules", &[]).await.problem(403, "forbidden");
    }

    pub(super) async fn what_is_wrong_with_a_rule_is_told(engine: Engine) {
        let s = start(engine).await;
        metrics(&s).await;
        for (change, path) in [
            (json!({"stream": "nothing"}), "/stream"),
            (json!({"filter": "data.valu > 1"}), "/filter"),
            (json!({"value": "average(data.value)"}), "/value"),
            (json!({"when": "value >"}), "/when"),
            (json!({"window": {"size": "0s"}}), "/window/size"),
            (json!({"window": {"size": "366d"}}), "/window/size"),
            (json!({"for": "soon"}), "/for"),
            (json!({"group_by": ["data.nothing"]}), "/group_by/0"),
            (json!({"receivers": [{"channel": "none"}]}), "/receivers/0/channel"),
            (json!({"receivers": [{"chanel": "none"}]}), "/receivers/0"),
            (json!({"kind": "treshold"}), "/kind"),
            (json!({"windw": {}}), "/windw"),
            (json!({"name": ""}), "/name"),
        ] {
            let mut rule = threshold("x");
            rule["receivers"] = json!([]);
            for (name, value) in change.as_object().unwrap() {
                rule[name] = value.clone();
            }
            let answer = s.post("/v1/rules", rule).await;
            assert_eq!(answer.json()["errors"][0]["path"], path, "{}", answer.json());
            assert!(answer.status == 400, "{}", answer.json());
        }
    }

    pub(super) async fn a_backtest_says_what_would_have_been(engine: Engine) {
        let s = start(engine).await;
        metrics(&s).await;
        for value in [10.0, 95.0, 96.0] {
            sample(&s, "a", value).await;
        }
        let mut rule = threshold("x");
        (rule["receivers"], rule["for"]) = (json!([]), json!("0s"));
        rule["value"] = "max(data.value)".into();
        let answer = s.post("/v1/rules/backtest", json!({"rule": rule})).await.expect(200);
        assert_eq!(answer["records"], 3, "{answer}");
        let made = s.post("/v1/rules", rule).await.expect(201);
        let path = format!("/v1/rules/{}/backtest", text(&made, "id"));
        let limit = std::time::Duration::from_secs(60);
        let fired = async {
            loop {
                let answer = s.post(&path, json!({})).await.expect(200);
                if answer["fired"] == 1 && answer["episodes"][0]["peak"] == 96.0 {
                    return answer;
                }
            }
        };
        // Its windows end when their time has come.
        let answer = tokio::time::timeout(limit, fired).await.unwrap();
        assert_eq!(answer["episodes"][0]["group"], json!({"data.host": "a"}));
        let wrong = json!({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"});
        s.post(&path, wrong).await.problem(400, "validation_failed");
    }

    pub(super) async fn rules_survive_kill_9(engine: Engine) {
        let mut s = start(engine).await;
        metrics(&s).await;
        let receiver = Receiver::start();
        let channel = text(&webhook(&s, &receiver.at("/x")).await, "id");
        let rule = json!({"name": "all", "stream": "metrics", "kind": "event",
            "receivers": [{"channel": channel}]});
        s.post("/v1/rules", rule).await.expect(201);
        let mut sent = 0;
        for cycle in 0..10 {
            for _ in 0..20 {
                sample(&s, "a", f64::from(sent)).await;
                sent += 1;
            }
            // The moment differs from cycle to cycle.
            let moment = usize::try_from(cycle * 20 + cycle).unwrap();
            receiver.until(|came| came.len() >= moment.min(1));
            s.kill();
            s.restart_with(&[LOCAL]);
        }
        let distinct = |came: &[Came]| {
            let mut ids: Vec<String> = came.iter().map(|came| came.id().to_owned()).collect();
            ids.sort_unstable();
            ids.dedup();
            ids.len()
        };
        receiver.until(|came| distinct(came) >= 200);
        // What came twice has the same id, and tells of the same record.
        let came = receiver.came();
        let mut told: Vec<(String, Value)> = came
            .iter()
            .map(|came| (came.id().to_owned(), came.json()["data"]["record"]["seq"].clone()))
            .collect();
        told.sort_by_key(|(id, _)| id.clone());
        told.dedup();
        assert_eq!(told.len(), 200);
    }
}
