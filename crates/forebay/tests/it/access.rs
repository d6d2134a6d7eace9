//! The leak matrix: every door that shows a record, by who asks, against what the rules say.

use crate::support::both;

both! {
    no_door_shows_what_may_not_be_seen
    no_door_leaks_while_rules_and_roles_change
    a_rule_that_changes_ends_subscriptions
    rules_are_checked
}

mod scenario {
    use std::sync::atomic::{AtomicBool, Ordering};

    use forebay_filter::{Auth, Env, Filter, Scope, View};
    use forebay_model::time::Timestamp;
    use reqwest::Method;
    use serde_json::{Value, json};

    use crate::doors::OPERATIONS;
    use crate::events::{Events, Socket};
    use crate::support::{Answer, Engine, Server, answer, orders};

    const STREAM: &str = "/v1/streams/orders";
    const RECORDS: &str = "/v1/streams/orders/records";

    /// Operations that show records, each asked by `Asker::sees` or `Asker::follows`.
    const DOORS: &[(&str, &str)] = &[
        ("GET", "/v1/streams/orders/records"),
        ("GET", "/v1/streams/orders/records/a"),
        ("GET", "/v1/streams/orders/export"),
        ("POST", "/v1/streams/orders/aggregate"),
        // By `search::sight`.
        ("GET", "/v1/streams/orders/search"),
        ("GET", "/v1/streams/orders/subscribe"),
        ("GET", "/v1/subscribe"),
    ];

    /// Operations under a stream or above all that show none.
    const BLIND: &[(&str, &str)] = &[
        ("GET", "/v1/streams"),
        ("GET", "/v1/streams/orders"),
        ("PUT", "/v1/streams/orders"),
        ("DELETE", "/v1/streams/orders"),
        ("POST", "/v1/streams/orders/records"),
        ("PUT", "/v1/streams/orders/records/a"),
        ("PATCH", "/v1/streams/orders/records/a"),
        ("DELETE", "/v1/streams/orders/records/a"),
        ("GET", "/v1/streams/orders/search/index"),
        ("POST", "/v1/streams/orders/search/rebuild"),
        ("POST", "/v1/batch"),
    ];

    struct Asker {
        id: Option<String>,
        roles: Vec<String>,
        key: String,
        /// The filter of its key.
        filter: Option<&'static str>,
        /// Rules do not bind it.
        free: bool,
    }

    impl Asker {
        async fn program(s: &Server, role: &str) -> Asker {
            let (id, key) = s.program(&[role]).await;
            let free = role == "operator";
            Asker { id: Some(id), roles: vec![role.into()], key, filter: None, free }
        }

        /// What it may see, by the evaluator.
        fn may_see(&self, rule: &str, records: &[Value]) -> Vec<i64> {
            let schema = orders()["schema"].clone();
            let texts = (!self.free).then_some(rule).into_iter().chain(self.filter);
            let filters: Vec<Filter> =
                texts.map(|t| Filter::compile(t, Scope::record(&schema)).unwrap()).collect();
            let auth = Auth {
                user_id: self.id.clone(),
                roles: Some(self.roles.clone()),
                ..Auth::default()
            };
            let env = Env { now: Timestamp::MAX, auth: Some(&auth), given: &[] };
            let seen = records.iter().filter(|record| {
                let data = record["data"].to_string();
                let seq = record["seq"].as_i64().unwrap();
                let view = View {
                    id: record["id"].as_str().unwrap(),
                    seq,
                    version: 1,
                    time: 0,
                    received_at: 0,
                    data: &data,
                };
                filters.iter().all(|filter| filter.matches(&view, &env))
            });
            seen.map(|record| record["seq"].as_i64().unwrap()).collect()
        }

