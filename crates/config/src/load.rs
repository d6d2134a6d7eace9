//! Reads all sources, each over the one before, and remembers where a value came from.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

use forebay_model::field::nearest;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::again::Sources;

pub(crate) const FILES: [(&str, &str); 3] = [
    ("app.yaml", include_str!("../../../config/app.yaml")),
    ("database.yaml", include_str!("../../../config/database.yaml")),
    ("logging.yaml", include_str!("../../../config/logging.yaml")),
];
/// Variables with a name of their own, and what they set.
const NAMED: [(&str, &str); 5] = [
    ("DATABASE_URL", "database.url"),
    ("ELASTICSEARCH_URL", "search.url"),
    ("API_KEY", "server.api_key"),
    ("MASTER_KEY", "auth.master_key"),
    ("LOG_LEVEL", "logging.level"),
];
/// Never shown; each may stand in a file that `<VARIABLE>_FILE` names.
const SECRETS: [&str; 8] = [
    "auth.master_key",
    "database.url",
    "internal.secret",
    "notify.smtp.password",
    "search.api_key",
    "search.password",
    "search.url",
    "server.api_key",
];
/// Settings without a section.
const ALONE: [&str; 2] = ["routes", "upstreams"];
const PREFIX: &str = "FOREBAY_";
/// Variables of the prefix that are no settings: what the commands of the client take.
const OTHERS: [&str; 2] = ["FOREBAY_KEY", "FOREBAY_URL"];
/// What tests look at.
const TESTS: &str = "FOREBAY_TEST_";

/// Why the settings cannot be used; the text names the key and where it stands.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

/// All settings, each with where it came from.
#[derive(Debug, Clone)]
pub struct Config {
    pub(crate) values: BTreeMap<String, (Value, String)>,
    defaults: BTreeMap<String, Value>,
    pub(crate) sources: Sources,
}

/// One line of `forebay config explain`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Explained {
    /// The dotted key.
    pub key: String,
    /// Its value; a secret one is not shown.
    pub value: Value,
    /// `default`, a file, a variable or a flag.
    pub from: String,
}

impl Config {
    /// Reads all sources. `flags` are dotted keys with their values.
    pub fn load(
        folder: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &[(&str, String)],
    ) -> Result<Config, ConfigError> {
        let sources = Sources {
            folder: folder.map(Path::to_owned),
            environment: environment.into_iter().collect(),
            flags: flags.iter().map(|(key, text)| ((*key).to_owned(), text.clone())).collect(),
        };
        Config::read(&sources)
    }

    pub(crate) fn read(sources: &Sources) -> Result<Config, ConfigError> {
        let (values, defaults) = (BTreeMap::new(), BTreeMap::new());
        let mut config = Config { values, defaults, sources: sources.clone() };
        for (name, text) in FILES {
            for (key, value) in flatten(&read_yaml(name, text)?) {
                config.defaults.insert(key.clone(), value.clone());
                config.values.insert(key, (value, "default".to_owned()));
            }
        }
        if let Some(folder) = &sources.folder {
            config.read_folder(folder)?;
        }
        config.read_environment(&sources.environment)?;
        for (key, text) in &sources.flags {
            config.set_text(key, text, "flag".to_owned())?;
        }
        Ok(config)
    }

