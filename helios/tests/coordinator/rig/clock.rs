//! One clock for everything that a test compares: CLOCK_BOOTTIME, ns.

use std::time::Duration;

/// A moment, ns.
pub type Ns = u64;
/// One second.
pub const S: Ns = 1_000_000_000;
/// One millisecond.
pub const MS: Ns = 1_000_000;
/// No end yet.
pub const OPEN: Ns = Ns::MAX;

/// Now.
pub fn now() -> Ns {
    helios_clock::mono_ns()
}

/// Sleeps until a moment.
pub fn until(at: Ns) {
    let left = at.saturating_sub(now());
    std::thread::sleep(Duration::from_nanos(left));
}

/// Seconds, for words.
pub fn secs(from: Ns, to: Ns) -> f64 {
    (to as f64 - from as f64) / 1e9
}

/// Whether two spans share a moment.
pub fn overlap(a: (Ns, Ns), b: (Ns, Ns)) -> bool {
    a.0 < b.1 && b.0 < a.1
}
