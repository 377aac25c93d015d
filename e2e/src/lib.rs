//! A real Kubernetes for tests.
//!
//! Tier 1 is [`ControlPlane`]: etcd, API server, controller manager and scheduler as child processes on the loopback, and
//! kwok, which plays the kubelets of nodes that do not exist. It is for races, for scale and for what the API does: pods
//! are scheduled, become ready, fail, are evicted and are lost with their node, but nothing in them runs.
//!
//! The programs are those of `tools/kubernetes.sh`, which builds them once. One control plane serves all tests of a binary
//! ([`shared`]); each scenario works in a namespace of its own. Nothing outlives the process that started it.

mod access;
pub mod audit;
mod cluster;
mod config;
mod home;
mod kwok;
mod namespace;
mod nodes;
mod pki;
mod process;
mod programs;
mod shared;
mod wait;

pub use cluster::{ControlPlane, Options};
pub use kwok::{FAIL, RESERVED, START_AFTER, STOP_AFTER};
pub use namespace::Namespace;
pub use programs::programs;
pub use shared::shared;
pub use wait::wait_for;
