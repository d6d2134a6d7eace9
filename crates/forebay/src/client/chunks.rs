//! Takes a file apart into requests: lines, CSV rows or the elements of an array.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

use clap::ValueEnum;
use serde_json::value::RawValue;

use super::other;
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
    pub(super) records: u64,
    /// Where the next chunk begins, in bytes of the file.
    pub(super) next: u64,
}

/// A file on its way.
pub(super) enum Chunks {
    Lines { reader: BufReader<Box<dyn Source>>, at: u64 },
    Csv { reader: BufReader<Box<dyn Source>>, header: Vec<u8>, at: u64 },
    Json { elements: std::vec::IntoIter<String>, sent: u64 },
}

/// A file, or a pipe that cannot go back.
pub(super) trait Source: Read + Send {
    /// Goes to a byte.
    fn go_to(&mut self, at: u64) -> std::io::Result<()>;
}

impl Source for File {
    fn go_to(&mut self, at: u64) -> std::io::Result<()> {
        self.seek(SeekFrom::Start(at)).map(drop)
    }
}

impl Source for std::io::Stdin {
    fn go_to(&mut self, at: u64) -> std::io::Result<()> {
        std::io::copy(&mut Read::by_ref(self).take(at), &mut std::io::sink()).map(drop)
    }
}

impl Chunks {
    /// Begins at a byte that an earlier run had reached; for JSON, at an element.
    pub(super) fn open(
        mut source: Box<dyn Source>,
        format: Format,
        from: u64,
    ) -> Result<Chunks, Failure> {
        match format {
            Format::Ndjson => {
                source.go_to(from).map_err(other)?;
                Ok(Chunks::Lines { reader: BufReader::new(source), at: from })
            }
            Format::Csv => {
                let mut reader = BufReader::new(source);
                let mut header = Vec::new();
                let mut at = row(&mut reader, &mut header)?;
                if from > at {
                    let skip = from - at;
                    std::io::copy(&mut Read::by_ref(&mut reader).take(skip), &mut std::io::sink())
                        .map_err(other)?;
                    at = from;
                }
                if !header.ends_with(b"\n") {
                    header.push(b'\n');
                }
                Ok(Chunks::Csv { reader, header, at })
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
                let elements = elements.iter().map(|e| e.get().replace(['\n', '\r'], " "));
                let done = usize::try_from(from).unwrap_or(usize::MAX);
                let elements: Vec<String> = elements.skip(done).collect();
                Ok(Chunks::Json { elements: elements.into_iter(), sent: from })
            }
        }
    }

    /// The next request, which ends where the next one begins at the latest; `None` at the end.
    pub(super) fn next(&mut self, until: u64) -> Result<Option<Chunk>, Failure> {
        let chunk = match self {
            Chunks::Lines { reader, at } => lines(reader, at, until)?,
            Chunks::Csv { reader, header, at } => rows(reader, header, at, until)?,
            Chunks::Json { elements, sent } => {
                let mut chunk = Chunk::of("application/x-ndjson");
                while chunk.has_room()
                    && *sent + chunk.records < until
                    && let Some(element) = elements.next()
                {
                    chunk.body.extend_from_slice(element.as_bytes());
                    chunk.body.push(b'\n');
                    chunk.records += 1;
                }
                *sent += chunk.records;
                chunk.next = *sent;
                chunk
            }
        };
        Ok((chunk.records > 0).then_some(chunk))
    }
}

impl Chunk {
    fn of(kind: &'static str) -> Chunk {
        Chunk { kind, body: Vec::new(), records: 0, next: 0 }
    }

    fn has_room(&self) -> bool {
        self.body.len() < CHUNK_BYTES && self.records < CHUNK_RECORDS as u64
    }
}

