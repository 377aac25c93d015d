//! Grids, brackets and fees of the contracts a source can list.
//!
//! Numbers of a made-up venue in the shape of the real one's: ticks and steps of the familiar contracts, a bracket ladder
//! scaled by how deep a contract is. Nothing here is read from the exchange.

use crate::engine::SymbolSpec;
use helios_core::fixed::Qty;
use helios_core::instrument::{Bracket, FeeRates, Instrument, InstrumentError};
use rust_decimal::Decimal;
use rust_decimal::prelude::{FromPrimitive, ToPrimitive};

/// The contracts of the demo market, deepest first.
pub const DEMO_SYMBOLS: [&str; 8] = [
    "BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "BNBUSDT", "DOGEUSDT", "ADAUSDT", "LINKUSDT",
];

/// What is known of a familiar contract.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) symbol: &'static str,
    /// Price a generated market starts at.
    pub(crate) price: f64,
    /// Tick as (mantissa, decimals).
    pub(crate) tick: (i64, u32),
    /// Step as (mantissa, decimals).
    pub(crate) step: (i64, u32),
    /// Resting notional relative to BTC.
    pub(crate) depth: f64,
    /// Trade and update rate relative to BTC.
    pub(crate) rate: f64,
    /// Volatility relative to the profile's.
    pub(crate) vol: f64,
}

const fn k(
    symbol: &'static str,
    price: f64,
    tick: (i64, u32),
    step: (i64, u32),
    depth: f64,
    rate: f64,
    vol: f64,
) -> Known {
    Known {
        symbol,
        price,
        tick,
        step,
        depth,
        rate,
        vol,
    }
}

const KNOWN: [Known; 8] = [
    k("BTCUSDT", 61_800.0, (1, 1), (1, 3), 1.0, 1.0, 1.0),
    k("ETHUSDT", 2_680.0, (1, 2), (1, 3), 0.6, 0.8, 1.05),
    k("SOLUSDT", 155.0, (1, 2), (1, 2), 0.25, 0.6, 1.1),
    k("XRPUSDT", 2.2, (1, 4), (1, 1), 0.2, 0.5, 1.0),
    k("BNBUSDT", 515.0, (1, 2), (1, 2), 0.15, 0.4, 0.9),
    k("DOGEUSDT", 0.19, (1, 5), (1, 0), 0.12, 0.4, 1.1),
    k("ADAUSDT", 0.7, (1, 4), (1, 0), 0.1, 0.35, 1.0),
    k("LINKUSDT", 14.2, (1, 3), (1, 2), 0.1, 0.35, 1.05),
];

/// The table's entry of a contract.
pub(crate) fn known(symbol: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|k| k.symbol == symbol)
}

impl Known {
    pub(crate) fn tick_dec(&self) -> Decimal {
        Decimal::new(self.tick.0, self.tick.1)
    }

    pub(crate) fn step_dec(&self) -> Decimal {
        Decimal::new(self.step.0, self.step.1)
    }
}

/// A contract of the demo market with the price that generated markets start it at; `None` for any other name.
#[must_use]
pub fn demo_contract(symbol: &str, onboard_ms: i64) -> Option<(SymbolSpec, Decimal)> {
    let k = known(symbol)?;
    let price = Decimal::from_f64(k.price)?;
    let (tick, step) = (k.tick_dec(), k.step_dec());
    let s = spec(symbol, tick, step, price, k.depth, onboard_ms).ok()?;
    Some((s, price))
}

/// A listing with plausible filters, brackets and fees. `price` scales the quantity limits, `depth` the brackets.
pub(crate) fn spec(
    symbol: &str,
    tick: Decimal,
    step: Decimal,
    price: Decimal,
    depth: f64,
    onboard_ms: i64,
) -> Result<SymbolSpec, InstrumentError> {
    let mut i = Instrument::with_grid(symbol, tick, step)?;
    let lots = |usd: i64| {
        let v = (Decimal::from(usd) / price / step).floor();
        Qty(v.to_i64().unwrap_or(i64::MAX / 4).max(1))
    };
    i.max_qty = lots(60_000_000);
    i.market_max_qty = lots(7_000_000);
    Ok(SymbolSpec {
        instrument: i,
        brackets: brackets(depth),
        fees: FeeRates {
            maker: Decimal::new(2, 4),
            taker: Decimal::new(5, 4),
        },
        liquidation_fee: Decimal::new(125, 4),
        onboard_ms,
        funding_hours: 8,
    })
}

/// A ladder of (upper edge in thousand USDT, maintenance rate in bp, leverage); `cum` follows from continuity.
fn brackets(depth: f64) -> Vec<Bracket> {
    const DEEP: [(i64, i64, u32); 8] = [
        (50, 40, 125),
        (600, 50, 100),
        (3_000, 65, 75),
        (12_000, 100, 50),
        (60_000, 200, 25),
        (200_000, 500, 10),
        (500_000, 1_250, 4),
        (1_500_000, 5_000, 1),
    ];
    const SHALLOW: [(i64, i64, u32); 7] = [
        (10, 50, 75),
        (50, 100, 50),
        (500, 200, 25),
        (1_000, 250, 20),
        (5_000, 500, 10),
        (20_000, 1_250, 4),
        (50_000, 5_000, 1),
    ];
    let ladder: &[(i64, i64, u32)] = if depth >= 0.5 { &DEEP } else { &SHALLOW };
    let mut out: Vec<Bracket> = Vec::with_capacity(ladder.len());
    for &(cap, rate_bp, lev) in ladder {
        let rate = Decimal::new(rate_bp, 4);
        let (floor, cum) = out.last().map_or((Decimal::ZERO, Decimal::ZERO), |p| {
            let f = p.notional_cap;
            (f, p.cum + f * (rate - p.maint_margin_ratio))
        });
        out.push(Bracket {
            notional_floor: floor,
            notional_cap: Decimal::from(cap * 1_000),
            maint_margin_ratio: rate,
            cum: cum.normalize(),
            initial_leverage: lev,
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maintenance_margin_is_continuous_over_every_bracket_edge() {
        for depth in [1.0, 0.1] {
            let b = brackets(depth);
            for w in b.windows(2) {
                let edge = w[0].notional_cap;
                let below = edge * w[0].maint_margin_ratio - w[0].cum;
                let above = edge * w[1].maint_margin_ratio - w[1].cum;
                assert_eq!(below, above, "at {edge}");
                assert_eq!(w[1].notional_floor, edge);
                assert!(w[1].initial_leverage < w[0].initial_leverage);
            }
        }
    }

    #[test]
    fn every_demo_symbol_is_listed_with_a_price_on_its_grid() {
        for s in DEMO_SYMBOLS {
            let k = known(s);
            assert!(k.is_some(), "{s}");
        }
    }
}
