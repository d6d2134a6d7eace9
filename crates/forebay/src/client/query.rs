//! Asks a stream: its records that match a filter, or what they come to in groups.

use clap::Args;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ContentArrangement, Table};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{Forebay, Target, other, print, unwritten};
use crate::Failure;

/// Records of one request.
const PAGE: usize = 1_000;

/// Arguments of `query`.
#[derive(Debug, Args)]
pub(crate) struct QueryArgs {
    /// The stream.
    stream: String,
    /// The condition, e.g. 'data.mag >= 4.5 && time > now() - duration("7d")'; all without it.
    #[arg(default_value = "")]
    filter: String,
    /// The order: fields with an index, - for downwards. In groups: names of keys and metrics.
    #[arg(long, value_name = "FIELDS", allow_hyphen_values = true)]
    sort: Option<String>,
    /// Only these parts: id,data.mag,…
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    fields: Vec<String>,
    /// Most records, or groups.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Only how many there are.
    #[arg(long)]
    count: bool,
    /// Group by a field: data.region; by time: time/1d, time/1h@Europe/Berlin; by ranges: data.mag[0,3,5].
    #[arg(long, value_name = "FIELD", num_args = 1..)]
    group_by: Vec<String>,
    /// What a group comes to: 'n=count()', 'p95=percentile(data.ms, 0.95)'.
    #[arg(long, value_name = "NAME=METRIC", num_args = 1..)]
    metrics: Vec<String>,
    /// Only groups that match: 'n > 5'.
    #[arg(long)]
    having: Option<String>,
    /// As CSV.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// As JSON, a line each.
    #[arg(long)]
    json: bool,
    /// Also say how the question is answered.
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    target: Target,
}

/// What came, as rows under names.
struct Rows {
    names: Vec<String>,
    /// Each row's value by name; a missing one is null.
    rows: Vec<Map<String, Value>>,
    /// A line for people below the rows.
    note: Option<String>,
    explain: Option<Value>,
}

/// Asks, and shows what comes.
pub(super) async fn query(args: QueryArgs) -> Result<(), Failure> {
    let QueryArgs { csv, json, .. } = args;
    let forebay = Forebay::new(args.target.clone())?;
    if args.count {
        let count = count(&forebay, &args).await?;
        return print(&if json {
            json!({ "count": count }).to_string()
        } else {
            count.to_string()
        });
    }
    let rows = if args.group_by.is_empty() && args.metrics.is_empty() {
        records(&forebay, &args).await?
    } else {
        groups(&forebay, &args).await?
    };
    if let Some(explain) = &rows.explain {
        let text = serde_json::to_string_pretty(explain).map_err(other)?;
        eprint(&format!("{text}\n"));
    }
    match (json, csv) {
        (true, _) => {
            rows.rows.into_iter().try_for_each(|row| print(&Value::Object(row).to_string()))
        }
        (_, true) => write_csv(&rows),
        _ => write_table(&rows),
    }
}

async fn count(forebay: &Forebay, args: &QueryArgs) -> Result<i64, Failure> {
    let page = page(forebay, args, &[("count", "exact"), ("limit", "1"), ("fields", "id")]).await?;
    page["count"].as_i64().ok_or_else(|| other("the answer has no count"))
}

async fn page(
    forebay: &Forebay,
    args: &QueryArgs,
    more: &[(&str, &str)],
) -> Result<Value, Failure> {
    let path = format!("/v1/streams/{}/records", args.stream);
    let request = forebay.request(Method::GET, &path).await?.query(&[("filter", &args.filter)]);
    let texts = [("?filter", args.filter.as_str())];
    forebay.send_text(request.query(more), &texts).await?.json().await.map_err(other)
}

