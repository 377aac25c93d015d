//! The shapes in which queries answer: accounts, positions, orders and conditional orders as REST tells of them.

use super::conditional::{Trail, WorkingType, conditional_type};
use super::state::OrderOrigin;
use super::terms::OrderTerms;
use super::types::SymbolId;
use helios_core::fixed::{Money, Price, Qty};
use helios_core::order::{AlgoOrder, OpenOrder, OrderKind};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Best bid and best ask, each with its quantity.
pub type Touch = (Option<(Price, Qty)>, Option<(Price, Qty)>);

/// An account as `/account` and `/balance` tell it.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountView {
    /// Cross wallet balance.
    pub wallet: Money,
    /// Σ unrealised profit at mark.
    pub unrealised: Money,
    /// Wallet + unrealised.
    pub margin_balance: Money,
    /// Σ maintenance margin.
    pub maint_margin: Money,
    /// Σ initial margin of positions and open orders.
    pub initial_margin: Money,
    /// Of it for positions.
    pub position_initial_margin: Money,
    /// Of it for open orders.
    pub open_order_initial_margin: Money,
    /// What may still be used for new risk, never negative.
    pub available: Money,
    /// Contracts with a position or open orders.
    pub positions: Vec<PositionView>,
    /// Time of the last change of the wallet, ms.
    pub update_ms: i64,
}

/// A position as `/positionRisk` tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct PositionView {
    /// Contract.
    pub symbol: SymbolId,
    /// Signed.
    pub qty: Qty,
    /// Average entry, 0 when flat.
    pub entry_price: Decimal,
    /// Entry price at which closing now would return the fees of opening and closing too (taker), 0 when flat.
    pub break_even_price: Decimal,
    /// Mark price it is valued at.
    pub mark: Decimal,
    /// Signed notional at mark.
    pub notional: Money,
    /// Profit at mark before fees.
    pub unrealised: Money,
    /// Initial margin of the position.
    pub position_initial_margin: Money,
    /// Further initial margin of open orders.
    pub open_order_initial_margin: Money,
    /// Σ notional of open buys that are not reduce-only.
    pub bid_notional: Money,
    /// Σ notional of open sells that are not reduce-only.
    pub ask_notional: Money,
    /// Maintenance margin.
    pub maint_margin: Money,
    /// Mark price at which the account is liquidated if no other mark moves.
    pub liquidation_price: Option<Decimal>,
    /// Initial leverage.
    pub leverage: u32,
    /// Largest notional at this leverage; `None` without brackets.
    pub max_notional: Option<Money>,
    /// Last change, ms.
    pub update_ms: i64,
}

/// A plain order with all that REST tells of it.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderView {
    /// Contract.
    pub symbol: SymbolId,
    /// The order.
    pub order: OpenOrder,
    /// Market or limit, with its time in force.
    pub kind: OrderKind,
    /// Average price of its fills, 0 without.
    pub avg_price: Decimal,
    /// Σ price × quantity of its fills.
    pub cum_quote: Money,
    /// Where it came from.
    pub origin: OrderOrigin,
    /// When it was accepted, ms.
    pub created_ms: i64,
    /// Further terms.
    pub terms: OrderTerms,
}

/// A conditional order with all that REST tells of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StopView {
    /// Contract.
    pub symbol: SymbolId,
    /// The order.
    pub stop: AlgoOrder,
    /// Reduce-only (implied by `closePosition`).
    pub reduce_only: bool,
    /// Goes off on the winning side instead of the losing one.
    pub take_profit: bool,
    /// What is watched.
    pub working: WorkingType,
    /// What it becomes.
    pub kind: OrderKind,
    /// Expires instead of going off while last price and mark are too far apart.
    pub price_protect: bool,
    /// How far a trailing stop has come; `None` for level orders.
    pub trail: Option<Trail>,
    /// Further terms.
    pub terms: OrderTerms,
    /// Plain order it became.
    pub order_id: Option<u64>,
    /// Average price of that order.
    pub actual_price: Decimal,
    /// Filled quantity of that order.
    pub actual_qty: Qty,
    /// When it was accepted, ms.
    pub created_ms: i64,
    /// When it triggered, ms, 0 before.
    pub trigger_ms: i64,
}

impl StopView {
    /// The exchange's word for its kind (`orderType`).
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        let limit = matches!(self.kind, OrderKind::Limit { .. });
        conditional_type(self.trail.is_some(), self.take_profit, limit)
    }
}
