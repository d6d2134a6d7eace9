//! Signing in and out on the command line.

use clap::Args;
use reqwest::{Client, Response, Url};
use serde_json::{Value, json};

use super::session::{self, Kept};
use super::{client, other, print, refused};
use crate::{Failure, ask};

/// Arguments of `login`.
#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// Where Forebay listens.
    #[arg(long, env = "FOREBAY_URL", default_value = "http://127.0.0.1:8000", value_name = "URL")]
    url: String,
    /// What you sign in with; asked for without it. The password always is.
    #[arg(long)]
    email: Option<String>,
}

/// Arguments of `logout`.
#[derive(Debug, Args)]
pub(crate) struct LogoutArgs {
    /// Where Forebay listens.
    #[arg(long, env = "FOREBAY_URL", default_value = "http://127.0.0.1:8000", value_name = "URL")]
    url: String,
}

/// Signs in, and keeps the session.
pub(super) async fn login(args: LoginArgs) -> Result<(), Failure> {
    let url = args.url.trim_end_matches('/');
    check(url)?;
    let client = client()?;
    let email = match args.email {
        Some(email) => email,
        None => ask::line("E-mail: ")?,
    };
    let password = ask::secret("Password: ")?;
    let body = json!({"email": email, "password": password});
    let mut answer = post(&client, &format!("{url}/v1/auth/login"), &body).await?;
    if answer["mfa_required"] == true {
        let code = ask::line("Code of the second factor, or one on paper: ")?;
        let code = code.trim();
        let totp = code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit());
        let method = if totp { "totp" } else { "recovery_code" };
        let body = json!({"mfa_token": answer["mfa_token"], "method": method, "code": code});
        answer = post(&client, &format!("{url}/v1/auth/login/mfa"), &body).await?;
    }
    Kept::open()?.keep(url, &answer)?;
    print(&format!("signed in to {url}"))
}

/// Ends the session and forgets it.
pub(super) async fn logout(args: LogoutArgs) -> Result<(), Failure> {
    let url = args.url.trim_end_matches('/');
    let client = client()?;
    let Some(token) = session::token(&client, url).await? else {
        return print("nobody is signed in");
    };
    let asked = client.post(format!("{url}/v1/auth/logout")).bearer_auth(token).send().await;
    // Forgotten also where it cannot be ended: without use it ends within a day.
    Kept::open()?.forget(url)?;
    let response = asked.map_err(|e| unreachable(url, &e))?;
    if !response.status().is_success() {
        return Err(refused(response).await);
    }
    print("signed out")
}

/// A password is sent through TLS, or stays on this machine.
fn check(url: &str) -> Result<(), Failure> {
    let read = Url::parse(url).map_err(|e| Failure::Configuration(format!("{url}: {e}")))?;
    let host = read.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let here = host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    if read.scheme() == "https" || here {
        return Ok(());
    }
    Err(Failure::Configuration(format!(
        "a password is not sent to {url} without TLS: use https://"
    )))
}

async fn post(client: &Client, url: &str, body: &Value) -> Result<Value, Failure> {
    let response: Response =
        client.post(url).json(body).send().await.map_err(|e| unreachable(url, &e))?;
    if !response.status().is_success() {
        return Err(refused(response).await);
    }
    response.json().await.map_err(other)
}

fn unreachable(url: &str, error: &reqwest::Error) -> Failure {
    Failure::Engine(format!("{url} does not answer: {error}"))
}
