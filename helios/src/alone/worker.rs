//! `helios worker`: one symbol's worker as a process of its own, alone or under a coordinator over NATS.

use super::alerts::Alerts;
use super::link::{self, LinkArgs};
use super::nats::{self, NatsArgs, Side};
use super::{LogArgs, asked_to_end, block_on, own, pick, say};
use crate::logs::Logs;
use crate::metrics::{self, WorkerMetrics};
use anyhow::{Context, Result};
use clap::Args;
use helios_bus::typed::AccountBus;
use helios_core::messages::{ParamsDocument, WorkerReport};
use helios_core::params::OnDelete;
use helios_crds::convert;
use helios_crds::manifest::Manifests;
use helios_worker::{Control, WorkerConfig, WorkerExit, WorkerLinks};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// What leaving may take before it is cut short.
const LEAVE_BY: Duration = Duration::from_secs(20);
/// How long the start waits for published parameters; a position must not wait longer for its guard.
const PARAMS_BY: Duration = Duration::from_secs(1);
/// Between signs of life of the loop.
const BEAT: Duration = Duration::from_millis(500);

/// Arguments of `helios worker`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = format!("A worker guards what is there: it reads the venue, adopts the symbol's position and its stops, places a stop that is\n\
missing, trails it, and leaves by the strategy's exits. Over NATS it also trades: a coordinator permits it, two seconds at\n\
a time, and tells it newer parameters than FILES. Without permission it adds no exposure; after 30 s without any the stop\n\
stays where it is at the venue. It starts and guards whether NATS answers or not.\n\n\
Example:\n  helios venue --speed 60 &\n  helios worker config/samples/quickstart.yaml --symbol BTCUSDT\n\n{}", nats::HELP)
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
    /// Identity that permission is bound to; another in every life (default: worker-HOST-PID-START)
    #[arg(long, value_name = "ID")]
    task_uid: Option<String>,
    /// Name of this process's way out to the exchange: workers of one name share one IP's request weight
    #[arg(long, value_name = "NAME", env = "HELIOS_EGRESS", default_value = "")]
    egress: String,
    /// Close the position at the end; without it the position stays with its stops at the venue
    #[arg(long)]
    flatten: bool,
    #[command(flatten)]
    log: LogArgs,
    /// Print every report as a JSON line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    nats: NatsArgs,
}

/// Runs `helios worker`.
///
/// # Errors
/// A refused start, or the failure that ended it, in words; confirmed stops stay at the venue.
pub fn run(args: WorkerArgs) -> Result<ExitCode> {
    let manifests = pick::load(&args.files)?;
    let strategy = pick::strategy(&manifests, args.strategy.as_deref())?;
    let account = pick::account(&manifests, Some(&strategy.account_name()))?;
    let logs = args.log.start(account.spec.log_level)?;
    block_on(work(args, manifests, logs))
}

