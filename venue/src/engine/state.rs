//! What the engine remembers of orders, conditional orders and contracts.

use super::book::BookSide;
use super::conditional::{Reaction, Trail, WorkingType};
use super::modify::Amendment;
use super::terms::OrderTerms;
use super::types::{AccountId, SymbolId};
use helios_core::fixed::{Price, Qty, Side};
use helios_core::market::{AggTrade, DepthSnapshot, MarkPrice};
use helios_core::order::{
    AlgoOrder, AlgoStatus, ClientId, OpenOrder, OrderKind, OrderStatus, TimeInForce,
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Why a plain order exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderOrigin {
    /// Asked for.
    Client,
    /// A conditional order, by its algo id, became it.
    Stop(u64),
    /// The liquidation engine made it.
    Liquidation,
}

/// A plain order, open or done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub id: u64,
    pub account: AccountId,
    pub symbol: SymbolId,
    pub client_id: ClientId,
    pub side: Side,
    pub kind: OrderKind,
    pub qty: i64,
    pub filled: i64,
    pub cum_quote: Decimal,
    pub reduce_only: bool,
    pub status: OrderStatus,
    pub origin: OrderOrigin,
    pub created_ms: i64,
    pub update_ms: i64,
    #[serde(default)]
    pub terms: OrderTerms,
    /// What was changed in it, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amendments: Vec<Amendment>,
}

impl Order {
    pub fn remaining(&self) -> i64 {
        self.qty - self.filled
    }

    pub fn limit(&self) -> Option<Price> {
        match self.kind {
            OrderKind::Market => None,
            OrderKind::Limit { price, .. } => Some(price),
        }
    }

    pub fn tif(&self) -> TimeInForce {
        match self.kind {
            OrderKind::Market => TimeInForce::Gtc,
            OrderKind::Limit { tif, .. } => tif,
        }
    }

    pub fn view(&self) -> OpenOrder {
        OpenOrder {
            client_id: self.client_id.clone(),
            order_id: self.id,
            side: self.side,
            status: self.status,
            qty: Qty(self.qty),
            filled: Qty(self.filled),
            price: self.limit(),
            reduce_only: self.reduce_only,
            update_ms: self.update_ms,
        }
    }
}

const fn market() -> OrderKind {
    OrderKind::Market
}

/// A conditional order, open or done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Stop {
    pub id: u64,
    pub account: AccountId,
    pub symbol: SymbolId,
    pub client_id: ClientId,
    pub side: Side,
    /// Of a trailing stop its activation price, 0 without one.
    pub trigger: Price,
    /// `None` with `closePosition`.
    pub qty: Option<i64>,
    pub reduce_only: bool,
    pub take_profit: bool,
    /// What is watched; states from before there was a choice watch the mark.
    #[serde(default)]
    pub working: WorkingType,
    /// What it becomes.
    #[serde(default = "market")]
    pub kind: OrderKind,
    #[serde(default)]
    pub price_protect: bool,
    #[serde(default)]
    pub trail: Option<Trail>,
    #[serde(default)]
    pub terms: OrderTerms,
    pub status: AlgoStatus,
    pub order_id: Option<u64>,
    pub created_ms: i64,
    pub update_ms: i64,
    pub trigger_ms: i64,
}

impl Stop {
    /// Only makes sense against a position.
    pub fn closes(&self) -> bool {
        self.qty.is_none() || self.reduce_only
    }

    /// Takes in the watched price (in ticks, fractional).
    pub fn react(&mut self, ticks: Decimal) -> Reaction {
        if let Some(t) = &mut self.trail {
            t.follow(self.side, ticks)
        } else if self.reached(ticks) {
            Reaction::GoesOff
        } else {
            Reaction::Waits
        }
    }

    /// Whether a level order goes off at a price (in ticks).
    pub fn reached(&self, ticks: Decimal) -> bool {
        let below = (self.side == Side::Sell) != self.take_profit;
        let trigger = Decimal::from(self.trigger.0);
        if below {
            ticks <= trigger
        } else {
            ticks >= trigger
        }
    }

    pub fn view(&self) -> AlgoOrder {
        AlgoOrder {
            client_id: self.client_id.clone(),
            algo_id: self.id,
            side: self.side,
            status: self.status,
            trigger: self.trigger,
            qty: self.qty.map(Qty),
            update_ms: self.update_ms,
        }
    }
}

/// One contract: combined book, prices, counters.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Market {
    pub bids: BookSide,
    pub asks: BookSide,
    pub last_id: u64,
    pub event_ms: i64,
    pub mark: Option<MarkPrice>,
    pub last_trade: Option<AggTrade>,
    /// Aggregate trade ids given out are the source's plus this many own ones.
    pub own_agg: u64,
    /// Last aggregate trade id given out.
    pub last_agg: u64,
    /// Fills so far (`t` of ORDER_TRADE_UPDATE).
    pub fills: u64,
    /// Next funding, ms; `None` until a mark price says.
    pub next_funding: Option<i64>,
    /// Working conditional orders.
    pub stops: BTreeSet<u64>,
}

impl Market {
    pub fn new() -> Self {
        Self {
            bids: BookSide::new(Side::Buy),
            asks: BookSide::new(Side::Sell),
            last_id: 0,
            event_ms: 0,
            mark: None,
            last_trade: None,
            own_agg: 0,
            last_agg: 0,
            fills: 0,
            next_funding: None,
            stops: BTreeSet::new(),
        }
    }

    pub fn side(&self, side: Side) -> &BookSide {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    pub fn side_mut(&mut self, side: Side) -> &mut BookSide {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    pub fn snapshot(&self, limit: usize) -> DepthSnapshot {
        DepthSnapshot {
            last_id: self.last_id,
            event_ms: self.event_ms,
            bids: self.bids.levels(limit),
            asks: self.asks.levels(limit),
        }
    }

    /// Mark price as sent, if one was.
    pub fn mark_price(&self) -> Option<Decimal> {
        self.mark.map(|m| m.mark).filter(|m| *m > Decimal::ZERO)
    }

    /// A conditional order stops working.
    pub fn drop_stop(&mut self, id: u64) {
        self.stops.remove(&id);
    }
}
