//! What the venue says, believed: fills, stops, reads, and whose orders stand there.
//!
//! Fills make the position, a read corrects it, the stream's ACCOUNT_UPDATE is the cross-check that calls for a read. A
//! later incarnation's id, wherever it is seen, ends this machine.

use super::exit::Leaving;
use super::ledger::FillContext;
use super::reads::{plausible, plausible_fill};
use super::{Trader, TraderEffect};
use crate::fixed::{Price, Qty, Side};
use crate::messages::{Alert, ClosedTrade, ExitReason, Severity};
use crate::order::client_id::{self, Role};
use crate::order::{
    AlgoUpdate, CancelTarget, ClientId, EntryKind, IdMaker, OrderStatus, OrderUpdate, Orders,
    OrdersOut, Origin, PositionUpdate, ReplyTo, TradeFill, VenueReply,
};
use crate::risk::stops::{ExitCause, StopKeeper, StopOut};
use crate::time::Now;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

impl Trader {
    /// Runs the order tracker and acts on what it says.
    pub(super) fn with_orders(
        &mut self,
        now: Now,
        out: &mut Vec<TraderEffect>,
        f: impl FnOnce(&mut Orders, &mut Vec<OrdersOut>),
    ) {
        let mut outs = std::mem::take(&mut self.order_outs);
        f(&mut self.orders, &mut outs);
        for o in outs.drain(..) {
            self.on_orders_out(now, o, true, out);
        }
        self.order_outs = outs;
    }

    /// Runs the stop keeper (not before the first read: without it there are no ids) and acts on what it says.
    pub(super) fn with_stops(
        &mut self,
        now: Now,
        out: &mut Vec<TraderEffect>,
        f: impl FnOnce(&mut StopKeeper, &mut IdMaker, &mut Vec<StopOut>),
    ) {
        let Some(ids) = &mut self.ids else { return };
        let mut outs = std::mem::take(&mut self.stop_outs);
        f(&mut self.stops, ids, &mut outs);
        for o in outs.drain(..) {
            self.on_stop_out(now, o, out);
        }
        self.stop_outs = outs;
    }

    pub(super) fn on_orders_out(
        &mut self,
        now: Now,
        o: OrdersOut,
        streamed: bool,
        out: &mut Vec<TraderEffect>,
    ) {
        match o {
            OrdersOut::Query(id) => out.push(TraderEffect::Query(CancelTarget::Order(id))),
            OrdersOut::Cancel(id) => out.push(TraderEffect::Cancel(CancelTarget::Order(id))),
            OrdersOut::Reconcile => self.recon.want(),
            OrdersOut::Alert(a) => out.push(TraderEffect::Alert(a)),
            OrdersOut::Filled {
                client_id,
                order_id,
                origin,
                side,
                fill,
                transact_ms,
            } => {
                self.hint.heard(fill.trade_id);
                let (mid, reason) = self.fill_story(&client_id, order_id, origin, side, &fill);
                let cx = FillContext {
                    client_id: client_id.to_string(),
                    mid,
                    reason,
                    transact_ms,
                    streamed_ns: streamed.then_some(now.mono_ns),
                };
                let was_flat = self.ledger.qty().is_zero();
                if let Some(trade) = self.ledger.fill(side, &fill, &cx) {
                    self.on_closed(now, trade, out);
                }
                if was_flat && origin == Origin::Own(EntryKind::Entry) {
                    self.protections.entered(now.market_ms);
                }
            }
            OrdersOut::Ended {
                client_id,
                purpose,
                filled,
                reason,
            } => match purpose {
                EntryKind::Entry => self.on_entry_ended(now, &client_id, filled, &reason, out),
                EntryKind::Exit => self.on_exit_ended(now, &client_id, &reason, out),
            },
        }
    }

    /// Mid to book a fill against, and why the position is left should it leave it. Records own slippage.
    fn fill_story(
        &mut self,
        id: &ClientId,
        order_id: u64,
        origin: Origin,
        side: Side,
        fill: &TradeFill,
    ) -> (Decimal, ExitReason) {
        let price = self.config.info.instrument.price_dec(fill.price);
        let mid_now = self.feed.mid().unwrap_or(price);
        if let Some(e) = self.entry.as_mut().filter(|e| e.id == *id) {
            e.seen = Qty(e.seen.0.saturating_add(fill.qty.0));
            let (mid, touch) = (e.mid, e.touch);
            self.record_slippage(side, price, touch, fill.maker);
            return (mid, ExitReason::External);
        }
        if let Some(x) = self.exit_order.as_ref().filter(|x| x.id == *id) {
            let (mid, touch, reason) = (x.mid, x.touch, x.reason);
            self.record_slippage(side, price, touch, fill.maker);
            return (mid, reason);
        }
        let reason = if origin == Origin::Forced {
            ExitReason::Liquidation
        } else if self.stops.owns_order(id, order_id) {
            let stop = self.stops.best_stop();
            let inst = &self.config.info.instrument;
            let touch = stop.map(|p| inst.price_dec(p)).unwrap_or(price);
            self.record_slippage(side, price, touch, false);
            ExitReason::Stop
        } else if let Origin::Own(_) = origin {
            self.leaving
                .as_ref()
                .map_or(ExitReason::External, |l| l.reason)
        } else if client_id::is_ours(&self.config.account, id)
            && client_id::parse(id).is_some_and(|p| p.role == Role::Coordinator)
        {
            ExitReason::Coordinator
        } else {
            ExitReason::External
        };
        (mid_now, reason)
    }

