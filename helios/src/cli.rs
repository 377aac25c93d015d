//! The list of subcommands.

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Helios: a Kubernetes-native trading system for Binance USDS-M futures.
#[derive(Debug, Parser)]
#[command(name = "helios", version, about, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole system here, against a simulated or recorded market
    Up(crate::up::Args),
    /// Data-quality report of a recording: gaps, crossed books, book against bookTicker, clock offset, NOBI.
    Inspect(crate::inspect::Args),
    /// Set the kill latch: no new risk, positions are flattened
    Kill(crate::latch::LatchArgs),
    /// Release a latch
    Release(crate::latch::LatchArgs),
    /// Break things in a running `helios up` on purpose, to see that it holds
    Debug(crate::admin::DebugArgs),
    /// Run the simulated exchange alone: Binance's USDS-M protocol on a loopback port
    Venue(crate::alone::VenueArgs),
    /// Guard one account: margin, limits, permission for workers
    Coordinator(crate::alone::CoordinatorArgs),
    /// Run what HeliosAccount and HeliosStrategy objects of a Kubernetes cluster ask for
    #[cfg(feature = "kubernetes")]
    Operator(crate::operator::OperatorArgs),
    /// What the jobs of the chart do: keys of the NATS callout, the look before an uninstall, the test
    #[cfg(feature = "kubernetes")]
    Chart(crate::chart::ChartArgs),
    /// Trade one symbol of an account and guard its position
    Worker(crate::alone::WorkerArgs),
    /// Tell a NATS server who may do what: the service behind its auth callout
    #[cfg(feature = "nats")]
    NatsAuth(crate::alone::NatsAuthArgs),
}

impl Cli {
    /// Runs the chosen subcommand.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Up(a) => crate::up::start(a),
            Command::Inspect(a) => crate::inspect::run(a),
            Command::Kill(a) => crate::latch::run(a, true),
            Command::Release(a) => crate::latch::run(a, false),
            Command::Debug(a) => crate::admin::run_debug(a),
            Command::Venue(a) => crate::alone::run_venue(a),
            Command::Coordinator(a) => crate::alone::run_coordinator(a),
            #[cfg(feature = "kubernetes")]
            Command::Operator(a) => crate::operator::run(a),
            #[cfg(feature = "kubernetes")]
            Command::Chart(a) => crate::chart::run(a),
            Command::Worker(a) => crate::alone::run_worker(a),
            #[cfg(feature = "nats")]
            Command::NatsAuth(a) => crate::alone::run_nats_auth(a),
        }
    }
}

#[cfg(all(test, feature = "kubernetes"))]
#[path = "cli_tests.rs"]
mod tests;
