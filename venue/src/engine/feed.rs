//! Market data in: the outside book, trades of others and mark prices, and what of them goes out again.
//!
//! Frames keep the source's ids. Where own orders rest or something was consumed, quantities in them are those of the
//! combined book, and own changes since the frame before ride along. Trades keep the source's order; their ids are
//! shifted by the number of own trades printed so far, so that ids stay unbroken.

use super::Engine;
use super::conditional::WorkingType;
use super::types::{EngineEvent, SymbolId};
use helios_core::fixed::{Price, Side};
use helios_core::market::{AggTrade, DepthSnapshot, DepthUpdate, MarkPrice};
use helios_core::order::ExecType;
use rust_decimal::Decimal;

impl Engine {
    pub(super) fn on_snapshot(
        &mut self,
        symbol: SymbolId,
        s: &DepthSnapshot,
        out: &mut Vec<EngineEvent>,
    ) {
        let now = self.now_ms;
        let m = self.market_mut(symbol);
        m.bids.replace(&s.bids);
        m.asks.replace(&s.asks);
        m.last_id = s.last_id;
        m.event_ms = if s.event_ms > 0 { s.event_ms } else { now };
        self.uncross(symbol, out);
    }

    pub(super) fn on_depth(
        &mut self,
        symbol: SymbolId,
        mut d: DepthUpdate,
        out: &mut Vec<EngineEvent>,
    ) {
        let m = self.market_mut(symbol);
        if d.last_id < m.last_id {
            return; // older than the snapshot
        }
        for (p, q) in &d.bids {
            m.bids.set(*p, *q);
        }
        for (p, q) in &d.asks {
            m.asks.set(*p, *q);
        }
        m.last_id = d.last_id;
        m.event_ms = d.event_ms;
        self.uncross(symbol, out);
        // What follows from those fills belongs into this frame too.
        self.settle(out);
        let m = self.market_mut(symbol);
        m.bids.merge_into(&mut d.bids);
        m.asks.merge_into(&mut d.asks);
        out.push(EngineEvent::Depth(symbol, d));
    }

    /// The outside book moved onto own resting orders: they fill at their own price, and take what they met.
    fn uncross(&mut self, symbol: SymbolId, out: &mut Vec<EngineEvent>) {
        for side in [Side::Buy, Side::Sell] {
            loop {
                let m = self.market(symbol);
                let (Some(own), Some(met)) = (
                    m.side(side).best_own(),
                    m.side(side.opposite()).best_outside(),
                ) else {
                    break;
                };
                if !m.side(side).at_least(own, met) {
                    break;
                }
                let lots = m.side(side.opposite()).outside_at(met);
                let Some(front) = m.side(side).front(own) else {
                    break;
                };
                let done = self.fill_resting(symbol, side, own, front, lots, None, out);
                if done > 0 {
                    self.market_mut(symbol)
                        .side_mut(side.opposite())
                        .consume(met, done);
                }
            }
        }
    }

    pub(super) fn on_trade(
        &mut self,
        symbol: SymbolId,
        mut t: AggTrade,
        out: &mut Vec<EngineEvent>,
    ) {
        let m = self.market_mut(symbol);
        t.id = t.id.saturating_add(m.own_agg);
        m.last_agg = m.last_agg.max(t.id);
        m.last_trade = Some(t);
        out.push(EngineEvent::Trade(symbol, t));
        self.on_last_price(symbol, t.price, out);
        let side = if t.buyer_is_maker {
            Side::Buy
        } else {
            Side::Sell
        };
        let mut left = t.qty.0;
        while left > 0 {
            let book = self.market(symbol).side(side);
            let Some(own) = book.best_own() else { break };
            if !book.at_least(own, t.price) {
                break;
            }
            let Some(front) = book.front(own) else { break };
            // Through its price the queue ahead is gone; at its price the trade eats the queue first.
            if own == t.price && front.ahead > 0 {
                let eaten = left.min(front.ahead);
                self.market_mut(symbol)
                    .side_mut(side)
                    .advance_queue(own, eaten);
                left -= eaten;
                continue;
            }
            left -= self.fill_resting(symbol, side, own, front, left, None, out);
        }
    }

    pub(super) fn on_mark(&mut self, symbol: SymbolId, m: MarkPrice, out: &mut Vec<EngineEvent>) {
        if m.mark <= Decimal::ZERO {
            return; // unknown, never a number
        }
        self.note_funding(symbol, &m);
        self.market_mut(symbol).mark = Some(m);
        out.push(EngineEvent::Mark(symbol, m));
        let tick = self.listed(symbol).instrument.tick;
        if let Some(ticks) = m.mark.checked_div(tick) {
            self.watch(symbol, WorkingType::MarkPrice, ticks, out);
        }
        for i in 0..self.accounts.len() {
            if self.accounts[i].at(symbol).position.qty != 0 {
                let id = self.accounts[i].id;
                self.check_margin(id, out);
            }
        }
    }

    /// Prints an own trade.
    pub(super) fn print_trade(
        &mut self,
        symbol: SymbolId,
        price: Price,
        lots: i64,
        taker: Side,
        out: &mut Vec<EngineEvent>,
    ) {
        let now = self.now_ms;
        let m = self.market_mut(symbol);
        m.own_agg += 1;
        m.last_agg = m.last_agg.saturating_add(1);
        let t = AggTrade {
            id: m.last_agg,
            event_ms: now,
            transact_ms: now,
            price,
            qty: helios_core::fixed::Qty(lots),
            buyer_is_maker: taker == Side::Sell,
        };
        m.last_trade = Some(t);
        out.push(EngineEvent::Trade(symbol, t));
        self.on_last_price(symbol, price, out);
    }

    /// Sets off what watches the last price.
    fn on_last_price(&mut self, symbol: SymbolId, price: Price, out: &mut Vec<EngineEvent>) {
        let ticks = Decimal::from(price.0);
        self.watch(symbol, WorkingType::ContractPrice, ticks, out);
    }

    /// What kind of execution event a fill of this order is.
    pub(super) fn exec_type(&self, order: u64) -> ExecType {
        match self.orders.get(&order).map(|o| o.origin) {
            Some(super::OrderOrigin::Liquidation) => ExecType::Calculated,
            _ => ExecType::Trade,
        }
    }
}
