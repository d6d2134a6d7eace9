//! Erasing a record.

use std::io::{IsTerminal as _, Write as _};

use clap::Args;
use reqwest::{Method, Url};
use serde_json::Value;

use super::{Forebay, Target, other, print};
use crate::Failure;

/// Arguments of `erase`.
#[derive(Debug, Args)]
pub(crate) struct EraseArgs {
    /// The stream.
    stream: String,
    /// The record's id.
    id: String,
    /// Without asking.
    #[arg(long)]
    yes: bool,
    /// The result as JSON on one line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// Erases a record, after a person has said so.
pub(super) async fn erase(args: EraseArgs) -> Result<(), Failure> {
    let EraseArgs { stream, id, yes, json, target } = args;
    if !yes && !is_meant(&stream, &id)? {
        return Err(Failure::Other("nothing was erased".to_owned()));
    }
    let forebay = Forebay::new(target)?;
    let request = forebay.request(Method::DELETE, &path(&stream, &id)?).await?;
    let response = forebay.send(request.query(&[("erase", "true")])).await?;
    let erased: Value = response.json().await.map_err(other)?;
    if json {
        return print(&erased.to_string());
    }
    print(&format!("erased, at seq {}", erased["seq"]))
}

/// Asks the person at the terminal; whoever is none says --yes.
fn is_meant(stream: &str, id: &str) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        let how = "this cannot be taken back: add --yes where nobody can be asked";
        return Err(Failure::Configuration(how.to_owned()));
    }
    let mut asked = std::io::stderr();
    write!(asked, "Erase {id} of {stream} for good? [y/N] ").map_err(other)?;
    asked.flush().map_err(other)?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(other)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// The record's path; an id may have any character.
fn path(stream: &str, id: &str) -> Result<String, Failure> {
    let mut url = Url::parse("http://forebay").map_err(other)?;
    if let Ok(mut parts) = url.path_segments_mut() {
        parts.extend(["v1", "streams", stream, "records", id]);
    }
    Ok(url.path().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_part_of_the_path() {
        assert_eq!(
            path("orders", "a/b?c é").unwrap(),
            "/v1/streams/orders/records/a%2Fb%3Fc%20%C3%A9"
        );
    }
}