        /// Asks every door; each shows these records and no others.
        async fn sees(&self, s: &Server, expected: &[i64], records: &[Value]) {
            let key = &self.key;
            for sort in ["seq", "-time", "data.n", "-data.owner", "id"] {
                let query = [("sort", sort), ("count", "exact"), ("explain", "true")];
                let page = s.get_by(key, RECORDS, &query).await.expect(200);
                let mut shown = seqs(page["items"].as_array().unwrap());
                shown.sort_unstable();
                assert_eq!(shown, expected, "{sort}");
                assert_eq!(page["count"], expected.len(), "{sort}");
            }
            let query = [("filter", "data.n >= 0"), ("count", "estimated")];
            let page = s.get_by(key, RECORDS, &query).await.expect(200);
            assert_eq!(page["count"], page["items"].as_array().unwrap().len());
            for record in records {
                let path = format!("{RECORDS}/{}", record["id"].as_str().unwrap());
                let seen = expected.contains(&record["seq"].as_i64().unwrap());
                let got = s.get_by(key, &path, &[]).await;
                assert_eq!(got.status, if seen { 200 } else { 404 }, "{path}");
            }
            for format in ["ndjson", "csv"] {
                let export =
                    s.get_by(key, &format!("{STREAM}/export"), &[("format", format)]).await;
                let lines = export.text.lines().count() - usize::from(format == "csv");
                assert_eq!(lines, expected.len(), "{format}");
            }
            self.adds_up(s, expected, records).await;
            self.follows(s, expected).await;
        }

        async fn adds_up(&self, s: &Server, expected: &[i64], records: &[Value]) {
            let seen = records.iter().filter(|r| expected.contains(&r["seq"].as_i64().unwrap()));
            let sum: i64 = seen.filter_map(|record| record["data"]["n"].as_i64()).sum();
            for metrics in [
                json!({"n": "count()", "sum": "sum(data.n)"}),
                json!({"n": "count()", "sum": "sum(data.n + 0)", "p": "percentile(data.n, 0.5)"}),
            ] {
                let body = json!({"metrics": metrics});
                let told = s.post_by(&self.key, &format!("{STREAM}/aggregate"), body).await;
                let told = told.expect(200);
                let values = &told["groups"][0]["values"];
                let (n, total) = (values["n"].as_i64(), values["sum"].as_i64());
                assert_eq!(n.unwrap_or(0), i64::try_from(expected.len()).unwrap(), "{told}");
                assert_eq!(total.unwrap_or(0), sum, "{told}");
            }
        }

        async fn follows(&self, s: &Server, expected: &[i64]) {
            for query in ["?after=0", "?snapshot=true"] {
                let path = format!("{STREAM}/subscribe{query}");
                let request = s.request_by(&self.key, Method::GET, &path);
                let mut events = Events::ask(request).await.unwrap();
                for seq in expected {
                    let (_, _, told) = events.next().await.unwrap();
                    assert_eq!(told["record"]["seq"], *seq, "{query}");
                }
            }
            let mut socket = Socket::open(s, &self.key).await;
            let subscribe =
                json!({"type": "subscribe", "uid": "u", "stream": "orders", "after": 0});
            socket.send(subscribe).await;
            for seq in expected {
                assert_eq!(socket.next().await["id"], format!("1-{seq}"));
            }
        }
    }

    impl Asker {
        /// Asks until it is over; how many of its own and of the shared records it was shown.
        async fn looks(&self, s: &Server, over: &AtomicBool) -> usize {
            let mut shown = 0;
            let export = format!("{STREAM}/export");
            while !over.load(Ordering::Relaxed) {
                let newest = [("sort", "-seq"), ("limit", "20")];
                let by_number = [("filter", "data.n >= 0"), ("sort", "data.n")];
                let by_owner = json!({"group_by": [{"as": "owner", "field": "data.owner"}],
                    "metrics": {"n": "count()"}});
                let answers = [
                    s.get_by(&self.key, RECORDS, &newest).await,
                    s.get_by(&self.key, RECORDS, &by_number).await,
                    s.get_by(&self.key, &export, &[]).await,
                    s.post_by(&self.key, &format!("{STREAM}/aggregate"), by_owner).await,
                ];
                for answer in &answers {
                    assert!(matches!(answer.status.as_u16(), 200 | 403), "{}", answer.text);
                    for owner in owners(&answer.text) {
                        assert!(self.may_see_of(owner), "{}", answer.text);
                        shown += 1;
                    }
                }
            }
            shown
        }

        /// Subscribes until it is over, anew whenever its subscription ends.
        async fn goes_on(&self, s: &Server, over: &AtomicBool) {
            let path = format!("{STREAM}/subscribe?snapshot=true");
            while !over.load(Ordering::Relaxed) {
                let events = Events::ask(s.request_by(&self.key, Method::GET, &path)).await;
                let Ok(mut events) = events else { continue };
                while !over.load(Ordering::Relaxed)
                    && let Some((_, _, told)) = events.next().await
                {
                    let owner = told["record"]["data"]["owner"].as_str();
                    assert!(owner.is_none_or(|owner| self.may_see_of(owner)), "{told}");
                }
            }
        }

