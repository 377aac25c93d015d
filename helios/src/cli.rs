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
    /// Data-quality report of a recording: gaps, crossed books, book against bookTicker, clock offset, NOBI.
    Inspect(crate::inspect::Args),
}

impl Cli {
    /// Runs the chosen subcommand.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Inspect(a) => crate::inspect::run(a),
        }
    }
}
