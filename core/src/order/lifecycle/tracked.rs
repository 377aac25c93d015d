//! What is known of one own order, and how evidence about it adds up whatever the sequence it comes in.

use super::types::{EndReason, OrderState};
use crate::fixed::{Qty, Side};
use crate::order::{EntryKind, NewOrder, OpenOrder, OrderKind, OrderStatus, TimeInForce};
use crate::time::{NS_PER_MS, Now};

const FIRST_PAUSE_NS: u64 = 250 * NS_PER_MS;
const LONGEST_PAUSE_NS: u64 = 1_000 * NS_PER_MS;
/// A query is taken for lost after this; the shell answers every request, so this only guards against its faults.
const QUERY_LOST_NS: u64 = 5_000 * NS_PER_MS;

/// One own order that is not known to be over.
#[derive(Clone, Debug)]
pub(super) struct Tracked {
    pub purpose: EntryKind,
    pub side: Side,
    pub qty: Qty,
    /// Sum of the fills seen, each once.
    pub seen: Qty,
    /// Largest cumulative fill the venue has told.
    pub told: Qty,
    pub state: OrderState,
    pub order_id: u64,
    /// Liveness time of the latest change of knowledge.
    pub touched_ns: u64,
    /// Venue time after which the exchange can't accept the request any more; `None` while a reply is awaited.
    pub dead_after_ms: Option<i64>,
    pub end: Option<EndReason>,
    /// Liveness time at which `end` was learned.
    pub ended_ns: u64,
    /// Venue time of a query that came too late to be overtaken and found nothing.
    pub absent_ms: Option<i64>,
    /// A cancel is wanted; liveness time it was last sent.
    pub cancel_ns: Option<u64>,
    /// Never rests: a market, IOC or FOK order.
    pub immediate: bool,
    asked: Option<Now>,
    ask_after_ns: u64,
    pause_ns: u64,
}

impl Tracked {
    pub fn sent(now: Now, o: &NewOrder) -> Self {
        Self {
            purpose: o.purpose,
            side: o.side,
            qty: o.qty,
            seen: Qty::ZERO,
            told: Qty::ZERO,
            state: OrderState::Sent,
            order_id: 0,
            touched_ns: now.mono_ns,
            dead_after_ms: None,
            end: None,
            ended_ns: 0,
            absent_ms: None,
            cancel_ns: None,
            immediate: match o.kind {
                OrderKind::Market => true,
                OrderKind::Limit { tif, .. } => {
                    matches!(tif, TimeInForce::Ioc | TimeInForce::Fok)
                }
            },
            asked: None,
            ask_after_ns: 0,
            pause_ns: FIRST_PAUSE_NS,
        }
    }

    /// An order found at the venue: what it filled before counts as history.
    pub fn found(now: Now, o: &OpenOrder) -> Self {
        Self {
            purpose: if o.reduce_only {
                EntryKind::Exit
            } else {
                EntryKind::Entry
            },
            side: o.side,
            qty: o.qty,
            seen: o.filled,
            told: o.filled,
            state: OrderState::Working,
            order_id: o.order_id,
            touched_ns: now.mono_ns,
            dead_after_ms: Some(now.market_ms),
            end: None,
            ended_ns: 0,
            absent_ms: None,
            cancel_ns: None,
            immediate: o.price.is_none(),
            asked: None,
            ask_after_ns: 0,
            pause_ns: FIRST_PAUSE_NS,
        }
    }

    /// Takes in a status with its cumulative fill, from stream or query. Ends are never taken back, fills never shrink.
    pub fn merge(&mut self, now: Now, order_id: u64, status: OrderStatus, filled: Qty) {
        self.order_id = order_id;
        self.told = self.told.max(filled);
        self.absent_ms = None;
        self.touched_ns = now.mono_ns;
        self.dead_after_ms.get_or_insert(now.market_ms);
        if self.end.is_some() {
            return;
        }
        self.pause_ns = FIRST_PAUSE_NS;
        self.state = if self.told.is_zero() {
            OrderState::Working
        } else {
            OrderState::PartiallyFilled
        };
        let reason = match status {
            OrderStatus::New | OrderStatus::PartiallyFilled => return,
            OrderStatus::Filled => EndReason::Filled,
            OrderStatus::Canceled => EndReason::Canceled,
            OrderStatus::Expired | OrderStatus::ExpiredInMatch => EndReason::Expired,
            OrderStatus::Rejected => EndReason::Rejected,
        };
        self.finish(now, reason);
    }

    pub fn finish(&mut self, now: Now, reason: EndReason) {
        self.state = OrderState::Final;
        self.end = Some(reason);
        self.ended_ns = now.mono_ns;
    }

    /// What it may still add to the fills seen, at worst.
    pub fn outstanding(&self) -> Qty {
        let most = if self.end.is_some() {
            self.told
        } else {
            self.qty
        };
        Qty((most - self.seen).0.max(0))
    }

    /// How long after its last sign of life it is asked for, liveness ns; `None`: not at all.
    fn patience_ns(&self) -> Option<u64> {
        match self.state {
            OrderState::Sent => Some(2_000 * NS_PER_MS),
            OrderState::Accepted => Some(500 * NS_PER_MS),
            OrderState::Unknown => Some(0),
            OrderState::Working | OrderState::PartiallyFilled if self.immediate => {
                Some(1_000 * NS_PER_MS)
            }
            OrderState::Working | OrderState::PartiallyFilled => {
                self.cancel_ns.map(|_| 1_000 * NS_PER_MS)
            }
            OrderState::Final => None,
        }
    }

    /// True when a query is due; it is then noted as sent.
    pub fn ask(&mut self, now: Now) -> bool {
        let Some(patience) = self.patience_ns() else {
            return false;
        };
        if self
            .asked
            .is_some_and(|a| now.mono_since(a.mono_ns) < QUERY_LOST_NS)
            || now.mono_ns < self.ask_after_ns
            || now.mono_since(self.touched_ns) < patience
        {
            return false;
        }
        self.asked = Some(now);
        self.ask_after_ns = now.mono_ns + self.pause_ns;
        self.pause_ns = (self.pause_ns * 2).min(LONGEST_PAUSE_NS);
        true
    }

    /// Asks as soon as possible.
    pub fn doubt(&mut self) {
        self.touched_ns = 0;
        self.ask_after_ns = 0;
    }

    /// A query was answered; when it had been sent, if it was.
    pub fn answered(&mut self) -> Option<Now> {
        self.asked.take()
    }
}
