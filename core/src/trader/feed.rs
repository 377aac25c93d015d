//! The market as one trader sees it: book, NOBI, ATR, regime, mark, and how old each of them is.
//!
//! Asks for snapshots and history when they are needed, never twice at once. Ages are liveness time since the last frame.
//! Numbers no market has (zero, negative, absurd) are refused here, so that nothing behind this border meets them.

use super::TraderEffect;
use crate::fixed::Price;
use crate::instrument::Instrument;
use crate::market::{
    AggTrade, AtrTracker, Bar, Book, DepthOutcome, DepthSnapshot, DepthSync, DepthUpdate,
    MarkPrice, SnapshotOutcome, nobi,
};
use crate::params::{AtrParams, Regime};
use crate::signal::RegimeFilter;
use crate::time::{NS_PER_MS, NS_PER_S, Now};
use rust_decimal::Decimal;

/// A mark older than this (liveness) is unknown.
pub const MARK_MAX_AGE_NS: u64 = 3 * NS_PER_S;
/// Pause before a snapshot or history is asked for again.
const RETRY_NS: u64 = 250 * NS_PER_MS;
/// Pause between two refills of a live book.
const REFILL_NS: u64 = 30 * NS_PER_S;
/// A request without an answer for this long is asked again.
const ANSWER_NS: u64 = 10 * NS_PER_S;
/// No mark price is believed beyond this.
const MAX_MARK: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);

/// One request at a time, with pauses.
#[derive(Clone, Copy, Debug, Default)]
struct Asking {
    since_ns: Option<u64>,
    not_before_ns: u64,
    fails: u32,
}

impl Asking {
    fn may(&self, now: Now) -> bool {
        self.since_ns.is_none_or(|t| now.mono_since(t) >= ANSWER_NS)
            && now.mono_ns >= self.not_before_ns
    }
    fn asked(&mut self, now: Now) {
        self.since_ns = Some(now.mono_ns);
    }
    fn answered(&mut self) {
        self.since_ns = None;
        self.fails = 0;
    }
    fn failed(&mut self, now: Now) {
        self.since_ns = None;
        self.not_before_ns = now.mono_ns + (RETRY_NS << self.fails);
        self.fails = (self.fails + 1).min(4);
    }
}

/// The market picture.
#[derive(Clone, Debug)]
pub struct Feed {
    inst: Instrument,
    sync: DepthSync,
    depth_up: bool,
    depth_ns: Option<u64>,
    snapshot: Asking,
    resyncs: u32,
    refilled_ns: Option<u64>,
    atr_params: AtrParams,
    atr: AtrTracker,
    history: Asking,
    history_wanted: bool,
    bar_seen_ms: i64,
    regime: RegimeFilter,
    mark: Option<(MarkPrice, u64)>,
    nobi_depth: usize,
    nobi: Option<f64>,
    ticker_differs_at: Option<u64>,
}

impl Feed {
    /// Knows nothing yet.
    pub fn new(inst: Instrument, atr: &AtrParams, nobi_depth: u32) -> Self {
        Self {
            inst,
            sync: DepthSync::new(),
            depth_up: false,
            depth_ns: None,
            snapshot: Asking::default(),
            resyncs: 0,
            refilled_ns: None,
            atr_params: atr.clone(),
            atr: AtrTracker::new(bar_ms(atr), atr.period),
            history: Asking::default(),
            history_wanted: true,
            bar_seen_ms: i64::MIN,
            regime: RegimeFilter::default(),
            mark: None,
            nobi_depth: nobi_depth as usize,
            nobi: None,
            ticker_differs_at: None,
        }
    }

