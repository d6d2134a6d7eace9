//! What is written down of security events: each change of identity in its own transaction, and what
//! was refused afterwards.
//!
//! The doors do not say so themselves: a layer around them knows which action each one is, and
//! [`Auth::locked`] writes it down. None can be forgotten.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use forebay_db::{Lane, outbox};
use forebay_http::problem::Pending;
use forebay_http::{Origin, Who};
use forebay_model::Code;
use forebay_model::audit::{Actor, Event};
use forebay_model::time::Timestamp;
use serde_json::Value;

use crate::Auth;

/// A door that changes something: method and path, the action, and what it is done to.
type Door = (&'static str, &'static str, &'static str, &'static str);

/// Every door that changes something about somebody.
const DOORS: &[Door] = &[
    ("POST", "/v1/setup", "setup", "account"),
    ("POST", "/v1/auth/email/change", "email.change", "account"),
    ("POST", "/v1/auth/email/verify", "email.verify", "account"),
    ("POST", "/v1/auth/login", "login", "account"),
    ("POST", "/v1/auth/login/mfa", "login", "account"),
    ("POST", "/v1/auth/logout", "logout", "session"),
    ("POST", "/v1/auth/password/change", "password.change", "account"),
    ("POST", "/v1/auth/password/forgot", "password.forgot", "account"),
    ("POST", "/v1/auth/password/reset", "password.reset", "account"),
    ("POST", "/v1/auth/refresh", "refresh", "session"),
    ("POST", "/v1/auth/register", "register", "account"),
    ("POST", "/v1/auth/step-up", "step_up", "account"),
    ("POST", "/v1/invitations", "invitation.create", "invitation"),
    ("POST", "/v1/invitations/accept", "invitation.accept", "account"),
    ("PATCH", "/v1/me", "user.update", "account"),
    ("DELETE", "/v1/me", "user.delete", "account"),
    ("POST", "/v1/me/mfa/recovery-codes", "recovery_codes.renew", "account"),
    ("POST", "/v1/me/mfa/totp", "totp.offer", "account"),
    ("DELETE", "/v1/me/mfa/totp", "totp.remove", "account"),
    ("POST", "/v1/me/mfa/totp/confirm", "totp.confirm", "account"),
    ("DELETE", "/v1/me/sessions", "session.revoke_others", "account"),
    ("DELETE", "/v1/me/sessions/{id}", "session.revoke", "session"),
    ("PUT", "/v1/roles/{name}", "role.put", "role"),
    ("DELETE", "/v1/roles/{name}", "role.delete", "role"),
    ("POST", "/v1/service-accounts", "service_account.create", "account"),
    ("PATCH", "/v1/service-accounts/{id}", "service_account.update", "account"),
    ("DELETE", "/v1/service-accounts/{id}", "service_account.delete", "account"),
    ("POST", "/v1/users", "user.create", "account"),
    ("PATCH", "/v1/users/{id}", "user.update", "account"),
    ("DELETE", "/v1/users/{id}", "user.delete", "account"),
    ("POST", "/v1/api-keys", "api_key.create", "api_key"),
    ("DELETE", "/v1/api-keys/{id}", "api_key.delete", "api_key"),
    ("POST", "/v1/api-keys/{id}/rotate", "api_key.rotate", "api_key"),
];

/// Refusals that are written down at once; beyond them so many a second. The rest is counted.
const BURST: i64 = 200;
const A_SECOND: i64 = 20;

tokio::task_local! {
    static NOTE: Arc<Note>;
}

/// What is known of the request in hand.
pub(crate) struct Note {
    kind: &'static str,
    event: Mutex<Event>,
    written: Mutex<bool>,
}

impl Note {
    fn event(&self) -> MutexGuard<'_, Event> {
        self.event.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn written(&self) -> MutexGuard<'_, bool> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The event of a success; once for a request.
    pub(crate) fn success(&self) -> Option<Event> {
        (!std::mem::replace(&mut *self.written(), true)).then(|| self.event().clone())
    }

    /// The transaction of [`Note::success`] did not take place.
    pub(crate) fn undo(&self) {
        *self.written() = false;
    }
}

/// What is known of the request in hand, if it is one that is written down. A refresh token that gets
/// its successor is none: only what `moves` something is.
pub(crate) fn current(moves: bool) -> Option<Arc<Note>> {
    let note = NOTE.try_with(Arc::clone).ok()?;
    let quiet = !moves && note.event().action == "refresh";
    (!quiet).then_some(note)
}

/// Says what is changed, where the path does not.
pub(crate) fn target(id: &str) {
    // Outside of a request nothing is written down here.
    let _ = NOTE.try_with(|note| note.event().target = Some((note.kind, id.to_owned())));
}

/// Says whose account is signed in to, where nobody had signed in.
pub(crate) fn account(id: &str) {
    let _ = NOTE.try_with(|note| {
        let mut event = note.event();
        event.target = Some(("account", id.to_owned()));
        if event.actor.is_none() {
            event.actor = Some(Actor { id: format!("user:{id}"), ..Actor::default() });
        }
    });
}

/// Says that what is changed is changed because something was wrong.
pub(crate) fn wrong(why: &'static str) {
    let _ = NOTE.try_with(|note| note.event().failure = Some(why));
}

