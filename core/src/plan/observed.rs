//! What the planner sees and what it asks for.

use crate::messages::{AccountSnapshot, ParamsDocument};
use crate::params::OnDelete;

/// Everything a step decides from. Lists may come in any order; the result does not depend on it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Liveness time, ms: restart pauses count in it.
    pub now_ms: u64,
    /// Account objects.
    pub accounts: Vec<ObservedAccount>,
    /// Strategy objects.
    pub strategies: Vec<ObservedStrategy>,
    /// Coordinators that run or end.
    pub coordinators: Vec<ObservedCoordinator>,
    /// Workers that run, end or failed.
    pub workers: Vec<ObservedWorker>,
}

/// An account object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObservedAccount {
    /// `namespace/name`.
    pub name: String,
    /// Deletion was asked for.
    pub deleting: bool,
    /// Newest snapshot of its coordinator; `None` is unknown and changes nothing.
    pub snapshot: Option<AccountSnapshot>,
    /// Liveness ms at which the snapshot was heard.
    pub heard_ms: u64,
    /// The snapshot is old: workers that are missing are started by it, but nothing is stopped or let go.
    pub stale: bool,
    /// Being deleted, it waits for its workers' end no longer: one that can't be seen to end would hold it for ever.
    pub let_go: bool,
}

/// A strategy object.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedStrategy {
    /// `namespace/name`.
    pub name: String,
    /// `namespace/name` of its account.
    pub account: String,
    /// Higher wins claims.
    pub priority: i32,
    /// Creation, venue or wall ms: older wins claims of equal priority.
    pub created_ms: i64,
    /// Deletion was asked for.
    pub deleting: bool,
    /// What deletion does with positions.
    pub on_delete: OnDelete,
    /// Hash of what cannot change under a running worker; parameters are not in it.
    pub spec_hash: String,
    /// Wanted parameters.
    pub params: ParamsDocument,
    /// Order of the document last published, if any.
    pub published: Option<(u64, u64, u32)>,
    /// It can't be used as it stands: what runs goes on with what it has, and nothing is started or published.
    pub held: bool,
    /// A worker of another [`spec_hash`](Self::spec_hash) is replaced at once, not when it is flat.
    pub replace_now: bool,
    /// Liveness ms at which the last end of one of its workers was seen, or since when there has been anybody to see it.
    pub worker_ended_ms: u64,
    /// What it waits for, being deleted.
    pub goes: Goes,
}

/// What a strategy that is being deleted waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Goes {
    /// Its workers are gone, and what is open is left as it says.
    #[default]
    WhenLeft,
    /// Its workers are gone. Nobody could say what is open, or leave it: its stops stay at the venue.
    WithoutWorkers,
    /// Nothing, whoever runs and whatever is open. A pod that can't be seen to end would hold it for ever.
    AtOnce,
}

/// A coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedCoordinator {
    /// `namespace/name` of the account.
    pub account: String,
    /// Its life.
    pub phase: Phase,
    /// Failures in a row.
    pub failures: u32,
    /// Liveness ms of the last change of phase.
    pub since_ms: u64,
}

/// A worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedWorker {
    /// Pod uid or task id.
    pub uid: String,
    /// What it was started as.
    pub spec: WorkerSpec,
    /// Its life.
    pub phase: Phase,
    /// Failures in a row.
    pub failures: u32,
    /// Liveness ms of the last change of phase.
    pub since_ms: u64,
    /// It does its work.
    pub ready: bool,
    /// Liveness ms since when its host has not been heard of; `None` while it is, or where there are no hosts.
    pub host_lost_ms: Option<u64>,
}

/// What a worker is started as.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkerSpec {
    /// `namespace/name` of the account.
    pub account: String,
    /// Symbol.
    pub symbol: String,
    /// `namespace/name` of the strategy.
    pub strategy: String,
    /// [`ObservedStrategy::spec_hash`] it was built from.
    pub spec_hash: String,
}

/// The life of a task or pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Starting or running.
    Running,
    /// Asked to end, not gone yet.
    Ending,
    /// Ended by itself: crashed, evicted, superseded.
    Failed,
}

/// What the actuator shall do, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Start the coordinator of an account.
    StartCoordinator {
        /// Account.
        account: String,
    },
    /// Write and push a strategy's parameters: before any worker that needs them.
    PublishParams {
        /// Strategy.
        strategy: String,
        /// Document, whole.
        document: Box<ParamsDocument>,
    },
    /// Start a worker.
    StartWorker(WorkerSpec),
    /// Ask a worker to leave as `how` says, then to end. Guarded by uid.
    StopWorker {
        /// Uid.
        uid: String,
        /// Flatten or keep protected.
        how: OnDelete,
    },
    /// Clear away what is left of a failed worker. Guarded by uid.
    RemoveWorker {
        /// Uid.
        uid: String,
    },
    /// Strike off a worker whose host is lost and which therefore can't be seen to end. Guarded by uid.
    StrikeWorker {
        /// Uid.
        uid: String,
    },
    /// Ask the coordinator to flatten (or make sure of the stops of) a symbol: no worker needed.
    Release {
        /// Account.
        account: String,
        /// Symbol.
        symbol: String,
        /// How.
        how: OnDelete,
    },
    /// Nothing of a deleted strategy is left: let the object go.
    FinalizeStrategy {
        /// Strategy.
        strategy: String,
    },
    /// Stop the coordinator of an account, last of all.
    StopCoordinator {
        /// Account.
        account: String,
    },
    /// Nothing of a deleted account is left: let the object go.
    FinalizeAccount {
        /// Account.
        account: String,
    },
}