    /// How much worse than the touch at decision (for stops: than the trigger), as a fraction; the spread is counted apart.
    fn record_slippage(&mut self, side: Side, price: Decimal, touch: Decimal, maker: bool) {
        if touch <= Decimal::ZERO || maker {
            return;
        }
        let adverse = Decimal::from(side.sign()) * (price - touch) / touch;
        self.slippage.record(adverse.to_f64().unwrap_or(f64::NAN));
    }

    pub(super) fn on_closed(&mut self, now: Now, trade: ClosedTrade, out: &mut Vec<TraderEffect>) {
        let p = &self.params.risk.protections;
        self.protections
            .closed(p, now.market_ms, trade.gross - trade.fees);
        self.cooldown_until_ms = now.market_ms.saturating_add(
            self.params
                .signals
                .cooldown_seconds
                .max(0)
                .saturating_mul(1000),
        );
        self.trigger.reset();
        self.signal = None;
        if trade.exit == ExitReason::Liquidation {
            out.push(self.alert(
                Severity::Critical,
                "Liquidated",
                format!(
                    "{} {} was closed by the exchange at {}",
                    trade.qty, trade.symbol, trade.exit_price
                ),
            ));
        }
        out.push(TraderEffect::Closed(Box::new(trade)));
        if self.ledger.qty().is_zero() {
            self.plan = None;
        }
    }

    fn on_stop_out(&mut self, now: Now, o: StopOut, out: &mut Vec<TraderEffect>) {
        match o {
            StopOut::Place(stop) => out.push(TraderEffect::PlaceStop(stop)),
            StopOut::Cancel(id) => out.push(TraderEffect::Cancel(CancelTarget::Stop(id))),
            StopOut::Query(id) => out.push(TraderEffect::Query(CancelTarget::Stop(id))),
            StopOut::Reconcile => self.recon.want(),
            StopOut::Alert(a) => out.push(TraderEffect::Alert(a)),
            StopOut::MarketExit(cause) => {
                let reason = match cause {
                    ExitCause::Remainder => ExitReason::Stop,
                    _ => ExitReason::Unprotected,
                };
                if self.leaving.is_none() {
                    self.decisions.held(
                        now,
                        "MarketExit",
                        || format!("the stop keeper asks to leave: {cause:?}"),
                        out,
                    );
                }
                let leaving = self.leaving.get_or_insert_with(|| Leaving::new(reason));
                leaving.hurry(now);
            }
        }
    }

    pub(super) fn on_order(&mut self, now: Now, u: &OrderUpdate, out: &mut Vec<TraderEffect>) {
        if self.check_id(&u.client_id, out) {
            return;
        }
        if u.fill.as_ref().is_some_and(|f| !plausible_fill(f)) {
            self.recon.want();
            return;
        }
        if u.status == OrderStatus::New
            && !client_id::is_ours(&self.config.account, &u.client_id)
            && !client_id::is_forced_close(&u.client_id)
        {
            self.foreign = true;
        }
        self.with_stops(now, out, |s, ids, o| s.on_order(now, u, ids, o));
        self.with_orders(now, out, |o, outs| o.on_update(now, u, outs));
    }

    pub(super) fn on_algo(&mut self, now: Now, u: &AlgoUpdate, out: &mut Vec<TraderEffect>) {
        if self.check_id(&u.client_id, out) {
            return;
        }
        if u.status.is_working() && !client_id::is_ours(&self.config.account, &u.client_id) {
            self.foreign = true;
        }
        if self.ids.is_none() {
            self.stops.hear_early(u);
        }
        self.with_stops(now, out, |s, ids, o| s.on_algo(now, u, ids, o));
    }

    pub(super) fn on_position(
        &mut self,
        now: Now,
        p: &PositionUpdate,
        out: &mut Vec<TraderEffect>,
    ) {
        if !plausible(p.qty, p.entry_price) {
            self.recon.want();
            return;
        }
        if self.claim.is_none_or(|(_, t)| p.transact_ms >= t) {
            self.claim = Some((p.qty, p.transact_ms));
        }
        self.with_stops(now, out, |s, ids, o| s.on_position(now, p, ids, o));
    }

    pub(super) fn on_reply(
        &mut self,
        now: Now,
        to: &ReplyTo,
        reply: &VenueReply,
        out: &mut Vec<TraderEffect>,
    ) {
        self.with_stops(now, out, |s, ids, o| s.on_reply(now, to, reply, ids, o));
        self.with_orders(now, out, |o, outs| o.on_reply(now, to, reply, outs));
    }

    /// True when the id proves a later incarnation: then nothing more is sent.
    pub(super) fn check_id(&mut self, id: &ClientId, out: &mut Vec<TraderEffect>) -> bool {
        let later = self.ids.as_ref().and_then(|m| m.superseded_by(id));
        if later.is_some() && !self.superseded {
            self.superseded = true;
            out.push(TraderEffect::Superseded);
        }
        self.superseded
    }

    pub(super) fn alert(&self, severity: Severity, code: &str, text: String) -> TraderEffect {
        TraderEffect::Alert(Alert {
            severity,
            code: code.into(),
            symbol: Some(self.config.info.instrument.symbol.to_string()),
            text,
        })
    }

    /// Best price an order of this side would meet, or the mid's stand-in.
    pub(super) fn touch(&self, side: Side) -> Option<Price> {
        self.feed.book()?.best(side.opposite()).map(|l| l.0)
    }
}