async fn work(args: WorkerArgs, manifests: Manifests, logs: Option<Logs>) -> Result<ExitCode> {
    let strategy = pick::strategy(&manifests, args.strategy.as_deref())?;
    let account_name = strategy.account_name();
    let account = pick::account(&manifests, Some(&account_name))?;
    let (strategy_uid, params) = pick::params(strategy);
    let mut config = WorkerConfig {
        account: account_name.clone(),
        strategy: strategy.metadata.full_name(),
        strategy_uid,
        task_uid: args.task_uid.clone().unwrap_or_else(own::task_uid),
        symbol: args.symbol.to_uppercase(),
        environment: convert::account_params(account).environment,
        params,
        egress: None,
        depth_cadence: "100ms".into(),
    };
    let side = Side::Worker {
        symbol: &config.symbol,
        strategy: &config.strategy,
    };
    let network = args.nats.start(side, &account_name, &config.task_uid)?;
    let networked = network.is_some();
    config.egress = networked.then(|| args.egress.clone());
    let (bus, copy) = own::bus(network, &account_name);
    let (mut reports, mut alerts) = (copy.reports().await?, copy.alerts().await?);
    let metrics = Arc::new(WorkerMetrics::new(
        bus.clone(),
        &config.strategy,
        &config.symbol,
    )?);
    if let Some(addr) = args.log.metrics {
        metrics::serve(addr, metrics.clone()).await?;
    }
    let (rest, published) = tokio::join!(
        link::connect(account, &args.link),
        published(&bus, networked, &config)
    );
    let rest = rest?;
    if let Some(p) = published {
        tracing::info!(generation = p.generation, "parameters as published");
        config.params = p;
    }
    if networked {
        tracing::info!(
            symbol = config.symbol,
            strategy = config.strategy,
            task = config.task_uid,
            "worker runs"
        );
    } else {
        tracing::info!(
            symbol = config.symbol,
            strategy = config.strategy,
            "worker runs alone: it guards an existing position and adds no exposure; after 30 s its stop no longer trails"
        );
    }
    let (control, receiver) = mpsc::channel(4);
    let mut role = tokio::spawn(helios_worker::run(
        config,
        WorkerLinks { rest, bus },
        receiver,
    ));
    let end = asked_to_end()?;
    tokio::pin!(end);
    let mut book = Alerts::new(&account_name, logs);
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = String::new();
    let ended = loop {
        tokio::select! {
            why = &mut end => {
                let how = if args.flatten { OnDelete::Flatten } else { OnDelete::KeepProtected };
                tracing::info!(?how, "leaving: {why}");
                let left = timeout(LEAVE_BY, async {
                    control.send(Control::Shutdown(how)).await.ok();
                    (&mut role).await
                });
                break left.await.with_context(|| {
                    format!("the worker did not leave in {LEAVE_BY:?}: what is open keeps its stops at the venue")
                })?;
            }
            ended = &mut role => break ended,
            Some(r) = reports.next() => {
                metrics.report(&r);
                show(&r, args.json, networked, &mut before);
            }
            Some(a) = alerts.next() => {
                metrics.alert(&a);
                book.own(&a);
            }
            _ = beat.tick() => metrics.beat.beat(),
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

/// The strategy's parameters as they stand published, if the bus says so in time; else the file's serve until it does.
async fn published(
    bus: &AccountBus,
    networked: bool,
    config: &WorkerConfig,
) -> Option<ParamsDocument> {
    if !networked {
        return None;
    }
    let mut state = bus.transport().state();
    let read = async {
        state.wait_for(|s| s.connected).await.ok()?;
        bus.read_params(&config.strategy).await.ok().flatten()
    };
    let found = timeout(PARAMS_BY, read).await.ok().flatten()?;
    (found.strategy_uid == config.strategy_uid).then_some(found)
}

/// Every report as JSON; in words only what changed.
fn show(r: &WorkerReport, json: bool, networked: bool, before: &mut String) {
    if json {
        if let Ok(line) = serde_json::to_string(r) {
            say(&line);
        }
        return;
    }
    let now = words(r, networked);
    if now != *before {
        tracing::info!("{now}");
        *before = now;
    }
}

/// What a person wants to be told when it changes.
fn words(r: &WorkerReport, networked: bool) -> String {
    let v = &r.view;
    let book = if v.book_synced {
        "book synced"
    } else {
        "book not synced"
    };
    let allowed = match (v.granted, networked) {
        (true, _) => "permitted",
        (false, true) => "no permission: exits only",
        (false, false) => "no permission",
    };
    if v.position.is_zero() {
        return format!("{}: {book}, flat, {allowed}", r.symbol);
    }
    let stop = match (v.stop, v.anchor_confirmed) {
        (Some(s), true) => format!("stop {s} confirmed"),
        (Some(s), false) => format!("STOP {s} NOT CONFIRMED"),
        (None, _) => "NO STOP".into(),
    };
    format!(
        "{}: {book}, holds {}, {stop}, {allowed}",
        r.symbol, v.position
    )
}
