//! Counters and ages of a socket, read by metrics while its task runs.

use crate::clock::mono_ns;
use helios_core::time::NS_PER_MS;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// Live counters of one socket task.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub connects: AtomicU64,
    pub losses: AtomicU64,
    pub silences: AtomicU64,
    pub frames: AtomicU64,
    pub unknown: AtomicU64,
    pub errors: AtomicU64,
    ages: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    /// A gauge that the task sets to the monotonic ns of each frame of `stream`; 0 before the first.
    pub(crate) fn gauge(&self, stream: &str) -> Arc<AtomicU64> {
        let gauge = Arc::new(AtomicU64::new(0));
        let mut ages = self.ages.lock().unwrap_or_else(PoisonError::into_inner);
        ages.insert(stream.to_owned(), gauge.clone());
        gauge
    }

    pub(crate) fn forget(&self, stream: &str) {
        let mut ages = self.ages.lock().unwrap_or_else(PoisonError::into_inner);
        ages.remove(stream);
    }

    pub(crate) fn read(&self) -> SocketStats {
        let now = mono_ns();
        let ages = self.ages.lock().unwrap_or_else(PoisonError::into_inner);
        let age = |at: &AtomicU64| {
            let at = at.load(Relaxed);
            (at > 0).then(|| now.saturating_sub(at) / NS_PER_MS)
        };
        SocketStats {
            connects: self.connects.load(Relaxed),
            losses: self.losses.load(Relaxed),
            silences: self.silences.load(Relaxed),
            frames: self.frames.load(Relaxed),
            unknown: self.unknown.load(Relaxed),
            errors: self.errors.load(Relaxed),
            ages_ms: ages.iter().map(|(n, at)| (n.clone(), age(at))).collect(),
        }
    }
}

/// A reading of a socket's counters since start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketStats {
    /// Connections made.
    pub connects: u64,
    /// Connections lost or given up.
    pub losses: u64,
    /// Of them because a stream missed its first frame or went silent.
    pub silences: u64,
    /// Frames received.
    pub frames: u64,
    /// Frames of a kind or symbol unknown here.
    pub unknown: u64,
    /// Frames that could not be decoded.
    pub errors: u64,
    /// Liveness ms since each stream's last frame; `None` before its first.
    pub ages_ms: BTreeMap<String, Option<u64>>,
}
