//! CSV bodies (RFC 4180): a header row; a cell has its declared property's type, else string.

use std::collections::{HashMap, HashSet};

use forebay_model::field::FieldPath;
use forebay_model::json::{self, FaultKind};
use forebay_model::schema::{Declared, ScalarType};
use forebay_model::stream::Stream;
use forebay_model::{Code, Error};
use serde_json::{Map, Value};

use super::{Rejection, Row, quotes, too_many};

struct Column {
    path: FieldPath,
    scalar: ScalarType,
}

/// Reads the rows; an unreadable row is a rejection, an unreadable header a problem of the request.
pub(super) fn rows(body: &[u8], stream: &Stream, max: usize) -> Result<Vec<Row>, Error> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(body);
    let columns = match reader.byte_headers() {
        Ok(header) => read_header(header, stream)?,
        Err(error) => return Err(bad_header(error)),
    };
    let mut faults = quotes::faults(body).into_iter().peekable();
    if let Some(fault) = faults.next_if(|fault| fault.row == 0) {
        return Err(bad_header(fault.what.message()));
    }
    let mut rows = Vec::new();
    for record in reader.byte_records() {
        if rows.len() == max {
            return Err(too_many(max));
        }
        let fault = faults.next_if(|fault| fault.row == rows.len() + 1);
        rows.push(match (record, fault) {
            (_, Some(fault)) => {
                let message = format!("line {}: {}", fault.line, fault.what.message());
                Err(Rejection::new("invalid_csv", "", message))
            }
            (Ok(record), None) => read_row(&record, &columns),
            (Err(error), None) => Err(Rejection::new("invalid_csv", "", error.to_string())),
        });
    }
    Ok(rows)
}

fn bad_header(detail: impl std::fmt::Display) -> Error {
    Error::new(Code::ValidationFailed, format!("the header row: {detail}"))
}

fn read_header(header: &csv::ByteRecord, stream: &Stream) -> Result<Vec<Column>, Error> {
    let names = Names::of(stream);
    let mut places = Places::default();
    let mut columns = Vec::new();
    for cell in header {
        let name = std::str::from_utf8(cell).map_err(|_| bad_header("not UTF-8"))?;
        if name.contains('\0') {
            return Err(bad_header("a column's name holds U+0000"));
        }
        let found = names.find(name);
        let path = match found {
            Some(found) => found.path.clone(),
            None => {
                FieldPath::new(vec![name.to_owned()]).ok_or_else(|| bad_header("no columns"))?
            }
        };
        if !places.take(&path) {
            let detail = format!("the column `{name}` stands where another column stands");
            return Err(bad_header(detail));
        }
        let scalar = found.and_then(|d| d.scalar).unwrap_or(ScalarType::String);
        columns.push(Column { path, scalar });
    }
    Ok(columns)
}

/// The declared fields by the names that a column can have: many columns are looked up in them.
struct Names<'s> {
    plain: HashMap<&'s str, &'s Declared>,
    dotted: HashMap<String, &'s Declared>,
}

impl<'s> Names<'s> {
    fn of(stream: &'s Stream) -> Self {
        let mut names = Names { plain: HashMap::new(), dotted: HashMap::new() };
        for field in stream.schema.declared() {
            if let [name] = field.path.segments() {
                names.plain.insert(name, field);
            }
            names.dotted.entry(field.path.to_string()).or_insert(field);
        }
        names
    }

    /// A property of that very name, or the one at that path; `data.` may be left out.
    fn find(&self, name: &str) -> Option<&'s Declared> {
        let dotted = || format!("data.{}", name.strip_prefix("data.").unwrap_or(name));
        self.plain.get(name).or_else(|| self.dotted.get(&dotted())).copied()
    }
}

/// Where columns stand: a second one at the same place, or around or inside of another, would
/// take its cells away.
#[derive(Default)]
struct Places {
    cells: HashSet<Vec<String>>,
    objects: HashSet<Vec<String>>,
}

impl Places {
    fn take(&mut self, path: &FieldPath) -> bool {
        let path = path.segments();
        let around: Vec<&[String]> = (1..path.len()).map(|end| &path[..end]).collect();
        if self.objects.contains(path) || around.iter().any(|object| self.cells.contains(*object)) {
            return false;
        }
        self.objects.extend(around.into_iter().map(<[String]>::to_vec));
        self.cells.insert(path.to_vec())
    }
}

fn read_row(record: &csv::ByteRecord, columns: &[Column]) -> Row {
    if record.len() != columns.len() {
        let message = format!("{} cells where the header has {}", record.len(), columns.len());
        return Err(Rejection::new("invalid_csv", "", message));
    }
    let mut data = Value::Object(Map::new());
    for (cell, column) in record.iter().zip(columns) {
        let cell = std::str::from_utf8(cell).map_err(|_| {
            Rejection::new("invalid_csv", column.path.pointer(), "the cell is not UTF-8")
        })?;
        if cell.contains('\0') {
            let path = column.path.pointer();
            return Err(Rejection::new("nul_character", path, "a string holds U+0000"));
        }
        if let Some(value) = read_cell(cell, column)? {
            put(&mut data, &column.path, value);
        }
    }
    Ok(data)
}

/// An empty cell is `""` for a string and absent otherwise.
fn read_cell(cell: &str, column: &Column) -> Result<Option<Value>, Rejection> {
    let mismatch = || {
        let message = format!("`{}` is not of type {}", excerpt(cell), column.scalar.name());
        Rejection::new("type_mismatch", column.path.pointer(), message)
    };
    match column.scalar {
        ScalarType::String => Ok(Some(Value::String(cell.to_owned()))),
        _ if cell.is_empty() => Ok(None),
        ScalarType::Boolean => match cell.to_ascii_lowercase().as_str() {
            "true" => Ok(Some(Value::Bool(true))),
            "false" => Ok(Some(Value::Bool(false))),
            _ => Err(mismatch()),
        },
        ScalarType::Integer | ScalarType::Number => match json::read(cell.trim()) {
            Ok(value @ Value::Number(_)) => Ok(Some(value)),
            Err(fault) if fault.kind == FaultKind::NumberOutOfRange => {
                Err(Rejection::new(fault.kind.code(), column.path.pointer(), fault.message))
            }
            _ => Err(mismatch()),
        },
    }
}

/// A cell short enough for a message.
fn excerpt(cell: &str) -> &str {
    cell.char_indices().nth(40).map_or(cell, |(end, _)| &cell[..end])
}

/// Places a value; no other column stands in its way.
fn put(data: &mut Value, path: &FieldPath, value: Value) {
    let mut at = data;
    for name in path.segments() {
        let Value::Object(members) = at else { return };
        at = members.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
    }
    *at = value;
}
