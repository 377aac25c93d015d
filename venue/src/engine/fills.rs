//! A fill and everything that follows from it at once: order, position, wallet, events.
//!
//! Sequence for each fill, as on the exchange's user stream: ACCOUNT_UPDATE, ORDER_TRADE_UPDATE, then the record for
//! `userTrades`. What a changed position means for other orders is settled when the call ends.

use super::account::{LedgerKind, UserTrade, round_money};
use super::book::Resting;
use super::state::OrderOrigin;
use super::types::{AccountId, EngineEvent, SymbolId, UserEvent};
use super::{Engine, refusal};
use helios_core::fixed::{Money, Price, Qty, Side};
use helios_core::order::{AlgoStatus, ExecType, OrderStatus, OrderUpdate, TradeFill};
use rust_decimal::Decimal;
use std::borrow::Cow;

impl Engine {
    /// Fills up to `lots` of a resting order at its price, against `taker` or the outside; lots filled. A reduce-only order
    /// never goes through zero: what its position does not cover is not filled, and with nothing to cover it expires.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn fill_resting(
        &mut self,
        symbol: SymbolId,
        side: Side,
        price: Price,
        r: Resting,
        lots: i64,
        taker: Option<u64>,
        out: &mut Vec<EngineEvent>,
    ) -> i64 {
        let reduce_only = self.orders.get(&r.id).is_some_and(|o| o.reduce_only);
        let mut take = lots.min(r.remaining);
        if reduce_only {
            take = take.min(self.reducible(r.account, symbol, side));
        }
        if take <= 0 {
            self.finish(r.id, OrderStatus::Expired, ExecType::Expired, out);
            return 0;
        }
        self.market_mut(symbol)
            .side_mut(side)
            .reduce(price, r.id, take);
        let trade_id = self.next_fill(symbol);
        self.print_trade(symbol, price, take, side.opposite(), out);
        self.fill_order(r.id, trade_id, price, take, true, out);
        if let Some(t) = taker {
            self.fill_order(t, trade_id, price, take, false, out);
        }
        take
    }

    /// Fills a taker against the outside book.
    pub(super) fn fill_outside(
        &mut self,
        symbol: SymbolId,
        taker: u64,
        side: Side,
        price: Price,
        lots: i64,
        out: &mut Vec<EngineEvent>,
    ) {
        self.market_mut(symbol)
            .side_mut(side.opposite())
            .consume(price, lots);
        let trade_id = self.next_fill(symbol);
        self.print_trade(symbol, price, lots, side, out);
        self.fill_order(taker, trade_id, price, lots, false, out);
    }

    pub(super) fn next_fill(&mut self, symbol: SymbolId) -> u64 {
        let m = self.market_mut(symbol);
        m.fills += 1;
        m.fills
    }

    /// Lots by which an order of this side could reduce the position.
    pub(super) fn reducible(&self, account: AccountId, symbol: SymbolId, side: Side) -> i64 {
        let q = self.acct(account).at(symbol).position.qty;
        match side {
            Side::Sell => q.max(0),
            Side::Buy => (-q).max(0),
        }
    }

    /// Books one fill of one order.
    pub(super) fn fill_order(
        &mut self,
        id: u64,
        trade_id: u64,
        price: Price,
        lots: i64,
        maker: bool,
        out: &mut Vec<EngineEvent>,
    ) {
        let now = self.now_ms;
        let exec = self.exec_type(id);
        let Some(order) = self.orders.get_mut(&id) else {
            return;
        };
        let spec = &self.config.symbols[usize::from(order.symbol.0)];
        let inst = &spec.instrument;
        let notional = inst.notional(price, Qty(lots));
        order.filled += lots;
        order.cum_quote += notional;
        order.update_ms = now;
        order.status = if order.remaining() > 0 {
            OrderStatus::PartiallyFilled
        } else {
            OrderStatus::Filled
        };
        let (account, symbol, side) = (order.account, order.symbol, order.side);
        let liquidation = order.origin == OrderOrigin::Liquidation;
        let rate = match (liquidation, maker) {
            (true, _) => spec.liquidation_fee,
            (false, true) => spec.fees.maker,
            (false, false) => spec.fees.taker,
        };
        let fee: Money = round_money(notional * rate);
        let acct = &mut self.accounts[account.0 as usize];
        let slot = &mut acct.symbols[usize::from(symbol.0)];
        let realised = slot.position.apply(inst, side, price.0, lots);
        slot.position.update_ms = now;
        if order.status.is_final() {
            slot.open.remove(&id);
        }
        let fee_kind = if liquidation {
            LedgerKind::InsuranceClear
        } else {
            LedgerKind::Commission
        };
        acct.book(
            now,
            LedgerKind::RealizedPnl,
            Some(symbol),
            realised,
            Some(trade_id),
        );
        acct.book(now, fee_kind, Some(symbol), -fee, Some(trade_id));
        let fill = TradeFill {
            trade_id,
            price,
            qty: Qty(lots),
            fee,
            fee_asset: "USDT".into(),
            realised,
            maker,
        };
        acct.trades.push(UserTrade {
            symbol,
            order_id: id,
            client_id: order.client_id.clone(),
            side,
            time_ms: now,
            fill: fill.clone(),
        });
        self.touched.push((account, symbol));
        self.emit_position(account, symbol, "ORDER", out);
        self.emit_order(id, exec, Some(fill.clone()), out);
        out.push(EngineEvent::User(
            account,
            symbol,
            UserEvent::Fill {
                symbol,
                order_id: id,
                side,
                fill,
            },
        ));
        self.on_closed(id, out);
    }

    /// What follows when an order is done: its date no longer matters, and the conditional order it came from is done too.
    fn on_closed(&mut self, id: u64, out: &mut Vec<EngineEvent>) {
        let Some(o) = self.orders.get(&id).filter(|o| o.status.is_final()) else {
            return;
        };
        let (origin, date) = (o.origin, o.terms.good_till_ms);
        if date > 0 {
            self.good_till.remove(&(date, id));
        }
        if let OrderOrigin::Stop(stop) = origin {
            self.end_stop(stop, AlgoStatus::Finished, None, out);
        }
    }

    /// Ends an open order without a fill: off the book, out of the open set, said to its account.
    pub(super) fn finish(
        &mut self,
        id: u64,
        status: OrderStatus,
        exec: ExecType,
        out: &mut Vec<EngineEvent>,
    ) {
        let now = self.now_ms;
        let Some(order) = self.orders.get_mut(&id) else {
            return;
        };
        if order.status.is_final() {
            return;
        }
        order.status = status;
        order.update_ms = now;
        let (account, symbol, side, price) =
            (order.account, order.symbol, order.side, order.limit());
        if let Some(price) = price {
            self.market_mut(symbol).side_mut(side).unrest(price, id);
        }
        self.account_mut(account).at_mut(symbol).open.remove(&id);
        self.emit_order(id, exec, None, out);
        self.on_closed(id, out);
    }

    /// ORDER_TRADE_UPDATE.
    pub(super) fn emit_order(
        &self,
        id: u64,
        exec: ExecType,
        fill: Option<TradeFill>,
        out: &mut Vec<EngineEvent>,
    ) {
        let Some(o) = self.orders.get(&id) else {
            return;
        };
        out.push(EngineEvent::User(
            o.account,
            o.symbol,
            UserEvent::Order {
                update: OrderUpdate {
                    event_ms: self.now_ms,
                    transact_ms: self.now_ms,
                    client_id: o.client_id.clone(),
                    order_id: id,
                    side: o.side,
                    exec,
                    status: o.status,
                    qty: Qty(o.qty),
                    filled: Qty(o.filled),
                    reduce_only: o.reduce_only,
                    fill,
                },
                kind: o.kind,
                avg_price: self.avg_price(o),
                terms: o.terms,
            },
        ));
    }

    pub(super) fn avg_price(&self, o: &super::state::Order) -> Decimal {
        let filled = self.listed(o.symbol).instrument.qty_dec(Qty(o.filled));
        o.cum_quote
            .checked_div(filled)
            .map_or(Decimal::ZERO, |p| p.round_dp(12).normalize())
    }

    /// ACCOUNT_UPDATE with one position.
    pub(super) fn emit_position(
        &self,
        account: AccountId,
        symbol: SymbolId,
        reason: &'static str,
        out: &mut Vec<EngineEvent>,
    ) {
        let a = self.acct(account);
        let p = &a.at(symbol).position;
        let entry = p.entry_price(&self.listed(symbol).instrument);
        out.push(EngineEvent::User(
            account,
            symbol,
            UserEvent::Account {
                reason: Cow::Borrowed(reason),
                wallet: a.wallet,
                position: Some((symbol, Qty(p.qty), entry)),
            },
        ));
    }

    /// ACCOUNT_UPDATE with the balance alone.
    pub(super) fn emit_wallet(
        &self,
        account: AccountId,
        symbol: SymbolId,
        reason: &'static str,
        out: &mut Vec<EngineEvent>,
    ) {
        out.push(EngineEvent::User(
            account,
            symbol,
            UserEvent::Account {
                reason: Cow::Borrowed(reason),
                wallet: self.acct(account).wallet,
                position: None,
            },
        ));
    }

    /// An open plain order of this account under this reference.
    pub(super) fn open_order_id(
        &self,
        account: AccountId,
        symbol: SymbolId,
        which: &super::OrderRef,
    ) -> Result<u64, super::VenueError> {
        let slot = self.acct(account).at(symbol);
        let id = match which {
            super::OrderRef::Id(id) => Some(*id),
            super::OrderRef::Client(c) => slot.by_client.get(c).copied(),
        };
        id.filter(|id| slot.open.contains(id))
            .ok_or_else(refusal::cancel_unknown)
    }
}
