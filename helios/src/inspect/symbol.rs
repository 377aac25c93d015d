//! One symbol of a recording: its book, its checks, its counters.

use super::oracle::Oracle;
use super::stats::{Arrivals, Offsets, Spread};
use helios_binance::decode::{Decoder, MarketEvent};
use helios_core::instrument::Instrument;
use helios_core::market::{
    Book, DepthOutcome, DepthSnapshot, DepthSync, DepthUpdate, SnapshotOutcome, nobi,
};
use std::collections::BTreeMap;

/// Breaks listed one by one in the report; all are counted.
const LISTED: usize = 20;

/// A place in the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line, from 1.
    pub line: u64,
    /// Local receive time, ns.
    pub local_ns: Option<i64>,
    /// Last update id the book had (or the first seen, when there never was a book).
    pub update_id: u64,
}

/// A loss of the book.
#[derive(Clone, Debug)]
pub struct Break {
    /// Where.
    pub at: Place,
    /// Why, in words.
    pub why: String,
}

/// One symbol.
#[derive(Debug)]
pub struct SymbolState {
    /// Grid used.
    pub instrument: Instrument,
    /// Decoder on that grid.
    pub decoder: Decoder,
    /// Book and its counters.
    pub sync: DepthSync,
    /// Book against bookTicker.
    pub oracle: Oracle,
    /// NOBI after each applied event.
    pub nobi: Spread,
    /// Applied events after which a side of the book was empty.
    pub nobi_none: u64,
    /// Applied events after which the book was known less deep than NOBI sums.
    pub shallow: u64,
    /// Frames by type.
    pub frames: BTreeMap<String, u64>,
    /// When its frames came.
    pub arrivals: Arrivals,
    /// Local − event time of stream frames.
    pub offsets: Offsets,
    /// Losses of the book, the first [`LISTED`].
    pub breaks: Vec<Break>,
    /// Where the present unsynced stretch began; `None` while synced or before any depth.
    pub unsynced_from: Option<Place>,
    /// The diff-depth stream followed; a second one of the same symbol would break its sequence.
    pub depth_stream: Option<String>,
    /// Snapshots that brought nothing (too old, refused, not needed).
    pub snapshots_unused: u64,
    /// Holes in the trade ids, and ids missing in them.
    pub trade_gaps: (u64, u64),
    /// Rough mid price, for telling whose a nameless snapshot is.
    pub rough_mid: Option<f64>,
    last_trade: BTreeMap<bool, u64>,
    depth: usize,
}

impl SymbolState {
    /// Nothing seen yet.
    pub fn new(instrument: Instrument, decoder: Decoder, depth: usize) -> Self {
        Self {
            instrument,
            decoder,
            sync: DepthSync::new(),
            oracle: Oracle::default(),
            nobi: Spread::default(),
            nobi_none: 0,
            shallow: 0,
            frames: BTreeMap::new(),
            arrivals: Arrivals::default(),
            offsets: Offsets::default(),
            breaks: Vec::new(),
            unsynced_from: None,
            depth_stream: None,
            snapshots_unused: 0,
            trade_gaps: (0, 0),
            rough_mid: None,
            last_trade: BTreeMap::new(),
            depth,
        }
    }

    /// Counts a frame.
    pub fn count(&mut self, kind: &str, local_ns: Option<i64>) {
        bump(&mut self.frames, kind);
        if let Some(ns) = local_ns {
            self.arrivals.add(ns);
        }
    }

    /// Takes a decoded event.
    pub fn event(&mut self, event: MarketEvent, line: u64, local_ns: Option<i64>) {
        let (event_ms, trade) = match &event {
            MarketEvent::Depth(d) => (d.event_ms, None),
            MarketEvent::BookTicker(t) => (t.event_ms, None),
            MarketEvent::AggTrade(t) => (t.event_ms, Some((true, t.id))),
            MarketEvent::Trade(t) => (t.event_ms, Some((false, t.id))),
            MarketEvent::MarkPrice(m) => (m.event_ms, None),
            // A reply's age is the request's, not the clock's.
            MarketEvent::Snapshot(_) => (0, None),
        };
        if let (Some(ns), 1..) = (local_ns, event_ms) {
            self.offsets.add(ns, event_ms);
        }
        if let Some((aggregate, id)) = trade {
            let last = self.last_trade.entry(aggregate).or_insert(id);
            if id > last.saturating_add(1) {
                self.trade_gaps.0 += 1;
                self.trade_gaps.1 += id - *last - 1;
            }
            *last = id.max(*last);
        }
        match event {
            MarketEvent::Depth(d) => self.on_depth(d, line, local_ns),
            MarketEvent::Snapshot(s) => self.on_snapshot(&s, line, local_ns),
            MarketEvent::BookTicker(t) => {
                let (b, a) = (t.bid.0, t.ask.0);
                self.rough_mid =
                    Some((self.instrument.price_f64(b) + self.instrument.price_f64(a)) / 2.0);
                self.oracle.ticker(&t);
            }
            _ => {}
        }
    }

