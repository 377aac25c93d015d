//! Money paid in and taken out: neither gain nor loss.
//!
//! A frame that names one counts at once ([`super::named`]). The history is read each minute, and before a loss is latched: at
//! once, and when the wallet has fallen without a frame that says why, again [`TOLD_NS`] later, as the balance tells of a
//! withdrawal before the history does. Each transfer counts once; what counts is written together with the marks it moved.

use super::equity::{self, Highs};
use super::event::{GuardianEffect, Transfer};
use super::{Guardian, alert, ms};
use crate::fixed::Money;
use crate::messages::Severity;
use crate::risk::margin::believable;
use crate::time::{NS_PER_S, Now};
use std::collections::VecDeque;

/// Between two reads of the transfers.
const EVERY_NS: u64 = 60 * NS_PER_S;
/// After a read that failed.
const AGAIN_NS: u64 = 10 * NS_PER_S;
/// The same while a loss waits to be latched.
const DOUBT_AGAIN_NS: u64 = ms(500);
/// A read without an answer has failed.
const TIMEOUT_NS: u64 = 10 * NS_PER_S;
/// A loss waits this long for a read of the transfers that may decide it; then it counts as what it looks like.
const DOUBT_NS: u64 = 2 * NS_PER_S;
/// The history tells of a transfer at most this long after the balance shows it. The exchange promises nothing; 5 s is what the
/// marks allow too, several times what its histories are seen to lag, and costs little: no risk is added meanwhile, the margin
/// ladder does not wait, and a loss by prices or by fills that were heard is not held up at all.
const TOLD_NS: u64 = 5 * NS_PER_S;
/// A loss that the numbers of an account in doubt show counts when they have shown it for this long: long enough for a read
/// to put right what was merely told wrong.
const UNSURE_NS: u64 = 10 * NS_PER_S;
/// Between two reads while the history may not know yet.
const EARLY_AGAIN_NS: u64 = 2 * NS_PER_S;
/// A transfer may be told this much later than it happened, venue ms.
const OVERLAP_MS: i64 = 3_600_000;
/// Transfers remembered at most.
const REMEMBERED: usize = 500;

/// A loss that may be a withdrawal.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    since: u64,
    /// Before this the history may not know of a withdrawal: a read asked for earlier finds one, but never proves that there
    /// was none.
    told_from: u64,
    /// A read asked for after that has come: it is a loss.
    answered: bool,
}

/// Reads of transfers and what waits for them.
#[derive(Clone, Debug, Default)]
pub(super) struct Transfers {
    /// Liveness and venue time at which the read under way was asked for.
    asked: Option<(u64, i64)>,
    tried_at: Option<u64>,
    failed: bool,
    doubt: Option<Doubt>,
    /// Since when an account in doubt has shown a loss.
    unsure_since: Option<u64>,
    pub highs: Highs,
    /// Rows counted that no frame has named yet, venue ms and amount.
    pub(super) unnamed: VecDeque<(i64, Money)>,
    /// Every frame since the last read of the account was heard: what changed the wallet is known.
    heard_all: bool,
    /// When the socket last came up.
    up_at: u64,
    /// When the wallet last fell without a frame that says why.
    fell_at: Option<u64>,
}

impl Transfers {
    /// A lead begins: the marks may be others than those seen last, and what happened since they were written is not known.
    pub fn begin(&mut self, now: Now, marked: bool) {
        self.fell_at = marked.then_some(now.mono_ns);
        self.unnamed.clear();
        self.doubt = None;
        self.tried_at = None;
        self.highs = Highs::default();
    }

    /// The private socket is lost: frames are missed from now on.
    pub fn socket_down(&mut self) {
        self.heard_all = false;
    }

    /// It is there; only a read tells what was missed.
    pub fn socket_up(&mut self, now: Now) {
        self.heard_all = false;
        self.up_at = now.mono_ns;
    }

    /// A read of the account asked for at `asked_at` has shown the wallet.
    pub fn wallet_read(
        &mut self,
        now: Now,
        asked_at: u64,
        before: Option<Money>,
        wallet: Option<Money>,
    ) {
        self.heard_all |= asked_at >= self.up_at;
        self.fell(now, before, wallet);
    }

    fn fell(&mut self, now: Now, before: Option<Money>, wallet: Option<Money>) {
        if before.zip(wallet).is_some_and(|(b, w)| w < b) {
            self.fell_at = Some(now.mono_ns);
        }
    }

    /// A loss waits to be latched: no new risk meanwhile.
    pub fn doubting(&self) -> bool {
        self.doubt.is_some()
    }
}

impl Guardian {
    /// ACCOUNT_UPDATE of the margin asset.
    pub(super) fn balance(&mut self, now: Now, event_ms: i64, wallet: Money, named: Option<Money>) {
        let before = self.picture.wallet;
        self.picture.balance(now, event_ms, wallet);
        // Its frame says why it fell, unless one before it may have been missed.
        if !self.transfers.heard_all {
            let after = self.picture.wallet;
            self.transfers.fell(now, before, after);
        }
        if let Some(amount) = named {
            self.transfer_named(event_ms, amount);
        }
    }

