//! The shapes of this service's answers, for the API's description.

use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

use crate::controllers::{
    backtests, channel_actions, channels, deliveries, groups, inbox, preferences, rules, silences,
    templates, unsubscribe,
};

pub use told::*;

mod told;

/// The description of this service's operations.
#[derive(OpenApi)]
#[openapi(
    paths(
        channels::list,
        channels::create,
        channels::show,
        channels::patch,
        channels::delete,
        channel_actions::rotate,
        channel_actions::test,
        deliveries::list,
        deliveries::show,
        deliveries::attempts,
        deliveries::replay,
        rules::list,
        rules::create,
        rules::show,
        rules::patch,
        rules::delete,
        groups::list,
        groups::acknowledge,
        backtests::of_rule,
        backtests::of_draft,
        silences::list,
        silences::create,
        silences::delete,
        inbox::list,
        inbox::read,
        inbox::read_all,
        inbox::subscribe,
        preferences::show,
        preferences::patch,
        templates::list,
        templates::put,
        templates::delete,
        templates::preview,
        unsubscribe::show,
        unsubscribe::take
    ),
    components(schemas(forebay_http::api::Problem))
)]
pub struct Api;

mod rule;

pub use rule::*;

/// A channel that is to be made.
#[derive(ToSchema)]
pub struct NewChannel {
    /// For people.
    pub name: String,
    /// `webhook`, …
    pub kind: String,
    /// As the kind wants it.
    #[schema(value_type = Object, example = json!({"url": "https://example.com/hook"}))]
    pub config: Value,
}

/// What is to be changed of a channel.
#[derive(ToSchema)]
pub struct ChannelChange {
    /// For people.
    pub name: Option<String>,
    /// In the place of the one before; what is sealed of that stays when it is left out.
    #[schema(value_type = Option<Object>)]
    pub config: Option<Value>,
    /// `active`, or `disabled`: messages wait.
    pub state: Option<String>,
}

/// A channel.
#[derive(ToSchema)]
pub struct Channel {
    /// By which receivers of rules name it.
    pub id: String,
    /// For people.
    pub name: String,
    /// `webhook`, …
    pub kind: String,
    /// Without what is sealed.
    #[schema(value_type = Object)]
    pub config: Value,
    /// The members of the configuration that are sealed.
    pub sealed: Vec<String>,
    /// Whose it is.
    pub owner: String,
    /// `active`, `disabled`, or `gone` when its other end has said so (410).
    pub state: String,
    /// Counts changes.
    pub version: i64,
    /// When it was made.
    pub created_at: String,
    /// When it was changed last.
    pub updated_at: String,
    /// Of a webhook: what `v1a` signatures are checked with.
    pub public_key: Option<String>,
}

/// A channel with what is shown once.
#[derive(ToSchema)]
pub struct CreatedChannel {
    /// The channel.
    #[schema(inline)]
    #[serde(flatten)]
    pub channel: Channel,
    /// Of a webhook: what `v1` signatures are checked with.
    pub secret: Option<String>,
}

/// A page of channels.
#[derive(ToSchema)]
pub struct Channels {
    /// The oldest first.
    pub items: Vec<Channel>,
    /// For the next page.
    pub next_cursor: Option<String>,
}

/// What came of a test.
#[derive(ToSchema)]
pub struct Tested {
    /// `delivered`, `refused`, `failed`, `redirected`, `rate_limited`, `gone`, `timeout`,
    /// `unreachable`, `blocked`.
    pub outcome: String,
    /// Of the answer.
    pub status: Option<u16>,
    /// How long it took.
    pub duration_ms: u64,
    /// Of the answer's body, or what went wrong; for administrators.
    pub excerpt: Option<String>,
    /// The message's id.
    pub message_id: String,
}

/// A notification on its way to a receiver.
#[derive(ToSchema)]
pub struct Delivery {
    /// Its id.
    pub id: String,
    /// The notification's id, which receivers see.
    pub notification: String,
    /// `record.matched`, `alert.firing`, …
    pub r#type: String,
    /// The channel's id.
    pub channel: String,
    /// Whom the channel reaches with it.
    pub address: Option<String>,
    /// The rule that caused it.
    pub rule: Option<String>,
    /// `waiting`, `sending`, `delivered`, or `failed` when it was given up.
    pub state: String,
    /// How often it was sent.
    pub tries: i64,
    /// When it is sent next.
    pub next_try_at: Option<String>,
    /// When it was written.
    pub created_at: String,
    /// When it ended.
    pub done_at: Option<String>,
}

/// A page of deliveries.
#[derive(ToSchema)]
pub struct Deliveries {
    /// The newest first.
    pub items: Vec<Delivery>,
    /// For the next page.
    pub next_cursor: Option<String>,
}

/// A try.
#[derive(ToSchema)]
pub struct Attempt {
    /// Counts them.
    pub number: i64,
    /// When it began.
    pub at: String,
    /// How long it took.
    pub duration_ms: i64,
    /// As a test says it.
    pub outcome: String,
    /// Of the answer.
    pub status: Option<i64>,
    /// Of the answer's body, at most 20 KB, or what went wrong; for administrators.
    pub excerpt: Option<String>,
}

/// The tries of a delivery.
#[derive(ToSchema)]
pub struct Attempts {
    /// The first one first.
    pub items: Vec<Attempt>,
    /// Always null: there are few.
    pub next_cursor: Option<String>,
}

/// Which deliveries are put in line again.
#[derive(ToSchema)]
pub struct Replay {
    /// These; without any other condition. At most 1000.
    pub ids: Option<Vec<String>>,
    /// `failed`, or `delivered`; failed without it.
    pub state: Option<String>,
    /// To this channel.
    pub channel: Option<String>,
    /// Of this rule.
    pub rule: Option<String>,
    /// Written then or later.
    pub from: Option<String>,
    /// Written before then.
    pub to: Option<String>,
}

/// What was put in line again.
#[derive(ToSchema)]
pub struct Replayed {
    /// How many.
    pub replayed: u64,
    /// Whether there are more than one request replays.
    pub more: bool,
}
