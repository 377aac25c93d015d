//! `helios worker`: one symbol's worker as a process of its own.

use super::link::{self, LinkArgs};
use super::{asked_to_end, block_on, pick, say};
use anyhow::{Context, Result};
use clap::Args;
use helios_bus::memory::MemoryBus;
use helios_bus::typed::AccountBus;
use helios_core::messages::{Alert, WorkerReport};
use helios_core::params::OnDelete;
use helios_crds::convert;
use helios_worker::{Control, WorkerConfig, WorkerExit, WorkerLinks};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// What leaving may take before it is cut short.
const LEAVE_BY: Duration = Duration::from_secs(20);

/// Arguments of `helios worker`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "A worker alone guards what is there: it reads the venue, adopts the symbol's position and its stops, places a stop\n\
that is missing, trails it, and leaves by the strategy's exits. It adds no exposure: permission comes from a\n\
coordinator, and workers of one process can't reach the coordinator of another. After 30 s without one the stop\n\
stays where it is at the venue. The bus between processes comes with NATS; `helios up` runs everything together.\n\n\
Example:\n  helios venue --speed 60 &\n  helios worker config/samples/quickstart.yaml --symbol BTCUSDT"
)]
pub struct WorkerArgs {
    /// Manifest files, or directories of *.yaml
    #[arg(value_name = "FILES|DIR", required = true)]
    files: Vec<PathBuf>,
    /// Which strategy, `name` or `namespace/name`; may be left out when there is one
    #[arg(long, value_name = "NAME")]
    strategy: Option<String>,
    /// Contract, e.g. BTCUSDT
    #[arg(long, value_name = "SYMBOL")]
    symbol: String,
    #[command(flatten)]
    link: LinkArgs,
    /// Close the position at the end; without it the position stays with its stops at the venue
    #[arg(long)]
    flatten: bool,
    /// Print every report as a JSON line
    #[arg(long)]
    json: bool,
}

/// Runs `helios worker`.
///
/// # Errors
/// A refused start, or the failure that ended it, in words; confirmed stops stay at the venue.
pub fn run(args: WorkerArgs) -> Result<ExitCode> {
    block_on(work(args))
}

async fn work(args: WorkerArgs) -> Result<ExitCode> {
    let manifests = pick::load(&args.files)?;
    let strategy = pick::strategy(&manifests, args.strategy.as_deref())?;
    let account_name = strategy.account_name();
    let account = pick::account(&manifests, Some(&account_name))?;
    let (strategy_uid, params) = pick::params(strategy);
    let config = WorkerConfig {
        account: account_name.clone(),
        strategy: strategy.metadata.full_name(),
        strategy_uid,
        task_uid: format!("worker-{}", std::process::id()),
        symbol: args.symbol.to_uppercase(),
        environment: convert::account_params(account).environment,
        params,
        egress: None,
        depth_cadence: "100ms".into(),
    };
    let rest = link::connect(account, &args.link).await?;
    let bus = AccountBus::new(Arc::new(MemoryBus::new()), account_name);
    let (mut reports, mut alerts) = (bus.reports().await?, bus.alerts().await?);
    tracing::info!(
        symbol = config.symbol,
        strategy = config.strategy,
        "worker runs alone: it guards an existing position and adds no exposure; after 30 s its stop no longer trails"
    );
    let (control, receiver) = mpsc::channel(4);
    let mut role = tokio::spawn(helios_worker::run(
        config,
        WorkerLinks { rest, bus },
        receiver,
    ));
    let end = asked_to_end();
    tokio::pin!(end);
    let mut before = String::new();
    let ended = loop {
        tokio::select! {
            why = &mut end => {
                let how = if args.flatten { OnDelete::Flatten } else { OnDelete::KeepProtected };
                tracing::info!(?how, "leaving: {}", why?);
                control.send(Control::Shutdown(how)).await.ok();
                let left = timeout(LEAVE_BY, &mut role).await;
                break left.with_context(|| {
                    format!("the worker did not leave in {LEAVE_BY:?}: what is open keeps its stops at the venue")
                })?;
            }
            ended = &mut role => break ended,
            Some(r) = reports.next() => show(&r, args.json, &mut before),
            Some(a) = alerts.next() => log(&a),
        }
    };
    match ended
        .context("the worker crashed: its stops stay at the venue")?
        .context("the worker failed")?
    {
        WorkerExit::Done => tracing::info!("worker left"),
        WorkerExit::Superseded => {
            tracing::info!("worker left: a later worker trades this symbol");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Every report as JSON; in words only what changed.
fn show(r: &WorkerReport, json: bool, before: &mut String) {
    if json {
        if let Ok(line) = serde_json::to_string(r) {
            say(&line);
        }
        return;
    }
    let now = words(r);
    if now != *before {
        tracing::info!("{now}");
        *before = now;
    }
}

/// What a person wants to be told when it changes.
fn words(r: &WorkerReport) -> String {
    let v = &r.view;
    let book = if v.book_synced {
        "book synced"
    } else {
        "book not synced"
    };
    if v.position.is_zero() {
        return format!("{}: {book}, flat, no permission", r.symbol);
    }
    let stop = match (v.stop, v.anchor_confirmed) {
        (Some(s), true) => format!("stop {s} confirmed"),
        (Some(s), false) => format!("STOP {s} NOT CONFIRMED"),
        (None, _) => "NO STOP".into(),
    };
    format!("{}: {book}, holds {}, {stop}", r.symbol, v.position)
}

/// An alert as a line of the log.
fn log(a: &Alert) {
    use helios_core::messages::Severity::{Critical, Info, Warning};
    let symbol = a.symbol.as_deref().unwrap_or("account");
    match a.severity {
        Info => tracing::info!("{} {symbol}: {}", a.code, a.text),
        Warning => tracing::warn!("{} {symbol}: {}", a.code, a.text),
        Critical => tracing::error!("{} {symbol}: {}", a.code, a.text),
    }
}
