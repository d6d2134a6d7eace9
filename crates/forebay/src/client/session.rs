//! The sessions of the command line: a file for this user alone, by where Forebay is. The access
//! token is good for minutes; what makes the next one is used as soon as it is needed.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use forebay_model::time::{Clock as _, SystemClock, Timestamp};
use reqwest::{Client, StatusCode};
use serde_json::{Map, Value, json};

use super::{other, refused};
use crate::Failure;

/// A token that ends sooner is not used any more, in microseconds.
const MARGIN: i64 = 30_000_000;

/// The folder of this user's settings; made when it is written to.
fn folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let config = set("XDG_CONFIG_HOME").map(PathBuf::from);
    let config = config.or_else(|| Some(PathBuf::from(set("HOME")?).join(".config")))?;
    Some(config.join("forebay"))
}

/// The file, held: another command waits until this one has written.
pub(super) struct Kept {
    folder: PathBuf,
    _lock: File,
    sessions: Map<String, Value>,
}

impl Kept {
    /// Reads what is kept.
    pub(super) fn open() -> Result<Kept, Failure> {
        let folder = folder().ok_or_else(|| {
            Failure::Configuration("a session is kept under XDG_CONFIG_HOME or HOME".to_owned())
        })?;
        let wrong = |e: std::io::Error| other(format!("{}: {e}", folder.display()));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(wrong)?;
        let mut options = File::options();
        options.create(true).truncate(false).write(true).mode(0o600);
        let lock = options.open(folder.join("session.lock")).map_err(wrong)?;
        lock.lock().map_err(wrong)?;
        let sessions = read(&folder.join("session.json"))?;
        Ok(Kept { folder, _lock: lock, sessions })
    }

    /// Keeps what a sign-in or a refresh has answered.
    pub(super) fn keep(&mut self, url: &str, answer: &Value) -> Result<String, Failure> {
        let lasts = answer["expires_in"].as_i64().unwrap_or(0) * 1_000_000;
        let until = Timestamp::from_micros(SystemClock.now().micros() + lasts);
        let session = json!({
            "access_token": answer["access_token"],
            "refresh_token": answer["refresh_token"],
            "expires_at": until,
        });
        self.sessions.insert(url.to_owned(), session);
        self.write()?;
        Ok(answer["access_token"].as_str().unwrap_or_default().to_owned())
    }

    /// Forgets a session.
    pub(super) fn forget(&mut self, url: &str) -> Result<(), Failure> {
        if self.sessions.remove(url).is_some() { self.write() } else { Ok(()) }
    }

    fn write(&self) -> Result<(), Failure> {
        let draft = self.folder.join("session.json.new");
        let wrong = |e: std::io::Error| other(format!("{}: {e}", draft.display()));
        // One that was left behind keeps its rights when it is opened: it goes first.
        let _ = std::fs::remove_file(&draft);
        let file = File::options().write(true).create_new(true).mode(0o600).open(&draft);
        let mut file = file.map_err(wrong)?;
        let text = Value::Object(self.sessions.clone()).to_string();
        file.write_all(text.as_bytes()).map_err(wrong)?;
        std::fs::rename(&draft, self.folder.join("session.json")).map_err(wrong)
    }
}

fn read(file: &std::path::Path) -> Result<Map<String, Value>, Failure> {
    match std::fs::read_to_string(file) {
        Ok(text) => serde_json::from_str(&text)
            .map_err(|e| other(format!("{}: {e}: remove it and sign in", file.display()))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Map::new()),
        Err(e) => Err(other(format!("{}: {e}", file.display()))),
    }
}

/// A token of the session that is kept for a Forebay, if there is one.
pub(super) async fn token(client: &Client, url: &str) -> Result<Option<String>, Failure> {
    let Some(folder) = folder() else { return Ok(None) };
    let sessions = read(&folder.join("session.json"))?;
    let Some(session) = sessions.get(url) else { return Ok(None) };
    if let Some(token) = good(session) {
        return Ok(Some(token));
    }
    let mut kept = Kept::open()?;
    // Another command may have been quicker.
    let Some(session) = kept.sessions.get(url) else { return Ok(None) };
    if let Some(token) = good(session) {
        return Ok(Some(token));
    }
    let body = json!({"refresh_token": session["refresh_token"]});
    let request = client.post(format!("{url}/v1/auth/refresh")).json(&body);
    let response = request.send().await;
    let response = response.map_err(|e| Failure::Engine(format!("{url} does not answer: {e}")))?;
    match response.status() {
        StatusCode::OK => {
            let answer: Value = response.json().await.map_err(other)?;
            kept.keep(url, &answer).map(Some)
        }
        StatusCode::UNAUTHORIZED => {
            kept.forget(url)?;
            Err(Failure::Configuration("the session has ended: forebay login".to_owned()))
        }
        _ => Err(refused(response).await),
    }
}

fn good(session: &Value) -> Option<String> {
    let until = Timestamp::parse(session["expires_at"].as_str()?).ok()?;
    let lasts = until.micros() - SystemClock.now().micros() > MARGIN;
    lasts.then_some(session["access_token"].as_str()?.to_owned())
}
