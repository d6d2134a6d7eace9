//! Generated queries over real data: what is found is what a plain reading finds.

use crate::search::engines;

engines! { real_data_is_found_as_a_plain_reading_finds_it }

mod scenario {
    use forebay_testkit::data;
    use serde_json::{Value, json};

    use crate::aggregate::records::Random;
    use crate::indexing::{Bench, Place};
    use crate::search::plain::{Ask, Doc, texts};
    use crate::search::{reach, sorted};
    use crate::support::{Engine, Server, answer};

    /// Of each of the three files.
    const QUERIES: usize = 67;

    struct Set {
        name: &'static str,
        schema: Value,
        fields: &'static [&'static str],
        records: Vec<Value>,
    }

    fn field(search: &str) -> Value {
        json!({"type": ["string", "null"], "x-search": search})
    }

    fn sets() -> Option<[Set; 3]> {
        let read = |name: &str| data(name).map(|path| std::fs::read_to_string(path).unwrap());
        let events = read("github-events.ndjson")?;
        let events = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let quakes: Value = serde_json::from_str(&read("earthquakes.json")?).unwrap();
        let quakes = quakes["features"].as_array().unwrap().iter();
        let quakes = quakes.map(|quake| quake["properties"].clone()).collect();
        let airports = read("airports.csv")?;
        let mut airports = csv::Reader::from_reader(airports.as_bytes());
        let airports = airports.deserialize::<std::collections::BTreeMap<String, String>>();
        let airports = airports.map(|row| json!(row.unwrap())).collect();
        let places = json!({"type": "object", "properties": {
            "place": field("text"), "title": field("text"), "types": field("text")}});
        let names = json!({"type": "object", "properties": {
            "name": field("text"), "city": field("text"), "state": field("text")}});
        let any = json!({"type": "object", "x-search": "text"});
        Some([
            Set { name: "events", schema: any, fields: &[], records: events },
            Set {
                name: "quakes",
                schema: places,
                fields: &["place", "title", "types"],
                records: quakes,
            },
            Set {
                name: "airports",
                schema: names,
                fields: &["name", "city", "state"],
                records: airports,
            },
        ])
    }

    impl Set {
        fn doc(&self, record: &Value) -> Doc {
            let texts_of = |value: &Value| {
                let mut out = Vec::new();
                texts(value, &mut out);
                out
            };
            if self.fields.is_empty() {
                return vec![(String::new(), texts_of(record))];
            }
            let fields = self.fields.iter();
            fields.map(|name| ((*name).to_owned(), texts_of(&record[*name]))).collect()
        }
    }

    /// A text of some record that has a word.
    fn text<'d>(random: &mut Random, docs: &'d [Doc]) -> (&'d str, &'d [String]) {
        loop {
            let doc: &'d Doc = random.pick(docs);
            let (name, texts) = random.pick(doc.as_slice());
            if !texts.is_empty() {
                let text = random.pick(texts);
                if !text.is_empty() {
                    return (name, text);
                }
            }
        }
    }

    fn leaf(random: &mut Random, docs: &[Doc]) -> Ask {
        let (name, text) = text(random, docs);
        let at = usize::try_from(random.of(0..i64::try_from(text.len()).unwrap())).unwrap();
        let word = text[at].clone();
        // In capitals these are no words.
        if matches!(word.as_str(), "and" | "or" | "not") {
            return Ask::Word(word);
        }
        let ask = match random.of(0..6) {
            0 => Ask::Prefix(word.chars().take(3).collect()),
            1 => Ask::Phrase(text[at..text.len().min(at + 3)].to_vec()),
            2 => Ask::Word(word.to_uppercase()),
            _ => Ask::Word(word),
        };
        if !name.is_empty() && random.of(0..4) == 0 {
            Ask::In(name.to_owned(), Box::new(ask))
        } else {
            ask
        }
    }

    fn query(random: &mut Random, docs: &[Doc]) -> Ask {
        let some = |random: &mut Random| (0..2).map(|_| leaf(random, docs)).collect::<Vec<_>>();
        match random.of(0..6) {
            0 => Ask::Any(some(random)),
            1 => {
                let mut all = some(random);
                all.push(Ask::Not(Box::new(leaf(random, docs))));
                Ask::All(all)
            }
            2 => Ask::All(vec![leaf(random, docs), Ask::Any(some(random))]),
            3 => Ask::All(some(random)),
            _ => leaf(random, docs),
        }
    }

    pub(super) async fn real_data_is_found_as_a_plain_reading_finds_it(
        place: Place,
        engine: Engine,
    ) {
        let Some(bench) = Bench::find(place) else { return };
        let Some(sets) = sets() else { return };
        let s = bench.start(engine).await;
        let seed = Random::seed();
        let mut random = Random(seed);
        let mut found_some = 0;
        for set in sets {
            let stream = format!("/v1/streams/{}", set.name);
            s.put(&stream, json!({"schema": set.schema})).await.expect(201);
            let numbered = set.records.iter().enumerate();
            let body: Vec<Value> = numbered
                .map(|(n, record)| json!({"id": format!("r{n}"), "data": record}))
                .collect();
            let path = format!("{stream}/records?envelope=true&return=minimal");
            let head = s.post(&path, json!(body)).await.expect(200)["last_seq"].as_i64().unwrap();
            reach(&s, set.name, head).await;
            let docs: Vec<Doc> = set.records.iter().map(|record| set.doc(record)).collect();
            for number in 0..QUERIES {
                let ask = query(&mut random, &docs);
                let about = format!("seed {seed}, query {number} of {}: {}", set.name, ask.text());
                let matching =
                    docs.iter().enumerate().filter(|(_, doc)| lower(&ask).matches(doc, None));
                let expected: Vec<String> = matching.map(|(n, _)| format!("r{n}")).collect();
                found_some += usize::from(!expected.is_empty());
                let found = walk(&s, &stream, &ask.text()).await;
                assert_eq!(sorted(found), sorted(expected), "{about}");
            }
        }
        assert!(found_some > 2 * QUERIES, "{found_some}");
        bench.clean(&s).await;
    }

    /// Capital letters mean the same.
    fn lower(ask: &Ask) -> Ask {
        let each = |asks: &[Ask]| asks.iter().map(lower).collect();
        match ask {
            Ask::Word(word) => Ask::Word(word.to_lowercase()),
            Ask::Any(asks) => Ask::Any(each(asks)),
            Ask::All(asks) => Ask::All(each(asks)),
            Ask::Not(inner) => Ask::Not(Box::new(lower(inner))),
            Ask::In(field, inner) => Ask::In(field.clone(), Box::new(lower(inner))),
            other => other.clone(),
        }
    }

    async fn walk(s: &Server, stream: &str, q: &str) -> Vec<String> {
        let (mut all, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let mut query = vec![("q", q), ("limit", "1000"), ("fields", "id")];
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let path = format!("{stream}/search");
            let page = answer(s.request(reqwest::Method::GET, &path).query(&query)).await;
            assert_eq!(page.status, 200, "{q}: {}", page.text);
            let page = page.json();
            all.extend(crate::search::ids(&page));
            let Value::String(next) = &page["next_cursor"] else { return all };
            cursor = Some(next.clone());
        }
    }
}
