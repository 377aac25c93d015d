//! The exchange side of the rig: fills, stops, refusals, lost replies, and the answers a shell would bring.

use super::{Fate, Rig, d};
use crate::fixed::{Price, Qty, Side};
use crate::market::{Bar, DepthSnapshot};
use crate::messages::{Grant, GrantReply, KellyStats};
use crate::order::{
    AlgoOrder, AlgoStatus, AlgoUpdate, CancelTarget, ClientId, ExecType, NewOrder, NewStop,
    OrderKind, OrderStatus, OrderUpdate, PositionUpdate, Refusal, ReplyTo, TradeFill,
    VenuePosition, VenueReply, VenueState,
};
use crate::time::NS_PER_MS;
use crate::trader::{TraderEffect, TraderEvent};
use rust_decimal::Decimal;

impl Rig {
    pub(super) fn user(&mut self, e: TraderEvent) {
        if self.user_stream {
            self.told.push(e.clone());
            self.queue.push_back(e);
        }
    }

    /// The user stream repeats an old frame.
    pub fn replay(&mut self, back: usize) {
        let i = self.told.len().checked_sub(1 + back);
        if let Some(e) = i.map(|i| self.told[i].clone()) {
            self.queue.push_back(e);
        }
    }

    pub fn id(&mut self) -> u64 {
        self.venue.next += 1;
        self.venue.next
    }

    /// A fill at the venue; position, trades and user stream follow.
    pub fn fill(
        &mut self,
        id: &ClientId,
        side: Side,
        price: i64,
        qty: i64,
        total: i64,
        reduce: bool,
    ) {
        let order_id = self.id();
        let trade_id = self.id();
        let v = &mut self.venue;
        let px = Decimal::new(price, 1);
        let signed = side.sign() * qty;
        let closing = v.qty.signum() == -signed.signum();
        let realised = if closing {
            Decimal::from(v.qty.signum()) * (px - v.entry) * Decimal::new(qty.min(v.qty.abs()), 3)
        } else {
            Decimal::ZERO
        };
        if v.qty == 0 || v.qty.signum() != (v.qty + signed).signum() {
            v.entry = px;
        }
        v.qty += signed;
        if v.qty == 0 {
            v.entry = Decimal::ZERO;
        }
        v.update_ms = self.now.market_ms;
        let fill = TradeFill {
            trade_id,
            price: Price(price),
            qty: Qty(qty),
            fee: px * Decimal::new(qty, 3) * d("0.0005"),
            fee_asset: "USDT".into(),
            realised,
            maker: false,
        };
        v.trades.push((Some(id.clone()), fill.clone()));
        v.recent_ids.push(id.clone());
        let (qty_now, entry) = (v.qty, v.entry);
        let at = self.now.market_ms;
        self.user(TraderEvent::Position(PositionUpdate {
            event_ms: at,
            transact_ms: at,
            qty: Qty(qty_now),
            entry_price: entry,
        }));
        self.user(TraderEvent::Order(OrderUpdate {
            event_ms: at,
            transact_ms: at,
            client_id: id.clone(),
            order_id,
            side,
            exec: ExecType::Trade,
            status: if qty == total {
                OrderStatus::Filled
            } else {
                OrderStatus::PartiallyFilled
            },
            qty: Qty(total),
            filled: Qty(qty),
            reduce_only: reduce,
            fill: Some(fill),
        }));
    }

    pub(super) fn order_end(&mut self, o: &NewOrder, status: OrderStatus, filled: i64) {
        let at = self.now.market_ms;
        let order_id = self.id();
        self.venue.recent_ids.push(o.client_id.clone());
        self.user(TraderEvent::Order(OrderUpdate {
            event_ms: at,
            transact_ms: at,
            client_id: o.client_id.clone(),
            order_id,
            side: o.side,
            exec: ExecType::Expired,
            status,
            qty: o.qty,
            filled: Qty(filled),
            reduce_only: o.reduce_only,
            fill: None,
        }));
    }

