//! What goes into the engine and what comes out.

use super::conditional::NewConditional;
use super::modify::ModifyOrder;
use super::terms::{OrderTerms, PlaceOrder};
use super::views::StopView;
use helios_core::fixed::{Money, Price, Qty, Side};
use helios_core::instrument::{Bracket, FeeRates, Instrument};
use helios_core::market::{AggTrade, DepthSnapshot, DepthUpdate, MarkPrice};
use helios_core::order::{
    AlgoOrder, AlgoUpdate, ClientId, OpenOrder, OrderKind, OrderUpdate, TradeFill,
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Index of a symbol in [`EngineConfig::symbols`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SymbolId(pub u16);

/// An account of the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountId(pub u32);

/// A listed contract.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SymbolSpec {
    /// Grid and filters.
    pub instrument: Instrument,
    /// Leverage brackets, ascending.
    pub brackets: Vec<Bracket>,
    /// Fees of every account.
    pub fees: FeeRates,
    /// Fee of a liquidation, fraction of notional.
    pub liquidation_fee: Decimal,
    /// `onboardDate`, ms.
    pub onboard_ms: i64,
    /// Funding interval, hours.
    pub funding_hours: u32,
}

/// The venue's rules that are switches, because the real one has been seen both ways.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EngineConfig {
    /// Listed contracts.
    pub symbols: Vec<SymbolSpec>,
    /// Orphaned stops are cancelled by the venue when the position goes flat.
    pub auto_cancel_orphan_stops: bool,
    /// `countdownCancelAll` also cancels conditional orders.
    pub countdown_cancels_algo: bool,
}

/// Market data from a source: the outside book that own orders are matched against.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum MarketInput {
    /// Replaces the outside book.
    Snapshot(DepthSnapshot),
    /// Changes the outside book; ids are kept, so that a recording goes out as it came in.
    Depth(DepthUpdate),
    /// A trade of others: fills own resting orders it goes through, after the queue ahead of them.
    Trade(AggTrade),
    /// Mark price: triggers stops, values positions.
    Mark(MarkPrice),
}

/// A request of an account, authenticated already.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// `POST /order`.
    NewOrder {
        /// Contract.
        symbol: SymbolId,
        /// Client id; `None` lets the venue make one.
        client_id: Option<ClientId>,
        /// Direction.
        side: Side,
        /// Market or limit.
        kind: OrderKind,
        /// Quantity.
        qty: Qty,
        /// Reduce-only.
        reduce_only: bool,
    },
    /// `POST /order` with further terms.
    Place(PlaceOrder),
    /// `PUT /order`.
    Modify(ModifyOrder),
    /// `POST /algoOrder` of any kind.
    NewConditional(NewConditional),
    /// `POST /algoOrder`, STOP_MARKET or TAKE_PROFIT_MARKET on the mark price.
    NewStop {
        /// Contract.
        symbol: SymbolId,
        /// `clientAlgoId`.
        client_id: Option<ClientId>,
        /// Direction of the closing trade.
        side: Side,
        /// Trigger.
        trigger: Price,
        /// `None` with `closePosition`.
        qty: Option<Qty>,
        /// Reduce-only (implied by `closePosition`).
        reduce_only: bool,
        /// Triggers on profit instead of loss.
        take_profit: bool,
    },
    /// `DELETE /order`.
    Cancel(SymbolId, OrderRef),
    /// `DELETE /allOpenOrders`.
    CancelAll(SymbolId),
    /// `DELETE /algoOrder`.
    CancelStop(OrderRef),
    /// `DELETE /algoOpenOrders`.
    CancelAllStops(SymbolId),
    /// `POST /leverage`.
    SetLeverage(SymbolId, u32),
    /// `POST /countdownCancelAll`, ms, 0 = off.
    Countdown(SymbolId, u64),
}

/// How an order is named in a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderRef {
    /// By the venue's id.
    Id(u64),
    /// By the client's.
    Client(ClientId),
}

/// What a request got.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Response {
    /// A plain order, as it is after the request.
    Order(OpenOrder),
    /// A conditional order, as it is after the request.
    Stop(AlgoOrder),
    /// Nothing more to say.
    Done,
}

/// The exchange's refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {msg}")]
pub struct VenueError {
    /// Code as the exchange sends it (−2021, ...).
    pub code: i64,
    /// Its words.
    pub msg: String,
}

/// What an account's user stream says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum UserEvent {
    /// ORDER_TRADE_UPDATE, with what core's type leaves out.
    Order {
        /// The event.
        update: OrderUpdate,
        /// Market or limit and price.
        kind: OrderKind,
        /// Average price so far.
        avg_price: Decimal,
        /// Further terms.
        terms: OrderTerms,
    },
    /// ALGO_UPDATE, with the whole order as it was at that moment (`ia` of a trailing stop among it).
    Algo(AlgoUpdate, Box<StopView>),
    /// CONDITIONAL_ORDER_TRIGGER_REJECT: a conditional order went off and its order was refused.
    TriggerRejected {
        /// `s`, contract.
        symbol: SymbolId,
        /// `i`, the conditional order's id.
        algo_id: u64,
        /// `r`, why.
        reason: std::sync::Arc<str>,
    },
    /// ACCOUNT_UPDATE.
    Account {
        /// Reason `m`: ORDER, FUNDING_FEE, DEPOSIT, ...
        reason: std::borrow::Cow<'static, str>,
        /// Cross wallet balance after it.
        wallet: Money,
        /// Position after it.
        position: Option<(SymbolId, Qty, Decimal)>,
    },
    /// MARGIN_CALL.
    MarginCall {
        /// Contract.
        symbol: SymbolId,
    },
    /// Part of ORDER_TRADE_UPDATE, kept for queries: `userTrades`.
    Fill {
        /// Contract.
        symbol: SymbolId,
        /// Venue order id.
        order_id: u64,
        /// Direction.
        side: Side,
        /// The fill.
        fill: TradeFill,
    },
}

/// What happened, in order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum EngineEvent {
    /// For one account.
    User(AccountId, SymbolId, UserEvent),
    /// A conditional order is gone without a word, by an ordered fault: nobody is told, and the venue's own log is.
    Lost(AccountId, SymbolId, AlgoUpdate),
    /// Public: the combined book changed.
    Depth(SymbolId, DepthUpdate),
    /// Public: a trade.
    Trade(SymbolId, AggTrade),
    /// Public: mark price.
    Mark(SymbolId, MarkPrice),
}
