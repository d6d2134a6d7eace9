//! A mail server: connections to it, made, kept for the next message, and given up when anything is odd.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use forebay_outgoing::{Guard, Refusal};
use lettre::address::Envelope;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::extension::ClientId;

use crate::config::{Password, Tls};

/// How long a connection may take to be made, to one address.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a connection rests; servers end them after five minutes (RFC 5321, 4.5.3.2.7).
const REST: Duration = Duration::from_secs(60);
/// Resting connections.
const RESTING: usize = 4;

/// A server with what it takes to speak with it.
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: Tls,
    pub(crate) login: Option<(String, Password)>,
    /// Who vouches for the server, where it is not one of those that all trust: PEM.
    pub(crate) roots: Option<Vec<u8>>,
    /// Says where connections may go, where a user has named the host.
    pub(crate) guard: Option<Guard>,
    resting: Mutex<Vec<(AsyncSmtpConnection, SocketAddr, Instant)>>,
}

/// Why a message was not taken.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The connection may not go there.
    Blocked(Refusal),
    /// There is none, or it broke: nothing is known of the message.
    Connection(String),
    /// The server does not let this sender in.
    Login(u16, String),
    /// The server takes it later.
    Later(u16, String),
    /// The server will never take it.
    Never(u16, String),
}

impl Server {
    pub(crate) fn new(host: String, port: u16, tls: Tls) -> Server {
        let resting = Mutex::default();
        Server { host, port, tls, login: None, roots: None, guard: None, resting }
    }

    /// Hands a message over. Given up midway, its connection is not used again.
    pub(crate) async fn send(
        &self,
        envelope: &Envelope,
        message: &[u8],
    ) -> Result<(u16, String), Fault> {
        let addresses = self.addresses().await?;
        let (mut connection, address) = match self.rested(&addresses).await {
            Some(rested) => rested,
            None => self.connect(&addresses).await?,
        };
        let response = connection.send(envelope, message).await.map_err(|e| refused(&e))?;
        let code = u16::from(response.code());
        let text = response.message().collect::<Vec<_>>().join(" ");
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        if resting.len() < RESTING {
            resting.push((connection, address, Instant::now()));
        }
        Ok((code, text))
    }

    /// Where the host is: looked at anew for each message, for what a user's name means may change.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, Fault> {
        if let Some(guard) = &self.guard {
            return guard.addresses(&self.host, self.port).await.map_err(Fault::Blocked);
        }
        let found =
            tokio::time::timeout(CONNECT, tokio::net::lookup_host((self.host.as_str(), self.port)));
        let found = found.await.map_err(|_| Fault::Connection("the name takes too long".into()))?;
        let found = found.map_err(|error| Fault::Connection(error.to_string()))?;
        Ok(found.take(8).collect())
    }

    /// A connection that rests, still lives, and is to where the host is now.
    async fn rested(&self, to: &[SocketAddr]) -> Option<(AsyncSmtpConnection, SocketAddr)> {
        loop {
            let next = self.resting.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let (mut connection, address, since) = next?;
            if since.elapsed() < REST && to.contains(&address) && connection.test_connected().await
            {
                return Some((connection, address));
            }
        }
    }

    async fn connect(
        &self,
        addresses: &[SocketAddr],
    ) -> Result<(AsyncSmtpConnection, SocketAddr), Fault> {
        let mut last = Fault::Connection("the host has no address".to_owned());
        for address in addresses {
            match self.connect_to(*address).await {
                Ok(connection) => return Ok((connection, *address)),
                Err(fault @ Fault::Connection(_)) => last = fault,
                Err(fault) => return Err(fault),
            }
        }
        Err(last)
    }

    async fn connect_to(&self, address: SocketAddr) -> Result<AsyncSmtpConnection, Fault> {
        let hello = ClientId::default();
        let broken = |error: SmtpError| match error.status() {
            Some(code) if error.is_transient() => Fault::Later(code.into(), said(&error)),
            _ => Fault::Connection(said(&error)),
        };
        let parameters = || self.parameters().map_err(|error| Fault::Connection(said(&error)));
        let wrapped = if self.tls == Tls::Implicit { Some(parameters()?) } else { None };
        let connecting =
            AsyncSmtpConnection::connect_tokio1(address, Some(CONNECT), &hello, wrapped, None);
        let mut connection = connecting.await.map_err(broken)?;
        if self.tls == Tls::Starttls {
            connection.starttls(parameters()?, &hello).await.map_err(broken)?;
        }
        if let Some((user, password)) = &self.login {
            let credentials = Credentials::new(user.clone(), password.0.clone());
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            connection.auth(&mechanisms, &credentials).await.map_err(|error| {
                let code = error.status().map_or(0, u16::from);
                if error.is_permanent() || error.is_client() {
                    return Fault::Login(code, said(&error));
                }
                broken(error)
            })?;
        }
        Ok(connection)
    }

    fn parameters(&self) -> Result<TlsParameters, SmtpError> {
        let mut builder = TlsParameters::builder(self.host.clone());
        if let Some(roots) = &self.roots {
            // Whoever names these trusts no others for this server.
            builder = builder.certificate_store(CertificateStore::None);
            builder = builder.add_root_certificate(Certificate::from_pem(roots)?);
        }
        builder.build_rustls()
    }
}

/// What an error in the middle of a message means.
fn refused(error: &SmtpError) -> Fault {
    let code = error.status().map_or(0, u16::from);
    if error.is_permanent() || error.is_client() {
        return Fault::Never(code, said(error));
    }
    if error.is_transient() {
        return Fault::Later(code, said(error));
    }
    Fault::Connection(said(error))
}

/// An error with its causes.
fn said(error: &SmtpError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(&format!(": {more}"));
        }
        cause = error.source();
    }
    text
}
