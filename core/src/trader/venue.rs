//! What the venue says, believed: fills, stops, reads, and whose orders stand there.
//!
//! Fills make the position, a read corrects it, the stream's ACCOUNT_UPDATE is the cross-check that calls for a read. A
//! later incarnation's id, wherever it is seen, ends this machine.

use super::exit::Leaving;
use super::ledger::FillContext;
use super::{Trader, TraderEffect};
use crate::fixed::{Money, Price, Qty, Side};
use crate::messages::{Alert, ClosedTrade, ExitReason, Severity};
use crate::order::client_id::{self, Role};
use crate::order::{
    AlgoUpdate, CancelTarget, ClientId, EntryKind, IdMaker, OrderStatus, OrderUpdate, Orders,
    OrdersOut, Origin, PositionUpdate, ReplyTo, TradeFill, VenueReply, VenueState,
};
use crate::risk::stops::{ExitCause, StopKeeper, StopOut, StopPlan};
use crate::time::{NS_PER_MS, Now};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// Fills and the venue's word on the position may differ for this long before the venue is read.
const CLAIM_PATIENCE_NS: u64 = 300 * NS_PER_MS;
/// A position found without ATR gets its stop at this fraction of the price after [`ATR_PATIENCE_NS`].
const FALLBACK_STOP: Decimal = Decimal::from_parts(1, 0, 0, false, 2);
/// Beyond these no account has a position, a price or money.
const MAX_LOTS: i64 = 1_000_000_000_000;
const MAX_TICKS: i64 = 1_000_000_000_000;
const MOST: Decimal = Decimal::from_parts(0xd4a5_1000, 0xe8, 0, false, 0);
const ATR_PATIENCE_NS: u64 = 500 * NS_PER_MS;

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

    fn on_orders_out(
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

    fn on_closed(&mut self, now: Now, trade: ClosedTrade, out: &mut Vec<TraderEffect>) {
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

    /// The stream's word on the position against the sum of fills: a lasting difference is a doubt.
    pub(super) fn check_claim(&mut self, now: Now) {
        let differs = self.claim.is_some_and(|(q, _)| q != self.ledger.qty());
        if !differs {
            self.claim_differs_ns = None;
            return;
        }
        let since = *self.claim_differs_ns.get_or_insert(now.mono_ns);
        if now.mono_since(since) >= CLAIM_PATIENCE_NS {
            self.recon.want();
        }
    }

    pub(super) fn on_reconciled(&mut self, now: Now, s: &VenueState, out: &mut Vec<TraderEffect>) {
        if !plausible(s.position.qty, s.position.entry_price)
            || !s.trades.iter().all(|(_, f)| plausible_fill(f))
        {
            // Numbers no account has: a read that failed, not a position (I22).
            self.recon.failed(now);
            out.push(self.alert(
                Severity::Critical,
                "ImplausibleRead",
                format!(
                    "position {} lots at {}",
                    s.position.qty.0, s.position.entry_price
                ),
            ));
            return;
        }
        let sent_ns = self.recon.answered(now);
        let ids = all_ids(s);
        if ids.iter().any(|id| self.check_id(id, out)) {
            return;
        }
        let first = self.ids.is_none();
        if first {
            let incarnation =
                client_id::next_incarnation(&self.config.account, s.venue_ms, ids.iter().copied());
            self.ids = Some(IdMaker::new(
                &self.config.account,
                Role::Worker,
                &self.config.strategy_uid,
                &self.config.info.instrument.symbol,
                incarnation,
            ));
        }
        self.foreign = s.orders.iter().any(|o| self.is_foreign(&o.client_id))
            || s.stops.iter().any(|o| self.is_foreign(&o.client_id));
        self.isolated = s.position.isolated;
        let before = self.ledger.qty();
        let mut outs = std::mem::take(&mut self.order_outs);
        self.orders.on_reconciled(now, s, &mut outs);
        for o in outs.drain(..) {
            self.on_orders_out(now, o, false, out);
        }
        self.order_outs = outs;
        self.settle_position(now, s, sent_ns, before, first, out);
        self.arm_adopted(now, out);
        self.with_stops(now, out, |k, ids, o| k.on_reconciled(now, s, ids, o));
        if self.user_up && !self.user_reconciled {
            if sent_ns >= self.user_up_ns {
                self.user_reconciled = true;
            } else {
                self.recon.want();
            }
        }
    }

    fn is_foreign(&self, id: &ClientId) -> bool {
        !client_id::is_ours(&self.config.account, id) && !client_id::is_forced_close(id)
    }

    /// Compares the position read with the one fills make. Fills newer than the read are no contradiction; a read that
    /// can't be placed in time is repeated; what is left is the venue's.
    fn settle_position(
        &mut self,
        now: Now,
        s: &VenueState,
        sent_ns: u64,
        before: Qty,
        first: bool,
        out: &mut Vec<TraderEffect>,
    ) {
        let venue = s.position.qty;
        let dated = s.position.update_ms > 0;
        let as_of_ms = if dated {
            s.position.update_ms
        } else {
            i64::MAX
        };
        if self.ledger.qty() == venue {
            self.claim = None;
            self.doubt_ns = self.doubt_ns.filter(|t| *t > sent_ns);
            return;
        }
        if !first {
            if dated && self.ledger.qty_as_of(as_of_ms) == venue {
                return;
            }
            let undatable = !dated && self.ledger.filled_since(sent_ns);
            let fills_ahead = before == venue && self.ledger.qty() != before;
            if undatable || fills_ahead {
                self.recon.want();
                return;
            }
            out.push(self.alert(
                Severity::Warning,
                "PositionMismatch",
                format!(
                    "fills make {} lots, the venue says {}: the venue's position is taken over",
                    self.ledger.qty().0,
                    venue.0
                ),
            ));
        }
        let (entry_id, fees) = opening_fills(s);
        let mid = self
            .feed
            .mid()
            .or(self.feed.last_mark())
            .unwrap_or(s.position.entry_price);
        let cx = FillContext {
            client_id: entry_id,
            mid,
            reason: self
                .leaving
                .as_ref()
                .map_or(ExitReason::External, |l| l.reason),
            transact_ms: if dated {
                s.position.update_ms
            } else {
                s.venue_ms
            },
            streamed_ns: None,
        };
        let closed = self
            .ledger
            .adopt(venue, s.position.entry_price, as_of_ms, fees, &cx);
        if let Some(trade) = closed {
            self.on_closed(now, trade, out);
        }
        self.claim = None;
        self.claim_differs_ns = None;
        self.doubt_ns = self.doubt_ns.filter(|t| *t > sent_ns);
    }

    /// An adopted position needs a stop plan: ATR as it is now, or a fallback when ATR does not come.
    pub(super) fn arm_adopted(&mut self, now: Now, out: &mut Vec<TraderEffect>) {
        if self.ledger.qty().is_zero() || self.plan.is_some() || self.ids.is_none() {
            return;
        }
        let e = crate::signal::effective(&self.params, self.feed.regime());
        let plan = match self.feed.atr() {
            Some(atr) => StopPlan {
                atr,
                distance: atr * e.atr_multiplier,
            },
            None => {
                let since = *self.atr_awaited_ns.get_or_insert(now.mono_ns);
                let entry = self.ledger.entry_price().unwrap_or(Decimal::ZERO);
                if now.mono_since(since) < ATR_PATIENCE_NS || entry <= Decimal::ZERO {
                    return;
                }
                out.push(self.alert(
                    Severity::Warning,
                    "StopWithoutAtr",
                    "a position was found and ATR is not known: its stop stands 1 % away".into(),
                ));
                let distance = entry * FALLBACK_STOP;
                StopPlan {
                    atr: distance / Decimal::TWO,
                    distance,
                }
            }
        };
        self.atr_awaited_ns = None;
        self.plan = Some(plan);
        self.stops.arm(plan);
        self.with_stops(now, out, |s, ids, o| s.on_tick(now, ids, o));
    }

    /// True when the id proves a later incarnation: then nothing more is sent.
    fn check_id(&mut self, id: &ClientId, out: &mut Vec<TraderEffect>) -> bool {
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

/// A position any account could have.
fn plausible(qty: Qty, entry: Decimal) -> bool {
    qty.0.unsigned_abs() <= MAX_LOTS as u64 && entry >= Decimal::ZERO && entry < MOST
}

fn plausible_fill(f: &TradeFill) -> bool {
    (1..=MAX_LOTS).contains(&f.qty.0)
        && (1..=MAX_TICKS).contains(&f.price.0)
        && f.fee.abs() < MOST
        && f.realised.abs() < MOST
}

fn all_ids(s: &VenueState) -> Vec<&ClientId> {
    s.orders
        .iter()
        .map(|o| &o.client_id)
        .chain(s.stops.iter().map(|o| &o.client_id))
        .chain(s.recent_ids.iter())
        .chain(s.trades.iter().filter_map(|(id, _)| id.as_ref()))
        .collect()
}

/// Id and fees of the fills that opened the position read: the newest ones that realised nothing, if they add up to it.
fn opening_fills(s: &VenueState) -> (String, Money) {
    let (mut lots, mut fees, mut id) = (0, Decimal::ZERO, String::new());
    for (client_id, fill) in s.trades.iter().rev() {
        if lots >= s.position.qty.0.abs() || !fill.realised.is_zero() {
            break;
        }
        lots += fill.qty.0;
        fees += fill.fee;
        if let Some(c) = client_id {
            id = c.to_string();
        }
    }
    if lots == s.position.qty.0.abs() {
        (id, fees)
    } else {
        (id, Decimal::ZERO)
    }
}
