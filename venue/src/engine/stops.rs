//! Conditional orders: the algo book, triggered by the mark price, executed as market orders.
//!
//! Life: NEW → TRIGGERING (mark reached the trigger) → after [`TRIGGER_DELAY_MS`] TRIGGERED with the plain order's id →
//! the order's own events → FINISHED. Ends otherwise: CANCELED (asked), EXPIRED (by the venue: orphaned, or nothing to
//! close at its trigger), REJECTED (the order it wanted was refused; the reason says why). The plain order carries the
//! client id of the stop. Margin and reduce-only are looked at when the stop triggers, not when it is placed, except that
//! a stop that closes needs a position to be placed at all.

use super::orders;
use super::refusal;
use super::state::{OrderOrigin, Stop};
use super::types::{AccountId, EngineEvent, OrderRef, Response, SymbolId, UserEvent, VenueError};
use super::{Engine, MAX_STOPS, TRIGGER_DELAY_MS, filters};
use helios_core::fixed::{Price, Qty, Side};
use helios_core::order::{AlgoStatus, AlgoUpdate, ClientId, OrderKind};
use rust_decimal::Decimal;
use std::sync::Arc;

/// A request for a conditional order.
pub(super) struct Ask {
    pub account: AccountId,
    pub symbol: SymbolId,
    pub client_id: Option<ClientId>,
    pub side: Side,
    pub trigger: Price,
    pub qty: Option<i64>,
    pub reduce_only: bool,
    pub take_profit: bool,
}

impl Engine {
    pub(super) fn new_stop(
        &mut self,
        ask: Ask,
        out: &mut Vec<EngineEvent>,
    ) -> Result<Response, VenueError> {
        let id = self.next_stop;
        let now = self.now_ms;
        let stop = Stop {
            id,
            account: ask.account,
            symbol: ask.symbol,
            client_id: ask
                .client_id
                .clone()
                .unwrap_or_else(|| ClientId::from(format!("venue-{id}").as_str())),
            side: ask.side,
            trigger: ask.trigger,
            qty: ask.qty,
            reduce_only: ask.reduce_only || ask.qty.is_none(),
            take_profit: ask.take_profit,
            status: AlgoStatus::New,
            order_id: None,
            created_ms: now,
            update_ms: now,
            trigger_ms: 0,
        };
        self.check_stop(&stop)?;
        self.next_stop += 1;
        let acct = self.account_mut(ask.account);
        acct.open_stops.insert(id);
        acct.stops.push(id);
        acct.stop_by_client.insert(stop.client_id.clone(), id);
        self.market_mut(ask.symbol).stops.insert(id);
        let view = stop.view();
        self.stops.insert(id, stop);
        self.emit_stop(id, None, out);
        Ok(Response::Stop(view))
    }

    fn check_stop(&self, s: &Stop) -> Result<(), VenueError> {
        let inst = &self.spec(s.symbol)?.instrument;
        let acct = self.acct(s.account);
        filters::check_client_id(&s.client_id)?;
        if acct
            .stop_by_client
            .get(&s.client_id)
            .is_some_and(|id| acct.open_stops.contains(id))
        {
            return Err(refusal::duplicate_id());
        }
        if s.trigger.0 <= 0 {
            return Err(refusal::stop_not_positive());
        }
        if let Some(q) = s.qty {
            filters::check_qty(inst, true, Qty(q))?;
        }
        if acct.open_stops.len() >= MAX_STOPS {
            return Err(refusal::max_stops());
        }
        let room = self.reducible(s.account, s.symbol, s.side);
        if s.qty.is_none() {
            if room == 0 {
                return Err(refusal::no_position());
            }
            let twin = acct
                .open_stops
                .iter()
                .filter_map(|id| self.stops.get(id))
                .any(|o| {
                    o.qty.is_none()
                        && o.symbol == s.symbol
                        && o.side == s.side
                        && o.take_profit == s.take_profit
                });
            if twin {
                return Err(refusal::close_position_exists());
            }
        } else if s.reduce_only && room == 0 {
            return Err(refusal::reduce_only_rejected());
        }
        let hit = self
            .market(s.symbol)
            .mark_price()
            .and_then(|m| m.checked_div(inst.tick))
            .is_some_and(|ticks| s.hit(ticks));
        if hit {
            return Err(refusal::would_trigger());
        }
        Ok(())
    }

    /// Sets off what this mark price reaches, in the order it was placed.
    pub(super) fn trigger_stops(
        &mut self,
        symbol: SymbolId,
        mark: Decimal,
        out: &mut Vec<EngineEvent>,
    ) {
        if self.market(symbol).stops.is_empty() {
            return;
        }
        let Some(ticks) = mark.checked_div(self.listed(symbol).instrument.tick) else {
            return;
        };
        let hit: Vec<u64> = self
            .market(symbol)
            .stops
            .iter()
            .copied()
            .filter(|id| {
                self.stops
                    .get(id)
                    .is_some_and(|s| s.status == AlgoStatus::New && s.hit(ticks))
            })
            .collect();
        let now = self.now_ms;
        for id in hit {
            if let Some(s) = self.stops.get_mut(&id) {
                s.status = AlgoStatus::Triggering;
                s.update_ms = now;
                s.trigger_ms = now;
            }
            self.market_mut(symbol).drop_stop(id);
            self.triggering.push((now + TRIGGER_DELAY_MS, id));
            self.wake_at(now + TRIGGER_DELAY_MS);
            self.emit_stop(id, None, out);
        }
    }

