//! How many requests of a key are being answered. There are never more keys than requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::table::Key;

/// The requests that are being answered, by key.
#[derive(Default)]
pub(crate) struct Running(Mutex<HashMap<Key, u32>>);

/// A request's place, until it is dropped.
pub(crate) struct Place {
    running: Arc<Running>,
    key: Key,
}

impl Running {
    /// Takes one of `most` places: it, and how many are left.
    pub(crate) fn take(self: &Arc<Self>, key: Key, most: u32) -> Option<(Place, u32)> {
        let mut counts = self.counts();
        let count = counts.entry(key).or_insert(0);
        let left = most.checked_sub(*count + 1)?;
        *count += 1;
        Some((Place { running: self.clone(), key }, left))
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Key, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.running.counts();
        let count = counts.get(&self.key).copied().unwrap_or(0);
        if count > 1 {
            counts.insert(self.key, count - 1);
        } else {
            counts.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::Table;
    use super::*;

    #[test]
    fn places_are_given_back() {
        let (table, running) = (Table::new(100), Arc::new(Running::default()));
        let (one, other) = (table.key(1), table.key(2));
        let (first, left) = running.take(one, 2).unwrap();
        assert_eq!(left, 1);
        let (_second, left) = running.take(one, 2).unwrap();
        assert_eq!(left, 0);
        assert!(running.take(one, 2).is_none());
        assert!(running.take(other, 1).is_some());
        drop(first);
        assert!(running.take(one, 2).is_some());
        assert_eq!(running.counts().len(), 1);
    }
}
