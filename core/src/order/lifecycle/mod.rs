//! Every own plain order from intent to end.

mod types;

pub use types::{EndReason, OrdersOut, Origin};

use super::{CancelTarget, ClientId, NewOrder, OrderUpdate, ReplyTo, VenueReply, VenueState};
use crate::fixed::Qty;
use crate::time::Now;

/// Tracks the plain orders of one symbol.
#[derive(Clone, Debug)]
pub struct Orders {
    symbol: String,
    account: String,
}

impl Orders {
    /// A tracker for `account` (`namespace/name`) and symbol.
    pub fn new(account: &str, symbol: &str) -> Self {
        Self {
            symbol: symbol.into(),
            account: account.into(),
        }
    }
    /// An order is being sent: call when its effect is emitted.
    pub fn on_sent(&mut self, now: Now, order: &NewOrder) {
        let _ = (now, order, &self.symbol, &self.account);
    }
    /// A reply; those to other requests are ignored.
    pub fn on_reply(
        &mut self,
        now: Now,
        to: &ReplyTo,
        reply: &VenueReply,
        out: &mut Vec<OrdersOut>,
    ) {
        let _ = (now, to, reply, out, CancelTarget::Order);
    }
    /// ORDER_TRADE_UPDATE, duplicated and reordered as it may be.
    pub fn on_update(&mut self, now: Now, u: &OrderUpdate, out: &mut Vec<OrdersOut>) {
        let _ = (now, u, out);
    }
    /// A read of the venue.
    pub fn on_reconciled(&mut self, now: Now, s: &VenueState, out: &mut Vec<OrdersOut>) {
        let _ = (now, s, out);
    }
    /// Time passed.
    pub fn on_tick(&mut self, now: Now, out: &mut Vec<OrdersOut>) {
        let _ = (now, out);
    }
    /// Cancels every entry that may still work, and keeps at it until each is over.
    pub fn cancel_entries(&mut self, now: Now, out: &mut Vec<OrdersOut>) {
        let _ = (now, out);
    }
    /// Worst case still to be added by entries not known to be over, unknown outcomes included; a size.
    pub fn open_entry_qty(&self) -> Qty {
        Qty::ZERO
    }
    /// An exit not known to be over.
    pub fn in_flight_exit(&self) -> Option<&ClientId> {
        None
    }
    /// Some order's outcome is unknown.
    pub fn any_unknown(&self) -> bool {
        false
    }
    /// No own plain order is anything but over.
    pub fn is_idle(&self) -> bool {
        true
    }
}
