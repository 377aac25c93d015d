//! The times of the lock, and which of them let it keep its promise.

use std::time::Duration;

/// Why an elector can't be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// An empty identity would read as "nobody leads".
    #[error("the identity of a candidate must not be empty")]
    EmptyIdentity,
    /// Times that would let two lead, or none.
    #[error(
        "lease times must be 0 < renew every < renew deadline < duration, and the duration whole seconds, at least 2: {0:?}"
    )]
    Times(Times),
}

/// The times of the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// How long a candidate must see the lease unchanged before it takes over.
    pub duration: Duration,
    /// How often a leader renews and a candidate looks.
    pub renew_every: Duration,
    /// How long a leader leads after sending a renewal that succeeded.
    pub renew_deadline: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(6),
            renew_every: Duration::from_secs(1),
            renew_deadline: Duration::from_secs(3),
        }
    }
}

impl Times {
    /// Longest that one read or write of the record may take: a lost answer, a look and a second try fit into one deadline.
    pub fn call(self) -> Duration {
        self.renew_deadline / 4
    }

    pub(crate) fn check(self) -> Result<Self, SetupError> {
        let ok = self.renew_every > Duration::ZERO
            && self.renew_every < self.renew_deadline
            && self.renew_deadline < self.duration
            && self.duration >= Duration::from_secs(2)
            && self.duration.subsec_nanos() == 0
            && u32::try_from(self.duration.as_secs()).is_ok();
        if ok {
            Ok(self)
        } else {
            Err(SetupError::Times(self))
        }
    }
}

/// Nanoseconds, as the clocks count.
pub(crate) fn ns(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}
