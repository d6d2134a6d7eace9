//! Published vectors, through the HTTP door.

use forebay_testkit::data;
use serde_json::{Value, json};

use crate::support::{Engine, Server};

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
    for engine in [Engine::Sqlite, Engine::Postgres, Engine::Split] {
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

/// Where a vector of csv-spectrum disagrees with itself: file, column, the CSV's cell and the
/// JSON's.
const AT_ODDS: (&str, &str, &str, &str) =
    ("location_coordinates", "Contact Phone Number", "2095257564", "1234567890");

#[tokio::test]
async fn csv_vectors_come_back_as_their_json_says() {
    let Some(folder) = data("vectors/csv-spectrum") else { return };
    let mut seen = 0;
    for engine in [Engine::Sqlite, Engine::Postgres, Engine::Split] {
        let s = Server::start(engine).await;
        for entry in std::fs::read_dir(folder.join("csvs")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            let stream = format!("/v1/streams/{name}");
            s.put(&stream, json!({"schema": {"type": "object"}})).await.expect(201);
            let csv = std::fs::read(&path).unwrap();
            let told = s.post_as(&format!("{stream}/records"), "text/csv", csv).await.expect(200);
            let said = std::fs::read(folder.join(format!("json/{name}.json"))).unwrap();
            let mut said = match serde_json::from_slice(&said).unwrap() {
                Value::Array(rows) => rows,
                row => vec![row],
            };
            let (file, column, cell, other) = AT_ODDS;
            if name == file {
                assert_eq!(said[0][column], other);
                said[0][column] = cell.into();
            }
            assert_eq!(told["accepted"], said.len(), "{name}");
            let back = s.get(&format!("{stream}/records")).await.expect(200);
            let back = back["items"].as_array().unwrap().iter().map(|r| r["data"].clone());
            assert_eq!(back.collect::<Vec<_>>(), said, "{name}");
            seen += 1;
        }
    }
    assert_eq!(seen, 3 * 12, "not the vectors that are known here");
}
