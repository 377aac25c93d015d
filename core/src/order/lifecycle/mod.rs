//! Every own plain order from intent to end.
//!
//! ORDER_TRADE_UPDATE is the source of fills (the venue's trade list fills gaps after a reconnect), each trade counts once, and
//! evidence converges to one state in whatever sequence it comes. An order with an unknown outcome blocks its intent until
//! stream or query shows it, or until it is proven absent: a query later than its last possible acceptance finds nothing,
//! *and* a read after that shows position and trades unchanged. This machine resends nothing: entries are decided anew,
//! exits are derived anew from the position, both by the caller. Borders: emits [`OrdersOut`]; ids come from `client_id`.

mod read;
#[cfg(test)]
mod tests;
mod tracked;
mod types;

pub use types::{EndReason, OrderState, OrdersOut, Origin};

use super::client_id::{self, Role};
use super::{
    CancelTarget, ClientId, EntryKind, NewOrder, OrderUpdate, Refusal, ReplyTo, TradeFill,
    VenueReply,
};
use crate::fixed::{Qty, Side};
use crate::messages::{Alert, Severity};
use crate::time::{NS_PER_MS, Now};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tracked::Tracked;

/// Beyond the request's own window: what the venue's clock and queues may add before a missing order is truly missing, venue ms.
pub const ABSENCE_MARGIN_MS: i64 = 1_000;
const KEEP_DONE: usize = 512;
const KEEP_TRADES: usize = 8_192;
const READ_PAUSE_NS: u64 = 500 * NS_PER_MS;
const CANCEL_PAUSE_NS: u64 = 1_000 * NS_PER_MS;
const FILLS_LOST_NS: u64 = 15_000 * NS_PER_MS;
const REPLY_LOST_NS: u64 = 30_000 * NS_PER_MS;

/// An order that is over, remembered for late events.
#[derive(Clone, Debug)]
struct Done {
    last: Tracked,
    /// Concluded, not shown: a sign of life brings it back.
    inferred: bool,
}

/// Tracks the plain orders of one symbol.
#[derive(Clone, Debug)]
pub struct Orders {
    symbol: String,
    account: String,
    open: BTreeMap<ClientId, Tracked>,
    done: BTreeMap<ClientId, Done>,
    done_order: VecDeque<ClientId>,
    trades: BTreeSet<u64>,
    /// Trades at or below were counted and forgotten.
    trades_floor: u64,
    /// Position by the last read plus the fills seen since, in lots; `None` before the first read.
    model: Option<i64>,
    read_after_ns: u64,
}

impl Orders {
    /// A tracker for `account` (`namespace/name`) and symbol.
    pub fn new(account: &str, symbol: &str) -> Self {
        Self {
            symbol: symbol.into(),
            account: account.into(),
            open: BTreeMap::new(),
            done: BTreeMap::new(),
            done_order: VecDeque::new(),
            trades: BTreeSet::new(),
            trades_floor: 0,
            model: None,
            read_after_ns: 0,
        }
    }

    /// An order is being sent: call when its effect is emitted. An id known already changes nothing.
    pub fn on_sent(&mut self, now: Now, order: &NewOrder) {
        if !self.done.contains_key(&order.client_id) {
            self.open
                .entry(order.client_id.clone())
                .or_insert_with(|| Tracked::sent(now, order));
        }
    }

    /// A reply; those to other requests are ignored.
    pub fn on_reply(
        &mut self,
        now: Now,
        to: &ReplyTo,
        reply: &VenueReply,
        out: &mut Vec<OrdersOut>,
    ) {
        match to {
            ReplyTo::Place(id) => self.on_place_reply(now, id, reply),
            ReplyTo::Query(CancelTarget::Order(id)) => self.on_query_reply(now, id, reply),
            ReplyTo::Cancel(CancelTarget::Order(id)) => {
                if let (Some(t), VenueReply::Order(o)) = (self.open.get_mut(id), reply) {
                    t.merge(now, o.order_id, o.status, o.filled);
                } else if let (Some(t), VenueReply::Refused(Refusal::NotFound)) =
                    (self.open.get_mut(id), reply)
                {
                    t.doubt();
                }
            }
            _ => return,
        }
        self.settle(now, out);
    }

