//! A route as it is shown: what the configuration says, without the values that go into heads.

use serde_json::{Map, Value, json};

use super::draft::Is;
use super::edits::Edits;
use super::route::{Action, Host, Rewrite, Route};
use crate::pattern::Rest;

impl Route {
    /// The route as JSON.
    pub fn describe(&self) -> Value {
        let mut route = json!({
            "name": self.name,
            "priority": self.priority,
            "match": self.wanted(),
        });
        let mut more = match &self.action {
            Action::Upstream { split, rewrite } => {
                let share =
                    |(name, weight): &(String, u32)| json!({"name": name, "weight": weight});
                let rewrite = rewrite.as_ref().map(|rewrite| match rewrite {
                    Rewrite::Prefix(prefix) if prefix.is_empty() => json!({"prefix": "/"}),
                    Rewrite::Prefix(prefix) => json!({"prefix": prefix}),
                    Rewrite::Path(_, text) => json!({"path": text}),
                });
                let mut more = json!({"upstream": split.iter().map(share).collect::<Vec<_>>()});
                if let Some(rewrite) = rewrite {
                    more["rewrite"] = rewrite;
                }
                more
            }
            Action::Redirect { status, text, .. } => {
                json!({"redirect": {"status": status.as_u16(), "to": text}})
            }
            Action::Answer { status, content_type, .. } => {
                json!({"answer": {"status": status.as_u16(), "content_type": content_type}})
            }
        };
        let rest = json!({
            "request_headers": edits(&self.request_headers),
            "response_headers": edits(&self.response_headers),
            "auth": self.auth.as_str(),
            "permission": self.permission.as_ref().map(ToString::to_string),
            "timeout_ms": self.timeout.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
            "pass_credentials": self.pass_credentials,
            "identity": self.identity,
            "lax_paths": self.lax_paths,
        });
        for part in [more.as_object_mut().map(std::mem::take), rest.as_object().cloned()] {
            if let (Some(route), Some(part)) = (route.as_object_mut(), part) {
                route.extend(part);
            }
        }
        route
    }

    fn wanted(&self) -> Value {
        let mut wanted = Map::new();
        if self.host != Host::Any {
            wanted.insert("host".to_owned(), self.host.to_string().into());
        }
        let member = if self.path.rest == Rest::Any { "prefix" } else { "path" };
        wanted.insert(member.to_owned(), self.path_text.as_str().into());
        if !self.methods.is_empty() {
            let methods: Vec<&str> = self.methods.iter().map(http::Method::as_str).collect();
            wanted.insert("methods".to_owned(), methods.into());
        }
        let is = |is: &Is| match is {
            Is::Text(text) => Value::from(text.as_str()),
            Is::There(there) => Value::from(*there),
        };
        if !self.headers.is_empty() {
            let headers = self.headers.iter().map(|(name, i)| (name.as_str().to_owned(), is(i)));
            wanted.insert("headers".to_owned(), Value::Object(headers.collect()));
        }
        if !self.query.is_empty() {
            let query = self.query.iter().map(|(name, i)| (name.clone(), is(i)));
            wanted.insert("query".to_owned(), Value::Object(query.collect()));
        }
        if let Some(asking) = &self.filter {
            wanted.insert("filter".to_owned(), asking.filter.source().into());
        }
        Value::Object(wanted)
    }
}

fn edits(edits: &Edits) -> Value {
    let [set, add, remove] = edits.names();
    json!({"set": set, "add": add, "remove": remove})
}
