//! A real Kubernetes for tests.
//!
//! Tier 1 is [`ControlPlane`]: etcd, API server, controller manager and scheduler as child processes on the loopback, and
//! kwok, which plays the kubelets of nodes that do not exist. It is for races, for scale and for what the API does: pods
//! are scheduled, become ready, fail, are evicted and are lost with their node, but nothing in them runs.
//!
//! Tier 2 is [`Node`]: one real node beside such a control plane, where pods run, talk and trade. It needs root and
//! namespaces of its own, which `tools/tier2.sh` makes around the whole test.
//!
//! The programs are those of `tools/kubernetes.sh`, which builds them once. One control plane serves all tests of a binary
//! ([`shared`]); each scenario works in a namespace of its own. Nothing outlives the process that started it.

mod access;
pub mod audit;
mod cluster;
mod config;
mod home;
mod host;
mod image;
mod kwok;
mod namespace;
mod node;
mod nodes;
mod outage;
mod pki;
mod process;
mod programs;
mod rights;
mod shared;
pub mod stage;
mod wait;

pub use cluster::{ControlPlane, Options};
pub use host::Host;
pub use image::Image;
pub use kwok::{FAIL, RESERVED, START_AFTER, STOP_AFTER};
pub use namespace::Namespace;
pub use node::Node;
pub use programs::programs;
pub use rights::Right;
pub use shared::{shared, shared_node};
pub use stage::{Stage, helios as helios_program, nats_server as nats_program};
pub use wait::wait_for;
