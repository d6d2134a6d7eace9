//! The shapes of rules and silences.

use serde_json::Value;
use utoipa::ToSchema;

/// A rule that is to be made. Which members there are says its kind.
#[derive(ToSchema)]
pub struct NewRule {
    /// For people.
    pub name: String,
    /// The stream that it looks at.
    pub stream: String,
    /// `event`, `threshold` or `absence`.
    pub kind: String,
    /// For people.
    pub description: Option<String>,
    /// Whether it runs; true.
    pub enabled: Option<bool>,
    /// Which records it looks at; all that whoever makes it may see.
    pub filter: Option<String>,
    /// What groups are told apart by, at most four fields.
    pub group_by: Option<Vec<String>>,
    /// Of an event rule: the least time between two matches of a group, such as `10m`.
    pub throttle: Option<String>,
    /// Of a threshold rule.
    pub window: Option<RuleWindow>,
    /// What is said of a window: `count()`, `rate()`, `sum(data.n)`, `avg`, `min`, `max`, `distinct`,
    /// `p50`, `p95`, `p99`, `percentile(data.n, 0.9)`, `ratio(data.status >= 500)`.
    pub value: Option<String>,
    /// When something is wrong: `value > 80`.
    pub when: Option<String>,
    /// When it is right again; without it, when `when` does not hold.
    pub recover: Option<String>,
    /// For how long it must be wrong before it fires, such as `5m`.
    #[schema(rename = "for")]
    pub for_: Option<String>,
    /// For how long it must be right before it is resolved.
    pub keep_firing_for: Option<String>,
    /// `[3, 5]`: three of the last five windows.
    pub of_last: Option<Vec<u32>>,
    /// What a window without data means: `keep_last`, `ok` or `alert`.
    pub no_data: Option<String>,
    /// Of an absence rule: `{"field": "data.host", "from": "learned"}`, or a list of keys.
    #[schema(value_type = Option<Object>)]
    pub keys: Option<Value>,
    /// How long a key may be silent.
    pub after: Option<String>,
    /// How long nobody is missed after a start; `1m`.
    pub startup_grace: Option<String>,
    /// After how long a learned key that is missing is forgotten; `7d`.
    pub forget_after: Option<String>,
    /// `[{"channel": "…"}, {"inbox": {"role": "admin"}}, {"inbox": {"user": "…"}}]`.
    #[schema(value_type = Vec<Object>)]
    pub receivers: Option<Vec<Value>>,
}

/// Windows of a threshold rule.
#[derive(ToSchema)]
pub struct RuleWindow {
    /// From `1s` to `24h`.
    pub size: String,
    /// How often one ends; as long as it is without it.
    pub slide: Option<String>,
    /// `arrival`, or `event`: when a record happened.
    pub time: Option<String>,
    /// How long a window waits for records that come late.
    pub lateness: Option<String>,
}

/// Members of a rule that are to be changed; null takes one away.
#[derive(ToSchema)]
pub struct RuleChange {
    /// Any member of a rule.
    #[schema(value_type = Object)]
    pub members: Value,
}

/// A rule.
#[derive(ToSchema)]
pub struct Rule {
    /// Its id.
    pub id: String,
    /// The account that it belongs to.
    pub owner: String,
    /// Why it cannot run; null when it can.
    pub error: Option<String>,
    /// One more with each change.
    pub version: i64,
    /// When it was made.
    pub created_at: String,
    /// When it was changed last.
    pub updated_at: String,
    /// The members that were sent.
    #[schema(value_type = Object)]
    pub members: Value,
}

/// A page of rules.
#[derive(ToSchema)]
pub struct Rules {
    /// In the order in which they were made.
    pub items: Vec<Rule>,
    /// Where the next page begins; null on the last.
    pub next_cursor: Option<String>,
}

/// A group of a rule.
#[derive(ToSchema)]
pub struct RuleGroup {
    /// Its id.
    pub id: String,
    /// Its values, by field.
    #[schema(value_type = Object)]
    pub group: Value,
    /// `inactive`, `pending`, `firing` or `recovering`.
    pub state: String,
    /// Since when.
    pub since: String,
    /// The last value.
    pub value: Option<f64>,
    /// The greatest value of the episode.
    pub peak: Option<f64>,
    /// Which episode this is.
    pub episode: i64,
    /// Who has seen it.
    pub acknowledged_by: Option<String>,
}

/// A page of groups.
#[derive(ToSchema)]
pub struct RuleGroups {
    /// The groups.
    pub items: Vec<RuleGroup>,
    /// Where the next page begins; null on the last.
    pub next_cursor: Option<String>,
}

/// That somebody has seen an alert.
#[derive(ToSchema)]
pub struct Acknowledgement {
    /// For how long; a day without it.
    #[schema(rename = "for")]
    pub for_: Option<String>,
}

/// That it was noted.
#[derive(ToSchema)]
pub struct Acknowledged {
    /// By whom.
    pub acknowledged_by: String,
    /// Until when.
    pub acknowledged_until: String,
}

/// From when to when a rule is tried.
#[derive(ToSchema)]
pub struct Backtest {
    /// A day ago without it.
    pub from: Option<String>,
    /// Now without it.
    pub to: Option<String>,
}

/// A rule that is tried before it is made.
#[derive(ToSchema)]
pub struct NewBacktest {
    /// The rule.
    pub rule: NewRule,
    /// A day ago without it.
    pub from: Option<String>,
    /// Now without it.
    pub to: Option<String>,
}

/// What a rule would have done.
#[derive(ToSchema)]
pub struct Backtested {
    /// At most a thousand, in the order in which they began.
    pub episodes: Vec<RuleEpisode>,
    /// How many fired.
    pub fired: u64,
    /// How many matches of an event rule would have been told.
    pub matched: u64,
    /// How many records were looked at.
    pub records: u64,
    /// How many came too late for their windows.
    pub late: u64,
    /// Records of groups beyond the most that a rule has.
    pub groups_left_out: u64,
}

/// A group's way from pending to resolved.
#[derive(ToSchema)]
pub struct RuleEpisode {
    /// The group, by field.
    #[schema(value_type = Object)]
    pub group: Value,
    /// When it began.
    pub pending_at: String,
    /// When it fired; null when it did not last.
    pub firing_at: Option<String>,
    /// When it was over; null when it was not.
    pub resolved_at: Option<String>,
    /// The greatest value.
    pub peak: Option<f64>,
}

/// A silence that is to be made.
#[derive(ToSchema)]
pub struct NewSilence {
    /// A filter over alerts as `data`: `data.rule == "cpu" && data.group["data.host"] == "a"`.
    pub matcher: String,
    /// Why.
    pub comment: Option<String>,
    /// Now without it.
    pub starts_at: Option<String>,
    /// When it ends.
    pub ends_at: String,
}

/// A silence.
#[derive(ToSchema)]
pub struct Silence {
    /// Its id.
    pub id: String,
    /// Who has made it.
    pub owner: String,
    /// See [`NewSilence`].
    pub matcher: String,
    /// Why.
    pub comment: String,
    /// When it begins.
    pub starts_at: String,
    /// When it ends.
    pub ends_at: String,
    /// When it was made.
    pub created_at: String,
}

/// A page of silences.
#[derive(ToSchema)]
pub struct Silences {
    /// The silences.
    pub items: Vec<Silence>,
    /// Where the next page begins; null on the last.
    pub next_cursor: Option<String>,
}
