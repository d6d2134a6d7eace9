//! People for tests: the administrator by the setup link, others by invitation.

use aws_lc_rs::hmac;
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

    /// A deletion by somebody else than the administrator's key.
    pub(crate) async fn delete_by(&self, token: &str, path: &str) -> Answer {
        answer(self.request_by(token, Method::DELETE, path)).await
    }

    /// A change by somebody else.
    pub(crate) async fn patch_by(&self, token: &str, path: &str, body: Value) -> Answer {
        answer(self.request_by(token, Method::PATCH, path).json(&body)).await
    }

    /// Where browsers find it, as far as it knows: nowhere, without the gateway.
    pub(crate) fn place(&self) -> String {
        let apart = self.admins.len() > 1;
        if apart { String::new() } else { format!("http://{}", self.address) }
    }

    /// The token of the setup link.
    pub(crate) fn setup_token(&self) -> String {
        let link = std::fs::read_to_string(self.data.path().join("setup-url")).unwrap();
        let (place, token) = link.trim_end().split_once("/console/setup?token=").unwrap();
        let told = self.admins.len() > 1 && place.starts_with("https://");
        assert!(told || place == self.place(), "{place}");
        token.to_owned()
    }

    /// Makes the administrator; what the login answers.
    pub(crate) async fn set_up(&self) -> Value {
        let token = self.setup_token();
        let body = json!({"token": token, "email": ADMIN, "password": PASSWORD});
        self.post_bare("/v1/setup", body).await.expect(201)
    }

    /// Makes somebody with roles, by the administrator's key; what the login answers.
    pub(crate) async fn person(&self, email: &str, roles: &[&str]) -> Value {
        let invitation = json!({"email": email, "roles": roles});
        let invited = self.post("/v1/invitations", invitation).await.expect(201);
        let body = json!({"token": invited["token"], "name": "Somebody", "password": PASSWORD});
        self.post_bare("/v1/invitations/accept", body).await.expect(201)
    }

    /// Makes somebody with roles at once, by the administrator's key; who they are.
    pub(crate) async fn user(&self, email: &str, roles: &[&str]) -> Value {
        let body =
            json!({"email": email, "name": "A Person", "password": PASSWORD, "roles": roles});
        self.post("/v1/users", body).await.expect(201)
    }

    /// Signs somebody in; the access token.
    pub(crate) async fn token_of(&self, email: &str) -> String {
        said(&self.login(email, PASSWORD).await.expect(200), "access_token")
    }

    /// Shows a password.
    pub(crate) async fn login(&self, email: &str, password: &str) -> Answer {
        self.post_bare("/v1/auth/login", json!({"email": email, "password": password})).await
    }

    /// Shows a refresh token.
    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.post_bare("/v1/auth/refresh", json!({"refresh_token": token})).await
    }
}

impl Server {
    /// Changes what is stored behind the process's back, as time would.
    pub(crate) async fn alter(&self, sql: &str) {
        match &self.database {
            None => {
                let file = rusqlite::Connection::open(self.data.path().join("forebay.db")).unwrap();
                file.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
                file.execute_batch(sql).unwrap();
            }
            Some(url) => {
                let connected = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
                let connection = tokio::spawn(connected.1);
                connected.0.batch_execute(sql).await.unwrap();
                drop(connected.0);
                connection.await.unwrap().unwrap();
            }
        }
    }

    /// One text of what is stored.
    pub(crate) async fn stored(&self, sql: &str) -> String {
        match &self.database {
            None => {
                let file = rusqlite::Connection::open(self.data.path().join("forebay.db")).unwrap();
                file.query_row(sql, [], |row| row.get(0)).unwrap()
            }
            Some(url) => {
                let connected = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
                let connection = tokio::spawn(connected.1);
                let text = connected.0.query_one(sql, &[]).await.unwrap().get(0);
                drop(connected.0);
                connection.await.unwrap().unwrap();
                text
            }
        }
    }

    /// Time passes for all sessions.
    pub(crate) async fn later(&self, column: &str, seconds: i64) {
        let micros = seconds * 1_000_000;
        self.alter(&format!(
            "UPDATE session SET {column} = {column} - {micros}; \
             UPDATE identity_head SET number = number + 1"
        ))
        .await;
    }

    /// Asks until somebody is refused: a change is heard within a second.
    pub(crate) async fn is_soon_refused(&self, token: &str, path: &str) -> Answer {
        let began = std::time::Instant::now();
        loop {
            let answer = self.get_by(token, path, &[]).await;
            if answer.status != 200 {
                return answer;
            }
            assert!(began.elapsed().as_secs_f64() < 1.0, "it still opens {path}");
        }
    }

    /// How many passwords were hashed.
    pub(crate) async fn hashes(&self) -> u64 {
        let mut sum = 0;
        for admin in &self.admins {
            let metrics = answer(client().get(format!("http://{admin}/metrics"))).await.text;
            let lines = metrics.lines().filter(|l| l.starts_with("forebay_password_hashes_total"));
            sum +=
                lines.map(|l| l.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum::<u64>();
        }
        sum
    }

    /// Gives somebody a second factor; its seed and the codes on paper.
    pub(crate) async fn add_factor(&self, token: &str) -> (String, Vec<String>) {
        let offered = self.post_by(token, "/v1/me/mfa/totp", json!({})).await.expect(200);
        let seed = said(&offered, "secret");
        let code = json!({"code": code(&seed, 0)});
        let confirmed = self.post_by(token, "/v1/me/mfa/totp/confirm", code).await.expect(200);
        let codes = confirmed["recovery_codes"].as_array().unwrap().iter();
        (seed, codes.map(|code| code.as_str().unwrap().to_owned()).collect())
    }

    /// Shows a password where a second factor is due; what the code is to be shown with.
    pub(crate) async fn half_way(&self, email: &str) -> String {
        let due = self.login(email, PASSWORD).await.expect(200);
        assert_eq!(due["mfa_required"], true, "{due}");
        assert!(due.get("access_token").is_none());
        said(&due, "mfa_token")
    }

    /// Shows a second factor.
    pub(crate) async fn show_code(&self, mfa_token: &str, method: &str, code: &str) -> Answer {
        let body = json!({"mfa_token": mfa_token, "method": method, "code": code});
        self.post_bare("/v1/auth/login/mfa", body).await
    }
}

/// The code of a seed (RFC 6238), so many steps from now.
pub(crate) fn code(seed: &str, steps: i64) -> String {
    #[allow(clippy::disallowed_methods, reason = "a phone has a clock of its own")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let step = i64::try_from(now.as_secs() / 30).unwrap() + steps;
    let bits: String = seed
        .chars()
        .map(|c| format!("{:05b}", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(c).unwrap()))
        .collect();
    let bytes: Vec<u8> =
        (0..20).map(|n| u8::from_str_radix(&bits[8 * n..8 * n + 8], 2).unwrap()).collect();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &bytes);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let at = usize::from(tag.as_ref()[19] & 15);
    let number = u32::from_be_bytes(tag.as_ref()[at..at + 4].try_into().unwrap());
    format!("{:06}", (number & 0x7fff_ffff) % 1_000_000)
}

/// A member of a login's answer.
pub(crate) fn said(login: &Value, name: &str) -> String {
    login[name].as_str().unwrap_or_else(|| panic!("{name}: {login}")).to_owned()
}
