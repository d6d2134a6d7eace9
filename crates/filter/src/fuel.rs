//! What one evaluation may cost, whatever the text and the record: beyond it the answer is unknown.

/// About as many nanoseconds: no evaluation holds a thread for longer than a few of these budgets.
const FULL: u32 = 50_000_000;
/// Visiting an element of an array, with all that is asked of it.
const ELEMENT: usize = 250;
/// Comparing with a constant of a list.
const CONSTANT: usize = 4;
/// Building a byte of JSON into a tree.
const TREE_BYTE: usize = 8;
/// Taking a position of a pattern over a byte.
const STEP: usize = 8;

/// What is left of it.
#[derive(Debug)]
pub(crate) struct Fuel(u32);

impl Fuel {
    pub(crate) fn full() -> Fuel {
        Fuel(FULL)
    }

    /// Whether something could not be paid for.
    pub(crate) fn is_out(&self) -> bool {
        self.0 == 0
    }

    pub(crate) fn element(&mut self) -> Option<()> {
        self.spend(ELEMENT)
    }

    pub(crate) fn constants(&mut self, count: usize) -> Option<()> {
        self.spend(count * CONSTANT)
    }

    /// Pays for reading or writing a text.
    pub(crate) fn text(&mut self, bytes: usize) -> Option<()> {
        self.spend(bytes)
    }

    pub(crate) fn tree(&mut self, bytes: usize) -> Option<()> {
        self.spend(bytes.saturating_mul(TREE_BYTE))
    }

    pub(crate) fn steps(&mut self, count: usize) -> Option<()> {
        self.spend(count.saturating_mul(STEP))
    }

    fn spend(&mut self, units: usize) -> Option<()> {
        let left = u32::try_from(units).ok().and_then(|units| self.0.checked_sub(units));
        self.0 = left.unwrap_or(0);
        left.map(|_| ())
    }
}
