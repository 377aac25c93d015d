//! Coordinator, workers, NATS and the venue as processes of their own, killed and frozen for real: one file a failure mode.
//!
//! What must hold is computed from the venue's own log (`rig/check.rs`). Counts and times are short here and long with
//! `HELIOS_SOAK` set. Run with as many threads as there are tests: each waits most of its time.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../common/mod.rs"]
mod common;
mod crash;
mod credentials;
mod garbage;
mod kills;
mod latches;
mod lost_state;
mod orphaned;
mod outage;
mod rig;
mod rollback;
mod split;
mod takeover;
