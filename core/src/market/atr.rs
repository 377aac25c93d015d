//! Wilder's average true range of closed bars, and the tracker that keeps one warm from history and live trades.
//!
//! Seed: the simple mean of the first `period` true ranges; then `atr += (tr − atr) / period`. The true range of the very
//! first bar is high − low. Unit: ticks, as `f64` (a statistic); prices derived from it are rounded to ticks by the caller.

use super::{AggTrade, Bar, BarBuilder, aggregate};
use crate::fixed::Price;
use crate::instrument::Instrument;
use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive;

/// Wilder's ATR.
#[derive(Clone, Debug)]
pub struct WilderAtr {
    period: u32,
    seen: u32,
    value: f64,
    last_close: Option<Price>,
}

impl WilderAtr {
    /// ATR over `period` bars (at least 1).
    pub fn new(period: u32) -> Self {
        Self {
            period: period.max(1),
            seen: 0,
            value: 0.0,
            last_close: None,
        }
    }

    /// Takes a closed bar; returns the value when warm.
    pub fn on_bar(&mut self, bar: &Bar) -> Option<f64> {
        let (high, low) = match self.last_close {
            Some(c) => (bar.high.max(c), bar.low.min(c)),
            None => (bar.high, bar.low),
        };
        self.last_close = Some(bar.close);
        let tr = (high.0 - low.0) as f64;
        // While seeding this is the running mean; from then on Wilder's smoothing: the same form.
        self.seen = (self.seen + 1).min(self.period + 1);
        self.value += (tr - self.value) / f64::from(self.seen.min(self.period));
        self.value()
    }

    /// ATR in ticks; `None` before `period` bars were seen.
    pub fn value(&self) -> Option<f64> {
        (self.seen >= self.period).then_some(self.value)
    }

    /// Close of the newest bar.
    pub fn last_close(&self) -> Option<Price> {
        self.last_close
    }
}

/// ATR of one contract, kept by live trades and warmed from history in either order.
#[derive(Clone, Debug)]
pub struct AtrTracker {
    builder: BarBuilder,
    atr: WilderAtr,
    period: u32,
    /// Newest live bars, kept so that a history that comes late can be put in front of them.
    live: Vec<Bar>,
    closed: Vec<Bar>,
}

impl AtrTracker {
    /// Live bars kept for a late history.
    const KEEP: usize = 256;

    /// Bars of `bar_ms` market time, Wilder period `period`.
    pub fn new(bar_ms: i64, period: u32) -> Self {
        Self {
            builder: BarBuilder::new(bar_ms),
            atr: WilderAtr::new(period),
            period,
            live: Vec::new(),
            closed: Vec::new(),
        }
    }

    /// Puts history (oldest first, any interval that divides the bar) in front of what was seen live. An empty history
    /// changes nothing: ATR then warms up live. Bars that close after `market_ms` are still running and are left out.
    pub fn on_history(&mut self, history: &[Bar], market_ms: i64) {
        let closed: Vec<Bar> = history
            .iter()
            .filter(|b| b.open_ms + b.interval_ms <= market_ms)
            .copied()
            .collect();
        let bars = aggregate(&closed, self.builder.interval_ms());
        let Some(newest) = bars.last() else { return };
        self.atr = WilderAtr::new(self.period);
        self.builder.seed_close(newest.close);
        for b in &bars {
            self.atr.on_bar(b);
        }
        for b in self.live.iter().filter(|b| b.open_ms > newest.open_ms) {
            self.atr.on_bar(b);
        }
    }

    /// Takes a trade.
    pub fn on_trade(&mut self, trade: &AggTrade) {
        let mut out = std::mem::take(&mut self.closed);
        self.builder.on_trade(trade, &mut out);
        self.take(out);
    }

    /// Market time passed.
    pub fn on_time(&mut self, market_ms: i64) {
        let mut out = std::mem::take(&mut self.closed);
        self.builder.on_time(market_ms, &mut out);
        self.take(out);
    }

    /// The trade stream was lost.
    pub fn interrupt(&mut self) {
        self.builder.interrupt();
    }

