//! Random filters on random records through the door: lists, counts and exports are what the
//! evaluator says, whatever the engine answers of them.

use crate::search::engines;
use crate::support::both;

#[path = "../../../filter/tests/agreement/generate.rs"]
mod generate;
#[path = "../../../filter/tests/agreement/rng.rs"]
mod rng;
#[path = "../../../filter/tests/agreement/shape.rs"]
mod shape;
#[path = "../../../filter/tests/agreement/trees.rs"]
mod trees;
#[allow(dead_code, reason = "the naive reading is for the tests of the language")]
#[path = "../../../filter/tests/agreement/words.rs"]
mod words;

both! {
    lists_counts_and_exports_are_what_the_evaluator_says
    records_from_before_the_schema_are_judged_alike
    every_record_stands_once_in_an_order_by_what_some_lack
}

engines! { each_search_engine_says_what_the_evaluator_says }

mod scenario {
    use std::cmp::Ordering;

    use forebay_filter::{Env, Filter, Scope, View};
    use forebay_model::field::FieldPath;
    use forebay_model::json;
    use forebay_model::time::Timestamp;
    use reqwest::Method;
    use serde_json::{Value, json};

    use super::generate::Generator;
    use super::rng::{self, Rng};
    use super::shape::{self, Dirt, Field};
    use crate::indexing::{Bench, Place};
    use crate::support::{Engine, Server, answer};

    const STREAMS: u64 = 8;
    const RECORDS: usize = 110;
    const FILTERS: usize = 60;

    /// A record as it came out.
    struct Stored {
        envelope: Value,
        data: String,
        time: Timestamp,
        received_at: Timestamp,
    }

    impl Stored {
        fn new(envelope: Value) -> Stored {
            let time = |name: &str| Timestamp::parse(envelope[name].as_str().unwrap()).unwrap();
            let (time, received_at) = (time("time"), time("received_at"));
            Stored { data: json::to_canonical(&envelope["data"]), time, received_at, envelope }
        }

        fn id(&self) -> &str {
            self.envelope["id"].as_str().unwrap()
        }

        fn view(&self) -> View<'_> {
            View {
                id: self.id(),
                seq: self.envelope["seq"].as_i64().unwrap(),
                version: self.envelope["version"].as_i64().unwrap(),
                time: self.time.micros(),
                received_at: self.received_at.micros(),
                data: &self.data,
            }
        }

