//! Cross-margin liquidation: when maintenance margin reaches margin balance on mark prices.
//!
//! Steps: MARGIN_CALL at 80 % (once, until the ratio falls below 70 %; also just before a liquidation that jumped over
//! it), then at 100 % every open plain order of the account is cancelled and positions are taken over, the largest
//! maintenance margin first, until the account is sound. A takeover is an IOC order named `autoclose-…` that sweeps the
//! book down to the contract's price bound; what the book does not hold, the venue takes at mark. Its fills are CALCULATED
//! and pay the liquidation fee instead of the taker fee. A wallet below zero is made good by the insurance fund.

use super::Engine;
use super::account::LedgerKind;
use super::orders::Ask;
use super::state::OrderOrigin;
use super::terms::OrderTerms;
use super::types::{AccountId, EngineEvent, SymbolId, UserEvent};
use helios_core::fixed::{Money, Price, Side};
use helios_core::order::{ClientId, OrderKind, TimeInForce};
use rust_decimal::Decimal;

impl Engine {
    /// MM ≥ `percent` % of MB, with something to maintain.
    fn ratio_at_least(&self, account: AccountId, percent: i64) -> bool {
        let m = self.account_margin(account);
        let balance = self.acct(account).wallet + m.unrealised;
        self.has_position(account)
            && (m.maintenance * Decimal::ONE_HUNDRED >= balance * Decimal::from(percent))
    }

    fn has_position(&self, account: AccountId) -> bool {
        self.acct(account)
            .symbols
            .iter()
            .any(|s| s.position.qty != 0)
    }

    /// Warns, and liquidates where it must.
    pub(super) fn check_margin(&mut self, account: AccountId, out: &mut Vec<EngineEvent>) {
        if !self.ratio_at_least(account, 70) {
            self.account_mut(account).margin_called = false;
            self.cover(account, out);
            return;
        }
        if !self.ratio_at_least(account, 80) {
            return;
        }
        if !self.acct(account).margin_called {
            self.account_mut(account).margin_called = true;
            for symbol in self.held_symbols(account) {
                out.push(EngineEvent::User(
                    account,
                    symbol,
                    UserEvent::MarginCall { symbol },
                ));
            }
        }
        if self.ratio_at_least(account, 100) {
            self.liquidate(account, out);
            self.cover(account, out);
        }
    }

    fn held_symbols(&self, account: AccountId) -> Vec<SymbolId> {
        (0..self.markets.len())
            .map(|s| SymbolId(s as u16))
            .filter(|s| self.acct(account).at(*s).position.qty != 0)
            .collect()
    }

    fn liquidate(&mut self, account: AccountId, out: &mut Vec<EngineEvent>) {
        for s in 0..self.markets.len() {
            self.cancel_open(account, SymbolId(s as u16), out);
        }
        while self.ratio_at_least(account, 100) {
            let worst = self
                .held_symbols(account)
                .into_iter()
                .max_by_key(|s| (self.symbol_margin(account, *s).maintenance, s.0));
            let Some(symbol) = worst else { break };
            self.take_over(account, symbol, out);
        }
    }

    /// A flat account owes nothing: the insurance fund covers a wallet below zero.
    fn cover(&mut self, account: AccountId, out: &mut Vec<EngineEvent>) {
        if self.has_position(account) || self.acct(account).wallet >= Money::ZERO {
            return;
        }
        let now = self.now_ms;
        let a = self.account_mut(account);
        let gap = -a.wallet;
        a.book(now, LedgerKind::InsuranceClear, None, gap, None);
        self.emit_wallet(account, SymbolId(0), "INSURANCE_CLEAR", out);
    }

    /// The exchange closes a position of its own accord.
    pub(super) fn force_close(
        &mut self,
        account: AccountId,
        symbol: SymbolId,
        out: &mut Vec<EngineEvent>,
    ) {
        self.cancel_open(account, symbol, out);
        self.take_over(account, symbol, out);
        self.cover(account, out);
    }

    fn take_over(&mut self, account: AccountId, symbol: SymbolId, out: &mut Vec<EngineEvent>) {
        let held = self.acct(account).at(symbol).position.qty;
        let side = if held > 0 { Side::Sell } else { Side::Buy };
        let inst = &self.listed(symbol).instrument;
        let mark = self.valuation(symbol).unwrap_or(inst.tick);
        let at_mark = match side {
            Side::Sell => inst.price_floor(mark),
            Side::Buy => inst.price_ceil(mark),
        };
        let at_mark = Price(at_mark.0.max(1));
        let bound = self.market_bound(symbol, side).unwrap_or(at_mark);
        let client_id = format!("autoclose-{}", self.next_order);
        let id = self.create_order(
            Ask {
                account,
                symbol,
                client_id: Some(ClientId::from(client_id.as_str())),
                side,
                kind: OrderKind::Limit {
                    price: Price(bound.0.max(1)),
                    tif: TimeInForce::Ioc,
                },
                qty: held.abs(),
                reduce_only: true,
                terms: OrderTerms::default(),
            },
            OrderOrigin::Liquidation,
            out,
        );
        self.take(id, Some(bound), out);
        let left = self.orders.get(&id).map_or(0, |o| o.remaining());
        if left > 0 {
            let trade_id = self.next_fill(symbol);
            self.fill_order(id, trade_id, at_mark, left, false, out);
        }
    }
}
