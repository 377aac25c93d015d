//! Amending a resting limit order in place (`PUT /order`), and the history of it.
//!
//! Price and quantity (the total, fills included) are replaced under the checks of a new order; a refusal leaves the order
//! as it was. An amended order goes to the back of its queue, and one that now crosses takes. It is cancelled instead when
//! the new quantity is filled already, or when it is post-only and would take.

use super::account::AccountSymbol;
use super::filters;
use super::orders::Ask;
use super::refusal;
use super::state::Order;
use super::terms::PriceMatch;
use super::types::{AccountId, EngineEvent, OrderRef, Response, SymbolId, VenueError};
use super::{Engine, MAX_AMENDMENTS};
use helios_core::fixed::{Price, Qty, Side};
use helios_core::order::{ClientId, ExecType, OrderKind, OrderStatus, TimeInForce};
use serde::{Deserialize, Serialize};

/// `PUT /order`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModifyOrder {
    /// Contract.
    pub symbol: SymbolId,
    /// Which order.
    pub which: OrderRef,
    /// Its side, which can't be changed.
    pub side: Side,
    /// New total quantity.
    pub qty: Qty,
    /// New limit price; 0 with a price match.
    pub price: Price,
    /// Where the price comes from, when none is sent.
    pub price_match: Option<PriceMatch>,
    /// `modifyId`, the client's own name for this change.
    pub modify_id: Option<u64>,
}

/// One change of an order (`orderAmendment`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amendment {
    /// `amendmentId`, unique in the venue.
    pub id: u64,
    /// When, venue ms.
    pub time_ms: i64,
    /// Limit price before and after.
    pub price: (Price, Price),
    /// Total quantity before and after.
    pub qty: (Qty, Qty),
    /// How many changes of this order there were, this one included.
    pub count: u32,
    /// `modifyId` as sent.
    pub modify_id: Option<u64>,
}

/// A change with the order it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmendmentView {
    /// Contract.
    pub symbol: SymbolId,
    /// Venue order id.
    pub order_id: u64,
    /// Client id of the order.
    pub client_id: ClientId,
    /// The change.
    pub amendment: Amendment,
}

/// What becomes of an order that is to be amended.
enum Outcome {
    Amended { price: Price, qty: i64 },
    Cancelled,
}

impl Engine {
    pub(super) fn modify_order(
        &mut self,
        account: AccountId,
        m: &ModifyOrder,
        out: &mut Vec<EngineEvent>,
    ) -> Result<Response, VenueError> {
        self.spec(m.symbol)?;
        let id = self
            .open_order_id(account, m.symbol, &m.which)
            .map_err(|_| refusal::no_such_order())?;
        let order = self.orders.get(&id).ok_or_else(refusal::no_such_order)?;
        match self.check_amendment(order, m)? {
            Outcome::Cancelled => {
                self.finish(id, OrderStatus::Canceled, ExecType::Canceled, out);
            }
            Outcome::Amended { price, qty } => self.amend(id, price, qty, m, out),
        }
        self.orders
            .get(&id)
            .map(|o| Response::Order(o.view()))
            .ok_or_else(refusal::no_such_order)
    }

    fn check_amendment(&self, o: &Order, m: &ModifyOrder) -> Result<Outcome, VenueError> {
        let OrderKind::Limit { price: old, tif } = o.kind else {
            return Err(refusal::limit_only());
        };
        if self.is_halted(o.symbol) {
            return Err(refusal::not_trading());
        }
        if m.side != o.side {
            return Err(refusal::wrong_side());
        }
        let price = match m.price_match {
            Some(_) if m.price.0 != 0 => return Err(refusal::bad_price_match()),
            Some(p) => self.matched_price(m.symbol, o.side, p)?,
            None => m.price,
        };
        let inst = &self.spec(m.symbol)?.instrument;
        let market = self.market(m.symbol);
        filters::check_qty(inst, false, m.qty)?;
        filters::check_limit_price(inst, o.side, price, market.mark_price())?;
        if price == old && m.qty.0 == o.qty {
            return Err(refusal::same_order());
        }
        if o.amendments.len() >= MAX_AMENDMENTS {
            return Err(refusal::too_many_amendments());
        }
        if m.qty.0 <= o.filled {
            return Ok(Outcome::Cancelled);
        }
        let other = market.side(o.side.opposite());
        if tif == TimeInForce::Gtx && other.best_price().is_some_and(|b| other.at_least(b, price)) {
            return Ok(Outcome::Cancelled);
        }
        let notional = filters::notional(inst, inst.price_dec(price), m.qty)?;
        let mut qty = m.qty.0;
        if o.reduce_only {
            let held = self.held(o.account, o.symbol, o.side) - o.remaining();
            let free = self.reducible(o.account, o.symbol, o.side) - held;
            if free <= 0 {
                return Err(refusal::reduce_only_held());
            }
            qty = qty.min(o.filled.saturating_add(free));
            if price == old && qty == o.qty {
                return Err(refusal::same_order());
            }
        } else {
            if notional < inst.min_notional {
                return Err(refusal::amended_notional(inst.min_notional));
            }
            let ask = Ask {
                account: o.account,
                symbol: o.symbol,
                client_id: None,
                side: o.side,
                kind: OrderKind::Limit { price, tif },
                qty: qty - o.filled,
                reduce_only: false,
                terms: o.terms,
            };
            self.check_initial_margin(&ask, Some(o))?;
        }
        Ok(Outcome::Amended { price, qty })
    }

    fn amend(
        &mut self,
        id: u64,
        price: Price,
        qty: i64,
        m: &ModifyOrder,
        out: &mut Vec<EngineEvent>,
    ) {
        let (now, number) = (self.now_ms, self.next_amendment);
        let Some(o) = self.orders.get_mut(&id) else {
            return;
        };
        let OrderKind::Limit { price: old, tif } = o.kind else {
            return;
        };
        self.next_amendment += 1;
        o.amendments.push(Amendment {
            id: number,
            time_ms: now,
            price: (old, price),
            qty: (Qty(o.qty), Qty(qty)),
            count: o.amendments.len() as u32 + 1,
            modify_id: m.modify_id,
        });
        o.kind = OrderKind::Limit { price, tif };
        o.qty = qty;
        o.terms.price_match = m.price_match;
        o.update_ms = now;
        let (symbol, side) = (o.symbol, o.side);
        self.market_mut(symbol).side_mut(side).unrest(old, id);
        self.emit_order(id, ExecType::Amendment, None, out);
        self.work(id, out);
    }

    /// Changes of plain orders of a contract, oldest first; empty for an unknown account or contract.
    #[must_use]
    pub fn amendments(&self, account: AccountId, symbol: SymbolId) -> Vec<AmendmentView> {
        let slot = self.slot(account, symbol);
        let orders = slot.into_iter().flat_map(|s| &s.orders);
        let mut all: Vec<AmendmentView> = orders
            .filter_map(|id| self.orders.get(id))
            .filter(|o| self.shows_order(o))
            .flat_map(|o| {
                o.amendments.iter().map(|a| AmendmentView {
                    symbol: o.symbol,
                    order_id: o.id,
                    client_id: o.client_id.clone(),
                    amendment: *a,
                })
            })
            .collect();
        all.sort_unstable_by_key(|a| a.amendment.id);
        all
    }

    /// A contract of an account, if there are such.
    pub(super) fn slot(&self, account: AccountId, symbol: SymbolId) -> Option<&AccountSymbol> {
        let a = self.accounts.get(account.0 as usize)?;
        a.symbols.get(usize::from(symbol.0))
    }
}