    fn on_place_reply(&mut self, now: Now, id: &ClientId, reply: &VenueReply) {
        let Some(t) = self.open.get_mut(id) else {
            return;
        };
        if let VenueReply::Order(o) = reply {
            t.merge(now, o.order_id, o.status, o.filled);
            return;
        }
        if !matches!(t.state, OrderState::Sent) {
            return; // The stream was faster: it has shown more than a reply can.
        }
        t.touched_ns = now.mono_ns;
        match reply {
            VenueReply::Accepted { id } => {
                t.state = OrderState::Accepted;
                t.order_id = *id;
                t.dead_after_ms = Some(now.market_ms);
            }
            VenueReply::Unknown { dead_after_ms, .. } => {
                t.state = OrderState::Unknown;
                t.dead_after_ms = Some(*dead_after_ms);
            }
            // The id is open: an earlier transmission of this very request had effect.
            VenueReply::Refused(Refusal::DuplicateId) => {
                t.state = OrderState::Unknown;
                t.dead_after_ms = Some(now.market_ms);
            }
            VenueReply::Refused(r) => t.finish(now, EndReason::Refused(r.clone())),
            VenueReply::Order(_) | VenueReply::Stop(_) => {}
        }
    }

    fn on_query_reply(&mut self, now: Now, id: &ClientId, reply: &VenueReply) {
        let Some(t) = self.open.get_mut(id) else {
            return;
        };
        let asked = t.answered();
        match reply {
            VenueReply::Order(o) => t.merge(now, o.order_id, o.status, o.filled),
            VenueReply::Refused(Refusal::NotFound) if t.end.is_none() => {
                if let (Some(asked), Some(dead)) = (asked, t.dead_after_ms)
                    && asked.market_ms > dead.saturating_add(ABSENCE_MARGIN_MS)
                {
                    t.absent_ms = Some(asked.market_ms);
                }
            }
            _ => {}
        }
    }

    /// ORDER_TRADE_UPDATE, duplicated and reordered as it may be.
    pub fn on_update(&mut self, now: Now, u: &OrderUpdate, out: &mut Vec<OrdersOut>) {
        self.revive(now, &u.client_id, out);
        if let Some(fill) = &u.fill {
            self.count(
                &u.client_id,
                u.order_id,
                u.side,
                fill,
                u.transact_ms,
                false,
                out,
            );
        }
        if let Some(t) = self.open.get_mut(&u.client_id) {
            t.merge(now, u.order_id, u.status, u.filled);
        }
        self.settle(now, out);
    }

    /// Time passed.
    pub fn on_tick(&mut self, now: Now, out: &mut Vec<OrdersOut>) {
        self.settle(now, out);
        let mut read = false;
        for (id, t) in &mut self.open {
            if t.state == OrderState::Sent && now.mono_since(t.touched_ns) > REPLY_LOST_NS {
                t.state = OrderState::Unknown;
                t.dead_after_ms = Some(now.market_ms);
            }
            if t.ask(now) {
                out.push(OrdersOut::Query(id.clone()));
            }
            if t.end.is_none()
                && t.cancel_ns
                    .is_some_and(|at| now.mono_since(at) >= CANCEL_PAUSE_NS)
            {
                t.cancel_ns = Some(now.mono_ns);
                out.push(OrdersOut::Cancel(id.clone()));
            }
            read |= t.absent_ms.is_some()
                || (t.end.is_some() && now.mono_since(t.ended_ns) > READ_PAUSE_NS);
        }
        if read && now.mono_ns >= self.read_after_ns {
            self.read_after_ns = now.mono_ns + READ_PAUSE_NS;
            out.push(OrdersOut::Reconcile);
        }
    }

    /// Cancels every entry that may still work, and keeps at it until each is over.
    pub fn cancel_entries(&mut self, now: Now, out: &mut Vec<OrdersOut>) {
        for (id, t) in &mut self.open {
            if t.purpose == EntryKind::Entry && t.end.is_none() && t.cancel_ns.is_none() {
                t.cancel_ns = Some(now.mono_ns);
                out.push(OrdersOut::Cancel(id.clone()));
            }
        }
    }

    /// Worst case still to be added by entries not known to be over, unknown outcomes included; a size.
    pub fn open_entry_qty(&self) -> Qty {
        self.outstanding(EntryKind::Entry)
    }

    /// The same for exits.
    pub fn open_exit_qty(&self) -> Qty {
        self.outstanding(EntryKind::Exit)
    }

    fn outstanding(&self, purpose: EntryKind) -> Qty {
        self.open
            .values()
            .filter(|t| t.purpose == purpose)
            .fold(Qty::ZERO, |sum, t| sum + t.outstanding())
    }

    /// An exit not known to be over.
    pub fn in_flight_exit(&self) -> Option<&ClientId> {
        self.open
            .iter()
            .find(|(_, t)| t.purpose == EntryKind::Exit)
            .map(|(id, _)| id)
    }