    pub(super) fn execute(&mut self, o: &NewOrder) -> Result<(), Refusal> {
        let mut qty = o.qty.0;
        if o.reduce_only {
            if Qty(self.venue.qty).position_side() != Some(o.side.opposite()) {
                return Err(Refusal::ReduceOnly);
            }
            qty = qty.min(self.venue.qty.abs());
        }
        let touch = if o.side == Side::Buy {
            self.bid + 1
        } else {
            self.bid
        };
        let fills = match o.kind {
            OrderKind::Market => true,
            OrderKind::Limit { price, .. } => o.side.sign() * (price.0 - touch) >= 0,
        };
        if fills {
            self.fill(&o.client_id, o.side, touch, qty, o.qty.0, o.reduce_only);
            if qty < o.qty.0 {
                self.order_end(o, OrderStatus::Expired, qty);
            }
        } else {
            self.order_end(o, OrderStatus::Expired, 0);
        }
        Ok(())
    }

    pub(super) fn algo_event(&mut self, s: &AlgoOrder, status: AlgoStatus) {
        let at = self.now.market_ms;
        self.user(TraderEvent::Algo(AlgoUpdate {
            event_ms: at,
            transact_ms: at,
            client_id: s.client_id.clone(),
            algo_id: s.algo_id,
            status,
            side: s.side,
            trigger: s.trigger,
            qty: s.qty,
            order_id: None,
            reason: None,
        }));
    }

    pub(super) fn hit(&self, side: Side, trigger: Price) -> bool {
        let t = Decimal::new(trigger.0, 1);
        match side {
            Side::Sell => self.mark <= t,
            Side::Buy => self.mark >= t,
        }
    }

    pub(super) fn execute_stop(&mut self, s: &NewStop) -> Result<(), Refusal> {
        if self.hit(s.side, s.trigger) {
            return Err(Refusal::WouldTrigger);
        }
        if s.qty.is_none() {
            if self.venue.qty == 0 {
                return Err(Refusal::NoPosition);
            }
            if self
                .venue
                .stops
                .iter()
                .any(|x| x.qty.is_none() && x.side == s.side)
            {
                return Err(Refusal::StopExists);
            }
        } else if Qty(self.venue.qty).position_side() != Some(s.side.opposite()) {
            return Err(Refusal::ReduceOnly);
        }
        let algo = AlgoOrder {
            client_id: s.client_id.clone(),
            algo_id: self.id(),
            side: s.side,
            status: AlgoStatus::New,
            trigger: s.trigger,
            qty: s.qty,
            update_ms: self.now.market_ms,
        };
        self.venue.stops.push(algo.clone());
        self.algo_event(&algo, AlgoStatus::New);
        Ok(())
    }

    pub fn trigger_stops(&mut self) {
        let hit: Vec<AlgoOrder> = self
            .venue
            .stops
            .iter()
            .filter(|s| self.hit(s.side, s.trigger))
            .cloned()
            .collect();
        for s in hit {
            self.venue.stops.retain(|x| x.client_id != s.client_id);
            if Qty(self.venue.qty).position_side() == Some(s.side.opposite()) {
                self.algo_event(&s, AlgoStatus::Triggered);
                let q = s.qty.map_or(i64::MAX, |q| q.0).min(self.venue.qty.abs());
                let px = if s.side == Side::Buy {
                    self.bid + 1
                } else {
                    self.bid
                };
                self.fill(&s.client_id.clone(), s.side, px, q, q, true);
                self.algo_event(&s, AlgoStatus::Finished);
            } else {
                self.algo_event(&s, AlgoStatus::Expired);
            }
        }
    }

    pub(super) fn fated(
        &mut self,
        to: ReplyTo,
        fate: Fate,
        run: impl FnOnce(&mut Self) -> Result<(), Refusal>,
    ) {
        let reply = match fate {
            Fate::Normal => match run(self) {
                Ok(()) => VenueReply::Accepted { id: 1 },
                Err(r) => VenueReply::Refused(r),
            },
            Fate::Refuse(r) => VenueReply::Refused(r),
            Fate::Unknown(effect) => {
                if effect {
                    let _ = run(self);
                }
                VenueReply::Unknown {
                    why: "lost".into(),
                    dead_after_ms: self.now.market_ms + 1000,
                }
            }
        };
        self.queue.push_back(TraderEvent::Reply(to, reply));
    }

    pub fn state(&self) -> VenueState {
        let v = &self.venue;
        VenueState {
            venue_ms: self.now.market_ms,
            position: VenuePosition {
                qty: Qty(v.qty),
                entry_price: v.entry,
                isolated: false,
                update_ms: if v.qty == 0 { 0 } else { v.update_ms },
            },
            orders: vec![],
            stops: v.stops.iter().chain(&v.foreign).cloned().collect(),
            trades: v.trades.iter().rev().take(50).rev().cloned().collect(),
            recent_ids: v.recent_ids.iter().rev().take(50).cloned().collect(),
            ids_read: true,
            available: Some(d("10000")),
        }
    }

