//! Hostile strings in every place of a question: as values they are found, as names they are
//! refused, and nothing of them reaches the engine's language.

use crate::support::both;

both! {
    hostile_values_are_values
    hostile_names_are_names
    hostile_questions_are_refused
    a_cursor_is_good_where_it_was_given
}

mod scenario {
    use reqwest::Method;
    use serde_json::{Value, json};

    use crate::support::{Answer, Engine, Server, answer};

    const RECORDS: &str = "/v1/streams/words/records";

    const HOSTILE: [&str; 24] = [
        "'",
        "''",
        "\"",
        "\\",
        "\\'",
        "'; DROP TABLE s1; --",
        "' OR '1'='1",
        "\" OR 1=1 --",
        "x') OR (1=1",
        "$1",
        "?1",
        ":a",
        "%",
        "_",
        "%27",
        "E'\\x27'",
        "$$;SELECT pg_sleep(9);$$",
        "/* */ --",
        "\n--\n",
        "\u{1}",
        "\u{FFFD}",
        "c1",
        "seq",
        "'||(SELECT data FROM s1)||'",
    ];

    async fn ask(s: &Server, path: &str, query: &[(&str, &str)]) -> Answer {
        answer(s.request(Method::GET, path).query(query)).await
    }

    fn quoted(text: &str) -> String {
        let mut out = String::from("\"");
        for c in text.chars() {
            out.push_str(&format!("\\U{:08x}", u32::from(c)));
        }
        out + "\""
    }

    /// A stream with a record for each hostile string, in an indexed field and in another.
    async fn filled(engine: Engine) -> Server {
        let s = Server::start(engine).await;
        let schema = json!({"type": "object", "properties": {
            "word": {"type": "string", "x-index": true}, "n": {"type": "integer", "x-index": true},
            "plain": {"type": "string"}, "bag": {"type": "object"}}});
        s.put("/v1/streams/words", json!({"schema": schema})).await.expect(201);
        let record = |(at, word): (usize, &&str)| json!({"id": word, "data": {"word": word, "n": at, "plain": word, "bag": {*word: at}}});
        let records: Vec<Value> = HOSTILE.iter().enumerate().map(record).collect();
        let sent = s.post(&format!("{RECORDS}?envelope=true"), json!(records)).await.expect(200);
        assert_eq!(sent["accepted"], HOSTILE.len(), "{sent}");
        s
    }

    async fn found(s: &Server, filter: &str) -> Vec<i64> {
        let query = [("filter", filter), ("limit", "1000"), ("count", "exact")];
        let page = ask(s, RECORDS, &query).await.expect(200);
        let items = page["items"].as_array().unwrap();
        assert_eq!(page["count"], items.len(), "{filter}");
        items.iter().map(|item| item["data"]["n"].as_i64().unwrap()).collect()
    }

    pub(super) async fn hostile_values_are_values(engine: Engine) {
        let s = filled(engine).await;
        for (at, word) in (0..).zip(HOSTILE) {
            let value = quoted(word);
            for filter in [
                format!("data.word == {value}"),
                format!("data.plain == {value}"),
                format!("data.word in [{value}, \"none\"]"),
                format!("data.word in [{value}, data.bag.none]"),
                format!("id == {value}"),
                format!("id in [{value}]"),
                format!("data.word >= {value} && data.word <= {value}"),
                format!("data.bag[{value}] == data.n"),
                format!("has(data.bag[{value}])"),
            ] {
                assert_eq!(found(&s, &filter).await, [at], "{filter} is {word:?}");
            }
            for filter in [
                format!("data.word.startsWith({value})"),
                format!("id.startsWith({value})"),
                format!("data.plain.startsWith({value})"),
            ] {
                let expected = HOSTILE.iter().zip(0..).filter(|(w, _)| w.starts_with(word));
                let expected: Vec<i64> = expected.map(|(_, at)| at).collect();
                assert_eq!(found(&s, &filter).await, expected, "{filter} is {word:?}");
            }
            assert_eq!(found(&s, &format!("data.word != {value}")).await.len(), HOSTILE.len() - 1);
        }
        assert_eq!(found(&s, "true").await.len(), HOSTILE.len());
    }