        fn may_see_of(&self, owner: &str) -> bool {
            owner == "shared" || Some(owner) == self.id.as_deref()
        }
    }

    fn seqs(items: &[Value]) -> Vec<i64> {
        items.iter().map(|record| record["seq"].as_i64().unwrap()).collect()
    }

    fn with_rules(access: &Value) -> Value {
        let mut definition = orders();
        definition["access"] = access.clone();
        definition
    }

    pub(super) async fn no_door_shows_what_may_not_be_seen(engine: Engine) {
        // A new door needs its row.
        for operation in OPERATIONS.iter().filter(|(_, path)| {
            path.starts_with("/v1/streams") || *path == "/v1/batch" || *path == "/v1/subscribe"
        }) {
            assert!(DOORS.contains(operation) || BLIND.contains(operation), "{operation:?}");
        }
        let s = Server::start(engine).await;
        let mut askers = vec![
            Asker::program(&s, "viewer").await,
            Asker::program(&s, "editor").await,
            Asker::program(&s, "operator").await,
        ];
        let filtered = json!({"name": "f", "permissions": ["records:read"],
            "filter": "data.n % 2 == 0"});
        let filtered = s.post("/v1/api-keys", filtered).await.expect(201);
        askers.push(Asker {
            id: None,
            roles: Vec::new(),
            key: filtered["key"].as_str().unwrap().to_owned(),
            filter: Some("data.n % 2 == 0"),
            // The key holds no right to pass by the rules.
            free: false,
        });
        s.put(STREAM, orders()).await.expect(201);
        let owners: Vec<&str> = askers.iter().filter_map(|asker| asker.id.as_deref()).collect();
        let record = |n: usize| {
            let owner = owners.get(n % 4).map_or(json!(null), |owner| json!(owner));
            let mut data = json!({"n": n, "price": 1.5, "paid": n.is_multiple_of(3)});
            if !owner.is_null() {
                data["owner"] = owner;
            }
            json!({"id": format!("r{n}"), "data": data})
        };
        let all: Vec<Value> = (0..24).map(record).collect();
        s.post(&format!("{RECORDS}?envelope=true"), json!(all)).await.expect(200);
        let export = s.get(&format!("{STREAM}/export")).await.text;
        let records: Vec<Value> =
            export.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        for rule in [
            "data.owner == auth.user_id",
            "data.owner == auth.user_id || data.paid",
            "!(data.owner == auth.user_id)",
            "\"viewer\" in auth.roles && data.n < 10",
            "has(data.owner) && data.n > 5",
            "data.n % 5 == 0",
            "auth.email == \"nobody@example.com\"",
            "true",
        ] {
            s.put(STREAM, with_rules(&json!({"read": rule}))).await.expect(200);
            for asker in &askers {
                let expected = asker.may_see(rule, &records);
                asker.sees(&s, &expected, &records).await;
            }
        }
    }

    /// What an answer shows: owners of records, whatever door it came from.
    fn owners(text: &str) -> impl Iterator<Item = &str> {
        text.split("\"owner\":\"").skip(1).filter_map(|rest| rest.split('"').next())
    }

    /// Rules go to and fro between two that both let an asker see their own, and one of them what is
    /// shared; roles are given and taken. No answer at any moment shows what neither allows.
    pub(super) async fn no_door_leaks_while_rules_and_roles_change(engine: Engine) {
        const ROUNDS: usize = 12;
        let s = Server::start(engine).await;
        let own = "data.owner == auth.user_id";
        let shared = format!("{own} || data.owner == \"shared\"");
        s.put(STREAM, with_rules(&json!({"read": own}))).await.expect(201);
        let askers = [Asker::program(&s, "viewer").await, Asker::program(&s, "viewer").await];
        let ids: Vec<&str> = askers.iter().filter_map(|asker| asker.id.as_deref()).collect();
        let over = AtomicBool::new(false);
        let write = async || {
            for n in 0.. {
                // One more when it is over: whoever follows hears of it.
                let last = over.load(Ordering::Relaxed);
                let record = |owner: &str| json!({"owner": owner, "n": n});
                let batch =
                    json!([record(ids[0]), record("shared"), record("nobody"), record(ids[1])]);
                s.post(&format!("{RECORDS}?return=minimal"), batch).await.expect(200);
                if last {
                    break;
                }
            }
        };
        let change = async {
            for round in 0..ROUNDS {
                let rule = if round % 2 == 0 { &shared } else { own };
                s.put(STREAM, with_rules(&json!({"read": rule}))).await.expect(200);
                let account = format!("/v1/service-accounts/{}", ids[round % 2]);
                for roles in [json!([]), json!(["viewer"])] {
                    let change = s.request(Method::PATCH, &account).json(&json!({"roles": roles}));
                    answer(change).await.expect(200);
                    let list = s.get_by(&askers[round % 2].key, RECORDS, &[("limit", "1")]).await;
                    // In the process that made the change it bites at once.
                    let expected = if roles == json!([]) { 403 } else { 200 };
                    assert_eq!(list.status, expected, "{}", list.text);
                }
            }
            over.store(true, Ordering::Relaxed);
        };
        let (first, second) = (&askers[0], &askers[1]);
        let (seen, also, ..) = tokio::join!(
            first.looks(&s, &over),
            second.looks(&s, &over),
            first.goes_on(&s, &over),
            second.goes_on(&s, &over),
            write(),
            change
        );
        assert!(seen > 0 && also > 0);
    }

