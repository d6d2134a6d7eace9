//! The shapes of this service's answers, for the API's description.

use utoipa::{OpenApi, ToSchema};

use crate::controllers::{
    api_keys, email, forgot, invitations, jwks, login, me, mfa, reset, roles, service_accounts,
    sessions, setup, users,
};

/// The description of this service's operations.
#[derive(OpenApi)]
#[openapi(
    paths(
        jwks::show,
        setup::create,
        login::login,
        login::second_factor,
        login::refresh,
        login::logout,
        reset::reset,
        forgot::forgot,
        email::change,
        email::verify,
        sessions::list,
        sessions::delete,
        sessions::delete_others,
        sessions::change_password,
        sessions::step_up,
        mfa::offer,
        mfa::confirm,
        mfa::remove,
        mfa::renew_codes,
        invitations::create,
        invitations::accept,
        invitations::register,
        me::show,
        me::patch,
        me::delete,
        me::export,
        roles::list,
        roles::show,
        roles::put,
        roles::delete,
        users::list,
        users::create,
        users::show,
        users::patch,
        users::delete,
        service_accounts::list,
        service_accounts::create,
        service_accounts::show,
        service_accounts::patch,
        service_accounts::delete,
        api_keys::list,
        api_keys::create,
        api_keys::show,
        api_keys::delete,
        api_keys::rotate
    ),
    components(schemas(forebay_http::api::Problem))
)]
pub struct Api;

pub use people::*;
pub use sign_in::*;

mod people;
mod sign_in;

/// Who the caller is.
#[derive(ToSchema)]
pub struct Me {
    /// The account, or the key of no account.
    pub id: String,
    /// The account's e-mail address.
    pub email: Option<String>,
    /// For people.
    pub name: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// What it may do now: `resource:action@scope`.
    pub permissions: Vec<String>,
}

/// A role's permissions.
#[derive(ToSchema)]
pub struct NewRole {
    /// `resource:action` or `resource:action@stream/name`; `*` for any.
    pub permissions: Vec<String>,
    /// Whether people have these rights only after they have shown a second factor.
    pub second_factor: Option<bool>,
}

/// A role.
#[derive(ToSchema)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// `resource:action@scope`.
    pub permissions: Vec<String>,
    /// Whether people have these rights only after they have shown a second factor.
    pub second_factor: bool,
    /// Whether it is what it is in every deployment.
    pub built_in: bool,
    /// Of its permissions; none of a built-in one.
    pub version: Option<i64>,
    /// When it was made.
    pub created_at: Option<String>,
}

/// Roles.
#[derive(ToSchema)]
pub struct Roles {
    /// The built-in ones first.
    pub items: Vec<Role>,
    /// Always null: there are few.
    pub next_cursor: Option<String>,
}

/// A new service account.
#[derive(ToSchema)]
pub struct NewServiceAccount {
    /// For people.
    pub name: String,
    /// What it may do.
    pub roles: Option<Vec<String>>,
}

/// A change of a service account.
#[derive(ToSchema)]
pub struct ServiceAccountChange {
    /// For people.
    pub name: Option<String>,
    /// What it may do.
    pub roles: Option<Vec<String>>,
    /// `active` or `disabled`.
    pub state: Option<String>,
}

/// A service account.
#[derive(ToSchema)]
pub struct ServiceAccount {
    /// Its id: what `auth.user_id` is for its keys.
    pub id: String,
    /// For people.
    pub name: String,
    /// What it may do.
    pub roles: Vec<String>,
    /// `active` or `disabled`.
    pub state: String,
    /// Of what stands here.
    pub version: i64,
    /// When it was made.
    pub created_at: String,
}

/// A page of service accounts.
#[derive(ToSchema)]
pub struct ServiceAccounts {
    /// By id.
    pub items: Vec<ServiceAccount>,
    /// For the next page.
    pub next_cursor: Option<String>,
}

/// A new key.
#[derive(ToSchema)]
pub struct NewApiKey {
    /// For people.
    pub name: String,
    /// What it may do, as far as its owner may do it.
    pub permissions: Vec<String>,
    /// Which records it sees of any stream.
    pub filter: Option<String>,
    /// Where it may be shown.
    pub networks: Option<Vec<String>>,
    /// Absent is ninety days, null is never.
    pub expires_at: Option<String>,
    /// A service account; the caller's own without it.
    pub owner: Option<String>,
}

/// A key.
#[derive(ToSchema)]
pub struct ApiKey {
    /// Its id.
    pub id: String,
    /// For people.
    pub name: String,
    /// A service account; null for the administrator's first key.
    pub owner: Option<String>,
    /// What it may do, as far as its owner may do it.
    pub permissions: Vec<String>,
    /// Which records it sees of any stream.
    pub filter: Option<String>,
    /// Where it may be shown; empty is anywhere.
    pub networks: Vec<String>,
    /// When it was made.
    pub created_at: String,
    /// Null is never.
    pub expires_at: Option<String>,
    /// Within a minute.
    pub last_used_at: Option<String>,
}

/// A key with its secret, which is shown once.
#[derive(ToSchema)]
pub struct ApiKeyWithSecret {
    /// The key's description.
    #[schema(inline)]
    #[serde(flatten)]
    pub described: ApiKey,
    /// The secret.
    pub key: String,
}

/// A page of keys.
#[derive(ToSchema)]
pub struct ApiKeys {
    /// By id.
    pub items: Vec<ApiKey>,
    /// For the next page.
    pub next_cursor: Option<String>,
}
