//! A market that goes nowhere, for ever: two contracts, a book of 40 levels a side, a frame each 100 ms.

use helios_core::fixed::{Price, Qty};
use helios_core::instrument::{Bracket, FeeRates, Instrument};
use helios_core::market::{AggTrade, Bar, DepthSnapshot, DepthUpdate, MarkPrice};
use helios_venue::engine::{MarketInput, SymbolId, SymbolSpec};
use helios_venue::market::MarketSource;
use rust_decimal::Decimal;
use std::collections::VecDeque;

/// 2024-08-09 00:00 UTC.
pub const T0: i64 = 1_723_161_600_000;
/// Best bid of BTCUSDT in ticks; the best ask is one higher.
pub const BTC_BID: i64 = 600_000;
const ETH_BID: i64 = 250_000;

pub struct Flat {
    events: VecDeque<(i64, SymbolId, MarketInput)>,
    next_ms: i64,
    end_ms: i64,
    update_id: u64,
}

pub fn spec(name: &str, tick: Decimal, step: Decimal) -> SymbolSpec {
    let mut instrument = Instrument::with_grid(name, tick, step).unwrap();
    instrument.max_qty = Qty(10_000_000);
    instrument.market_max_qty = Qty(1_000_000);
    let bracket = |floor: i64, cap: i64, ratio: Decimal, cum: i64, leverage: u32| Bracket {
        notional_floor: floor.into(),
        notional_cap: cap.into(),
        maint_margin_ratio: ratio,
        cum: cum.into(),
        initial_leverage: leverage,
    };
    SymbolSpec {
        instrument,
        brackets: vec![
            bracket(0, 50_000, Decimal::new(4, 3), 0, 125),
            bracket(50_000, 600_000, Decimal::new(5, 3), 50, 100),
        ],
        fees: FeeRates {
            maker: Decimal::new(2, 4),
            taker: Decimal::new(5, 4),
        },
        liquidation_fee: Decimal::new(12, 3),
        onboard_ms: T0 - 86_400_000 * 400,
        funding_hours: 8,
    }
}

impl Flat {
    pub fn endless() -> Self {
        Self::until(i64::MAX)
    }

    pub fn until(end_ms: i64) -> Self {
        let mut s = Self {
            events: VecDeque::new(),
            next_ms: T0,
            end_ms,
            update_id: 1000,
        };
        for (id, bid) in [(SymbolId(0), BTC_BID), (SymbolId(1), ETH_BID)] {
            let snapshot = DepthSnapshot {
                last_id: s.update_id,
                event_ms: T0,
                bids: (0..40).map(|i| (Price(bid - i), Qty(1000 + i))).collect(),
                asks: (0..40)
                    .map(|i| (Price(bid + 1 + i), Qty(2000 + i)))
                    .collect(),
            };
            s.events
                .push_back((T0, id, MarketInput::Snapshot(snapshot)));
            s.mark(id, bid);
        }
        s
    }

    fn mark(&mut self, id: SymbolId, bid: i64) {
        let tick = if id.0 == 0 {
            Decimal::new(10, 2)
        } else {
            Decimal::new(1, 2)
        };
        let mark = (Decimal::from(bid) + Decimal::new(5, 1)) * tick;
        let m = MarkPrice {
            event_ms: self.next_ms,
            mark,
            index: mark,
            funding_rate: Decimal::new(1, 4),
            next_funding_ms: (self.next_ms / 28_800_000 + 1) * 28_800_000,
        };
        self.events
            .push_back((self.next_ms, id, MarketInput::Mark(m)));
    }

    fn step(&mut self) {
        self.next_ms += 100;
        let at = self.next_ms;
        if at > self.end_ms {
            return;
        }
        let n = self.update_id;
        self.update_id += 3;
        for (id, bid) in [(SymbolId(0), BTC_BID), (SymbolId(1), ETH_BID)] {
            let k = (at / 100) % 40;
            let d = DepthUpdate {
                event_ms: at,
                transact_ms: at,
                first_id: n + 1,
                last_id: n + 3,
                prev_last_id: n,
                bids: vec![(Price(bid - k), Qty(1000 + (at / 100) % 7))],
                asks: vec![(Price(bid + 1 + k), Qty(2000 + (at / 100) % 5))],
            };
            self.events.push_back((at, id, MarketInput::Depth(d)));
            let t = AggTrade {
                id: n,
                event_ms: at,
                transact_ms: at,
                price: Price(bid + (at / 100) % 2),
                qty: Qty(5),
                buyer_is_maker: (at / 100) % 2 == 0,
            };
            self.events.push_back((at, id, MarketInput::Trade(t)));
            if at % 1000 == 0 {
                self.mark(id, bid);
            }
        }
    }
}

impl MarketSource for Flat {
    fn symbols(&self) -> Vec<SymbolSpec> {
        vec![
            spec("BTCUSDT", Decimal::new(10, 2), Decimal::new(1, 3)),
            spec("ETHUSDT", Decimal::new(1, 2), Decimal::new(1, 3)),
        ]
    }

    fn label(&self) -> String {
        "simulated market (flat, for tests)".into()
    }

    fn start_ms(&self) -> i64 {
        T0
    }

    fn peek_ms(&self) -> Option<i64> {
        match self.events.front() {
            Some((t, ..)) => Some(*t),
            None => Some(self.next_ms + 100).filter(|t| *t <= self.end_ms),
        }
    }

    fn next_event(&mut self) -> Option<(i64, SymbolId, MarketInput)> {
        if self.events.is_empty() {
            self.step();
        }
        self.events.pop_front()
    }

    fn history(
        &self,
        symbol: SymbolId,
        interval_ms: i64,
        before_ms: i64,
        limit: usize,
    ) -> Vec<Bar> {
        let bid = if symbol.0 == 0 { BTC_BID } else { ETH_BID };
        let end = before_ms - before_ms.rem_euclid(interval_ms);
        (1..=limit as i64)
            .rev()
            .map(|i| Bar {
                open_ms: end - i * interval_ms,
                interval_ms,
                open: Price(bid),
                high: Price(bid + 1),
                low: Price(bid),
                close: Price(bid + 1),
                volume: Qty(interval_ms / 20),
            })
            .collect()
    }
}
