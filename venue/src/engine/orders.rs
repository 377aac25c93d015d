//! Plain orders: acceptance, refusal, resting, cancelling.
//!
//! An accepted order says NEW, then its fills, then EXPIRED when its time in force leaves something over. A refused one
//! has no effect and leaves no trace. Client ids are unique among open orders only: a filled id is accepted again.

use super::filters;
use super::refusal;
use super::state::{Order, OrderOrigin};
use super::terms::{OrderTerms, PlaceOrder, SelfTrade};
use super::types::{AccountId, EngineEvent, OrderRef, Response, SymbolId, VenueError};
use super::{Engine, MAX_OPEN_ORDERS};
use helios_core::fixed::{Price, Qty, Side};
use helios_core::order::{AlgoStatus, ClientId, ExecType, OrderKind, OrderStatus, TimeInForce};
use rust_decimal::Decimal;

/// A request for a plain order.
pub(super) struct Ask {
    pub account: AccountId,
    pub symbol: SymbolId,
    pub client_id: Option<ClientId>,
    pub side: Side,
    pub kind: OrderKind,
    pub qty: i64,
    pub reduce_only: bool,
    pub terms: OrderTerms,
}

impl Ask {
    pub fn of(account: AccountId, o: PlaceOrder) -> Self {
        Self {
            account,
            symbol: o.symbol,
            client_id: o.client_id,
            side: o.side,
            kind: o.kind,
            qty: o.qty.0,
            reduce_only: o.reduce_only,
            terms: o.terms.kept(),
        }
    }
}

impl Engine {
    pub(super) fn new_order(
        &mut self,
        mut ask: Ask,
        out: &mut Vec<EngineEvent>,
    ) -> Result<Response, VenueError> {
        self.check_new(&mut ask)?;
        let id = self.create_order(ask, OrderOrigin::Client, out);
        self.work(id, out);
        self.orders
            .get(&id)
            .map(|o| Response::Order(o.view()))
            .ok_or_else(refusal::no_such_order)
    }

    /// Everything that may refuse a request for an order.
    pub(super) fn check_new(&self, ask: &mut Ask) -> Result<(), VenueError> {
        self.spec(ask.symbol)?;
        self.resolve_terms(ask.symbol, ask.side, &mut ask.kind, &ask.terms)?;
        self.check_order(ask)
    }

    /// Everything that may refuse an order whose terms are settled; clips a reduce-only quantity to what it may reduce.
    pub(super) fn check_order(&self, ask: &mut Ask) -> Result<(), VenueError> {
        let inst = &self.spec(ask.symbol)?.instrument;
        if self.is_halted(ask.symbol) {
            return Err(refusal::not_trading());
        }
        let slot = self.acct(ask.account).at(ask.symbol);
        if let Some(c) = &ask.client_id {
            filters::check_client_id(c)?;
            if slot
                .by_client
                .get(c)
                .is_some_and(|id| slot.open.contains(id))
            {
                return Err(refusal::duplicate_id());
            }
        }
        let market = self.market(ask.symbol);
        let mark = market.mark_price();
        let best = market.side(ask.side.opposite()).best_price();
        let is_market = ask.kind == OrderKind::Market;
        filters::check_qty(inst, is_market, Qty(ask.qty))?;
        let reference = match ask.kind {
            OrderKind::Limit { price, .. } => {
                filters::check_limit_price(inst, ask.side, price, mark)?;
                inst.price_dec(price)
            }
            OrderKind::Market => {
                filters::check_counterparty(inst, ask.side, best, mark)?;
                mark.or(best.map(|p| inst.price_dec(p)))
                    .unwrap_or(Decimal::ZERO)
            }
        };
        let notional = filters::notional(inst, reference, Qty(ask.qty))?;
        if ask.reduce_only {
            let room = self.reducible(ask.account, ask.symbol, ask.side);
            if room == 0 {
                return Err(refusal::reduce_only_rejected());
            }
            let free = room - self.held(ask.account, ask.symbol, ask.side);
            if free <= 0 {
                return Err(refusal::reduce_only_held());
            }
            ask.qty = ask.qty.min(free);
        } else if notional < inst.min_notional {
            return Err(refusal::min_notional(inst.min_notional));
        }
        self.check_time_in_force(ask, best)?;
        if !is_market && slot.open.len() >= MAX_OPEN_ORDERS {
            return Err(refusal::max_open_orders());
        }
        if !ask.reduce_only {
            self.check_initial_margin(ask, None)?;
        }
        Ok(())
    }

    fn check_time_in_force(&self, ask: &Ask, best: Option<Price>) -> Result<(), VenueError> {
        let OrderKind::Limit { price, tif } = ask.kind else {
            return Ok(());
        };
        let other = self.market(ask.symbol).side(ask.side.opposite());
        match tif {
            TimeInForce::Gtx if best.is_some_and(|b| other.at_least(b, price)) => {
                Err(refusal::would_take())
            }
            TimeInForce::Fok if self.fillable(ask, price) < ask.qty => {
                Err(refusal::fok_unfillable())
            }
            _ => Ok(()),
        }
    }

