//! Market payloads into core's events, on one contract's grid.
//!
//! Structure by serde_json with borrowed text, numbers by [`super::number`]. Unknown fields (COIN-M's `ps` and `pair`, `st`,
//! `nq`, whatever comes) are skipped.

use super::number::{Grid, NumberError, Scale};
use super::{DecodeError, frame::Kind};
use helios_core::fixed::{Price, Qty};
use helios_core::instrument::Instrument;
use helios_core::market::{
    AggTrade, BookLevels, BookTicker, DepthSnapshot, DepthUpdate, MarkPrice,
};
use rust_decimal::Decimal;
use serde::Deserialize;

/// A decoded market payload.
#[derive(Clone, Debug, PartialEq)]
pub enum MarketEvent {
    /// `<symbol>@depth`.
    Depth(DepthUpdate),
    /// `<symbol>@aggTrade`.
    AggTrade(AggTrade),
    /// `<symbol>@trade`, in an aggregate trade's shape: its id is the single trade's `t`.
    Trade(AggTrade),
    /// `<symbol>@bookTicker`.
    BookTicker(BookTicker),
    /// `<symbol>@markPrice`.
    MarkPrice(MarkPrice),
    /// REST depth snapshot.
    Snapshot(DepthSnapshot),
}

/// Decodes the payloads of one contract.
#[derive(Clone, Copy, Debug)]
pub struct Decoder {
    grid: Grid,
}

impl Decoder {
    /// For a contract.
    ///
    /// # Errors
    /// [`DecodeError::Grid`] when its tick or step is not positive or needs more than 64 bits.
    pub fn new(instrument: &Instrument) -> Result<Self, DecodeError> {
        let grid = Grid::of(instrument).ok_or_else(|| DecodeError::Grid {
            symbol: instrument.symbol.to_string(),
        })?;
        Ok(Self { grid })
    }

    /// Any payload; `None` for kinds that carry no market data of ours.
    ///
    /// # Errors
    /// [`DecodeError`] with offset or field.
    pub fn event(&self, kind: Kind, payload: &[u8]) -> Result<Option<MarketEvent>, DecodeError> {
        Ok(Some(match kind {
            Kind::Depth => MarketEvent::Depth(self.depth(payload)?),
            Kind::AggTrade => MarketEvent::AggTrade(self.agg_trade(payload)?),
            Kind::Trade => MarketEvent::Trade(self.trade(payload)?),
            Kind::BookTicker => MarketEvent::BookTicker(self.book_ticker(payload)?),
            Kind::MarkPrice => MarketEvent::MarkPrice(mark_price(payload)?),
            Kind::Snapshot => MarketEvent::Snapshot(self.snapshot(payload)?),
            Kind::Other => return Ok(None),
        }))
    }

    /// `depthUpdate`.
    ///
    /// # Errors
    /// [`DecodeError`] with offset or field.
    pub fn depth(&self, payload: &[u8]) -> Result<DepthUpdate, DecodeError> {
        let w: WireDepth = json(payload)?;
        Ok(DepthUpdate {
            event_ms: w.event_ms,
            transact_ms: w.transact_ms,
            first_id: w.first_id,
            last_id: w.last_id,
            prev_last_id: w.prev_last_id,
            bids: self.levels(payload, "b", &w.bids)?,
            asks: self.levels(payload, "a", &w.asks)?,
        })
    }

    /// REST depth snapshot.
    ///
    /// # Errors
    /// [`DecodeError`] with offset or field.
    pub fn snapshot(&self, payload: &[u8]) -> Result<DepthSnapshot, DecodeError> {
        let w: WireSnapshot = json(payload)?;
        Ok(DepthSnapshot {
            last_id: w.last_id,
            event_ms: w.event_ms,
            bids: self.levels(payload, "bids", &w.bids)?,
            asks: self.levels(payload, "asks", &w.asks)?,
        })
    }

