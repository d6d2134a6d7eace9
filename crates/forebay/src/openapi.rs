//! The API's description, put together from the services' handlers.

use http::Method;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContactBuilder, InfoBuilder, SecurityRequirement};

use crate::Failure;
use crate::parts::Part;

/// The operations of a service, as its router has them: they are what a gateway in another process
/// hands on to it.
pub(crate) fn operations(part: Part) -> Result<Vec<(Method, String)>, Failure> {
    let api = match part {
        Part::Auth => forebay_auth::api::Api::openapi(),
        Part::Process => forebay_process::api::Api::openapi(),
        Part::Store => forebay_store::api::Api::openapi(),
        Part::Notify => forebay_notify::api::Api::openapi(),
        // These it answers itself.
        Part::Gateway => forebay_gateway::api::Api::openapi(),
    };
    let api = serde_json::to_value(&api).map_err(|e| Failure::Other(e.to_string()))?;
    let mut operations = Vec::new();
    for (path, item) in api["paths"].as_object().into_iter().flatten() {
        for name in item.as_object().into_iter().flat_map(|item| item.keys()) {
            // What else an item says of a path is no method.
            let method = match name.as_str() {
                "get" => Method::GET,
                "put" => Method::PUT,
                "post" => Method::POST,
                "patch" => Method::PATCH,
                "delete" => Method::DELETE,
                _ => continue,
            };
            operations.push((method, path.clone()));
        }
    }
    Ok(operations)
}

/// The document, as `api/openapi.json` holds it.
pub(crate) fn document() -> Result<String, serde_json::Error> {
    let mut api = forebay_store::api::Api::openapi();
    api.merge(forebay_process::api::Api::openapi());
    api.merge(forebay_auth::api::Api::openapi());
    api.merge(forebay_notify::api::Api::openapi());
    api.merge(forebay_gateway::api::Api::openapi());
    api.info = InfoBuilder::new()
        .title("Forebay")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("The backend for streams of records."))
        .contact(Some(ContactBuilder::new().name(Some("The Forebay authors")).build()))
        .build();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let components = api.components.get_or_insert_default();
    components.add_security_scheme("key", SecurityScheme::Http(bearer));
    api.security = Some(vec![SecurityRequirement::new("key", Vec::<String>::new())]);
    Ok(api.to_pretty_json()? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_belongs_to_one_service() {
        let services = [Part::Auth, Part::Gateway, Part::Notify, Part::Process, Part::Store];
        let mut all: Vec<(String, String)> = services
            .into_iter()
            .flat_map(|part| operations(part).unwrap())
            .map(|(method, path)| (path, method.as_str().to_lowercase()))
            .collect();
        all.sort();
        let kept = include_str!("../../../api/openapi.json");
        let kept: serde_json::Value = serde_json::from_str(kept).unwrap();
        let paths = kept["paths"].as_object().unwrap().iter();
        let operations = paths.flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(|method| (path.clone(), method.clone()))
        });
        let mut described: Vec<_> = operations.collect();
        described.sort();
        assert_eq!(all, described);
        assert!(all.len() > 40, "{}", all.len());
    }
}
