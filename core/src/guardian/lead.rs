//! Leadership: how long it lasts, its epoch, and what is inherited from whoever led before.
//!
//! A lead ends by itself at the renew deadline of its lock, whatever is heard then: a leader that was stopped wakes as a
//! follower. Promises of others may outlive their giver, so a new leader waits until they are dead and the venue is read,
//! unless a [`Handover`] names them or nobody has led since this process did (the state's epoch is still its own; the
//! compare-and-swap write of the next epoch, which comes before the first grant, fails if that is not so).

use super::event::{GuardianEffect, HandedPromise, Handover};
use super::ledger::GRANT_MS;
use super::{Guardian, alert, ms};
use crate::fixed::Money;
use crate::messages::Severity;
use crate::risk::margin::believable;
use crate::time::{NS_PER_MS, NS_PER_S, Now};
use rust_decimal::Decimal;

/// Grants of a former leader may live this long: their length and its grace.
const INHERIT_NS: u64 = 4 * NS_PER_S;
/// A grant shorter than this is of no use: no entry is sent with less left.
const LEAST_GRANT_MS: u64 = 300;
/// Workers that have lost the fence late make the leader raise its epoch at most this often.
const FENCE_EVERY_NS: u64 = 5 * NS_PER_S;

/// What must be over before the first grant.
#[derive(Clone, Copy, Debug)]
struct Inherited {
    /// Liveness time the wait began.
    since: u64,
    /// For how long; after that a read must be asked for.
    wait: u64,
}

/// How far a handover has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handing {
    Wanted,
    Writing,
    Over,
}

/// One process's lead.
#[derive(Clone, Debug, Default)]
pub(super) struct Lead {
    since: Option<u64>,
    /// When it ends unless renewed; `None` without a lock.
    until: Option<u64>,
    /// Somebody else may have granted before.
    inherited: Option<Inherited>,
    /// The lock ran out by time.
    ran_out: bool,
    /// When a worker's lost fence last raised the epoch.
    fenced_at: Option<u64>,
    handing: Option<Handing>,
    /// The message store does not acknowledge the fence.
    unheard: bool,
    /// An epoch that nobody can have granted under has been told to people.
    wild_told: bool,
}

/// Epochs rise by one with each lead: one this far above all that is known here was never granted under, and whoever names it
/// would use the numbers up, after which nothing could be fenced any more.
const BELIEVABLE: u64 = 1_000_000;

/// May a worker have honoured this epoch, as far as whoever knows of `own` can tell?
pub fn believable_epoch(own: u64, seen: u64) -> bool {
    seen <= own.saturating_add(BELIEVABLE) && seen < u64::MAX
}

impl Lead {
    pub fn since(&self) -> Option<u64> {
        self.since
    }

    /// Ends a lead whose time is up; true when it did.
    pub fn lapse(&mut self, now: Now) -> bool {
        let over = self.since.is_some() && !self.stands(now);
        if over {
            self.since = None;
        }
        over
    }

    fn stands(&self, now: Now) -> bool {
        self.until.is_none_or(|u| now.mono_ns < u)
    }

    pub fn renewed(&mut self, until: u64) {
        if self.since.is_some() && self.until.is_some() {
            self.until = Some(until);
        }
    }

    pub fn lock_ran_out(&mut self) {
        self.ran_out = self.since.is_none();
    }

    /// How long a grant given now may hold; `None` when that is of no use, or while the fence is not acknowledged.
    pub fn grant_ms(&self, now: Now) -> Option<u64> {
        if self.unheard {
            return None;
        }
        let left = self
            .until
            .map_or(GRANT_MS, |u| u.saturating_sub(now.mono_ns) / NS_PER_MS);
        Some(left.min(GRANT_MS)).filter(|n| *n >= LEAST_GRANT_MS)
    }

    /// Whatever others promised is dead and read.
    pub fn clear(&self, now: Now, read_asked_at: Option<u64>) -> bool {
        self.inherited.is_none_or(|i| {
            let dead_at = i.since.saturating_add(i.wait);
            now.mono_ns >= dead_at && read_asked_at.is_some_and(|r| r >= dead_at)
        })
    }

