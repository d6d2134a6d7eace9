//! Takes a file apart into requests: lines, CSV rows or the elements of an array.

use std::io::{BufRead, BufReader, Read};

use clap::ValueEnum;
use forebay_model::csv::Place;
use serde_json::value::RawValue;

use super::{envelope, other};
use crate::Failure;

/// A request carries at most so many bytes…
const CHUNK_BYTES: usize = 4 << 20;
/// … and so many records.
const CHUNK_RECORDS: usize = 5_000;
/// A row of CSV that is longer is none that a request could carry.
const MOST_ROW_BYTES: usize = 16 << 20;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// An object a line.
    Ndjson,
    /// A header row, then rows.
    Csv,
    /// One object or an array of them; it is read whole.
    Json,
}

/// One request's worth of records.
pub(super) struct Chunk {
    pub(super) kind: &'static str,
    pub(super) body: Vec<u8>,
    /// Where each record begins: its line of the file, or its number in an array; from 1.
    pub(super) places: Vec<u64>,
    /// Where the next chunk begins, in bytes of the file.
    pub(super) next: u64,
}

/// What a file holds, unpacked.
pub(super) type Source = Box<dyn Read + Send>;

/// A file on its way.
pub(super) enum Chunks {
    Lines { lines: Lines, envelope: bool },
    Csv { lines: Lines, header: Vec<u8> },
    Json { elements: std::vec::IntoIter<String>, sent: u64 },
}

/// A file's lines, and how far they were read.
pub(super) struct Lines {
    reader: BufReader<Source>,
    /// In bytes.
    at: u64,
    /// How many have ended.
    line: u64,
}

/// Goes to a byte; how many lines end before it.
fn skip(reader: &mut impl BufRead, to: u64) -> std::io::Result<u64> {
    let (mut at, mut lines) = (0, 0);
    while at < to {
        let piece = reader.fill_buf()?;
        let most = usize::try_from(to - at).unwrap_or(usize::MAX).min(piece.len());
        if most == 0 {
            break;
        }
        lines += piece[..most].iter().map(|c| u64::from(*c == b'\n')).sum::<u64>();
        reader.consume(most);
        at += most as u64;
    }
    Ok(lines)
}

impl Chunks {
    /// Begins at a byte that an earlier run had reached; for JSON, at an element. From envelopes,
    /// what only the server writes is left out.
    pub(super) fn open(
        mut source: Source,
        format: Format,
        from: u64,
        envelope: bool,
    ) -> Result<Chunks, Failure> {
        match format {
            Format::Ndjson => {
                let mut reader = BufReader::with_capacity(64 << 10, source);
                let line = skip(&mut reader, from).map_err(other)?;
                Ok(Chunks::Lines { lines: Lines { reader, at: from, line }, envelope })
            }
            Format::Csv => {
                let reader = BufReader::with_capacity(64 << 10, source);
                let mut lines = Lines { reader, at: 0, line: 0 };
                let mut header = Vec::new();
                lines.row(&mut header)?;
                if !header.ends_with(b"\n") {
                    header.push(b'\n');
                }
                if from > lines.at {
                    let passed = skip(&mut lines.reader, from - lines.at).map_err(other)?;
                    (lines.at, lines.line) = (from, lines.line + passed);
                }
                Ok(Chunks::Csv { lines, header })
            }
            Format::Json => {
                let mut text = String::new();
                source.read_to_string(&mut text).map_err(other)?;
                let elements: Vec<Box<RawValue>> = if text.trim_start().starts_with('[') {
                    serde_json::from_str(&text).map_err(other)?
                } else {
                    vec![serde_json::from_str(&text).map_err(other)?]
                };
                // A line break in JSON is only ever space between tokens.
                let elements = elements.iter().map(|e| {
                    let own = if envelope { envelope::of_sender(e.get()) } else { None };
                    own.as_deref().unwrap_or(e.get()).replace(['\n', '\r'], " ")
                });
                let done = usize::try_from(from).unwrap_or(usize::MAX);
                let elements: Vec<String> = elements.skip(done).collect();
                Ok(Chunks::Json { elements: elements.into_iter(), sent: from })
            }
        }
    }

    /// The next request, which ends where the next one begins at the latest; `None` at the end.
    pub(super) fn next(&mut self, until: u64) -> Result<Option<Chunk>, Failure> {
        let chunk = match self {
            Chunks::Lines { lines, envelope } => lines.objects(*envelope, until)?,
            Chunks::Csv { lines, header } => lines.rows(header, until)?,
            Chunks::Json { elements, sent } => {
                let mut chunk = Chunk::of("application/x-ndjson");
                while chunk.has_room()
                    && *sent < until
                    && let Some(element) = elements.next()
                {
                    chunk.body.extend_from_slice(element.as_bytes());
                    chunk.body.push(b'\n');
                    *sent += 1;
                    chunk.places.push(*sent);
                }
                chunk.next = *sent;
                chunk
            }
        };
        Ok((!chunk.places.is_empty()).then_some(chunk))
    }
}

