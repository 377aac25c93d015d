//! The guardian's own state is missing: a new account, or something was lost.
//!
//! Missing is expected only where nothing speaks of a past: no order, stop or position at the venue, no change of hands of
//! the leader lock, no worker that has honoured an epoch. Otherwise peak, day start and latches are gone that ought to
//! hold, and only a person can say that trading may go on.

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

impl Guardian {
    pub(super) fn state_missing(&mut self, transitions: u64) {
        if !self.office.leading() {
            self.missing = Some(Missing {
                transitions,
                told: false,
            });
        }
    }

    /// While leading and read: was there a past?
    pub(super) fn judge_missing(&mut self, now: Now, out: &mut Vec<GuardianEffect>) {
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
