//! What the order tracker tells.

use crate::fixed::{Qty, Side};
use crate::messages::Alert;
use crate::order::{ClientId, EntryKind, Refusal, TradeFill};

/// Where an own order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderState {
    /// On its way; no word yet.
    Sent,
    /// HTTP 200, not seen in stream or query.
    Accepted,
    /// Seen on the book.
    Working,
    /// Seen with some fills.
    PartiallyFilled,
    /// It may or may not have had effect.
    Unknown,
    /// Over, but not all of its fills were seen yet.
    Final,
}

/// Whose fill it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An order tracked here.
    Own(EntryKind),
    /// Liquidation, auto-deleveraging or settlement.
    Forced,
    /// Anything else: a triggered stop (ask the stop keeper), the coordinator, a person.
    Other,
}

/// Why an order is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// All filled.
    Filled,
    /// Cancelled.
    Canceled,
    /// Ended by its time in force or the exchange, perhaps after some fills.
    Expired,
    /// Rejected after acceptance.
    Rejected,
    /// Refused at the door.
    Refused(Refusal),
    /// Its outcome was unknown and is now proven: the venue never had it.
    Absent,
}

/// What the tracker wants done or known.
#[derive(Clone, Debug, PartialEq)]
pub enum OrdersOut {
    /// Query this order by id.
    Query(ClientId),
    /// Cancel this order by id.
    Cancel(ClientId),
    /// Read the venue: fills are missing or absence is to be proven.
    Reconcile,
    /// A fill, told exactly once for each trade id.
    Filled {
        /// Client id of the order; empty when the venue's read couldn't join it.
        client_id: ClientId,
        /// Venue order id, 0 when it is not known.
        order_id: u64,
        /// Whose.
        origin: Origin,
        /// Direction.
        side: Side,
        /// The fill.
        fill: TradeFill,
        /// Venue time of the trade, ms.
        transact_ms: i64,
    },
    /// An own order is over, told exactly once (again only when an order thought absent came alive).
    Ended {
        /// Which.
        client_id: ClientId,
        /// Entry or exit.
        purpose: EntryKind,
        /// Filled in total.
        filled: Qty,
        /// Why.
        reason: EndReason,
    },
    /// Tell people.
    Alert(Alert),
}
