//! This host's clocks: a monotonic one that decides, and the wall's, which people read.
//!
//! Leads, grants and ages are compared with each other across crates, so all of them must count from one origin. That is
//! why it is a crate: the exchange's client and the leader lock need the same clock and nothing else of each other. The
//! pure crates never come here; each of their events carries its time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// This host's monotonic clock, ns. On Linux `CLOCK_BOOTTIME`, which goes on while the machine sleeps and is the same for
/// all processes of a host; elsewhere it counts from this process's first reading.
pub fn mono_ns() -> u64 {
    #[cfg(target_os = "linux")]
    {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        t.tv_sec
            .unsigned_abs()
            .saturating_mul(1_000_000_000)
            .saturating_add(t.tv_nsec.unsigned_abs())
    }
    #[cfg(not(target_os = "linux"))]
    {
        static ORIGIN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        let origin = ORIGIN.get_or_init(std::time::Instant::now);
        u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The wall clock as the time since the Unix epoch; zero where it is set before that. It may jump: decide nothing by it.
pub fn wall() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_goes_back_and_counts_nanoseconds() {
        let from = mono_ns();
        std::thread::sleep(Duration::from_millis(20));
        let passed = mono_ns() - from;
        assert!((20_000_000..10_000_000_000).contains(&passed), "{passed}");
        assert!(wall() > Duration::from_secs(1_700_000_000));
    }
}
