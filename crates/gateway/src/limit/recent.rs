//! The streams that have been written to of late: what is left of them goes along with a batch, whose
//! streams are known only when it has been read elsewhere.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Most streams that are told apart. A word has room for them, for each of several limits.
const MOST: usize = 64;

/// Their names, the last one in front.
#[derive(Default)]
pub(crate) struct Recent(Mutex<VecDeque<String>>);

impl Recent {
    /// Notes one; false when another had to go for it.
    pub(crate) fn note(&self, stream: &str) -> bool {
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = streams.iter().position(|known| known == stream);
        let name = known.and_then(|at| streams.remove(at)).unwrap_or_else(|| stream.to_owned());
        streams.push_front(name);
        let all = streams.len() <= MOST;
        streams.truncate(MOST);
        all
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_known() {
        let recent = Recent::default();
        assert!((0..MOST).all(|n| recent.note(&format!("s{n}"))));
        assert!(recent.note("s0") && !recent.note("more"));
        let all = recent.all();
        assert_eq!((all.len(), all[0].as_str(), all[1].as_str()), (MOST, "more", "s0"));
        assert!(!all.iter().any(|stream| stream == "s1"));
    }
}
