//! A market source whose prices can be pushed: the administration port's price paths.
//!
//! A symbol's book, trades and mark price are moved by a whole number of ticks, so that what the source says stays exact
//! and its update ids unbroken. While the shift changes, each depth event moves every level. Closed bars of the source's
//! history are not moved.

use crate::engine::{MarketInput, SymbolId, SymbolSpec};
use crate::market::MarketSource;
use helios_core::fixed::{Price, Qty};
use helios_core::market::{Bar, BookLevels, DepthSnapshot, DepthUpdate};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use std::collections::BTreeMap;

type Levels = BTreeMap<Price, Qty>;

/// A path under way: the source's own book and where the shift is to go.
struct Path {
    bids: Levels,
    asks: Levels,
    /// (market ms, shift in ticks), ascending; the first is where it began.
    points: Vec<(i64, i64)>,
}

impl Path {
    fn shift_at(&self, ms: i64) -> i64 {
        let after = self.points.partition_point(|(at, _)| *at <= ms);
        let Some((t1, s1)) = self.points.get(after) else {
            return self.points.last().map_or(0, |p| p.1);
        };
        let Some((t0, s0)) = after.checked_sub(1).map(|i| self.points[i]) else {
            return *s1;
        };
        let share = (ms - t0) as f64 / (t1 - t0).max(1) as f64;
        s0 + ((s1 - s0) as f64 * share).round() as i64
    }

    fn done_at(&self) -> i64 {
        self.points.last().map_or(0, |p| p.0)
    }
}

#[derive(Default)]
struct Lane {
    shift: i64,
    path: Option<Path>,
}

/// The source, with a shift for each symbol.
pub(super) struct PathSource {
    inner: Box<dyn MarketSource>,
    ticks: Vec<Decimal>,
    lanes: Vec<Lane>,
}

impl PathSource {
    /// The source as it is.
    pub(super) fn new(inner: Box<dyn MarketSource>, symbols: &[SymbolSpec]) -> Self {
        Self {
            inner,
            ticks: symbols.iter().map(|s| s.instrument.tick).collect(),
            lanes: symbols.iter().map(|_| Lane::default()).collect(),
        }
    }

    /// Shifts in ticks, by symbol.
    pub(super) fn shifts(&self) -> Vec<i64> {
        self.lanes.iter().map(|l| l.shift).collect()
    }

    /// Takes up the shifts of a saved state.
    pub(super) fn set_shifts(&mut self, shifts: &[i64]) {
        for (lane, s) in self.lanes.iter_mut().zip(shifts) {
            lane.shift = *s;
        }
    }

    /// Moves a symbol along factors of the price at this moment: `steps` are (ms from now, factor), reached linearly.
    /// `book` is the outside book as it stands, `price` the reference in ticks. False when the steps make no path.
    pub(super) fn push(
        &mut self,
        symbol: SymbolId,
        now_ms: i64,
        steps: &[(i64, f64)],
        book: &DepthSnapshot,
        price: Price,
    ) -> bool {
        let Some(lane) = self.lanes.get_mut(usize::from(symbol.0)) else {
            return false;
        };
        let mut points = vec![(now_ms, lane.shift)];
        for (after, factor) in steps {
            let from = points.last().map_or(now_ms, |p| p.0);
            let at = now_ms.saturating_add(*after);
            let sane = factor.is_finite() && *factor > 0.0 && *factor < 100.0;
            if !sane || at < from {
                return false;
            }
            let by = ((factor - 1.0) * price.0 as f64).round().to_i64();
            points.push((at, lane.shift.saturating_add(by.unwrap_or(0))));
        }
        let unmoved = |side: &BookLevels| -> Levels {
            side.iter()
                .map(|(p, q)| (Price(p.0 - lane.shift), *q))
                .collect()
        };
        lane.path = Some(Path {
            bids: unmoved(&book.bids),
            asks: unmoved(&book.asks),
            points,
        });
        true
    }
}

fn apply(book: &mut Levels, changes: &BookLevels) {
    for (p, q) in changes {
        if q.is_zero() {
            book.remove(p);
        } else {
            book.insert(*p, *q);
        }
    }
}

fn moved(levels: &BookLevels, shift: i64) -> BookLevels {
    levels
        .iter()
        .map(|(p, q)| (Price(p.0.saturating_add(shift)), *q))
        .filter(|(p, _)| p.0 > 0)
        .collect()
}

