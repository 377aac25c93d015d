//! What this client saw of the bucket, to notice when old data comes back.
//!
//! Revisions of a bucket only grow, so each operation notes what was seen before it was sent, and its answer must not be older:
//! a read not below the key's revision, an acknowledged write above all. An older read may come from a copy that lags, so the
//! caller confirms it before it counts. After a count all starts anew from what was seen, in a new era: answers to what was sent
//! before say nothing.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};

/// What was known when an operation was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Floor {
    era: u64,
    highest: u64,
    key: Option<(u64, u64)>,
}

/// What an answer shows: revision and digest of the value.
pub(super) type Found = Option<(u64, u64)>;

/// Digest of a value, to tell two writes of one revision apart.
pub(super) fn digest(value: &[u8]) -> u64 {
    let mut h = DefaultHasher::new();
    h.write(value);
    h.finish()
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Seen {
    era: u64,
    highest: u64,
    keys: HashMap<String, (u64, u64)>,
}

impl Seen {
    /// To be taken before an operation is sent.
    pub(super) fn floor(&self, key: &str) -> Floor {
        Floor {
            era: self.era,
            highest: self.highest,
            key: self.keys.get(key).copied(),
        }
    }

    /// Keys seen.
    pub(super) fn keys(&self) -> Vec<String> {
        self.keys.keys().cloned().collect()
    }

    /// Notes a read; false when it is older than what was seen before: to be confirmed, then [`Seen::count`]ed.
    pub(super) fn read(&mut self, key: &str, floor: Floor, found: Found) -> bool {
        if floor.era != self.era {
            return true;
        }
        let old = match (floor.key, found) {
            (None, _) => false,
            (Some(_), None) => true,
            // The same revision with another value: rolled back and written again.
            (Some((before, was)), Some((now, is))) => now < before || now == before && is != was,
        };
        if !old {
            self.note(key, found);
        }
        !old
    }

    /// Notes an acknowledged write; false when it was counted as a rollback.
    pub(super) fn acknowledged(&mut self, key: &str, floor: Floor, found: (u64, u64)) -> bool {
        if floor.era == self.era && found.0 <= floor.highest {
            self.count(key, floor, Some(found));
            return false;
        }
        if floor.era == self.era {
            self.note(key, Some(found));
        }
        true
    }

    /// Counts a confirmed rollback; false when it was counted already.
    pub(super) fn count(&mut self, key: &str, floor: Floor, found: Found) -> bool {
        if floor.era != self.era {
            return false;
        }
        self.era += 1;
        self.highest = 0;
        self.keys.clear();
        self.note(key, found);
        true
    }

    fn note(&mut self, key: &str, found: Found) {
        let Some((revision, digest)) = found else {
            return;
        };
        self.highest = self.highest.max(revision);
        let of = self.keys.entry(key.into()).or_insert((0, 0));
        if revision > of.0 {
            *of = (revision, digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_vanished_and_rewritten_values_are_old_and_count_once() {
        let mut s = Seen::default();
        let f = s.floor("k");
        assert!(s.read("k", f, Some((7, 1))));
        let f = s.floor("k");
        assert!(!s.read("k", f, Some((6, 1))));
        assert!(!s.read("k", f, None));
        assert!(!s.read("k", f, Some((7, 2))));
        assert!(s.read("k", f, Some((7, 1))));
        assert!(s.count("k", f, Some((6, 1))));
        assert!(!s.count("k", f, Some((6, 1))));
        assert!(s.read("k", f, Some((5, 1))), "sent before the count");
        let f = s.floor("k");
        assert!(s.read("k", f, Some((6, 1))));
    }

    #[test]
    fn acknowledgements_that_overtake_each_other_are_no_rollback() {
        let mut s = Seen::default();
        let (a, b) = (s.floor("a"), s.floor("b"));
        assert!(s.acknowledged("b", b, (11, 0)));
        assert!(s.acknowledged("a", a, (10, 0)));
        let a = s.floor("a");
        assert!(
            !s.acknowledged("a", a, (11, 0)),
            "not above what was seen before it was sent"
        );
    }

    #[test]
    fn a_read_that_was_overtaken_is_not_old() {
        let mut s = Seen::default();
        let slow = s.floor("k");
        let f = s.floor("k");
        assert!(s.read("k", f, Some((9, 0))));
        assert!(s.read("k", slow, Some((8, 0))));
        assert_eq!(s.floor("k").highest, 9);
    }
}