    /// A read would end the wait.
    pub fn wants_read(&self, now: Now, read_asked_at: Option<u64>) -> bool {
        self.since.is_some()
            && self.inherited.is_some_and(|i| {
                let dead_at = i.since.saturating_add(i.wait);
                now.mono_ns >= dead_at && read_asked_at.is_none_or(|r| r < dead_at)
            })
    }

    /// The handover is to be written now.
    pub fn wants_write(&mut self, now: Now) -> bool {
        if self.handing == Some(Handing::Wanted) && !self.stands(now) {
            self.handing = Some(Handing::Over);
        }
        self.handing == Some(Handing::Wanted)
    }

    pub fn writing(&mut self) {
        self.handing = Some(Handing::Writing);
    }

    /// The marks were replaced by those of another: there is nothing to hand over.
    pub fn forget(&mut self) {
        self.handing = None;
    }

    /// A write has been answered, whichever way.
    pub fn written(&mut self) {
        if self.handing == Some(Handing::Writing) {
            self.handing = Some(Handing::Over);
        }
    }
}

impl Guardian {
    /// True when nothing of a lead given up is still to be written: the lock may be released.
    pub fn handed_over(&self) -> bool {
        let handing = self.office.lead.handing;
        !self.office.leading() && handing.is_none_or(|h| h == Handing::Over)
    }

    /// The epoch it leads or last led under; 0 before the first lead.
    pub fn epoch(&self) -> u64 {
        self.office.epoch
    }

    pub(super) fn lead(&mut self, now: Now, epoch: u64, until: Option<u64>) {
        let lead = &mut self.office.lead;
        if until.is_some_and(|u| u <= now.mono_ns) {
            return;
        }
        lead.until = until;
        if lead.since.is_some() {
            // Our own promises are still known.
            if epoch > self.office.epoch {
                self.raise_epoch(epoch);
            }
            return;
        }
        let ran_out = std::mem::take(&mut lead.ran_out);
        lead.since = Some(now.mono_ns);
        lead.handing = None;
        self.transfers.begin(now, self.state.peak_equity.is_some());
        let (own, written) = (self.office.epoch, self.state.epoch);
        // Gone from the state whatever it says, so that it can't be used twice.
        let handover = self.state.handover.take().filter(|h| h.epoch == written);
        let alone = own > 0 && written == own && epoch <= own.saturating_add(1);
        if !alone {
            let first = own == 0 && written == 0 && epoch <= 1;
            let known = handover.is_some_and(|h| self.take_over(now, &h));
            let wait = if known || ran_out { 0 } else { INHERIT_NS };
            let since = now.mono_ns;
            self.office.lead.inherited = (!first).then_some(Inherited { since, wait });
            // At once, whenever the last one was.
            self.read_tried_at = None;
        }
        self.raise_epoch(epoch);
    }

    /// The promises of a predecessor become ours; false when they make no sense.
    fn take_over(&mut self, now: Now, h: &Handover) -> bool {
        let sane = |m: Money| m >= Decimal::ZERO && believable(m);
        if !h.promises.iter().all(|p| sane(p.ceiling) && sane(p.risk)) {
            return false;
        }
        for p in &h.promises {
            let symbol = p.symbol.as_str().into();
            self.ledger
                .inherit(now, &symbol, &p.task_uid, &p.strategy, p.ceiling, p.risk);
        }
        self.rates.inherit(now, &h.shares);
        true
    }