async fn records(forebay: &Forebay, args: &QueryArgs) -> Result<Rows, Failure> {
    let fields = args.fields.join(",");
    let (mut items, mut cursor, mut explain) = (Vec::new(), None::<String>, None);
    while items.len() < args.limit {
        let limit = (args.limit - items.len()).min(PAGE).to_string();
        let mut more = vec![("limit", limit.as_str())];
        more.extend((!fields.is_empty()).then_some(("fields", fields.as_str())));
        more.extend(args.sort.as_deref().map(|sort| ("sort", sort)));
        more.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        more.extend((args.explain && explain.is_none()).then_some(("explain", "true")));
        let mut page = page(forebay, args, &more).await?;
        if let Some(found) = page["items"].as_array_mut() {
            items.append(found);
        }
        explain = explain.or_else(|| page.get("explain").cloned());
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    let note = cursor.map(|_| format!("the first {}; --limit shows more", items.len()));
    let mut names = args.fields.clone();
    if names.is_empty() {
        names = ["seq", "time"].map(str::to_owned).to_vec();
    }
    let mut rows = Vec::new();
    for item in items {
        if args.json {
            rows.extend(if let Value::Object(item) = item { Some(item) } else { None });
            continue;
        }
        let mut row = Map::new();
        flatten("", item, &mut row);
        if args.fields.is_empty() {
            let new = row.keys().filter(|name| name.starts_with("data.") && !names.contains(name));
            let new: Vec<String> = new.cloned().collect();
            names.extend(new);
        }
        rows.push(row);
    }
    Ok(Rows { names, rows, note, explain })
}

/// Puts the leaves of an object under their dotted names.
fn flatten(path: &str, value: Value, row: &mut Map<String, Value>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                let path = if path.is_empty() { name } else { format!("{path}.{name}") };
                flatten(&path, member, row);
            }
        }
        leaf => {
            row.insert(path.to_owned(), leaf);
        }
    }
}

async fn groups(forebay: &Forebay, args: &QueryArgs) -> Result<Rows, Failure> {
    let group_by: Vec<Value> = args.group_by.iter().map(|text| group(text)).collect();
    let metrics: Map<String, Value> = args.metrics.iter().map(|text| metric(text)).collect();
    let mut body = json!({"group_by": group_by, "limit": args.limit, "explain": args.explain});
    for (name, text) in [("filter", Some(args.filter.as_str())), ("having", args.having.as_deref())]
    {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            body[name] = text.into();
        }
    }
    if !metrics.is_empty() {
        body["metrics"] = metrics.clone().into();
    }
    if let Some(sort) = &args.sort {
        body["order_by"] = names(sort).into();
    }
    let path = format!("/v1/streams/{}/aggregate", args.stream);
    let mut texts = vec![("/filter".to_owned(), args.filter.as_str())];
    texts.extend(args.having.as_deref().map(|having| ("/having".to_owned(), having)));
    let metric_texts =
        metrics.iter().filter_map(|(n, m)| Some((format!("/metrics/{n}"), m.as_str()?)));
    texts.extend(metric_texts);
    let texts: Vec<(&str, &str)> =
        texts.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let request = forebay.request(Method::POST, &path).await?.json(&body);
    let mut answer: Value =
        forebay.send_text(request, &texts).await?.json().await.map_err(other)?;
    let (mut names, mut rows) = (Vec::new(), Vec::new());
    for group in answer["groups"].as_array_mut().into_iter().flatten() {
        let mut row = Map::new();
        for part in ["key", "values"] {
            if let Some(members) = group[part].as_object_mut() {
                row.append(members);
            }
        }
        let new: Vec<String> = row.keys().filter(|name| !names.contains(*name)).cloned().collect();
        names.extend(new);
        rows.push(row);
    }
    let truncated = answer["truncated"] == true;
    let note = truncated.then(|| format!("the first {} groups; --limit shows more", rows.len()));
    Ok(Rows { names, rows, note, explain: answer.get("explain").cloned() })
}

