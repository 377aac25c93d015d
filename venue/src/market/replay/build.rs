//! From the frames of a recording to a market: which snapshot starts the book, where it breaks, the grid.

use super::decode::{Frame, Lines, RawDepth, RawLevel, RawSnapshot, RawTrade, SCALE_DIGITS, frame};
use super::marks::add_marks;
use super::{Replay, ReplayError, ReplayStats};
use crate::engine::{MarketInput, SymbolSpec};
use crate::market::history::{History, Past};
use crate::market::listing;
use crate::market::rng::Rng;
use helios_core::fixed::{Price, Qty};
use helios_core::market::{AggTrade, BookLevels, DepthSnapshot, DepthUpdate};
use rust_decimal::Decimal;
use std::collections::VecDeque;
use std::io::Read;

enum Item {
    Depth(RawDepth),
    Snapshot(RawSnapshot),
}

/// The readable frames of one contract, in the order of the file.
pub(super) struct Recording {
    symbol: String,
    books: Vec<Item>,
    trades: Vec<RawTrade>,
    snapshots: u64,
    price_unit: i64,
    qty_unit: i64,
    stats: ReplayStats,
}

impl Recording {
    pub(super) fn read(reader: impl Read) -> Result<Self, ReplayError> {
        let io = |e: std::io::Error| ReplayError::Io {
            path: "recording".into(),
            what: e.to_string(),
        };
        let mut lines = Lines::new(reader).map_err(io)?;
        let mut r = Self {
            symbol: String::new(),
            books: Vec::new(),
            trades: Vec::new(),
            snapshots: 0,
            price_unit: 0,
            qty_unit: 0,
            stats: ReplayStats::default(),
        };
        let mut aggregates = Vec::new();
        loop {
            let line = match lines.next_line() {
                Ok(Some(l)) => l,
                Ok(None) => break,
                Err(e) if r.stats.lines == 0 => return Err(io(e)),
                Err(e) => {
                    r.stats.truncated = Some(e.to_string());
                    break;
                }
            };
            if line.trim_ascii().is_empty() {
                continue;
            }
            r.stats.lines += 1;
            match frame(line) {
                Some(Frame::Depth(d)) if r.is_ours(&d.symbol) => {
                    r.measure(&d.bids);
                    r.measure(&d.asks);
                    r.books.push(Item::Depth(d));
                }
                Some(Frame::Snapshot(s))
                    if s.symbol
                        .as_ref()
                        .is_none_or(|s| r.symbol.is_empty() || *s == r.symbol) =>
                {
                    r.measure(&s.bids);
                    r.measure(&s.asks);
                    r.snapshots += 1;
                    r.books.push(Item::Snapshot(s));
                }
                Some(Frame::Trade(t)) if r.is_ours(&t.symbol) => {
                    r.measure(&[(t.price, t.qty)]);
                    if t.aggregate {
                        &mut aggregates
                    } else {
                        &mut r.trades
                    }
                    .push(t);
                }
                Some(Frame::Ticker | Frame::Other) => r.stats.other_frames += 1,
                Some(_) => r.stats.other_symbol += 1,
                None => r.stats.bad_lines += 1,
            }
        }
        if !aggregates.is_empty() {
            r.trades = aggregates;
        }
        Ok(r)
    }

    fn is_ours(&mut self, symbol: &str) -> bool {
        if self.symbol.is_empty() {
            self.symbol = symbol.to_owned();
        }
        self.symbol == symbol
    }

    fn measure(&mut self, l: &[RawLevel]) {
        for &(p, q) in l {
            self.price_unit = gcd(self.price_unit, p);
            self.qty_unit = gcd(self.qty_unit, q);
        }
    }