    /// Takes the equity: marks, where the account is known, and what they trip.
    pub(super) fn mark_equity(
        &mut self,
        now: Now,
        equity: Money,
        sure: bool,
        out: &mut Vec<GuardianEffect>,
    ) {
        // A follower's marks are the leader's.
        if !self.office.leading() {
            return;
        }
        if sure {
            let m = equity::mark(
                &mut self.state,
                &mut self.transfers.highs,
                now.market_ms,
                self.picture.venue_ms,
                equity,
            );
            self.office.dirty(m.urgent, m.marks);
            for name in m.released {
                let text = format!("latch {name} released by a new day");
                out.push(alert(Severity::Info, name, None, text));
            }
        }
        let losses = equity::losses(&self.state, &self.config.account, equity);
        let t = &mut self.transfers;
        if losses.is_empty() {
            (t.doubt, t.unsure_since) = (None, None);
            return;
        }
        if sure {
            t.unsure_since = None;
        } else if now.mono_since(*t.unsure_since.get_or_insert(now.mono_ns)) < UNSURE_NS {
            return;
        }
        let told_from = t.fell_at.map_or(0, |at| at.saturating_add(TOLD_NS));
        let doubt = *t.doubt.get_or_insert(Doubt {
            since: now.mono_ns,
            told_from: told_from.max(now.mono_ns),
            answered: false,
        });
        if !doubt.answered && now.mono_ns < doubt.told_from.saturating_add(DOUBT_NS) {
            return;
        }
        self.transfers.doubt = None;
        for (name, text) in losses {
            self.state.latches.insert(name.into(), now.market_ms);
            self.office.dirty(true, false);
            self.touched = true;
            out.push(alert(Severity::Critical, name, None, text));
        }
    }

    /// The transfers as read, in any order, known ones too.
    pub(super) fn transferred(&mut self, now: Now, list: &[Transfer]) {
        let asked = self.transfers.asked.take();
        self.transfers.failed = false;
        if let (Some(d), Some((at, _))) = (&mut self.transfers.doubt, asked) {
            d.answered |= at >= d.told_from;
        }
        // Before the first marks there is nothing to adjust; they will have it in them.
        let Some(mut since) = self.state.transfers_since_ms else {
            return;
        };
        // A follower's marks are the leader's.
        if !self.office.leading() {
            return;
        }
        let mut list: Vec<&Transfer> = list.iter().collect();
        list.sort_by_key(|t| (t.venue_ms, t.id));
        for t in list {
            let real = !t.amount.is_zero() && believable(t.amount) && t.venue_ms >= since;
            if real && self.state.transfers.insert((t.venue_ms, t.id)) {
                // Named by its frame: in the marks already.
                if !self.row_of_named(t) {
                    equity::transferred(&mut self.state, &mut self.transfers.highs, t);
                    self.transfers.unnamed.push_back((t.venue_ms, t.amount));
                }
                self.office.dirty(true, false);
            }
        }
        let told_to = asked.map_or(since, |a| a.1.min(now.market_ms).saturating_sub(OVERLAP_MS));
        if told_to.saturating_sub(since) >= OVERLAP_MS {
            since = told_to;
            self.office.dirty(false, true);
        }
        while self.state.transfers.len() > REMEMBERED {
            if let Some((ms, _)) = self.state.transfers.pop_first() {
                since = since.max(ms.saturating_add(1));
            }
        }
        self.state.transfers.retain(|t| t.0 >= since);
        self.forget_named(since);
        self.state.transfers_since_ms = Some(since);
    }

    pub(super) fn transfers_failed(&mut self) {
        self.transfers.asked = None;
        self.transfers.failed = true;
    }

    /// Asks for the transfers when it is time to, while leading.
    pub(super) fn drive_transfers(&mut self, now: Now, out: &mut Vec<GuardianEffect>) {
        let Some(since_ms) = self.state.transfers_since_ms else {
            return;
        };
        let t = &mut self.transfers;
        if t.asked
            .is_some_and(|(at, _)| now.mono_since(at) > TIMEOUT_NS)
        {
            t.asked = None;
            t.failed = true;
        }
        if t.asked.is_some() || self.unknown.is_some() {
            return;
        }
        let doubted = t.doubt.filter(|d| !d.answered);
        let gap = match (doubted, t.failed) {
            (Some(d), false) if t.tried_at.is_none_or(|at| at < d.since) => 0,
            (Some(d), false) if now.mono_ns < d.told_from => EARLY_AGAIN_NS,
            (Some(d), false) if t.tried_at.is_none_or(|at| at < d.told_from) => 0,
            (Some(_), _) => DOUBT_AGAIN_NS,
            (None, true) => AGAIN_NS,
            (None, false) => EVERY_NS,
        };
        if t.tried_at.is_none_or(|at| now.mono_since(at) >= gap) {
            t.asked = Some((now.mono_ns, now.market_ms));
            t.tried_at = Some(now.mono_ns);
            out.push(GuardianEffect::ReadTransfers { since_ms });
        }
    }

    /// A person accepts the equity as it is: a mark starts anew from it.
    pub(super) fn accept_equity(&mut self, now: Now, latch: &str) {
        let equity = self.margin.map(|m| m.balance);
        if latch == equity::DRAWDOWN {
            self.state.peak_equity = equity;
            self.state.peak_ms = now.market_ms;
            self.transfers.highs = Highs::default();
        }
        if latch == equity::DAILY_LOSS {
            self.state.day_start_equity = equity;
            self.state.day_start_ms = now.market_ms;
        }
    }
}
