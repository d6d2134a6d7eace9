//! How often the values of a place or a keyword occur. An index has one shard, so counts are exact.

use forebay_filter::lower::Bound;
use forebay_model::search::SearchKind;
use serde_json::{Value as Json, json};

use super::mapping::{Kind, field};
use super::order::cell;
use super::view::{View, buckets, unread};
use crate::ask::{Ask, Facet, Terms};
use crate::error::SearchError;

/// The most values that are asked for; servers take 65 535.
const MAX_TERMS: usize = 65_000;

impl View {
    /// Counts records by the values that they have, exactly; the `limit` most frequent ones.
    ///
    /// # Errors
    /// When the server cannot answer, or more than 65 000 are asked for.
    pub async fn terms(
        &self,
        ask: &Ask<'_>,
        facet: Facet,
        limit: usize,
    ) -> Result<Terms, SearchError> {
        let (name, kind) = self.counted(facet)?;
        if limit > MAX_TERMS {
            return Err(SearchError::TooLarge(format!("more than {MAX_TERMS} values")));
        }
        let body = json!({
            "size": 0, "track_total_hits": false, "query": self.query(ask)?,
            "aggs": {"t": {"terms": {
                "field": name, "size": limit + 1,
                "order": [{"_count": "desc"}, {"_key": "asc"}],
            }}},
        });
        let answer = self.search(&body).await?;
        let found = buckets(answer.pointer("/aggregations/t"))?;
        let values = found.iter().take(limit).map(|bucket| read(kind, bucket));
        let values = values.collect::<Option<Vec<_>>>().ok_or_else(unread)?;
        Ok(Terms { values, more: found.len() > limit })
    }

    fn counted(&self, facet: Facet) -> Result<(String, Kind), SearchError> {
        match facet {
            Facet::Place(place) => field(&self.layout, place).map(|field| (field.name, field.kind)),
            Facet::Field(at) => match self.layout.fields.get(at).map(|field| field.kind) {
                Some(SearchKind::Keyword) => Ok((format!("f{at}"), Kind::Text)),
                _ => Err(SearchError::Internal(format!("field {at} is no keyword"))),
            },
        }
    }
}

fn read(kind: Kind, bucket: &Json) -> Option<(Bound, i64)> {
    let value = bucket.get("key").and_then(|key| cell(kind, key))?;
    Some((value, bucket.get("doc_count")?.as_i64()?))
}
