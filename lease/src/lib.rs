//! The leader lock: which of several equal processes may act.
//!
//! One [`LeaseRecord`], the same as in a Kubernetes Lease, lies in a [`LeaseStore`] that can compare and swap. An
//! [`Elector`] (pure) decides from what it reads, and [`LeaderTask`] runs it against a store. The lock promises that two
//! never *believe* at the same time that they lead, as long as their clocks run at nearly the same rate; it can't promise
//! that an effect already sent by a past leader doesn't land late. Whoever acts carries the number of the term (the
//! record's transitions) into a fence of its own.
//!
//! [`FileLease`] keeps the record in a file for processes of one machine, `kubernetes::KubeLease` (with the feature
//! `kubernetes`) in a Lease of an API server. Stores prove themselves in [`conformance`].

pub mod clock;
pub mod conformance;
pub mod elector;
mod exchange;
pub mod file;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
pub mod record;
pub mod store;
pub mod task;
pub mod times;
#[cfg(test)]
mod world_tests;

pub use elector::Elector;
pub use file::FileLease;
pub use helios_clock::mono_ns;
pub use record::{LeaseRecord, MicroTime};
pub use store::{LeaseError, LeaseStore, Version};
pub use task::{LeaderTask, Leadership};
pub use times::{SetupError, Times};
