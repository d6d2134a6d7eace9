//! The shapes of signing in.

use utoipa::ToSchema;

/// The first administrator.
#[derive(ToSchema)]
pub struct Setup {
    /// From the link that a start shows, and keeps in `setup-url`.
    pub token: String,
    /// What you sign in with.
    pub email: String,
    /// For people; the address without it.
    pub name: Option<String>,
    /// 15 characters or more.
    pub password: String,
    /// See `Login`.
    pub cookie: Option<bool>,
}

/// What a person signs in with.
#[derive(ToSchema)]
pub struct Login {
    /// The address.
    pub email: String,
    /// The password, at most 1024 bytes.
    pub password: String,
    /// For browsers: the session's secret comes as a cookie that no script can read, and no tokens
    /// are answered. Taken from pages of this site alone.
    pub cookie: Option<bool>,
}

/// The answer to whoever has signed in.
#[derive(ToSchema)]
pub struct SignedIn {
    /// A JWT (RFC 9068); not with a cookie.
    pub access_token: Option<String>,
    /// `Bearer`; not with a cookie.
    pub token_type: Option<String>,
    /// Seconds; not with a cookie.
    pub expires_in: Option<i64>,
    /// Good once, and for ten more seconds; not with a cookie.
    pub refresh_token: Option<String>,
    /// The session, as `/v1/me/sessions` lists it.
    pub session_id: Option<String>,
    /// One of the account's roles asks for a second factor: until one is added and shown, the
    /// session has none of that role's rights.
    pub second_factor_required: Option<bool>,
    /// No session yet: a second factor is due.
    pub mfa_required: Option<bool>,
    /// Good for five minutes, with a code.
    pub mfa_token: Option<String>,
    /// What the code may be: `totp`, `recovery_code`.
    pub methods: Option<Vec<String>>,
}

/// A second factor.
#[derive(ToSchema)]
pub struct SecondFactor {
    /// From the answer to the password.
    pub mfa_token: String,
    /// `totp` or `recovery_code`.
    pub method: String,
    /// The code; each is good once.
    pub code: String,
    /// See `Login`.
    pub cookie: Option<bool>,
}

/// A refresh token.
#[derive(ToSchema)]
pub struct RefreshToken {
    /// The last that was answered.
    pub refresh_token: String,
}

/// A session of the caller.
#[derive(ToSchema)]
pub struct Session {
    /// Its id.
    pub id: String,
    /// Whether it is the one in which this is asked.
    pub current: bool,
    /// What the client said it is.
    pub device: String,
    /// Where it was opened from.
    pub address: String,
    /// Whether a second factor was shown.
    pub second_factor: bool,
    /// When somebody signed in.
    pub created_at: String,
    /// Within a minute.
    pub last_used_at: String,
    /// When it ends, whatever is done.
    pub expires_at: String,
}

/// The caller's sessions.
#[derive(ToSchema)]
pub struct Sessions {
    /// The last used first.
    pub items: Vec<Session>,
    /// Always null: there are at most a hundred.
    pub next_cursor: Option<String>,
}

/// Another password.
#[derive(ToSchema)]
pub struct PasswordChange {
    /// The one that is good now.
    pub current: String,
    /// The one that is to be: 15 characters or more, 8 or more beside a second factor.
    pub new: String,
    /// See `Login`.
    pub cookie: Option<bool>,
}

/// A fresh proof: one of the two.
#[derive(ToSchema)]
pub struct StepUp {
    /// The password.
    pub password: Option<String>,
    /// A phone's code.
    pub code: Option<String>,
    /// See `Login`.
    pub cookie: Option<bool>,
}

/// A seed for a phone, shown once.
#[derive(ToSchema)]
pub struct TotpSeed {
    /// In base32, to be typed.
    pub secret: String,
    /// The same with all that a phone wants to know.
    pub otpauth_url: String,
    /// The same for its camera.
    pub qr_svg: String,
}

/// A phone's code.
#[derive(ToSchema)]
pub struct CodeShown {
    /// Six digits.
    pub code: String,
}

/// Codes on paper, shown once.
#[derive(ToSchema)]
pub struct RecoveryCodes {
    /// Ten, each good once.
    pub recovery_codes: Vec<String>,
}

/// Whom to invite.
#[derive(ToSchema)]
pub struct NewInvitation {
    /// What they sign in with.
    pub email: String,
    /// What they may do: nothing that you may not.
    pub roles: Option<Vec<String>>,
}

/// An invitation with its token, which is shown once.
#[derive(ToSchema)]
pub struct InvitationWithToken {
    /// What they sign in with.
    pub email: String,
    /// What they may do.
    pub roles: Vec<String>,
    /// To be handed on, where no mail is sent.
    pub token: Option<String>,
    /// Whether a link is on its way to the address.
    pub mailed: bool,
    /// A week from now.
    pub expires_at: String,
}

/// An invitation that is accepted.
#[derive(ToSchema)]
pub struct Acceptance {
    /// The invitation's.
    pub token: String,
    /// For people.
    pub name: String,
    /// 15 characters or more.
    pub password: String,
    /// See `Login`.
    pub cookie: Option<bool>,
}

/// An account where registration is open.
#[derive(ToSchema)]
pub struct Registering {
    /// What you sign in with.
    pub email: String,
    /// For people.
    pub name: String,
    /// 15 characters or more.
    pub password: String,
}

/// A password that is chosen anew.
#[derive(ToSchema)]
pub struct PasswordReset {
    /// From the link; good for an hour, and once.
    pub token: String,
    /// 15 characters or more; 8 beside a second factor.
    pub password: String,
}

/// Whose password is to be chosen anew.
#[derive(ToSchema)]
pub struct PasswordForgotten {
    /// The account's address.
    pub email: String,
}

/// Another address for the account.
#[derive(ToSchema)]
pub struct EmailChange {
    /// The new one.
    pub email: String,
}

/// A link that came by mail.
#[derive(ToSchema)]
pub struct EmailVerification {
    /// The link's.
    pub token: String,
    /// Of a new account: the one that was chosen.
    pub password: Option<String>,
}

/// What the link has done.
#[derive(ToSchema)]
pub struct EmailVerified {
    /// `verified`; of a change `waiting` for the other address, or `changed`.
    pub state: String,
}
