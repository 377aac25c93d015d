//! What workers say of themselves besides their state: which schema they speak, which epoch they have heard of.

use helios_core::messages::{WorkerReport, lowest_common};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A worker not heard of for this long is no peer any more.
const FORGET: Duration = Duration::from_secs(30);

/// Workers heard lately.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    schemas: BTreeMap<String, (u32, Instant)>,
    /// Highest epoch that any worker has honoured: a new leader's is above it, whatever lock and store say.
    pub(crate) epoch: u64,
}

impl Peers {
    /// Takes a report; returns the schema to speak from now on.
    pub(crate) fn heard(&mut self, r: &WorkerReport) -> u32 {
        let now = Instant::now();
        self.epoch = self.epoch.max(r.epoch);
        self.schemas.insert(r.task_uid.clone(), (r.schema, now));
        self.schemas
            .retain(|_, (_, at)| now.duration_since(*at) < FORGET);
        lowest_common(self.schemas.values().map(|(s, _)| *s))
    }
}
