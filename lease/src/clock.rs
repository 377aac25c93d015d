//! The two clocks of the lock: a monotonic one that decides, and a wall clock that only writes what people read.

use crate::record::MicroTime;
use helios_clock::{mono_ns, wall};

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
        let wall_us = i64::try_from(wall().as_micros()).unwrap_or(i64::MAX);
        Self {
            mono_ns: mono_ns(),
            wall: MicroTime::from_unix_us(wall_us),
        }
    }
}
