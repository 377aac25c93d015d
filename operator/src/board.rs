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

/// Of one account.
#[derive(Debug, Default)]
struct Page {
    /// Uid of the account object, once it is known.
    uid: Option<String>,
    /// Epoch and number of the newest word of a leader.
    newest: (u64, u64),
    heard: Option<Heard>,
}

/// Snapshots by account.
#[derive(Debug, Default)]
pub struct Board(Mutex<BTreeMap<String, Page>>);

impl Board {
    /// A snapshot came. True when it differs from the last one in what decisions look at, or is the first word after a
    /// silence of `silence_ms`: then the account is due.
    ///
    /// The first one ever heard may have been written long ago, by a coordinator that is dead: it counts as old until a
    /// newer one shows that somebody writes.
    ///
    /// A leader's word that is older than one heard before is none: whoever was stopped between deciding and writing writes when
    /// it wakes, though another leads by then, and nothing may be let go by positions of minutes ago.
    pub fn hear(
        &self,
        account: &str,
        snapshot: AccountSnapshot,
        now_ms: u64,
        silence_ms: u64,
    ) -> bool {
        let order = |s: &AccountSnapshot| (s.epoch, s.seq);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let page = all.entry(account.into()).or_default();
        // A start that waits for its keys has no epoch, and speaks only while nobody leads.
        let leads = snapshot.epoch > 0 || !snapshot.holder.is_empty();
        if leads && order(&snapshot) < page.newest {
            return false;
        }
        if leads {
            page.newest = order(&snapshot);
        }
        let before = page.heard.take();
        let at_ms = match &before {
            Some(b) if order(&b.snapshot) == order(&snapshot) => b.at_ms,
            Some(_) => now_ms,
            None => 0,
        };
        let snapshot = Arc::new(snapshot);
        let due = before.is_none_or(|b| {
            differ(&b.snapshot, &snapshot) || at_ms.saturating_sub(b.at_ms) > silence_ms
        });
        page.heard = Some(Heard { snapshot, at_ms });
        due
    }

    /// An account is the object of this uid. One that was made anew begins its epochs anew, and owes nothing to what was said of
    /// the old one.
    pub fn is_of(&self, account: &str, uid: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(page) = all.get_mut(account) else {
            return;
        };
        if page.uid.as_deref().is_some_and(|u| u != uid) {
            *page = Page::default();
        }
        page.uid.get_or_insert_with(|| uid.into());
    }

    /// The newest of an account.
    pub fn get(&self, account: &str) -> Option<Heard> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(account)?.heard.clone()
    }

    /// Nobody listens to the account any more. What is heard first when somebody does again may have been written long ago, but
    /// what is older than what was heard stays so.
    pub fn mute(&self, account: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(page) = all.get_mut(account) {
            page.heard = None;
        }
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
            let who = (w.task_uid.clone(), w.life.clone());
            (
                symbol.clone(),
                who,
                (w.ready, w.params, w.refused, w.alarms),
            )
        })
        .collect::<Vec<_>>()
    };
    a.wanted != b.wanted
        || a.drained != b.drained
        || a.taken != b.taken
        || a.acknowledged != b.acknowledged
        || a.latches != b.latches
        || (a.known, a.level, a.halted, a.epoch) != (b.known, b.level, b.halted, b.epoch)
        || (&a.holder, &a.unknown, &a.unfit) != (&b.holder, &b.unknown, &b.unfit)
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

    /// A leader's word.
    fn word(epoch: u64, seq: u64, position: i64) -> AccountSnapshot {
        AccountSnapshot {
            epoch,
            seq,
            holder: "c".into(),
            positions: [("BTCUSDT".to_string(), position.into())].into(),
            ..AccountSnapshot::default()
        }
    }

    #[test]
    fn what_stood_there_before_anybody_was_heard_is_old() {
        let b = Board::default();
        let s = AccountSnapshot::default();
        b.hear("n/a", s.clone(), 50_000, 1000);
        b.hear("n/a", s, 50_001, 1000);
        assert_eq!(b.get("n/a").map(|h| h.at_ms), Some(0));
    }

    #[test]
    fn the_late_word_of_a_leader_that_was_followed_by_another_is_not_heard() {
        let b = Board::default();
        let hear = |s, now| b.hear("n/a", s, now, 1000);
        let shown = || b.get("n/a").map(|h| (h.snapshot.epoch, h.at_ms));
        hear(word(4, 90, 0), 50_000);
        assert!(hear(word(5, 1, 7), 60_000));
        assert!(
            !hear(word(4, 91, 0), 60_500),
            "its last one, put when it woke"
        );
        assert_eq!(shown(), Some((5, 60_000)), "nor is it a sign of life");
        // Nor behind the back of a start that waits while nobody leads, which says no epoch.
        assert!(hear(AccountSnapshot::default(), 61_000));
        assert_eq!(shown(), Some((0, 61_000)));
        assert!(!hear(word(4, 92, 0), 61_500));
        assert!(hear(word(5, 2, 7), 62_000));
        assert_eq!(shown(), Some((5, 62_000)));
    }

    #[test]
    fn an_account_that_was_made_anew_begins_its_epochs_anew() {
        let b = Board::default();
        b.hear("n/a", word(4, 1, 0), 1, 1000);
        b.is_of("n/a", "one");
        b.hear("n/a", word(5, 1, 0), 2, 1000);
        b.is_of("n/a", "one");
        assert!(!b.hear("n/a", word(1, 1, 0), 3, 1000));
        b.is_of("n/a", "two");
        assert!(b.get("n/a").is_none());
        assert!(b.hear("n/a", word(1, 2, 0), 4, 1000));
    }
}
