//! Searches a stream for words, and shows where they stand.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use clap::Args;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ContentArrangement, Table};
use reqwest::Method;
use serde_json::{Value, json};

use super::index::{self, SearchCommand};
use super::{Forebay, Target, other, print};
use crate::Failure;

/// Records of one request.
const PAGE: usize = 1_000;
/// What begins and ends a word that was found, in an answer.
const MARKS: (&str, &str) = ("<mark>", "</mark>");
/// The same on a terminal (ECMA-48 SGR): bold yellow.
const COLOURS: (&str, &str) = ("\u{1b}[1;33m", "\u{1b}[0m");
/// The most characters of a record in which no word is shown.
const WIDTH: usize = 200;

/// Arguments of `search`. A stream that is called as a command stands behind `--`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct SearchArgs {
    #[command(subcommand)]
    command: Option<SearchCommand>,
    #[command(flatten)]
    words: WordsArgs,
}

/// What is searched for.
#[derive(Debug, Args)]
struct WordsArgs {
    /// The stream.
    #[arg(required = true)]
    stream: Option<String>,
    /// Words, "phrases", begin*, -word, OR, parentheses, field:word; all records without it.
    #[arg(default_value = "", allow_hyphen_values = true)]
    words: String,
    /// Only records that match, e.g. 'data.level == "error" && time > now() - duration("1h")'.
    #[arg(long)]
    filter: Option<String>,
    /// Fields whose most frequent values are shown: data.host:5,data.tags.
    #[arg(long, value_name = "FIELDS")]
    facets: Option<String>,
    /// The order: score, or fields with an index, - for downwards.
    #[arg(long, value_name = "FIELDS", allow_hyphen_values = true)]
    sort: Option<String>,
    /// Most records.
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// Wait until the index has reached this position.
    #[arg(long, value_name = "SEQ")]
    min_seq: Option<i64>,
    /// Refuse words that are not clear.
    #[arg(long)]
    strict: bool,
    /// Also say how the question is answered.
    #[arg(long)]
    explain: bool,
    /// As JSON, a line each; facets are the last one.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// Searches, or runs a command about indexes.
pub(super) async fn run(args: SearchArgs) -> Result<(), Failure> {
    match args.command {
        Some(command) => index::run(command).await,
        None => search(args.words).await,
    }
}

async fn search(args: WordsArgs) -> Result<(), Failure> {
    let forebay = Forebay::new(args.target.clone())?;
    let (mut shown, mut cursor, mut facets) = (0, None::<String>, Value::Null);
    let colours = colours();
    while shown < args.limit {
        let page = page(&forebay, &args, (args.limit - shown).min(PAGE), cursor.as_deref()).await?;
        if cursor.is_none() {
            facets = page["facets"].clone();
            if let Some(explain) = page.get("explain") {
                let text = serde_json::to_string_pretty(explain).map_err(other)?;
                eprint(&format!("{text}\n"));
            }
        }
        for hit in page["items"].as_array().into_iter().flatten() {
            shown += 1;
            print(&if args.json { hit.to_string() } else { line(hit, colours) })?;
        }
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    if args.facets.is_some() && args.json {
        return print(&json!({ "facets": facets }).to_string());
    }
    for (name, values) in facets.as_object().into_iter().flatten() {
        print(&table(name, values))?;
    }
    if cursor.is_some() && !args.json {
        eprint(&format!("the first {shown}; --limit shows more\n"));
    }
    Ok(())
}

async fn page(
    forebay: &Forebay,
    args: &WordsArgs,
    limit: usize,
    cursor: Option<&str>,
) -> Result<Value, Failure> {
    let stream = args.stream.as_deref().unwrap_or_default();
    let path = format!("/v1/streams/{stream}/search");
    let mut query = vec![("limit", limit.to_string())];
    let mut add = |name, text: Option<&str>| query.extend(text.map(|text| (name, text.to_owned())));
    add("q", Some(args.words.as_str()).filter(|words| !words.is_empty()));
    add("filter", args.filter.as_deref());
    add("sort", args.sort.as_deref());
    add("cursor", cursor);
    add("strict", args.strict.then_some("true"));
    if cursor.is_none() {
        add("facets", args.facets.as_deref());
        add("min_seq", args.min_seq.map(|seq| seq.to_string()).as_deref());
        add("explain", args.explain.then_some("true"));
    }
    let texts =
        [("?q", args.words.as_str()), ("?filter", args.filter.as_deref().unwrap_or_default())];
    let request = forebay.request(Method::GET, &path).await?.query(&query);
    forebay.send_text(request, &texts).await?.json().await.map_err(other)
}

/// What a word that was found is put between: on a terminal, unless `NO_COLOR` says otherwise
/// (no-color.org).
fn colours() -> (&'static str, &'static str) {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if std::io::stdout().is_terminal() && !plain { COLOURS } else { ("", "") }
}

/// A hit for people: where it stands, and its texts around what was found.
fn line(hit: &Value, colours: (&str, &str)) -> String {
    let record = &hit["record"];
    let time = record["time"].as_str().unwrap_or_default();
    let mut out = format!("{} {} {}", record["seq"], time, clean(&text(&record["id"])));
    let mut found = false;
    for (name, fragments) in hit["highlight"].as_object().into_iter().flatten() {
        for fragment in fragments.as_array().into_iter().flatten().filter_map(Value::as_str) {
            found = true;
            let name = name.strip_prefix("data.").unwrap_or(name);
            // Writing to a String cannot fail.
            let _ = write!(out, "\n  {}: {}", clean(name), marked(fragment, colours));
        }
    }
    if !found {
        let data: String = record["data"].to_string().chars().take(WIDTH).collect();
        let _ = write!(out, "\n  {}", clean(&data));
    }
    out
}

/// A fragment as a terminal shows it.
fn marked(fragment: &str, colours: (&str, &str)) -> String {
    let plain = |text: &str| clean(&unescaped(text));
    let mut out = String::new();
    let mut rest = fragment;
    while let Some((before, behind)) = rest.split_once(MARKS.0) {
        let (word, behind) = behind.split_once(MARKS.1).unwrap_or((behind, ""));
        out.extend([&plain(before), colours.0, &plain(word), colours.1]);
        rest = behind;
    }
    out + &plain(rest)
}

/// What was escaped for HTML, as it was.
fn unescaped(text: &str) -> String {
    let each = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&#x27;", "'")];
    let text = each.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    // The last, so that `&amp;lt;` stays a text about HTML.
    text.replace("&amp;", "&")
}

/// A record's text cannot write on a terminal what is no text.
fn clean(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control() => '\u{FFFD}',
        c => c,
    };
    text.chars().map(shown).collect()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn table(name: &str, values: &Value) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header([name.strip_prefix("data.").unwrap_or(name), "count"]);
    for value in values.as_array().into_iter().flatten() {
        table.add_row([clean(&text(&value["value"])), value["count"].to_string()]);
    }
    table.to_string()
}

fn eprint(text: &str) {
    use std::io::Write as _;
    // Nobody reads stderr: the records are on stdout.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_colours_and_texts_stay_texts() {
        let fragment = "a &lt;b&gt; <mark>disk</mark> &amp;lt; <mark>full</mark>\u{1b}[31m\n";
        assert_eq!(marked(fragment, ("[", "]")), "a <b> [disk] &lt; [full]\u{FFFD}[31m ");
        assert_eq!(marked("<mark>cut", ("[", "]")), "[cut]");
        assert_eq!(marked("no word", ("", "")), "no word");
    }

    #[test]
    fn a_hit_shows_its_words_or_its_data() {
        let record = json!({"seq": 4, "time": "t", "id": "a\u{7}", "data": {"n": 1}});
        let hit = json!({"record": record, "highlight": {"data.msg": ["<mark>x</mark>"]}});
        assert_eq!(line(&hit, ("<", ">")), "4 t a\u{FFFD}\n  msg: <x>");
        let hit = json!({"record": record, "highlight": {}});
        assert_eq!(line(&hit, ("<", ">")), "4 t a\u{FFFD}\n  {\"n\":1}");
    }
}
