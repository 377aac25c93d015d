//! Conditional orders going off: watched prices in, plain orders out.

use super::conditional::{Reaction, WorkingType};
use super::orders;
use super::refusal;
use super::state::{OrderOrigin, Stop};
use super::types::{EngineEvent, SymbolId, UserEvent, VenueError};
use super::{Engine, TRIGGER_DELAY_MS};
use helios_core::order::{AlgoStatus, OrderKind};
use rust_decimal::Decimal;
use std::sync::Arc;

/// `triggerProtect` of every contract: how far last price and mark may be apart, fraction of the mark, for an order with
/// `priceProtect` to go off.
#[must_use]
pub fn trigger_protect() -> Decimal {
    Decimal::new(5, 2)
}

impl Engine {
    /// Shows a price (ticks) to every conditional order that watches it, in the order they were placed.
    pub(super) fn watch(
        &mut self,
        symbol: SymbolId,
        working: WorkingType,
        ticks: Decimal,
        out: &mut Vec<EngineEvent>,
    ) {
        if self.market(symbol).stops.is_empty() {
            return;
        }
        let watching = self.market(symbol).stops.iter().copied();
        let watching: Vec<u64> = watching
            .filter(|id| {
                let s = self.stops.get(id);
                s.is_some_and(|s| s.status == AlgoStatus::New && s.working == working)
            })
            .collect();
        for id in watching {
            let reaction = self.stops.get_mut(&id).map(|s| s.react(ticks));
            match reaction {
                Some(Reaction::GoesOff) => self.trigger(id, out),
                Some(Reaction::Activates) => self.emit_stop(id, None, out),
                Some(Reaction::Waits) | None => {}
            }
        }
    }

    fn trigger(&mut self, id: u64, out: &mut Vec<EngineEvent>) {
        let now = self.now_ms;
        let Some(s) = self.stops.get(&id) else { return };
        let symbol = s.symbol;
        if s.price_protect && self.prices_apart(symbol) {
            self.end_stop(id, AlgoStatus::Expired, Some("Price protect"), out);
            return;
        }
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

    /// Last price and mark are further apart than price protection allows; false while one of them is unknown.
    fn prices_apart(&self, symbol: SymbolId) -> bool {
        let last = self.watched(symbol, WorkingType::ContractPrice);
        let mark = self.watched(symbol, WorkingType::MarkPrice);
        last.zip(mark)
            .and_then(|(l, m)| (l - m).abs().checked_div(m))
            .is_some_and(|apart| apart > trigger_protect())
    }

    /// A triggered stop becomes its order.
    pub(super) fn fire_stop(&mut self, id: u64, out: &mut Vec<EngineEvent>) {
        let Some(s) = self.stops.get(&id) else {
            return;
        };
        if s.status != AlgoStatus::Triggering {
            return;
        }
        if s.qty.is_none() && self.reducible(s.account, s.symbol, s.side) == 0 {
            self.end_stop(id, AlgoStatus::Expired, Some("No position to close"), out);
            return;
        }
        match self.triggered_order(s) {
            Ok(ask) => {
                let order = self.create_triggered(id, ask, out);
                self.work(order, out);
            }
            Err(e) => self.reject_stop(id, &e, out),
        }
    }

    /// The order a conditional order becomes now, or why it can't.
    fn triggered_order(&self, s: &Stop) -> Result<orders::Ask, VenueError> {
        let (account, symbol, side) = (s.account, s.symbol, s.side);
        if self.is_halted(symbol) {
            return Err(refusal::not_trading());
        }
        let room = self.reducible(account, symbol, side);
        let mut ask = orders::Ask {
            account,
            symbol,
            client_id: None,
            side,
            kind: s.kind,
            qty: s.qty.unwrap_or(room),
            reduce_only: s.reduce_only,
            terms: s.terms,
        };
        if s.reduce_only && s.kind == OrderKind::Market {
            // A closing stop is not stopped by filters, nor by what other reduce-only orders hold.
            if room == 0 {
                return Err(refusal::nothing_to_reduce());
            }
            ask.qty = ask.qty.min(room);
        } else {
            if let (OrderKind::Limit { price, .. }, Some(m)) = (&mut ask.kind, s.terms.price_match)
            {
                *price = self.matched_price(symbol, side, m)?;
            }
            self.check_order(&mut ask)?;
        }
        ask.client_id = Some(s.client_id.clone());
        Ok(ask)
    }

    /// The order was refused. A limit whose time in force can't be kept counts as expired.
    fn reject_stop(&mut self, id: u64, e: &VenueError, out: &mut Vec<EngineEvent>) {
        let Some(s) = self.stops.get(&id) else {
            return;
        };
        out.push(EngineEvent::User(
            s.account,
            s.symbol,
            UserEvent::TriggerRejected {
                symbol: s.symbol,
                algo_id: id,
                reason: Arc::from(e.msg.as_str()),
            },
        ));
        let unkept = [refusal::fok_unfillable(), refusal::would_take()];
        let status = if unkept.iter().any(|u| u.code == e.code) {
            AlgoStatus::Expired
        } else {
            AlgoStatus::Rejected
        };
        self.end_stop(id, status, Some(&e.msg), out);
    }

    /// From here on it is the plain order that is open.
    fn create_triggered(&mut self, id: u64, ask: orders::Ask, out: &mut Vec<EngineEvent>) -> u64 {
        let now = self.now_ms;
        let account = ask.account;
        if let Some(s) = self.stops.get_mut(&id) {
            s.status = AlgoStatus::Triggered;
            s.order_id = Some(self.next_order);
            s.update_ms = now;
            let date = (s.terms.good_till_ms, id);
            self.good_till.remove(&date);
        }
        self.account_mut(account).open_stops.remove(&id);
        self.emit_stop(id, None, out);
        self.create_order(ask, OrderOrigin::Stop(id), out)
    }
}
