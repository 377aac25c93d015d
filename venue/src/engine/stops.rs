//! Conditional orders in the algo book: placing, refusing, ending, cancelling. Going off is in `trigger`.
//!
//! Life: NEW → TRIGGERING (the watched price reached the trigger) → after [`super::TRIGGER_DELAY_MS`] TRIGGERED with the
//! plain order's id → the order's own events → FINISHED when that order is done. Ends otherwise: CANCELED (asked), EXPIRED
//! (by the venue: orphaned, nothing to close at its trigger, price protection, its date, or a limit whose time in force
//! can't be kept), REJECTED (the order it wanted was refused; the reason says why). A trailing stop says NEW once more when
//! it is activated. The plain order carries the client id of the stop. Margin and reduce-only are looked at when the stop
//! goes off, not when it is placed, except that a stop that closes needs a position to be placed at all.

use super::conditional::{NewConditional, Reaction, Trail, Trigger, WorkingType};
use super::refusal;
use super::state::Stop;
use super::types::{AccountId, EngineEvent, OrderRef, Response, SymbolId, UserEvent, VenueError};
use super::{Engine, MAX_STOPS, filters};
use helios_core::fixed::{Price, Qty};
use helios_core::order::{AlgoStatus, AlgoUpdate, ClientId, OrderKind};
use rust_decimal::Decimal;
use std::sync::Arc;

impl Engine {
    pub(super) fn new_stop(
        &mut self,
        account: AccountId,
        ask: NewConditional,
        out: &mut Vec<EngineEvent>,
    ) -> Result<Response, VenueError> {
        self.spec(ask.symbol)?;
        let stop = self.stop_of(account, ask);
        self.check_stop(&stop)?;
        let (id, symbol, date) = (stop.id, stop.symbol, stop.terms.good_till_ms);
        self.next_stop += 1;
        let acct = self.account_mut(account);
        acct.open_stops.insert(id);
        acct.stops.push(id);
        acct.stop_by_client.insert(stop.client_id.clone(), id);
        self.market_mut(symbol).stops.insert(id);
        if date > 0 {
            self.good_till.insert((date, id));
            self.wake_at(date);
        }
        let (view, working, trails) = (stop.view(), stop.working, stop.trail.is_some());
        self.stops.insert(id, stop);
        self.emit_stop(id, None, out);
        self.maybe_lost(id);
        if trails && let Some(ticks) = self.watched(symbol, working) {
            self.activate(id, ticks, out);
        }
        Ok(Response::Stop(view))
    }

    /// A trailing stop sees the price of the moment it is placed in; that may activate it and nothing more.
    fn activate(&mut self, id: u64, ticks: Decimal, out: &mut Vec<EngineEvent>) {
        let reaction = self.stops.get_mut(&id).map(|s| s.react(ticks));
        if reaction == Some(Reaction::Activates) {
            self.emit_stop(id, None, out);
        }
    }

    /// The order that a request would make.
    pub(super) fn stop_of(&self, account: AccountId, ask: NewConditional) -> Stop {
        let id = self.next_stop;
        let (trigger, take_profit, trail) = match ask.trigger {
            Trigger::Level { price, take_profit } => (price, take_profit, None),
            Trigger::Trailing {
                activation,
                callback,
            } => (
                activation.unwrap_or(Price(0)),
                false,
                Some(Trail::new(activation, callback)),
            ),
        };
        Stop {
            id,
            account,
            symbol: ask.symbol,
            client_id: ask
                .client_id
                .unwrap_or_else(|| ClientId::from(format!("venue-{id}").as_str())),
            side: ask.side,
            trigger,
            reduce_only: ask.reduce_only || ask.qty.is_none(),
            qty: ask.qty.map(|q| q.0),
            take_profit,
            working: ask.working,
            kind: ask.kind,
            price_protect: ask.price_protect,
            trail,
            terms: ask.terms.kept(),
            status: AlgoStatus::New,
            order_id: None,
            created_ms: self.now_ms,
            update_ms: self.now_ms,
            trigger_ms: 0,
        }
    }

