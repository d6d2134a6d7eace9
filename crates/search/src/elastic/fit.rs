//! Whether a server is one that we can use.

use serde_json::Value as Json;

use super::client::{Call, Client};
use super::fault;
use crate::error::SearchError;

const WHAT: &str = "search.url has to be an Elasticsearch 8 or newer, or an OpenSearch 2 or newer";

/// Asks a server what it is; its name and version, for people.
pub(super) async fn product(client: &Client) -> Result<String, SearchError> {
    let answer = client.raw(&Call::get("")).await?;
    if answer.status == 404 {
        return Err(SearchError::Unfit(format!("{WHAT}: nothing is at {}", client.base())));
    }
    let known = answer.product;
    let body = match (200..300).contains(&answer.status) {
        true => answer.body,
        false => fault::check(answer)?,
    };
    named(known, &body).map_err(SearchError::Unfit)
}

fn named(is_elastic: bool, body: &Json) -> Result<String, String> {
    let version = |name: &str| body.pointer(&format!("/version/{name}")).and_then(Json::as_str);
    let (name, least) = match (version("distribution"), is_elastic) {
        (Some("opensearch"), _) => ("opensearch", 2),
        (None, true) => ("elasticsearch", 8),
        _ => return Err(format!("{WHAT}; what answers there does not say that it is")),
    };
    let Some(number) = version("number") else {
        return Err(format!("{WHAT}; what answers there does not say its version"));
    };
    let number: String = number.chars().take(40).collect();
    let major = number.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < least) {
        return Err(format!("{WHAT}; what answers there is {name} {number}"));
    }
    Ok(format!("{name} {number}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_server_is_known_by_what_it_says() {
        let elastic = |number: &str| json!({"version": {"number": number}});
        let open =
            |number: &str| json!({"version": {"distribution": "opensearch", "number": number}});
        assert_eq!(named(true, &elastic("8.18.0")).unwrap(), "elasticsearch 8.18.0");
        assert_eq!(
            named(true, &elastic("9.1.0-SNAPSHOT")).unwrap(),
            "elasticsearch 9.1.0-SNAPSHOT"
        );
        assert_eq!(named(false, &open("2.19.1")).unwrap(), "opensearch 2.19.1");
        assert_eq!(named(false, &open("3.0.0")).unwrap(), "opensearch 3.0.0");
    }

    #[test]
    fn others_are_refused_with_what_to_do() {
        for (header, body) in [
            (true, json!({"version": {"number": "7.17.9"}})),
            (false, json!({"version": {"number": "8.18.0"}})),
            (false, json!({"version": {"distribution": "opensearch", "number": "1.3.0"}})),
            (true, json!({"version": {"number": "x"}})),
            (true, json!({"version": {"distribution": "other", "number": "9.0.0"}})),
            (false, json!({"hello": "world"})),
            (true, Json::Null),
        ] {
            let said = named(header, &body).unwrap_err();
            assert!(said.contains("Elasticsearch 8 or newer"), "{said}");
        }
    }
}
