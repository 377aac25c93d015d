//! The operator: runs on Kubernetes what HeliosAccount and HeliosStrategy objects ask for.
//!
//! It makes an account's coordinators and what they stand on, one worker pod for each symbol of the watchlist that a
//! coordinator has published, and the parameters that workers run; it says how all of it is. It has no way to the exchange,
//! holds no key, and trading never depends on it: coordinators and workers go on while it is gone.
//!
//! Watches feed a pure index ([`facts`]); news fill a queue of accounts ([`queue`]); a look at one is a pipeline of five
//! steps ([`pipeline`]). What should run is decided by `helios_core::plan`, which `helios up` drives too.

pub mod backoff;
pub mod board;
pub mod build;
pub mod conditions;
pub mod config;
pub mod events;
pub mod facts;
pub mod late;
mod lead;
pub mod links;
pub mod memory;
pub mod metrics;
pub mod names;
pub mod operator;
pub mod pipeline;
pub mod queue;
pub mod reconcile;
pub mod served;
mod time;
pub mod watch;
pub mod writer;

#[cfg(test)]
mod scenarios;

pub use config::{NetworkSettings, OperatorConfig, Patience, PodSettings};
pub use links::Connect;
pub use metrics::Metrics;
pub use operator::{OperatorError, OperatorLinks, run};
