//! Inboxes, preferences and texts.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

/// What somebody is told.
#[derive(ToSchema)]
pub struct InboxItem {
    /// Counts the items of an inbox.
    pub id: String,
    /// `account`, `alert`, `event`, …
    pub category: String,
    /// One line.
    pub title: String,
    /// Plain text.
    pub body: String,
    /// Where there is more of it: a path here.
    pub link: String,
    /// Whether it was read.
    pub read: bool,
    /// When it came.
    pub created_at: String,
}

/// How much is unread.
#[derive(ToSchema)]
pub struct Unread {
    /// In all.
    pub total: i64,
    /// Of each category that has something.
    pub categories: BTreeMap<String, i64>,
}

/// A page of an inbox.
#[derive(ToSchema)]
pub struct Inbox {
    /// The newest first.
    pub items: Vec<InboxItem>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
    /// In all of the inbox.
    pub unread: Unread,
}

/// What is marked as read.
#[derive(ToSchema)]
pub struct ReadAll {
    /// Only this; everything without it.
    pub category: Option<String>,
}

/// What was marked as read.
#[derive(ToSchema)]
pub struct ReadCount {
    /// How many items.
    pub read: u64,
}

/// By which ways somebody wants to hear of something.
#[derive(ToSchema)]
pub struct Ways {
    /// In Forebay; yes, while nothing was said.
    pub inbox: Option<bool>,
    /// At the account's address; no, while nothing was said.
    pub email: Option<bool>,
}

/// What somebody wants to hear of.
#[derive(ToSchema)]
pub struct Preferences {
    /// Rules that fire.
    pub alert: Option<Ways>,
    /// Records that match.
    pub event: Option<Ways>,
}

/// A text in the place of a built-in one; what is left out is the built-in one's.
#[derive(ToSchema)]
pub struct TemplateText {
    /// One line.
    pub subject: Option<String>,
    /// Plain text.
    pub text: Option<String>,
    /// HTML: what is put in is escaped.
    pub html: Option<String>,
}

/// A text.
#[derive(ToSchema)]
pub struct Template {
    /// The kind of what it tells.
    pub name: String,
    /// When it is used.
    pub about: String,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// HTML.
    pub html: String,
    /// Whether nobody has changed it.
    pub built_in: bool,
    /// What a preview is made of.
    #[schema(value_type = Object)]
    pub sample: Value,
    /// Who has changed it.
    pub updated_by: Option<String>,
    /// When.
    pub updated_at: Option<String>,
}

/// All texts.
#[derive(ToSchema)]
pub struct Templates {
    /// By name.
    pub items: Vec<Template>,
    /// Always null: there are few.
    pub next_cursor: Option<String>,
}

/// What a preview is made of; what is left out is what holds.
#[derive(ToSchema)]
pub struct TemplatePreview {
    /// One line.
    pub subject: Option<String>,
    /// Plain text.
    pub text: Option<String>,
    /// HTML.
    pub html: Option<String>,
    /// In the place of the sample.
    #[schema(value_type = Option<Object>)]
    pub data: Option<Value>,
}

/// What a text would be.
#[derive(ToSchema)]
pub struct Previewed {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// A whole document.
    pub html: String,
}
