//! Search: words that somebody typed, the records that have them, best first.

use std::sync::Arc;

use axum::extract::{Path, State};
use forebay_contract::Catalog;
use forebay_db::Look;
use forebay_db::log::find::Key;
use forebay_filter::lower::Condition;
use forebay_filter::search::Mode;
use forebay_http::query::{Params, bad};
use forebay_http::reply::json_text;
use forebay_http::{Answer, Who};
use forebay_model::principal::{Principal, RECORDS_READ};
use forebay_model::stream::Stream;
use forebay_model::{Code, Error};
use forebay_search::{Layout, View};
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::Store;
use crate::controllers::records::{MIN_SEQ_WAIT, positions, read_limit};
use crate::query::fields::Fields;
use crate::query::index::{Index, Reach, is_overtaken};
use crate::query::position::Position;
use crate::query::ranked::{Page, Wanted, page};
use crate::query::{Asked, explain, facets, not_searched, sort, typed};

const KNOWN: &[&str] =
    &["q", "filter", "sort", "facets", "limit", "cursor", "min_seq", "fields", "strict", "explain"];
/// Where a page by score ended: the score and the seq.
const SCORE_KEYS: usize = 2;

/// `GET /v1/streams/{stream}/search`.
#[utoipa::path(
    get,
    path = "/v1/streams/{stream}/search",
    tag = "records",
    params(
        ("stream" = String, Path, description = "The stream's name"),
        ("q" = Option<String>, Query, description = "Words, \"phrases\", begin*, -word, OR, parentheses, field:word; without it all records"),
        ("filter" = Option<String>, Query, description = "Only records that match"),
        ("sort" = Option<String>, Query, description = "score (which it is with q), or as for a list; -seq without q"),
        ("facets" = Option<String>, Query, description = "Fields whose values are counted, each with how many of them: data.host:10,data.tags. On the first page only"),
        ("limit" = Option<u32>, Query, description = "1 to 1000, 50 without it"),
        ("cursor" = Option<String>, Query, description = "Where the page before ended"),
        ("min_seq" = Option<i64>, Query, description = "Wait until the index has reached this position, 5 s at most"),
        ("fields" = Option<String>, Query, description = "Only these parts of a record: id, data.mag, …"),
        ("strict" = Option<bool>, Query, description = "Whether what is not clear in q is an error"),
        ("explain" = Option<bool>, Query, description = "Also say how the question is answered"),
    ),
    responses(
        (status = 200, body = crate::api::SearchPage),
        (status = 503, description = "The search engine does not answer", body = forebay_http::api::Problem, content_type = "application/problem+json"),
        (status = 504, description = "The index has not reached that position", body = forebay_http::api::Problem, content_type = "application/problem+json"),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn search(
    State(store): State<Store>,
    Who(who): Who,
    Path(name): Path<String>,
    params: Params,
) -> Answer {
    params.only(KNOWN)?;
    who.require_on_stream(RECORDS_READ, &name)?;
    let stream = store.inner.catalog.stream(&name).await?;
    let wish = Wish::read(&store, &who, &stream, &params)?;
    let search = Search { store: &store, stream: &stream, wish: &wish };
    let found = match search.answer().await {
        Err(error) if is_overtaken(&error) => search.answer().await?,
        found => found?,
    };
    Ok(json_text(StatusCode::OK, found))
}

/// What is asked for.
struct Wish {
    asked: Asked,
    /// Empty: by score.
    order: Vec<Key>,
    score: Option<Condition>,
    facets: Vec<facets::Facet>,
    fields: Fields,
    limit: usize,
    cursor: Option<Position>,
    min_seq: Option<i64>,
    explain: bool,
    /// What a cursor belongs to: one stream, one question, one order.
    scope: String,
}

impl Wish {
    fn read(
        store: &Store,
        who: &Principal,
        stream: &Stream,
        params: &Params,
    ) -> Result<Wish, Error> {
        const EXPECTED: &str = "a position: 0 or more";
        let mode = if params.flag("strict")? { Mode::Strict } else { Mode::Lenient };
        let q = params.get("q").filter(|q| mode == Mode::Strict || !q.trim().is_empty());
        if Layout::of(stream).is_none() {
            return Err(not_searched("?q", &stream.name));
        }
        let query = typed(q, stream, (mode, "?q"))?;
        let score = query.as_ref().map(|query| query.score()).filter(|c| *c != Condition::None);
        let order = match params.get("sort").filter(|sort| !sort.is_empty()) {
            None if query.is_some() => order_by_score(score.is_some()),
            Some("score" | "-score") => order_by_score(score.is_some()),
            None => sort::read("-seq", stream)?,
            Some(text) if text.split(',').any(|key| key.trim_start_matches('-') == "score") => {
                return Err(bad("sort", "`score` alone, or fields"));
            }
            Some(text) => sort::read(text, stream)?,
        };
        let scope = json!([
            "search",
            stream.number,
            stream.epoch,
            q,
            mode == Mode::Strict,
            params.get("filter"),
            params.get("sort")
        ]);
        let scope = scope.to_string();
        let keys = if order.is_empty() { SCORE_KEYS } else { order.len() };
        let cursor =
            params.get("cursor").map(|c| store.inner.sealer.open(&scope, c)).transpose()?;
        let cursor = cursor.map(|text| Position::read(&text, keys)).transpose()?;
        let now = cursor.as_ref().map_or_else(|| store.inner.clock.now(), |cursor| cursor.now);
        let min_seq = params.parse::<i64>("min_seq", EXPECTED)?;
        if min_seq.is_some_and(|seq| seq < 0) {
            return Err(bad("min_seq", EXPECTED));
        }
        Ok(Wish {
            asked: Asked::read(params, stream, who, now)?.and(query, stream),
            order,
            score,
            facets: facets::read(params.get("facets").unwrap_or_default(), stream)?,
            fields: Fields::read(params)?,
            limit: read_limit(params)?,
            cursor,
            min_seq,
            explain: params.flag("explain")?,
            scope,
        })
    }
}

/// By score; where nothing has one, the newest first.
fn order_by_score(is_scored: bool) -> Vec<Key> {
    let place = forebay_filter::lower::Place::Seq;
    if is_scored { Vec::new() } else { vec![Key { place, descending: true }] }
}

struct Search<'s> {
    store: &'s Store,
    stream: &'s Stream,
    wish: &'s Wish,
}

