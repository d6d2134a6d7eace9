//! Real questions about real files, held against figures that Python computed from them.
//!
//! A digest is the SHA-256 of all rows as `json.dumps(row, separators=(',', ':'),
//! ensure_ascii=False)`, joined by line feeds.

use crate::support::both;

both! { what_birds_cost  where_the_earth_shakes  how_the_weather_was }

mod scenario {
    use aws_lc_rs::digest;
    use forebay_testkit::data;
    use serde_json::{Value, json};

    use crate::aggregate::{quickest, rows};
    use crate::support::{Engine, Server};

    fn file(name: &str) -> Option<String> {
        data(name).map(|path| std::fs::read_to_string(path).unwrap())
    }

    fn digest(rows: &[Value]) -> String {
        let text = rows.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn typed(fields: &[(&str, &str)], indexed: bool) -> Value {
        let field = |(name, kind): &(&str, &str)| {
            ((*name).to_owned(), json!({"type": kind, "x-index": indexed}))
        };
        let properties: serde_json::Map<_, _> = fields.iter().map(field).collect();
        json!({"type": "object", "properties": properties})
    }

    /// Makes a stream with a file's records; what is asked of it gets these rows.
    async fn stream(s: &Server, name: &str, schema: Value, (kind, body): (&str, &str)) {
        s.put(&format!("/v1/streams/{name}"), json!({ "schema": schema })).await.expect(201);
        let path = format!("/v1/streams/{name}/records?return=minimal");
        s.post_as(&path, kind, body.to_owned()).await.expect(200);
    }

    async fn ask(s: &Server, name: &str, body: &Value) -> (Vec<Value>, String) {
        let path = format!("/v1/streams/{name}/aggregate");
        let answer = s.post(&path, body.clone()).await.expect(200);
        assert_eq!((&answer["truncated"], &answer["approximate"]), (&json!(false), &json!([])));
        (rows(&answer), answer["explain"]["plan"].as_str().unwrap().to_owned())
    }

    // b=list(csv.DictReader(open('birdstrikes.csv'))); by (r['Wildlife Species'],
    // r['Phase of flight']): len, sum and max of int(r['Cost Total $']); sorted by
    // (-sum, species, phase)
    pub(super) async fn what_birds_cost(engine: Engine) {
        let Some(text) = file("birdstrikes.csv") else { return };
        let s = Server::start(engine).await;
        let fields = [
            ("Wildlife Species", "string"),
            ("Phase of flight", "string"),
            ("Cost Total $", "integer"),
            ("Speed IAS in knots", "integer"),
        ];
        for (name, indexed, plan) in
            [("indexed", true, quickest(engine)), ("plain", false, "records")]
        {
            stream(&s, name, typed(&fields, indexed), ("text/csv", &text)).await;
            let levels = json!([
                {"as": "species", "field": "data[\"Wildlife Species\"]"},
                {"as": "phase", "field": "data[\"Phase of flight\"]"}]);
            let cost = "data[\"Cost Total $\"]";
            let body = json!({"group_by": levels, "order_by": ["-cost"], "limit": 1000,
                "metrics": {"n": "count()", "cost": format!("sum({cost})"),
                    "most": format!("max({cost})")}, "explain": true});
            let (rows, found) = ask(&s, name, &body).await;
            assert_eq!(found, plan);
            assert_eq!(rows.len(), 166);
            assert_eq!(
                rows[..2],
                [
                    json!(["Unknown bird - large", "Climb", 126, 9_343_705, 7_043_545]),
                    json!(["Canada goose", "Approach", 97, 5_529_296, 3_644_483]),
                ]
            );
            let all = "9b7de289f366b54ce557167464712b1d921baad376db2740bf80e173b6afc07e";
            assert_eq!(digest(&rows), all);
            speeds(&s, name).await;
        }
    }

    // By r['Phase of flight'], where int(r['Speed IAS in knots']) is there: len, those of rank
    // ceil(n*50/100) and ceil(n*95/100) in their order, len(set())
    async fn speeds(s: &Server, name: &str) {
        let speed = "data[\"Speed IAS in knots\"]";
        let body = json!({"group_by": [{"as": "phase", "field": "data[\"Phase of flight\"]"}],
            "filter": format!("has({speed})"), "metrics": {"n": format!("count({speed})"),
                "p50": format!("percentile({speed}, 0.5)"),
                "p95": format!("percentile({speed}, 0.95)"),
                "speeds": format!("distinct({speed})")}});
        let answer = s.post(&format!("/v1/streams/{name}/aggregate"), body).await.expect(200);
        assert_eq!(answer["approximate"], json!(["p50", "p95"]));
        let expected = [
            ("Approach", 3_666, [140.0, 220.0], 93),
            ("Climb", 1_531, [165.0, 250.0], 63),
            ("Descent", 312, [250.0, 290.0], 33),
            ("Landing Roll", 709, [115.0, 140.0], 47),
            ("Parked", 4, [0.0, 0.0], 1),
            ("Take-off run", 938, [125.0, 160.0], 72),
            ("Taxi", 4, [10.0, 130.0], 4),
        ];
        for (row, (phase, n, shares, distinct)) in rows(&answer).iter().zip(expected) {
            assert_eq!((&row[0], &row[1], &row[4]), (&json!(phase), &json!(n), &json!(distinct)));
            for (found, truth) in [(&row[2], shares[0]), (&row[3], shares[1])] {
                // A few values are kept as they are.
                let error = if n > 512 { truth * 0.005_001 } else { 0.0 };
                assert!((found.as_f64().unwrap() - truth).abs() <= error, "{row}");
            }
        }
    }

    // q=json.load(open('earthquakes.json'))['features']; p=f['properties']; by (p['net'],
    // datetime.fromtimestamp(p['time']//1000,timezone.utc).date(), sum(p['mag']>=x for x in
    // (0,1,2.5,5))): net, day, the greatest bound reached, len, sum(p['sig']); sorted by these
    pub(super) async fn where_the_earth_shakes(engine: Engine) {
        let Some(text) = file("earthquakes.json") else { return };
        let document: Value = serde_json::from_str(&text).unwrap();
        let quakes = document["features"].as_array().unwrap().iter();
        let quakes: Vec<&Value> = quakes.map(|feature| &feature["properties"]).collect();
        let s = Server::start(engine).await;
        let fields =
            [("net", "string"), ("mag", "number"), ("sig", "integer"), ("time", "integer")];
        for (name, indexed) in [("indexed", true), ("plain", false)] {
            let body = json!(quakes).to_string();
            stream(&s, name, typed(&fields, indexed), ("application/json", &body)).await;
            let levels = json!([
                {"field": "data.net"},
                {"as": "day", "expr": "timestamp(data.time / 1000)", "every": "1d"},
                {"field": "data.mag", "ranges": [0, 1, 2.5, 5]}]);
            let body = json!({"group_by": levels, "limit": 1000, "explain": true,
                "metrics": {"n": "count()", "sig": "sum(data.sig)"}});
            let (mut rows, plan) = ask(&s, name, &body).await;
            assert_eq!(plan, "records");
            for row in &mut rows {
                row[1] = json!(row[1].as_str().unwrap().strip_suffix("T00:00:00.000000Z"));
                row[2] = row[2]["from"].take();
            }
            let all = "7b61aab46195b59189502aa31bfc26d3bb057276b34bbecdc5f896adf583499d";
            assert_eq!((rows.len(), digest(&rows).as_str()), (188, all));
        }
    }

    // w=list(csv.DictReader(open('seattle-weather.csv'))); by r['date'][:7]: len,
    // sum(round(float(r['precipitation'])*10))/10, max(temp_max), min(temp_min)
    pub(super) async fn how_the_weather_was(engine: Engine) {
        let Some(text) = file("seattle-weather.csv") else { return };
        let s = Server::start(engine).await;
        let fields = [
            ("date", "string"),
            ("precipitation", "number"),
            ("temp_max", "number"),
            ("temp_min", "number"),
        ];
        for (name, indexed) in [("indexed", true), ("plain", false)] {
            stream(&s, name, typed(&fields, indexed), ("text/csv", &text)).await;
            let month = "timestamp(data.date + \"T00:00:00Z\")";
            let body = json!({"group_by": [{"as": "month", "expr": month, "every": "1M"}],
                "metrics": {"days": "count()", "rain": "sum(data.precipitation)",
                    "hot": "max(data.temp_max)", "cold": "min(data.temp_min)"}, "explain": true});
            let (mut rows, _) = ask(&s, name, &body).await;
            for row in &mut rows {
                row[0] = json!(row[0].as_str().unwrap()[..7]);
                let rain = row[2].as_f64().unwrap();
                let tenths = (rain * 10.0).round() / 10.0;
                assert!((rain - tenths).abs() <= tenths * 1e-9, "{row}");
                row[2] = json!(tenths);
            }
            let all = "d906403a5b2f2fd9345e63e30978005208bba690b66081a04b5b252532f4151b";
            assert_eq!((rows.len(), digest(&rows).as_str()), (48, all));
        }
    }
}
