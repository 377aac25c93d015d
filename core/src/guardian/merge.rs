//! How a read of the venue and the frames of the stream become one picture of a symbol.
//!
//! What the stream has told since the read was asked for stands, unless the read proves itself newer; orders and stops
//! the stream has seen ended are not revived by a read that was under way.

use super::picture::{OrderView, StopView, SymbolView};
use crate::fixed::{Money, Qty};
use crate::instrument::{Symbol, SymbolInfo};
use crate::order::{AlgoOrder, ClientId, OpenOrder, VenueState};
use crate::time::Now;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// A read of the account, borrowed from its event.
pub(super) struct ReadOf<'a> {
    pub venue_ms: i64,
    pub wallet: Money,
    /// Mark prices of positions.
    pub marks: &'a BTreeMap<Symbol, Decimal>,
    pub symbols: &'a BTreeMap<Symbol, VenueState>,
    /// Contracts with a position or orders that are not known here.
    pub strange: &'a [String],
}

pub(super) fn stop_view(
    now: Now,
    info: Option<&SymbolInfo>,
    s: &AlgoOrder,
    was: Option<&StopView>,
) -> StopView {
    StopView {
        side: s.side,
        trigger: info.map_or(Decimal::ZERO, |i| i.instrument.price_dec(s.trigger)),
        qty: s.qty,
        heard_at: now.mono_ns,
        cancelled_at: was.and_then(|w| w.cancelled_at),
    }
}

pub(super) fn order_view(
    now: Now,
    info: Option<&SymbolInfo>,
    o: &OpenOrder,
    was: Option<&OrderView>,
) -> OrderView {
    OrderView {
        left: Qty(o.qty.0.saturating_sub(o.filled.0)),
        price: o.price.zip(info).map(|(p, i)| i.instrument.price_dec(p)),
        reduce_only: o.reduce_only,
        heard_at: now.mono_ns,
        cancelled_at: was.and_then(|w| w.cancelled_at),
    }
}

pub(super) fn merge(
    now: Now,
    account: &str,
    info: Option<&SymbolInfo>,
    v: &mut SymbolView,
    read: &VenueState,
    asked_at: u64,
) {
    let p = &read.position;
    // The stream has spoken since the question: it is newer, unless the read proves itself newer still.
    let streamed = v.position_heard_at >= asked_at && v.position_ms > 0;
    if !streamed || p.update_ms > v.position_ms {
        if p.qty != v.qty || p.entry_price != v.entry || v.open_since.is_none() {
            v.set_position(now, p.qty, p.entry_price);
        }
        v.position_ms = v.position_ms.max(p.update_ms);
        v.isolated = p.isolated;
    }
    let kept: BTreeMap<ClientId, OrderView> = std::mem::take(&mut v.orders);
    for (id, o) in &kept {
        if o.heard_at >= asked_at {
            v.orders.insert(id.clone(), o.clone());
        }
    }
    for o in &read.orders {
        let ended = v.gone.get(&o.client_id).is_some_and(|t| *t >= asked_at);
        if !ended && !o.status.is_final() && !v.orders.contains_key(&o.client_id) {
            let view = order_view(now, info, o, kept.get(&o.client_id));
            v.orders.insert(o.client_id.clone(), view);
        }
    }
    let kept: BTreeMap<ClientId, StopView> = std::mem::take(&mut v.stops);
    for (id, s) in &kept {
        if s.heard_at >= asked_at {
            v.stops.insert(id.clone(), s.clone());
        }
    }
    for s in &read.stops {
        let ended = v.gone.get(&s.client_id).is_some_and(|t| *t >= asked_at);
        if !ended && s.status.is_working() && !v.stops.contains_key(&s.client_id) {
            let view = stop_view(now, info, s, kept.get(&s.client_id));
            v.stops.insert(s.client_id.clone(), view);
        }
    }
    v.gone.retain(|_, t| *t >= asked_at);
    v.unbooked.retain(|f| f.heard_at >= asked_at);
    if !v.qty.is_zero() {
        let ids = read.stops.iter().map(|s| &s.client_id);
        let ids = ids.chain(read.orders.iter().map(|o| &o.client_id));
        let ids = ids.chain(read.trades.iter().filter_map(|t| t.0.as_ref()));
        for id in ids.chain(&read.recent_ids) {
            v.note_id(account, id);
        }
        // That nothing open names it proves nothing: our own position looks so when its stop is gone.
        v.owner_read |= read.ids_read || v.own_tag.is_some();
    }
}
