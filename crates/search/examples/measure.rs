//! Measures the engine inside against tantivy called directly: CPU seconds of both, on one index.
//!
//! `cargo run --release -p forebay-search --example measure -- 1000000 /tmp/folder`
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement"
)]

use std::path::{Path, PathBuf};

use forebay_filter::lower::{Bound, Condition, Place, WordTest, Words};
use forebay_model::search::{SearchField, SearchKind};
use forebay_model::text;
use forebay_search::layout::{Column, FORMAT};
use forebay_search::settings::Inside;
use forebay_search::{
    Ask, Batch, Document, Engine, Grouping, Hits, Key, Layout, Part, Settings, View,
};
use tantivy::aggregation::AggregationCollector;
use tantivy::aggregation::agg_req::Aggregations;
use tantivy::collector::TopDocs;
use tantivy::query::{AllQuery, BooleanQuery, Query, TermQuery};
use tantivy::schema::{FAST, IndexRecordOption, STRING, Schema, TextFieldIndexing, TextOptions};
use tantivy::{Index, Searcher, TantivyDocument, Term};

const BATCH: i64 = 10_000;
const RUNS: usize = 40;

fn main() {
    let mut args = std::env::args().skip(1);
    let count: i64 = args.next().unwrap().parse().unwrap();
    let folder = PathBuf::from(args.next().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    runtime.block_on(run(count, &folder));
}

async fn run(count: i64, folder: &Path) {
    let inside = Inside { folder: folder.join("search"), memory: 100_000_000 };
    let engine = Engine::open(&Settings::Inside(inside)).await.unwrap();
    let raw = index_raw(count, &folder.join("raw"));
    let own = index(&engine, count).await;
    println!("indexing: {:.0} documents/CPU s, raw {:.0}", count as f64 / own, count as f64 / raw);
    let view = engine.view(1).await.unwrap().unwrap();
    let name = engine.generations(1).await.unwrap()[0].name.clone();
    let index = Index::open_in_dir(folder.join("search/s1").join(name)).unwrap();
    let searcher = index.reader().unwrap().searcher();
    println!("segments: {}", searcher.segment_readers().len());
    for words in [vec![3], vec![900], vec![3, 40], vec![3, 40, 500], vec![0, 1, 2, 3]] {
        top(&view, &searcher, &words).await;
    }
    aggregate(&view, &searcher).await;
}

/// CPU seconds of this process.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn mixed(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 31)
}

/// The words of a text: few are frequent.
fn words_of(seq: i64) -> Vec<String> {
    let word = |at: u64| {
        let roll = mixed(seq.cast_unsigned() * 31 + at) % 1_000_000;
        format!("w{}", 30_000_u64.pow(2) / (30_000 + roll * 30) % 30_000)
    };
    (0..10).map(word).collect()
}

fn document(seq: i64) -> Document {
    let roll = mixed(seq.cast_unsigned());
    let level = ["debug", "info", "warn", "error", "fatal"][usize::try_from(roll % 5).unwrap()];
    Document {
        seq,
        id: format!("0195f3a0-{:04x}-7000-8000-{seq:012x}", seq % 65536),
        version: 1,
        time: 1_795_608_000_000_000 + seq * 10_000,
        received_at: 1_795_608_000_000_000 + seq * 10_000,
        checksum: 7,
        columns: vec![
            Some(Bound::Text(level.to_owned())),
            Some(Bound::Real((roll % 100_000) as f64 / 7.0)),
        ],
        fields: vec![vec![words_of(seq)]],
    }
}

fn layout() -> Layout {
    let column = |number: i64, scalar: &str| Column {
        number,
        path: vec![format!("c{number}")],
        scalar: scalar.to_owned(),
    };
    Layout {
        format: FORMAT,
        words: text::VERSION,
        stream: 1,
        epoch: 1,
        columns: vec![column(1, "string"), column(2, "number")],
        fields: vec![SearchField { path: vec!["msg".into()], kind: SearchKind::Text(None) }],
    }
}

async fn index(engine: &Engine, count: i64) -> f64 {
    let made = engine.create(&layout()).await.unwrap();
    engine.promote(1, &made.name).await.unwrap();
    let mut writer = engine.writer(1, &made.name).await.unwrap();
    let mut spent = 0.0;
    for first in (1..=count).step_by(usize::try_from(BATCH).unwrap()) {
        let documents: Vec<Document> = (first..first + BATCH).map(document).collect();
        let begin = cpu();
        let position = first + BATCH - 1;
        writer.write(Batch { documents, erased: Vec::new(), position }).await.unwrap();
        spent += cpu() - begin;
    }
    let begin = cpu();
    writer.expunge().await.unwrap();
    spent + cpu() - begin
}

