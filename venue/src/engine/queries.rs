//! What may be read: accounts, positions, orders, trades, the ledger and the combined book. Nothing here changes anything.

use super::account::{LedgerEntry, UserTrade};
use super::margin;
use super::refusal;
use super::risk::AccountMargin;
use super::state::{Order, Stop};
use super::types::{AccountId, EngineConfig, OrderRef, SymbolId, SymbolSpec, VenueError};
use super::views::{AccountView, OrderView, PositionView, StopView, Touch};
use super::{Engine, Money};
use helios_core::fixed::Qty;
use helios_core::market::{AggTrade, DepthSnapshot, MarkPrice};
use rust_decimal::Decimal;

impl Engine {
    /// What it was built with.
    #[must_use]
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// Latest market time seen, ms.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// A contract by its name.
    #[must_use]
    pub fn symbol_id(&self, name: &str) -> Option<SymbolId> {
        let at = |s: &SymbolSpec| &*s.instrument.symbol == name;
        self.config
            .symbols
            .iter()
            .position(at)
            .map(|i| SymbolId(i as u16))
    }

    /// Accounts, in order of opening.
    pub fn accounts(&self) -> impl Iterator<Item = AccountId> + '_ {
        self.accounts.iter().map(|a| a.id)
    }

    /// Balances, margin and positions.
    ///
    /// # Errors
    /// −2015 for an unknown account.
    pub fn account(&self, account: AccountId) -> Result<AccountView, VenueError> {
        self.check_account(account)?;
        let a = self.acct(account);
        let m = self.account_margin(account);
        let margin_balance = a.wallet + m.unrealised;
        let used = (0..self.markets.len())
            .map(|s| SymbolId(s as u16))
            .filter(|s| a.at(*s).position.qty != 0 || !a.at(*s).open.is_empty());
        Ok(AccountView {
            wallet: a.wallet,
            unrealised: m.unrealised,
            margin_balance,
            maint_margin: m.maintenance,
            initial_margin: m.initial,
            position_initial_margin: m.position_initial,
            open_order_initial_margin: m.initial - m.position_initial,
            available: (margin_balance - m.initial).max(Money::ZERO),
            positions: used.map(|s| self.view_position(account, s, &m)).collect(),
            update_ms: a.ledger.last().map_or(0, |l| l.time_ms),
        })
    }

    /// One contract of an account, flat or not.
    ///
    /// # Errors
    /// −2015 or −1121 when there is no such account or contract.
    pub fn position(
        &self,
        account: AccountId,
        symbol: SymbolId,
    ) -> Result<PositionView, VenueError> {
        self.check_account(account)?;
        self.spec(symbol)?;
        Ok(self.view_position(account, symbol, &self.account_margin(account)))
    }

    /// Every contract with a position.
    ///
    /// # Errors
    /// −2015 for an unknown account.
    pub fn positions(&self, account: AccountId) -> Result<Vec<PositionView>, VenueError> {
        let mut all = self.account(account)?.positions;
        all.retain(|p| !p.qty.is_zero());
        Ok(all)
    }

    fn view_position(
        &self,
        account: AccountId,
        symbol: SymbolId,
        total: &AccountMargin,
    ) -> PositionView {
        let slot = self.acct(account).at(symbol);
        let spec = self.listed(symbol);
        let (inst, p) = (&spec.instrument, &slot.position);
        let m = self.symbol_margin(account, symbol);
        let rest = self.acct(account).wallet + total.unrealised
            - m.unrealised
            - (total.maintenance - m.maintenance);
        let entry = p.entry_price(inst);
        let fees = Decimal::TWO * spec.fees.taker * Decimal::from(p.qty.signum());
        PositionView {
            symbol,
            qty: Qty(p.qty),
            entry_price: entry,
            break_even_price: (entry * (Decimal::ONE + fees)).round_dp(12).normalize(),
            mark: self.valuation(symbol).unwrap_or(Decimal::ZERO),
            notional: m.notional,
            unrealised: m.unrealised,
            position_initial_margin: m.position_initial(),
            open_order_initial_margin: m.initial() - m.position_initial(),
            bid_notional: m.bid_notional,
            ask_notional: m.ask_notional,
            maint_margin: m.maintenance,
            liquidation_price: margin::liquidation_price(
                &spec.brackets,
                inst.qty_dec(Qty(p.qty)),
                p.cost,
                rest,
            ),
            leverage: slot.leverage,
            max_notional: margin::max_notional(&spec.brackets, slot.leverage),
            update_ms: p.update_ms,
        }
    }

    /// Initial leverage of an account in a contract; `None` when there is no such account or contract.
    #[must_use]
    pub fn leverage(&self, account: AccountId, symbol: SymbolId) -> Option<u32> {
        self.accounts
            .get(account.0 as usize)
            .and_then(|a| a.symbols.get(usize::from(symbol.0)))
            .map(|s| s.leverage)
    }

    fn view_order(&self, o: &Order) -> OrderView {
        OrderView {
            symbol: o.symbol,
            order: o.view(),
            kind: o.kind,
            avg_price: self.avg_price(o),
            cum_quote: o.cum_quote,
            origin: o.origin,
            created_ms: o.created_ms,
            terms: o.terms,
        }
    }

    pub(super) fn view_stop(&self, s: &Stop) -> StopView {
        let order = s.order_id.and_then(|id| self.orders.get(&id));
        StopView {
            symbol: s.symbol,
            stop: s.view(),
            reduce_only: s.reduce_only,
            take_profit: s.take_profit,
            working: s.working,
            kind: s.kind,
            price_protect: s.price_protect,
            trail: s.trail,
            terms: s.terms,
            order_id: s.order_id,
            actual_price: order.map_or(Decimal::ZERO, |o| self.avg_price(o)),
            actual_qty: Qty(order.map_or(0, |o| o.filled)),
            created_ms: s.created_ms,
            trigger_ms: s.trigger_ms,
        }
    }

    /// Plain orders of an account, oldest first; `open` leaves out those that are done. Empty for unknown accounts.
    fn list_orders(
        &self,
        account: AccountId,
        symbol: Option<SymbolId>,
        open: bool,
    ) -> Vec<OrderView> {
        let Some(a) = self.accounts.get(account.0 as usize) else {
            return Vec::new();
        };
        let wanted = |i: usize| symbol.is_none_or(|s| usize::from(s.0) == i);
        let slots = a.symbols.iter().enumerate().filter(|(i, _)| wanted(*i));
        let mut ids: Vec<u64> = slots
            .flat_map(|(_, s)| {
                let done = if open { &[][..] } else { &s.orders[..] };
                let live = s.open.iter().filter(move |_| open);
                live.chain(done).copied()
            })
            .collect();
        ids.sort_unstable();
        ids.iter()
            .filter_map(|id| self.orders.get(id))
            .filter(|o| self.shows_order(o))
            .map(|o| self.view_order(o))
            .collect()
    }

    /// Open plain orders, oldest first.
    #[must_use]
    pub fn open_orders(&self, account: AccountId, symbol: Option<SymbolId>) -> Vec<OrderView> {
        self.list_orders(account, symbol, true)
    }

    /// All plain orders, done ones included, oldest first.
    #[must_use]
    pub fn orders(&self, account: AccountId, symbol: Option<SymbolId>) -> Vec<OrderView> {
        self.list_orders(account, symbol, false)
    }

    /// The newest `limit` plain orders of a contract, oldest first.
    #[must_use]
    pub fn recent_orders(
        &self,
        account: AccountId,
        symbol: SymbolId,
        limit: usize,
    ) -> Vec<OrderView> {
        let slot = self.slot(account, symbol);
        let ids = slot.map_or(&[][..], |s| {
            &s.orders[s.orders.len().saturating_sub(limit)..]
        });
        ids.iter()
            .filter_map(|id| self.orders.get(id))
            .filter(|o| self.shows_order(o))
            .map(|o| self.view_order(o))
            .collect()
    }

    /// A plain order; by client id the latest under it (an open one is always the latest).
    ///
    /// # Errors
    /// −2013 when there is none, −2015, −1121.
    pub fn order(
        &self,
        account: AccountId,
        symbol: SymbolId,
        which: &OrderRef,
    ) -> Result<OrderView, VenueError> {
        self.check_account(account)?;
        self.spec(symbol)?;
        let id = match which {
            OrderRef::Id(id) => Some(*id),
            OrderRef::Client(c) => self.acct(account).at(symbol).by_client.get(c).copied(),
        };
        let shown = |o: &&Order| o.account == account && o.symbol == symbol && self.shows_order(o);
        let latest = id.and_then(|id| self.orders.get(&id)).filter(shown);
        // A name may have been used before, by an order that is told of for longer.
        let earlier = || {
            let OrderRef::Client(c) = which else {
                return None;
            };
            let all = self.acct(account).at(symbol).orders.iter().rev();
            all.filter_map(|id| self.orders.get(id))
                .filter(|o| o.client_id == *c)
                .find(shown)
        };
        latest
            .or_else(earlier)
            .map(|o| self.view_order(o))
            .ok_or_else(refusal::no_such_order)
    }

    fn list_stops(
        &self,
        account: AccountId,
        symbol: Option<SymbolId>,
        open: bool,
    ) -> Vec<StopView> {
        let Some(a) = self.accounts.get(account.0 as usize) else {
            return Vec::new();
        };
        a.stops
            .iter()
            .filter(|id| !open || a.open_stops.contains(id))
            .filter_map(|id| self.stops.get(id))
            .filter(|s| symbol.is_none_or(|want| want == s.symbol) && self.shows_stop(s))
            .map(|s| self.view_stop(s))
            .collect()
    }

    /// Working (or triggering) conditional orders, oldest first.
    #[must_use]
    pub fn open_stops(&self, account: AccountId, symbol: Option<SymbolId>) -> Vec<StopView> {
        self.list_stops(account, symbol, true)
    }

    /// All conditional orders, done ones included, oldest first.
    #[must_use]
    pub fn stops(&self, account: AccountId, symbol: Option<SymbolId>) -> Vec<StopView> {
        self.list_stops(account, symbol, false)
    }

    /// A conditional order; by client id the latest under it.
    ///
    /// # Errors
    /// −2013 when there is none, −2015.
    pub fn stop(&self, account: AccountId, which: &OrderRef) -> Result<StopView, VenueError> {
        self.check_account(account)?;
        let id = match which {
            OrderRef::Id(id) => Some(*id),
            OrderRef::Client(c) => self.acct(account).stop_by_client.get(c).copied(),
        };
        id.and_then(|id| self.stops.get(&id))
            .filter(|s| s.account == account && self.shows_stop(s))
            .map(|s| self.view_stop(s))
            .ok_or_else(refusal::no_such_order)
    }

    /// Fills, oldest first; empty for an unknown account.
    pub fn user_trades(
        &self,
        account: AccountId,
        symbol: Option<SymbolId>,
    ) -> impl DoubleEndedIterator<Item = &UserTrade> + '_ {
        self.accounts
            .get(account.0 as usize)
            .map_or(&[][..], |a| &a.trades)
            .iter()
            .filter(move |t| symbol.is_none_or(|s| s == t.symbol) && self.shows_trade(t))
    }

    /// Every change of the wallet, oldest first; empty for an unknown account.
    #[must_use]
    pub fn ledger(&self, account: AccountId) -> &[LedgerEntry] {
        self.accounts
            .get(account.0 as usize)
            .map_or(&[], |a| &a.ledger)
    }

    /// The combined book, best first, at most `limit` levels a side; empty for an unknown contract.
    #[must_use]
    pub fn depth(&self, symbol: SymbolId, limit: usize) -> DepthSnapshot {
        self.markets
            .get(usize::from(symbol.0))
            .map_or_else(DepthSnapshot::default, |m| m.snapshot(limit))
    }

    /// Best bid and best ask of the combined book with their quantities.
    #[must_use]
    pub fn best(&self, symbol: SymbolId) -> Touch {
        self.markets
            .get(usize::from(symbol.0))
            .map_or((None, None), |m| (m.bids.best(), m.asks.best()))
    }

    /// Latest trade printed, own ones included.
    #[must_use]
    pub fn last_trade(&self, symbol: SymbolId) -> Option<AggTrade> {
        self.markets.get(usize::from(symbol.0))?.last_trade
    }

    /// Latest mark price.
    #[must_use]
    pub fn mark(&self, symbol: SymbolId) -> Option<MarkPrice> {
        self.markets.get(usize::from(symbol.0))?.mark
    }
}
