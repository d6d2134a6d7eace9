//! An index that is promised is used: the engine's own plan says so.

use crate::support::both;

both! { an_indexed_comparison_uses_its_index  a_question_says_how_it_is_answered }

mod scenario {
    use reqwest::Method;
    use serde_json::{Value, json};

    use crate::support::{Engine, Server, answer, orders};

    const RECORDS: &str = "/v1/streams/orders/records";

    async fn filled(engine: Engine) -> Server {
        let s = Server::start(engine).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        let record = |n: i32| json!({"n": n, "owner": format!("o{}", n % 100), "price": 1.5});
        let all: Vec<Value> = (0..10_000).map(record).collect();
        s.post(&format!("{RECORDS}?return=minimal"), json!(all)).await.expect(200);
        if let Some(url) = &s.database {
            // What autovacuum does sooner or later.
            let (client, connection) =
                tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            client.batch_execute("ANALYZE").await.unwrap();
        }
        s
    }

    async fn explained(s: &Server, filter: &str, sort: &str) -> Value {
        let asked = [("filter", filter), ("sort", sort), ("limit", "20"), ("explain", "true")];
        let url = reqwest::Url::parse_with_params(&format!("http://{}{RECORDS}", s.address), asked);
        let request = s.request(Method::GET, RECORDS).build().unwrap();
        let mut request = request;
        *request.url_mut() = url.unwrap();
        let client = crate::support::client();
        let told = answer(reqwest::RequestBuilder::from_parts(client, request)).await.expect(200);
        told["explain"].clone()
    }

    pub(super) async fn an_indexed_comparison_uses_its_index(engine: Engine) {
        let s = filled(engine).await;
        // The stream is the third, behind the system's own two. Columns are numbered as the schema declares
        // them: c1 is the owner, c2 the number.
        for (filter, sort, index) in [
            ("data.n == 77", "seq", "s3_c2"),
            ("data.owner == \"o7\"", "seq", "s3_c1"),
            ("data.owner in [\"o7\", \"o8\"] && data.n < 50", "seq", "s3_c"),
            ("data.n >= 9990", "seq", "s3_c2"),
            ("data.n > 4000 && data.n < 4010", "-seq", "s3_c2"),
            ("data.owner.startsWith(\"p\")", "seq", "s3_c1"),
            ("data.n == 77 || data.n == 78", "seq", "s3_c2"),
            ("!(data.n < 9995)", "-time", "s3_c2"),
            ("data.n < 20 && data.price > 1.0", "seq", "s3_c2"),
            ("time < timestamp(\"2000-01-01T00:00:00Z\")", "seq", "s3_time"),
            ("", "data.n", "s3_c2"),
            ("data.n > 5000", "-data.n", "s3_c2"),
            ("", "-time", "s3_time"),
            ("id == \"x\"", "seq", "record_id"),
            ("id.startsWith(\"x\")", "seq", "record_id"),
        ] {
            let explain = explained(&s, filter, sort).await;
            let plan = explain["plan"].to_string();
            assert!(plan.contains(index), "{filter} by {sort}: {plan}");
        }
    }

    pub(super) async fn a_question_says_how_it_is_answered(engine: Engine) {
        let s = filled(engine).await;
        let filter = "data.n < 20 && data.owner.contains(\"o1\") && data.price > 1.0";
        let explain = explained(&s, filter, "seq").await;
        assert_eq!(explain["pushed"], json!(["data.n < 20"]));
        assert_eq!(
            explain["evaluated"],
            json!(["data.owner.contains(\"o1\")", "data.price > 1.0"])
        );
        assert_eq!(explain["indexes"], json!(["data.n"]));
        assert_eq!(explain["wanted"], json!(["data.price"]));
        let plain = s.get(&format!("{RECORDS}?limit=1")).await.expect(200);
        assert_eq!(plain.get("explain"), None);
    }
}