/// The change from `old` at one shift to `new` at another.
fn redraw(old: &Levels, from: i64, new: &Levels, to: i64) -> BookLevels {
    let mut out: Levels = old
        .keys()
        .map(|p| (Price(p.0.saturating_add(from)), Qty::ZERO))
        .collect();
    out.extend(new.iter().map(|(p, q)| (Price(p.0.saturating_add(to)), *q)));
    out.into_iter().filter(|(p, _)| p.0 > 0).collect()
}

impl Lane {
    fn depth(&mut self, at_ms: i64, mut d: DepthUpdate) -> DepthUpdate {
        let Some(path) = &mut self.path else {
            if self.shift != 0 {
                d.bids = moved(&d.bids, self.shift);
                d.asks = moved(&d.asks, self.shift);
            }
            return d;
        };
        let to = path.shift_at(at_ms);
        let (bids, asks) = (path.bids.clone(), path.asks.clone());
        apply(&mut path.bids, &d.bids);
        apply(&mut path.asks, &d.asks);
        d.bids = redraw(&bids, self.shift, &path.bids, to);
        d.asks = redraw(&asks, self.shift, &path.asks, to);
        self.shift = to;
        if at_ms >= path.done_at() {
            self.path = None;
        }
        d
    }
}

impl MarketSource for PathSource {
    fn symbols(&self) -> Vec<SymbolSpec> {
        self.inner.symbols()
    }

    fn label(&self) -> String {
        self.inner.label()
    }

    fn start_ms(&self) -> i64 {
        self.inner.start_ms()
    }

    fn peek_ms(&self) -> Option<i64> {
        self.inner.peek_ms()
    }

    fn next_event(&mut self) -> Option<(i64, SymbolId, MarketInput)> {
        let (at, symbol, mut input) = self.inner.next_event()?;
        let i = usize::from(symbol.0);
        let (Some(lane), Some(tick)) = (self.lanes.get_mut(i), self.ticks.get(i)) else {
            return Some((at, symbol, input));
        };
        if lane.shift == 0 && lane.path.is_none() {
            return Some((at, symbol, input));
        }
        let by = Decimal::from(lane.shift) * tick;
        match &mut input {
            MarketInput::Snapshot(s) => {
                // A new book of the source: a path under way would move levels that are gone.
                lane.path = None;
                s.bids = moved(&s.bids, lane.shift);
                s.asks = moved(&s.asks, lane.shift);
            }
            MarketInput::Depth(d) => *d = lane.depth(at, std::mem::take(d)),
            MarketInput::Trade(t) => t.price = Price(t.price.0.saturating_add(lane.shift).max(1)),
            MarketInput::Mark(m) => {
                m.mark = (m.mark + by).max(*tick);
                m.index = (m.index + by).max(*tick);
            }
        }
        Some((at, symbol, input))
    }

    fn history(
        &self,
        symbol: SymbolId,
        interval_ms: i64,
        before_ms: i64,
        limit: usize,
    ) -> Vec<Bar> {
        self.inner.history(symbol, interval_ms, before_ms, limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(v: &[(i64, i64)]) -> BookLevels {
        v.iter().map(|(p, q)| (Price(*p), Qty(*q))).collect()
    }

    #[test]
    fn a_path_moves_every_level_and_leaves_none_behind() {
        let mut lane = Lane {
            shift: 0,
            path: Some(Path {
                bids: levels(&[(100, 5), (99, 6)]).into_iter().collect(),
                asks: levels(&[(101, 7)]).into_iter().collect(),
                points: vec![(0, 0), (100, -10), (200, -10)],
            }),
        };
        let d = |bids: &[(i64, i64)], asks: &[(i64, i64)]| DepthUpdate {
            bids: levels(bids),
            asks: levels(asks),
            ..DepthUpdate::default()
        };
        let mut book: (Levels, Levels) = (
            levels(&[(100, 5), (99, 6)]).into_iter().collect(),
            levels(&[(101, 7)]).into_iter().collect(),
        );
        for (at, u) in [
            (50, d(&[(98, 1)], &[])),
            (100, d(&[], &[(102, 3)])),
            (250, d(&[(99, 0)], &[])),
        ] {
            let out = lane.depth(at, u);
            apply(&mut book.0, &out.bids);
            apply(&mut book.1, &out.asks);
        }
        assert_eq!(
            book.0.into_iter().collect::<Vec<_>>(),
            levels(&[(88, 1), (90, 5)])
        );
        assert_eq!(
            book.1.into_iter().collect::<Vec<_>>(),
            levels(&[(91, 7), (92, 3)])
        );
        assert!(lane.path.is_none());
        assert_eq!(lane.depth(300, d(&[(98, 0)], &[])).bids, levels(&[(88, 0)]));
    }
}
