//! `helios coordinator`: the guardian of one account as a process of its own.

use super::link::{self, LinkArgs};
use super::{asked_to_end, block_on, pick, say};
use anyhow::{Context, Result, bail};
use clap::Args;
use helios_bus::memory::MemoryBus;
use helios_bus::typed::AccountBus;
use helios_coordinator::observe::NoObserver;
use helios_coordinator::store::{FileStore, GuardianStore, MemoryStore};
use helios_coordinator::{Control, CoordinatorLinks};
use helios_core::messages::AccountSnapshot;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// What leaving may take before it is cut short.
const LEAVE_BY: Duration = Duration::from_secs(5);

/// Arguments of `helios coordinator`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "A coordinator alone guards an account: it places the stop a position lacks for a second, walks the margin ladder,\n\
keeps the daily loss and drawdown limits and the latches, scans the market and publishes the watchlist.\n\
It has a bus of its own, in memory: workers of other processes can't reach it, so nobody is granted new risk.\n\
The bus between processes comes with NATS; until then `helios up` runs coordinator and workers together.\n\
Don't run it beside a `helios up` of the same account: that account would have two guardians.\n\n\
Example:\n  helios venue --speed 60 &\n  helios coordinator config/samples/quickstart.yaml --json"
)]
pub struct CoordinatorArgs {
    /// Manifest files, or directories of *.yaml
    #[arg(value_name = "FILES|DIR", required = true)]
    files: Vec<PathBuf>,
    /// Which account, `name` or `namespace/name`; may be left out when there is one
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    #[command(flatten)]
    link: LinkArgs,
    /// Keep peak equity, day start, latches and epoch in guardian.json here (default: in memory, gone at the end)
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Print every snapshot as a JSON line
    #[arg(long)]
    json: bool,
}

/// Runs `helios coordinator`.
///
/// # Errors
/// A refused start, or the failure that ended it, in words.
pub fn run(args: CoordinatorArgs) -> Result<ExitCode> {
    block_on(guard(args))
}

async fn guard(args: CoordinatorArgs) -> Result<ExitCode> {
    let manifests = pick::load(&args.files)?;
    let account = pick::account(&manifests, args.account.as_deref())?;
    let config = pick::coordinator(&manifests, account);
    if config.strategies.is_empty() {
        tracing::warn!("no strategy names this account: nothing is scanned for");
    }
    let name = account.metadata.full_name();
    let rest = link::connect(account, &args.link).await?;
    let bus = AccountBus::new(Arc::new(MemoryBus::new()), name.clone());
    let mut snapshots = bus.snapshots().await?;
    let store: Arc<dyn GuardianStore> = match &args.state {
        Some(dir) => Arc::new(FileStore::new(dir)),
        None => Arc::new(MemoryStore::default()),
    };
    let links = CoordinatorLinks {
        rest,
        bus,
        store,
        lock: None,
        identity: format!("coordinator-{}", std::process::id()),
        observer: Arc::new(NoObserver),
    };
    let (control, receiver) = mpsc::channel(4);
    let mut role = tokio::spawn(helios_coordinator::run(config, links, receiver));
    tracing::info!(
        account = name,
        "coordinator runs alone: it guards the account; workers of other processes can't reach it"
    );
    let end = asked_to_end();
    tokio::pin!(end);
    let mut before = String::new();
    loop {
        tokio::select! {
            why = &mut end => {
                tracing::info!("leaving: {}; stops stay at the venue", why?);
                break;
            }
            ended = &mut role => {
                ended.context("the coordinator crashed")?.context("the coordinator failed")?;
                bail!("the coordinator ended without being asked to");
            }
            Some((s, _)) = snapshots.next() => show(&s, args.json, &mut before),
        }
    }
    control.send(Control::Shutdown).await.ok();
    match timeout(LEAVE_BY, &mut role).await {
        Ok(ended) => ended.context("the coordinator crashed")??,
        Err(_) => {
            role.abort();
            bail!("the coordinator did not end in {LEAVE_BY:?}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Every snapshot as JSON; in words only what changed.
fn show(s: &AccountSnapshot, json: bool, before: &mut String) {
    if json {
        if let Ok(line) = serde_json::to_string(s) {
            say(&line);
        }
        return;
    }
    let now = words(s);
    if now != *before {
        tracing::info!(equity = %s.equity, exposure = %s.gross_notional, margin_ratio = %s.margin_ratio.round_dp(1), "{now}");
        *before = now;
    }
}

/// What a person wants to be told when it changes.
fn words(s: &AccountSnapshot) -> String {
    if !s.known {
        return "account not known yet: no new risk".into();
    }
    let mut t = format!("{:?}", s.level);
    if s.halted {
        t += ", halted";
    }
    if !s.latches.is_empty() {
        t += &format!(", latches {}", s.latches.join(" "));
    }
    for (strategy, symbols) in &s.wanted {
        t += &format!("; {strategy} wants {}", symbols.join(" "));
    }
    for (symbol, qty) in &s.positions {
        t += &format!("; holds {symbol} {qty}");
    }
    t
}
