//! The two clocks of the system.
//!
//! Market time (bars, cooldowns, persistence, holding time, funding, signatures) may be scaled in demos and simulation;
//! liveness time (staleness, grants, time to stop, throttles, ladder pauses, reconnects) is monotonic wall time, always.
//! A machine never reads a clock: each event carries [`Now`].

use serde::{Deserialize, Serialize};

/// The time at which an event is handled, on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Now {
    /// Market time: milliseconds since the Unix epoch on the venue's clock.
    pub market_ms: i64,
    /// Liveness time: nanoseconds on this host's monotonic clock (`CLOCK_BOOTTIME`), origin arbitrary.
    pub mono_ns: u64,
}

/// Nanoseconds in a millisecond.
pub const NS_PER_MS: u64 = 1_000_000;
/// Nanoseconds in a second.
pub const NS_PER_S: u64 = 1_000_000_000;

impl Now {
    /// Both clocks at once.
    pub const fn new(market_ms: i64, mono_ns: u64) -> Self {
        Self { market_ms, mono_ns }
    }

    /// Liveness nanoseconds passed since `earlier_mono_ns`, 0 when that lies ahead.
    pub const fn mono_since(&self, earlier_mono_ns: u64) -> u64 {
        self.mono_ns.saturating_sub(earlier_mono_ns)
    }

    /// Market milliseconds passed since `earlier_ms`, never negative.
    pub const fn market_since(&self, earlier_ms: i64) -> i64 {
        let d = self.market_ms.saturating_sub(earlier_ms);
        if d < 0 { 0 } else { d }
    }
}