    /// Where an order stands; `None` when it is over or not ours.
    pub fn state(&self, id: &ClientId) -> Option<OrderState> {
        self.open.get(id).map(|t| t.state)
    }

    /// Some order's outcome is unknown.
    pub fn any_unknown(&self) -> bool {
        self.open.values().any(|t| t.state == OrderState::Unknown)
    }

    /// No own plain order is anything but over.
    pub fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// Brings back an order that was thought refused or absent when the venue shows it after all.
    fn revive(&mut self, now: Now, id: &ClientId, out: &mut Vec<OrdersOut>) {
        let Some(done) = self.done.get(id).filter(|d| d.inferred) else {
            return;
        };
        let mut t = done.last.clone();
        t.end = None;
        t.state = OrderState::Working;
        if t.purpose == EntryKind::Entry {
            t.cancel_ns = Some(now.mono_ns);
            out.push(OrdersOut::Cancel(id.clone()));
        }
        self.done.remove(id);
        self.open.insert(id.clone(), t);
        out.push(self.alert(
            Severity::Critical,
            "OrderCameAlive",
            format!("{id} was taken for absent and works at the venue; an entry is cancelled"),
        ));
    }

    /// Counts a trade once and tells of it; false when it was counted before.
    #[allow(clippy::too_many_arguments)]
    fn count(
        &mut self,
        id: &ClientId,
        order_id: u64,
        side: Side,
        fill: &TradeFill,
        transact_ms: i64,
        in_position: bool,
        out: &mut Vec<OrdersOut>,
    ) -> bool {
        if !self.mark_seen(fill.trade_id) {
            return false;
        }
        if let (Some(model), false) = (&mut self.model, in_position) {
            *model += side.sign() * fill.qty.0;
        }
        let origin = if let Some(t) = self.open.get_mut(id) {
            t.seen = t.seen + fill.qty;
            t.told = t.told.max(t.seen);
            Origin::Own(t.purpose)
        } else if let Some(d) = self.done.get(id) {
            Origin::Own(d.last.purpose)
        } else if client_id::is_forced_close(id) {
            Origin::Forced
        } else {
            Origin::Other
        };
        out.push(OrdersOut::Filled {
            client_id: id.clone(),
            order_id,
            origin,
            side,
            fill: fill.clone(),
            transact_ms,
        });
        true
    }

    fn mark_seen(&mut self, trade_id: u64) -> bool {
        if trade_id <= self.trades_floor || !self.trades.insert(trade_id) {
            return false;
        }
        if self.trades.len() > KEEP_TRADES
            && let Some(lowest) = self.trades.pop_first()
        {
            self.trades_floor = lowest;
        }
        true
    }

    /// Lets go of orders that are over and fully told.
    fn settle(&mut self, now: Now, out: &mut Vec<OrdersOut>) {
        let over: Vec<ClientId> = self
            .open
            .iter()
            .filter(|(_, t)| {
                t.end.is_some() && (t.seen >= t.told || now.mono_since(t.ended_ns) > FILLS_LOST_NS)
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in over {
            let Some(t) = self.open.remove(&id) else {
                continue;
            };
            let Some(reason) = t.end.clone() else {
                continue;
            };
            if t.seen < t.told {
                out.push(self.alert(
                    Severity::Warning,
                    "FillsMissing",
                    format!("{id}: the venue tells {} lots filled, {} were seen as trades; the position is the venue's", t.told.0, t.seen.0),
                ));
            }
            out.push(OrdersOut::Ended {
                client_id: id.clone(),
                purpose: t.purpose,
                filled: t.told,
                reason: reason.clone(),
            });
            let inferred = matches!(reason, EndReason::Refused(_) | EndReason::Absent);
            self.done.insert(id.clone(), Done { last: t, inferred });
            self.done_order.push_back(id);
            if self.done_order.len() > KEEP_DONE
                && let Some(old) = self.done_order.pop_front()
                && !self.done_order.contains(&old)
            {
                self.done.remove(&old);
            }
        }
    }

    fn is_own_worker(&self, id: &ClientId) -> bool {
        client_id::is_ours(&self.account, id)
            && client_id::parse(id).is_some_and(|p| p.role == Role::Worker)
    }

    fn alert(&self, severity: Severity, code: &str, text: String) -> OrdersOut {
        OrdersOut::Alert(Alert {
            severity,
            code: code.into(),
            symbol: Some(self.symbol.clone()),
            text,
        })
    }
}
