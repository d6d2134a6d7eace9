//! A route that was checked.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use forebay_filter::Filter;
use forebay_model::principal::{Permission, RIGHTS};
use http::{HeaderName, Method, StatusCode};

use super::draft::{self, Draft, Is, Wanted};
use super::edits::Edits;
use super::request::{self, bare};
use super::template::Template;
use super::{normal, own};
use crate::pattern::{PathPattern, Segment};

/// Longest text of a host, path, template or filter that a route has.
const MAX_TEXT: usize = 4096;

/// A route.
#[derive(Debug)]
pub struct Route {
    pub(crate) turn: Turn,
    pub(crate) name: String,
    pub(crate) priority: i64,
    pub(crate) host: Host,
    pub(crate) path: PathPattern,
    /// The path as it was written.
    pub(crate) path_text: String,
    /// Empty for any.
    pub(crate) methods: Vec<Method>,
    pub(crate) headers: Vec<(HeaderName, Is)>,
    pub(crate) query: Vec<(String, Is)>,
    pub(crate) filter: Option<Asking>,
    pub(crate) action: Action,
    pub(crate) request_headers: Edits,
    pub(crate) response_headers: Edits,
    pub(crate) auth: Auth,
    pub(crate) permission: Option<Permission>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) pass_credentials: bool,
    pub(crate) identity: bool,
    pub(crate) lax_paths: bool,
}

/// How many requests a route has had that went to an upstream.
#[derive(Debug, Default)]
pub(crate) struct Turn(AtomicU64);

impl Turn {
    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// Which hosts a route is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Any,
    Is(String),
    /// All below this one.
    Below(String),
}

/// A filter, and whether it speaks of who asks.
#[derive(Debug, Clone)]
pub(crate) struct Asking {
    pub(crate) filter: Filter,
    pub(crate) who: bool,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Upstream { split: Vec<(String, u32)>, rewrite: Option<Rewrite> },
    Redirect { status: StatusCode, to: Template, text: String },
    Answer { status: StatusCode, body: String, content_type: String },
}

/// The path that an upstream is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rewrite {
    /// Without a slash at its end.
    Prefix(String),
    Path(Template, String),
}

/// Whether a route asks who somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Auth {
    Required,
    /// A credential that is shown has to be good.
    Optional,
    None,
}

impl Auth {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Auth::Required => "required",
            Auth::Optional => "optional",
            Auth::None => "none",
        }
    }
}