    fn on_depth(&mut self, d: DepthUpdate, line: u64, local_ns: Option<i64>) {
        if self.oracle.checked == 0 {
            self.guess_mid(&d);
        }
        let before = self.sync.last_id();
        let (first_id, last_id) = (d.first_id, d.last_id);
        let place = |update_id| Place {
            line,
            local_ns,
            update_id,
        };
        match self.sync.on_depth(d) {
            DepthOutcome::Applied => {
                if let Some(book) = self.sync.book() {
                    observe(
                        book,
                        last_id,
                        self.depth,
                        &mut self.nobi,
                        &mut self.nobi_none,
                        &mut self.oracle,
                    );
                }
                if self.sync.known_depth() < self.depth {
                    self.shallow += 1;
                    self.sync.begin_refill();
                }
            }
            DepthOutcome::Buffered => {
                self.unsynced_from.get_or_insert(place(first_id));
            }
            DepthOutcome::Stale => {}
            lost => {
                let at = place(before.unwrap_or(first_id));
                self.unsynced_from.get_or_insert(at);
                self.note_break(at, words(lost));
            }
        }
    }

    fn on_snapshot(&mut self, s: &DepthSnapshot, line: u64, local_ns: Option<i64>) {
        let (depth, nobi, none, oracle) = (
            self.depth,
            &mut self.nobi,
            &mut self.nobi_none,
            &mut self.oracle,
        );
        let mut reached = s.last_id;
        let outcome = self.sync.on_snapshot_with(s, |book, e| {
            reached = e.last_id;
            observe(book, e.last_id, depth, nobi, none, oracle);
        });
        let at = Place {
            line,
            local_ns,
            update_id: reached,
        };
        match outcome {
            SnapshotOutcome::Synced { .. } => self.unsynced_from = None,
            SnapshotOutcome::Broken { why, .. } => {
                // The book lived up to there: the new unsynced stretch begins here.
                self.unsynced_from = Some(at);
                self.note_break(
                    at,
                    format!("in the frames before the snapshot: {}", words(why)),
                );
            }
            SnapshotOutcome::Crossed => self.note_break(at, "the snapshot is crossed".into()),
            SnapshotOutcome::Refused(bad) => {
                self.note_break(at, format!("the snapshot holds a {bad}"));
            }
            SnapshotOutcome::TooOld { .. } | SnapshotOutcome::Ignored => self.snapshots_unused += 1,
        }
    }

    fn note_break(&mut self, at: Place, why: String) {
        if self.breaks.len() < LISTED {
            self.breaks.push(Break { at, why });
        }
    }

    /// Between the best of the bids and asks an event changed, when they lie close together.
    fn guess_mid(&mut self, d: &DepthUpdate) {
        let bid = d.bids.iter().filter(|l| !l.1.is_zero()).map(|l| l.0).max();
        let ask = d.asks.iter().filter(|l| !l.1.is_zero()).map(|l| l.0).min();
        if let (Some(b), Some(a)) = (bid, ask) {
            let (b, a) = (self.instrument.price_f64(b), self.instrument.price_f64(a));
            if b > 0.0 && (a - b).abs() / b < 0.01 {
                self.rough_mid = Some((a + b) / 2.0);
            }
        }
    }
}

fn observe(
    book: &Book,
    last_id: u64,
    depth: usize,
    spread: &mut Spread,
    none: &mut u64,
    oracle: &mut Oracle,
) {
    oracle.applied(last_id, book);
    match nobi(book, depth) {
        Some(n) => spread.add(n),
        None => *none += 1,
    }
}

/// Counts under a name; names of garbage do not grow the map without bound.
pub fn bump(counts: &mut BTreeMap<String, u64>, kind: &str) {
    if let Some(n) = counts.get_mut(kind) {
        *n += 1;
    } else if counts.len() < 64 {
        counts.insert(kind.into(), 1);
    } else {
        *counts.entry("other".into()).or_default() += 1;
    }
}

fn words(outcome: DepthOutcome) -> String {
    match outcome {
        DepthOutcome::Gap { expected, got } => format!("gap: pu {got} after u {expected}"),
        DepthOutcome::Crossed => "crossed: best bid at or above best ask".into(),
        DepthOutcome::Refused(bad) => format!("refused: a {bad}"),
        DepthOutcome::Malformed => "refused: U above u".into(),
        other => format!("{other:?}"),
    }
}
