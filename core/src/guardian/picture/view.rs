//! One symbol as it is known: position, orders, stops, mark.
//!
//! A view holds what was heard and says what follows from it alone; when it is told something, and what a read may
//! overrule, is the picture's and the merge's.

use crate::fixed::{Qty, Side};
use crate::guardian::doubt::Word;
use crate::order::{ClientId, client_id};
use crate::risk::margin::believable;
use crate::time::Now;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// A working order, whoever's, as last heard.
#[derive(Clone, Debug)]
pub(in crate::guardian) struct OrderView {
    pub left: Qty,
    pub price: Option<Decimal>,
    pub reduce_only: bool,
    pub heard_at: u64,
    /// When a cancel was last sent for it.
    pub cancelled_at: Option<u64>,
}

/// A conditional order waiting for its trigger.
#[derive(Clone, Debug)]
pub(in crate::guardian) struct StopView {
    pub side: Side,
    pub trigger: Decimal,
    /// `None` closes the whole position: an anchor.
    pub qty: Option<Qty>,
    pub heard_at: u64,
    pub cancelled_at: Option<u64>,
}

/// An entry fill without its position yet.
#[derive(Clone, Debug)]
pub(in crate::guardian) struct Unbooked {
    pub heard_at: u64,
    pub venue_ms: i64,
    pub qty: Qty,
    pub price: Decimal,
}

/// One symbol.
#[derive(Clone, Debug, Default)]
pub(in crate::guardian) struct SymbolView {
    pub qty: Qty,
    pub entry: Decimal,
    pub isolated: bool,
    /// Venue ms of the newest position known.
    pub position_ms: i64,
    pub position_heard_at: u64,
    /// Liveness time since which it is not flat.
    pub open_since: Option<u64>,
    /// Liveness time since which it is flat (with orders left).
    pub flat_since: Option<u64>,
    /// Mark, index, and when its frame came.
    pub mark: Option<(Decimal, Decimal, u64)>,
    pub orders: BTreeMap<ClientId, OrderView>,
    pub stops: BTreeMap<ClientId, StopView>,
    /// Ids the stream has seen ended, so that a read under way can't revive them.
    pub gone: BTreeMap<ClientId, u64>,
    /// An id of ours was seen for this symbol since it was last flat, and its symbol tag.
    pub own_tag: Option<String>,
    /// Entry fills whose position has not been told.
    pub unbooked: Vec<Unbooked>,
    /// Whose this position is has been read: by an open order of ours, or by the orders that made it.
    pub owner_read: bool,
    /// What the stream last said of it, against the reads.
    pub word: Word<Qty>,
}

impl SymbolView {
    /// Value per unit: the mark, or the entry while no mark has come yet.
    pub fn value(&self) -> Option<Decimal> {
        let mark = self.mark.map(|m| m.0).filter(|m| *m > Decimal::ZERO);
        mark.or(Some(self.entry).filter(|e| *e > Decimal::ZERO))
    }

    /// The working anchor of the present position.
    pub fn anchor(&self) -> Option<(&ClientId, &StopView)> {
        let exit = self.qty.position_side()?.opposite();
        self.stops
            .iter()
            .find(|(_, s)| s.qty.is_none() && s.side == exit)
    }

    /// The stop that would close first, own or not, of the present position.
    pub fn nearest_stop(&self) -> Option<Decimal> {
        let exit = self.qty.position_side()?.opposite();
        let triggers = self
            .stops
            .values()
            .filter(|s| s.side == exit)
            .map(|s| s.trigger);
        match exit {
            Side::Sell => triggers.max(),
            Side::Buy => triggers.min(),
        }
    }

    pub fn note_id(&mut self, account: &str, id: &ClientId) {
        if client_id::is_ours(account, id)
            && let Some(p) = client_id::parse(id)
        {
            self.own_tag = Some(p.symbol_tag.to_string());
        }
    }

    pub fn set_position(&mut self, now: Now, qty: Qty, entry: Decimal) {
        let turned = self.qty.position_side() != qty.position_side();
        self.qty = qty;
        // Not a price: unknown, and the picture says so.
        self.entry = Some(entry).filter(|e| believable(*e)).unwrap_or_default();
        if qty.is_zero() {
            self.open_since = None;
            self.flat_since.get_or_insert(now.mono_ns);
            self.own_tag = None;
            self.owner_read = false;
        } else {
            self.flat_since = None;
            if turned || self.open_since.is_none() {
                self.open_since = Some(now.mono_ns);
            }
        }
    }
}
