//! The shapes of people's accounts.

use utoipa::ToSchema;

/// Somebody new.
#[derive(ToSchema)]
pub struct NewUser {
    /// What they sign in with; nobody else has it.
    pub email: String,
    /// For people; the address without it.
    pub name: Option<String>,
    /// 15 characters or more.
    pub password: String,
    /// What they may do; none without it.
    pub roles: Option<Vec<String>>,
}

/// A change of a person's account.
#[derive(ToSchema)]
pub struct UserChange {
    /// For people.
    pub name: Option<String>,
    /// What they may do.
    pub roles: Option<Vec<String>>,
    /// `active` or `disabled`.
    pub state: Option<String>,
    /// Another password; their sessions end.
    pub password: Option<String>,
    /// Only `false`: the phone and the codes on paper are lost. A password that is too short to be
    /// alone goes with it.
    pub second_factor: Option<bool>,
}

/// A change of one's own account.
#[derive(ToSchema)]
pub struct MeChange {
    /// For people.
    pub name: String,
}

/// A person's account.
#[derive(ToSchema)]
pub struct User {
    /// Its id: what `auth.user_id` is.
    pub id: String,
    /// What they sign in with.
    pub email: String,
    /// For people.
    pub name: String,
    /// What they may do.
    pub roles: Vec<String>,
    /// `active` or `disabled`.
    pub state: String,
    /// Whether signing in takes more than the password.
    pub second_factor: bool,
    /// Of what stands here.
    pub version: i64,
    /// When it was made.
    pub created_at: String,
}

/// A page of people's accounts.
#[derive(ToSchema)]
pub struct Users {
    /// By id.
    pub items: Vec<User>,
    /// For the next page.
    pub next_cursor: Option<String>,
}
