//! What the operator remembers of an account between two looks and forgets with its process: pauses, counts, times.
//!
//! Nothing here is needed to go on rightly after a restart; it only keeps the operator from being hasty.

use crate::backoff::Backoff;
use crate::facts::DocumentFact;
use crate::late::Late;
use helios_core::fixed::Money;
use helios_core::messages::WorkerHealth;
use helios_crds::kube::StrategyStatus;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A failure longer ago than this is not "in a row" any more.
const FORGIVEN_MS: u64 = 600_000;

/// Of one account.
#[derive(Debug, Default)]
pub struct Memory {
    /// Pauses after API calls that failed.
    pub backoff: Backoff,
    /// Failures in a row of each worker, by pod name: count, uid of the last failed pod, when.
    failures: BTreeMap<String, (u32, String, u64)>,
    /// Since when a strategy's workers are not all ready, liveness ms.
    pub unready: BTreeMap<String, u64>,
    /// The same of an object that was settled, as its Progressing counts it.
    pub moving: BTreeMap<String, u64>,
    /// The last write of each object's status.
    pub written: BTreeMap<String, Written>,
    /// Where canaries stood when they were first seen in this rollout, by strategy and symbol.
    pub canaries: BTreeMap<(String, String), Baseline>,
    /// Statuses of strategies that were written and that no watch has shown yet, by strategy and uid.
    pub written_statuses: BTreeMap<(String, Option<String>), Late<StrategyStatus>>,
    /// Parameters that were written and that no watch has shown yet, by strategy; `None` is none.
    pub written_parameters: BTreeMap<String, Late<Option<DocumentFact>>>,
    /// Workers that were started and that no watch has shown yet, by symbol.
    pub made: BTreeMap<String, Made>,
    /// Since when an object differs from its status in what is said only if it lasts: a strategy is on its way to what was committed,
    /// or counts alone have moved. Liveness ms.
    pub on_its_way: BTreeMap<String, u64>,
    /// When it was last made sure that the lock is there, liveness ms.
    pub lease_seen: Option<u64>,
    /// Events told last, by object and condition: the reason.
    pub told: BTreeMap<(String, &'static str), String>,
}

/// A pod was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its uid; `None` where one of that name was there already.
    pub uid: Option<String>,
    /// Until when a watch is waited for, liveness ms.
    pub until_ms: u64,
}

/// A status was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// When, liveness ms.
    pub at_ms: u64,
    /// How many in a row moved nothing but counts.
    pub further: u32,
}

/// Where a canary stood.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Its pod.
    pub task_uid: String,
    /// Its process in the pod; empty where it was not told.
    pub life: String,
    /// What it had realised, net.
    pub realised_net: Money,
    /// Critical alerts it had raised.
    pub alarms: u32,
}

impl Baseline {
    /// From what is heard of it.
    pub fn of(w: &WorkerHealth) -> Self {
        Self {
            task_uid: w.task_uid.clone(),
            life: w.life.clone(),
            realised_net: w.realised_net,
            alarms: w.alarms,
        }
    }

    /// What is heard now counts from here. Counts begin anew with a process, and a container that is restarted is another process
    /// in the same pod. A life that is not told, by an older worker or coordinator, is taken for the same.
    pub fn follow(&mut self, w: &WorkerHealth) {
        let told = !self.life.is_empty() && !w.life.is_empty();
        if self.task_uid != w.task_uid || (told && self.life != w.life) {
            *self = Self {
                task_uid: w.task_uid.clone(),
                ..Self::default()
            };
        }
        if !w.life.is_empty() {
            self.life.clone_from(&w.life);
        }
    }
}

impl Memory {
    /// A worker's pod was found failed; counts each pod once. Returns how many failed in a row, and when this one was found so.
    pub fn failed(&mut self, name: &str, uid: &str, now_ms: u64) -> (u32, u64) {
        let (count, last, at) =
            self.failures
                .entry(name.into())
                .or_insert((0, String::new(), now_ms));
        if *last != uid {
            *count = if now_ms.saturating_sub(*at) > FORGIVEN_MS {
                1
            } else {
                *count + 1
            };
            (*last, *at) = (uid.into(), now_ms);
        }
        (*count, *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failed_pod_counts_once_and_old_failures_are_forgiven() {
        let mut m = Memory::default();
        assert_eq!(m.failed("w", "1", 0), (1, 0));
        assert_eq!(m.failed("w", "1", 10), (1, 0));
        assert_eq!(m.failed("w", "2", 20), (2, 20));
        assert_eq!(m.failed("w", "3", 20 + FORGIVEN_MS + 1).0, 1);
    }
}
