//! What the exchange says of one contract: tick, step, filters, brackets, fees.
//!
//! The only place where decimals become ticks and lots and back. Zero or missing filters are unknown, never numbers:
//! building an [`Instrument`] from them fails.

use crate::fixed::{Money, Price, Qty, Side};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A contract's name as the exchange spells it (`BTCUSDT`; non-ASCII and dated names exist).
pub type Symbol = Arc<str>;

/// Why an instrument or a conversion was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstrumentError {
    /// A filter that must be positive is zero, negative or missing.
    #[error("{symbol}: filter {name} is {value}: unknown, so the symbol can't be traded")]
    BadFilter {
        /// The contract.
        symbol: String,
        /// The exchange's name of the filter.
        name: &'static str,
        /// What was sent.
        value: String,
    },
    /// A number that is no multiple of the tick or step, or does not fit 64 bits.
    #[error("{value} is not a whole number of {unit} ({size})")]
    NotOnGrid {
        /// The number.
        value: Decimal,
        /// "ticks" or "lots".
        unit: &'static str,
        /// The tick or step.
        size: Decimal,
    },
}

/// The exchange's trading rules of one contract (`exchangeInfo` filters).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instrument {
    /// Name.
    pub symbol: Symbol,
    /// PRICE_FILTER `tickSize`.
    pub tick: Decimal,
    /// LOT_SIZE `stepSize`.
    pub step: Decimal,
    /// LOT_SIZE `minQty`, in lots.
    pub min_qty: Qty,
    /// LOT_SIZE `maxQty`, in lots (limit orders).
    pub max_qty: Qty,
    /// MARKET_LOT_SIZE `maxQty`, in lots (market orders).
    pub market_max_qty: Qty,
    /// MIN_NOTIONAL `notional`, quote asset. Reduce-only orders are exempt.
    pub min_notional: Money,
    /// PERCENT_PRICE `multiplierUp` against the mark price.
    pub multiplier_up: Decimal,
    /// PERCENT_PRICE `multiplierDown` against the mark price.
    pub multiplier_down: Decimal,
}

impl Instrument {
    /// An instrument with the given grid and limits wide open: for data whose rules are not known (recordings).
    ///
    /// # Errors
    /// [`InstrumentError::BadFilter`] when tick or step is not positive.
    pub fn with_grid(symbol: &str, tick: Decimal, step: Decimal) -> Result<Self, InstrumentError> {
        for (name, v) in [("tickSize", tick), ("stepSize", step)] {
            if v <= Decimal::ZERO {
                return Err(InstrumentError::BadFilter {
                    symbol: symbol.into(),
                    name,
                    value: v.to_string(),
                });
            }
        }
        Ok(Self {
            symbol: symbol.into(),
            tick,
            step,
            min_qty: Qty(1),
            max_qty: Qty(i64::MAX / 4),
            market_max_qty: Qty(i64::MAX / 4),
            min_notional: Decimal::new(5, 0),
            multiplier_up: Decimal::new(105, 2),
            multiplier_down: Decimal::new(95, 2),
        })
    }

    /// Exact conversion of a price on the grid.
    ///
    /// # Errors
    /// [`InstrumentError::NotOnGrid`] when `p` is no multiple of the tick.
    pub fn price(&self, p: Decimal) -> Result<Price, InstrumentError> {
        on_grid(p, self.tick, "ticks").map(Price)
    }

    /// Exact conversion of a quantity on the grid.
    ///
    /// # Errors
    /// [`InstrumentError::NotOnGrid`] when `q` is no multiple of the step.
    pub fn qty(&self, q: Decimal) -> Result<Qty, InstrumentError> {
        on_grid(q, self.step, "lots").map(Qty)
    }

    /// The nearest tick at or below `p`.
    pub fn price_floor(&self, p: Decimal) -> Price {
        Price(whole(p.checked_div(self.tick).map(|n| n.floor()), p))
    }

    /// The nearest tick at or above `p`.
    pub fn price_ceil(&self, p: Decimal) -> Price {
        Price(whole(p.checked_div(self.tick).map(|n| n.ceil()), p))
    }

    /// Rounds a limit price so that it is never worse for the taker than `p`: down for buys, up for sells.
    pub fn price_inside(&self, side: Side, p: Decimal) -> Price {
        match side {
            Side::Buy => self.price_floor(p),
            Side::Sell => self.price_ceil(p),
        }
    }

    /// The largest whole number of lots within `q` (toward zero).
    pub fn qty_floor(&self, q: Decimal) -> Qty {
        Qty(q
            .checked_div(self.step)
            .and_then(|n| n.trunc().to_i64())
            .unwrap_or(0))
    }

    /// A tick count as a decimal price.
    pub fn price_dec(&self, p: Price) -> Decimal {
        Decimal::from(p.0) * self.tick
    }

    /// A lot count as a decimal quantity (signed).
    pub fn qty_dec(&self, q: Qty) -> Decimal {
        Decimal::from(q.0) * self.step
    }

    /// `|q| × p`, exact, quote asset.
    pub fn notional(&self, p: Price, q: Qty) -> Money {
        self.price_dec(p) * self.qty_dec(q.abs())
    }

    /// A tick count as `f64`, for features and statistics only.
    pub fn price_f64(&self, p: Price) -> f64 {
        p.0 as f64 * self.tick.to_f64().unwrap_or(f64::NAN)
    }
}

/// What does not fit stays far beyond every price, on its own side.
fn whole(n: Option<Decimal>, sign_of: Decimal) -> i64 {
    let far = i64::MAX / 4;
    n.and_then(|n| n.to_i64())
        .unwrap_or(if sign_of.is_sign_negative() {
            -far
        } else {
            far
        })
}

fn on_grid(v: Decimal, size: Decimal, unit: &'static str) -> Result<i64, InstrumentError> {
    let bad = || InstrumentError::NotOnGrid {
        value: v,
        unit,
        size,
    };
    let n = v.checked_div(size).ok_or_else(bad)?;
    if n.fract() != Decimal::ZERO {
        return Err(bad());
    }
    n.to_i64().ok_or_else(bad)
}

/// One leverage bracket: `floor < notional ≤ cap`, maintenance margin = notional × ratio − cum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bracket {
    /// Lower edge of notional, exclusive (quote asset).
    pub notional_floor: Money,
    /// Upper edge of notional, inclusive.
    pub notional_cap: Money,
    /// Maintenance margin ratio, e.g. 0.004.
    pub maint_margin_ratio: Decimal,
    /// The exchange's `cum`: what makes the maintenance margin continuous.
    pub cum: Money,
    /// Highest initial leverage in this bracket.
    pub initial_leverage: u32,
}

/// Maker and taker fee rates, as fractions of notional (0.0005 = 5 bp), from `commissionRate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeeRates {
    /// Fee of a resting order.
    pub maker: Decimal,
    /// Fee of an order that takes liquidity.
    pub taker: Decimal,
}

/// Everything static that a trader must know of its contract before it may decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SymbolInfo {
    /// Grid and filters.
    pub instrument: Instrument,
    /// Leverage brackets, ascending by floor.
    pub brackets: Vec<Bracket>,
    /// Own fee rates.
    pub fees: FeeRates,
    /// Initial leverage in force for this account and symbol.
    pub leverage: u32,
}
