//! The `helios` command line: one binary for every role.
//!
//! Each subcommand lives in its own module with an `Args` struct (clap) and a `run(Args) -> anyhow::Result<ExitCode>`;
//! [`cli`] only lists them. The TLS provider is installed here, first, before anything could open a connection.

mod admin;
mod alone;
#[cfg(feature = "kubernetes")]
mod api_server;
#[cfg(feature = "kubernetes")]
mod chart;
mod cli;
mod inspect;
mod latch;
mod logs;
mod manifests;
mod metrics;
#[cfg(feature = "kubernetes")]
mod operator;
mod printed;
mod up;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Fails only when a provider is installed already, which is what we want.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match cli::Cli::parse().run() {
        Ok(code) => code,
        Err(e) => {
            eprintln!("helios: {e:#}");
            ExitCode::FAILURE
        }
    }
}
