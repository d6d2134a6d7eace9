//! The API's description, put together from the services' handlers.

use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContactBuilder, InfoBuilder, SecurityRequirement};

/// The document, as `api/openapi.json` holds it.
pub(crate) fn document() -> Result<String, serde_json::Error> {
    let mut api = forebay_store::api::Api::openapi();
    api.merge(forebay_process::api::Api::openapi());
    api.merge(forebay_auth::api::Api::openapi());
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