        /// The value that an order is by; `None` where it is missing.
        fn key(&self, name: &str) -> Option<Value> {
            let value = match name {
                "seq" | "id" => self.envelope[name].clone(),
                "time" => json!(self.time.micros()),
                "received_at" => json!(self.received_at.micros()),
                path => FieldPath::parse(path).unwrap().get(&self.envelope["data"])?.clone(),
            };
            Some(value).filter(|value| !value.is_null())
        }
    }

    /// A stream with records, and what is known of them.
    struct Filled<'s> {
        s: &'s Server,
        name: String,
        fields: Vec<Field>,
        schema: Value,
        records: Vec<Stored>,
        dirt: Dirt,
        told: String,
    }

    impl<'s> Filled<'s> {
        /// A stream of records that obey its schema, or were there before it and need not.
        async fn new(s: &'s Server, seed: u64, dirt: Dirt) -> (Filled<'s>, Rng) {
            let mut rng = Rng::new(seed);
            let fields = shape::stream(&mut rng);
            let (name, schema) =
                (format!("s{seed:x}-{dirt:?}").to_lowercase(), shape::schema(&fields));
            let told = format!("FOREBAY_TEST_SEED={seed}: {schema}");
            let path = format!("/v1/streams/{name}");
            let open = json!({"type": "object"});
            let first = if dirt == Dirt::None { &schema } else { &open };
            s.put(&path, json!({"schema": first})).await.expect(201);
            let times = [
                "0001-01-01T00:00:00Z",
                "1969-12-31T23:59:59.999999Z",
                "1970-01-01T00:00:00Z",
                "2026-03-29T00:59:59.999999Z",
                "2026-10-25T00:30:00Z",
                "9999-12-30T22:00:00Z",
            ];
            let ids = ["dev-7", "a", "\u{FFFF}", "\u{1F600}", "'; --", "A", "%", "é"];
            let record = |at: usize| {
                let id = ids.get(at).map_or_else(|| format!("r{at}"), |id| (*id).to_owned());
                let data = short(shape::data(&mut rng, &fields, dirt));
                json!({"id": id, "time": rng.pick(&times), "data": data})
            };
            let body: Vec<Value> = (0..RECORDS).map(record).collect();
            let sent =
                s.post(&format!("{path}/records?envelope=true"), json!(body)).await.expect(200);
            assert_eq!(sent["accepted"], RECORDS, "{told}: {sent}");
            if dirt != Dirt::None {
                s.put(&path, json!({"schema": schema})).await.expect(200);
            }
            let mut filled = Filled { s, name, fields, schema, records: Vec::new(), dirt, told };
            let all = filled.list(&[("limit", "1000")]).await;
            filled.records = items(&all).into_iter().map(Stored::new).collect();
            assert_eq!(filled.records.len(), RECORDS);
            (filled, rng)
        }

        async fn list(&self, query: &[(&str, &str)]) -> Value {
            let path = format!("/v1/streams/{}/records", self.name);
            let answer = answer(self.s.request(Method::GET, &path).query(query)).await;
            assert_eq!(answer.status, 200, "{} {query:?}: {}", self.told, answer.text);
            answer.json()
        }

        /// All records of a list, page by page.
        async fn walk(&self, filter: &str, sort: &str, limit: &str) -> Vec<String> {
            let (mut ids, mut cursor) = (Vec::new(), String::new());
            loop {
                let mut query = vec![("filter", filter), ("sort", sort), ("limit", limit)];
                if !cursor.is_empty() {
                    query.push(("cursor", &cursor));
                }
                let page = self.list(&query).await;
                ids.extend(items(&page).iter().map(|r| r["id"].as_str().unwrap().to_owned()));
                let Value::String(next) = &page["next_cursor"] else { return ids };
                cursor = next.clone();
            }
        }

        async fn export(&self, filter: &str) -> Vec<String> {
            let path = format!("/v1/streams/{}/export", self.name);
            let request = self.s.request(Method::GET, &path).query(&[("filter", filter)]);
            let answer = answer(request).await;
            assert_eq!(answer.status, 200, "{}: {filter}: {}", self.told, answer.text);
            let id = |line: &str| {
                let record: Value = serde_json::from_str(line).unwrap();
                record["id"].as_str().unwrap().to_owned()
            };
            answer.text.lines().map(id).collect()
        }

        /// An order, and the names of its keys.
        fn sort(&self, rng: &mut Rng) -> String {
            let columns = shape::columns(&self.fields);
            let mut names: Vec<String> = columns.iter().map(|c| c.path.to_string()).collect();
            if self.dirt != Dirt::None {
                names.clear();
            }
            names.extend(["seq", "time", "id", "received_at"].map(str::to_owned));
            let mut keys: Vec<String> = Vec::new();
            for _ in 0..1 + rng.below(3) {
                let name = &names[rng.below(names.len())];
                if !keys.iter().any(|key| key.trim_start_matches('-') == name) {
                    keys.push(format!("{}{name}", if rng.chance(50) { "-" } else { "" }));
                }
            }
            keys.join(",")
        }

        /// The ids of the records that match, in an order.
        fn expected(&self, filter: &Filter, now: Timestamp, sort: &str) -> Vec<&str> {
            let env = Env::at(now);
            let matching = self.records.iter().filter(|r| filter.matches(&r.view(), &env));
            let mut matching: Vec<&Stored> = matching.collect();
            let last_descends = sort.rsplit(',').next().unwrap().starts_with('-');
            matching.sort_by(|a, b| {
                let keys = sort.split(',').map(|key| compare(a, b, key));
                let by_seq = compare(a, b, if last_descends { "-seq" } else { "seq" });
                keys.fold(Ordering::Equal, Ordering::then).then(by_seq)
            });
            matching.into_iter().map(Stored::id).collect()
        }
    }

    /// Longer texts may be refused, for a column or a keyword has no room for them.
    fn short(value: Value) -> Value {
        match value {
            Value::String(text) if text.len() > 1_000 => {
                json!(text.chars().take(250).collect::<String>())
            }
            Value::Array(items) => items.into_iter().map(short).collect(),
            Value::Object(members) => {
                members.into_iter().map(|(name, value)| (name, short(value))).collect()
            }
            other => other,
        }
    }

    fn items(page: &Value) -> Vec<Value> {
        page["items"].as_array().unwrap().clone()
    }

    /// How two records stand to one key; missing values are last, whichever way it runs.
    fn compare(a: &Stored, b: &Stored, key: &str) -> Ordering {
        let name = key.trim_start_matches('-');
        let order = match (a.key(name), b.key(name)) {
            (None, None) => return Ordering::Equal,
            (None, _) => return Ordering::Greater,
            (_, None) => return Ordering::Less,
            (Some(Value::String(a)), Some(Value::String(b))) => a.chars().cmp(b.chars()),
            (Some(Value::Bool(a)), Some(Value::Bool(b))) => a.cmp(&b),
            (Some(a), Some(b)) => match (a.as_i64(), b.as_i64()) {
                (Some(a), Some(b)) => a.cmp(&b),
                _ => a.as_f64().unwrap().partial_cmp(&b.as_f64().unwrap()).unwrap(),
            },
        };
        if key.starts_with('-') { order.reverse() } else { order }
    }

    #[allow(clippy::disallowed_methods, reason = "what the server's clock says, about")]
    fn now() -> Timestamp {
        let since = std::time::UNIX_EPOCH.elapsed().unwrap();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap())
    }

    /// Asks one filter at every door; how many verdicts that was, and whether engines answer it.
    async fn ask(filled: &Filled<'_>, rng: &mut Rng, text: &str, filter: &Filter) -> usize {
        let sort = filled.sort(rng);
        let before = now();
        let query = [("filter", text), ("sort", &sort), ("limit", "1000"), ("count", "exact")];
        let page = filled.list(&query).await;
        let exported = filled.export(text).await;
        let listed: Vec<Value> = items(&page).iter().map(|r| r["id"].clone()).collect();
        let small = 1 + rng.below(40);
        let walked = match rng.chance(30) {
            true => Some(filled.walk(text, &sort, &small.to_string()).await),
            false => None,
        };
        let expected = filled.expected(filter, before, &sort);
        if filter.asks_the_time() && expected != filled.expected(filter, now(), &sort) {
            return 0;
        }
        let told = || format!("{}: {text}, by {sort}", filled.told);
        assert_eq!(listed, expected, "{}", told());
        assert_eq!(page["count"], expected.len(), "{}", told());
        assert!(page["next_cursor"].is_null(), "{}", told());
        if let Some(walked) = walked {
            assert_eq!(walked, expected, "{}, by {small}", told());
        }
        assert_eq!(exported, filled.expected(filter, before, "seq"), "{}", told());
        filled.records.len()
    }

    /// Fills some streams and asks them; how many verdicts that was.
    async fn agree(s: &Server, streams: u64, dirt: Dirt) -> usize {
        let seed = rng::seed();
        let mut verdicts = 0;
        for at in 0..streams {
            let (filled, mut rng) = Filled::new(s, seed + at, dirt).await;
            let mut asked = 0;
            while asked < FILTERS {
                let (depth, narrow) = (rng.below(3), rng.chance(50));
                let mut generator = Generator::new(&mut rng, &filled.fields);
                let tree =
                    if narrow { generator.narrow(depth) } else { generator.condition(depth) };
                let text = tree.to_string();
                let Ok(filter) = Filter::compile(&text, Scope::record(&filled.schema)) else {
                    continue;
                };
                asked += 1;
                // Whether something was stored some milliseconds ago changes while it is asked.
                let unsteady = text.contains("received") || text.contains("get");
                if !(filter.asks_the_time() && unsteady) {
                    verdicts += ask(&filled, &mut rng, &text, &filter).await;
                }
            }
        }
        verdicts
    }

    pub(super) async fn lists_counts_and_exports_are_what_the_evaluator_says(engine: Engine) {
        let s = Server::start(engine).await;
        let verdicts = agree(&s, STREAMS, Dirt::None).await;
        assert!(verdicts >= 10_000, "{verdicts}");
    }

    /// Fields are searched by chance: on some streams filters speak of words.
    pub(super) async fn each_search_engine_says_what_the_evaluator_says(
        place: Place,
        engine: Engine,
    ) {
        let Some(bench) = Bench::find(place) else { return };
        let s = bench.start(engine).await;
        let verdicts = agree(&s, STREAMS / 2, Dirt::None).await;
        let verdicts = verdicts + agree(&s, STREAMS / 4, Dirt::All).await;
        assert!(verdicts >= 10_000, "{verdicts}");
        bench.clean(&s).await;
    }

    /// Their columns are filled meanwhile; some hold values that no column of theirs can.
    pub(super) async fn records_from_before_the_schema_are_judged_alike(engine: Engine) {
        let s = Server::start(engine).await;
        let verdicts = agree(&s, STREAMS / 4, Dirt::All).await;
        let verdicts = verdicts + agree(&s, STREAMS / 4, Dirt::Unindexed).await;
        assert!(verdicts >= 10_000, "{verdicts}");
    }

    pub(super) async fn every_record_stands_once_in_an_order_by_what_some_lack(engine: Engine) {
        let s = Server::start(engine).await;
        let field = json!({"type": "integer", "x-index": true});
        let schema = json!({"type": "object", "properties": {"a": field, "b": field, "c": field}});
        s.put("/v1/streams/lacks", json!({"schema": schema})).await.expect(201);
        // All ways to have some of three fields, with two values each.
        let record = |n: usize| {
            let mut data = serde_json::Map::new();
            for (at, name) in ["a", "b", "c"].into_iter().enumerate() {
                let value = n / 3_usize.pow(u32::try_from(at).unwrap()) % 3;
                if value > 0 {
                    data.insert(name.to_owned(), json!(value));
                }
            }
            Value::Object(data)
        };
        let records: Vec<Value> = (0..27).map(record).collect();
        s.post("/v1/streams/lacks/records", json!(records)).await.expect(200);
        for sort in [
            "data.a,data.b,data.c",
            "-data.a,data.b",
            "data.b,-data.c,id",
            "-data.c,-id",
            "-data.a,-data.b,-data.c,-seq",
            "time,data.a",
            "-received_at,-data.b,data.c",
        ] {
            let mut walks = Vec::new();
            for limit in ["1", "2", "5", "26", "27"] {
                let (mut ids, mut cursor) = (Vec::new(), None);
                loop {
                    let mut query = vec![("sort", sort), ("limit", limit)];
                    query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
                    let request = s.request(Method::GET, "/v1/streams/lacks/records").query(&query);
                    let page = answer(request).await.expect(200);
                    ids.extend(items(&page).iter().map(|record| record["id"].to_string()));
                    let Value::String(next) = &page["next_cursor"] else { break };
                    cursor = Some(next.clone());
                }
                let mut once = ids.clone();
                once.sort_unstable();
                once.dedup();
                assert_eq!((ids.len(), once.len()), (27, 27), "{sort} by {limit}");
                walks.push(ids);
            }
            assert!(walks.iter().all(|ids| *ids == walks[4]), "{sort}: {walks:?}");
        }
    }
}
