//! Where a byte of CSV stands (RFC 4180, section 2): in a quoted cell a line break and a comma are
//! data. Quotes inside of a cell that does not begin with one are data too: many programs write them.

/// What is before the next byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Place {
    /// The beginning of a row.
    #[default]
    Row,
    /// The beginning of a cell.
    Cell,
    /// A cell without quotes.
    Plain,
    /// A quoted cell.
    Quoted,
    /// A quote in a quoted cell: its end, or half of a written one.
    Quote,
    /// Text after the quote that ends a cell, which is wrong.
    After,
}

impl Place {
    /// Where it goes on behind a byte.
    pub fn next(self, byte: u8) -> Place {
        match (self, byte) {
            (Place::Quoted, b'"') => Place::Quote,
            (Place::Quoted, _) | (Place::Row | Place::Cell | Place::Quote, b'"') => Place::Quoted,
            (_, b'\r' | b'\n') => Place::Row,
            (_, b',') => Place::Cell,
            (Place::Quote | Place::After, _) => Place::After,
            (Place::Row | Place::Cell | Place::Plain, _) => Place::Plain,
        }
    }

    /// Whether a cell has begun that a line break does not end.
    pub fn is_open(self) -> bool {
        self == Place::Quoted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_count_where_a_cell_begins() {
        let end = |text: &str| text.bytes().fold(Place::Row, Place::next);
        assert_eq!(end("a,\"b\nc"), Place::Quoted);
        assert_eq!(end("a,\"b\"\"c"), Place::Quoted);
        assert_eq!(end("a,\"b\""), Place::Quote);
        assert_eq!(end("a,\"b\"c\"d"), Place::After);
        assert_eq!(end("a,17.9\"W"), Place::Plain);
        assert_eq!(end("a,\"b\"\r\n"), Place::Row);
        assert_eq!(end("a,"), Place::Cell);
    }
}
