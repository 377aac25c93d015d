//! `helios-cluster up`: a control plane with fake nodes, to try things by hand. It runs until Ctrl-C.

use anyhow::{Context, Result, bail};
use helios_e2e::{ControlPlane, Options};
use std::io::Write;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let mut options = Options::default();
    match (args.next().as_deref(), args.next()) {
        (Some("up"), nodes) => {
            if let Some(nodes) = nodes {
                options.nodes = nodes.parse().context("how many fake nodes")?;
            }
        }
        _ => bail!("usage: helios-cluster up [fake nodes]"),
    }
    let mut end = signal(SignalKind::terminate())?;
    let cluster = tokio::select! {
        cluster = ControlPlane::start(options) => cluster?,
        _ = end.recv() => return Ok(()),
        _ = tokio::signal::ctrl_c() => return Ok(()),
    };
    // One line to be read by a shell: everything else goes to standard error.
    println!("export KUBECONFIG={}", cluster.kubeconfig_path().display());
    std::io::stdout().flush()?;
    eprintln!(
        "ready after {:.1} s; logs are in {}; Ctrl-C ends it",
        cluster.ready_after().as_secs_f64(),
        cluster.directory().display()
    );
    tokio::select! {
        _ = end.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(())
}
