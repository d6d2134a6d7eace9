//! `forebay routes`: what the configuration would do with a request, without a running process.

use std::io::Write as _;
use std::net::IpAddr;

use clap::Subcommand;
use forebay_filter::Auth;
use forebay_gateway::routes::{Explained, Question, Went};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde_json::{Value, json};

use crate::cli::Place;
use crate::{Failure, client, settings};

#[derive(Debug, Subcommand)]
pub(crate) enum RoutesCommand {
    /// Say which route a request takes, and why none of the others.
    Explain {
        /// GET, POST, …
        method: Method,
        /// Its path, or with its host: http://shop.example.com/items/7
        url: Uri,
        /// A header field; may stand more than once.
        #[arg(long, value_name = "'NAME: VALUE'")]
        header: Vec<String>,
        /// Where it comes from.
        #[arg(long, default_value = "127.0.0.1")]
        client: IpAddr,
        /// The account that asks, for filters that speak of it.
        #[arg(long, value_name = "ID")]
        user: Option<String>,
        /// A role of who asks; may stand more than once.
        #[arg(long)]
        role: Vec<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
}

pub(crate) fn run(command: RoutesCommand) -> Result<(), Failure> {
    let RoutesCommand::Explain { method, url, header, client, user, role, json, place } = command;
    let plan = settings::plan(&place.load()?)?;
    let headers = read_headers(&header)?;
    let auth = Auth { user_id: user, roles: Some(role), ..Auth::default() };
    let known = auth.user_id.is_some() || auth.roles.as_ref().is_some_and(|r| !r.is_empty());
    let auth = known.then_some(&auth);
    let question = Question { method: &method, uri: url, headers: &headers, client, auth };
    let explained = plan.table().answer(question);
    let explained = explained.map_err(|e| Failure::Other(format!("refused: {}", e.detail)))?;
    let text = if json {
        serde_json::to_string_pretty(&document(&explained))
            .map_err(|e| Failure::Other(e.to_string()))?
    } else {
        table(&explained)
    };
    writeln!(std::io::stdout(), "{text}").map_err(client::unwritten)
}

fn read_headers(lines: &[String]) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for line in lines {
        let read = || {
            let (name, value) = line.split_once(':')?;
            let name = HeaderName::try_from(name.trim()).ok()?;
            Some((name, HeaderValue::try_from(value.trim()).ok()?))
        };
        let wrong = || Failure::Configuration(format!("--header: `{line}` is no `NAME: VALUE`"));
        let (name, value) = read().ok_or_else(wrong)?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn document(explained: &Explained) -> Value {
    let went = match &explained.went {
        Went::Own => json!({"service": "forebay"}),
        Went::Upstream(split, path) => {
            let share = |(name, weight): &(String, u32)| json!({"name": name, "weight": weight});
            json!({"upstream": split.iter().map(share).collect::<Vec<_>>(), "path": path})
        }
        Went::Redirect(status, to) => json!({"redirect": {"status": status, "to": to}}),
        Went::Answer(status) => json!({"answer": {"status": status}}),
    };
    let said = explained.said.iter().map(|said| {
        json!({
            "route": said.route,
            "priority": said.priority,
            "taken": said.taken,
            "why": said.why,
        })
    });
    json!({
        "path": explained.path,
        "route": explained.route.as_ref().map(|route| route.describe()),
        "goes": went,
        "routes": said.collect::<Vec<_>>(),
    })
}

fn table(explained: &Explained) -> String {
    let name = explained.route.as_ref().map_or("none", |route| route.name());
    let goes = match &explained.went {
        Went::Own => "to Forebay's own services".to_owned(),
        Went::Upstream(split, path) => {
            let all: u64 = split.iter().map(|(_, weight)| u64::from(*weight)).sum();
            let share = |(name, weight): &(String, u32)| match split.len() {
                1 => name.clone(),
                _ => format!("{name} ({weight} of {all})"),
            };
            let names: Vec<String> = split.iter().map(share).collect();
            format!("to the upstream {}, asking for {path}", names.join(" or "))
        }
        Went::Redirect(status, to) => format!("elsewhere ({status}): {to}"),
        Went::Answer(status) => format!("nowhere, it is answered with {status}"),
    };
    let mut text = format!("path   {}\nroute  {name}\ngoes   {goes}", explained.path);
    if !explained.said.is_empty() {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
        table.set_header(["", "ROUTE", "PRIORITY", "WHY"]);
        for said in &explained.said {
            let mark = if said.taken { "*" } else { "" };
            table.add_row([mark, &said.route, &said.priority.to_string(), &said.why]);
        }
        text.push_str(&format!("\n\n{table}"));
    }
    text
}
