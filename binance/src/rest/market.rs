//! Public reads of a running market: book snapshot, bars, tickers. What is asked about the past is `history`'s, the
//! contracts' rules are `rules`'s.

use super::{Call, Lane, RestClient, wire};
use crate::convert::nearest_price;
use crate::decode::Decoder;
use crate::error::ApiError;
use crate::sign::Query;
use helios_core::instrument::{Instrument, Symbol};
use helios_core::market::{Bar, DepthSnapshot};
use rust_decimal::Decimal;

/// 24 h statistics of one contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticker24h {
    /// Contract.
    pub symbol: Symbol,
    /// Change, percent.
    pub change_percent: Decimal,
    /// Volume-weighted average price.
    pub average: Decimal,
    /// Last price.
    pub last: Decimal,
    /// Highest price.
    pub high: Decimal,
    /// Lowest price.
    pub low: Decimal,
    /// Volume, base asset.
    pub volume: Decimal,
    /// Volume, quote asset.
    pub quote_volume: Decimal,
    /// End of the window, venue ms.
    pub close_ms: i64,
    /// Trades.
    pub trades: i64,
}

/// Best bid and ask of one contract by REST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookTop {
    /// Contract.
    pub symbol: Symbol,
    /// Best bid and its quantity.
    pub bid: (Decimal, Decimal),
    /// Best ask and its quantity.
    pub ask: (Decimal, Decimal),
    /// Venue ms.
    pub time_ms: i64,
}

/// Mark, index and funding of one contract by REST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PremiumIndex {
    /// Contract.
    pub symbol: Symbol,
    /// Mark and the rest.
    pub mark: helios_core::market::MarkPrice,
}

/// Intervals of klines that Helios uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KlineInterval {
    /// The exchange's name.
    pub name: &'static str,
    /// Length, ms.
    pub ms: i64,
}

const INTERVALS: [KlineInterval; 12] = [
    KlineInterval::new("1m", 1),
    KlineInterval::new("3m", 3),
    KlineInterval::new("5m", 5),
    KlineInterval::new("15m", 15),
    KlineInterval::new("30m", 30),
    KlineInterval::new("1h", 60),
    KlineInterval::new("2h", 120),
    KlineInterval::new("4h", 240),
    KlineInterval::new("6h", 360),
    KlineInterval::new("8h", 480),
    KlineInterval::new("12h", 720),
    KlineInterval::new("1d", 1_440),
];

impl KlineInterval {
    /// One minute.
    pub const M1: Self = Self::new("1m", 1);

    const fn new(name: &'static str, minutes: i64) -> Self {
        Self {
            name,
            ms: minutes * 60_000,
        }
    }

    /// The largest interval that divides a bar length; `None` when there is none (then ATR warms up live).
    pub fn largest_dividing(bar_ms: i64) -> Option<Self> {
        INTERVALS
            .into_iter()
            .rev()
            .find(|i| bar_ms > 0 && bar_ms % i.ms == 0)
    }
}

impl RestClient {
    /// The book, best 1000 levels a side.
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn depth_snapshot(&self, i: &Instrument) -> Result<DepthSnapshot, ApiError> {
        self.depth(i, 1_000, Lane::Read).await
    }

    /// The book, best `limit` levels a side (5, 10, 20, 50, 100, 500, 1000).
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn depth(
        &self,
        i: &Instrument,
        limit: u32,
        lane: Lane,
    ) -> Result<DepthSnapshot, ApiError> {
        let weight = match limit {
            ..=50 => 2,
            51..=100 => 5,
            101..=500 => 10,
            _ => 20,
        };
        let query = Query::new().with("symbol", &i.symbol).with("limit", limit);
        let call = Call::get("depth", "/fapi/v1/depth", weight)
            .query(query)
            .lane(lane);
        snapshot(&self.read_body(call).await?, i)
    }

    /// Closed bars, oldest first; the running one is left out.
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn klines(
        &self,
        i: &Instrument,
        interval: KlineInterval,
        limit: u32,
    ) -> Result<Vec<Bar>, ApiError> {
        let limit = limit.saturating_add(1).clamp(2, 1_500);
        let weight = match limit {
            ..100 => 1,
            100..500 => 2,
            500..=1_000 => 5,
            _ => 10,
        };
        let query = Query::new()
            .with("symbol", &i.symbol)
            .with("interval", interval.name)
            .with("limit", limit);
        let call = Call::get("klines", "/fapi/v1/klines", weight)
            .query(query)
            .lane(Lane::Background);
        let rows: Vec<Vec<serde_json::Value>> = self.read(call).await?;
        bars(&rows, i, interval, self.0.clock.market_ms())
    }

