//! Random records and random questions, held against a plain reading of the records.
//!
//! Each question is asked of a stream with indexes, of one that is searched too, and of one without,
//! so that the engine, its columns, the search engine and the records are asked in turn. A failure names the seed; `FOREBAY_TEST_SEED` takes it.

use crate::support::both;

both! { random_questions_have_the_plain_answer }

mod scenario {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use crate::aggregate::records::{Random, Rec};
    use crate::aggregate::reference::{Asked, Found};
    use crate::support::{Engine, Server};

    const RECORDS: usize = 1_500;
    /// Of each engine; each is asked thrice.
    const QUESTIONS: usize = 130;

    const STREAMS: [(&str, bool, &str); 3] =
        [("indexed", true, "none"), ("searched", true, "text"), ("plain", false, "none")];

    fn schema(indexed: bool, search: &str) -> Value {
        let field = |name: &str| json!({"type": name, "x-index": indexed});
        json!({"schema": {"type": "object", "properties": {
            "s": field("string"), "b": field("boolean"), "n": field("integer"),
            "d": field("number"), "words": {"x-search": search}}}})
    }

    pub(super) async fn random_questions_have_the_plain_answer(engine: Engine) {
        let seed = Random::seed();
        let mut random = Random(seed);
        let records: Vec<Rec> = (0..RECORDS).map(|_| Rec::random(&mut random)).collect();
        let s = Server::start(engine).await;
        for (stream, indexed, search) in STREAMS {
            s.put(&format!("/v1/streams/{stream}"), schema(indexed, search)).await.expect(201);
            let path = format!("/v1/streams/{stream}/records?envelope=true&return=minimal");
            let bodies: Vec<Value> = records.iter().map(Rec::envelope).collect();
            s.post(&path, json!(bodies)).await.expect(200);
        }
        let reached = format!("/v1/streams/searched/search?min_seq={RECORDS}&limit=1");
        while s.get(&reached).await.status == 504 {}
        let mut plans = BTreeMap::new();
        for number in 0..QUESTIONS {
            let asked = Asked::random(&mut random);
            let (expected, truncated) = asked.answer(&records);
            for (stream, ..) in STREAMS {
                let path = format!("/v1/streams/{stream}/aggregate");
                let answer = s.post(&path, asked.body.clone()).await;
                let about = format!("seed {seed}, question {number} of {stream}: {}", asked.body);
                assert_eq!(answer.status, 200, "{about}\n{}", answer.text);
                let found: Found = serde_json::from_str(&answer.text).unwrap();
                asked.compare(&found, &expected, &about);
                assert_eq!(found.truncated, truncated, "{about}");
                let plan = answer.json()["explain"]["plan"].as_str().unwrap().to_owned();
                *plans.entry(plan).or_insert(0) += 1;
            }
        }
        // All four were asked.
        assert_eq!(plans.len(), 4, "seed {seed}: {plans:?}");
    }
}
