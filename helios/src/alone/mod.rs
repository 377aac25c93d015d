//! Roles as processes of their own: `helios venue`, `helios coordinator`, `helios worker`.
//!
//! `helios up` runs the same roles as tasks that share one bus in memory. Between processes the bus is NATS ([`nats`]).
//! Without it a coordinator grants nobody and a worker is granted nothing: the one guards the account, the other a
//! position. Both talk to the venue over its real protocol, as everything does.

mod accounts_file;
mod alerts;
#[cfg(feature = "kubernetes")]
mod cluster;
mod coordinator;
mod desk;
mod going;
mod keys;
mod link;
#[cfg(feature = "nats")]
mod listen;
mod local;
mod nats;
#[cfg(feature = "nats")]
mod nats_auth;
mod own;
mod params_file;
mod pick;
mod publish;
mod secret_dir;
mod source;
mod tap;
#[cfg(feature = "kubernetes")]
mod token_review;
mod venue;
mod venue_faults;
mod venue_market;
mod venue_rules;
mod wait;
mod worker;

#[cfg(all(test, feature = "kubernetes"))]
pub(crate) use coordinator::LEAVE_BY as COORDINATOR_LEAVES_BY;
pub use coordinator::{CoordinatorArgs, run as run_coordinator};
pub use nats::{HELP as NATS_HELP, NatsArgs, Side};
#[cfg(feature = "nats")]
pub use nats_auth::{NatsAuthArgs, run as run_nats_auth};
#[cfg(feature = "nats")]
pub use pick::full;
pub use venue::{VenueArgs, run as run_venue};
#[cfg(all(test, feature = "kubernetes"))]
pub(crate) use worker::LEAVE_BY as WORKER_LEAVES_BY;
pub use worker::{WorkerArgs, run as run_worker};

use crate::logs::Logs;
use anyhow::{Context, Result};
use helios_crds::LogLevel;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Name of this process among others: of its pod, else of its host, and its life.
#[cfg(feature = "kubernetes")]
pub(crate) fn pod_identity() -> String {
    cluster::identity(None)
}

/// What is logged unless `HELIOS_LOG` says otherwise. What a connection does is told by the bus, in its own words and once; what
/// an API server does, by whoever asks it.
const LOG: &str = "warn,helios=info,helios_worker=info,helios_coordinator=info,helios_binance=info,helios_bus=info,helios_lease=info,helios_operator=info,helios_venue=info,async_nats=off,kube_client=off,kube_runtime=off";

/// Where a role writes and shows what it does.
#[derive(Clone, Debug, clap::Args)]
pub struct LogArgs {
    /// Also write helios.log and alerts.log here: a directory of its own for each process
    #[arg(long, value_name = "DIR")]
    pub logs: Option<PathBuf>,
    /// Serve /metrics (Prometheus), /healthz and /readyz here, e.g. 127.0.0.1:9184; no password
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<SocketAddr>,
}

impl LogArgs {
    /// Opens the files, if any are wanted, and takes over the process's log; lines go to standard error too.
    ///
    /// # Errors
    /// A file can't be written.
    fn start(&self, level: LogLevel) -> Result<Option<Logs>> {
        let dir = self.logs.as_deref();
        dir.map(|d| Logs::start(d, crate::logs::filter(level), true, true))
            .transpose()
    }
}

/// Runs a role on a runtime of its own, with its log on standard error: standard output is for what it reports.
pub(crate) fn block_on(role: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    let filter = EnvFilter::try_from_env("HELIOS_LOG").unwrap_or_else(|_| EnvFilter::new(LOG));
    // Fails only when a log is in force already, which is as good.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no async runtime")?;
    let result = runtime.block_on(role);
    // Whatever a task still waits for must not hold the exit back.
    runtime.shutdown_timeout(Duration::from_secs(2));
    result
}

/// What resolves when somebody asks the process to end. From this call on a signal kills nothing, so it comes before the role
/// says that it is there.
pub(crate) fn asked_to_end() -> Result<impl Future<Output = &'static str>> {
    let mut terminate = signal(SignalKind::terminate()).context("no signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("no signals")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => "Ctrl-C",
            _ = terminate.recv() => "asked to end",
        }
    })
}

/// Prints one line of the role's report. False when nobody reads any more, which ends no role: a guard must not die with
/// the pipe it talks into.
fn say(line: &str) -> bool {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}