/// Says more: no secret.
pub(crate) fn detail(name: &str, value: impl Into<Value>) {
    let _ = NOTE.try_with(|note| note.event().details.insert(name.to_owned(), value.into()));
}

/// The layer around the doors.
pub(crate) async fn watch(State(auth): State<Auth>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let door = path.as_deref().and_then(|path| door(request.method().as_str(), path));
    let Some((.., action, kind)) = door else { return next.run(request).await };
    let named = path.and_then(|path| named(&path, request.uri().path()));
    let Origin { address, request_id } = Origin::of(request.extensions());
    let who = request.extensions().get::<Who>().map(|who| who.0.clone());
    let own = who.as_ref().filter(|_| kind == "account" && is_own(request.uri().path()));
    let own = own.and_then(|who| who.user_id.clone());
    let actor = who.as_deref().map(Actor::from);
    let event = Event {
        action,
        target: named.or(own).map(|id| (kind, id)),
        actor,
        address,
        request_id,
        ..Event::default()
    };
    let note = Arc::new(Note { kind, event: Mutex::new(event), written: Mutex::new(false) });
    let response = NOTE.scope(note.clone(), next.run(request)).await;
    if let Some(Pending(error)) = response.extensions().get::<Pending>()
        && is_security(error.code)
        && !*note.written()
    {
        let event = Event { failure: Some(error.code.as_str()), ..note.event().clone() };
        auth.note_refusal(event).await;
    }
    response
}

fn door(method: &str, path: &str) -> Option<Door> {
    DOORS.iter().find(|(known, at, ..)| *known == method && *at == path).copied()
}

/// What stands in a path where its pattern has a name.
fn named(pattern: &str, path: &str) -> Option<String> {
    let mut parts = pattern.split('/').zip(path.split('/'));
    let found = parts.find(|(pattern, _)| pattern.starts_with('{'));
    // A name is as long as a name can be: whoever asks for another one learns that it is not there.
    found.map(|(_, part)| part.chars().take(200).collect())
}

/// Whether a door is about the caller's own account.
fn is_own(path: &str) -> bool {
    path == "/v1/me" || path.starts_with("/v1/me/") || path.starts_with("/v1/auth/")
}

/// Whether a refusal says something about who asks.
fn is_security(code: Code) -> bool {
    use Code::{
        Forbidden, InvalidCredentials, OriginRefused, RateLimited, SetupDone, StepUpRequired,
    };
    matches!(
        code,
        Forbidden | InvalidCredentials | OriginRefused | RateLimited | SetupDone | StepUpRequired
    )
}

impl Auth {
    /// Writes down that somebody was refused; a flood of refusals is counted alone.
    async fn note_refusal(&self, event: Event) {
        let now = self.inner.clock.now();
        if !self.inner.refusals.take(now) {
            metrics::counter!("forebay_audit_left_out_total").increment(1);
            return;
        }
        let writer = self.inner.db.writer();
        let noted = writer.run(Lane::Batch, move |conn| {
            Box::pin(async move { outbox::note(conn, &event, now).await })
        });
        if let Err(error) = noted.await {
            tracing::warn!(%error, "a refusal is not written down");
        }
    }
}

/// How many refusals may be written down now.
pub(crate) struct Refusals(Mutex<(i64, i64)>);

impl Refusals {
    pub(crate) fn new() -> Refusals {
        Refusals(Mutex::new((BURST, 0)))
    }

    fn take(&self, now: Timestamp) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, at) = *state;
        let second = now.micros() / 1_000_000;
        let more = second.saturating_sub(at).saturating_mul(A_SECOND).max(0);
        let left = left.saturating_add(more).min(BURST);
        *state = (left - i64::from(left > 0), second.max(at));
        left > 0
    }
}

#[cfg(test)]
mod tests {
    use utoipa::OpenApi as _;

    use super::*;

    #[test]
    fn every_door_that_changes_something_is_written_down() {
        let api = serde_json::to_value(crate::api::Api::openapi()).unwrap();
        for (path, operations) in api["paths"].as_object().unwrap() {
            for method in operations.as_object().unwrap().keys().filter(|method| *method != "get") {
                let method = method.to_uppercase();
                assert!(door(&method, path).is_some(), "{method} {path} is not in the list");
            }
        }
    }

    #[test]
    fn what_a_path_names() {
        let found = named("/v1/api-keys/{id}/rotate", "/v1/api-keys/k1/rotate");
        assert_eq!(found.as_deref(), Some("k1"));
        assert_eq!(named("/v1/users", "/v1/users"), None);
    }

    #[test]
    fn a_flood_of_refusals_is_bounded() {
        let refusals = Refusals::new();
        let at = |second: i64| Timestamp::from_micros(second * 1_000_000);
        let taken = (0..1000).filter(|_| refusals.take(at(100))).count();
        assert_eq!(taken, 200);
        let taken = (0..1000).filter(|_| refusals.take(at(102))).count();
        assert_eq!(taken, 40);
        // A clock that goes back gives nothing.
        assert!(!refusals.take(at(50)) && !refusals.take(at(102)));
    }
}
