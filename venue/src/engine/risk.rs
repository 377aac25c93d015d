//! Margin of an account in the engine: initial margin before an order, leverage, totals for queries and liquidation.
//!
//! Initial margin of a contract = max(|position + buys|, |position − sells|) ÷ leverage, on mark for the position and on
//! the limit (or the price a market order would meet) for orders; reduce-only orders need none. Contracts whose mark price
//! is not known yet are valued at mid, then at the last trade.

use super::Engine;
use super::margin;
use super::orders::Ask;
use super::refusal;
use super::state::Order;
use super::types::{AccountId, Response, SymbolId, VenueError};
use helios_core::fixed::{Money, Qty, Side};
use helios_core::order::OrderKind;
use rust_decimal::Decimal;

/// Margin of one contract of one account.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SymbolMargin {
    /// Signed position notional at mark.
    pub notional: Money,
    pub unrealised: Money,
    pub maintenance: Money,
    pub bid_notional: Money,
    pub ask_notional: Money,
    pub leverage: u32,
}

impl SymbolMargin {
    /// Largest exposure the open orders could lead to.
    pub fn exposure(&self) -> Money {
        let up = (self.notional + self.bid_notional).abs();
        let down = (self.notional - self.ask_notional).abs();
        up.max(down)
    }

    pub fn initial(&self) -> Money {
        self.exposure() / Decimal::from(self.leverage.max(1))
    }

    pub fn position_initial(&self) -> Money {
        self.notional.abs() / Decimal::from(self.leverage.max(1))
    }
}

/// Margin of one account.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AccountMargin {
    pub unrealised: Money,
    pub maintenance: Money,
    pub initial: Money,
    pub position_initial: Money,
}

impl Engine {
    /// What a contract is valued at: mark, else mid, else last trade.
    pub(super) fn valuation(&self, symbol: SymbolId) -> Option<Decimal> {
        let m = self.market(symbol);
        let inst = &self.listed(symbol).instrument;
        m.mark_price()
            .or_else(|| {
                let (b, a) = (m.bids.best_price()?, m.asks.best_price()?);
                Some((inst.price_dec(b) + inst.price_dec(a)) / Decimal::TWO)
            })
            .or_else(|| m.last_trade.map(|t| inst.price_dec(t.price)))
    }

    pub(super) fn symbol_margin(&self, account: AccountId, symbol: SymbolId) -> SymbolMargin {
        let slot = self.acct(account).at(symbol);
        let mut m = SymbolMargin {
            leverage: slot.leverage,
            ..SymbolMargin::default()
        };
        if slot.position.qty == 0 && slot.open.is_empty() {
            return m;
        }
        let spec = self.listed(symbol);
        let inst = &spec.instrument;
        if slot.position.qty != 0
            && let Some(mark) = self.valuation(symbol)
        {
            let n = slot.position.notional(inst, mark);
            m.notional = n * Decimal::from(slot.position.qty.signum());
            m.unrealised = slot.position.unrealised(inst, mark);
            m.maintenance = margin::maintenance(&spec.brackets, n);
        }
        for o in slot.open.iter().filter_map(|id| self.orders.get(id)) {
            if let (false, Some(price)) = (o.reduce_only, o.limit()) {
                let n = inst.notional(price, Qty(o.remaining()));
                match o.side {
                    Side::Buy => m.bid_notional += n,
                    Side::Sell => m.ask_notional += n,
                }
            }
        }
        m
    }

    pub(super) fn account_margin(&self, account: AccountId) -> AccountMargin {
        let mut total = AccountMargin::default();
        for s in 0..self.markets.len() {
            let m = self.symbol_margin(account, SymbolId(s as u16));
            total.unrealised += m.unrealised;
            total.maintenance += m.maintenance;
            total.initial += m.initial();
            total.position_initial += m.position_initial();
        }
        total
    }

    /// −2027 and −2019. Orders that don't raise the largest possible exposure always pass. `replaced` is the open order
    /// that this one is an amendment of.
    pub(super) fn check_initial_margin(
        &self,
        ask: &Ask,
        replaced: Option<&Order>,
    ) -> Result<(), VenueError> {
        let spec = self.listed(ask.symbol);
        let inst = &spec.instrument;
        let market = self.market(ask.symbol);
        let mark = self.valuation(ask.symbol).unwrap_or(Decimal::ZERO);
        let best = |side: Side| {
            market
                .side(side)
                .best_price()
                .map_or(mark, |p| inst.price_dec(p))
        };
        let price = match (ask.kind, ask.side) {
            (OrderKind::Limit { price, .. }, Side::Buy) => inst.price_dec(price),
            (OrderKind::Limit { price, .. }, Side::Sell) => {
                inst.price_dec(price).max(best(Side::Buy))
            }
            // The exchange reckons market buys 5 bp above the best ask.
            (OrderKind::Market, Side::Buy) => best(Side::Sell) * Decimal::new(10_005, 4),
            (OrderKind::Market, Side::Sell) => best(Side::Buy).max(mark),
        };
        let notional = super::filters::notional(inst, price, Qty(ask.qty))?;
        let before = self.symbol_margin(ask.account, ask.symbol);
        let mut after = before;
        let freed = replaced
            .and_then(|o| Some(inst.notional(o.limit()?, Qty(o.remaining()))))
            .unwrap_or(Money::ZERO);
        match ask.side {
            Side::Buy => after.bid_notional += notional - freed,
            Side::Sell => after.ask_notional += notional - freed,
        }
        if after.exposure() <= before.exposure() {
            return Ok(());
        }
        let cap = margin::max_notional(&spec.brackets, before.leverage);
        if cap.is_some_and(|cap| after.exposure() > cap) {
            return Err(refusal::above_leverage_cap());
        }
        let open_loss = if mark.is_zero() {
            Money::ZERO
        } else {
            let per_unit = (price - mark) * Decimal::from(ask.side.sign());
            per_unit.max(Decimal::ZERO) * inst.qty_dec(Qty(ask.qty))
        };
        let total = self.account_margin(ask.account);
        let need = total.initial - before.initial() + after.initial() + open_loss;
        if need > self.acct(ask.account).wallet + total.unrealised {
            return Err(refusal::margin_insufficient());
        }
        Ok(())
    }

    pub(super) fn set_leverage(
        &mut self,
        account: AccountId,
        symbol: SymbolId,
        leverage: u32,
    ) -> Result<Response, VenueError> {
        let brackets = &self.spec(symbol)?.brackets;
        if leverage == 0 || leverage > margin::max_leverage(brackets) {
            return Err(refusal::bad_leverage(leverage));
        }
        let before = self.symbol_margin(account, symbol);
        if margin::max_notional(brackets, leverage).is_some_and(|cap| before.exposure() > cap) {
            return Err(refusal::above_leverage_cap());
        }
        let after = SymbolMargin { leverage, ..before };
        if after.initial() > before.initial() {
            let total = self.account_margin(account);
            let need = total.initial - before.initial() + after.initial();
            if need > self.acct(account).wallet + total.unrealised {
                return Err(refusal::leverage_needs_margin());
            }
        }
        self.account_mut(account).at_mut(symbol).leverage = leverage;
        Ok(Response::Done)
    }
}