fn lines(
    reader: &mut BufReader<Box<dyn Source>>,
    at: &mut u64,
    until: u64,
) -> Result<Chunk, Failure> {
    let mut chunk = Chunk::of("application/x-ndjson");
    while chunk.has_room() && *at < until {
        let start = chunk.body.len();
        let read = reader.read_until(b'\n', &mut chunk.body).map_err(other)?;
        if read == 0 {
            break;
        }
        *at += read as u64;
        if chunk.body[start..].iter().all(u8::is_ascii_whitespace) {
            chunk.body.truncate(start);
            continue;
        }
        chunk.records += 1;
    }
    chunk.next = *at;
    Ok(chunk)
}

/// The header, then rows as they stand: what is wrong with them is for the server to say.
fn rows(
    reader: &mut BufReader<Box<dyn Source>>,
    header: &[u8],
    at: &mut u64,
    until: u64,
) -> Result<Chunk, Failure> {
    let mut chunk = Chunk::of("text/csv");
    chunk.body.extend_from_slice(header);
    while chunk.has_room() && *at < until {
        let read = row(reader, &mut chunk.body)?;
        if read == 0 {
            break;
        }
        *at += read;
        chunk.records += 1;
    }
    chunk.next = *at;
    Ok(chunk)
}

/// Reads a row with the line breaks in its quoted cells; how many bytes it has.
fn row(reader: &mut BufReader<Box<dyn Source>>, out: &mut Vec<u8>) -> Result<u64, Failure> {
    let start = out.len();
    let mut open = false;
    loop {
        let line = out.len();
        let room = (MOST_ROW_BYTES + 1).saturating_sub(line - start);
        let read = Read::by_ref(reader).take(room as u64).read_until(b'\n', out).map_err(other)?;
        open ^= out[line..].iter().filter(|byte| **byte == b'"').count() % 2 == 1;
        if read == 0 || !open {
            let bytes = out.len() - start;
            if bytes <= MOST_ROW_BYTES {
                return Ok(bytes as u64);
            }
        }
        if out.len() - start > MOST_ROW_BYTES {
            let begin = String::from_utf8_lossy(&out[start..out.len().min(start + 60)]);
            return Err(Failure::Other(format!(
                "a row has more than {MOST_ROW_BYTES} bytes: is a quote never closed? It begins: {begin}"
            )));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(format: Format, text: &str, from: u64) -> (u64, String, u64) {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        file.go_to(0).unwrap();
        let mut chunks = Chunks::open(Box::new(file), format, from).unwrap();
        let mut found = (0, String::new(), 0);
        while let Some(chunk) = chunks.next(u64::MAX).unwrap() {
            found.0 += chunk.records;
            found.1.push_str(std::str::from_utf8(&chunk.body).unwrap());
            found.2 = chunk.next;
        }
        found
    }

    #[test]
    fn a_file_goes_on_where_it_was() {
        assert_eq!(all(Format::Ndjson, "{}\n\n{}\n", 0), (2, "{}\n{}\n".into(), 7));
        assert_eq!(all(Format::Ndjson, "{}\n\n{}\n", 4), (1, "{}\n".into(), 7));
        let csv = "a,b\n1,\"x\ny\"\n2,z\n";
        assert_eq!(all(Format::Csv, csv, 0), (2, csv.into(), 16));
        assert_eq!(all(Format::Csv, csv, 12), (1, "a,b\n2,z\n".into(), 16));
        assert_eq!(all(Format::Json, "[{\"a\":\n1},{}]", 1), (1, "{}\n".into(), 2));
    }

    #[test]
    fn many_records_are_several_requests() {
        let text = "{}\n".repeat(CHUNK_RECORDS * 2 + 1);
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        file.go_to(0).unwrap();
        let mut chunks = Chunks::open(Box::new(file), Format::Ndjson, 0).unwrap();
        let mut sizes = Vec::new();
        while let Some(chunk) = chunks.next(u64::MAX).unwrap() {
            sizes.push(chunk.records);
        }
        assert_eq!(sizes, [5_000, 5_000, 1]);
    }
}