    /// Mark price, index and funding of every contract (weight 10).
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn premium_index(&self) -> Result<Vec<PremiumIndex>, ApiError> {
        let call = Call::get("premiumIndex", "/fapi/v1/premiumIndex", 10).lane(Lane::Background);
        let rows: Vec<wire::PremiumIndex> = self.read(call).await?;
        Ok(rows.into_iter().map(premium).collect())
    }

    /// Mark price, index and funding of one contract (weight 1).
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn premium_index_of(&self, symbol: &str) -> Result<PremiumIndex, ApiError> {
        let call = Call::get("premiumIndex", "/fapi/v1/premiumIndex", 1)
            .query(Query::new().with("symbol", symbol));
        Ok(premium(self.read(call).await?))
    }

    /// Last price of one contract (weight 1).
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn last_price(&self, symbol: &str) -> Result<Decimal, ApiError> {
        let call = Call::get("ticker/price", "/fapi/v2/ticker/price", 1)
            .query(Query::new().with("symbol", symbol));
        let r: wire::LastPrice = self.read(call).await?;
        Ok(r.price.0)
    }

    /// 24 h statistics of every contract (weight 40).
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn ticker_24h(&self) -> Result<Vec<Ticker24h>, ApiError> {
        let call = Call::get("ticker/24hr", "/fapi/v1/ticker/24hr", 40).lane(Lane::Background);
        let rows: Vec<wire::Ticker24h> = self.read(call).await?;
        Ok(rows.into_iter().map(ticker).collect())
    }

    /// Best bid and ask of every contract (weight 5).
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn book_tickers(&self) -> Result<Vec<BookTop>, ApiError> {
        let call =
            Call::get("ticker/bookTicker", "/fapi/v1/ticker/bookTicker", 5).lane(Lane::Background);
        let rows: Vec<wire::BookTop> = self.read(call).await?;
        Ok(rows.into_iter().map(book_top).collect())
    }
}

pub(super) fn premium(r: wire::PremiumIndex) -> PremiumIndex {
    PremiumIndex {
        symbol: r.symbol.as_str().into(),
        mark: helios_core::market::MarkPrice {
            event_ms: r.time,
            mark: r.mark_price.0,
            index: r.index_price.0,
            funding_rate: r.last_funding_rate.map_or(Decimal::ZERO, |d| d.0),
            next_funding_ms: r.next_funding_time,
        },
    }
}

fn ticker(r: wire::Ticker24h) -> Ticker24h {
    Ticker24h {
        symbol: r.symbol.as_str().into(),
        change_percent: r.price_change_percent.0,
        average: r.weighted_avg_price.0,
        last: r.last_price.0,
        high: r.high_price.0,
        low: r.low_price.0,
        volume: r.volume.0,
        quote_volume: r.quote_volume.0,
        close_ms: r.close_time,
        trades: r.count,
    }
}

fn book_top(r: wire::BookTop) -> BookTop {
    BookTop {
        symbol: r.symbol.as_str().into(),
        bid: (r.bid_price.0, r.bid_qty.0),
        ask: (r.ask_price.0, r.ask_qty.0),
        time_ms: r.time,
    }
}

pub(super) fn bars(
    rows: &[Vec<serde_json::Value>],
    i: &Instrument,
    interval: KlineInterval,
    now_ms: i64,
) -> Result<Vec<Bar>, ApiError> {
    let row = |r: &Vec<serde_json::Value>| -> Option<Bar> {
        let dec = |n: usize| -> Option<Decimal> { wire::parse_dec(r.get(n)?.as_str()?) };
        let price = |n: usize| dec(n).map(|p| nearest_price(i, p));
        Some(Bar {
            open_ms: r.first()?.as_i64()?,
            interval_ms: interval.ms,
            open: price(1)?,
            high: price(2)?,
            low: price(3)?,
            close: price(4)?,
            volume: i.qty_floor(dec(5)?),
        })
    };
    let all: Option<Vec<Bar>> = rows.iter().map(row).collect();
    let mut all = all.ok_or_else(|| ApiError::Decode {
        what: "klines",
        why: "a row that is no kline".into(),
    })?;
    all.retain(|b| b.open_ms.saturating_add(b.interval_ms) <= now_ms);
    Ok(all)
}

fn snapshot(body: &[u8], i: &Instrument) -> Result<DepthSnapshot, ApiError> {
    let read = Decoder::new(i).and_then(|d| d.snapshot(body));
    read.map_err(|e| ApiError::Decode {
        what: "depth",
        why: e.to_string(),
    })
}
