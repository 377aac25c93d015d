//! A market that stands still: what a test expects is known to the tick.
#![allow(clippy::unwrap_used, clippy::new_without_default, missing_docs)]

use helios_core::fixed::{Price, Qty};
use helios_core::instrument::{Bracket, FeeRates, Instrument};
use helios_core::market::{AggTrade, Bar, DepthSnapshot, DepthUpdate, MarkPrice};
use helios_venue::engine::{MarketInput, SymbolId, SymbolSpec};
use helios_venue::market::MarketSource;
use rust_decimal::Decimal;

pub const START_MS: i64 = 1_750_000_020_000;
/// 60000.0 in ticks of 0.1.
pub const MID: i64 = 600_000;

pub fn dec(s: &str) -> Decimal {
    s.parse().unwrap()
}

/// A market that stands still around 60000: a depth event each 100 ms, a trade each 200 ms, a mark each second.
pub struct Still {
    now_ms: i64,
    id: u64,
    queue: std::collections::VecDeque<MarketInput>,
}

impl Still {
    pub fn new() -> Self {
        let level = |n: i64, side: i64| (Price(MID + side * (1 + n)), Qty(1_000));
        let snapshot = DepthSnapshot {
            last_id: 100,
            event_ms: START_MS,
            bids: (0..50).map(|n| level(n, -1)).collect(),
            asks: (0..50).map(|n| level(n, 1)).collect(),
        };
        Self {
            now_ms: START_MS,
            id: 100,
            queue: [MarketInput::Snapshot(snapshot), mark(START_MS)].into(),
        }
    }

    fn refill(&mut self) {
        if !self.queue.is_empty() {
            return;
        }
        self.now_ms += 100;
        let (ms, step) = (self.now_ms, (self.now_ms - START_MS) / 100);
        self.queue.push_back(MarketInput::Depth(DepthUpdate {
            event_ms: ms,
            transact_ms: ms,
            first_id: self.id + 1,
            last_id: self.id + 2,
            prev_last_id: self.id,
            bids: vec![(Price(MID - 30), Qty(1_000 + step % 7))],
            asks: vec![],
        }));
        self.id += 2;
        if step % 2 == 0 {
            self.queue.push_back(MarketInput::Trade(AggTrade {
                id: step as u64,
                event_ms: ms,
                transact_ms: ms,
                price: Price(MID + 1),
                qty: Qty(1),
                buyer_is_maker: false,
            }));
        }
        if step % 10 == 0 {
            self.queue.push_back(mark(ms));
        }
    }
}

fn mark(ms: i64) -> MarketInput {
    MarketInput::Mark(MarkPrice {
        event_ms: ms,
        mark: dec("60000"),
        index: dec("60000"),
        funding_rate: dec("0.0001"),
        next_funding_ms: START_MS + 28_800_000,
    })
}

impl MarketSource for Still {
    fn symbols(&self) -> Vec<SymbolSpec> {
        let bracket = |floor, cap, ratio, cum, initial_leverage| Bracket {
            notional_floor: dec(floor),
            notional_cap: dec(cap),
            maint_margin_ratio: dec(ratio),
            cum: dec(cum),
            initial_leverage,
        };
        let mut instrument = Instrument::with_grid("BTCUSDT", dec("0.1"), dec("0.001")).unwrap();
        instrument.max_qty = Qty(1_000_000);
        instrument.market_max_qty = Qty(120_000);
        vec![SymbolSpec {
            instrument,
            brackets: vec![
                bracket("0", "50000", "0.004", "0", 125),
                bracket("50000", "500000", "0.005", "50", 100),
            ],
            fees: FeeRates {
                maker: dec("0.0002"),
                taker: dec("0.0005"),
            },
            liquidation_fee: dec("0.0125"),
            onboard_ms: START_MS - 90 * 86_400_000,
            funding_hours: 8,
        }]
    }

    fn label(&self) -> String {
        "simulated market (stands still)".into()
    }

    fn start_ms(&self) -> i64 {
        START_MS
    }

    fn peek_ms(&self) -> Option<i64> {
        Some(self.now_ms + if self.queue.is_empty() { 100 } else { 0 })
    }

    fn next_event(&mut self) -> Option<(i64, SymbolId, MarketInput)> {
        self.refill();
        Some((self.now_ms, SymbolId(0), self.queue.pop_front()?))
    }

    fn history(&self, _: SymbolId, interval_ms: i64, before_ms: i64, limit: usize) -> Vec<Bar> {
        let last = before_ms / interval_ms * interval_ms;
        (1..=limit as i64)
            .rev()
            .map(|n| Bar {
                open_ms: last - n * interval_ms,
                interval_ms,
                open: Price(MID),
                high: Price(MID + 5),
                low: Price(MID - 5),
                close: Price(MID + 1),
                volume: Qty(10),
            })
            .collect()
    }
}
