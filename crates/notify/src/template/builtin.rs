//! The built-in texts, by the kind of what is told.

use serde_json::{Value, json};

/// A text with its parts.
#[derive(Debug)]
pub(crate) struct Builtin {
    /// The kind of what it tells: `alert.firing`.
    pub(crate) name: &'static str,
    /// When it is used.
    pub(crate) about: &'static str,
    pub(crate) subject: &'static str,
    pub(crate) text: &'static str,
    pub(crate) html: &'static str,
    /// What it is shown with when it is looked at.
    pub(crate) sample: fn() -> Value,
}

macro_rules! builtin {
    ($name:literal, $about:literal, $subject:literal, $sample:expr) => {
        Builtin {
            name: $name,
            about: $about,
            subject: $subject,
            text: include_str!(concat!("../../templates/", $name, ".txt")),
            html: include_str!(concat!("../../templates/", $name, ".html")),
            sample: || $sample,
        }
    };
}

/// What is used for a kind that has no text of its own.
pub(crate) const GENERAL: &str = "notification";

/// All of them, by name.
pub(crate) static ALL: &[Builtin] = &[
    builtin!(
        "alert.firing",
        "A rule fires",
        "Firing: {{ data.rule }}{% for k, v in data.group|items %} {{ v }}{% endfor %}",
        alert("firing")
    ),
    builtin!(
        "alert.resolved",
        "A rule fires no longer",
        "Resolved: {{ data.rule }}{% for k, v in data.group|items %} {{ v }}{% endfor %}",
        alert("resolved")
    ),
    builtin!(
        "mail.address_taken",
        "Somebody registers an address that has an account",
        "You have an account already",
        person(json!({}))
    ),
    builtin!(
        "mail.email_change",
        "Both addresses are asked whether one shall take the place of the other",
        "Confirm the change of your e-mail address",
        person(json!({"old": "ann@example.com", "new": "ann@example.org"}))
    ),
    builtin!(
        "mail.invitation",
        "Somebody is invited",
        "{{ by|default('Somebody') }} invites you to Forebay",
        person(json!({"by": "Bob", "name": null}))
    ),
    builtin!(
        "mail.notice",
        "Something about somebody's account has changed: its password, second factor or address",
        "Security notice: {{ what }}",
        person(
            json!({"what": "your password was changed", "at": "2026-01-02 03:04 UTC", "address": "192.0.2.1"})
        )
    ),
    builtin!(
        "mail.password_reset",
        "Somebody has forgotten their password",
        "Choose a new password",
        person(json!({}))
    ),
    builtin!(
        "mail.sign_in",
        "Somebody signs in from where they never did",
        "New sign-in to your account",
        person(json!({"at": "2026-01-02 03:04 UTC", "address": "192.0.2.1", "device": "Firefox"}))
    ),
    builtin!(
        "mail.verify_email",
        "Somebody has registered, and shows that the address is theirs",
        "Confirm your e-mail address",
        person(json!({}))
    ),
    builtin!(
        "notification",
        "Whatever has no text of its own",
        "{{ data.rule|default(type) }}",
        json!({"type": "channel.test", "time": "2026-01-02T03:04:05Z", "data": {"channel": {"name": "ops"}}})
    ),
    builtin!(
        "record.matched",
        "A record matches an event rule",
        "{{ data.rule }}: a record of {{ data.stream }}",
        json!({"type": "record.matched", "time": "2026-01-02T03:04:05Z", "data": {
            "rule_id": "r1", "rule": "large orders", "stream": "orders",
            "record": {"id": "a", "seq": 41, "stream": "orders", "data": {"owner": "ann", "price": 99.5}}}})
    ),
];

fn alert(state: &str) -> Value {
    json!({"type": format!("alert.{state}"), "time": "2026-01-02T03:04:05Z", "data": {
        "rule_id": "r1", "rule": "busy machine", "stream": "metrics", "state": state,
        "group": {"data.host": "web-1"}, "value": 91.2, "started_at": "2026-01-02T03:04:00Z"}})
}

fn person(more: Value) -> Value {
    let mut all = json!({"name": "Ann", "link": "https://forebay.example.com/console/x?token=t"});
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
        all.extend(more);
    }
    all
}

/// Finds a text by the kind that it is for.
pub(crate) fn find(name: &str) -> Option<&'static Builtin> {
    ALL.iter().find(|builtin| builtin.name == name)
}

/// The text for a kind: its own, or the general one.
pub(crate) fn of(kind: &str) -> &'static Builtin {
    static NONE: Builtin = Builtin {
        name: GENERAL,
        about: "",
        subject: "Forebay",
        text: "",
        html: "",
        sample: || Value::Null,
    };
    find(kind).or_else(|| find(GENERAL)).unwrap_or(&NONE)
}