    /// Lots that an order would get at once under its self-trade prevention.
    fn fillable(&self, ask: &Ask, price: Price) -> i64 {
        let other = self.market(ask.symbol).side(ask.side.opposite());
        match ask.terms.self_trade {
            SelfTrade::None => other.available(Some(price), None),
            SelfTrade::ExpireMaker => other.available(Some(price), Some(ask.account)),
            SelfTrade::ExpireTaker | SelfTrade::ExpireBoth => {
                other.available_before(Some(price), ask.account)
            }
        }
    }

    /// Lots of the position that open reduce-only orders hold already.
    pub(super) fn held(&self, account: AccountId, symbol: SymbolId, side: Side) -> i64 {
        let plain = self
            .acct(account)
            .at(symbol)
            .open
            .iter()
            .filter_map(|id| self.orders.get(id))
            .filter(|o| o.reduce_only && o.side == side)
            .map(Order::remaining)
            .fold(0, i64::saturating_add);
        if !self.stops_hold_reduce_only {
            return plain;
        }
        self.market(symbol)
            .stops
            .iter()
            .filter_map(|id| self.stops.get(id))
            .filter(|s| s.account == account && s.side == side && s.status == AlgoStatus::New)
            .filter_map(|s| s.qty.filter(|_| s.reduce_only))
            .max()
            .map_or(plain, |q| plain.saturating_add(q))
    }

    /// Registers an order and says NEW (a liquidation says nothing before its fills).
    pub(super) fn create_order(
        &mut self,
        ask: Ask,
        origin: OrderOrigin,
        out: &mut Vec<EngineEvent>,
    ) -> u64 {
        let id = self.next_order;
        self.next_order += 1;
        let now = self.now_ms;
        let client_id = ask
            .client_id
            .unwrap_or_else(|| ClientId::from(format!("venue-{id}").as_str()));
        let slot = self.account_mut(ask.account).at_mut(ask.symbol);
        slot.orders.push(id);
        // A triggered stop brings its own id along: an open order under it stays the one that is meant.
        let taken = slot.by_client.get(&client_id);
        if taken.is_none_or(|old| !slot.open.contains(old)) {
            slot.by_client.insert(client_id.clone(), id);
        }
        slot.open.insert(id);
        self.orders.insert(
            id,
            Order {
                id,
                account: ask.account,
                symbol: ask.symbol,
                client_id,
                side: ask.side,
                kind: ask.kind,
                qty: ask.qty,
                filled: 0,
                cum_quote: Decimal::ZERO,
                reduce_only: ask.reduce_only,
                status: OrderStatus::New,
                origin,
                created_ms: now,
                update_ms: now,
                terms: ask.terms,
                amendments: Vec::new(),
            },
        );
        if ask.terms.good_till_ms > 0 {
            self.good_till.insert((ask.terms.good_till_ms, id));
            self.wake_at(ask.terms.good_till_ms);
        }
        if origin != OrderOrigin::Liquidation {
            self.emit_order(id, ExecType::New, None, out);
        }
        id
    }

    /// Matches a new order and rests or expires what is left.
    pub(super) fn work(&mut self, id: u64, out: &mut Vec<EngineEvent>) {
        let Some(o) = self.orders.get(&id) else {
            return;
        };
        let (symbol, side, account, limit, tif) = (o.symbol, o.side, o.account, o.limit(), o.tif());
        let bound = limit.or_else(|| self.market_bound(symbol, side));
        self.take(id, bound, out);
        let Some(o) = self.orders.get(&id) else {
            return;
        };
        let left = o.remaining();
        if left == 0 || o.status.is_final() {
            return;
        }
        match (limit, tif) {
            (Some(price), TimeInForce::Gtc | TimeInForce::Gtx) => {
                self.market_mut(symbol)
                    .side_mut(side)
                    .rest(price, id, account, left);
            }
            _ => self.finish(id, OrderStatus::Expired, ExecType::Expired, out),
        }
    }

    pub(super) fn cancel_order(
        &mut self,
        account: AccountId,
        symbol: SymbolId,
        which: &OrderRef,
        out: &mut Vec<EngineEvent>,
    ) -> Result<Response, VenueError> {
        self.spec(symbol)?;
        let id = self.open_order_id(account, symbol, which)?;
        self.finish(id, OrderStatus::Canceled, ExecType::Canceled, out);
        self.orders
            .get(&id)
            .map(|o| Response::Order(o.view()))
            .ok_or_else(refusal::cancel_unknown)
    }

    pub(super) fn cancel_all(
        &mut self,
        account: AccountId,
        symbol: SymbolId,
        out: &mut Vec<EngineEvent>,
    ) -> Result<Response, VenueError> {
        self.spec(symbol)?;
        self.cancel_open(account, symbol, out);
        Ok(Response::Done)
    }

    /// Cancels an account's open plain orders in a contract that is listed.
    pub(super) fn cancel_open(
        &mut self,
        account: AccountId,
        symbol: SymbolId,
        out: &mut Vec<EngineEvent>,
    ) {
        let open: Vec<u64> = self.acct(account).at(symbol).open.iter().copied().collect();
        for id in open {
            self.finish(id, OrderStatus::Canceled, ExecType::Canceled, out);
        }
    }
}
