//! The service's settings.

use std::path::PathBuf;
use std::time::Duration;

use forebay_http::browser::Site;

use crate::issuer::Issuer;
use crate::password::Scheme;

/// What can be set.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// The key that all secrets hang on, where one is given.
    pub master_key: Option<String>,
    /// Where one is kept that was made here.
    pub master_key_file: PathBuf,
    /// Where browsers find this deployment.
    pub site: Site,
    /// How passwords are hashed from now on.
    pub scheme: Scheme,
    /// How long a password may wait for its turn to be hashed.
    pub hash_wait: Duration,
    /// Who may have an account.
    pub registration: Registration,
    /// Whether there is a mail server: what goes by mail is open then.
    pub mail: bool,
    /// Others whose tokens are taken.
    pub issuers: Vec<Issuer>,
}

/// Who may have an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Whoever asks.
    Open,
    /// Whoever has an invitation.
    Invitation,
    /// Nobody but whom an administrator makes one for.
    Closed,
}

impl Registration {
    /// Reads the setting.
    pub fn parse(text: &str) -> Option<Registration> {
        match text {
            "open" => Some(Registration::Open),
            "invitation" => Some(Registration::Invitation),
            "closed" => Some(Registration::Closed),
            _ => None,
        }
    }
}
