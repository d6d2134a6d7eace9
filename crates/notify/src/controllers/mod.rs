//! The service's routes.

pub(crate) mod backtests;
pub(crate) mod channel_actions;
pub(crate) mod channels;
pub(crate) mod deliveries;
pub(crate) mod groups;
pub(crate) mod inbox;
pub(crate) mod preferences;
pub(crate) mod rules;
pub(crate) mod silences;
pub(crate) mod templates;
pub(crate) mod unsubscribe;

use axum::Router;
use axum::routing::{get, post, put};
use forebay_db::DbError;
use forebay_model::principal::{Principal, Right};
use forebay_model::{Code, Error};

use crate::Notify;

pub(crate) fn router() -> Router<Notify> {
    let channel = get(channels::show).patch(channels::patch).delete(channels::delete);
    Router::new()
        .route("/v1/channels", get(channels::list).post(channels::create))
        .route("/v1/channels/{id}", channel)
        .route("/v1/channels/{id}/rotate", post(channel_actions::rotate))
        .route("/v1/channels/{id}/test", post(channel_actions::test))
        .route("/v1/deliveries", get(deliveries::list))
        .route("/v1/deliveries/replay", post(deliveries::replay))
        .route("/v1/deliveries/{id}", get(deliveries::show))
        .route("/v1/deliveries/{id}/attempts", get(deliveries::attempts))
        .route("/v1/rules", get(rules::list).post(rules::create))
        .route("/v1/rules/backtest", post(backtests::of_draft))
        .route("/v1/rules/{id}", get(rules::show).patch(rules::patch).delete(rules::delete))
        .route("/v1/rules/{id}/backtest", post(backtests::of_rule))
        .route("/v1/rules/{id}/groups", get(groups::list))
        .route("/v1/rules/{id}/groups/{group}/acknowledge", post(groups::acknowledge))
        .route("/v1/silences", get(silences::list).post(silences::create))
        .route("/v1/silences/{id}", axum::routing::delete(silences::delete))
        .route("/v1/inbox", get(inbox::list))
        .route("/v1/inbox/read-all", post(inbox::read_all))
        .route("/v1/inbox/subscribe", get(inbox::subscribe))
        .route("/v1/inbox/{id}/read", post(inbox::read))
        .route("/v1/me/preferences", get(preferences::show).patch(preferences::patch))
        .route("/v1/templates", get(templates::list))
        .route("/v1/templates/{name}", put(templates::put).delete(templates::delete))
        .route("/v1/templates/{name}/preview", post(templates::preview))
        .route("/v1/unsubscribe", get(unsubscribe::show).post(unsubscribe::take))
}

/// The inner result is the client's, the outer one the engine's.
pub(crate) type Done<T> = Result<Result<T, Error>, DbError>;

/// What stands for one's own in the scope of a permission.
const OWN: &str = "own";

/// As what somebody owns things: the account, so that keys of one person share them.
pub(crate) fn owner_of(who: &Principal) -> &str {
    who.user_id.as_deref().unwrap_or(&who.id)
}

/// How far a right goes: over everything, or over one's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reach {
    All,
    Own(String),
}

impl Reach {
    /// Finds it; `forbidden` when there is none.
    pub(crate) fn of(who: &Principal, right: Right) -> Result<Reach, Error> {
        if who.may(right, "*") {
            return Ok(Reach::All);
        }
        if who.may(right, OWN) {
            return Ok(Reach::Own(owner_of(who).to_owned()));
        }
        let Right(resource, action) = right;
        let detail = format!("this needs `{resource}:{action}` on `*` or on `own`");
        Err(Error::new(Code::Forbidden, detail))
    }

    /// Whose things it goes over; everybody's without a name.
    pub(crate) fn owner(&self) -> Option<&str> {
        match self {
            Reach::All => None,
            Reach::Own(owner) => Some(owner),
        }
    }

    /// Whether it goes over what somebody owns.
    pub(crate) fn covers(&self, owner: &str) -> bool {
        self.owner().is_none_or(|own| own == owner)
    }
}
