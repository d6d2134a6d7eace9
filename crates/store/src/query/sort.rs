//! The order of a list: `?sort=-data.mag,time`.

use forebay_db::log::find::Key;
use forebay_filter::lower::Place;
use forebay_http::query::bad;
use forebay_model::Error;
use forebay_model::field::nearest;
use forebay_model::stream::Stream;

/// The most keys of an order.
const MOST: usize = 4;

const NAMES: [(&str, Place); 4] = [
    ("seq", Place::Seq),
    ("time", Place::Time),
    ("id", Place::Id),
    ("received_at", Place::ReceivedAt),
];

/// Reads an order. It ends with `seq` or `id`, so that each record has its own place in it.
pub(crate) fn read(text: &str, stream: &Stream) -> Result<Vec<Key>, Error> {
    let mut keys: Vec<Key> = Vec::new();
    for word in text.split(',') {
        let (name, descending) = match word.strip_prefix('-') {
            Some(name) => (name, true),
            None => (word, false),
        };
        let place = place(name, stream)?;
        if keys.iter().any(|key| key.place == place) {
            return Err(bad("sort", format!("each field once, `{name}` stands twice")));
        }
        keys.push(Key { place, descending });
    }
    if keys.len() > MOST {
        return Err(bad("sort", format!("at most {MOST} fields")));
    }
    let alone = keys.iter().position(|key| matches!(key.place, Place::Seq | Place::Id));
    match alone {
        // Nothing is left to order behind a unique key.
        Some(at) => keys.truncate(at + 1),
        None => {
            let descending = keys.last().is_some_and(|key| key.descending);
            keys.push(Key { place: Place::Seq, descending });
        }
    }
    Ok(keys)
}

fn place(name: &str, stream: &Stream) -> Result<Place, Error> {
    if let Some((_, place)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Ok(*place);
    }
    let column = stream.columns.iter().find(|column| column.path.to_string() == name);
    match column {
        Some(column) if column.is_ready() => return Ok(Place::Column(column.number)),
        Some(_) => return Err(bad("sort", format!("an index that is ready; `{name}` is not yet"))),
        None => {}
    }
    let declared = stream.schema.declared().iter().map(|field| field.path.to_string());
    let indexed = stream.columns.iter().map(|column| column.path.to_string());
    let known: Vec<String> = indexed.chain(NAMES.iter().map(|(n, _)| (*n).to_owned())).collect();
    let hint = match nearest(name, known.iter().map(String::as_str)) {
        _ if declared.into_iter().any(|path| path == name) => {
            format!("; `{name}` has none: declare it with x-index")
        }
        Some(near) => format!("; did you mean `{near}`?"),
        None => String::new(),
    };
    Err(bad("sort", format!("seq, time, id, received_at and fields with an index{hint}")))
}
