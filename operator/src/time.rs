//! Liveness time as this crate counts it: milliseconds of the host's monotonic clock.
//!
//! Read by the loop, the watches and the links alone; everything that decides is given its time.

use std::time::Duration;

/// Now, liveness ms.
pub fn now_ms() -> u64 {
    helios_clock::mono_ns() / 1_000_000
}

/// A duration in ms; one without end for what does not fit.
pub fn ms(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}