    /// `bookTicker`.
    ///
    /// # Errors
    /// [`DecodeError`] with offset or field.
    pub fn book_ticker(&self, payload: &[u8]) -> Result<BookTicker, DecodeError> {
        let w: WireTicker = json(payload)?;
        Ok(BookTicker {
            update_id: w.update_id,
            event_ms: w.event_ms,
            transact_ms: w.transact_ms,
            bid: (
                self.price(payload, "b", w.bid)?,
                self.qty(payload, "B", w.bid_qty)?,
            ),
            ask: (
                self.price(payload, "a", w.ask)?,
                self.qty(payload, "A", w.ask_qty)?,
            ),
        })
    }

    /// `aggTrade`.
    ///
    /// # Errors
    /// [`DecodeError`] with offset or field.
    pub fn agg_trade(&self, payload: &[u8]) -> Result<AggTrade, DecodeError> {
        let w: WireTrade = json(payload)?;
        self.any_trade(payload, &w, w.agg_id.ok_or(DecodeError::Missing("a"))?)
    }

    /// `trade`.
    ///
    /// # Errors
    /// [`DecodeError`] with offset or field.
    pub fn trade(&self, payload: &[u8]) -> Result<AggTrade, DecodeError> {
        let w: WireTrade = json(payload)?;
        self.any_trade(payload, &w, w.trade_id.ok_or(DecodeError::Missing("t"))?)
    }

    fn any_trade(
        &self,
        payload: &[u8],
        w: &WireTrade<'_>,
        id: u64,
    ) -> Result<AggTrade, DecodeError> {
        Ok(AggTrade {
            id,
            event_ms: w.event_ms,
            transact_ms: w.transact_ms,
            price: self.price(payload, "p", w.price)?,
            qty: self.qty(payload, "q", w.qty)?,
            buyer_is_maker: w.buyer_is_maker,
        })
    }

    fn levels(
        &self,
        payload: &[u8],
        field: &'static str,
        levels: &[(&str, &str)],
    ) -> Result<BookLevels, DecodeError> {
        let mut out = Vec::with_capacity(levels.len());
        for &(p, q) in levels {
            out.push((self.price(payload, field, p)?, self.qty(payload, field, q)?));
        }
        Ok(out)
    }

    fn price(&self, at: &[u8], field: &'static str, text: &str) -> Result<Price, DecodeError> {
        number(self.grid.price, at, field, text).map(Price)
    }

    fn qty(&self, at: &[u8], field: &'static str, text: &str) -> Result<Qty, DecodeError> {
        number(self.grid.qty, at, field, text).map(Qty)
    }
}

