//! Leaving: the reasons to leave at market, and one reduce-only order at a time until the position is gone.
//!
//! Every exit is derived anew from the position; none needs a grant, a book or a fresh mark. A refusal changes the pace, never
//! the aim.

use super::{Trader, TraderEffect};
use crate::fixed::Side;
use crate::messages::{ExitReason, Severity};
use crate::order::{ClientId, EndReason, EntryKind, NewOrder, OrderKind, Refusal, RefusalClass};
use crate::risk::exits::{ExitInputs, exit_due};
use crate::signal::effective;
use crate::time::{NS_PER_MS, Now};
use rust_decimal::Decimal;

/// Wall ms within which the exchange must have accepted an exit.
const EXIT_RECV_WINDOW_MS: u32 = 2000;
/// Pause after an ordinary refusal.
const RETRY_NS: u64 = 250 * NS_PER_MS;

/// The position is being left.
#[derive(Clone, Debug)]
pub struct Leaving {
    /// Why, the first reason that came.
    pub reason: ExitReason,
    next_ns: u64,
    /// The exchange forbade requests until then: not even a stop keeper's alarm shortens that.
    forbidden_ns: u64,
    refused: u32,
}

impl Leaving {
    /// As soon as possible.
    pub fn new(reason: ExitReason) -> Self {
        Self {
            reason,
            next_ns: 0,
            forbidden_ns: 0,
            refused: 0,
        }
    }

    /// Whatever pause there was is over, unless the exchange forbade requests.
    pub fn hurry(&mut self, now: Now) {
        self.next_ns = self.next_ns.min(now.mono_ns).max(self.forbidden_ns);
    }
}

/// The newest exit order sent.
#[derive(Clone, Debug)]
pub struct ExitOrder {
    /// Its id.
    pub id: ClientId,
    /// Why.
    pub reason: ExitReason,
    /// Mid at decision.
    pub mid: Decimal,
    /// Best price it would meet at decision.
    pub touch: Decimal,
}

impl Trader {
    /// Asks the exit policy.
    pub(super) fn check_exits(&mut self, now: Now, out: &mut Vec<TraderEffect>) {
        let qty = self.ledger.qty();
        let Some(side) = qty.position_side() else {
            return;
        };
        if self.leaving.is_some() {
            return;
        }
        let (Some(entry), Some(opened_ms)) = (self.ledger.entry_price(), self.ledger.opened_ms())
        else {
            return;
        };
        let price = self
            .feed
            .mark(now)
            .or_else(|| self.feed.mid())
            .unwrap_or(entry);
        let inputs = ExitInputs {
            side,
            entry,
            price,
            atr: self.plan.map(|p| p.atr),
            held_ms: now.market_since(opened_ms),
            signal: self.signal,
            max_hold_seconds: effective(&self.params, self.feed.regime()).max_hold_seconds,
        };
        if let Some(reason) = exit_due(&self.params.exits, &inputs) {
            self.leave(now, reason, out);
        }
    }

    /// Starts to leave, unless that has begun.
    pub(super) fn leave(&mut self, now: Now, reason: ExitReason, out: &mut Vec<TraderEffect>) {
        if self.leaving.is_none() && !self.ledger.qty().is_zero() {
            self.leaving = Some(Leaving::new(reason));
            self.drive_exit(now, out);
        }
    }

    /// Sends the next exit order when there is a position to leave and none is on its way.
    pub(super) fn drive_exit(&mut self, now: Now, out: &mut Vec<TraderEffect>) {
        let Some(leaving) = &self.leaving else { return };
        let qty = self.ledger.qty();
        let Some(held) = qty.position_side() else {
            if self.orders.in_flight_exit().is_none() {
                self.leaving = None;
            }
            return;
        };
        if self.orders.in_flight_exit().is_some() || now.mono_ns < leaving.next_ns {
            return;
        }
        let Some(ids) = &mut self.ids else { return };
        let reason = leaving.reason;
        let inst = &self.config.info.instrument;
        let side = held.opposite();
        let order = NewOrder {
            client_id: ids.next_id(),
            side,
            kind: OrderKind::Market,
            qty: qty.abs().min(inst.market_max_qty.min(inst.max_qty)),
            reduce_only: true,
            purpose: EntryKind::Exit,
            recv_window_ms: EXIT_RECV_WINDOW_MS,
        };
        let mid = self
            .feed
            .mid()
            .or(self.feed.last_mark())
            .or(self.ledger.entry_price())
            .unwrap_or(Decimal::ZERO);
        let touch = self.touch(side).map_or(mid, |p| inst.price_dec(p));
        self.exit_order = Some(ExitOrder {
            id: order.client_id.clone(),
            reason,
            mid,
            touch,
        });
        self.orders.on_sent(now, &order);
        let what = match side {
            Side::Sell => "selling",
            Side::Buy => "buying",
        };
        let text = format!(
            "{reason:?}: {what} {} at market, mid {mid}",
            inst.qty_dec(order.qty)
        );
        self.decisions
            .sent("Exit", text, order.client_id.clone(), out);
        out.push(TraderEffect::Place(order));
    }

    pub(super) fn on_exit_ended(
        &mut self,
        now: Now,
        id: &ClientId,
        end: &EndReason,
        out: &mut Vec<TraderEffect>,
    ) {
        let mut pause = 0;
        let mut blocked = false;
        match end {
            EndReason::Filled => {}
            EndReason::Absent | EndReason::Canceled | EndReason::Expired | EndReason::Rejected => {
                // What is left is the venue's to say.
                self.recon.want();
                pause = RETRY_NS;
            }
            EndReason::Refused(r) => {
                pause = r.waits().exit.saturating_mul(NS_PER_MS);
                match (r, r.class()) {
                    (Refusal::ReduceOnly, _) => {
                        blocked = true;
                        self.recon.want();
                    }
                    (_, RefusalClass::Later | RefusalClass::Clock) => {}
                    (other, _) => {
                        out.push(self.alert(
                            Severity::Critical,
                            "ExitRefused",
                            format!("{id}: {other}; tried again"),
                        ));
                        self.recon.want();
                    }
                }
            }
        }
        if let Some(l) = &mut self.leaving {
            if pause > 0 {
                l.refused = (l.refused + 1).min(4);
                pause <<= l.refused - 1;
            } else {
                l.refused = 0;
            }
            l.next_ns = now.mono_ns.saturating_add(pause);
            if matches!(end, EndReason::Refused(Refusal::RateLimited { .. })) {
                l.forbidden_ns = l.next_ns;
            }
        }
        if blocked {
            self.with_stops(now, out, |s, ids, o| s.on_exit_refused(now, ids, o));
        }
    }
}
