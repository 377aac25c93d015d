//! The vocabulary of the exchange border: requests as intents, replies as classes, user-stream events.
//!
//! An order has two books at the exchange: plain orders (`/order`) and conditional ones (`/algoOrder`), with two ids and
//! two lifecycles; [`OrderUpdate`] and [`AlgoUpdate`] keep them apart. Fills come from the user stream only.

use super::refusal::Refusal;
use crate::fixed::{Money, Price, Qty, Side};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A client order id as sent (`newClientOrderId`, `clientAlgoId`), at most 36 characters. Its structure is `order::client_id`'s.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientId(pub Arc<str>);

impl ClientId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ClientId {
    fn from(s: &str) -> Self {
        Self(s.into())
    }
}

impl std::fmt::Display for ClientId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// How long an order works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TimeInForce {
    /// Until cancelled.
    Gtc,
    /// Immediate or cancel.
    Ioc,
    /// Fill or kill.
    Fok,
    /// Post-only: refused (−5022) when it would take.
    Gtx,
}

/// Market or limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderKind {
    /// Takes whatever is there.
    Market,
    /// Not worse than a price.
    Limit {
        /// Limit price.
        price: Price,
        /// Time in force.
        tif: TimeInForce,
    },
}

/// What an order is for: entries need permission, exits never do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryKind {
    /// Adds exposure.
    Entry,
    /// Reduces it; always reduce-only.
    Exit,
}

/// A plain order to send (`POST /fapi/v1/order`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewOrder {
    /// Client id, unique for ever.
    pub client_id: ClientId,
    /// Direction.
    pub side: Side,
    /// Market or limit.
    pub kind: OrderKind,
    /// Quantity, positive.
    pub qty: Qty,
    /// May only reduce the position.
    pub reduce_only: bool,
    /// Entry or exit; decides the rate budget and the fence.
    pub purpose: EntryKind,
    /// Wall milliseconds within which the exchange must have accepted it; the shell scales it by the market speed.
    pub recv_window_ms: u32,
}

/// A STOP_MARKET to send (`POST /fapi/v1/algoOrder`), `workingType=MARK_PRICE`, `priceProtect=FALSE`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewStop {
    /// `clientAlgoId`.
    pub client_id: ClientId,
    /// Direction of the closing trade.
    pub side: Side,
    /// Trigger price against the mark price.
    pub trigger: Price,
    /// `None`: `closePosition=true` (the anchor). `Some`: reduce-only of that quantity (the trail).
    pub qty: Option<Qty>,
}

/// What a cancel or query is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CancelTarget {
    /// A plain order.
    Order(ClientId),
    /// A conditional order.
    Stop(ClientId),
}

impl CancelTarget {
    /// The id, whichever book it is in.
    pub fn client_id(&self) -> &ClientId {
        match self {
            Self::Order(c) | Self::Stop(c) => c,
        }
    }
}

/// `X` of a plain order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderStatus {
    /// On the book.
    New,
    /// Some filled.
    PartiallyFilled,
    /// All filled.
    Filled,
    /// Cancelled by us or the exchange.
    Canceled,
    /// Ended by its time in force or the exchange.
    Expired,
    /// Expired by self-trade prevention.
    ExpiredInMatch,
    /// Refused.
    Rejected,
}

impl OrderStatus {
    /// No further event can change the order.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::New | Self::PartiallyFilled)
    }
}

/// `x` of ORDER_TRADE_UPDATE: why the event was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExecType {
    /// Accepted.
    New,
    /// A fill.
    Trade,
    /// Cancelled.
    Canceled,
    /// Expired.
    Expired,
    /// Liquidation (`CALCULATED`).
    Calculated,
    /// Modified.
    Amendment,
    /// Refused.
    Rejected,
}

/// One fill as the user stream or `userTrades` tells it. Deduplicated by (symbol, `trade_id`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TradeFill {
    /// `t`.
    pub trade_id: u64,
    /// Price of this fill.
    pub price: Price,
    /// Quantity of this fill.
    pub qty: Qty,
    /// Commission paid, positive is a cost.
    pub fee: Money,
    /// Asset of the commission.
    pub fee_asset: Arc<str>,
    /// Realised profit by the exchange (`rp`), before fees.
    pub realised: Money,
    /// Filled as maker.
    pub maker: bool,
}

/// ORDER_TRADE_UPDATE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderUpdate {
    /// `E`, ms.
    pub event_ms: i64,
    /// `T`, ms.
    pub transact_ms: i64,
    /// `c`. Liquidations carry `autoclose-…`, `adl_autoclose`, `settlement_autoclose-…`. A triggered stop's order carries its own id.
    pub client_id: ClientId,
    /// `i`.
    pub order_id: u64,
    /// `S`.
    pub side: Side,
    /// `x`.
    pub exec: ExecType,
    /// `X`.
    pub status: OrderStatus,
    /// `q`.
    pub qty: Qty,
    /// `z`, filled so far.
    pub filled: Qty,
    /// `R`.
    pub reduce_only: bool,
    /// The fill, when `exec` is [`ExecType::Trade`] or [`ExecType::Calculated`].
    pub fill: Option<TradeFill>,
}

