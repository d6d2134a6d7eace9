//! Published vectors and real files, through the HTTP door. `FOREBAY_TEST_DATA` names their folder;
//! what is not there is not tested, and said.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Engine, Server};

fn data(path: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("FOREBAY_TEST_DATA")?).join(path);
    assert!(folder.exists(), "{} is not there", folder.display());
    Some(folder)
}

/// What the parser may do (RFC 8259 leaves it open): what we do.
const OPEN: &[(&str, &str)] = &[
    ("i_number_", "refused: beyond 64 bits, or beyond what a double holds"),
    ("i_object_key_lone_2nd_surrogate", "refused: not a character"),
    ("i_string_", "refused: not UTF-8, or not a character"),
    ("i_structure_500_nested_arrays", "refused: deeper than 64"),
    ("i_structure_UTF-8_BOM_empty_object", "refused: a mark is no JSON"),
];

#[tokio::test]
async fn json_vectors() {
    let Some(folder) = data("vectors/json-parsing") else { return };
    let s = Server::start(Engine::Sqlite).await;
    s.put("/v1/streams/any", json!({"schema": {"type": "object"}})).await.expect(201);
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.ends_with(".json") {
            continue;
        }
        seen += 1;
        let told =
            s.post_as("/v1/streams/any/records", "application/json", std::fs::read(&path).unwrap());
        let told = told.await;
        let status = told.status.as_u16();
        assert!(status < 500, "{name}: {}", told.text);
        let body = told.json();
        match &name[..2] {
            "y_" if status == 200 || status == 207 => {}
            // Parsed, and refused by a rule that names itself.
            "y_" => {
                assert_eq!(status, 400, "{name}: {body}");
                for rejected in body["rejected"].as_array().expect(&name) {
                    let code = rejected["code"].as_str().unwrap();
                    let rules = ["not_an_object", "duplicate_member", "nul_character"];
                    assert!(rules.contains(&code), "{name}: {body}");
                }
            }
            "n_" => assert_eq!(status, 400, "{name}: {body}"),
            "i_" => {
                let decided = OPEN.iter().any(|(prefix, _)| name.starts_with(prefix));
                assert!(decided, "{name} is not decided: {status} {body}");
            }
            _ => panic!("{name}"),
        }
        if name.starts_with("n_") {
            assert_eq!(body["code"], "invalid_json", "{name}: {body}");
        }
    }
    assert!(seen > 300, "only {seen} vectors");
}

#[tokio::test]
async fn naughty_strings_come_back_equal() {
    let Some(folder) = data("vectors/blns") else { return };
    let text = std::fs::read_to_string(folder.join("blns.json")).unwrap();
    let strings: Vec<String> = serde_json::from_str(&text).unwrap();
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let s = Server::start(engine).await;
        let schema =
            json!({"type": "object", "properties": {"s": {"type": "string", "x-index": true}}});
        s.put("/v1/streams/any", json!({"schema": schema})).await.expect(201);
        let records: Vec<Value> = strings.iter().map(|s| json!({"s": s})).collect();
        s.post("/v1/streams/any/records", json!(records)).await.expect(200);
        let export = s.get("/v1/streams/any/export").await.text;
        let back: Vec<String> = export
            .lines()
            .map(|l| {
                serde_json::from_str::<Value>(l).unwrap()["data"]["s"].as_str().unwrap().into()
            })
            .collect();
        assert_eq!(back, strings);
    }
}

#[tokio::test]
async fn real_files_keep_their_counts_and_sums() {
    let (Some(airports), Some(events)) = (data("airports.csv"), data("github-events.ndjson"))
    else {
        return;
    };
    let airports = std::fs::read_to_string(airports).unwrap();
    let events = std::fs::read_to_string(events).unwrap();
    let rows = airports.lines().filter(|l| !l.is_empty()).count() - 1;
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let s = Server::start(engine).await;
        let number = json!({"type": "number"});
        let properties = json!({"latitude": number, "longitude": number});
        let schema = json!({"type": "object", "properties": properties});
        s.put("/v1/streams/airports", json!({"schema": schema})).await.expect(201);
        let told = s.post_as("/v1/streams/airports/records", "text/csv", airports.clone()).await;
        assert_eq!(told.expect(200)["accepted"], rows);

        s.put("/v1/streams/events", json!({"schema": {"type": "object"}})).await.expect(201);
        let lines = events.lines().filter(|l| !l.trim().is_empty()).count();
        let path = "/v1/streams/events/records?return=minimal";
        let told = s.post_as(path, "application/x-ndjson", events.clone()).await.expect(200);
        assert_eq!(told["accepted"], lines);
        let export = s.get("/v1/streams/events/export").await.text;
        let sent = events.lines().filter(|l| !l.trim().is_empty());
        for (line, sent) in export.lines().zip(sent) {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["data"], serde_json::from_str::<Value>(sent).unwrap());
        }
    }
}
