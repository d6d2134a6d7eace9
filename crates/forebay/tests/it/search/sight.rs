//! Searches, facets and marks show nobody what a rule hides, and what is hidden counts nowhere.

use crate::search::engines;

engines! { nothing_that_is_hidden_is_found_counted_or_marked }

mod scenario {
    use reqwest::Method;
    use serde_json::{Value, json};

    use crate::indexing::{Bench, Place};
    use crate::search::{ids, logs, reach, send, sorted};
    use crate::support::{Engine, Server, answer};

    struct Asker {
        id: String,
        key: String,
    }

    /// A record: whose it is, in every place from which it could come out.
    fn record(n: usize, owner: &str) -> Value {
        json!({"id": format!("r{n}"), "data": {"host": owner, "n": n, "tags": [owner, "all"],
            "msg": format!("note of {owner}, word{n}"), "free": if n.is_multiple_of(5) { "x" } else { "y" }}})
    }

    pub(super) async fn nothing_that_is_hidden_is_found_counted_or_marked(
        place: Place,
        engine: Engine,
    ) {
        let Some(bench) = Bench::find(place) else { return };
        let s = bench.start(engine).await;
        let mut askers = Vec::new();
        for _ in 0..2 {
            let (id, key) = s.program(&["viewer"]).await;
            askers.push(Asker { id, key });
        }
        s.put("/v1/streams/logs", logs()).await.expect(201);
        let owner = |n: usize| askers.get(n % 3).map_or("nobody", |asker| asker.id.as_str());
        let head = send(&s, (0..60).map(|n| record(n, owner(n))).collect()).await;
        reach(&s, "logs", head).await;
        // The first is answered by the index alone, the others are evaluated or speak of words.
        for rule in [
            "data.host == auth.user_id",
            "data.host == auth.user_id && data.free != \"z\"",
            "data.host == auth.user_id && search(\"note\")",
            "data.tags.exists(t, t == auth.user_id)",
        ] {
            let mut definition = logs();
            definition["access"] = json!({"read": rule});
            s.put("/v1/streams/logs", definition).await.expect(200);
            for (at, asker) in askers.iter().enumerate() {
                let own: Vec<usize> = (0..60).filter(|n| n % 3 == at).collect();
                sees(&s, asker, &own, rule).await;
            }
        }
        bench.clean(&s).await;
    }

    async fn sees(s: &Server, asker: &Asker, own: &[usize], rule: &str) {
        let get = async |path: &str, query: &[(&str, &str)]| {
            let path = format!("/v1/streams/logs/{path}");
            let answer = answer(s.request_by(&asker.key, Method::GET, &path).query(query)).await;
            assert_eq!(answer.status, 200, "{rule}: {}", answer.text);
            assert!(!answer.text.contains("nobody"), "{rule}: {}", answer.text);
            answer
        };
        let expected = sorted(own.iter().map(|n| format!("r{n}")).collect());
        let facets = "data.host:100,data.tags:100,data.n:100";
        for q in ["note", "", "note OR word7", "-nothing", "note -word7000"] {
            for sort in ["score", "-seq", "data.n", "-time"] {
                let query = [("q", q), ("sort", sort), ("limit", "1000"), ("facets", facets)];
                let page = get("search", &query).await.json();
                assert_eq!(sorted(ids(&page)), expected, "{rule}: {q} by {sort}");
                let host = json!([{"value": asker.id, "count": own.len()}]);
                assert_eq!(page["facets"]["data.host"], host, "{rule}");
                let numbers = page["facets"]["data.n"].as_array().unwrap().iter();
                let numbers: Vec<u64> = numbers.map(|v| v["value"].as_u64().unwrap()).collect();
                assert!(
                    numbers.iter().map(|n| usize::try_from(*n).unwrap()).eq(own.iter().copied())
                );
                let tags = page["facets"]["data.tags"].as_array().unwrap();
                assert!(tags.iter().all(|tag| tag["count"] == own.len()) && tags.len() == 2);
            }
        }
        // One page at a time: also what stands between two pages tells nothing.
        let (mut walked, mut cursor) = (Vec::new(), String::new());
        loop {
            let mut query = vec![("q", "note"), ("limit", "3")];
            query.extend((!cursor.is_empty()).then_some(("cursor", cursor.as_str())));
            let page = get("search", &query).await.json();
            walked.extend(ids(&page));
            let Value::String(next) = &page["next_cursor"] else { break };
            cursor = next.clone();
        }
        assert_eq!(sorted(walked), expected, "{rule}");
        // Words of what is hidden find nothing.
        for q in ["nobody", "\"note of nobody\"", "nob*"] {
            let page = get("search", &[("q", q), ("facets", facets)]).await.json();
            assert!(ids(&page).is_empty() && page["facets"]["data.n"] == json!([]), "{rule}: {q}");
        }
        let filter = [("filter", "search(\"note\")"), ("count", "exact"), ("limit", "1000")];
        let page = get("records", &filter).await.json();
        assert_eq!((sorted(ids(&page)), &page["count"]), (expected, &json!(own.len())), "{rule}");
        let lines = get("export", &filter[..1]).await.text;
        assert_eq!(lines.lines().count(), own.len(), "{rule}");
        let body = json!({"q": "note", "group_by": [{"as": "host", "field": "data.host"}]});
        let told = s.post_by(&asker.key, "/v1/streams/logs/aggregate", body).await.expect(200);
        let group = json!([{"key": {"host": asker.id}, "values": {"count": own.len()}}]);
        assert_eq!(told["groups"], group, "{rule}");
    }
}