    /// One top-level section as plain data.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T, ConfigError> {
        let section = serde_json::from_value(self.tree(name, |_| true));
        section.map_err(|error| self.blame::<T>(name, &error.to_string()))
    }

    /// What is wrong with a setting: where it was set, its key, and why.
    pub fn fault(&self, key: &str, what: impl Display) -> String {
        let from = self.values.get(key).map_or("default", |(_, from)| from);
        format!("{from}: {key}: {what}")
    }

    /// Finds the setting for which a section cannot be read: the first with which the defaults can
    /// not be read either.
    fn blame<T: DeserializeOwned>(&self, name: &str, all: &str) -> ConfigError {
        for key in self.values.keys().filter(|key| key.split('.').next() == Some(name)) {
            let tried: Result<T, _> = serde_json::from_value(self.tree(name, |k| k == key));
            if let Err(error) = tried {
                let secret = SECRETS.contains(&key.as_str());
                let what = if secret { "is a text".to_owned() } else { error.to_string() };
                return ConfigError(self.fault(key, what));
            }
        }
        ConfigError(format!("{name}: {all}"))
    }

    /// A section with what was set for some keys, and the defaults of the others.
    fn tree(&self, name: &str, set: impl Fn(&str) -> bool) -> Value {
        let mut root = Value::Object(Map::new());
        for (key, (value, _)) in &self.values {
            let default = self.defaults.get(key).unwrap_or(value);
            let value = if set(key) { value } else { default };
            let mut parts = key.split('.');
            if parts.next() != Some(name) {
                continue;
            }
            let mut at = &mut root;
            for part in parts {
                let Value::Object(members) = at else { break };
                at = members.entry(part).or_insert_with(|| Value::Object(Map::new()));
            }
            *at = value.clone();
        }
        root
    }

    /// Each value and where it came from.
    pub fn explain(&self) -> Vec<Explained> {
        let rows = self.values.iter().map(|(key, (value, from))| {
            let hidden = SECRETS.contains(&key.as_str()) && !value.is_null();
            let mut value = if hidden { "(hidden)".into() } else { value.clone() };
            hide_header_values(&mut value, false);
            Explained { key: key.clone(), value, from: from.clone() }
        });
        rows.collect()
    }

    fn read_folder(&mut self, folder: &Path) -> Result<(), ConfigError> {
        if !folder.is_dir() {
            return Err(ConfigError(format!("--config: {} is not a folder", folder.display())));
        }
        for (name, _) in FILES {
            let path = folder.join(name);
            let text = match std::fs::read_to_string(&path) {
                Ok(text) => text,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => return Err(ConfigError(format!("{}: {e}", path.display()))),
            };
            let from = path.display().to_string();
            for (key, value) in flatten(&read_yaml(&from, &text)?) {
                self.set(&key, value, from.clone())?;
            }
        }
        Ok(())
    }

    fn read_environment(&mut self, all: &BTreeMap<String, String>) -> Result<(), ConfigError> {
        for (name, text) in all {
            let (bare, text) = match name.strip_suffix("_FILE") {
                Some(bare) if secret_of(bare).is_some() => {
                    let content = std::fs::read_to_string(text);
                    let content =
                        content.map_err(|e| ConfigError(format!("{name}: {text}: {e}")))?;
                    (bare, content.trim_end_matches(['\r', '\n']).to_owned())
                }
                _ => (name.as_str(), text.clone()),
            };
            if bare.len() < name.len() && all.contains_key(bare) {
                return Err(ConfigError(format!("both {bare} and {name} are set")));
            }
            match key_of(bare) {
                Some(key) => self.set_text(&key, &text, name.clone())?,
                None if is_a_mistake(name, &text) => return Err(self.no_such_variable(name)),
                None => {}
            }
        }
        Ok(())
    }

    fn no_such_variable(&self, name: &str) -> ConfigError {
        let settings = self.values.keys();
        let settings = settings.map(|k| format!("{PREFIX}{}", k.replace('.', "__").to_uppercase()));
        let known: Vec<String> = settings.chain(OTHERS.map(str::to_owned)).collect();
        let hint = nearest(name, known.iter().map(String::as_str));
        let hint = hint.map(|known| format!("; did you mean `{known}`?")).unwrap_or_default();
        ConfigError(format!("{name}: there is no such variable{hint}"))
    }

    /// Sets a value that came as text: it takes the default's type.
    fn set_text(&mut self, key: &str, text: &str, from: String) -> Result<(), ConfigError> {
        let value = match self.values.get(key).map(|(value, _)| value) {
            Some(Value::Number(_) | Value::Bool(_)) => {
                serde_json::from_str(text).unwrap_or_else(|_| text.into())
            }
            Some(Value::Array(_)) => read_list(text),
            _ => text.into(),
        };
        self.set(key, value, from)
    }

    fn set(&mut self, key: &str, value: Value, from: String) -> Result<(), ConfigError> {
        if let Some(slot) = self.values.get_mut(key) {
            *slot = (value, from);
            return Ok(());
        }
        let hint = nearest(key, self.values.keys().map(String::as_str));
        let hint = hint.map(|known| format!("; did you mean `{known}`?")).unwrap_or_default();
        Err(ConfigError(format!("{from}: there is no setting `{key}`{hint}")))
    }
}

/// Hides what routes write into headers: credentials for the services behind them stand there.
fn hide_header_values(value: &mut Value, within: bool) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let headers = name == "request_headers" || name == "response_headers";
                hide_header_values(member, (within || headers) && name != "remove");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| hide_header_values(item, within)),
        Value::String(text) if within => *text = "(hidden)".to_owned(),
        _ => {}
    }
}

/// A list as one text: JSON, or words between commas.
fn read_list(text: &str) -> Value {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).unwrap_or_else(|_| text.into());
    }
    text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect()
}

fn secret_of(variable: &str) -> Option<String> {
    key_of(variable).filter(|key| SECRETS.contains(&key.as_str()))
}

fn key_of(variable: &str) -> Option<String> {
    if let Some((_, key)) = NAMED.iter().find(|(name, _)| *name == variable) {
        return Some((*key).to_owned());
    }
    // A setting has a section, but for some.
    let rest = variable.strip_prefix(PREFIX)?;
    let key = rest.to_ascii_lowercase();
    (rest.contains("__") || ALONE.contains(&key.as_str())).then(|| key.replace("__", "."))
}