    pub(super) async fn a_rule_that_changes_ends_subscriptions(engine: Engine) {
        let s = Server::start(engine).await;
        s.put(STREAM, with_rules(&json!({"read": "data.n > 1"}))).await.expect(201);
        let viewer = Asker::program(&s, "viewer").await;
        let path = format!("{STREAM}/subscribe");
        let follow = || s.request_by(&viewer.key, Method::GET, &path);
        let mut events = Events::ask(follow()).await.unwrap();
        s.post(RECORDS, json!([{"n": 1}, {"n": 2}])).await.expect(200);
        assert_eq!(events.next().await.unwrap().1, "1-2");
        s.put(STREAM, with_rules(&json!({"read": "data.n > 2"}))).await.expect(200);
        let (name, _, data) = events.next().await.unwrap();
        assert_eq!((name.as_str(), &data["code"]), ("error", &json!("access_changed")));
        assert!(events.next().await.is_none());
        // What does not touch who sees what does not end it.
        let mut events = Events::ask(follow()).await.unwrap();
        let mut wider = with_rules(&json!({"read": "data.n > 2"}));
        wider["schema"]["properties"]["more"] = json!({"type": "string"});
        s.put(STREAM, wider).await.expect(200);
        s.program(&["viewer"]).await;
        s.post(RECORDS, json!([{"n": 2}, {"n": 3}])).await.expect(200);
        assert_eq!(events.next().await.unwrap().1, "1-4");
    }

    pub(super) async fn rules_are_checked(engine: Engine) {
        let s = Server::start(engine).await;
        for (access, path) in [
            (json!({"read": "data.ownr == auth.user_id"}), "/access/read"),
            (json!({"create": "data.n"}), "/access/create"),
            (json!({"raed": "true"}), "/access/raed"),
            (json!({"read": 1}), "/access/read"),
            (json!("all"), "/access"),
        ] {
            let refused = s.put(STREAM, with_rules(&access)).await;
            let refused = refused.problem(400, "validation_failed");
            assert_eq!(refused["errors"][0]["path"], path, "{refused}");
        }
        let access = json!({"create": "data.owner == auth.user_id", "read": "true"});
        let made = s.put(STREAM, with_rules(&access)).await.expect(201);
        assert_eq!(made["access"], access);
        let editor = Asker::program(&s, "editor").await;
        let own = editor.id.clone().unwrap();
        let body = json!([{"owner": own, "n": 1}, {"owner": "other", "n": 2}, {"n": 3}]);
        let told = s.post_by(&editor.key, RECORDS, body).await.expect(207);
        let refused: Vec<(&Value, &Value)> = told["rejected"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| (&r["index"], &r["code"]))
            .collect();
        let forbidden = json!("forbidden");
        assert_eq!(refused, [(&json!(1), &forbidden), (&json!(2), &forbidden)]);
        let batch = json!([{"stream": "orders", "records": [{"data": {"owner": "other"}}]}]);
        let told: Answer = s.post_by(&editor.key, "/v1/batch", batch).await;
        assert_eq!(told.expect(400)["results"][0]["rejected"][0]["code"], "forbidden");
        // The administrator is not bound by them.
        s.post(RECORDS, json!({"owner": "other"})).await.expect(200);
        let body = s.request_by(&editor.key, Method::PUT, STREAM).json(&orders());
        answer(body).await.problem(403, "forbidden");
    }
}
