//! Bars: those before the market began, made up backwards with a given volatility, and those of the run, from its trades.
//!
//! Kept as minutes for some days and as hours before that; every longer interval is put together from these.

use super::rng::{Ou, Rng, exp, ln};
use helios_core::fixed::{Price, Qty};
use helios_core::market::Bar;
use std::collections::VecDeque;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 3_600_000;
/// Minutes made up before the start: 200 bars of 30 minutes and some.
const MINUTES_BEFORE: usize = 6_600;
/// Hours made up before those: 200 days and some.
const HOURS_BEFORE: usize = 4_900;
/// Minutes kept; older ones become hours.
const MINUTES_KEPT: usize = 9_000;

/// What the made-up past looks like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Past {
    /// First moment of the market, ms.
    pub(crate) end_ms: i64,
    /// Price there, ticks.
    pub(crate) end_price: i64,
    /// Volatility, fraction of price per √s.
    pub(crate) sigma: f64,
    /// Mean traded lots a minute.
    pub(crate) volume: f64,
}

/// Bars of one contract.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    hours: VecDeque<Bar>,
    minutes: VecDeque<Bar>,
    open: Option<Bar>,
}

impl History {
    /// A past that ends at `past.end_ms` with the given price and volatility.
    pub(crate) fn made_up(past: Past, rng: &mut Rng) -> Self {
        let mut h = Self::default();
        let start = past.end_ms.div_euclid(MINUTE) * MINUTE;
        // The oldest minute begins on an hour, so that hours and minutes meet.
        let oldest = (start - MINUTES_BEFORE as i64 * MINUTE).div_euclid(HOUR) * HOUR;
        let mut mood = Ou::new(rng);
        let mut price = past.end_price as f64;
        let mut t = start;
        while t > oldest {
            t -= MINUTE;
            let m = exp(0.25 * mood.step(rng, 0.97) - 0.0625);
            let bar = bar_before(rng, t, MINUTE, &mut price, past.sigma * m, past.volume * m);
            h.minutes.push_front(bar);
        }
        for _ in 0..HOURS_BEFORE {
            t -= HOUR;
            let m = exp(0.25 * mood.step(rng, 0.8) - 0.0625);
            // Days are calmer than their minutes suggest: a fixed part of the variance does not add up.
            let bar = bar_before(
                rng,
                t,
                HOUR,
                &mut price,
                past.sigma * m * 0.5,
                past.volume * m,
            );
            h.hours.push_front(bar);
        }
        let p = Price(past.end_price);
        h.open = Some(flat(start, p));
        h
    }

    /// A trade of the run.
    pub(crate) fn on_trade(&mut self, ms: i64, price: Price, qty: Qty) {
        self.advance(ms);
        let b = self
            .open
            .get_or_insert_with(|| flat(ms.div_euclid(MINUTE) * MINUTE, price));
        if b.volume.is_zero() {
            // The first trade of a minute opens it.
            (b.open, b.high, b.low) = (price, price, price);
        }
        b.high = b.high.max(price);
        b.low = b.low.min(price);
        b.close = price;
        b.volume = b.volume + qty;
    }

    /// Time passed: minutes that are over are closed, silent ones flat at the last price.
    pub(crate) fn advance(&mut self, ms: i64) {
        while let Some(b) = self.open {
            if ms < b.open_ms + MINUTE {
                break;
            }
            self.minutes.push_back(b);
            self.open = Some(flat(b.open_ms + MINUTE, b.close));
        }
        while self.minutes.len() > MINUTES_KEPT {
            let hour: Vec<Bar> = self.minutes.drain(..60).collect();
            if let Some(b) = merge(&hour, HOUR) {
                self.hours.push_back(b);
            }
            if self.hours.len() > HOURS_BEFORE * 2 {
                self.hours.pop_front();
            }
        }
    }

    /// Closed bars of `interval_ms` before `before_ms`, oldest first, at most `limit`.
    pub(crate) fn bars(&self, interval_ms: i64, before_ms: i64, limit: usize) -> Vec<Bar> {
        if interval_ms < MINUTE || interval_ms % MINUTE != 0 || limit == 0 {
            return Vec::new();
        }
        let closed_until = self.open.map_or(i64::MIN, |b| b.open_ms);
        let end = before_ms.min(closed_until).div_euclid(interval_ms) * interval_ms;
        let from = end.saturating_sub(interval_ms.saturating_mul(limit as i64));
        let lo = self.minutes.partition_point(|b| b.open_ms < from);
        let hours = self.hours.iter().filter(|_| interval_ms % HOUR == 0);
        let base = hours
            .filter(|b| b.open_ms >= from)
            .chain(self.minutes.iter().skip(lo))
            .take_while(|b| b.open_ms + b.interval_ms <= end);
        let mut out = Vec::with_capacity(limit.min(2_000));
        let mut group: Vec<Bar> = Vec::new();
        for b in base {
            let slot = b.open_ms.div_euclid(interval_ms) * interval_ms;
            if group.is_empty() && b.open_ms != slot {
                continue; // the first group begins before what is kept
            }
            group.push(*b);
            if b.open_ms + b.interval_ms == slot + interval_ms {
                out.extend(merge(&group, interval_ms));
                group.clear();
            }
        }
        out
    }
}