/// `X` of a conditional order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlgoStatus {
    /// Waiting for its trigger: only this is "placed".
    New,
    /// Trigger seen, order being made.
    Triggering,
    /// Order made.
    Triggered,
    /// Order done.
    Finished,
    /// Cancelled.
    Canceled,
    /// Expired: cancelled by the system.
    Expired,
    /// Refused after acceptance.
    Rejected,
}

impl AlgoStatus {
    /// Waiting for its trigger.
    pub const fn is_working(self) -> bool {
        matches!(self, Self::New)
    }
    /// No further event can change it.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Finished | Self::Canceled | Self::Expired | Self::Rejected
        )
    }
}

/// ALGO_UPDATE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlgoUpdate {
    /// `E`, ms.
    pub event_ms: i64,
    /// `T`, ms.
    pub transact_ms: i64,
    /// `caid`.
    pub client_id: ClientId,
    /// `aid`.
    pub algo_id: u64,
    /// `X`.
    pub status: AlgoStatus,
    /// `S`.
    pub side: Side,
    /// Trigger price.
    pub trigger: Price,
    /// Quantity; `None` with `closePosition`.
    pub qty: Option<Qty>,
    /// The plain order it became (`ai`), once triggered.
    pub order_id: Option<u64>,
    /// Reason text of a refusal (`rm`).
    pub reason: Option<Arc<str>>,
}

/// ACCOUNT_UPDATE, the position part, of one symbol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionUpdate {
    /// `E`, ms.
    pub event_ms: i64,
    /// `T`, ms.
    pub transact_ms: i64,
    /// `pa`, signed.
    pub qty: Qty,
    /// `ep`, 0 when flat.
    pub entry_price: Decimal,
}

/// A position as read by `positionRisk`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VenuePosition {
    /// Signed.
    pub qty: Qty,
    /// Average entry, 0 when flat.
    pub entry_price: Decimal,
    /// Isolated margin in force: no entries until claimed.
    pub isolated: bool,
    /// `updateTime`, ms.
    pub update_ms: i64,
}

/// An open plain order as read by `openOrders` or `order`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenOrder {
    /// `clientOrderId`.
    pub client_id: ClientId,
    /// `orderId`.
    pub order_id: u64,
    /// Direction.
    pub side: Side,
    /// State.
    pub status: OrderStatus,
    /// Asked.
    pub qty: Qty,
    /// Filled.
    pub filled: Qty,
    /// Limit price; `None` for market.
    pub price: Option<Price>,
    /// Reduce-only.
    pub reduce_only: bool,
    /// `updateTime`, ms.
    pub update_ms: i64,
}

/// A conditional order as read by `openAlgoOrders` or `algoOrder`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlgoOrder {
    /// `clientAlgoId`.
    pub client_id: ClientId,
    /// `algoId`.
    pub algo_id: u64,
    /// Direction of the closing trade.
    pub side: Side,
    /// State.
    pub status: AlgoStatus,
    /// Trigger price.
    pub trigger: Price,
    /// `None` with `closePosition`.
    pub qty: Option<Qty>,
    /// `updateTime`, ms.
    pub update_ms: i64,
}

/// One symbol as the exchange sees it, read in one reconcile: what a starting or doubting machine believes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VenueState {
    /// Venue time of the read, ms (`GET /time` or the newest response's).
    pub venue_ms: i64,
    /// Position.
    pub position: VenuePosition,
    /// Open plain orders of the symbol, anybody's.
    pub orders: Vec<OpenOrder>,
    /// Open conditional orders of the symbol, anybody's.
    pub stops: Vec<AlgoOrder>,
    /// Recent fills with the client id where known (`userTrades` joined over order ids), newest last.
    pub trades: Vec<(Option<ClientId>, TradeFill)>,
    /// Client ids of recent plain orders (`allOrders`): a trader's for the highest incarnation, the guardian's for whose the
    /// position is.
    pub recent_ids: Vec<ClientId>,
    /// `recent_ids` has been read: without it an empty list says nothing.
    #[serde(default)]
    pub ids_read: bool,
    /// Available balance; `None` is unknown, never zero.
    pub available: Option<Money>,
}

/// Which request a reply answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReplyTo {
    /// A plain order was sent.
    Place(ClientId),
    /// A stop was sent.
    PlaceStop(ClientId),
    /// A cancel was sent.
    Cancel(CancelTarget),
    /// A query was sent.
    Query(CancelTarget),
}

/// What came back over REST. Never a fill: fills are the user stream's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VenueReply {
    /// Accepted (HTTP 200): not yet proof that a stop works.
    Accepted {
        /// `orderId` or `algoId`.
        id: u64,
    },
    /// The queried plain order.
    Order(OpenOrder),
    /// The queried conditional order.
    Stop(AlgoOrder),
    /// Refused; it has had no effect.
    Refused(Refusal),
    /// −1006, −1007, 503, timeout, lost socket: it may or may not have had effect.
    Unknown {
        /// What happened.
        why: Arc<str>,
        /// `timestamp` of the request plus its recvWindow, venue ms: after it the exchange can no longer accept it.
        dead_after_ms: i64,
    },
}