    pub(super) async fn hostile_names_are_names(engine: Engine) {
        let s = Server::start(engine).await;
        let properties: serde_json::Map<String, Value> = HOSTILE
            .iter()
            .map(|word| ((*word).to_owned(), json!({"type": "string", "x-index": true})))
            .collect();
        let schema = json!({"type": "object", "properties": properties});
        s.put("/v1/streams/words", json!({"schema": schema})).await.expect(201);
        let data: serde_json::Map<String, Value> =
            HOSTILE.iter().map(|word| ((*word).to_owned(), json!(word))).collect();
        s.post(RECORDS, json!([data, {}])).await.expect(200);
        for word in HOSTILE {
            let name = quoted(word);
            for (filter, expected) in [
                (format!("data[{name}] == {name}"), 1),
                (format!("data[{name}] != {name}"), 0),
                (format!("has(data[{name}])"), 1),
                (format!("!has(data[{name}])"), 1),
            ] {
                let sort = format!("-data.{word}");
                let query = [("filter", filter.as_str()), ("sort", &sort), ("count", "exact")];
                let page = ask(&s, RECORDS, &query).await.expect(200);
                assert_eq!(page["items"].as_array().unwrap().len(), expected, "{filter} {word:?}");
                assert_eq!(page["count"], expected, "{filter} {word:?}");
            }
        }
    }

    pub(super) async fn hostile_questions_are_refused(engine: Engine) {
        let s = filled(engine).await;
        for word in HOSTILE {
            let query = [("sort", word)];
            let listed = ask(&s, RECORDS, &query).await;
            // One of them is a name of an order.
            if word == "seq" {
                listed.expect(200);
            } else {
                assert_eq!(listed.problem(400, "validation_failed")["errors"][0]["path"], "?sort");
            }
            let path = format!("data.{word}");
            for sort in [&path, &format!("seq,{word}"), &format!("-{word},id")] {
                let refused = ask(&s, RECORDS, &[("sort", sort)]).await;
                if !sort.contains("seq,id") && !sort.contains("seq,seq") && sort != "-seq,id" {
                    let refused = refused.problem(400, "validation_failed");
                    assert_eq!(refused["errors"][0]["path"], "?sort", "{sort}");
                }
            }
            for cursor in [word, "AAAA", &"A".repeat(5000)] {
                let refused = ask(&s, RECORDS, &[("cursor", cursor)]).await;
                let refused = refused.problem(400, "validation_failed");
                assert_eq!(refused["errors"][0]["path"], "?cursor", "{cursor}");
            }
            for filter in [
                format!("data.word == '{word}' OR 1 = 1"),
                format!("data[{}] == 1", quoted(word)),
                format!("{word} == 1 ==="),
                format!("data.word == {word} &&"),
            ] {
                for path in [RECORDS, "/v1/streams/words/export", "/v1/streams/words/subscribe"] {
                    let refused = ask(&s, path, &[("filter", &filter)]).await;
                    let refused = refused.problem(400, "filter_invalid");
                    let first = &refused["errors"][0];
                    assert_eq!(first["path"], "?filter", "{filter}");
                    let column = first["column"].as_u64().unwrap();
                    let length = u64::try_from(filter.chars().count()).unwrap();
                    assert!((1..=length + 1).contains(&column), "{filter}: {first}");
                }
            }
        }
        assert_eq!(found(&s, "true").await.len(), HOSTILE.len());
    }

    pub(super) async fn a_cursor_is_good_where_it_was_given(engine: Engine) {
        let s = filled(engine).await;
        s.put("/v1/streams/other", json!({})).await.expect(201);
        let (filter, sort) = ("data.n >= 3", "-data.word");
        let asked = [("filter", filter), ("sort", sort), ("limit", "2")];
        let page = ask(&s, RECORDS, &asked).await.expect(200);
        let cursor = page["next_cursor"].as_str().unwrap();
        let with = |change: (&'static str, &'static str)| {
            let mut query: Vec<(&str, &str)> =
                asked.iter().filter(|(name, _)| *name != change.0).copied().collect();
            query.push(change);
            query
        };
        let mut query = asked.to_vec();
        query.push(("cursor", cursor));
        let next = ask(&s, RECORDS, &query).await.expect(200);
        assert_eq!(next["items"].as_array().unwrap().len(), 2);
        assert_ne!(next["items"], page["items"]);
        for change in [
            ("filter", "data.n >= 2"),
            ("filter", ""),
            ("filter", "data.n >= 3 "),
            ("sort", "data.word"),
            ("sort", "-seq"),
        ] {
            let mut query = with(change);
            query.push(("cursor", cursor));
            ask(&s, RECORDS, &query).await.problem(400, "validation_failed");
        }
        let elsewhere = ask(&s, "/v1/streams/other/records", &[("cursor", cursor)]).await;
        elsewhere.problem(400, "validation_failed");
        for at in 0..cursor.len() {
            let mut changed = cursor.as_bytes().to_vec();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            let mut query = asked.to_vec();
            query.push(("cursor", &changed));
            ask(&s, RECORDS, &query).await.problem(400, "validation_failed");
        }
    }
}