    /// A triggered stop becomes its order.
    pub(super) fn fire_stop(&mut self, id: u64, out: &mut Vec<EngineEvent>) {
        let Some(s) = self.stops.get(&id) else {
            return;
        };
        if s.status != AlgoStatus::Triggering {
            return;
        }
        let (account, symbol, side) = (s.account, s.symbol, s.side);
        let room = self.reducible(account, symbol, side);
        let mut ask = orders::Ask {
            account,
            symbol,
            client_id: Some(s.client_id.clone()),
            side,
            kind: OrderKind::Market,
            qty: s.qty.unwrap_or(room),
            reduce_only: s.reduce_only,
        };
        if s.qty.is_none() && room == 0 {
            self.end_stop(id, AlgoStatus::Expired, Some("No position to close"), out);
            return;
        }
        if s.reduce_only {
            // A closing stop is not stopped by filters, nor by what other reduce-only orders hold.
            if room == 0 {
                self.end_stop(id, AlgoStatus::Rejected, Some("Reduce Only reject"), out);
                return;
            }
            ask.qty = ask.qty.min(room);
        } else {
            let client_id = ask.client_id.take();
            if let Err(e) = self.check_order(&mut ask) {
                self.end_stop(id, AlgoStatus::Rejected, Some(&e.msg), out);
                return;
            }
            ask.client_id = client_id;
        }
        let order = self.create_triggered(id, ask, out);
        self.work(order, out);
        self.end_stop(id, AlgoStatus::Finished, None, out);
    }

    fn create_triggered(&mut self, id: u64, ask: orders::Ask, out: &mut Vec<EngineEvent>) -> u64 {
        let now = self.now_ms;
        if let Some(s) = self.stops.get_mut(&id) {
            s.status = AlgoStatus::Triggered;
            s.order_id = Some(self.next_order);
            s.update_ms = now;
        }
        self.emit_stop(id, None, out);
        self.create_order(ask, OrderOrigin::Stop(id), out)
    }

    /// Ends a conditional order.
    pub(super) fn end_stop(
        &mut self,
        id: u64,
        status: AlgoStatus,
        reason: Option<&str>,
        out: &mut Vec<EngineEvent>,
    ) {
        let now = self.now_ms;
        let Some(s) = self.stops.get_mut(&id) else {
            return;
        };
        s.status = status;
        s.update_ms = now;
        let (account, symbol) = (s.account, s.symbol);
        self.market_mut(symbol).drop_stop(id);
        self.account_mut(account).open_stops.remove(&id);
        self.emit_stop(id, reason, out);
    }

    fn emit_stop(&self, id: u64, reason: Option<&str>, out: &mut Vec<EngineEvent>) {
        let Some(s) = self.stops.get(&id) else {
            return;
        };
        out.push(EngineEvent::User(
            s.account,
            s.symbol,
            UserEvent::Algo(AlgoUpdate {
                event_ms: self.now_ms,
                transact_ms: self.now_ms,
                client_id: s.client_id.clone(),
                algo_id: id,
                status: s.status,
                side: s.side,
                trigger: s.trigger,
                qty: s.qty.map(Qty),
                order_id: s.order_id,
                reason: reason.map(Arc::from),
            }),
        ));
    }

    pub(super) fn cancel_stop(
        &mut self,
        account: AccountId,
        which: &OrderRef,
        out: &mut Vec<EngineEvent>,
    ) -> Result<Response, VenueError> {
        let acct = self.acct(account);
        let id = match which {
            OrderRef::Id(id) => Some(*id),
            OrderRef::Client(c) => acct.stop_by_client.get(c).copied(),
        }
        .filter(|id| acct.open_stops.contains(id))
        .filter(|id| {
            self.stops
                .get(id)
                .is_some_and(|s| s.status == AlgoStatus::New)
        })
        .ok_or_else(refusal::cancel_unknown)?;
        self.end_stop(id, AlgoStatus::Canceled, None, out);
        self.stops
            .get(&id)
            .map(|s| Response::Stop(s.view()))
            .ok_or_else(refusal::cancel_unknown)
    }

    pub(super) fn cancel_all_stops(
        &mut self,
        account: AccountId,
        symbol: SymbolId,
        out: &mut Vec<EngineEvent>,
    ) -> Result<Response, VenueError> {
        self.spec(symbol)?;
        let open: Vec<u64> = self
            .market(symbol)
            .stops
            .iter()
            .copied()
            .filter(|id| self.stops.get(id).is_some_and(|s| s.account == account))
            .collect();
        for id in open {
            self.end_stop(id, AlgoStatus::Canceled, None, out);
        }
        Ok(Response::Done)
    }
}
