//! When each account is looked at next. Pure: times come in, names go out.
//!
//! News of an account that come close together are one look; one that is looked at is not looked at by a second task, and
//! news meanwhile are one look afterwards. An account never waits for another.

use std::collections::{BTreeMap, BTreeSet};

/// News within this time are one look.
pub const GATHER_MS: u64 = 50;

/// Accounts by when they are due, liveness ms.
#[derive(Debug, Default)]
pub struct Queue {
    due: BTreeMap<String, u64>,
    running: BTreeSet<String>,
}

impl Queue {
    /// There is news of an account.
    pub fn news(&mut self, account: &str, now_ms: u64) {
        self.at(account, now_ms + GATHER_MS);
    }

    /// An account is to be looked at by this time at the latest.
    pub fn at(&mut self, account: &str, ms: u64) {
        let due = self.due.entry(account.into()).or_insert(ms);
        *due = ms.min(*due);
    }

    /// Takes one that is due and that nobody looks at. [`Queue::done`] must follow.
    pub fn take(&mut self, now_ms: u64) -> Option<String> {
        let ready = self
            .due
            .iter()
            .filter(|(name, at)| **at <= now_ms && !self.running.contains(*name))
            .min_by_key(|(name, at)| (**at, (*name).clone()))
            .map(|(name, _)| name.clone())?;
        self.due.remove(&ready);
        self.running.insert(ready.clone());
        Some(ready)
    }

    /// The look is over.
    pub fn done(&mut self, account: &str) {
        self.running.remove(account);
    }

    /// When the next one that nobody looks at is due.
    pub fn next(&self) -> Option<u64> {
        let waiting = self.due.iter().filter(|(n, _)| !self.running.contains(*n));
        waiting.map(|(_, at)| *at).min()
    }

    /// It is being looked at.
    pub fn runs(&self, account: &str) -> bool {
        self.running.contains(account)
    }

    /// Nobody looks at anything.
    pub fn idle(&self) -> bool {
        self.running.is_empty()
    }

    /// Forgets what is due and who is looked at: another leads, and looks under way were ended.
    pub fn clear(&mut self) {
        self.due.clear();
        self.running.clear();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn news_close_together_are_one_look() {
        let mut q = Queue::default();
        q.news("a", 0);
        q.news("a", 40);
        assert_eq!(q.take(GATHER_MS - 1), None);
        assert_eq!(q.take(GATHER_MS), Some("a".into()));
        assert_eq!(q.take(10_000), None);
    }

    #[test]
    fn one_account_is_looked_at_by_one_task_and_news_meanwhile_are_kept() {
        let mut q = Queue::default();
        q.at("a", 0);
        assert_eq!(q.take(0), Some("a".into()));
        q.news("a", 0);
        assert_eq!((q.take(1000), q.next()), (None, None));
        q.done("a");
        assert_eq!(q.next(), Some(GATHER_MS));
        assert_eq!(q.take(1000), Some("a".into()));
        q.done("a");
        assert!(q.idle());
    }

    #[test]
    fn the_longest_waiting_is_first_and_an_earlier_time_wins() {
        let mut q = Queue::default();
        q.at("a", 500);
        q.at("b", 400);
        q.at("a", 300);
        q.at("a", 900);
        assert_eq!(q.take(1000), Some("a".into()));
        assert_eq!(q.take(1000), Some("b".into()));
    }

    proptest! {
        /// No account is looked at by two, none before it is due, and news are never lost.
        #[test]
        fn whatever_comes_every_piece_of_news_is_followed_by_a_look(
            steps in proptest::collection::vec((0u8..4, 0usize..4, 0u64..80), 1..200),
        ) {
            let names = ["a", "b", "c", "d"];
            let mut q = Queue::default();
            let (mut now, mut running) = (0, BTreeSet::new());
            // When each account had news that no look began after.
            let mut owed: BTreeMap<&str, u64> = BTreeMap::new();
            for (kind, n, ms) in steps {
                match kind {
                    0 => {
                        q.news(names[n], now);
                        owed.entry(names[n]).or_insert(now);
                    }
                    1 => now += ms,
                    2 => {
                        q.done(names[n]);
                        running.remove(names[n]);
                    }
                    _ => {
                        if let Some(taken) = q.take(now) {
                            let name = names[names.iter().position(|n| *n == taken).unwrap()];
                            prop_assert!(running.insert(name), "two look at {}", name);
                            let since = owed.remove(name);
                            prop_assert!(since.is_some_and(|t| t + GATHER_MS <= now));
                        }
                    }
                }
                prop_assert_eq!(q.idle(), running.is_empty());
            }
            for name in running {
                q.done(name);
            }
            now += GATHER_MS;
            while let Some(taken) = q.take(now) {
                prop_assert!(owed.remove(taken.as_str()).is_some());
            }
            prop_assert!(owed.is_empty(), "{:?}", owed);
        }
    }
}
