//! Permission to add exposure: asks for grants, keeps the newest one, and lets it die by its own clock.
//!
//! An answer counts from the t0 noted when it was asked for (liveness time), for at most [`MAX_LENGTH_MS`]. Epochs only go
//! up: a lower one is refused, a higher one ends whatever was granted under the lower (I13, I14).

use crate::fixed::Money;
use crate::messages::{Command, DenyReason, Grant, GrantReply, GrantRequest};
use crate::time::{NS_PER_MS, NS_PER_S, Now};
use std::collections::VecDeque;

/// Liveness time between two questions.
pub const ASK_EVERY_NS: u64 = NS_PER_S / 2;
/// No grant holds longer than this, ms.
pub const MAX_LENGTH_MS: u64 = 2000;
/// No entry is sent with less left, ms.
pub const MIN_LEFT_MS: u64 = 300;
/// Without a word of the coordinator for this long the stop stops trailing.
pub const SILENCE_NS: u64 = 30 * NS_PER_S;

/// What a question says of the symbol.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    /// |position + open entries| wanted at most, quote asset.
    pub notional: Money,
    /// Signed position at mark.
    pub position: Money,
    /// Entries sent and not over.
    pub open_entries: Money,
    /// Loss at the stop of the position wanted.
    pub risk: Money,
}

/// Grants of one (task, symbol).
#[derive(Clone, Debug)]
pub struct Permission {
    task_uid: String,
    symbol: String,
    strategy: String,
    seq: u64,
    asked: VecDeque<(u64, u64)>,
    last_ask_ns: Option<u64>,
    epoch: u64,
    grant: Option<(Grant, u64)>,
    denied: Option<DenyReason>,
    heard_ns: Option<u64>,
    first_ask_ns: Option<u64>,
    /// Latest deadline of any grant taken.
    lapsed_ns: Option<u64>,
    /// Nothing of an epoch up to this one grants any more: the message store went back under it.
    fenced: Option<u64>,
}

impl Permission {
    /// Knows of no grant.
    pub fn new(task_uid: &str, symbol: &str, strategy: &str) -> Self {
        Self {
            task_uid: task_uid.into(),
            symbol: symbol.into(),
            strategy: strategy.into(),
            seq: 0,
            asked: VecDeque::with_capacity(16),
            last_ask_ns: None,
            epoch: 0,
            grant: None,
            denied: None,
            heard_ns: None,
            first_ask_ns: None,
            lapsed_ns: None,
            fenced: None,
        }
    }

    /// True when it is time for the next question.
    pub fn due(&self, now: Now) -> bool {
        self.last_ask_ns
            .is_none_or(|t| now.mono_since(t) >= ASK_EVERY_NS)
    }

    /// Makes the next question and notes its t0.
    pub fn ask(&mut self, now: Now, wish: &Wish) -> GrantRequest {
        self.seq += 1;
        self.last_ask_ns = Some(now.mono_ns);
        self.heard_ns.get_or_insert(now.mono_ns);
        self.first_ask_ns.get_or_insert(now.mono_ns);
        if self.asked.len() == 16 {
            self.asked.pop_front();
        }
        self.asked.push_back((self.seq, now.mono_ns));
        GrantRequest {
            symbol: self.symbol.clone(),
            strategy: self.strategy.clone(),
            task_uid: self.task_uid.clone(),
            seq: self.seq,
            epoch_seen: self.epoch,
            wish_notional: wish.notional,
            position_notional: wish.position,
            open_entry_notional: wish.open_entries,
            wish_risk: wish.risk,
            fence_lost: self.fenced.is_some(),
        }
    }

