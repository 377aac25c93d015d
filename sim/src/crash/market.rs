//! The market of a crash: a path as the exchange's streams, marks each second, the book twice a second.
//!
//! What an own order takes is gone until the book is told anew half a second later; between two marks the book runs ahead
//! of the mark, as it does at the exchange.

use super::path::{CONTRACTS, Path, STEP_MS};
use helios_core::fixed::{Price, Qty, Side};
use helios_core::market::{Bar, BookLevels, DepthSnapshot, DepthUpdate, MarkPrice};
use helios_venue::engine::{MarketInput, SymbolId, SymbolSpec};
use helios_venue::market::{MarketSource, Rng};
use rust_decimal::Decimal;
use rust_decimal::prelude::{FromPrimitive, ToPrimitive};
use std::collections::VecDeque;

/// Levels of a side: distance from the best in bp, and share of what is visible within 20 bp of it.
const LEVELS: [(f64, f64); 16] = [
    (0.0, 0.10),
    (2.0, 0.14),
    (5.0, 0.18),
    (9.0, 0.20),
    (13.0, 0.20),
    (17.0, 0.18),
    (30.0, 0.5),
    (50.0, 0.6),
    (75.0, 0.7),
    (105.0, 0.8),
    (140.0, 0.8),
    (180.0, 0.9),
    (225.0, 0.9),
    (280.0, 1.0),
    (350.0, 1.0),
    (430.0, 1.0),
];
/// Id of the first update: above whatever the saved venue has seen.
const FIRST_ID: u64 = 1_000;

/// What one contract starts from.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) spec: SymbolSpec,
    /// Price at the start.
    pub(crate) price: Decimal,
    /// Visible within 20 bp on a side at the start, quote asset.
    pub(crate) visible: f64,
    /// Range of a 15-minute bar before, as a fraction of the price.
    pub(crate) range: f64,
}

/// The source.
pub(crate) struct CrashMarket {
    path: std::sync::Arc<Path>,
    starts: Vec<Start>,
    start_ms: i64,
    label: String,
    jitter: Rng,
    /// Next point of the path.
    point: usize,
    ids: [u64; CONTRACTS],
    shown: Vec<(BookLevels, BookLevels)>,
    ready: VecDeque<(i64, SymbolId, MarketInput)>,
}

/// A price as a decimal of sane length.
pub(crate) fn decimal(v: f64) -> Decimal {
    Decimal::from_f64(v).unwrap_or_default().round_dp(8)
}

impl CrashMarket {
    pub(crate) fn new(
        path: std::sync::Arc<Path>,
        starts: Vec<Start>,
        start_ms: i64,
        label: String,
        jitter: Rng,
    ) -> Self {
        let mut m = Self {
            path,
            starts,
            start_ms,
            label,
            jitter,
            point: 0,
            ids: [FIRST_ID; CONTRACTS],
            shown: vec![Default::default(); CONTRACTS],
            ready: VecDeque::new(),
        };
        m.fill();
        m
    }

    /// Mark price of a contract at a point.
    pub(crate) fn mark(start: &Start, multiple: f64) -> Decimal {
        (start.price * decimal(multiple)).round_dp(8)
    }

    fn fill(&mut self) {
        while self.ready.is_empty() && self.point < self.path.mids.len() {
            let k = self.point;
            self.point += 1;
            let ms = self.start_ms + k as i64 * STEP_MS;
            for i in 0..CONTRACTS {
                if k == 0 || k % 2 == 1 {
                    let input = self.book(i, k, ms);
                    self.ready.push_back((ms, SymbolId(i as u16), input));
                }
            }
            if (k as i64 * STEP_MS) % 1_000 == 0 {
                for i in 0..CONTRACTS {
                    let mark = Self::mark(&self.starts[i], self.path.mids[k][i]);
                    let m = MarkPrice {
                        event_ms: ms,
                        mark,
                        index: mark,
                        funding_rate: Decimal::ZERO,
                        next_funding_ms: self.start_ms + 4 * 3_600_000,
                    };
                    self.ready
                        .push_back((ms, SymbolId(i as u16), MarketInput::Mark(m)));
                }
            }
        }
    }