fn flat(open_ms: i64, p: Price) -> Bar {
    Bar {
        open_ms,
        interval_ms: MINUTE,
        open: p,
        high: p,
        low: p,
        close: p,
        volume: Qty::ZERO,
    }
}

fn merge(bars: &[Bar], interval_ms: i64) -> Option<Bar> {
    let (first, last) = (bars.first()?, bars.last()?);
    let mut out = Bar {
        interval_ms,
        close: last.close,
        ..*first
    };
    for b in &bars[1..] {
        out.high = out.high.max(b.high);
        out.low = out.low.min(b.low);
        out.volume = out.volume + b.volume;
    }
    Some(out)
}

/// The bar that begins at `t` and closes at `price`, which becomes its open: extremes are those of a Brownian bridge.
fn bar_before(
    rng: &mut Rng,
    t: i64,
    interval_ms: i64,
    price: &mut f64,
    sigma: f64,
    volume_per_minute: f64,
) -> Bar {
    let close = *price;
    let s = sigma * (interval_ms as f64 / 1000.0).sqrt() * close;
    let open = (close - s * rng.normal())
        .clamp(close * 0.8, close * 1.25)
        .max(10.0);
    let reach = |rng: &mut Rng| {
        let d = close - open;
        let u = 1.0 - rng.uniform();
        0.5 * ((d * d - 2.0 * s * s * ln(u)).sqrt() - d.abs())
    };
    let high = open.max(close) + reach(rng);
    let low = (open.min(close) - reach(rng)).max(1.0);
    *price = open;
    let tick = |x: f64| Price((x + 0.5).floor() as i64);
    let minutes = interval_ms as f64 / MINUTE as f64;
    Bar {
        open_ms: t,
        interval_ms,
        open: tick(open),
        high: tick(high),
        low: tick(low),
        close: tick(close),
        volume: Qty((volume_per_minute * minutes * (0.5 + 0.5 * rng.exponential())) as i64 + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past() -> History {
        let p = Past {
            end_ms: 1_700_000_012_345,
            end_price: 618_000,
            sigma: 0.0002,
            volume: 5_000.0,
        };
        History::made_up(p, &mut Rng::new(5, 0))
    }

    #[test]
    fn every_common_interval_has_200_contiguous_bars_at_the_start() {
        let h = past();
        for minutes in [1, 3, 5, 15, 30, 60, 120, 240, 1440] {
            let i = minutes * MINUTE;
            let b = h.bars(i, 1_700_000_012_345, 200);
            assert_eq!(b.len(), 200, "{minutes} min");
            assert!(b.windows(2).all(|w| w[0].open_ms + i == w[1].open_ms));
            assert!(b.iter().all(|b| b.open_ms % i == 0
                && b.low <= b.open.min(b.close)
                && b.high >= b.open.max(b.close)
                && b.low.0 > 0));
        }
        assert!(h.bars(5_000, 1_700_000_012_345, 10).is_empty());
    }

    #[test]
    fn the_made_up_past_ends_at_the_first_price_and_has_its_volatility() {
        let h = past();
        let b = h.bars(MINUTE, i64::MAX / 2, 5_000);
        assert_eq!(b.last().map(|b| b.close), Some(Price(618_000)));
        // The mean true range of a Brownian minute is 1.6 standard deviations.
        let atr: f64 = b
            .iter()
            .map(|b| (b.high.0 - b.low.0) as f64 / b.close.0 as f64)
            .sum::<f64>()
            / b.len() as f64;
        let expected = 1.596 * 0.0002 * 60f64.sqrt();
        assert!((atr / expected - 1.0).abs() < 0.12, "{atr} {expected}");
    }

    #[test]
    fn bars_of_the_run_follow_those_before_it() {
        let mut h = past();
        let t0 = 1_700_000_012_345;
        for i in 0..600 {
            h.on_trade(t0 + i * 1_000, Price(618_000 + i % 7), Qty(2));
        }
        let b = h.bars(MINUTE, t0 + 600_000, 20);
        assert_eq!(b.len(), 20);
        assert!(b.windows(2).all(|w| w[0].open_ms + MINUTE == w[1].open_ms));
        assert_eq!(b[15].volume, Qty(120));
        assert!(h.bars(MINUTE, t0 + 600_000, 1)[0].open_ms + MINUTE <= t0 + 600_000);
    }

    #[test]
    fn old_minutes_become_hours() {
        let mut h = past();
        h.on_trade(1_700_000_012_345, Price(618_000), Qty(1));
        h.advance(1_700_000_012_345 + 15 * 86_400_000);
        assert!(h.minutes.len() <= MINUTES_KEPT);
        let b = h.bars(HOUR, 1_700_000_012_345 + 15 * 86_400_000, 500);
        assert_eq!(b.len(), 500);
        assert!(b.windows(2).all(|w| w[0].open_ms + HOUR == w[1].open_ms));
    }
}
