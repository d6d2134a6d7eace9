//! The JSON Schema 2020-12 draft's own suite.

use forebay_model::schema::Schema;
use forebay_testkit::data;
use serde_json::Value;

/// Groups that we refuse to compile, each for a reason of ours.
const REFUSED: &[(&str, &str)] = &[
    ("refRemote.json", "remote references are not followed"),
    ("vocabulary.json", "it needs a remote meta-schema"),
];

#[test]
fn required_cases_pass() {
    let Some(folder) = data("vectors/json-schema") else { return };
    let (mut cases, mut wrong) = (0, Vec::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !file.ends_with(".json") || REFUSED.iter().any(|(name, _)| *name == file) {
            continue;
        }
        let groups: Vec<Value> =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for group in groups {
            let title = format!("{file}: {}", group["description"]);
            let text = group["schema"].to_string();
            // A stream's schema is an object: `true` and `false` at its root say nothing of a record.
            if group["schema"].is_boolean() {
                continue;
            }
            // Schemas on another host are remote references by another name.
            if text.contains("localhost:1234") {
                continue;
            }
            let schema = match Schema::compile(&group["schema"]) {
                Ok(schema) => schema,
                Err(errors) => {
                    wrong.push(format!("{title}: {}", errors[0].message));
                    continue;
                }
            };
            for case in group["tests"].as_array().unwrap() {
                cases += 1;
                let valid = schema.check(&case["data"]).is_empty();
                if valid != case["valid"].as_bool().unwrap() {
                    wrong.push(format!("{title}: {}", case["description"]));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {cases}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases > 500, "only {cases} cases");
}
