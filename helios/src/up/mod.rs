//! `helios up`: the whole system as one process.
//!
//! Manifests, planner, coordinator and workers are the real ones; only the actuator (tasks, not pods) and the bus (memory,
//! not a network) differ from a cluster. [`run::run`] is the loop: observe, `core::plan::step`, carry out.

mod actuator;
mod args;
mod board;
mod control;
mod ending;
mod run;
mod source;
mod summary;
mod tasks;
mod view;

pub use args::{Args, duration};

use anyhow::{Context, Result};
use std::process::ExitCode;

/// Runs `helios up`.
///
/// # Errors
/// A refused start, in words.
pub fn start(args: Args) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no async runtime")?;
    let result = runtime.block_on(run::run(args));
    // Whatever a task still waits for must not hold the exit back.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    result
}
