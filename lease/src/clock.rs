//! The two clocks of the lock: a monotonic one that decides, and a wall clock that only writes what people read.

use crate::record::MicroTime;
use std::time::{SystemTime, UNIX_EPOCH};

/// This host's monotonic clock, ns. On Linux `CLOCK_BOOTTIME`, which goes on while the machine sleeps and is the same for
/// all processes of a host.
pub fn mono_ns() -> u64 {
    #[cfg(target_os = "linux")]
    {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        t.tv_sec
            .unsigned_abs()
            .saturating_mul(helios_core::time::NS_PER_S)
            .saturating_add(t.tv_nsec.unsigned_abs())
    }
    #[cfg(not(target_os = "linux"))]
    {
        static ORIGIN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        let origin = ORIGIN.get_or_init(std::time::Instant::now);
        u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// An instant on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// [`mono_ns`]: everything is decided by it.
    pub mono_ns: u64,
    /// Wall clock, for the record's times. Never compared with another.
    pub wall: MicroTime,
}

impl At {
    /// Both clocks of this host.
    pub fn now() -> Self {
        // Wall first: a pause in between makes the deciding clock late, which is the safe side.
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let wall_us = since.map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX));
        Self {
            mono_ns: mono_ns(),
            wall: MicroTime::from_unix_us(wall_us),
        }
    }
}