    /// ATR in ticks; `None` until warm.
    pub fn ticks(&self) -> Option<f64> {
        self.atr.value()
    }

    /// ATR in the quote asset; `None` until warm.
    pub fn quote(&self, instrument: &Instrument) -> Option<Decimal> {
        Some(Decimal::from_f64(self.ticks()?)? * instrument.tick)
    }

    /// Newest closed live bar.
    pub fn last_bar(&self) -> Option<&Bar> {
        self.live.last()
    }

    fn take(&mut self, mut out: Vec<Bar>) {
        for b in out.drain(..) {
            self.atr.on_bar(&b);
            if self.live.len() >= Self::KEEP {
                self.live.remove(0);
            }
            self.live.push(b);
        }
        self.closed = out;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fixed::Qty;
    use proptest::prelude::*;

    fn bar(i: usize, interval_ms: i64, low: i64, range: i64, close_at: i64) -> Bar {
        Bar {
            open_ms: i as i64 * interval_ms,
            interval_ms,
            open: Price(low),
            high: Price(low + range),
            low: Price(low),
            close: Price(low + close_at.min(range)),
            volume: Qty(1),
        }
    }

    /// The textbook, written with whole vectors.
    fn naive(bars: &[Bar], period: usize) -> Option<f64> {
        let tr: Vec<f64> = bars
            .iter()
            .enumerate()
            .map(|(i, b)| {
                let hl = b.high.0 - b.low.0;
                if i == 0 {
                    return hl as f64;
                }
                let c = bars[i - 1].close.0;
                hl.max((b.high.0 - c).abs()).max((b.low.0 - c).abs()) as f64
            })
            .collect();
        let seed = tr.get(..period)?.iter().sum::<f64>() / period as f64;
        Some(
            tr[period..]
                .iter()
                .fold(seed, |a, t| (a * (period as f64 - 1.0) + t) / period as f64),
        )
    }

    proptest! {
        #[test]
        fn atr_equals_the_textbook(
            raw in prop::collection::vec((1i64..10_000, 0i64..500, 0i64..500), 1..80),
            period in 1usize..20,
        ) {
            let bars: Vec<_> = raw.iter().enumerate().map(|(i, &(l, r, c))| bar(i, 1000, l, r, c)).collect();
            let mut atr = WilderAtr::new(period as u32);
            for (i, b) in bars.iter().enumerate() {
                let got = atr.on_bar(b);
                match naive(&bars[..=i], period) {
                    Some(w) => prop_assert!((got.unwrap() - w).abs() < 1e-9 * w.max(1.0)),
                    None => prop_assert_eq!(got, None),
                }
            }
        }

        #[test]
        fn history_before_or_after_the_live_bars_gives_the_same_atr(
            raw in prop::collection::vec((1i64..10_000, 0i64..500, 0i64..500), 30..31),
            trades in prop::collection::vec(1i64..10_000, 40..41),
        ) {
            let history: Vec<_> = raw.iter().enumerate().map(|(i, &(l, r, c))| bar(i, 1000, l, r, c)).collect();
            let start = 30_000;
            let feed = |t: &mut AtrTracker| for (i, p) in trades.iter().enumerate() {
                let ms = start + i as i64 * 700;
                t.on_trade(&AggTrade { id: i as u64, event_ms: ms, transact_ms: ms, price: Price(*p), qty: Qty(1), buyer_is_maker: false });
            };
            let (mut a, mut b) = (AtrTracker::new(5000, 3), AtrTracker::new(5000, 3));
            a.on_history(&history, start);
            feed(&mut a);
            feed(&mut b);
            b.on_history(&history, start);
            prop_assert!(a.ticks().is_some());
            prop_assert_eq!(a.ticks(), b.ticks());
        }
    }

    #[test]
    fn a_flat_market_lets_atr_decay() {
        let mut t = AtrTracker::new(1000, 3);
        t.on_history(
            &(0..5)
                .map(|i| bar(i, 1000, 100, 30, 10))
                .collect::<Vec<_>>(),
            5000,
        );
        let before = t.ticks().unwrap();
        t.on_time(5000);
        t.on_time(60_000);
        assert!(t.ticks().unwrap() < before / 100.0);
    }
}
