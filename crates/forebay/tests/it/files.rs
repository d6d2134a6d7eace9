//! Real files through the HTTP API, held against figures that Python computed from them.
//!
//! A digest is the SHA-256 of all rows as `json.dumps(row, separators=(',', ':'),
//! ensure_ascii=False)`, joined by line feeds: what comes back is equal to the last digit. Sums are
//! of integers, in units of the last digit.

use crate::support::both;

both! { earthquakes  weather  birdstrikes  airports  events }

mod scenario {
    use aws_lc_rs::digest;
    use forebay_testkit::data;
    use serde::Deserialize;
    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    use crate::support::{Engine, Server};

    /// The records of a stream, each with the text of its `data` as the server wrote it.
    struct Back {
        texts: Vec<String>,
        rows: Vec<Value>,
    }

    #[derive(Deserialize)]
    struct Record<'r> {
        seq: usize,
        #[serde(borrow)]
        data: &'r RawValue,
    }

    #[derive(Deserialize)]
    struct Page<'p> {
        #[serde(borrow)]
        items: Vec<Record<'p>>,
        next_cursor: Option<String>,
        count: usize,
    }

    impl Back {
        /// Reads a stream by both doors, which say the same.
        async fn read(s: &Server, stream: &str) -> Back {
            let export = s.get(&format!("/v1/streams/{stream}/export")).await.text;
            let mut texts = Vec::new();
            for line in export.lines() {
                let record: Record<'_> = serde_json::from_str(line).unwrap();
                texts.push(record.data.get().to_owned());
                assert_eq!(record.seq, texts.len());
            }
            assert!(Self::listed(s, stream).await == texts, "the list differs from the export");
            let rows = texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
            Back { texts, rows }
        }

        async fn listed(s: &Server, stream: &str) -> Vec<String> {
            let path = format!("/v1/streams/{stream}/records?limit=1000&count=exact");
            let (mut texts, mut cursor) = (Vec::new(), String::new());
            loop {
                let answer = s.get(&format!("{path}{cursor}")).await;
                let page: Page<'_> = serde_json::from_str(&answer.text).unwrap();
                texts.extend(page.items.iter().map(|r| r.data.get().to_owned()));
                let Some(next) = page.next_cursor else {
                    assert_eq!(page.count, texts.len());
                    return texts;
                };
                cursor = format!("&cursor={next}");
            }
        }

        fn digest(&self) -> String {
            let hash = digest::digest(&digest::SHA256, self.texts.join("\n").as_bytes());
            hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
        }

        /// The sum of a field, in units of which a one has so many.
        #[allow(clippy::cast_possible_truncation, reason = "the sums are far from the ends")]
        fn sum(&self, pointer: &str, units: f64) -> i64 {
            let values = self.rows.iter().filter_map(|row| row.pointer(pointer)?.as_f64());
            values.map(|value| (value * units).round() as i64).sum()
        }

        fn count(&self, pointer: &str, value: &Value) -> usize {
            self.rows.iter().filter(|row| row.pointer(pointer) == Some(value)).count()
        }
    }

    /// Makes a stream and sends it a body; all of it is taken.
    async fn send(
        s: &Server,
        stream: &str,
        definition: Value,
        (kind, body): (&str, String),
    ) -> u64 {
        s.put(&format!("/v1/streams/{stream}"), definition).await.expect(201);
        let path = format!("/v1/streams/{stream}/records?return=minimal");
        s.post_as(&path, kind, body).await.expect(200)["accepted"].as_u64().unwrap()
    }

    fn file(name: &str) -> Option<String> {
        data(name).map(|path| std::fs::read_to_string(path).unwrap())
    }

    fn typed(fields: &[(&str, &str)]) -> Value {
        let properties = fields.iter().map(|(name, kind)| ((*name).into(), json!({"type": kind})));
        let properties: Value = properties.collect::<serde_json::Map<_, _>>().into();
        json!({"type": "object", "properties": properties, "additionalProperties": false})
    }

    // q=json.load(open('earthquakes.json'))['features']; [sum(round((f['properties'][k] or 0)*u)
    // for f in q) for k,u in (('mag',100),('sig',1),('felt',1),('time',1))]
    pub(super) async fn earthquakes(engine: Engine) {
        #[derive(Deserialize)]
        struct Collection<'c> {
            #[serde(borrow)]
            features: &'c RawValue,
        }
        let Some(text) = file("earthquakes.json") else { return };
        let features = serde_json::from_str::<Collection<'_>>(&text).unwrap().features.get();
        let s = Server::start(engine).await;
        let maybe = json!(["integer", "null"]);
        let definition = json!({"id_from": "data.id", "schema": {"type": "object", "properties": {
            "id": {"type": "string"},
            "properties": {"type": "object", "required": ["mag", "place"], "properties": {
                "mag": {"type": "number", "x-index": true},
                "place": {"type": "string"},
                "time": {"type": "integer", "x-index": true},
                "felt": {"type": maybe},
                "sig": {"type": "integer"}}},
            "geometry": {"type": "object", "properties": {
                "type": {"const": "Point"},
                "coordinates": {"type": "array", "items": {"type": "number"}, "minItems": 3}}},
        }}});
        let sent = ("application/json", features.to_owned());
        assert_eq!(send(&s, "quakes", definition, sent).await, 1707);
        let back = Back::read(&s, "quakes").await;
        let all = "4eb3b390bb8501141f85f8a343635b671ea35f814d1b7bbc4f66369f92c64923";
        assert_eq!(back.digest(), all);
        assert_eq!(back.sum("/properties/mag", 100.0), 261_639);
        assert_eq!(back.sum("/properties/sig", 1.0), 104_666);
        assert_eq!(back.sum("/properties/felt", 1.0), 2_887);
        assert_eq!(back.sum("/properties/time", 1.0), 2_590_660_358_845_828);
        assert_eq!(back.count("/properties/felt", &Value::Null), 1_580);
        // max(q,key=lambda f:f['properties']['mag'])
        let strongest = s.get("/v1/streams/quakes/records/us1000chhc").await.expect(200);
        let strongest = &strongest["data"];
        assert_eq!(strongest["properties"]["mag"], 6.4);
        assert_eq!(strongest["properties"]["place"], "22km NNE of Hualian, Taiwan");
        assert_eq!(strongest["geometry"]["coordinates"], json!([121.653, 24.1737, 10.64]));
    }

    // w=list(csv.DictReader(open('seattle-weather.csv'))); [sum(round(float(r[k])*10) for r in w)
    // for k in ('precipitation','temp_max','temp_min','wind')]; numbers are json.loads(cell)
    pub(super) async fn weather(engine: Engine) {
        let Some(text) = file("seattle-weather.csv") else { return };
        let s = Server::start(engine).await;
        let schema = typed(&[
            ("date", "string"),
            ("precipitation", "number"),
            ("temp_max", "number"),
            ("temp_min", "number"),
            ("wind", "number"),
            ("weather", "string"),
        ]);
        let sent = ("text/csv", text);
        assert_eq!(send(&s, "weather", json!({"schema": schema}), sent).await, 1461);
        let back = Back::read(&s, "weather").await;
        let all = "1d6faab26347f1987c3f61a7a85a4cd7c2cd3db906d61fc1bac4494da95fc06e";
        assert_eq!(back.digest(), all);
        for (field, tenths) in [
            ("/precipitation", 44_260),
            ("/temp_max", 240_175),
            ("/temp_min", 120_310),
            ("/wind", 47_353),
        ] {
            assert_eq!(back.sum(field, 10.0), tenths, "{field}");
        }
        for (weather, days) in
            [("rain", 641), ("sun", 640), ("fog", 101), ("drizzle", 53), ("snow", 26)]
        {
            assert_eq!(back.count("/weather", &weather.into()), days, "{weather}");
        }
        let day = json!({"date": "2013-05-15", "precipitation": 1.0, "temp_max": 17.2,
            "temp_min": 8.9, "wind": 2.3, "weather": "rain"});
        assert_eq!(back.rows[500], day);
    }

    // b=list(csv.DictReader(open('birdstrikes.csv'))); [sum(int(r[k] or 0) for r in b) for k in
    // ('Cost Other','Cost Repair','Cost Total $','Speed IAS in knots')]; an empty speed is absent
    pub(super) async fn birdstrikes(engine: Engine) {
        let Some(text) = file("birdstrikes.csv") else { return };
        let s = Server::start(engine).await;
        let mut schema = typed(&[
            ("Airport Name", "string"),
            ("Aircraft Make Model", "string"),
            ("Effect Amount of damage", "string"),
            ("Flight Date", "string"),
            ("Aircraft Airline Operator", "string"),
            ("Origin State", "string"),
            ("Phase of flight", "string"),
            ("Wildlife Size", "string"),
            ("Wildlife Species", "string"),
            ("Time of day", "string"),
            ("Cost Other", "integer"),
            ("Cost Repair", "integer"),
            ("Cost Total $", "integer"),
            ("Speed IAS in knots", "integer"),
        ]);
        schema["properties"]["Cost Total $"]["x-index"] = true.into();
        schema["properties"]["Flight Date"]["format"] = "date".into();
        let sent = ("text/csv", text);
        assert_eq!(send(&s, "strikes", json!({"schema": schema}), sent).await, 10_000);
        let back = Back::read(&s, "strikes").await;
        let all = "b5d299e7010784544fffa1f7b76c24d7935e75f4e570960023c2c914adbf8015";
        assert_eq!(back.digest(), all);
        assert_eq!(back.sum("/Cost Other", 1.0), 4_242_411);
        assert_eq!(back.sum("/Cost Repair", 1.0), 36_302_865);
        assert_eq!(back.sum("/Cost Total $", 1.0), 40_545_276);
        assert_eq!(back.sum("/Speed IAS in knots", 1.0), 1_099_926);
        let with_speed = back.rows.iter().filter(|r| r.get("Speed IAS in knots").is_some());
        assert_eq!(with_speed.count(), 7_164);
        assert_eq!(back.count("/Origin State", &"Texas".into()), 1_495);
        let dearest = back.rows.iter().max_by_key(|r| r["Cost Total $"].as_i64()).unwrap();
        assert_eq!(dearest["Airport Name"], "AUSTIN-BERGSTROM INTL");
        assert_eq!(dearest["Cost Total $"], 7_043_545);
    }

    // a=list(csv.DictReader(open('airports.csv'))); [sum(round(float(r[k])*1e8) for r in a) for k
    // in ('latitude','longitude')]; sum(r['state']=='WA' for r in a)
    pub(super) async fn airports(engine: Engine) {
        let Some(text) = file("airports.csv") else { return };
        let s = Server::start(engine).await;
        let schema = typed(&[
            ("iata", "string"),
            ("name", "string"),
            ("city", "string"),
            ("state", "string"),
            ("country", "string"),
            ("latitude", "number"),
            ("longitude", "number"),
        ]);
        let definition = json!({"schema": schema, "id_from": "data.iata"});
        assert_eq!(send(&s, "airports", definition, ("text/csv", text.clone())).await, 3376);
        // The same file again: every row is known by its id.
        let again = s.post_as("/v1/streams/airports/records", "text/csv", text).await.expect(200);
        assert_eq!((&again["accepted"], &again["duplicates"]), (&json!(0), &json!(3376)));
        assert_eq!(again["last_seq"], 3376);
        let back = Back::read(&s, "airports").await;
        let all = "ba67eb4b841292392ac01d0fcb6942db037c4d32be4e5efac2aeeb41039821a2";
        assert_eq!(back.digest(), all);
        assert_eq!(back.sum("/latitude", 1e8), 13_507_784_146_143);
        assert_eq!(back.sum("/longitude", 1e8), -33_149_087_876_155);
        assert_eq!(back.count("/state", &"WA".into()), 65);
        let one = s.get("/v1/streams/airports/records/SEA").await.expect(200);
        let seattle = json!({"iata": "SEA", "name": "Seattle-Tacoma Intl", "city": "Seattle",
            "state": "WA", "country": "USA", "latitude": 47.44898194, "longitude": -122.3093131});
        assert_eq!(one["data"], seattle);
    }

    // g=[json.loads(l) for l in open('github-events.ndjson') if l.strip()];
    // sum(e['payload'].get('size',0) for e in g); sum(e['actor']['id'] for e in g);
    // t=sorted(g,key=lambda e:e['created_at']); t[0]['id'], t[-1]['id']
    pub(super) async fn events(engine: Engine) {
        let Some(text) = file("github-events.ndjson") else { return };
        let s = Server::start(engine).await;
        let definition = json!({"id_from": "data.id", "time_from": "data.created_at",
            "schema": {"type": "object", "properties": {"type": {"type": "string"}}}});
        let sent = || ("application/x-ndjson", text.clone());
        assert_eq!(send(&s, "events", definition, sent()).await, 800);
        let again = s.post_as("/v1/streams/events/records", sent().0, sent().1).await.expect(200);
        assert_eq!(again["duplicates"], 800);
        let back = Back::read(&s, "events").await;
        let all = "7d7a748b1622712d589f8638bb628be3bad14b5c71048cde5438d02e78fd3785";
        assert_eq!(back.digest(), all);
        assert_eq!(back.count("/type", &"PushEvent".into()), 425);
        assert_eq!(back.sum("/payload/size", 1.0), 1_630);
        assert_eq!(back.sum("/actor/id", 1.0), 34_338_579_569);
        for (sort, id, time) in [
            ("time", "17244207336", "2021-07-21T06:00:00.000000Z"),
            ("-time", "17246340250", "2021-07-21T09:00:04.000000Z"),
        ] {
            let path = format!("/v1/streams/events/records?limit=1&sort={sort}");
            let page = s.get(&path).await.expect(200);
            assert_eq!(
                (&page["items"][0]["id"], &page["items"][0]["time"]),
                (&json!(id), &json!(time))
            );
        }
    }
}
