//! Quotes in CSV (RFC 4180, section 2): the reader takes text after a closing quote as data, and what
//! follows an open one as one cell. Here the rows are told in which that would happen.

use forebay_model::csv::Place;

/// What is wrong with the quotes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misquoted {
    /// Text after the quote that ends a cell.
    After,
    /// The last cell has no end.
    Open,
}

/// A row whose quotes are not right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    /// The row, as the reader counts them: the header is 0, empty lines are none.
    pub(super) row: usize,
    /// The line on which it was seen, from 1.
    pub(super) line: usize,
    /// What it is.
    pub(super) what: Misquoted,
}

impl Misquoted {
    /// For people.
    pub(super) fn message(self) -> &'static str {
        match self {
            Misquoted::After => "text after the quote that ends a cell",
            Misquoted::Open => "a quote that is never closed",
        }
    }
}

/// The rows whose quotes are not right, in their order.
pub(super) fn faults(body: &[u8]) -> Vec<Fault> {
    scan(body).0
}

/// The faults, one of a row at most, and how many rows there are.
fn scan(body: &[u8]) -> (Vec<Fault>, usize) {
    let mut found: Vec<Fault> = Vec::new();
    let (mut place, mut row, mut line) = (Place::Row, 0, 1);
    let mut wrong = |row, line, what| {
        if found.last().is_none_or(|fault| fault.row != row) {
            found.push(Fault { row, line, what });
        }
    };
    for (at, &byte) in body.iter().enumerate() {
        let before = place;
        place = place.next(byte);
        if place == Place::After {
            wrong(row, line, Misquoted::After);
        }
        row += usize::from(place == Place::Row && before != Place::Row);
        // `\r\n` is one end of a line.
        if byte == b'\n' || (byte == b'\r' && body.get(at + 1) != Some(&b'\n')) {
            line += 1;
        }
    }
    if place.is_open() {
        wrong(row, line, Misquoted::Open);
    }
    (found, row + usize::from(place != Place::Row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_misplaced_quote_is_told_with_its_row() {
        let told = |text: &str| -> Vec<(usize, usize, Misquoted)> {
            faults(text.as_bytes()).iter().map(|f| (f.row, f.line, f.what)).collect()
        };
        assert_eq!(told("a,b\r\n\"x\"\"y\",\"\n\"\r\n\r\n1,17.9\"W"), []);
        assert_eq!(told("a,b\n\"x\"y,2\n2,3\n"), [(1, 2, Misquoted::After)]);
        assert_eq!(told("a,b\n1,2\n\"x,2\n2,3\n"), [(2, 5, Misquoted::Open)]);
    }

    /// What is said of a row is said of the row that the reader reads.
    #[test]
    fn rows_are_counted_as_the_reader_counts_them() {
        let alphabet = [b'a', b'"', b',', b'\n', b'\r'];
        for number in 0..5_usize.pow(6) {
            let text: Vec<u8> = (0..6).map(|n| alphabet[number / 5_usize.pow(n) % 5]).collect();
            let mut reader = csv::ReaderBuilder::new();
            let reader = reader.flexible(true).has_headers(false).from_reader(text.as_slice());
            let rows = reader.into_byte_records().count();
            assert_eq!(scan(&text).1, rows, "{:?}", String::from_utf8_lossy(&text));
        }
    }
}