    /// Takes an answer. Returns false when it was refused (unknown question, lower epoch, another's).
    pub fn on_reply(&mut self, now: Now, reply: &GrantReply) -> bool {
        let (seq, epoch) = match reply {
            GrantReply::Granted(g) => (g.seq, g.epoch),
            GrantReply::Denied { seq, epoch, .. } => (*seq, *epoch),
        };
        let Some(t0) = self.asked.iter().find(|a| a.0 == seq).map(|a| a.1) else {
            return false;
        };
        if epoch < self.epoch {
            return false;
        }
        match reply {
            GrantReply::Granted(g) => {
                if g.task_uid != self.task_uid || g.symbol != self.symbol || !sane(g) {
                    return false;
                }
                self.raise(epoch);
                if self.fenced.is_some() {
                    return false;
                }
                self.heard_ns = Some(now.mono_ns);
                if self.grant.as_ref().is_some_and(|(old, _)| old.seq > seq) {
                    return false;
                }
                let length = g.length_ms.min(MAX_LENGTH_MS) * NS_PER_MS;
                let until = t0.saturating_add(length);
                self.lapsed_ns = self.lapsed_ns.max(Some(until));
                self.grant = Some((g.clone(), until));
                self.denied = None;
            }
            GrantReply::Denied { reason, .. } => {
                self.raise(epoch);
                self.heard_ns = Some(now.mono_ns);
                self.denied = Some(*reason);
            }
        }
        true
    }

    /// Takes the fence of a command; false when its epoch is lower than one already honoured.
    pub fn on_command(&mut self, now: Now, command: &Command) -> bool {
        let epoch = match command {
            Command::CancelEntries { epoch }
            | Command::TightenStop { epoch }
            | Command::Drain { epoch, .. }
            | Command::Reconcile { epoch } => *epoch,
        };
        if epoch < self.epoch {
            return false;
        }
        self.raise(epoch);
        self.heard_ns = Some(now.mono_ns);
        true
    }

    fn raise(&mut self, epoch: u64) {
        if epoch > self.epoch {
            self.epoch = epoch;
            self.grant = None;
            self.fenced = None;
        }
    }

    /// Ends the grant in force, and what is still on its way: only an answer to a later question grants again.
    pub fn revoke(&mut self) {
        self.grant = None;
        self.asked.clear();
    }

    /// The message store went back: nothing granted up to the epoch honoured now counts any more (I18).
    pub fn lose_fence(&mut self) {
        self.revoke();
        self.fenced = Some(self.epoch);
    }

    /// The grant in force, if one holds at `now`.
    pub fn grant(&self, now: Now) -> Option<&Grant> {
        self.grant
            .as_ref()
            .filter(|(_, until)| now.mono_ns < *until)
            .map(|(g, _)| g)
    }

    /// The newest grant, alive or dead: its equity and statistics are still the best known.
    pub fn newest(&self) -> Option<&Grant> {
        self.grant.as_ref().map(|(g, _)| g)
    }

    /// Whole milliseconds left of the grant in force, 0 without one.
    pub fn left_ms(&self, now: Now) -> u64 {
        self.grant.as_ref().map_or(0, |(_, until)| {
            until.saturating_sub(now.mono_ns) / NS_PER_MS
        })
    }

    /// Why the last question was denied, if it was.
    pub fn denied(&self) -> Option<DenyReason> {
        self.denied
    }

    /// Highest epoch honoured.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Nobody has answered for [`SILENCE_NS`].
    pub fn coordinator_lost(&self, now: Now) -> bool {
        self.heard_ns
            .is_some_and(|t| now.mono_since(t) >= SILENCE_NS)
    }

    /// Liveness ns without permission, counted from the first question; 0 while a grant holds.
    pub fn ungranted_ns(&self, now: Now) -> u64 {
        let since = self.lapsed_ns.or(self.first_ask_ns);
        since.map_or(0, |t| now.mono_since(t))
    }

    /// Sequence of the newest question.
    pub fn seq(&self) -> u64 {
        self.seq
    }
}