    /// New parameters. A changed bar length or period starts ATR anew and asks for history.
    pub fn set_params(&mut self, atr: &AtrParams, nobi_depth: u32) {
        self.nobi_depth = nobi_depth as usize;
        self.nobi = self.compute_nobi();
        let rebuilt =
            atr.bar_seconds != self.atr_params.bar_seconds || atr.period != self.atr_params.period;
        self.atr_params = atr.clone();
        if rebuilt {
            self.atr = AtrTracker::new(bar_ms(atr), atr.period);
            self.regime.reset();
            self.bar_seen_ms = i64::MIN;
            self.history = Asking::default();
            self.history_wanted = true;
        }
    }

    /// Emits the requests that are due.
    pub fn drive(&mut self, now: Now, out: &mut Vec<TraderEffect>) {
        if self.depth_up && self.sync.wants_snapshot() && self.snapshot.may(now) {
            self.snapshot.asked(now);
            out.push(TraderEffect::FetchSnapshot);
        }
        if self.history_wanted && self.history.may(now) {
            self.history.asked(now);
            out.push(TraderEffect::FetchHistory {
                bar_ms: bar_ms(&self.atr_params),
                bars: self.atr_params.period.saturating_mul(4).clamp(100, 500),
            });
        }
    }

    /// The depth stream connected: sequence starts anew.
    pub fn depth_up(&mut self) {
        self.depth_lost();
        self.depth_up = true;
    }

    /// The depth stream is lost: the book is worth nothing.
    pub fn depth_down(&mut self) {
        self.depth_lost();
        self.depth_up = false;
    }

    fn depth_lost(&mut self) {
        if self.sync.is_synced() {
            self.resyncs = self.resyncs.saturating_add(1);
        }
        self.sync.reset();
        self.snapshot = Asking::default();
        self.nobi = None;
        self.depth_ns = None;
    }

    /// The trade stream is lost: the running bar is incomplete.
    pub fn market_down(&mut self) {
        self.atr.interrupt();
    }

    /// Takes a depth event; true when the book moved.
    pub fn on_depth(&mut self, now: Now, e: &DepthUpdate) -> bool {
        // A frame is proof of the stream, whether or not anybody said that it is up.
        self.depth_up = true;
        let outcome = self.sync.on_depth_ref(e);
        if outcome.lost_sync() {
            self.resyncs = self.resyncs.saturating_add(1);
            self.nobi = None;
            return false;
        }
        if outcome != DepthOutcome::Applied {
            return false;
        }
        self.depth_ns = Some(now.mono_ns);
        self.nobi = self.compute_nobi();
        if self.sync.known_depth() < self.nobi_depth.saturating_mul(2)
            && self
                .refilled_ns
                .is_none_or(|t| now.mono_since(t) >= REFILL_NS)
        {
            self.refilled_ns = Some(now.mono_ns);
            self.sync.begin_refill();
        }
        true
    }

    /// Takes a snapshot; true when the book stands.
    pub fn on_snapshot(&mut self, now: Now, s: &DepthSnapshot) -> bool {
        match self.sync.on_snapshot(s) {
            SnapshotOutcome::Synced { .. } => {
                self.snapshot.answered();
                self.depth_ns = Some(now.mono_ns);
                self.nobi = self.compute_nobi();
                true
            }
            SnapshotOutcome::Ignored => {
                self.snapshot.answered();
                false
            }
            _ => {
                self.snapshot.failed(now);
                false
            }
        }
    }

    /// The snapshot did not come.
    pub fn snapshot_failed(&mut self, now: Now) {
        self.snapshot.failed(now);
    }

    /// Best bid and ask at an update id: a difference from the book of that very id throws doubt on it.
    pub fn on_ticker(&mut self, update_id: u64, bid: Price, ask: Price) {
        if self.sync.last_id() != Some(update_id) {
            return;
        }
        let differs = self.sync.book().is_some_and(|b| {
            b.best_bid().map(|l| l.0) != Some(bid) || b.best_ask().map(|l| l.0) != Some(ask)
        });
        if differs {
            self.ticker_differs_at = Some(update_id);
        }
    }