impl Route {
    /// Reads a route; the error is a message for people, and begins with the member that is wrong.
    pub fn new(draft: Draft) -> Result<Route, String> {
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-_".contains(&c);
        if !(1..=64).contains(&draft.name.len()) || !draft.name.bytes().all(plain) {
            return Err("name: 1 to 64 of a-z 0-9 - _".to_owned());
        }
        let host = draft.wanted.host.as_deref().map_or(Ok(Host::Any), Host::read)?;
        let (path, path_text) = path(&draft.wanted)?;
        if host == Host::Any && own::holds(&path) {
            let what = "is Forebay's own; a route takes it for a host of its own alone";
            return Err(format!("match: `{path_text}` {what}"));
        }
        let action = action(&draft, &path)?;
        let auth = match draft.auth.as_deref() {
            None | Some("required") => Auth::Required,
            Some("optional") => Auth::Optional,
            Some("none") => Auth::None,
            Some(other) => {
                return Err(format!("auth: `{other}` is not required, optional or none"));
            }
        };
        let permission = draft.permission.as_deref().map(permission).transpose()?;
        if permission.is_some() && auth != Auth::Required {
            return Err("permission: only where auth is required".to_owned());
        }
        let zero = draft.timeout.is_some_and(|time| time.is_zero());
        if zero || draft.timeout.is_some_and(|time| time > Duration::from_secs(86_400)) {
            return Err("timeout: from a millisecond to a day".to_owned());
        }
        let edits = |member, edits| Edits::new(edits).map_err(|what| format!("{member}.{what}"));
        Ok(Route {
            turn: Turn::default(),
            name: draft.name,
            priority: draft.priority,
            host,
            path,
            path_text,
            methods: methods(&draft.wanted.methods)?,
            headers: headers(&draft.wanted.headers)?,
            query: draft.wanted.query,
            filter: draft.wanted.filter.as_deref().map(Asking::read).transpose()?,
            action,
            request_headers: edits("request_headers", &draft.request_headers)?,
            response_headers: edits("response_headers", &draft.response_headers)?,
            auth,
            permission,
            timeout: draft.timeout,
            pass_credentials: draft.pass_credentials,
            identity: draft.identity,
            lax_paths: draft.lax_paths,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The upstreams that its requests go to.
    pub(crate) fn upstreams(&self) -> &[(String, u32)] {
        match &self.action {
            Action::Upstream { split, .. } => split,
            Action::Redirect { .. } | Action::Answer { .. } => &[],
        }
    }
}

impl Host {
    fn read(text: &str) -> Result<Host, String> {
        let wrong =
            || format!("match.host: `{text}` is no host such as shop.example.com or *.example.com");
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        let label = |label: &str| {
            let plain = |c: u8| c.is_ascii_alphanumeric() || b"-_".contains(&c);
            !label.is_empty() && label.bytes().all(plain)
        };
        let ip6 = !below && name.starts_with('[') && name.ends_with(']');
        if name.len() > 253 || !(ip6 || name.split('.').all(label)) {
            return Err(wrong());
        }
        let name = bare(name).into_owned();
        Ok(if below { Host::Below(name) } else { Host::Is(name) })
    }

    pub(crate) fn fits(&self, host: &str) -> bool {
        match self {
            Host::Any => true,
            Host::Is(name) => name == host,
            Host::Below(name) => {
                host.strip_suffix(name.as_str()).is_some_and(|below| below.ends_with('.'))
            }
        }
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Host::Any => f.write_str("*"),
            Host::Is(name) => f.write_str(name),
            Host::Below(name) => write!(f, "*.{name}"),
        }
    }
}

impl Asking {
    fn read(text: &str) -> Result<Asking, String> {
        let filter = request::filter(text).map_err(|what| format!("match.filter: {what}"))?;
        let who = filter.asks_who();
        Ok(Asking { filter, who })
    }
}

/// The path of a route; everything when it says none. What it says is in the form of a request's.
fn path(wanted: &Wanted) -> Result<(PathPattern, String), String> {
    let (member, text, read) = match (&wanted.path, &wanted.prefix) {
        (Some(_), Some(_)) => return Err("match.prefix: either it or path".to_owned()),
        (Some(path), None) => ("path", path.as_str(), PathPattern::read(path)),
        (None, Some(prefix)) => ("prefix", prefix.as_str(), PathPattern::below(prefix)),
        (None, None) => ("prefix", "/", PathPattern::below("/")),
    };
    let wrong = || match member {
        "path" => format!("match.path: `{text}` is no path such as /a/b, /a/{{id}} or /a/*"),
        _ => {
            format!("match.prefix: `{text}` is no prefix such as / or /a/b, without a slash behind")
        }
    };
    let mut pattern = read.filter(|_| text.len() <= MAX_TEXT).ok_or_else(wrong)?;
    let mut names: Vec<String> = Vec::new();
    for segment in &mut pattern.segments {
        match segment {
            Segment::Is(literal) => {
                let whole = format!("/{literal}");
                let whole =
                    normal::path(&whole).map_err(|what| format!("match.{member}: {what}"))?;
                let form = whole.get(1..).unwrap_or_default();
                if form.contains('/') || form.is_empty() != literal.is_empty() {
                    return Err(wrong());
                }
                *literal = form.to_owned();
            }
            Segment::Named(name) => {
                if names.contains(name) || ["rest", "path", "host"].contains(&name.as_str()) {
                    return Err(format!("match.{member}: the name `{name}` is taken"));
                }
                names.push(name.clone());
            }
        }
    }
    // An empty segment stands at a path's end alone: others are taken out of requests.
    let inner = pattern.segments.len().saturating_sub(1);
    if pattern.segments.iter().take(inner).any(|s| *s == Segment::Is(String::new())) {
        return Err(wrong());
    }
    Ok((pattern, text.to_owned()))
}

fn methods(words: &[String]) -> Result<Vec<Method>, String> {
    let read = |word: &String| {
        let upper = !word.is_empty() && word.bytes().all(|c| c.is_ascii_uppercase());
        let method = Method::from_bytes(word.as_bytes()).ok().filter(|_| upper);
        method.ok_or_else(|| format!("match.methods: `{word}` is no method such as GET"))
    };
    words.iter().map(read).collect()
}

fn headers(wanted: &[(String, Is)]) -> Result<Vec<(HeaderName, Is)>, String> {
    let read = |(name, is): &(String, Is)| {
        let read = HeaderName::try_from(name);
        let read = read.map_err(|_| format!("match.headers: `{name}` is no header's name"))?;
        Ok((read, is.clone()))
    };
    wanted.iter().map(read).collect()
}

/// Nobody could hold a right that does not exist.
fn permission(text: &str) -> Result<Permission, String> {
    let read = Permission::parse(text);
    let known = |permission: &Permission| {
        let (resource, action) = permission.right();
        RIGHTS.iter().any(|right| (right.0, right.1) == (resource, action))
    };
    read.filter(known).ok_or_else(|| {
        format!("permission: `{text}` is no right such as routes:use@route/shop or metrics:read")
    })
}

fn action(draft: &Draft, path: &PathPattern) -> Result<Action, String> {
    let template = |member: &str, text: &str| {
        if text.len() > MAX_TEXT {
            return Err(format!("{member}: at most {MAX_TEXT} bytes"));
        }
        Template::new(text, path).map_err(|what| format!("{member}: {what}"))
    };
    if !matches!(draft.action, draft::Action::Upstream(_)) && draft.rewrite.is_some() {
        return Err("rewrite: only for what goes to an upstream".to_owned());
    }
    match &draft.action {
        draft::Action::Upstream(split) => {
            let total: u64 = split.iter().map(|(_, weight)| u64::from(*weight)).sum();
            if total == 0 || split.len() > 64 {
                return Err("upstream: 1 to 64, with a weight that is not 0".to_owned());
            }
            let rewrite = draft.rewrite.as_ref().map(|rewrite| match rewrite {
                draft::Rewrite::Prefix(prefix) => {
                    if draft.wanted.prefix.is_none() {
                        return Err("rewrite.prefix: only where match has a prefix".to_owned());
                    }
                    let prefix = form("rewrite.prefix", prefix)?;
                    Ok(Rewrite::Prefix(prefix.trim_end_matches('/').to_owned()))
                }
                draft::Rewrite::Path(text) => {
                    if !text.starts_with('/') || text.contains(['?', '#', ' ', '\\']) {
                        return Err(format!("rewrite.path: `{text}` is no path"));
                    }
                    Ok(Rewrite::Path(template("rewrite.path", text)?, text.clone()))
                }
            });
            Ok(Action::Upstream { split: split.clone(), rewrite: rewrite.transpose()? })
        }
        draft::Action::Redirect { status, to } => {
            if ![301, 302, 303, 307, 308].contains(status) {
                return Err("redirect.status: 301, 302, 303, 307 or 308".to_owned());
            }
            let begins = ["/", "http://", "https://", "{path}"];
            let plain = to.bytes().all(|c| c.is_ascii_graphic() && c != b'\\');
            if !plain || to.starts_with("//") || !begins.iter().any(|b| to.starts_with(b)) {
                return Err(format!(
                    "redirect.to: `{to}` is no place such as /a or https://a/{{path}}"
                ));
            }
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::PERMANENT_REDIRECT);
            Ok(Action::Redirect { status, to: template("redirect.to", to)?, text: to.clone() })
        }
        draft::Action::Answer { status, body, content_type } => {
            let known =
                StatusCode::from_u16(*status).ok().filter(|s| (200..600).contains(&s.as_u16()));
            let status = known.ok_or("answer.status: from 200 to 599")?;
            if body.len() > 64 << 10 {
                return Err("answer.body: at most 64 KiB".to_owned());
            }
            let content_type = content_type.as_deref().unwrap_or("text/plain; charset=utf-8");
            if http::HeaderValue::try_from(content_type).is_err() {
                return Err("answer.content_type: a media type".to_owned());
            }
            let (body, content_type) = (body.clone(), content_type.to_owned());
            Ok(Action::Answer { status, body, content_type })
        }
    }
}

/// A path of the configuration, which is to be in its form as it is written.
fn form(member: &str, text: &str) -> Result<String, String> {
    let wrong = || format!("{member}: `{text}` is no path such as / or /a/b");
    if !text.starts_with('/') || text.contains(['?', '#', '{', '}']) {
        return Err(wrong());
    }
    normal::path(text).map(std::borrow::Cow::into_owned).map_err(|_| wrong())
}