/// Whether a variable of our prefix names nothing. Kubernetes tells every container about all
/// services beside it, and one of them may well be called `forebay`.
fn is_a_mistake(name: &str, text: &str) -> bool {
    let port = name.ends_with("_PORT") && text.contains("://");
    let address = ["_TCP", "_UDP", "_SCTP"].iter().any(|kind| name.contains(kind));
    let service = name.ends_with("_SERVICE_HOST") || name.contains("_SERVICE_PORT");
    let known = OTHERS.contains(&name) || name.starts_with(TESTS);
    name.starts_with(PREFIX) && !known && !port && !address && !service
}

fn read_yaml(name: &str, text: &str) -> Result<Value, ConfigError> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Value::Object(Map::new()));
    }
    let value: Value =
        serde_saphyr::from_str(text).map_err(|e| ConfigError(format!("{name}: {e}")))?;
    if value.is_object() { Ok(value) } else { Err(ConfigError(format!("{name}: no sections"))) }
}

/// The leaves of a tree, by their dotted keys.
fn flatten(value: &Value) -> Vec<(String, Value)> {
    fn walk(value: &Value, key: String, out: &mut Vec<(String, Value)>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                    walk(member, key, out);
                }
            }
            leaf => out.push((key, leaf.clone())),
        }
    }
    let mut out = Vec::new();
    walk(value, String::new(), &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let flags: Vec<_> = flags.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
        Config::load(None, environment, &flags)
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_defaults() {
        let name = "FOREBAY_SERVER__LISTEN";
        let config = load(&[(name, "0.0.0.0:1")], &[("server.listen", "[::1]:2")]).unwrap();
        let row = config.explain().into_iter().find(|r| r.key == "server.listen").unwrap();
        assert_eq!((row.value, row.from.as_str()), ("[::1]:2".into(), "flag"));
        let config = load(&[("FOREBAY_INGEST__MAX_RECORDS", "7")], &[]).unwrap();
        let row = config.explain().into_iter().find(|r| r.key == "ingest.max_records").unwrap();
        assert_eq!(row.value, 7);
    }

    #[test]
    fn what_routes_write_into_headers_is_not_shown() {
        let routes = r#"[{"name": "a", "match": {"headers": {"x-beta": "1"}},
            "request_headers": {"set": {"authorization": "Bearer secret"}}}]"#;
        let config = load(&[("FOREBAY_ROUTES", routes)], &[]).unwrap();
        let row = config.explain().into_iter().find(|row| row.key == "routes").unwrap();
        let text = row.value.to_string();
        assert!(!text.contains("secret") && text.contains("authorization"), "{text}");
        assert!(text.contains("\"x-beta\":\"1\""), "{text}");
    }

    #[test]
    fn lists_come_as_json_or_as_words() {
        let name = "FOREBAY_GATEWAY__TRUSTED_PROXIES";
        for (text, value) in [
            ("10.0.0.0/8, ::1", serde_json::json!(["10.0.0.0/8", "::1"])),
            ("[\"10.0.0.0/8\"]", serde_json::json!(["10.0.0.0/8"])),
            ("", serde_json::json!([])),
            ("[x", "[x".into()),
        ] {
            let config = load(&[(name, text)], &[]).unwrap();
            let mut rows = config.explain().into_iter();
            let row = rows.find(|r| r.key == "gateway.trusted_proxies").unwrap();
            assert_eq!(row.value, value, "{text}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest() {
        let error = load(&[("FOREBAY_SERVER__LISTN", "x")], &[]).unwrap_err().to_string();
        assert!(error.contains("FOREBAY_SERVER__LISTN"), "{error}");
        assert!(error.contains("did you mean `server.listen`"), "{error}");
        assert!(load(&[("FOREBAY_TEST_DATA", "x"), ("HOME", "/")], &[]).is_ok());
    }

    #[test]
    fn secrets_come_from_files_and_are_not_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3cret\n").unwrap();
        let path = file.path().to_str().unwrap();
        let config = load(&[("API_KEY_FILE", path)], &[]).unwrap();
        let shown = serde_json::to_string(&config.explain()).unwrap();
        assert!(!shown.contains("s3cret"), "{shown}");
        #[derive(serde::Deserialize)]
        struct Server {
            api_key: Option<crate::Secret>,
        }
        let server: Server = config.section("server").unwrap();
        assert_eq!(server.api_key.unwrap().reveal(), "s3cret");
        assert!(load(&[("API_KEY_FILE", path), ("API_KEY", "x")], &[]).is_err());
    }
}
