//! What workers say of themselves besides their state: which schema they speak, which epoch they have heard of.

use helios_core::guardian::believable_epoch;
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
    /// Takes a report; returns the schema to speak from now on. `own` is the epoch known here: one far above it is not believed.
    pub(crate) fn heard(&mut self, r: &WorkerReport, own: u64) -> u32 {
        let now = Instant::now();
        if believable_epoch(own.max(self.epoch), r.epoch) {
            self.epoch = self.epoch.max(r.epoch);
        }
        self.schemas.insert(r.task_uid.clone(), (r.schema, now));
        self.schemas
            .retain(|_, (_, at)| now.duration_since(*at) < FORGET);
        lowest_common(self.schemas.values().map(|(s, _)| *s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use helios_core::messages::{SCHEMA, WorkerView};

    #[test]
    fn an_epoch_far_above_all_that_is_known_does_not_become_the_next_leaders() {
        let mut peers = Peers::default();
        let mut r = WorkerReport {
            schema: SCHEMA,
            symbol: "A".into(),
            strategy: "s".into(),
            task_uid: "t".into(),
            epoch: 7,
            generation: 1,
            ready: true,
            view: WorkerView::default(),
            closed: Vec::new(),
            rates: None,
            params: (0, 0, 0),
            refused: false,
            alarms: 0,
            life: String::new(),
        };
        peers.heard(&r, 0);
        for wild in [u64::MAX, u64::MAX - 1, 1_000_008] {
            r.epoch = wild;
            peers.heard(&r, 3);
            assert_eq!(peers.epoch, 7);
        }
        r.epoch = 1_000_009;
        peers.heard(&r, 9);
        assert_eq!(peers.epoch, 1_000_009);
    }
}