    /// Takes a trade.
    pub fn on_trade(&mut self, t: &AggTrade) {
        if t.price.0 <= 0 || t.qty.0 < 0 {
            return;
        }
        self.atr.on_trade(t);
        self.feed_regime();
    }

    /// Market time passed: bars may close.
    pub fn on_time(&mut self, now: Now) {
        self.atr.on_time(now.market_ms);
        self.feed_regime();
    }

    /// Takes history, oldest first.
    pub fn on_history(&mut self, now: Now, bars: &[Bar]) {
        self.history.answered();
        self.history_wanted = false;
        if bars
            .iter()
            .any(|b| b.low.0 <= 0 || b.high < b.low || b.interval_ms <= 0)
        {
            return;
        }
        self.atr.on_history(bars, now.market_ms);
        let interval = bar_ms(&self.atr_params);
        for b in &crate::market::aggregate(bars, interval) {
            if b.open_ms + interval <= now.market_ms && b.open_ms > self.bar_seen_ms {
                self.bar_seen_ms = b.open_ms;
                self.regime.push(b);
            }
        }
    }

    fn feed_regime(&mut self) {
        if let Some(b) = self
            .atr
            .last_bar()
            .filter(|b| b.open_ms > self.bar_seen_ms)
            .copied()
        {
            self.bar_seen_ms = b.open_ms;
            self.regime.push(&b);
        }
    }

    /// Takes a mark price; what no contract is worth is refused.
    pub fn on_mark(&mut self, now: Now, m: &MarkPrice) -> bool {
        if m.mark <= Decimal::ZERO || m.mark > MAX_MARK {
            return false;
        }
        if self.mark.is_some_and(|(old, _)| old.event_ms > m.event_ms) {
            return false;
        }
        self.mark = Some((*m, now.mono_ns));
        true
    }

    fn compute_nobi(&self) -> Option<f64> {
        nobi(self.sync.book()?, self.nobi_depth)
    }

    /// The book, only while it is in sequence.
    pub fn book(&self) -> Option<&Book> {
        self.sync.book()
    }

    /// Version of the book.
    pub fn last_id(&self) -> Option<u64> {
        self.sync.last_id()
    }

    /// Both sides are known at least as deep as NOBI looks, and the exchange's own best prices did not contradict.
    pub fn book_deep_enough(&self) -> bool {
        self.sync.known_depth() >= self.nobi_depth
            && (self.ticker_differs_at.is_none() || self.ticker_differs_at != self.sync.last_id())
    }

    /// Liveness ns since the book last moved; `None` while it is not in sequence.
    pub fn book_age_ns(&self, now: Now) -> Option<u64> {
        self.sync
            .is_synced()
            .then(|| self.depth_ns.map(|t| now.mono_since(t)))?
    }

    /// NOBI of the present book.
    pub fn nobi(&self) -> Option<f64> {
        self.nobi
    }

    /// ATR in the quote asset.
    pub fn atr(&self) -> Option<Decimal> {
        self.atr
            .quote(&self.inst)
            .map(|a| a.round_dp(12))
            .filter(|a| *a > Decimal::ZERO)
    }

    /// Regime in force.
    pub fn regime(&self) -> Option<Regime> {
        self.regime.current()
    }

    /// Mid price.
    pub fn mid(&self) -> Option<Decimal> {
        self.sync.book()?.mid(&self.inst)
    }

    /// Newest mark, however old.
    pub fn last_mark(&self) -> Option<Decimal> {
        self.mark.map(|(m, _)| m.mark)
    }

    /// Mark, while it is fresh.
    pub fn mark(&self, now: Now) -> Option<Decimal> {
        self.mark
            .filter(|(_, t)| now.mono_since(*t) <= MARK_MAX_AGE_NS)
            .map(|(m, _)| m.mark)
    }

    /// Resyncs since birth.
    pub fn resyncs(&self) -> u32 {
        self.resyncs
    }
}

fn bar_ms(p: &AtrParams) -> i64 {
    i64::from(p.bar_seconds.max(1)) * 1000
}
