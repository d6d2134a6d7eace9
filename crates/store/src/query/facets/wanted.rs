//! What is counted by its values, as it was asked for.

use forebay_filter::lower::{Bound, Place};
use forebay_http::query::bad;
use forebay_model::Error;
use forebay_model::field::nearest;
use forebay_model::schema::ScalarType;
use forebay_model::search::SearchKind;
use forebay_model::stream::{Column, Stream};
use forebay_search::ask::Facet as Asking;
use serde_json::{Value, json};

use super::tally::Term;
use crate::query::index::Index;

/// The most facets.
const MOST: usize = 10;
/// Values of each: without a word, and at most.
const VALUES: (usize, usize) = (10, 100);

/// A field whose values are counted.
pub(crate) struct Facet {
    /// As it was asked for.
    pub(crate) name: String,
    pub(crate) asking: Asking,
    /// Where it is a column.
    pub(crate) column: Option<Column>,
    /// The most values.
    pub(crate) most: usize,
}

/// Reads `data.host:10,data.tags`.
pub(crate) fn read(text: &str, stream: &Stream) -> Result<Vec<Facet>, Error> {
    let mut facets: Vec<Facet> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, most) = match part.rsplit_once(':') {
            Some((name, most)) => (name, most.parse().unwrap_or(0)),
            None => (part, VALUES.0),
        };
        if !(1..=VALUES.1).contains(&most) {
            let message = format!("fields, each with at most {} values: data.host:10", VALUES.1);
            return Err(bad("facets", message));
        }
        if facets.iter().any(|facet| facet.name == name) {
            return Err(bad("facets", format!("each field once, `{name}` stands twice")));
        }
        if facets.len() == MOST {
            return Err(bad("facets", format!("at most {MOST} fields")));
        }
        let (asking, column) = find(name, stream)?;
        facets.push(Facet { name: name.to_owned(), asking, column, most });
    }
    Ok(facets)
}

/// A column, so that values keep their types; else a keyword.
fn find(name: &str, stream: &Stream) -> Result<(Asking, Option<Column>), Error> {
    let column = stream.columns.iter().find(|column| column.path.to_string() == name);
    if let Some(column) = column.filter(|column| column.is_ready()) {
        return Ok((Asking::Place(Place::Column(column.number)), Some(column.clone())));
    }
    let keywords = stream.schema.searched().iter().enumerate();
    let mut keywords = keywords.filter(|(_, field)| field.kind == SearchKind::Keyword);
    if let Some((at, _)) = keywords.clone().find(|(_, field)| field.name() == name) {
        return Ok((Asking::Field(at), None));
    }
    let hint = match column {
        Some(_) => format!("; the index of `{name}` is not ready"),
        None => {
            let columns = stream.columns.iter().map(|column| column.path.to_string());
            let known: Vec<String> =
                columns.chain(keywords.by_ref().map(|(_, field)| field.name())).collect();
            let near = nearest(name, known.iter().map(String::as_str));
            near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
        }
    };
    let message = format!("fields with x-index or with x-search keyword, not `{name}`{hint}");
    Err(bad("facets", message))
}

impl Facet {
    /// Whether an index holds it.
    pub(crate) fn is_held(&self, index: &Index) -> bool {
        let Asking::Place(place) = self.asking else { return true };
        index.view().is_none_or(|view| view.holds(place))
    }

    /// A value as a record has it.
    pub(crate) fn json(&self, term: &Term) -> Value {
        let scalar = self.column.as_ref().map(|column| column.scalar);
        match (&term.0, scalar) {
            (Bound::Int(is), Some(ScalarType::Boolean)) => json!(*is != 0),
            (Bound::Int(n), _) => json!(n),
            (Bound::Real(d), _) => json!(d),
            (Bound::Text(text), _) => json!(text),
        }
    }
}