/// Takes a list of names apart; a metric's own commas stand in brackets, or in quotes.
fn names(text: &str) -> Vec<&str> {
    let (mut depth, mut quote, mut start, mut names) = (0_usize, None, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                names.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    names.push(text[start..].trim());
    names
}

/// Reads `data.region`, `time/1h@Europe/Berlin` or `data.mag[0,3,5]`, each after `name=` if wanted.
fn group(text: &str) -> Value {
    let (name, rest) = match text.split_once('=') {
        Some((name, rest)) => (Some(name), rest),
        None => (None, text),
    };
    let called = |field: &str| {
        let short = field.strip_prefix("data.").unwrap_or(field);
        name.unwrap_or(short).to_owned()
    };
    // `data["odd name"]` ends in a bracket too.
    let ranges = rest.strip_suffix(']').and_then(|rest| rest.rsplit_once('['));
    if let Some((field, ranges)) = ranges.filter(|(_, ranges)| !ranges.starts_with(['"', '\''])) {
        let bounds = ranges.split(',').map(str::trim);
        let bounds: Vec<Value> =
            bounds.map(|b| serde_json::from_str(b).unwrap_or_else(|_| b.into())).collect();
        return json!({"as": called(field), "field": field, "ranges": bounds});
    }
    match rest.split_once('/') {
        Some((field, every)) => {
            let (every, zone) = every.split_once('@').unwrap_or((every, "UTC"));
            json!({"as": called(field), "field": field, "every": every, "zone": zone})
        }
        None => json!({"as": called(rest), "field": rest}),
    }
}

/// Reads `name=metric`; a metric alone is called by its text.
fn metric(text: &str) -> (String, Value) {
    let named = text.split_once('=').filter(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    });
    let (name, metric) = named.unwrap_or((text, text));
    (name.to_owned(), metric.into())
}

/// A value as a cell; a text without its quotes.
fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn write_csv(rows: &Rows) -> Result<(), Failure> {
    let mut writer = csv::Writer::from_writer(std::io::stdout().lock());
    writer.write_record(&rows.names).map_err(unwritten_csv)?;
    for row in &rows.rows {
        let cells = rows.names.iter().map(|name| cell(row.get(name)));
        writer.write_record(cells).map_err(unwritten_csv)?;
    }
    writer.flush().map_err(unwritten)
}

fn unwritten_csv(error: csv::Error) -> Failure {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => unwritten(error),
        kind => other(format!("{kind:?}")),
    }
}

fn write_table(rows: &Rows) -> Result<(), Failure> {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(rows.names.iter().map(|name| name.strip_prefix("data.").unwrap_or(name)));
    for row in &rows.rows {
        table.add_row(rows.names.iter().map(|name| cell(row.get(name))));
    }
    print(&table.to_string())?;
    if let Some(note) = &rows.note {
        eprint(&format!("{note}\n"));
    }
    Ok(())
}

fn eprint(text: &str) {
    use std::io::Write as _;
    // Nobody reads stderr: the rows are on stdout.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_metrics_as_they_are_typed() {
        assert_eq!(group("data.region"), json!({"as": "region", "field": "data.region"}));
        assert_eq!(
            group("day=time/1d@Europe/Berlin"),
            json!({"as": "day", "field": "time", "every": "1d", "zone": "Europe/Berlin"})
        );
        assert_eq!(
            group("data.mag[0, 3.5]"),
            json!({"as": "mag", "field": "data.mag", "ranges": [0, 3.5]})
        );
        assert_eq!(
            group("who=data[\"odd name\"]"),
            json!({"as": "who", "field": "data[\"odd name\"]"})
        );
        assert_eq!(group("data[\"n\"][1]")["ranges"], json!([1]));
        assert_eq!(
            names("-percentile(data.ms, 0.95),region, x[\"a,b\"]"),
            ["-percentile(data.ms, 0.95)", "region", "x[\"a,b\"]"]
        );
        assert_eq!(metric("n=count()"), ("n".into(), json!("count()")));
        assert_eq!(metric("max(data.a)"), ("max(data.a)".into(), json!("max(data.a)")));
    }
}
