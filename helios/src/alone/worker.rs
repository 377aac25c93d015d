//! `helios worker`: one symbol's worker as a process of its own, alone or under a coordinator over NATS.

use super::alerts::Alerts;
use super::link::{self, LinkArgs};
#[cfg(feature = "nats")]
use super::listen;
use super::nats::{self, NatsArgs, Side};
use super::params_file::ParamsFile;
use super::{LogArgs, asked_to_end, block_on, own, pick, say, wait};
use crate::logs::Logs;
use crate::metrics::{self, WorkerMetrics};
use anyhow::{Context, Result};
use clap::Args;
use helios_bus::typed::{AccountBus, ParamsNews};
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
pub(crate) const LEAVE_BY: Duration = Duration::from_secs(20);
/// How long the start waits for published parameters; a position must not wait longer for its guard.
const PARAMS_BY: Duration = Duration::from_secs(1);
/// Between signs of life of the loop.
const BEAT: Duration = Duration::from_millis(500);

/// Arguments of `helios worker`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = format!("A worker guards what is there: it reads the venue, adopts the symbol's position and its stops, places a stop that is\n\
missing, trails it, and leaves by the strategy's exits. Over NATS it also trades: a coordinator permits it, two seconds at\n\
a time, and newer parameters than those of FILES or --params arrive. Without permission it adds no exposure; after 30 s without any the stop\n\
stays where it is at the venue. It starts and guards whether NATS answers or not.\n\n\
Example:\n  helios venue --speed 60 &\n  helios worker config/samples/quickstart.yaml --symbol BTCUSDT\n\n{}", nats::HELP)
)]
pub struct WorkerArgs {
    /// Manifest files, or directories of *.yaml
    #[arg(value_name = "FILES|DIR")]
    #[cfg_attr(not(feature = "nats"), arg(required = true))]
    #[cfg_attr(feature = "nats", arg(required_unless_present = "speak_for"))]
    files: Vec<PathBuf>,
    /// Which strategy, `name` or `namespace/name`; may be left out when there is one
    #[arg(long, value_name = "NAME")]
    strategy: Option<String>,
    /// Contract, e.g. BTCUSDT
    #[arg(long, value_name = "SYMBOL", env = "HELIOS_SYMBOL")]
    #[cfg_attr(not(feature = "nats"), arg(required = true))]
    #[cfg_attr(feature = "nats", arg(required_unless_present = "speak_for"))]
    symbol: Option<String>,
    /// First parameters, as a document of the strategy's instead of what FILES say; watched, and newer ones from it are used like those
    /// over NATS
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
    /// For rehearsals: take and acknowledge parameters and report each second, trade nothing. No grant is asked for, and no
    /// connection to any venue is made: a position there is not guarded
    #[cfg(feature = "nats")]
    #[arg(long, requires = "nats")]
    listen_only: bool,
    /// With --listen-only: speak for all that this JSON list names, each over a connection of its own; read again when it changes:
    /// [{account, symbol, strategy, strategyUid, taskUid, tokenFile, paramsFile}, ...], the two files may be left out
    #[cfg(feature = "nats")]
    #[arg(long, value_name = "FILE", requires = "listen_only", conflicts_with_all = ["files", "params"])]
    speak_for: Option<PathBuf>,
    #[command(flatten)]
    link: LinkArgs,
    /// Identity that permission is bound to; another in every life (default: worker-HOST-PID-START)
    #[arg(long, value_name = "ID", env = "POD_UID")]
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
    #[cfg(feature = "nats")]
    if let Some(list) = args.speak_for.clone() {
        let _logs = args.log.start(helios_crds::LogLevel::Info)?;
        return block_on(listen::for_all(list, args.nats));
    }
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
    let (mut file, params) = match args.params.clone() {
        Some(path) => {
            let (file, first) = ParamsFile::open(path, &strategy_uid)?;
            (Some(file), first)
        }
        None => (None, params),
    };
    let mut config = WorkerConfig {
        account: account_name.clone(),
        strategy: strategy.metadata.full_name(),
        strategy_uid,
        task_uid: args.task_uid.clone().unwrap_or_else(own::task_uid),
        life: own::life(),
        symbol: args.symbol.clone().context("--symbol")?.to_uppercase(),
        environment: convert::account_params(account).environment,
        params,
        egress: None,
        depth_cadence: "100ms".into(),
    };
    #[cfg(feature = "nats")]
    if args.listen_only {
        return listen::for_one(listen::Voice::of(&config), config.params, file, &args.nats).await;
    }
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
    let end = asked_to_end()?;
    tokio::pin!(end);
    let start = async {
        tokio::join!(
            link::connect(account, &args.link, &metrics.waits),
            published(&bus, networked, &config)
        )
    };
    let (rest, published) = tokio::select! {
        started = start => started,
        why = &mut end => {
            tracing::info!("leaving: {why}; nothing was traded");
            return Ok(ExitCode::SUCCESS);
        }
        never = wait::pulse(&metrics.beat) => match never {},
    };
    let rest = rest?;
    // What the file says may be newer: it was written first.
    if let Some(p) = published.filter(|p| p.order() >= config.params.order()) {
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
    let mut book = Alerts::new(&account_name, logs);
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = String::new();
    // What the file said last, until the worker has room for it.
    let mut untold = None;
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
            news = changed(&mut file) => untold = Some(news),
            slot = control.reserve(), if untold.is_some() => {
                // No slot means that the worker has ended, which the next round sees.
                if let (Ok(slot), Some(news)) = (slot, untold.take()) {
                    slot.send(Control::Params(news));
                }
            }
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

/// The next content of the file, where there is one.
async fn changed(file: &mut Option<ParamsFile>) -> ParamsNews {
    match file {
        Some(f) => f.changed().await,
        None => std::future::pending().await,
    }
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