impl Search<'_> {
    async fn answer(&self) -> Result<String, Error> {
        let Search { store, stream, wish } = *self;
        if let Some(seq) = wish.min_seq.filter(|seq| *seq > 0)
            && !store.inner.search.reached(stream.number, seq, MIN_SEQ_WAIT).await
        {
            return Err(behind(seq));
        }
        let view = self.view().await?;
        let reached = view.as_ref().map_or(0, |view| view.indexed_seq());
        let up_to = wish.cursor.as_ref().map_or(reached, |cursor| cursor.up_to);
        let index = Index::of(store, stream, (&wish.asked, up_to), view).await?;
        if !index.orders(&wish.order) {
            let message = "the index does not hold a field of the order yet: it is built anew";
            return Err(Error::new(Code::IndexBehind, message).retry_after(5));
        }
        let wanted = Wanted {
            stream: stream.number,
            asked: &wish.asked,
            index: &index,
            order: &wish.order,
            score: wish.score.as_ref(),
            after: wish.cursor.as_ref().map(|cursor| cursor.keys.clone()),
            limit: wish.limit,
        };
        let found = page(store, wanted).await?;
        if let (Some(view), true, true) =
            (index.view(), found.next.is_some(), wish.order.is_empty())
        {
            store.inner.held.keep(stream.number, view.clone());
        }
        let facets = self.facets().await?;
        self.write(found, &index, (up_to, &facets))
    }

    /// The view to ask: that of the first page as long as it is held, for scores depend on it.
    async fn view(&self) -> Result<Option<Arc<View>>, Error> {
        let Search { store, stream, wish } = *self;
        let Some(cursor) = &wish.cursor else {
            return Ok(Index::ranked(store, stream).await?.map(Arc::new));
        };
        if wish.order.is_empty()
            && let Some(view) = store.inner.held.find(stream.number, cursor.up_to)
        {
            return Ok(Some(view));
        }
        let view = Index::ranked(store, stream).await?;
        if view.as_ref().map_or(0, View::indexed_seq) >= cursor.up_to {
            return Ok(view.map(Arc::new));
        }
        let search = &store.inner.search;
        // It was lost, and is being built anew.
        search.reached(stream.number, cursor.up_to, search.config.wait).await;
        let view = Index::ranked(store, stream).await?;
        if view.as_ref().map_or(0, View::indexed_seq) < cursor.up_to {
            return Err(behind(cursor.up_to));
        }
        Ok(view.map(Arc::new))
    }

    /// The facets, on the first page.
    async fn facets(&self) -> Result<Value, Error> {
        let Search { store, stream, wish } = *self;
        if wish.facets.is_empty() || wish.cursor.is_some() {
            return Ok(Value::Object(Map::new()));
        }
        let mut conn = store.inner.db.reader(Look::Point).await?;
        let here = positions(&mut conn, stream).await?;
        drop(conn);
        let reach = Reach { first: here.first_seq, up_to: here.last_seq };
        facets::answer(store, stream, (&wish.asked, reach), &wish.facets).await
    }

    fn write(
        &self,
        found: Page,
        index: &Index,
        (up_to, facets): (i64, &Value),
    ) -> Result<String, Error> {
        let Search { store, stream, wish } = *self;
        let mut body = String::from("{\"items\":[");
        for (at, one) in found.found.iter().enumerate() {
            body.push_str(if at > 0 { ",{\"record\":" } else { "{\"record\":" });
            wish.fields.write(&one.record, &stream.name, &mut body);
            let marked = wish.asked.query().map(|query| query.highlight(&one.record.data));
            let marked: Map<String, Value> =
                marked.into_iter().flatten().map(|(name, texts)| (name, json!(texts))).collect();
            let (score, marked) = (json!(one.score), Value::Object(marked));
            body.push_str(&format!(",\"score\":{score},\"highlight\":{marked}}}"));
        }
        let position = found.next.map(|keys| Position { now: wish.asked.now, up_to, keys });
        let next =
            position.map(|p| store.inner.sealer.seal(&wish.scope, &p.write())).transpose()?;
        let next = next.map_or(Value::Null, Value::String);
        body.push_str(&format!(
            "],\"facets\":{facets},\"indexed_seq\":{up_to},\"next_cursor\":{next}"
        ));
        if wish.explain {
            let explained = explain::by_index(stream, &wish.asked, index);
            body.push_str(&format!(",\"explain\":{explained}"));
        }
        body.push('}');
        Ok(body)
    }
}

fn behind(seq: i64) -> Error {
    Error::new(Code::IndexBehind, format!("the index has not reached seq {seq}")).retry_after(1)
}
