//! People for tests: the administrator by the setup link, others by invitation.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{Answer, Server, answer, client};

pub(crate) const ADMIN: &str = "ann@example.com";
pub(crate) const PASSWORD: &str = "wet otter climbs 9 stairs";

impl Server {
    /// A request by somebody who shows nothing.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        client().request(method, format!("http://{}{path}", self.address))
    }

    /// A command by somebody who shows nothing.
    pub(crate) async fn post_bare(&self, path: &str, body: Value) -> Answer {
        answer(self.bare(Method::POST, path).json(&body)).await
    }

    /// The token of the setup link.
    pub(crate) fn setup_token(&self) -> String {
        let link = std::fs::read_to_string(self.data.path().join("setup-url")).unwrap();
        let begin = format!("http://{}/console/setup?token=", self.address);
        link.trim_end().strip_prefix(&begin).unwrap().to_owned()
    }

    /// Makes the administrator; what the login answers.
    pub(crate) async fn set_up(&self) -> Value {
        let token = self.setup_token();
        let body = json!({"token": token, "email": ADMIN, "password": PASSWORD});
        self.post_bare("/v1/setup", body).await.expect(201)
    }

    /// Shows a password.
    pub(crate) async fn login(&self, email: &str, password: &str) -> Answer {
        self.post_bare("/v1/auth/login", json!({"email": email, "password": password})).await
    }
}

/// A member of a login's answer.
pub(crate) fn said(login: &Value, name: &str) -> String {
    login[name].as_str().unwrap_or_else(|| panic!("{name}: {login}")).to_owned()
}
