//! What an index looks like: its settings and its fields.

use std::time::Duration;

use forebay_filter::lower::Place;
use forebay_model::schema::ScalarType;
use forebay_model::search::SearchKind;
use serde_json::{Map, Value as Json, json};

use crate::document::Document;
use crate::error::SearchError;
use crate::layout::{Column, Layout};
use forebay_filter::lower::Bound;

/// What comes between two texts of one field, so that no phrase reaches from one into the other.
const GAP: u32 = 100;
/// Fields of records, columns and search fields together stay far below.
const MAX_FIELDS: u32 = 2000;

/// The body that makes an index. Texts come as words with a space between them; no text is kept.
pub(super) fn index(layout: &Layout, deployment: &str, refresh: Duration, door: &str) -> Json {
    let refresh = format!("{}ms", refresh.as_millis().max(1));
    let mut fields = Map::new();
    let mut add = |name: String, field: Json| fields.insert(name, field);
    let long = || json!({"type": "long"});
    let held = || json!({"type": "long", "index": false});
    for name in ["seq", "version", "time", "received_at"] {
        add(name.to_owned(), long());
    }
    add("id".to_owned(), json!({"type": "keyword"}));
    add("checksum".to_owned(), held());
    // They are asked for before they are searchable, and nothing else of a document is kept.
    for name in ["position", "erased"] {
        add(name.to_owned(), json!({"type": "long", "index": false, "store": true}));
    }
    for column in &layout.columns {
        let kind = match column.scalar() {
            ScalarType::String => json!({"type": "keyword"}),
            ScalarType::Number => json!({"type": "double"}),
            ScalarType::Boolean => long(),
            ScalarType::Integer => {
                add(extreme(column.number), json!({"type": "byte", "index": false}));
                long()
            }
        };
        add(format!("c{}", column.number), kind);
    }
    for (at, field) in layout.fields.iter().enumerate() {
        let text = json!({"type": "text", "analyzer": "whitespace", "position_increment_gap": GAP});
        match field.kind {
            SearchKind::Text(_) => _ = add(format!("f{at}"), text),
            SearchKind::Keyword => _ = add(format!("f{at}"), json!({"type": "keyword"})),
            SearchKind::None => {}
        }
    }
    json!({
        "settings": {"index": {
            "number_of_shards": 1,
            "auto_expand_replicas": "0-1",
            "refresh_interval": refresh,
            // A version counts as long as anybody may come with an older one.
            "gc_deletes": "1h",
            "translog.durability": "request",
            // A copy that was away for longer is filled anew, and nothing erased is kept for it.
            "soft_deletes.retention_lease.period": "10m",
            // Expunging leaves nothing behind.
            "merge.policy.expunge_deletes_allowed": 0,
            "mapping.total_fields.limit": MAX_FIELDS,
            // What others have set up for all indexes must not change what we write.
            "default_pipeline": "_none",
            "final_pipeline": "_none",
        }},
        "aliases": {door: {}},
        "mappings": {
            "dynamic": "strict",
            "_source": {"enabled": false},
            "_meta": {"forebay": {"deployment": deployment, "layout": layout}},
            "properties": fields,
        },
    })
}

/// The field that says of a column of integers that its value is the least or the greatest one there
/// is: servers sort what is missing as if it were one of them.
pub(super) fn extreme(column: i64) -> String {
    format!("e{column}")
}

/// Whether an integer needs [`extreme`].
pub(super) fn is_extreme(value: i64) -> bool {
    value == i64::MIN || value == i64::MAX
}

/// What a place holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Always there.
    Whole,
    /// Integers, with [`extreme`].
    Integer,
    Boolean,
    Double,
    Text,
}

/// The field of a place.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Whether a record may be without.
    pub(super) optional: bool,
}

/// Finds the field of a place.
pub(super) fn field(layout: &Layout, place: Place) -> Result<Field, SearchError> {
    let always = |name: &str, kind| Field { name: name.to_owned(), kind, optional: false };
    Ok(match place {
        Place::Id => always("id", Kind::Text),
        Place::Seq => always("seq", Kind::Whole),
        Place::Version => always("version", Kind::Whole),
        Place::Time => always("time", Kind::Whole),
        Place::ReceivedAt => always("received_at", Kind::Whole),
        Place::Column(number) => {
            let column = layout.columns.iter().find(|column| column.number == number);
            let missing = || SearchError::Internal(format!("the index has no column {number}"));
            let kind = kind_of(column.ok_or_else(missing)?);
            Field { name: format!("c{number}"), kind, optional: true }
        }
    })
}

fn kind_of(column: &Column) -> Kind {
    match column.scalar() {
        ScalarType::String => Kind::Text,
        ScalarType::Number => Kind::Double,
        ScalarType::Boolean => Kind::Boolean,
        ScalarType::Integer => Kind::Integer,
    }
}

/// A record as the server is given it.
pub(super) fn document(layout: &Layout, document: &Document) -> Json {
    let mut members = Map::new();
    let mut add = |name: String, value: Json| members.insert(name, value);
    add("seq".to_owned(), document.seq.into());
    add("id".to_owned(), document.id.as_str().into());
    add("version".to_owned(), document.version.into());
    add("time".to_owned(), document.time.into());
    add("received_at".to_owned(), document.received_at.into());
    add("checksum".to_owned(), document.checksum.into());
    for (column, value) in layout.columns.iter().zip(&document.columns) {
        let Some(value) = value else { continue };
        if let Bound::Int(value) = value
            && column.scalar() == ScalarType::Integer
            && is_extreme(*value)
        {
            add(extreme(column.number), 0.into());
        }
        add(format!("c{}", column.number), json_of(value));
    }
    for (at, texts) in document.fields.iter().enumerate() {
        let texts: Vec<String> =
            texts.iter().filter(|words| !words.is_empty()).map(|words| words.join(" ")).collect();
        if !texts.is_empty() {
            add(format!("f{at}"), texts.into());
        }
    }
    Json::Object(members)
}

/// A value as it is written. There is one zero, as in the filter language.
pub(super) fn json_of(value: &Bound) -> Json {
    match value {
        Bound::Int(value) => (*value).into(),
        Bound::Real(value) => (*value + 0.0).into(),
        Bound::Text(value) => value.as_str().into(),
    }
}
