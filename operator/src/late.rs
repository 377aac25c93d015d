//! What was written and what no watch has shown yet: watches of a busy API server are seconds late, and whoever goes by them
//! writes the same again.

/// How long a watch is waited for, ms. What came about behind its back is found out then.
pub const SEEN_BY_MS: u64 = 10_000;

/// Own writes over what a watch has shown last, in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Late<T> {
    /// What the watch had shown, then the writes.
    all: Vec<T>,
    until_ms: u64,
}

impl<T: PartialEq> Late<T> {
    /// Nothing was written over what is shown.
    pub fn over(shown: T) -> Self {
        Self {
            all: vec![shown],
            until_ms: 0,
        }
    }

    /// Something was written.
    pub fn wrote(&mut self, what: T, now_ms: u64) {
        self.all.push(what);
        self.until_ms = now_ms + SEEN_BY_MS;
    }

    /// What stands, by what the watch shows now; `None` when that is what it shows: it has seen the last write, or somebody else
    /// has written, or it was waited for long enough.
    pub fn stands(&mut self, shown: &T, now_ms: u64) -> Option<&T> {
        let at = self.all.iter().rposition(|w| w == shown)?;
        self.all.drain(..at);
        if now_ms >= self.until_ms || self.all.len() < 2 {
            return None;
        }
        self.all.last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_write_stands_while_a_watch_shows_what_was_before_it() {
        let mut l = Late::over("a");
        l.wrote("b", 0);
        l.wrote("c", 100);
        assert_eq!(l.stands(&"a", 200), Some(&"c"));
        assert_eq!(l.stands(&"b", 300), Some(&"c"), "one of its own");
        assert_eq!(l.stands(&"c", 400), None, "it has caught up");
    }

    #[test]
    fn what_another_wrote_is_what_stands_and_patience_ends() {
        let mut l = Late::over("a");
        l.wrote("b", 0);
        assert_eq!(l.clone().stands(&"x", 1), None);
        assert_eq!(l.stands(&"a", SEEN_BY_MS - 1), Some(&"b"));
        assert_eq!(l.stands(&"a", SEEN_BY_MS), None);
    }
}