    pub(super) fn build(mut self) -> Result<Replay, ReplayError> {
        let lines = self.stats.lines;
        if !self.books.iter().any(|i| matches!(i, Item::Depth(_))) {
            return Err(ReplayError::NoDepth {
                lines,
                bad: self.stats.bad_lines,
            });
        }
        if self.snapshots == 0 {
            return Err(ReplayError::NoSnapshot { lines });
        }
        let (tick, step) = self.grid()?;
        let unit = Unit { tick, step };
        let books = std::mem::take(&mut self.books);
        let mut events = self.sync(books, unit);
        let Some(&(start_ms, _)) = events.first() else {
            return Err(ReplayError::NeverSynced {
                snapshots: self.snapshots,
            });
        };
        let end_ms = self.stats.unsynced_from_ms.unwrap_or(i64::MAX);
        let trades = merge_trades(std::mem::take(&mut self.trades), unit);
        let trades: Vec<_> = trades
            .into_iter()
            .filter(|(t, _)| *t >= start_ms && *t < end_ms)
            .collect();
        self.stats.trades = trades.len() as u64;
        let lots: i64 = trades
            .iter()
            .filter_map(|(_, e)| match e {
                MarketInput::Trade(t) => Some(t.qty.0),
                _ => None,
            })
            .sum();
        events.extend(trades);
        // Stable: at one time the book's event comes before the trades, each kind in its own order.
        events.sort_by_key(|e| e.0);
        let tick_dec = Decimal::new(tick, SCALE_DIGITS).normalize();
        let step_dec = Decimal::new(step, SCALE_DIGITS).normalize();
        let m = add_marks(events, tick, &mut self.stats);
        let span_min = (m.last_ms - start_ms).max(1_000) as f64 / 60_000.0;
        let past = Past {
            end_ms: start_ms,
            end_price: m.first_mid,
            sigma: m.sigma,
            volume: (lots as f64 / span_min).max(1.0),
        };
        let spec = self.spec(tick_dec, step_dec, m.first_mid, start_ms)?;
        Ok(Replay {
            spec,
            start_ms,
            events: m.events,
            history: History::made_up(past, &mut Rng::new(start_ms as u64, 0)),
            stats: self.stats,
        })
    }

    fn spec(
        &self,
        tick: Decimal,
        step: Decimal,
        first_mid: i64,
        start_ms: i64,
    ) -> Result<SymbolSpec, ReplayError> {
        let depth = listing::known(&self.symbol).map_or(0.1, |k| k.depth);
        let price = Decimal::from(first_mid) * tick;
        let onboard = start_ms - 400 * 86_400_000;
        listing::spec(&self.symbol, tick, step, price, depth, onboard)
            .map_err(|e| ReplayError::Grid(e.to_string()))
    }

    /// Tick and step in 10⁻⁸: those of a known contract where all numbers fit them, else a power of ten that they fit.
    fn grid(&self) -> Result<(i64, i64), ReplayError> {
        if self.price_unit <= 0 || self.qty_unit <= 0 {
            return Err(ReplayError::Grid(
                "no price or no quantity above zero in the recording".into(),
            ));
        }
        let known = listing::known(&self.symbol).and_then(|k| {
            let scaled = |(m, d): (i64, u32)| m * 10i64.pow(SCALE_DIGITS - d);
            let (t, s) = (scaled(k.tick), scaled(k.step));
            (self.price_unit % t == 0 && self.qty_unit % s == 0).then_some((t, s))
        });
        Ok(known.unwrap_or((decimal_unit(self.price_unit), decimal_unit(self.qty_unit))))
    }