/// No account holds more than this: such a grant is a fault, not permission.
fn sane(g: &Grant) -> bool {
    let most = Money::from(1_000_000_000_000_000_i64);
    [g.ceiling, g.equity, g.available]
        .iter()
        .all(|v| v.abs() < most)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::messages::KellyStats;
    use rust_decimal::Decimal;

    fn at(ms: u64) -> Now {
        Now::new(0, ms * NS_PER_MS)
    }

    fn granted(seq: u64, epoch: u64) -> GrantReply {
        GrantReply::Granted(Grant {
            seq,
            epoch,
            task_uid: "t".into(),
            symbol: "BTCUSDT".into(),
            ceiling: Decimal::from(1000),
            equity: Decimal::from(10_000),
            available: Decimal::from(10_000),
            kelly: KellyStats::default(),
            length_ms: 5000,
            share: None,
        })
    }

    fn p() -> Permission {
        Permission::new("t", "BTCUSDT", "ns/s")
    }

    #[test]
    fn a_grant_counts_from_the_question_and_never_longer_than_two_seconds() {
        let mut p = p();
        let q = p.ask(at(1000), &Wish::default());
        assert!(p.on_reply(at(1800), &granted(q.seq, 1)));
        assert_eq!(p.left_ms(at(1800)), 1200);
        assert!(p.grant(at(2999)).is_some());
        assert!(p.grant(at(3000)).is_none());
    }

    #[test]
    fn an_answer_to_no_question_or_for_another_task_or_symbol_is_refused() {
        let mut p = p();
        assert!(!p.on_reply(at(0), &granted(1, 1)));
        let q = p.ask(at(0), &Wish::default());
        let GrantReply::Granted(mut g) = granted(q.seq, 1) else {
            unreachable!()
        };
        g.task_uid = "other".into();
        assert!(!p.on_reply(at(0), &GrantReply::Granted(g.clone())));
        g.task_uid = "t".into();
        g.symbol = "ETHUSDT".into();
        assert!(!p.on_reply(at(0), &GrantReply::Granted(g)));
        assert!(p.grant(at(0)).is_none());
    }

    #[test]
    fn a_lower_epoch_is_refused_and_a_higher_one_ends_the_old_grant() {
        let mut p = p();
        let q = p.ask(at(0), &Wish::default());
        assert!(p.on_reply(at(0), &granted(q.seq, 5)));
        let q = p.ask(at(500), &Wish::default());
        assert!(!p.on_reply(at(500), &granted(q.seq, 4)));
        assert!(!p.on_command(at(500), &Command::Reconcile { epoch: 4 }));
        assert_eq!(p.epoch(), 5);
        assert!(p.grant(at(600)).is_some());
        let denied = GrantReply::Denied {
            seq: q.seq,
            epoch: 6,
            reason: DenyReason::NotReady,
        };
        assert!(p.on_reply(at(600), &denied));
        assert!(p.grant(at(600)).is_none());
    }

    #[test]
    fn an_older_answer_that_comes_late_does_not_replace_a_newer_one() {
        let mut p = p();
        let a = p.ask(at(0), &Wish::default());
        let b = p.ask(at(500), &Wish::default());
        assert!(p.on_reply(at(600), &granted(b.seq, 1)));
        assert!(!p.on_reply(at(700), &granted(a.seq, 1)));
        assert_eq!(p.newest().unwrap().seq, b.seq);
    }

    #[test]
    fn a_plain_denial_leaves_the_running_grant_until_its_deadline() {
        let mut p = p();
        let a = p.ask(at(0), &Wish::default());
        assert!(p.on_reply(at(0), &granted(a.seq, 1)));
        let b = p.ask(at(500), &Wish::default());
        let denied = GrantReply::Denied {
            seq: b.seq,
            epoch: 1,
            reason: DenyReason::Limit,
        };
        assert!(p.on_reply(at(500), &denied));
        assert!(p.grant(at(1999)).is_some());
        assert_eq!(p.denied(), Some(DenyReason::Limit));
    }

    #[test]
    fn after_the_store_went_back_only_a_higher_epoch_grants() {
        let mut p = p();
        let q = p.ask(at(0), &Wish::default());
        assert!(p.on_reply(at(0), &granted(q.seq, 5)));
        p.lose_fence();
        assert!(p.grant(at(1)).is_none());
        let q = p.ask(at(500), &Wish::default());
        assert!(q.fence_lost && q.epoch_seen == 5);
        assert!(!p.on_reply(at(500), &granted(q.seq, 5)));
        assert!(p.grant(at(500)).is_none());
        assert!(p.on_reply(at(500), &granted(q.seq, 6)));
        assert!(p.grant(at(500)).is_some());
        assert!(!p.ask(at(1000), &Wish::default()).fence_lost);
    }

    #[test]
    fn thirty_seconds_of_silence_mean_the_coordinator_is_lost() {
        let mut p = p();
        p.ask(at(0), &Wish::default());
        assert!(!p.coordinator_lost(at(29_999)));
        assert!(p.coordinator_lost(at(30_000)));
    }
}
