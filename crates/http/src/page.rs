//! Pages of lists: `?limit=` and `?cursor=`, and the cursor of the next page.

use forebay_model::Error;

use crate::cursor::Sealer;
use crate::query::{Params, bad};

/// What stands in a page without `?limit=`.
const USUAL: i64 = 50;

/// Reads `?limit=`: from 1 to 1000, 50 without it.
///
/// # Errors
/// Any other limit.
pub fn limit(params: &Params) -> Result<i64, Error> {
    const EXPECTED: &str = "a number from 1 to 1000";
    let limit = params.parse("limit", EXPECTED)?.unwrap_or(USUAL);
    if (1..=1000).contains(&limit) { Ok(limit) } else { Err(bad("limit", EXPECTED)) }
}

/// A page that is asked for, of a list whose rows are found behind a position.
pub struct Page<'s> {
    sealer: &'s Sealer,
    scope: String,
    limit: i64,
    position: Option<String>,
}

impl<'s> Page<'s> {
    /// Reads which page is asked for; `scope` says of which list, as its cursors have it.
    ///
    /// # Errors
    /// A limit that is none, or a cursor of another list.
    pub fn read(
        params: &Params,
        sealer: &'s Sealer,
        scope: impl Into<String>,
    ) -> Result<Page<'s>, Error> {
        let (limit, scope) = (limit(params)?, scope.into());
        let cursor = params.get("cursor");
        let position = cursor.map(|cursor| sealer.open(&scope, cursor)).transpose()?;
        Ok(Page { sealer, scope, limit, position })
    }

    /// Where the page before ended; nothing for the first one.
    pub fn position(&self) -> Option<&str> {
        self.position.as_deref()
    }

    /// Behind which name the page begins, where every name stands behind the empty one.
    pub fn after(&self) -> &str {
        self.position().unwrap_or_default()
    }

    /// How many rows to find: one more than are shown says whether there are more.
    pub fn rows(&self) -> i64 {
        self.limit + 1
    }

    /// Takes what is not shown away; the cursor of the next page, where there is one. `position` is
    /// where a row stands.
    ///
    /// # Errors
    /// When no cursor can be sealed.
    pub fn cut<T>(
        &self,
        found: &mut Vec<T>,
        position: impl Fn(&T) -> String,
    ) -> Result<Option<String>, Error> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| more);
        last.map(|last| self.sealer.seal(&self.scope, &position(last))).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_shows_each_row_once() {
        let sealer = Sealer::new(b"secret");
        let rows: Vec<i64> = (1..=7).collect();
        let (mut seen, mut cursor) = (Vec::new(), None);
        for _ in 0..3 {
            let query: String = cursor.map(|c| format!("&cursor={c}")).unwrap_or_default();
            let params = Params::of(&format!("limit=3{query}"));
            let page = Page::read(&params, &sealer, "rows").unwrap();
            let after: i64 = page.position().map_or(0, |text| text.parse().unwrap());
            let most = usize::try_from(page.rows()).unwrap();
            let mut found: Vec<i64> =
                rows.iter().copied().filter(|row| *row > after).take(most).collect();
            cursor = page.cut(&mut found, i64::to_string).unwrap();
            seen.extend(found);
        }
        assert_eq!((seen, cursor), (rows, None));
        for wrong in ["limit=0", "limit=1001", "limit=x", "cursor=x"] {
            assert!(Page::read(&Params::of(wrong), &sealer, "rows").is_err(), "{wrong}");
        }
        assert_eq!(limit(&Params::of("")).unwrap(), 50);
    }
}
