//! Who is told: `"receivers": [{"channel": "…"}, {"inbox": {"role": "admin"}}]`.

use forebay_model::FieldError;
use serde_json::{Map, Value, json};

use crate::inbox::INBOX;
use crate::post::To;

/// The most receivers of a rule.
const MOST: usize = 50;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Receiver {
    /// A channel, by its id.
    Channel(String),
    /// The inbox of an account, by its id.
    User(String),
    /// The inboxes of all who have a role.
    Role(String),
}

impl Receiver {
    /// Reads a rule's receivers.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(crate) fn read(receivers: Option<&Value>) -> Result<Vec<Receiver>, Vec<FieldError>> {
        let wrong =
            |at: String, message: &str| FieldError::new(at, "type_mismatch", message.to_owned());
        let items = match receivers {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(items)) if items.len() <= MOST => items,
            Some(Value::Array(_)) => {
                return Err(vec![wrong("/receivers".to_owned(), "at most 50 receivers")]);
            }
            Some(_) => return Err(vec![wrong("/receivers".to_owned(), "a list of receivers")]),
        };
        let (mut read, mut errors) = (Vec::new(), Vec::new());
        for (at, item) in items.iter().enumerate() {
            match one(item) {
                Some(receiver) if read.contains(&receiver) => {}
                Some(receiver) => read.push(receiver),
                None => {
                    let message = "{\"channel\": id}, {\"inbox\": {\"user\": id}} or \
                                   {\"inbox\": {\"role\": name}}";
                    errors.push(wrong(format!("/receivers/{at}"), message));
                }
            }
        }
        if errors.is_empty() { Ok(read) } else { Err(errors) }
    }

    /// Where its deliveries go, with what it is told instead, where it may not see everything.
    pub(crate) fn to(&self, owner: &str, narrowed: Option<&Value>) -> To {
        let data = |is_owner: bool| narrowed.filter(|_| !is_owner).map(Value::to_string);
        match self {
            Receiver::Channel(id) => To { channel: id.clone(), address: String::new(), data: None },
            Receiver::User(id) => To {
                channel: INBOX.to_owned(),
                address: format!("user:{id}"),
                data: data(id == owner),
            },
            Receiver::Role(name) => {
                To { channel: INBOX.to_owned(), address: format!("role:{name}"), data: data(false) }
            }
        }
    }
}

fn one(item: &Value) -> Option<Receiver> {
    let members = item.as_object().filter(|members| members.len() == 1)?;
    if let Some(id) = members.get("channel") {
        return Some(Receiver::Channel(name(id)?));
    }
    let inbox: &Map<String, Value> =
        members.get("inbox")?.as_object().filter(|members| members.len() == 1)?;
    match (inbox.get("user"), inbox.get("role")) {
        (Some(id), None) => Some(Receiver::User(name(id)?)),
        (None, Some(role)) => Some(Receiver::Role(name(role)?)),
        _ => None,
    }
}

fn name(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    (!text.is_empty() && text.len() <= 200 && !text.contains('\0')).then(|| text.to_owned())
}

/// What somebody is told who may not see the record: that there is one, and where.
pub(crate) fn narrowed(data: &Value) -> Value {
    let mut told = data.clone();
    if let Some(record) = data.get("record") {
        told["record"] =
            json!({"id": record["id"], "seq": record["seq"], "stream": record["stream"]});
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receivers_are_read_strictly() {
        let good = json!([{"channel": "c"}, {"inbox": {"role": "admin"}}, {"inbox": {"user": "u"}},
            {"channel": "c"}]);
        let read = Receiver::read(Some(&good)).unwrap();
        assert_eq!(read.len(), 3);
        assert_eq!(read[1].to("u", None).address, "role:admin");
        for bad in [
            json!({}),
            json!([{}]),
            json!([{"inbox": {}}]),
            json!([{"channel": 3}]),
            json!([{"channel": "a", "inbox": {"role": "x"}}]),
            json!([{"chanel": "a"}]),
        ] {
            assert!(Receiver::read(Some(&bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn who_may_not_see_a_record_is_told_that_there_is_one() {
        let data =
            json!({"rule": "r", "record": {"id": "a", "seq": 3, "stream": "s", "data": {"x": 1}}});
        let told = narrowed(&data);
        assert_eq!(told, json!({"rule": "r", "record": {"id": "a", "seq": 3, "stream": "s"}}));
        let to = Receiver::User("u".into());
        assert_eq!(to.to("u", Some(&told)).data, None);
        assert_eq!(to.to("v", Some(&told)).data, Some(told.to_string()));
    }
}