fn index_raw(count: i64, folder: &Path) -> f64 {
    std::fs::create_dir_all(folder).unwrap();
    let mut schema = Schema::builder();
    let numbers: Vec<_> = ["seq", "version", "time", "received_at"]
        .map(|name| schema.add_i64_field(name, FAST))
        .into_iter()
        .collect();
    let id = schema.add_text_field("id", FAST);
    let level = schema.add_text_field("c1", STRING | FAST);
    let real = schema.add_f64_field("c2", FAST);
    let checksum = schema.add_u64_field("checksum", FAST);
    let words = TextFieldIndexing::default()
        .set_tokenizer("whitespace")
        .set_index_option(IndexRecordOption::WithFreqsAndPositions);
    let msg = schema.add_text_field("f0", TextOptions::default().set_indexing_options(words));
    let index = Index::create_in_dir(folder, schema.build()).unwrap();
    let mut writer = index.writer_with_num_threads(1, 100_000_000).unwrap();
    let mut spent = 0.0;
    for first in (1..=count).step_by(usize::try_from(BATCH).unwrap()) {
        let made: Vec<Document> = (first..first + BATCH).map(document).collect();
        let begin = cpu();
        for from in &made {
            let mut to = TantivyDocument::default();
            let values = [from.seq, from.version, from.time, from.received_at];
            numbers.iter().zip(values).for_each(|(field, value)| to.add_i64(*field, value));
            to.add_text(id, &from.id);
            if let [Some(Bound::Text(text)), Some(Bound::Real(value))] = from.columns.as_slice() {
                to.add_text(level, text);
                to.add_f64(real, *value);
            }
            to.add_u64(checksum, from.checksum.into());
            to.add_text(msg, from.fields[0][0].join(" "));
            writer.add_document(to).unwrap();
        }
        writer.commit().unwrap();
        spent += cpu() - begin;
    }
    let begin = cpu();
    writer.wait_merging_threads().unwrap();
    spent + cpu() - begin
}

async fn top(view: &View, searcher: &Searcher, numbers: &[usize]) {
    let word = |number: &usize| format!("w{number}");
    let leaf = |number: &usize| {
        Condition::Words(Words { field: 0, test: WordTest::Word(word(number)), positive: true })
    };
    let condition = Condition::Or(numbers.iter().map(leaf).collect());
    let ask = Ask { condition: &condition, up_to: i64::MAX, without: &[] };
    let hits = Hits { ask, score: Some(&condition), order: &[], after: None, limit: 20 };
    let field = searcher.schema().get_field("f0").unwrap();
    let term = |number: &usize| -> Box<dyn Query> {
        let term = Term::from_field_text(field, &word(number));
        Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs))
    };
    let query = BooleanQuery::union(numbers.iter().map(term).collect());
    let collector = TopDocs::with_limit(20).order_by_score();
    let found = view.count(&ask).await.unwrap();
    let begin = cpu();
    for _ in 0..RUNS * 10 {
        assert_eq!(view.hits(&hits).await.unwrap().len(), 20);
    }
    let own = cpu() - begin;
    let begin = cpu();
    for _ in 0..RUNS * 10 {
        assert_eq!(searcher.search(&query, &collector).unwrap().len(), 20);
    }
    say(&format!("top 20 of {found}, {} words", numbers.len()), own, cpu() - begin);
}

async fn aggregate(view: &View, searcher: &Searcher) {
    let ask = Ask { condition: &Condition::All, up_to: i64::MAX, without: &[] };
    let step = 600_000_000;
    let keys = [Key::Value(Place::Column(1)), Key::Step { place: Place::Time, shift: 0, step }];
    let parts = [Part::Count, Part::Real(Place::Column(2))];
    let request = format!(
        r#"{{"levels": {{"terms": {{"field": "c1"}}, "aggs": {{"steps": {{"histogram": {{"field": "time", "interval": {step}}}, "aggs": {{"sum": {{"sum": {{"field": "c2"}}}}}}}}}}}}}}"#
    );
    for (says, keys, parts, request) in [
        ("terms", &keys[..1], &parts[..1], r#"{"levels": {"terms": {"field": "c1"}}}"#.to_owned()),
        ("terms and histogram and sum", &keys[..], &parts[..], request),
    ] {
        let grouping = Grouping { ask, keys, parts, limit: 100_000 };
        let begin = cpu();
        for _ in 0..RUNS {
            view.group(&grouping).await.unwrap().unwrap();
        }
        let own = cpu() - begin;
        let request: Aggregations = serde_json::from_str(&request).unwrap();
        let begin = cpu();
        for _ in 0..RUNS {
            let collector = AggregationCollector::from_aggs(request.clone(), Default::default());
            searcher.search(&AllQuery, &collector).unwrap();
        }
        say(says, own, cpu() - begin);
    }
}

fn say(what: &str, own: f64, raw: f64) {
    println!("{what}: {own:.2} CPU s, raw {raw:.2}, ratio {:.2}", own / raw);
}
