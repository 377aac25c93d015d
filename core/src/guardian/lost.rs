//! The guardian's own state is missing: a new account, or something was lost.
//!
//! Missing is expected only where nothing speaks of a past: no order, stop or position at the venue, no change of hands of
//! the leader lock, no worker that has honoured an epoch. Otherwise peak, day start and latches are gone that ought to
//! hold, and only a person can say that trading may go on. A state that can't be read is another thing: it is there, so it is
//! neither judged nor written over. Nothing is granted until it has been read.

use super::event::GuardianEffect;
use super::{Guardian, STATE_LOST, alert};
use crate::messages::Severity;
use crate::order::client_id;
use crate::time::Now;

/// A state that was not found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missing {
    transitions: u64,
    /// Taken for a new account; a worker may still gainsay that.
    told: bool,
}

/// A state that could not be read.
#[derive(Clone, Debug)]
pub(super) struct Unread {
    why: String,
    told: bool,
}

impl Guardian {
    pub(super) fn state_unread(&mut self, why: &str) {
        if !self.office.leading() {
            let why = why.into();
            self.unread = Some(Unread { why, told: false });
        }
    }

    /// While leading: people hear once that the state can't be read, and once that it can.
    fn tell_unread(&mut self, out: &mut Vec<GuardianEffect>) {
        if let Some(u) = self.unread.as_mut().filter(|u| !u.told) {
            u.told = true;
            self.unread_told = true;
            let text = format!(
                "the guardian's state can't be read ({}): no new risk until it can; the account is guarded",
                u.why
            );
            out.push(alert(Severity::Critical, "StateUnread", None, text));
        }
        if self.unread.is_none() && std::mem::take(&mut self.unread_told) {
            let latches = self.latches().join(", ");
            let text = format!("the guardian's state is read; latches in force: [{latches}]");
            out.push(alert(Severity::Info, "StateRead", None, text));
        }
    }

    pub(super) fn state_missing(&mut self, transitions: u64) {
        if !self.office.leading() {
            self.unread = None;
            self.missing = Some(Missing {
                transitions,
                told: false,
            });
        }
    }

    /// While leading and read: was there a past?
    pub(super) fn judge_missing(&mut self, now: Now, out: &mut Vec<GuardianEffect>) {
        self.tell_unread(out);
        let Some(mut missing) = self.missing.filter(|_| self.picture.read.is_some()) else {
            return;
        };
        let mut signs = Vec::new();
        if missing.transitions > 0 {
            signs.push(format!(
                "the leader lock has changed hands {} times",
                missing.transitions
            ));
        }
        if self.echoed > 0 {
            signs.push(format!("a worker has honoured epoch {}", self.echoed));
        }
        // What this guardian itself does comes later: only the first look counts.
        if !missing.told && self.traces() {
            signs.push("the exchange shows positions or orders of this account".into());
        }
        if signs.is_empty() {
            if !missing.told {
                missing.told = true;
                self.missing = Some(missing);
                let text = "no guardian state and no sign of an earlier one: peak equity and day start begin now";
                out.push(alert(Severity::Info, "StateNew", None, text.into()));
            }
            return;
        }
        self.missing = None;
        self.state.latches.insert(STATE_LOST.into(), now.market_ms);
        self.office.dirty(true, false);
        self.touched = true;
        let text = format!(
            "the guardian's state is lost ({}): no new risk until a person releases the latch {STATE_LOST}. Peak equity \
             and day start begin now, latches set before are gone: check them first",
            signs.join("; ")
        );
        out.push(alert(Severity::Critical, "StateLost", None, text));
    }

    /// A position, or an order or stop of ours.
    fn traces(&self) -> bool {
        let account = &self.config.account.account;
        self.picture.symbols.values().any(|v| {
            let mut ids = v.orders.keys().chain(v.stops.keys());
            !v.qty.is_zero() || ids.any(|id| client_id::is_ours(account, id))
        })
    }
}
