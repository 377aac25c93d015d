//! Regimes: a filtered classification from closed bars, and the numbers a regime overrides.
//!
//! First form, transparent on purpose: short against long mean bar range gives Volatile and Quiet, else the efficiency ratio
//! (net move / path) gives Trending and Ranging. Each border has a band of hysteresis and a new regime must hold for
//! [`DWELL_BARS`] bars. Only closed bars, only the past: nothing is revised later.

use crate::market::Bar;
use crate::params::{Regime, StrategyParams};
use rust_decimal::Decimal;
use std::collections::VecDeque;

/// Bars a new regime must hold before it counts.
pub const DWELL_BARS: u32 = 3;
const LONG: usize = 60;
const SHORT: usize = 10;

/// Classifies from closed bars, one at a time.
#[derive(Clone, Debug, Default)]
pub struct RegimeFilter {
    bars: VecDeque<(f64, f64)>,
    current: Option<Regime>,
    candidate: Option<Regime>,
    held: u32,
}

impl RegimeFilter {
    /// Takes the next closed bar.
    pub fn push(&mut self, bar: &Bar) {
        if self.bars.len() == LONG {
            self.bars.pop_front();
        }
        self.bars
            .push_back(((bar.high.0 - bar.low.0) as f64, bar.close.0 as f64));
        if self.bars.len() < LONG {
            return;
        }
        let seen = self.classify();
        if Some(seen) == self.current {
            self.candidate = None;
            return;
        }
        if self.candidate == Some(seen) {
            self.held += 1;
        } else {
            self.candidate = Some(seen);
            self.held = 1;
        }
        if self.current.is_none() || self.held >= DWELL_BARS {
            self.current = Some(seen);
            self.candidate = None;
        }
    }

    /// The regime in force; `None` while too few bars are known.
    pub fn current(&self) -> Option<Regime> {
        self.current
    }

    /// Forgets everything (the bar length changed).
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    fn classify(&self) -> Regime {
        let mean = |skip: usize| {
            let n = self.bars.len() - skip;
            self.bars.iter().skip(skip).map(|b| b.0).sum::<f64>() / n as f64
        };
        let (long, short) = (mean(0), mean(LONG - SHORT));
        let ratio = if long > 0.0 { short / long } else { 1.0 };
        // A regime in force is left later than it is entered.
        let stays = |r: Regime, enter: f64, leave: f64| {
            if self.current == Some(r) {
                leave
            } else {
                enter
            }
        };
        if ratio >= stays(Regime::Volatile, 1.5, 1.25) {
            return Regime::Volatile;
        }
        if ratio <= stays(Regime::Quiet, 0.6, 0.75) {
            return Regime::Quiet;
        }
        let path: f64 = self
            .bars
            .iter()
            .zip(self.bars.iter().skip(1))
            .map(|(a, b)| (b.1 - a.1).abs())
            .sum();
        let net = match (self.bars.front(), self.bars.back()) {
            (Some(a), Some(b)) => (b.1 - a.1).abs(),
            _ => 0.0,
        };
        let efficiency = if path > 0.0 { net / path } else { 0.0 };
        if efficiency >= stays(Regime::Trending, 0.30, 0.20) {
            Regime::Trending
        } else {
            Regime::Ranging
        }
    }
}

/// The numbers in force once the regime has had its say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effective {
    /// No entries in this regime.
    pub halt_entries: bool,
    /// NOBI threshold.
    pub nobi_trigger_threshold: f64,
    /// Model threshold.
    pub confidence_threshold: f64,
    /// Kelly fraction.
    pub kelly_fraction: Decimal,
    /// ATR multiplier of the stop.
    pub atr_multiplier: Decimal,
    /// Maximum holding time, market seconds.
    pub max_hold_seconds: i64,
}

/// Parameters with the overrides of the regime; several for one regime apply in order, later ones win.
pub fn effective(p: &StrategyParams, regime: Option<Regime>) -> Effective {
    let mut e = Effective {
        halt_entries: false,
        nobi_trigger_threshold: p.signals.nobi_trigger_threshold,
        confidence_threshold: p.signals.model.confidence_threshold,
        kelly_fraction: p.risk.kelly_fraction,
        atr_multiplier: p.risk.atr.multiplier,
        max_hold_seconds: p.exits.max_hold_seconds,
    };
    let Some(regime) = regime else { return e };
    for o in p.regimes.iter().filter(|o| o.regime == regime) {
        e.halt_entries |= o.halt_entries;
        e.nobi_trigger_threshold = o.nobi_trigger_threshold.unwrap_or(e.nobi_trigger_threshold);
        e.confidence_threshold = o.confidence_threshold.unwrap_or(e.confidence_threshold);
        e.kelly_fraction = o.kelly_fraction.unwrap_or(e.kelly_fraction);
        e.atr_multiplier = o.atr_multiplier.unwrap_or(e.atr_multiplier);
        e.max_hold_seconds = o.max_hold_seconds.unwrap_or(e.max_hold_seconds);
    }
    e
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixed::{Price, Qty};

    fn bar(close: i64, range: i64) -> Bar {
        Bar {
            open_ms: 0,
            interval_ms: 60_000,
            open: Price(close),
            high: Price(close + range),
            low: Price(close),
            close: Price(close),
            volume: Qty(1),
        }
    }

    #[test]
    fn a_steady_rise_is_trending_and_a_zigzag_is_ranging() {
        let mut f = RegimeFilter::default();
        for i in 0..59 {
            f.push(&bar(1000 + i, 10));
        }
        assert_eq!(f.current(), None);
        f.push(&bar(1060, 10));
        assert_eq!(f.current(), Some(Regime::Trending));
        let mut f = RegimeFilter::default();
        for i in 0..60 {
            f.push(&bar(1000 + (i % 2) * 5, 10));
        }
        assert_eq!(f.current(), Some(Regime::Ranging));
    }

    #[test]
    fn a_burst_becomes_volatile_only_after_it_lasted_the_dwell() {
        let mut f = RegimeFilter::default();
        for i in 0..60 {
            f.push(&bar(1000 + (i % 2) * 5, 10));
        }
        f.push(&bar(1000, 100));
        f.push(&bar(1005, 100));
        assert_eq!(f.current(), Some(Regime::Ranging));
        f.push(&bar(1000, 100));
        f.push(&bar(1000, 100));
        assert_eq!(f.current(), Some(Regime::Volatile));
    }
}
