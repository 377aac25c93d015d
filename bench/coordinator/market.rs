//! A market that stands still: many contracts with a book each and a mark price every second, as the exchange sends them.

use helios_core::fixed::{Price, Qty};
use helios_core::instrument::{Bracket, FeeRates, Instrument, SymbolInfo};
use helios_core::market::{Bar, DepthSnapshot, MarkPrice};
use helios_venue::engine::{MarketInput, SymbolId, SymbolSpec};
use helios_venue::market::MarketSource;
use rust_decimal::Decimal;
use std::collections::VecDeque;

/// 2024-08-09 00:00 UTC.
const T0: i64 = 1_723_161_600_000;
/// Best bid in ticks of 0.1: 1000 USDT.
pub const BID: i64 = 10_000;

/// Name of the n-th contract.
pub fn name(n: usize) -> String {
    format!("C{n:03}USDT")
}

/// Tick 0.1, step 0.001.
pub fn instrument(symbol: &str) -> Instrument {
    Instrument::with_grid(symbol, Decimal::new(1, 1), Decimal::new(1, 3)).expect("a grid")
}

fn brackets() -> Vec<Bracket> {
    let bracket = |floor: i64, cap: i64, ratio: i64, cum: i64, leverage| Bracket {
        notional_floor: floor.into(),
        notional_cap: cap.into(),
        maint_margin_ratio: Decimal::new(ratio, 3),
        cum: cum.into(),
        initial_leverage: leverage,
    };
    vec![
        bracket(0, 50_000, 4, 0, 125),
        bracket(50_000, 600_000, 5, 50, 100),
        bracket(600_000, 10_000_000, 10, 3_050, 50),
    ]
}

fn fees() -> FeeRates {
    FeeRates {
        maker: Decimal::new(2, 4),
        taker: Decimal::new(5, 4),
    }
}

/// A contract as guardian and trader know it.
pub fn info(symbol: &str) -> SymbolInfo {
    SymbolInfo {
        instrument: instrument(symbol),
        brackets: brackets(),
        fees: fees(),
        leverage: 10,
    }
}

/// A mark price that agrees with its index.
pub fn mark(event_ms: i64, mark: Decimal) -> MarkPrice {
    MarkPrice {
        event_ms,
        mark,
        index: mark,
        funding_rate: Decimal::ZERO,
        next_funding_ms: (event_ms / 28_800_000 + 1) * 28_800_000,
    }
}

/// A book of equal levels around [`BID`]; `heavy` bids ask for a long.
pub fn book(event_ms: i64, last_id: u64, heavy: bool) -> DepthSnapshot {
    let bid = Qty(if heavy { 4000 } else { 1000 });
    DepthSnapshot {
        last_id,
        event_ms,
        bids: (0..40).map(|i| (Price(BID - i), bid)).collect(),
        asks: (0..40).map(|i| (Price(BID + 1 + i), Qty(1000))).collect(),
    }
}

/// Closed bars before a time: they range over half a percent.
pub fn bars(before_ms: i64, interval_ms: i64, count: i64) -> Vec<Bar> {
    let end = before_ms - before_ms.rem_euclid(interval_ms);
    (1..=count)
        .rev()
        .map(|i| Bar {
            open_ms: end - i * interval_ms,
            interval_ms,
            open: Price(BID),
            high: Price(BID + 25),
            low: Price(BID - 25),
            close: Price(BID),
            volume: Qty(1_000_000),
        })
        .collect()
}

/// The source.
pub struct Still {
    symbols: usize,
    events: VecDeque<(i64, SymbolId, MarketInput)>,
    next_ms: i64,
}

impl Still {
    /// A market of this many contracts.
    pub fn new(symbols: usize) -> Self {
        let mut all = Self {
            symbols,
            events: VecDeque::new(),
            next_ms: T0,
        };
        for id in all.ids() {
            let first = MarketInput::Snapshot(book(T0, 1000, false));
            all.events.push_back((T0, id, first));
        }
        all.marks();
        all
    }

    fn ids(&self) -> impl Iterator<Item = SymbolId> + use<> {
        (0..self.symbols).map(|n| SymbolId(n as u16))
    }

    fn marks(&mut self) {
        let at = self.next_ms;
        for id in self.ids() {
            let m = MarketInput::Mark(mark(at, Decimal::from(BID / 10)));
            self.events.push_back((at, id, m));
        }
        self.next_ms += 1000;
    }
}

impl MarketSource for Still {
    fn symbols(&self) -> Vec<SymbolSpec> {
        (0..self.symbols)
            .map(|n| {
                let mut instrument = instrument(&name(n));
                instrument.max_qty = Qty(10_000_000);
                instrument.market_max_qty = Qty(1_000_000);
                SymbolSpec {
                    instrument,
                    brackets: brackets(),
                    fees: fees(),
                    liquidation_fee: Decimal::new(12, 3),
                    onboard_ms: T0 - 86_400_000 * 400,
                    funding_hours: 8,
                }
            })
            .collect()
    }

    fn label(&self) -> String {
        "simulated market (still, for the bench)".into()
    }

    fn start_ms(&self) -> i64 {
        T0
    }

    fn peek_ms(&self) -> Option<i64> {
        Some(self.events.front().map_or(self.next_ms, |e| e.0))
    }

    fn next_event(&mut self) -> Option<(i64, SymbolId, MarketInput)> {
        if self.events.is_empty() {
            self.marks();
        }
        self.events.pop_front()
    }

    fn history(&self, _: SymbolId, interval_ms: i64, before_ms: i64, limit: usize) -> Vec<Bar> {
        bars(before_ms, interval_ms, limit as i64)
    }
}