    /// The depth events that follow on a snapshot, in sequence, with the snapshot before them.
    fn sync(&mut self, books: Vec<Item>, unit: Unit) -> Vec<(i64, MarketInput)> {
        let mut out: Vec<(i64, MarketInput)> = Vec::new();
        let mut held: VecDeque<RawDepth> = VecDeque::new();
        let mut waiting: Option<RawSnapshot> = None;
        let mut last: Option<u64> = None;
        let mut clock = i64::MIN;
        for item in books {
            let d = match item {
                Item::Snapshot(s) => {
                    if last.is_none() {
                        waiting = Some(s);
                    }
                    None
                }
                Item::Depth(d) => Some(d),
            };
            if let (Some(l), Some(d)) = (last, d.as_ref()) {
                if d.prev_last_id == l {
                    last = Some(d.last_id);
                    clock = clock.max(d.event_ms);
                    self.stats.depth_applied += 1;
                    out.push((clock, unit.depth(d)));
                    continue;
                }
                if d.last_id <= l {
                    self.stats.depth_stale += 1;
                    continue;
                }
                self.stats.gaps += 1;
                self.stats.unsynced_from_ms = Some(clock.max(d.event_ms));
                last = None;
            }
            held.extend(d);
            let Some(s) = &waiting else { continue };
            while held.front().is_some_and(|d| d.last_id < s.last_id) {
                held.pop_front();
                if out.is_empty() {
                    self.stats.depth_stale += 1;
                } else {
                    self.stats.depth_lost += 1;
                }
            }
            let Some(first) = held.front() else { continue };
            if first.first_id > s.last_id && first.prev_last_id != s.last_id {
                waiting = None; // older than the events at hand: a later one is needed
                continue;
            }
            let ms = if s.event_ms > 0 {
                s.event_ms.min(first.event_ms)
            } else {
                first.event_ms
            };
            clock = clock.max(ms);
            self.stats.resyncs += u64::from(!out.is_empty());
            self.stats.unsynced_from_ms = None;
            out.push((clock, unit.snapshot(s, clock)));
            waiting = None;
            let mut at = None;
            for d in held.drain(..) {
                if at.is_some_and(|l| l != d.prev_last_id) {
                    if at.is_some_and(|l| d.last_id <= l) {
                        self.stats.depth_stale += 1;
                        continue;
                    }
                    self.stats.gaps += 1;
                    self.stats.unsynced_from_ms = Some(clock.max(d.event_ms));
                    self.stats.depth_lost += 1;
                    at = None;
                    break;
                }
                at = Some(d.last_id);
                clock = clock.max(d.event_ms);
                self.stats.depth_applied += 1;
                out.push((clock, unit.depth(&d)));
            }
            last = at;
        }
        self.stats.depth_lost += held.len() as u64;
        if out.is_empty() {
            self.stats.unsynced_from_ms = None;
        }
        out
    }
}

/// Tick and step in 10⁻⁸.
#[derive(Clone, Copy)]
struct Unit {
    tick: i64,
    step: i64,
}

impl Unit {
    fn levels(self, l: &[RawLevel]) -> BookLevels {
        l.iter()
            .map(|&(p, q)| (Price(p / self.tick), Qty(q / self.step)))
            .collect()
    }

    fn depth(self, d: &RawDepth) -> MarketInput {
        MarketInput::Depth(DepthUpdate {
            event_ms: d.event_ms,
            transact_ms: d.transact_ms,
            first_id: d.first_id,
            last_id: d.last_id,
            prev_last_id: d.prev_last_id,
            bids: self.levels(&d.bids),
            asks: self.levels(&d.asks),
        })
    }

    fn snapshot(self, s: &RawSnapshot, ms: i64) -> MarketInput {
        MarketInput::Snapshot(DepthSnapshot {
            last_id: s.last_id,
            event_ms: ms,
            bids: self.levels(&s.bids),
            asks: self.levels(&s.asks),
        })
    }
}

/// Trades in time order; single trades of one taker at one price become the aggregate they were.
fn merge_trades(trades: Vec<RawTrade>, unit: Unit) -> Vec<(i64, MarketInput)> {
    let mut out: Vec<(i64, AggTrade)> = Vec::new();
    let mut clock = i64::MIN;
    for t in trades {
        clock = clock.max(t.event_ms);
        let price = Price(t.price / unit.tick);
        let qty = Qty(t.qty / unit.step);
        if let Some((_, l)) = out.last_mut()
            && !t.aggregate
            && (l.transact_ms, l.price, l.buyer_is_maker)
                == (t.transact_ms, price, t.buyer_is_maker)
        {
            l.qty = Qty(l.qty.0.saturating_add(qty.0));
            continue;
        }
        let a = AggTrade {
            id: t.id,
            event_ms: t.event_ms,
            transact_ms: t.transact_ms,
            price,
            qty,
            buyer_is_maker: t.buyer_is_maker,
        };
        out.push((clock, a));
    }
    out.into_iter()
        .map(|(t, a)| (t, MarketInput::Trade(a)))
        .collect()
}

fn gcd(mut a: i64, mut b: i64) -> i64 {
    if a != 0 && b % a == 0 {
        return a;
    }
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The largest power of ten, at most one, that divides.
fn decimal_unit(v: i64) -> i64 {
    let mut u = 10i64.pow(SCALE_DIGITS);
    while u > 1 && v % u != 0 {
        u /= 10;
    }
    u
}
