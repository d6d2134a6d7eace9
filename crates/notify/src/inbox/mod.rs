//! The inbox: what people are told in Forebay itself, and by mail where they want it so. Whom it goes to
//! is found out when a notification is made: those who have a role then.

pub(crate) mod follow;
pub(crate) mod hub;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use forebay_db::people::{self, Reachable};
use forebay_db::{Conn, DbError};

use crate::post::{Post, To};
use crate::sql::channel;
use crate::sql::inbox::New;
use crate::sql::preference::{self, Wanted};
use crate::template;

/// The name by which receivers know the inbox among channels.
pub(crate) const INBOX: &str = "inbox";
/// The system's own channel: it reaches accounts at their addresses. It is there while SMTP is set up.
pub(crate) const MAIL: &str = "mail";
/// What is told by every way, whatever somebody has said.
pub(crate) const CRITICAL: &str = "critical";
/// What people may say of: categories and ways, with what holds while they have said nothing.
pub(crate) const CATEGORIES: [&str; 2] = ["alert", "event"];
pub(crate) const WAYS: [(&str, bool); 2] = [(INBOX, true), ("email", false)];
/// The most accounts of one receiver.
const MOST: i64 = 1000;
/// The most bytes of an item's text.
const MAX_BODY_BYTES: usize = 4 << 10;

/// What becomes of receivers that are inboxes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Mail: the post's place, and where to.
    pub(crate) mail: Vec<(usize, To)>,
    /// Items.
    pub(crate) items: Vec<New>,
}

/// Finds out who stands behind inboxes among the receivers, and what each is told.
pub(crate) async fn expand(conn: &mut Conn, posts: &[Post]) -> Result<Told, DbError> {
    let mut told = Told::default();
    if !posts.iter().any(|post| post.to.iter().any(|to| to.channel == INBOX)) {
        return Ok(told);
    }
    let mail = channel::find(conn, MAIL).await?.is_some();
    for (at, post) in posts.iter().enumerate() {
        let reached = reached(conn, post).await?;
        let accounts: Vec<&str> = reached.keys().map(|who| who.account.as_str()).collect();
        let wanted = preference::of(conn, &accounts).await?;
        let mut texts = Texts::default();
        for (who, data) in &reached {
            if wants(&wanted, who, post, INBOX) {
                let (title, body, link) = texts.of(conn, post, data).await?;
                let (account, notification) = (who.account.clone(), post.id.clone());
                let category = post.category.clone();
                told.items.push(New { account, notification, category, title, body, link });
            }
            if mail && !who.address.is_empty() && wants(&wanted, who, post, "email") {
                let (channel, address) = (MAIL.to_owned(), who.address.clone());
                told.mail.push((at, To { channel, address, data: data.clone() }));
            }
        }
    }
    Ok(told)
}

/// Who is reached by a post, each once, and what they are told instead, where they may not see all.
/// Whoever is named stands before whoever has a role.
async fn reached(
    conn: &mut Conn,
    post: &Post,
) -> Result<BTreeMap<Reachable, Option<String>>, DbError> {
    let mut reached = BTreeMap::new();
    let inboxes = || post.to.iter().filter(|to| to.channel == INBOX);
    for to in inboxes() {
        if let Some(account) = to.address.strip_prefix("user:")
            && let Some(who) = people::of_account(conn, account).await?
        {
            reached.insert(who, to.data.clone());
        }
    }
    for to in inboxes() {
        let Some(role) = to.address.strip_prefix("role:") else { continue };
        let found = people::of_role(conn, role, MOST + 1).await?;
        let most = usize::try_from(MOST).unwrap_or(usize::MAX);
        if found.len() > most {
            metrics::counter!("forebay_receivers_left_out_total").increment(1);
            tracing::warn!(role, most, "a role has too many people: the others are not told");
        }
        for who in found.into_iter().take(most) {
            reached.entry(who).or_insert_with(|| to.data.clone());
        }
    }
    Ok(reached)
}

fn wants(wanted: &Wanted, who: &Reachable, post: &Post, way: &str) -> bool {
    let usual = WAYS.iter().any(|(name, usual)| *name == way && *usual);
    let key = (who.account.clone(), post.category.clone(), way.to_owned());
    post.category == CRITICAL || wanted.get(&key).copied().unwrap_or(usual)
}

/// What was made of a post already, by what is told.
#[derive(Default)]
struct Texts(HashMap<Option<String>, (String, String, String)>);

impl Texts {
    async fn of(
        &mut self,
        conn: &mut Conn,
        post: &Post,
        data: &Option<String>,
    ) -> Result<(String, String, String), DbError> {
        if let Some(made) = self.0.get(data) {
            return Ok(made.clone());
        }
        let text = data.as_deref().unwrap_or(&post.data);
        let parsed = serde_json::from_str(text).unwrap_or_default();
        let data_of = template::data(&post.kind, &post.time.to_string(), parsed, "");
        let made = template::make(conn, &post.kind, &data_of).await?;
        let link = data_of["link"].as_str().unwrap_or_default().to_owned();
        let made = (made.subject, body(&made.text, &link), link);
        self.0.insert(data.clone(), made.clone());
        Ok(made)
    }
}

/// The text of an item: without the link, which stands beside it, and bounded.
pub(crate) fn body(text: &str, link: &str) -> String {
    let clean: Cow<'_, str> = text.replace('\0', "\u{fffd}").into();
    let text = clean.trim();
    let text = text.strip_suffix(link).filter(|_| !link.is_empty()).unwrap_or(text).trim_end();
    let end = text.floor_char_boundary(MAX_BODY_BYTES);
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