    pub(super) fn answer(&mut self, e: TraderEffect) {
        match e {
            TraderEffect::FetchSnapshot => {
                let (bids, asks) = self.levels();
                self.queue.push_back(TraderEvent::Snapshot(DepthSnapshot {
                    last_id: self.update_id,
                    event_ms: self.now.market_ms,
                    bids,
                    asks,
                }));
            }
            TraderEffect::FetchHistory { bar_ms, bars } => {
                let start = self.now.market_ms / bar_ms - i64::from(bars);
                let history = (0..i64::from(bars))
                    .map(|i| Bar {
                        open_ms: (start + i) * bar_ms,
                        interval_ms: bar_ms,
                        open: Price(10_000),
                        high: Price(10_025),
                        low: Price(9_975),
                        close: Price(10_000),
                        volume: Qty(1),
                    })
                    .collect();
                self.queue.push_back(TraderEvent::History(history));
            }
            TraderEffect::Reconcile { asked_at } => {
                let e = if self.reads_fail {
                    TraderEvent::ReconcileFailed { asked_at }
                } else {
                    let state = self.state();
                    TraderEvent::Reconciled { asked_at, state }
                };
                self.queue.push_back(e);
            }
            TraderEffect::Place(o) => {
                let fate = self.order_fate.clone();
                self.fated(ReplyTo::Place(o.client_id.clone()), fate, |r| r.execute(&o));
            }
            TraderEffect::PlaceStop(s) => {
                let fate = self.stop_fate.clone();
                self.fated(ReplyTo::PlaceStop(s.client_id.clone()), fate, |r| {
                    r.execute_stop(&s)
                });
            }
            TraderEffect::Cancel(t) => {
                let found = self
                    .venue
                    .stops
                    .iter()
                    .position(|s| s.client_id == *t.client_id());
                let reply = match (found, &t) {
                    (Some(i), CancelTarget::Stop(_)) => {
                        let s = self.venue.stops.remove(i);
                        self.algo_event(&s, AlgoStatus::Canceled);
                        VenueReply::Accepted { id: s.algo_id }
                    }
                    _ => VenueReply::Refused(Refusal::NotFound),
                };
                self.queue
                    .push_back(TraderEvent::Reply(ReplyTo::Cancel(t), reply));
            }
            TraderEffect::Query(t) => {
                let found = self
                    .venue
                    .stops
                    .iter()
                    .find(|s| s.client_id == *t.client_id());
                let reply = match (found, &t) {
                    (Some(s), CancelTarget::Stop(_)) => VenueReply::Stop(s.clone()),
                    (_, CancelTarget::Order(id)) => self.query_order(id),
                    _ => VenueReply::Refused(Refusal::NotFound),
                };
                self.queue
                    .push_back(TraderEvent::Reply(ReplyTo::Query(t), reply));
            }
            TraderEffect::AskGrant(q) if self.granting => {
                let until = self.now.mono_ns + self.grant_ms.min(2000) * NS_PER_MS;
                self.granted = Some((until, self.ceiling));
                self.queue
                    .push_back(TraderEvent::Grant(GrantReply::Granted(Grant {
                        seq: q.seq,
                        epoch: self.epoch,
                        task_uid: q.task_uid,
                        symbol: q.symbol,
                        ceiling: self.ceiling,
                        equity: d("10000"),
                        available: d("10000"),
                        kelly: KellyStats::default(),
                        length_ms: self.grant_ms,
                        share: None,
                    })));
            }
            TraderEffect::Closed(t) => self.closed.push(*t),
            _ => {}
        }
    }

    pub(super) fn query_order(&self, id: &ClientId) -> VenueReply {
        let filled: i64 = self
            .venue
            .trades
            .iter()
            .filter(|(c, _)| c.as_ref() == Some(id))
            .map(|(_, f)| f.qty.0)
            .sum();
        if !self.venue.recent_ids.contains(id) {
            return VenueReply::Refused(Refusal::NotFound);
        }
        VenueReply::Order(crate::order::OpenOrder {
            client_id: id.clone(),
            order_id: 1,
            side: Side::Buy,
            status: OrderStatus::Expired,
            qty: Qty(filled),
            filled: Qty(filled),
            price: None,
            reduce_only: false,
            update_ms: self.now.market_ms,
        })
    }
}
