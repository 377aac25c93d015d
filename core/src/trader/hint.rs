//! TRADE_LITE tells of a fill before ORDER_TRADE_UPDATE does, without fee or order state: it moves nothing, but when the
//! full event does not follow, it has been lost and the venue is read.

use crate::time::{NS_PER_MS, Now};

/// The full event follows within milliseconds; later than this it is missing.
const PATIENCE_NS: u64 = 300 * NS_PER_MS;

/// The oldest hint that no fill has answered yet. Trade ids of a contract only go up.
#[derive(Clone, Debug, Default)]
pub(super) struct Hint {
    /// Newest trade hinted at, and when the oldest unanswered hint came.
    open: Option<(u64, u64)>,
    /// Newest trade that a full event has told of.
    newest: u64,
}

impl Hint {
    /// A fill of this trade is on its way, unless it has come already.
    pub fn told(&mut self, now: Now, trade_id: u64) {
        if trade_id > self.newest {
            let since = self.open.map_or(now.mono_ns, |(_, since)| since);
            self.open = Some((trade_id, since));
        }
    }

    /// The full event of a trade came.
    pub fn heard(&mut self, trade_id: u64) {
        self.newest = self.newest.max(trade_id);
        self.open = self.open.filter(|(id, _)| *id > self.newest);
    }

    /// True once when a hint has waited too long.
    pub fn overdue(&mut self, now: Now) -> bool {
        let late = |(_, since): &(u64, u64)| now.mono_since(*since) >= PATIENCE_NS;
        self.open.take_if(|o| late(o)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Now {
        Now::new(0, ms * NS_PER_MS)
    }

    #[test]
    fn a_hint_that_no_fill_follows_is_overdue_once() {
        let mut h = Hint::default();
        h.told(at(0), 7);
        assert!(!h.overdue(at(299)));
        assert!(h.overdue(at(300)));
        assert!(!h.overdue(at(900)));
    }

    #[test]
    fn a_fill_before_or_after_its_hint_answers_it() {
        let mut h = Hint::default();
        h.told(at(0), 7);
        h.heard(7);
        assert!(!h.overdue(at(900)));
        h.told(at(1_000), 6);
        h.told(at(1_000), 7);
        assert!(!h.overdue(at(2_000)), "told before");
    }

    #[test]
    fn of_two_hints_the_older_one_counts_until_the_newer_is_answered() {
        let mut h = Hint::default();
        h.told(at(0), 7);
        h.told(at(200), 8);
        h.heard(7);
        assert!(h.overdue(at(300)), "8 is still unanswered, and since then");
    }
}
