//! Pauses between reconnects: exponential, with jitter, so that a fleet does not come back in step.

use crate::clock::mono_ns;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// First and longest pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackoffConfig {
    /// Pause after the first failure.
    pub first: Duration,
    /// No pause is longer.
    pub longest: Duration,
}

impl Default for BackoffConfig {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(250),
            longest: Duration::from_secs(30),
        }
    }
}

/// Counts failures in a row.
#[derive(Debug)]
pub(crate) struct Backoff {
    config: BackoffConfig,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(config: BackoffConfig) -> Self {
        Self {
            config,
            failures: 0,
        }
    }

    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The next pause: between half and all of `first × 2^failures`.
    pub(crate) fn next(&mut self) -> Duration {
        // The instant is as good as a random number: it only has to differ between processes.
        let mut h = DefaultHasher::new();
        (mono_ns(), std::process::id(), self.failures).hash(&mut h);
        let pause = self.pause(h.finish());
        self.failures = self.failures.saturating_add(1);
        pause
    }

    fn pause(&self, noise: u64) -> Duration {
        let factor = 2_u32.saturating_pow(self.failures.min(20));
        let full = self
            .config
            .first
            .saturating_mul(factor)
            .min(self.config.longest);
        let half = full / 2;
        half + half.mul_f64((noise % 1_000) as f64 / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_keep_within_half_and_full() {
        let mut b = Backoff::new(BackoffConfig {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(1),
        });
        for full in [100, 200, 400, 800, 1_000, 1_000] {
            let p = b.next();
            assert!(p >= Duration::from_millis(full / 2) && p <= Duration::from_millis(full));
        }
        b.reset();
        assert!(b.next() <= Duration::from_millis(100));
        assert_ne!(b.pause(1), b.pause(999));
    }
}
