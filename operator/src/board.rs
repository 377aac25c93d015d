//! What coordinators have said last: one snapshot for each account, with the time it was heard.
//!
//! Links to the bus write here, reconciles read. A reconcile never waits for the bus: what is not here is not known.

use helios_core::messages::AccountSnapshot;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A snapshot and when it was heard, liveness ms.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The snapshot.
    pub snapshot: Arc<AccountSnapshot>,
    /// When the coordinator was last heard to say something new.
    pub at_ms: u64,
}

/// Snapshots by account.
#[derive(Debug, Default)]
pub struct Board(Mutex<BTreeMap<String, Heard>>);

impl Board {
    /// A snapshot came. True when it differs from the last one in what decisions look at, or is the first word after a
    /// silence of `silence_ms`: then the account is due.
    ///
    /// The first one ever heard may have been written long ago, by a coordinator that is dead: it counts as old until a
    /// newer one shows that somebody writes.
    pub fn hear(
        &self,
        account: &str,
        snapshot: AccountSnapshot,
        now_ms: u64,
        silence_ms: u64,
    ) -> bool {
        let order = |s: &AccountSnapshot| (s.epoch, s.seq);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.get(account).cloned();
        let at_ms = match &before {
            Some(b) if order(&b.snapshot) == order(&snapshot) => b.at_ms,
            Some(_) => now_ms,
            None => 0,
        };
        let snapshot = Arc::new(snapshot);
        let due = before.is_none_or(|b| {
            differ(&b.snapshot, &snapshot) || at_ms.saturating_sub(b.at_ms) > silence_ms
        });
        all.insert(account.into(), Heard { snapshot, at_ms });
        due
    }

    /// The newest of an account.
    pub fn get(&self, account: &str) -> Option<Heard> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(account).cloned()
    }

    /// The account is gone.
    pub fn forget(&self, account: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(account);
    }
}

/// They differ in something that pods, parameters or conditions follow from. Prices, margins and ages do not.
fn differ(a: &AccountSnapshot, b: &AccountSnapshot) -> bool {
    let symbols = |s: &AccountSnapshot| s.positions.keys().cloned().collect::<Vec<_>>();
    let workers = |s: &AccountSnapshot| {
        let all = s.health.iter().flat_map(|h| &h.workers);
        all.map(|(symbol, w)| {
            let now = (w.task_uid.clone(), w.ready, w.params, w.refused, w.alarms);
            (symbol.clone(), now)
        })
        .collect::<Vec<_>>()
    };
    a.wanted != b.wanted
        || a.drained != b.drained
        || a.taken != b.taken
        || a.acknowledged != b.acknowledged
        || a.latches != b.latches
        || (a.known, a.level, a.halted, a.epoch) != (b.known, b.level, b.halted, b.epoch)
        || (&a.holder, &a.unknown) != (&b.holder, &b.unknown)
        || symbols(a) != symbols(b)
        || workers(a) != workers(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_wake_nobody_and_a_position_does() {
        let b = Board::default();
        let mut s = AccountSnapshot::default();
        let hear = |s: &mut AccountSnapshot, now| {
            s.seq += 1;
            b.hear("n/a", s.clone(), now, 1000)
        };
        assert!(hear(&mut s, 50_000) && hear(&mut s, 50_500));
        s.margin_ratio = 7.into();
        assert!(!hear(&mut s, 51_000));
        assert_eq!(
            b.get("n/a").map(|h| h.at_ms),
            Some(51_000),
            "but it was heard"
        );
        s.positions.insert("BTCUSDT".into(), 1.into());
        assert!(hear(&mut s, 51_500));
        assert!(hear(&mut s, 53_000), "a word after a silence");
        b.forget("n/a");
        assert!(b.get("n/a").is_none());
    }

    #[test]
    fn what_stood_there_before_anybody_was_heard_is_old() {
        let b = Board::default();
        let s = AccountSnapshot::default();
        b.hear("n/a", s.clone(), 50_000, 1000);
        b.hear("n/a", s, 50_001, 1000);
        assert_eq!(b.get("n/a").map(|h| h.at_ms), Some(0));
    }
}
