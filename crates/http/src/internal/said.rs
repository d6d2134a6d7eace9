//! What the gateway says of a request.

use std::net::IpAddr;
use std::sync::Arc;

use forebay_model::principal::Principal;
use forebay_model::time::Timestamp;
use serde_json::{Map, Value, json};

use super::principal;
use crate::meter::{Allowance, Plan};
use crate::principal::{Peer, Way};

/// Who asks from where, and how much they may still bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Who asks; nobody, where a door is open.
    pub who: Option<Arc<Principal>>,
    /// Where they are.
    pub peer: Peer,
    /// The request's id.
    pub request_id: String,
    /// What is left of each of their limits of records.
    pub left: Vec<Allowance>,
    /// Whether records are counted by stream.
    pub by_stream: bool,
    /// Their quotas of records.
    pub plans: Vec<Plan>,
}

impl Said {
    /// What a process says that asks for itself.
    pub fn by_itself(request_id: String) -> Said {
        let peer = Peer(std::net::Ipv4Addr::LOCALHOST.into(), Way::Direct);
        Said { who: None, peer, request_id, left: Vec::new(), by_stream: false, plans: Vec::new() }
    }

    pub(super) fn write(&self, at: Timestamp, until: Timestamp) -> String {
        let Peer(address, way) = self.peer;
        let mut said = json!({
            "at": at.micros(),
            "until": until.micros(),
            "id": self.request_id,
            "from": address.to_string(),
            "direct": way == Way::Direct,
        });
        if let Some(who) = &self.who {
            said["who"] = principal::write(who);
        }
        if !self.left.is_empty() {
            said["left"] = self.left.iter().map(Allowance::write).collect();
        }
        if self.by_stream {
            said["by_stream"] = true.into();
        }
        if !self.plans.is_empty() {
            said["plans"] = self.plans.iter().map(Plan::write).collect();
        }
        said.to_string()
    }

    /// Reads it, and from when to when it is good.
    pub(super) fn read(said: &[u8]) -> Option<(Said, Timestamp, Timestamp)> {
        let Value::Object(said) = serde_json::from_slice(said).ok()? else { return None };
        let time = |name: &str| said.get(name)?.as_i64().map(Timestamp::from_micros);
        let (at, until) = (time("at")?, time("until")?);
        let address: IpAddr = said.get("from")?.as_str()?.parse().ok()?;
        let way = if said.get("direct")?.as_bool()? { Way::Direct } else { Way::Relayed };
        let who = match said.get("who") {
            Some(who) => Some(Arc::new(principal::read(who)?)),
            None => None,
        };
        let said = Said {
            who,
            peer: Peer(address, way),
            request_id: said.get("id")?.as_str()?.to_owned(),
            left: list(&said, "left", Allowance::read)?,
            plans: list(&said, "plans", Plan::read)?,
            by_stream: said.get("by_stream").is_some_and(|value| *value == true),
        };
        Some((said, at, until))
    }
}

fn list<T>(
    said: &Map<String, Value>,
    name: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Option<Vec<T>> {
    let Some(all) = said.get(name) else { return Some(Vec::new()) };
    all.as_array()?.iter().map(read).collect()
}