/// `markPriceUpdate`: decimals, no grid needed. Empty `i` or `r` (dated contracts) read as 0.
///
/// # Errors
/// [`DecodeError`] with offset or field; a mark price that is not positive is refused.
pub fn mark_price(payload: &[u8]) -> Result<MarkPrice, DecodeError> {
    mark(payload, &json::<WireMark<'_>>(payload)?)
}

/// The `!markPrice@arr` stream's payload: each contract's name with its mark price.
///
/// # Errors
/// [`DecodeError`] with offset or field.
pub fn mark_prices(payload: &[u8]) -> Result<Vec<(String, MarkPrice)>, DecodeError> {
    let all: Vec<WireMark<'_>> = json(payload)?;
    all.iter()
        .map(|w| Ok((w.symbol.to_string(), mark(payload, w)?)))
        .collect()
}

fn mark(payload: &[u8], w: &WireMark<'_>) -> Result<MarkPrice, DecodeError> {
    let m = MarkPrice {
        event_ms: w.event_ms,
        mark: decimal(payload, "p", w.mark)?,
        index: decimal(payload, "i", w.index)?,
        funding_rate: decimal(payload, "r", w.funding_rate)?,
        next_funding_ms: w.next_funding_ms,
    };
    let bad = |field, text: &str, why| {
        Err(DecodeError::Number {
            field,
            offset: offset_of(payload, text),
            text: text.into(),
            why,
        })
    };
    if m.mark <= Decimal::ZERO {
        let why = if w.mark.is_empty() {
            NumberError::Empty
        } else {
            NumberError::Negative
        };
        return bad("p", w.mark, why);
    }
    if m.index < Decimal::ZERO {
        return bad("i", w.index, NumberError::Negative);
    }
    Ok(m)
}

fn decimal(payload: &[u8], field: &'static str, text: &str) -> Result<Decimal, DecodeError> {
    if text.is_empty() {
        return Ok(Decimal::ZERO);
    }
    text.parse().map_err(|_| DecodeError::Number {
        field,
        offset: offset_of(payload, text),
        text: text.into(),
        why: NumberError::NotANumber,
    })
}

fn number(
    scale: Scale,
    payload: &[u8],
    field: &'static str,
    text: &str,
) -> Result<i64, DecodeError> {
    scale
        .parse(text.as_bytes())
        .map_err(|why| DecodeError::Number {
            field,
            offset: offset_of(payload, text),
            text: text.chars().take(40).collect(),
            why,
        })
}

/// Where borrowed `text` lies within `payload`.
fn offset_of(payload: &[u8], text: &str) -> usize {
    (text.as_ptr() as usize).saturating_sub(payload.as_ptr() as usize)
}

pub(super) fn json<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(payload).map_err(|e| DecodeError::Json {
        offset: e.column().saturating_sub(1),
        message: e.to_string(),
    })
}

#[derive(Deserialize)]
struct WireDepth<'a> {
    #[serde(rename = "E")]
    event_ms: i64,
    #[serde(rename = "T", default)]
    transact_ms: i64,
    #[serde(rename = "U")]
    first_id: u64,
    #[serde(rename = "u")]
    last_id: u64,
    #[serde(rename = "pu")]
    prev_last_id: u64,
    #[serde(rename = "b", borrow)]
    bids: Vec<(&'a str, &'a str)>,
    #[serde(rename = "a", borrow)]
    asks: Vec<(&'a str, &'a str)>,
}

#[derive(Deserialize)]
struct WireSnapshot<'a> {
    #[serde(rename = "lastUpdateId")]
    last_id: u64,
    #[serde(rename = "E", default)]
    event_ms: i64,
    #[serde(borrow)]
    bids: Vec<(&'a str, &'a str)>,
    #[serde(borrow)]
    asks: Vec<(&'a str, &'a str)>,
}

#[derive(Deserialize)]
struct WireTicker<'a> {
    #[serde(rename = "u")]
    update_id: u64,
    #[serde(rename = "E", default)]
    event_ms: i64,
    #[serde(rename = "T", default)]
    transact_ms: i64,
    #[serde(rename = "b")]
    bid: &'a str,
    #[serde(rename = "B")]
    bid_qty: &'a str,
    #[serde(rename = "a")]
    ask: &'a str,
    #[serde(rename = "A")]
    ask_qty: &'a str,
}

#[derive(Deserialize)]
struct WireTrade<'a> {
    #[serde(rename = "E")]
    event_ms: i64,
    #[serde(rename = "T")]
    transact_ms: i64,
    #[serde(rename = "a")]
    agg_id: Option<u64>,
    #[serde(rename = "t")]
    trade_id: Option<u64>,
    #[serde(rename = "p")]
    price: &'a str,
    #[serde(rename = "q")]
    qty: &'a str,
    #[serde(rename = "m")]
    buyer_is_maker: bool,
}

#[derive(Deserialize)]
struct WireMark<'a> {
    #[serde(rename = "s", default)]
    symbol: std::borrow::Cow<'a, str>,
    #[serde(rename = "E")]
    event_ms: i64,
    #[serde(rename = "p")]
    mark: &'a str,
    #[serde(rename = "i", default)]
    index: &'a str,
    #[serde(rename = "r", default)]
    funding_rate: &'a str,
    #[serde(rename = "T", default)]
    next_funding_ms: i64,
}