    fn book(&mut self, i: usize, k: usize, ms: i64) -> MarketInput {
        let mid = self.starts[i].price.to_f64().unwrap_or(1.0) * self.path.mids[k][i];
        let (half, depth) = (self.path.half_spread_bp[k], self.path.depth[k]);
        let bids = self.side(i, Side::Buy, mid, half, depth);
        let asks = self.side(i, Side::Sell, mid, half, depth);
        if k == 0 {
            self.shown[i] = (bids.clone(), asks.clone());
            return MarketInput::Snapshot(DepthSnapshot {
                last_id: self.ids[i],
                event_ms: ms,
                bids,
                asks,
            });
        }
        let before = std::mem::replace(&mut self.shown[i], (bids.clone(), asks.clone()));
        let prev_last_id = self.ids[i];
        self.ids[i] += 10;
        MarketInput::Depth(DepthUpdate {
            event_ms: ms,
            transact_ms: ms,
            first_id: prev_last_id + 1,
            last_id: self.ids[i],
            prev_last_id,
            bids: changes(&before.0, bids),
            asks: changes(&before.1, asks),
        })
    }

    fn side(&mut self, i: usize, side: Side, mid: f64, half: f64, depth: f64) -> BookLevels {
        let s = &self.starts[i];
        let (tick, step) = (
            s.spec.instrument.tick.to_f64().unwrap_or(1.0),
            s.spec.instrument.step.to_f64().unwrap_or(1.0),
        );
        let away = side.sign() as f64;
        let mut out: BookLevels = Vec::with_capacity(LEVELS.len());
        for (bp, share) in LEVELS {
            let price = mid * (1.0 - away * (half + bp) * 1e-4) / tick;
            let ticks = if side == Side::Buy {
                price.floor()
            } else {
                price.ceil()
            } as i64;
            let jitter = 0.8 + 0.4 * self.jitter.uniform();
            let lots = (s.visible * depth * share * jitter / (mid * step)) as i64;
            if ticks <= 0 || lots <= 0 || out.last().is_some_and(|l| l.0.0 == ticks) {
                continue;
            }
            out.push((Price(ticks), Qty(lots)));
        }
        if out.is_empty() {
            out.push((Price(((mid / tick) as i64).max(1)), Qty(1)));
        }
        out
    }
}

/// What turns one side into the other.
fn changes(before: &BookLevels, mut now: BookLevels) -> BookLevels {
    let gone = before
        .iter()
        .filter(|(p, _)| !now.iter().any(|(n, _)| n == p))
        .map(|(p, _)| (*p, Qty(0)));
    let gone: Vec<_> = gone.collect();
    now.extend(gone);
    now
}

impl MarketSource for CrashMarket {
    fn symbols(&self) -> Vec<SymbolSpec> {
        self.starts.iter().map(|s| s.spec.clone()).collect()
    }

    fn label(&self) -> String {
        self.label.clone()
    }

    fn start_ms(&self) -> i64 {
        self.start_ms
    }

    fn peek_ms(&self) -> Option<i64> {
        self.ready.front().map(|e| e.0)
    }

    fn next_event(&mut self) -> Option<(i64, SymbolId, MarketInput)> {
        let e = self.ready.pop_front();
        self.fill();
        e
    }

    fn history(&self, s: SymbolId, interval_ms: i64, before_ms: i64, limit: usize) -> Vec<Bar> {
        let start = &self.starts[usize::from(s.0)];
        let inst = &start.spec.instrument;
        let half = start.price * decimal(start.range / 2.0);
        let newest = before_ms.min(self.start_ms).div_euclid(interval_ms) - 1;
        (0..limit as i64)
            .rev()
            .map(|k| Bar {
                open_ms: (newest - k) * interval_ms,
                interval_ms,
                open: inst.price_floor(start.price),
                high: inst.price_ceil(start.price + half),
                low: inst.price_floor(start.price - half),
                close: inst.price_floor(start.price),
                volume: Qty(1_000),
            })
            .collect()
    }
}
