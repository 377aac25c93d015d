//! What should run: placement, replacement, drain, finalizer steps, as [`step`]`(observed) -> actions`.
//!
//! Drives `helios up`'s tasks and the operator's pods alike: the actuator carries the actions out in order, observes
//! again, and calls again. A step is idempotent and convergent: carried out faithfully it ends in no actions. It never
//! waits, and what it doesn't know (a missing snapshot) it doesn't change.

mod name;
mod observed;
pub mod rollout;
mod step;
#[cfg(test)]
mod testkit;
#[cfg(test)]
mod tests;

pub use name::{guardian_name, slug, worker_name};
pub use observed::{
    Action, Goes, Observed, ObservedAccount, ObservedCoordinator, ObservedStrategy, ObservedWorker,
    Phase, WorkerSpec,
};
pub use step::{CERTAIN_AFTER_MS, STRIKE_AFTER_MS, claims, restart_delay_ms, step};
