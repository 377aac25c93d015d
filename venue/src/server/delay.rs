//! How long frames take inside the venue: from the engine's word to the bytes handed to the socket's write.
//!
//! A histogram of microseconds in counters that every socket adds to: exact below 32, then 32 steps for each doubling, so
//! that a value is told at most 3 % too high. The latency that was asked for is no part of it: a frame that was to wait
//! counts from the end of its wait.

use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Steps of a doubling, and their power of two.
const STEPS: u64 = 32;
const BITS: u32 = 5;
/// Enough for 2^32 µs, more than an hour.
const BUCKETS: usize = 28 * STEPS as usize;

/// The histogram.
#[derive(Debug)]
pub(super) struct FrameDelay {
    counts: Vec<AtomicU64>,
    max_us: AtomicU64,
}

impl Default for FrameDelay {
    fn default() -> Self {
        Self {
            counts: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            max_us: AtomicU64::new(0),
        }
    }
}

/// What the venue tells of its frame delay.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Report {
    /// Frames measured.
    frames: u64,
    p50_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    max_ms: f64,
    /// (upper edge in µs, frames) of every step that has any.
    histogram: Vec<(u64, u64)>,
}

fn bucket(us: u64) -> usize {
    if us < STEPS {
        return us as usize;
    }
    let above = us.ilog2() - BITS;
    let step = (us >> above) - STEPS;
    let at = u64::from(above + 1) * STEPS + step;
    (at as usize).min(BUCKETS - 1)
}

/// The largest value of a step.
fn upper(bucket: usize) -> u64 {
    let (doubling, step) = (bucket as u64 / STEPS, bucket as u64 % STEPS);
    match doubling.checked_sub(1) {
        None => step,
        Some(above) => ((STEPS + step + 1) << above) - 1,
    }
}

impl FrameDelay {
    /// A frame was handed over so long after it was said.
    pub(super) fn add(&self, delay: Duration) {
        let us = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        if let Some(n) = self.counts.get(bucket(us)) {
            n.fetch_add(1, Relaxed);
        }
        self.max_us.fetch_max(us, Relaxed);
    }

    /// Everything since the start.
    pub(super) fn report(&self) -> Report {
        let counts: Vec<u64> = self.counts.iter().map(|n| n.load(Relaxed)).collect();
        let frames: u64 = counts.iter().sum();
        let max_us = self.max_us.load(Relaxed);
        let ms = |us: u64| us as f64 / 1000.0;
        let quantile = |per_mille: u64| {
            let rank = (frames * per_mille).div_ceil(1000);
            let mut seen = 0;
            let at = counts.iter().position(|n| {
                seen += n;
                seen >= rank && rank > 0
            });
            ms(at.map_or(0, upper).min(max_us))
        };
        Report {
            frames,
            p50_ms: quantile(500),
            p99_ms: quantile(990),
            p999_ms: quantile(999),
            max_ms: ms(max_us),
            histogram: counts
                .iter()
                .enumerate()
                .filter(|(_, n)| **n > 0)
                .map(|(i, n)| (upper(i), *n))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_are_those_of_what_was_added() {
        let d = FrameDelay::default();
        assert_eq!(d.report().p99_ms, 0.0);
        for us in 1..=1000 {
            d.add(Duration::from_micros(us));
        }
        let r = d.report();
        assert_eq!((r.frames, r.max_ms), (1000, 1.0));
        assert!((0.5..0.5 * 1.04).contains(&r.p50_ms), "{r:?}");
        assert!((0.99..=1.0).contains(&r.p99_ms), "{r:?}");
        assert_eq!(r.histogram.iter().map(|(_, n)| n).sum::<u64>(), 1000);
        d.add(Duration::MAX);
        assert_eq!(d.report().frames, 1001);
    }

    proptest! {
        #[test]
        fn a_step_holds_its_values_and_is_at_most_three_percent_wide(us in 0_u64..1 << 32) {
            let b = bucket(us);
            let (top, below) = (upper(b), b.checked_sub(1).map(upper));
            prop_assert!(us <= top && below.is_none_or(|e| e < us));
            prop_assert!(top - us <= us / 32);
        }
    }
}
