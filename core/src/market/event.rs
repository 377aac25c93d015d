//! Market data in the system's own units: what the adapter decodes frames into and the venue's sources produce.

use crate::fixed::{Price, Qty};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// One side's levels as sent: absolute quantities, 0 removes.
pub type BookLevels = Vec<(Price, Qty)>;

/// A diff-depth event (`<symbol>@depth`), USDS-M protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepthUpdate {
    /// Event time `E`, ms.
    pub event_ms: i64,
    /// Transaction time `T`, ms.
    pub transact_ms: i64,
    /// `U`, first update id in this event.
    pub first_id: u64,
    /// `u`, last update id in this event.
    pub last_id: u64,
    /// `pu`, last update id of the event before.
    pub prev_last_id: u64,
    /// Bid changes.
    pub bids: BookLevels,
    /// Ask changes.
    pub asks: BookLevels,
}

/// A REST depth snapshot (`GET /fapi/v1/depth`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepthSnapshot {
    /// `lastUpdateId`.
    pub last_id: u64,
    /// `E`, ms (0 where the venue sends none).
    pub event_ms: i64,
    /// Best first.
    pub bids: BookLevels,
    /// Best first.
    pub asks: BookLevels,
}

/// Best bid and ask (`<symbol>@bookTicker`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookTicker {
    /// `u`, order book update id.
    pub update_id: u64,
    /// `E`, ms.
    pub event_ms: i64,
    /// `T`, ms.
    pub transact_ms: i64,
    /// Best bid and its quantity.
    pub bid: (Price, Qty),
    /// Best ask and its quantity.
    pub ask: (Price, Qty),
}

/// An aggregate trade (`<symbol>@aggTrade`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AggTrade {
    /// `a`.
    pub id: u64,
    /// `E`, ms.
    pub event_ms: i64,
    /// Trade time `T`, ms.
    pub transact_ms: i64,
    /// Price.
    pub price: Price,
    /// Quantity.
    pub qty: Qty,
    /// `m`: the buyer was the maker, so the taker sold.
    pub buyer_is_maker: bool,
}

/// Mark price, index and funding (`<symbol>@markPrice@1s`). Not on the tick grid, hence decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkPrice {
    /// `E`, ms.
    pub event_ms: i64,
    /// Mark price `p`.
    pub mark: Decimal,
    /// Index price `i`.
    pub index: Decimal,
    /// Funding rate `r` of the running interval.
    pub funding_rate: Decimal,
    /// Next funding time `T`, ms.
    pub next_funding_ms: i64,
}

/// One closed bar of trade prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bar {
    /// Open time, ms, a multiple of the interval.
    pub open_ms: i64,
    /// Length, ms.
    pub interval_ms: i64,
    /// First trade's price.
    pub open: Price,
    /// Highest trade's price.
    pub high: Price,
    /// Lowest trade's price.
    pub low: Price,
    /// Last trade's price.
    pub close: Price,
    /// Traded quantity.
    pub volume: Qty,
}