    /// The price that a working type watches, ticks; `None` while there is none.
    pub(super) fn watched(&self, symbol: SymbolId, working: WorkingType) -> Option<Decimal> {
        let m = self.market(symbol);
        match working {
            WorkingType::MarkPrice => {
                let tick = self.listed(symbol).instrument.tick;
                m.mark_price().and_then(|p| p.checked_div(tick))
            }
            WorkingType::ContractPrice => m.last_trade.map(|t| Decimal::from(t.price.0)),
        }
    }

    /// Everything that may refuse a conditional order when it is placed.
    pub(super) fn check_stop(&self, s: &Stop) -> Result<(), VenueError> {
        let acct = self.acct(s.account);
        if self.is_halted(s.symbol) {
            return Err(refusal::not_trading());
        }
        filters::check_client_id(&s.client_id)?;
        if acct
            .stop_by_client
            .get(&s.client_id)
            .is_some_and(|id| acct.open_stops.contains(id))
        {
            return Err(refusal::duplicate_id());
        }
        self.check_stop_form(s)?;
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
        let hit = self.watched(s.symbol, s.working).is_some_and(|ticks| {
            s.trail
                .map_or_else(|| s.reached(ticks), |t| !t.is_ahead(s.side, ticks))
        });
        if hit {
            return Err(refusal::would_trigger());
        }
        Ok(())
    }

    /// Prices, quantity and which fields go together.
    fn check_stop_form(&self, s: &Stop) -> Result<(), VenueError> {
        let inst = &self.listed(s.symbol).instrument;
        let market = s.kind == OrderKind::Market;
        match s.trail {
            None => filters::check_trigger_price(s.trigger)?,
            Some(t) => {
                if t.callback < Decimal::new(1, 1) || t.callback > Decimal::from(20) {
                    return Err(refusal::bad_callback_rate());
                }
                if let Some(a) = t.activation {
                    filters::check_trigger_price(a)?;
                }
                if !market {
                    return Err(refusal::bad_combination());
                }
            }
        }
        if s.qty.is_none() && (!market || s.trail.is_some()) {
            return Err(refusal::close_needs_market());
        }
        if let Some(q) = s.qty {
            filters::check_qty(inst, market, Qty(q))?;
        }
        self.check_good_till(&s.kind, s.terms.good_till_ms)?;
        match (s.kind, s.terms.price_match) {
            (OrderKind::Market, Some(_)) => Err(refusal::match_needs_limit()),
            (OrderKind::Limit { price, .. }, Some(_)) if price.0 != 0 => {
                Err(refusal::bad_price_match())
            }
            (OrderKind::Limit { price, .. }, None) => {
                filters::check_limit_price(inst, s.side, price, None)?;
                filters::check_stop_limit(inst, s.side, s.trigger, price)
            }
            _ => Ok(()),
        }
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
        let Some(s) = self.stops.get_mut(&id).filter(|s| !s.status.is_final()) else {
            return;
        };
        s.status = status;
        s.update_ms = now;
        let (account, symbol, date) = (s.account, s.symbol, s.terms.good_till_ms);
        if date > 0 {
            self.good_till.remove(&(date, id));
        }
        self.market_mut(symbol).drop_stop(id);
        self.account_mut(account).open_stops.remove(&id);
        self.emit_stop(id, reason, out);
    }

    pub(super) fn emit_stop(&self, id: u64, reason: Option<&str>, out: &mut Vec<EngineEvent>) {
        let Some(s) = self.stops.get(&id) else {
            return;
        };
        let update = AlgoUpdate {
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
        };
        out.push(EngineEvent::User(
            s.account,
            s.symbol,
            UserEvent::Algo(update, Box::new(self.view_stop(s))),
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