impl Chunk {
    fn of(kind: &'static str) -> Chunk {
        Chunk { kind, body: Vec::new(), places: Vec::new(), next: 0 }
    }

    fn has_room(&self) -> bool {
        self.body.len() < CHUNK_BYTES && self.places.len() < CHUNK_RECORDS
    }
}

impl Lines {
    /// Objects, one on a line.
    fn objects(&mut self, envelope: bool, until: u64) -> Result<Chunk, Failure> {
        let mut chunk = Chunk::of("application/x-ndjson");
        while chunk.has_room() && self.at < until {
            let start = chunk.body.len();
            let read = self.reader.read_until(b'\n', &mut chunk.body).map_err(other)?;
            if read == 0 {
                break;
            }
            self.at += read as u64;
            self.line += 1;
            let text = &chunk.body[start..];
            if text.iter().all(u8::is_ascii_whitespace) {
                chunk.body.truncate(start);
                continue;
            }
            let text = std::str::from_utf8(text).ok().filter(|_| envelope);
            if let Some(own) = text.and_then(envelope::of_sender) {
                chunk.body.truncate(start);
                chunk.body.extend_from_slice(own.as_bytes());
                chunk.body.push(b'\n');
            }
            chunk.places.push(self.line);
        }
        chunk.next = self.at;
        Ok(chunk)
    }

    /// The header, then rows as they stand: what is wrong with them is for the server to say.
    fn rows(&mut self, header: &[u8], until: u64) -> Result<Chunk, Failure> {
        let mut chunk = Chunk::of("text/csv");
        chunk.body.extend_from_slice(header);
        while chunk.has_room() && self.at < until {
            let (start, line) = (chunk.body.len(), self.line + 1);
            if self.row(&mut chunk.body)? == 0 {
                break;
            }
            // An empty line is no row.
            if chunk.body[start..].iter().all(|byte| b"\r\n".contains(byte)) {
                chunk.body.truncate(start);
            } else {
                chunk.places.push(line);
            }
        }
        chunk.next = self.at;
        Ok(chunk)
    }

    /// Reads a row with the line breaks in its quoted cells; how many bytes it has.
    fn row(&mut self, out: &mut Vec<u8>) -> Result<usize, Failure> {
        let start = out.len();
        let mut place = Place::Row;
        loop {
            let line = out.len();
            let room = (MOST_ROW_BYTES + 1).saturating_sub(line - start) as u64;
            let mut reader = Read::by_ref(&mut self.reader).take(room);
            let read = reader.read_until(b'\n', out).map_err(other)?;
            self.at += read as u64;
            self.line += u64::from(out[line..].ends_with(b"\n"));
            place = out[line..].iter().fold(place, |place, byte| place.next(*byte));
            let bytes = out.len() - start;
            if bytes > MOST_ROW_BYTES {
                let begin = &out[start..start + 60];
                return Err(Failure::Other(format!(
                    "the row that ends after line {} has more than {MOST_ROW_BYTES} bytes: is a \
                     quote never closed? It begins: {}",
                    self.line,
                    String::from_utf8_lossy(begin)
                )));
            }
            if read == 0 || !place.is_open() {
                return Ok(bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places of the records, their text, and where the file ends.
    fn all(format: Format, text: &str, from: u64) -> (Vec<u64>, String, u64) {
        let source = Box::new(std::io::Cursor::new(text.to_owned()));
        let mut chunks = Chunks::open(source, format, from, false).unwrap();
        let mut found = (Vec::new(), String::new(), 0);
        while let Some(chunk) = chunks.next(u64::MAX).unwrap() {
            found.0.extend(chunk.places);
            found.1.push_str(std::str::from_utf8(&chunk.body).unwrap());
            found.2 = chunk.next;
        }
        found
    }

    #[test]
    fn a_file_goes_on_where_it_was() {
        assert_eq!(all(Format::Ndjson, "{}\n\n{}\n", 0), (vec![1, 3], "{}\n{}\n".into(), 7));
        assert_eq!(all(Format::Ndjson, "{}\n\n{}\n", 4), (vec![3], "{}\n".into(), 7));
        let csv = "a,b\n1,\"x\ny\"\n2,z\n";
        assert_eq!(all(Format::Csv, csv, 0), (vec![2, 4], csv.into(), 16));
        assert_eq!(all(Format::Csv, csv, 12), (vec![4], "a,b\n2,z\n".into(), 16));
        assert_eq!(all(Format::Json, "[{\"a\":\n1},{}]", 1), (vec![2], "{}\n".into(), 2));
    }

    #[test]
    fn many_records_are_several_requests() {
        let source = Box::new(std::io::Cursor::new("{}\n".repeat(CHUNK_RECORDS * 2 + 1)));
        let mut chunks = Chunks::open(source, Format::Ndjson, 0, false).unwrap();
        let mut sizes = Vec::new();
        while let Some(chunk) = chunks.next(u64::MAX).unwrap() {
            sizes.push(chunk.places.len());
        }
        assert_eq!(sizes, [5_000, 5_000, 1]);
    }
}
