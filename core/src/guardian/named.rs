//! Transfers that a frame of the account's stream names, and the rows of the history that tell of them again.
//!
//! The frame comes with the balance it changed, so the marks are adjusted before the change can look like a loss. The history
//! has the same transfer later, or earlier when a read overtakes the frame, under an id that the frame does not carry: amount
//! and time make them one, and each frame pairs with one row. What is paired is written with the marks.

use super::event::{NamedTransfer, Transfer};
use super::{Guardian, equity};
use crate::fixed::Money;
use crate::risk::margin::believable;

/// Frame and row of one transfer are at most this far apart, venue ms. Generous: too little counts one twice, too much only
/// lets an equal one whose frame was lost wait for its own row.
const APART_MS: i64 = 600_000;
/// Transfers by frame, and rows without one, remembered at most.
const REMEMBERED: usize = 200;

/// The place of the one nearest in time to `ms`, if one is near.
fn nearest(times: impl Iterator<Item = (usize, i64)>, ms: i64) -> Option<usize> {
    let apart = |at: i64| at.saturating_sub(ms).saturating_abs();
    let near = times.filter(|t| apart(t.1) <= APART_MS);
    near.min_by_key(|t| apart(t.1)).map(|t| t.0)
}

impl Guardian {
    /// A frame says that this was transferred.
    pub(super) fn transfer_named(&mut self, event_ms: i64, amount: Money) {
        // Before the first marks there is nothing to adjust, and a follower's marks are the leader's.
        let since = self.state.transfers_since_ms.unwrap_or(i64::MAX);
        let real = !amount.is_zero() && believable(amount) && event_ms >= since;
        if !real || !self.office.leading() {
            return;
        }
        let known = &self.state.named;
        if known
            .iter()
            .any(|n| (n.event_ms, n.amount) == (event_ms, amount))
        {
            return;
        }
        let rows = &mut self.transfers.unnamed;
        let same = rows.iter().enumerate().filter(|(_, r)| r.1 == amount);
        let row = nearest(same.map(|(i, r)| (i, r.0)), event_ms).and_then(|i| rows.remove(i));
        if row.is_none() {
            let t = Transfer {
                id: 0,
                venue_ms: event_ms,
                amount,
            };
            equity::transferred(&mut self.state, &mut self.transfers.highs, &t);
        }
        self.state.named.push(NamedTransfer {
            event_ms,
            amount,
            read: row.is_some(),
        });
        self.office.dirty(true, false);
    }

    /// Is this row one that a frame has named? Then it is in the marks.
    pub(super) fn row_of_named(&mut self, t: &Transfer) -> bool {
        let waiting = |n: &NamedTransfer| !n.read && n.amount == t.amount;
        let all = self.state.named.iter().enumerate();
        let all = all
            .filter(|(_, n)| waiting(n))
            .map(|(i, n)| (i, n.event_ms));
        let Some(n) = nearest(all, t.venue_ms).and_then(|i| self.state.named.get_mut(i)) else {
            return false;
        };
        n.read = true;
        true
    }

    /// Rows from before `since` count no more, so neither do frames whose row would be one of them.
    pub(super) fn forget_named(&mut self, since: i64) {
        let named = &mut self.state.named;
        named.retain(|n| n.event_ms.saturating_add(APART_MS) >= since);
        // One whose row is still to come would be counted twice without its frame: those go last.
        while named.len() > REMEMBERED {
            let done = named.iter().position(|n| n.read);
            named.remove(done.unwrap_or(0));
        }
        let rows = &mut self.transfers.unnamed;
        rows.drain(..rows.len().saturating_sub(REMEMBERED));
    }
}