    /// The lead ends. While it still stands, the next leader is told what was promised.
    pub(super) fn step_down(&mut self, now: Now) {
        if !self.office.leading() {
            return;
        }
        self.office.lead.since = None;
        // Promises of our own predecessor that may live are not known, so the next leader must wait for them as we would.
        let clear = self.office.lead.clear(now, self.picture.read.map(|r| r.0));
        // What could not be read is not written over, not even with a last word.
        if clear && self.unread.is_none() {
            let promises = self.ledger.standing();
            let promises = promises.map(|(symbol, strategy, p)| HandedPromise {
                symbol: symbol.to_string(),
                strategy: strategy.into(),
                task_uid: p.task.clone(),
                ceiling: p.ceiling,
                risk: p.risk,
            });
            self.state.handover = Some(Handover {
                epoch: self.state.epoch,
                promises: promises.collect(),
                shares: self.rates.in_force(now),
            });
            self.office.lead.handing = Some(Handing::Wanted);
        }
    }

    /// A worker has honoured an epoch: ours must be above any that is not ours.
    pub(super) fn echo(
        &mut self,
        now: Now,
        symbol: &str,
        seen: u64,
        out: &mut Vec<GuardianEffect>,
    ) {
        if seen <= self.office.epoch {
            return;
        }
        let own = self.office.epoch.max(self.state.epoch).max(self.echoed);
        if !believable_epoch(own, seen) {
            if self.office.leading() && !self.office.lead.wild_told {
                self.office.lead.wild_told = true;
                let text = format!("a worker names epoch {seen}, ours is {own}: not believed");
                let symbol = Some(symbol.into());
                out.push(alert(
                    Severity::Warning,
                    "EpochNotBelieved",
                    symbol.as_ref(),
                    text,
                ));
            }
            return;
        }
        self.echoed = self.echoed.max(seen);
        if self.office.leading() {
            self.office.lead.inherited = Some(Inherited {
                since: now.mono_ns,
                wait: INHERIT_NS,
            });
            self.raise_epoch(seen + 1);
        }
    }

    /// The message store has gone back: nothing said under this epoch counts any more. Our own promises are still known.
    pub(super) fn fence_lost(&mut self) {
        if self.office.leading() {
            self.raise_epoch(self.office.epoch.saturating_add(1));
        }
    }

    /// The message store does not acknowledge the fence, or does again. No reason to step down: whoever came instead would
    /// hear no more of it, and exits need no store.
    pub(super) fn fence_heard(&mut self, heard: bool, out: &mut Vec<GuardianEffect>) {
        if self.office.lead.unheard != heard {
            return;
        }
        self.office.lead.unheard = !heard;
        let (severity, code, text) = if heard {
            let text = "the message store acknowledges the fence again";
            (Severity::Info, "FenceHeard", text)
        } else {
            let text = "the message store acknowledges no fence: nothing is granted until it does, as neither its going back \
                        nor a second leader would be noticed";
            (Severity::Critical, "FenceUnheard", text)
        };
        out.push(alert(severity, code, None, text.into()));
    }

    /// A worker says that it has seen the store go back under our own epoch. The leader may have raised the epoch for that
    /// before the worker noticed, and would wait for ever for one that will not take it: it raises once more.
    pub(super) fn fence_lost_by_worker(&mut self, now: Now, epoch_seen: u64) {
        let own = self.office.epoch;
        let lead = &mut self.office.lead;
        let rested = lead
            .fenced_at
            .is_none_or(|t| now.mono_since(t) >= FENCE_EVERY_NS);
        if lead.since.is_some() && epoch_seen == own && rested {
            lead.fenced_at = Some(now.mono_ns);
            self.fence_lost();
        }
    }

    fn raise_epoch(&mut self, at_least: u64) {
        let epoch = at_least.max(self.state.epoch.saturating_add(1));
        self.office.epoch = epoch;
        self.state.epoch = epoch;
        self.office.dirty(true, false);
    }

    /// Before any event: a lead that has run out is over.
    pub(super) fn lapse(&mut self, now: Now, out: &mut Vec<GuardianEffect>) {
        if self.office.lead.lapse(now) {
            self.touched = true;
            let text = "the lead ran out before it was renewed: nothing is granted or ordered until it is taken again";
            out.push(alert(
                Severity::Warning,
                "LeadershipLapsed",
                None,
                text.into(),
            ));
        }
    }
}

/// A worker that may be running asked within this time.
pub(super) const THERE_NS: u64 = ms(9000);
