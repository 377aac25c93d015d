//! The grid of a recording whose exchange rules are not at hand, from the decimals its numbers show.
//!
//! Used by re-reading: decode with [`GridGuess::instrument`]; when a number is off the grid, widen the guess by
//! [`GridGuess::observe`] and read the recording again from its start. No data is dropped and no number rounded.

use super::market::json;
use super::{DecodeError, Kind};
use helios_core::instrument::{Instrument, InstrumentError};
use rust_decimal::Decimal;
use serde::Deserialize;

/// Decimals a guess goes to at most: what shows more is noise, not a price.
const MAX_DECIMALS: u32 = 10;

/// Most decimals seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GridGuess {
    price: u32,
    qty: u32,
}

impl GridGuess {
    /// Looks at every price and quantity of a payload; true when the guess became finer.
    ///
    /// # Errors
    /// [`DecodeError::Json`] when the payload has no such shape.
    pub fn observe(&mut self, kind: Kind, payload: &[u8]) -> Result<bool, DecodeError> {
        let before = *self;
        match kind {
            Kind::Depth | Kind::Snapshot => {
                let w: Levels<'_> = json(payload)?;
                for (p, q) in w.bids.iter().chain(&w.asks) {
                    self.number(p, q);
                }
            }
            Kind::BookTicker => {
                let w: Best<'_> = json(payload)?;
                self.number(w.bid, w.bid_qty);
                self.number(w.ask, w.ask_qty);
            }
            Kind::AggTrade | Kind::Trade => {
                let w: Traded<'_> = json(payload)?;
                self.number(w.price, w.qty);
            }
            Kind::MarkPrice | Kind::Other => {}
        }
        Ok(*self != before)
    }

    /// An instrument on the guessed grid, limits wide open.
    ///
    /// # Errors
    /// None in practice: the steps are powers of ten.
    pub fn instrument(&self, symbol: &str) -> Result<Instrument, InstrumentError> {
        Instrument::with_grid(
            symbol,
            Decimal::new(1, self.price),
            Decimal::new(1, self.qty),
        )
    }

    fn number(&mut self, price: &str, qty: &str) {
        self.price = self.price.max(decimals(price));
        self.qty = self.qty.max(decimals(qty));
    }
}

/// Decimals of a plain number as written (the exchange pads to its own precision), without its trailing zeros when they
/// are beyond reason; 0 for anything that is no plain number.
fn decimals(text: &str) -> u32 {
    if !text.bytes().all(|c| c.is_ascii_digit() || c == b'.') {
        return 0;
    }
    let Some((_, fraction)) = text.split_once('.') else {
        return 0;
    };
    [fraction, fraction.trim_end_matches('0')]
        .into_iter()
        .filter_map(|f| u32::try_from(f.len()).ok())
        .find(|n| *n <= MAX_DECIMALS)
        .unwrap_or(0)
}

#[derive(Deserialize)]
struct Levels<'a> {
    #[serde(borrow, alias = "b")]
    bids: Vec<(&'a str, &'a str)>,
    #[serde(borrow, alias = "a")]
    asks: Vec<(&'a str, &'a str)>,
}

#[derive(Deserialize)]
struct Best<'a> {
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
struct Traded<'a> {
    #[serde(rename = "p")]
    price: &'a str,
    #[serde(rename = "q")]
    qty: &'a str,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_guess_takes_the_most_decimals_and_never_shrinks() {
        let mut g = GridGuess::default();
        assert!(
            g.observe(
                Kind::Depth,
                br#"{"b":[["61800.20","0.010"]],"a":[["5","NaN"],["1","-0.12345"]]}"#
            )
            .unwrap()
        );
        let i = g.instrument("X").unwrap();
        assert_eq!((i.tick, i.step), (Decimal::new(1, 2), Decimal::new(1, 3)));
        assert!(
            !g.observe(Kind::Trade, br#"{"p":"1.0","q":"2.00"}"#)
                .unwrap()
        );
        assert!(
            g.observe(Kind::AggTrade, br#"{"p":"1.050","q":"2"}"#)
                .unwrap()
        );
        assert!(
            !g.observe(Kind::Trade, br#"{"p":"1.00000000000000001","q":"2"}"#)
                .unwrap()
        );
        assert_eq!(g.instrument("X").unwrap().tick, Decimal::new(1, 3));
        assert!(g.observe(Kind::Depth, b"{}").is_err());
    }
}
