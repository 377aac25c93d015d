//! `helios coordinator`: the guardian of one account as a process of its own, alone or with others over NATS.
//!
//! Here it is put together and taken down: arguments, state and lock, bus, metrics, role. What goes on in between is the
//! desk's.

use super::alerts::Alerts;
#[cfg(feature = "kubernetes")]
use super::cluster;
use super::desk::{Desk, Ears, Eyes, of_account};
use super::link::{self, LinkArgs};
use super::local::Local;
use super::nats::{self, NatsArgs, Side};
use super::publish::{self, Wanted};
use super::source::Source;
use super::{LogArgs, asked_to_end, block_on, own, pick, wait};
use crate::admin;
use crate::logs::Logs;
use crate::manifests::{Files, Objects};
use crate::metrics::{self, CoordinatorMetrics};
use anyhow::{Context, Result, bail};
use clap::Args;
use helios_bus::Bus;
use helios_bus::memory::MemoryBus;
use helios_bus::typed::AccountBus;
use helios_coordinator::store::{FileStore, GuardianStore, MemoryStore};
use helios_coordinator::{Control, CoordinatorLinks};
use helios_lease::{FileLease, LeaseStore};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// What leaving may take before it is cut short.
pub(crate) const LEAVE_BY: Duration = Duration::from_secs(5);
/// Words of the role that may wait for the desk.
const TOLD: usize = 1024;

/// Arguments of `helios coordinator`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = format!("A coordinator guards an account: it places the stop a position lacks for a second, walks the margin ladder, keeps the\n\
daily loss and drawdown limits and the latches, scans the market and publishes the watchlist. Over NATS it also gives\n\
workers permission to take risk, two seconds at a time, and publishes the strategies' parameters, which it watches in FILES.\n\
Start two with the same --state (or the same --lock): one leads, the other takes over within seconds. Without --nats it has\n\
a bus of its own, in memory: nobody is granted new risk.\n\
Don't run it beside a `helios up` of the same account: that account would have two guardians.\n\n\
Example:\n  helios venue --speed 60 &\n  helios coordinator config/samples/quickstart.yaml --json\n\n{}", nats::HELP)
)]
pub struct CoordinatorArgs {
    /// Manifest files, or directories of *.yaml; watched while it runs
    #[arg(value_name = "FILES|DIR")]
    #[cfg_attr(not(feature = "kubernetes"), arg(required = true))]
    #[cfg_attr(feature = "kubernetes", arg(required_unless_present = "kubernetes"))]
    files: Vec<PathBuf>,
    /// Which account, `name` or `namespace/name`; may be left out when there is one
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Instead of FILES, --state and --lock: objects, state and lock at the API server (of the pod, or of KUBECONFIG). Guards
    /// --account NAMESPACE/NAME; its name is POD_NAME and POD_UID; the operator publishes the parameters
    #[cfg(feature = "kubernetes")]
    #[arg(long, requires = "account", conflicts_with_all = ["files", "state", "lock"])]
    kubernetes: bool,
    #[command(flatten)]
    link: LinkArgs,
    /// Keep peak equity, day start, latches and epoch in guardian.json here; needed with --nats (else: in memory, gone at the end)
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Leader lock: of all coordinators that name this file one leads (with --nats: leader.json in --state; else none)
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    /// Name of this coordinator in logs, lock and metrics (default: the host's)
    #[arg(long, value_name = "NAME")]
    identity: Option<String>,
    /// Loopback address where `helios kill --admin ADDR` on this host reaches the leader, NATS or not (default: none)
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,
    #[command(flatten)]
    log: LogArgs,
    /// Print every snapshot as a JSON line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    nats: NatsArgs,
}

/// Runs `helios coordinator`.
///
/// # Errors
/// A refused start, or the failure that ended it, in words.
pub fn run(args: CoordinatorArgs) -> Result<ExitCode> {
    #[cfg(feature = "kubernetes")]
    if args.kubernetes {
        return run_in_cluster(args);
    }
    let mut files = Files::new(args.files.clone());
    let manifests = files.load()?;
    let account = pick::account(&manifests, args.account.as_deref())?;
    let logs = args.log.start(account.spec.log_level)?;
    let mut objects = Objects::default();
    objects.accept(&manifests, true);
    let start = Start {
        account: account.metadata.full_name(),
        source: Source::Files(files),
        objects,
        kept: None,
        identity: own::identity(args.identity.as_deref()),
    };
    block_on(guard(args, start, logs))
}

#[cfg(feature = "kubernetes")]
fn run_in_cluster(args: CoordinatorArgs) -> Result<ExitCode> {
    // The account says how much is logged, and it is not known yet.
    let logs = args.log.start(helios_crds::LogLevel::Info)?;
    block_on(async move {
        let account = args.account.clone().context("--account NAMESPACE/NAME")?;
        let client = cluster::client().await?;
        let kept = cluster::kept(&client, &account)?;
        let opened = tokio::select! {
            opened = cluster::Cluster::open(client, &account) => opened?,
            why = asked_to_end()? => {
                tracing::info!("leaving: {why}; nothing was guarded yet");
                return Ok(ExitCode::SUCCESS);
            }
        };
        let start = Start {
            source: Source::Cluster(Box::new(opened.0)),
            objects: opened.1,
            kept: Some(kept),
            identity: cluster::identity(args.identity.as_deref()),
            account,
        };
        guard(args, start, logs).await
    })
}

/// What a coordinator begins with.
struct Start {
    account: String,
    source: Source,
    objects: Objects,
    /// Where its state and lock are, unless the arguments say so.
    kept: Option<Kept>,
    identity: String,
}

/// Where its own state lies, and the lock that says who leads.
pub(super) struct Kept {
    pub(super) store: Arc<dyn GuardianStore>,
    pub(super) lock: Option<Arc<dyn LeaseStore>>,
}

impl Kept {
    fn open(args: &CoordinatorArgs, networked: bool) -> Result<Self> {
        if networked && args.state.is_none() {
            bail!(
                "--nats needs --state DIR: peak equity and latches must outlive the process, and the lock lies there"
            );
        }
        let store: Arc<dyn GuardianStore> = match &args.state {
            Some(dir) => Arc::new(FileStore::new(dir)),
            None => Arc::new(MemoryStore::default()),
        };
        let beside_state = || args.state.as_ref().map(|d| d.join("leader.json"));
        let file = args
            .lock
            .clone()
            .or_else(|| networked.then(beside_state).flatten());
        let lock = match file {
            Some(f) => {
                let lease = FileLease::open(&f);
                let lease = lease.with_context(|| format!("--lock {}", f.display()))?;
                Some(Arc::new(lease) as Arc<dyn LeaseStore>)
            }
            None => None,
        };
        Ok(Self { store, lock })
    }
}

async fn guard(args: CoordinatorArgs, start: Start, logs: Option<Logs>) -> Result<ExitCode> {
    let Start {
        account: name,
        mut source,
        objects,
        kept,
        identity,
    } = start;
    let (account, _) = objects.accounts.get(&name).context("no such account")?;
    let config = objects.coordinator(&name).context("no such account")?;
    if config.strategies.is_empty() {
        tracing::warn!("no strategy names this account: nothing is scanned for");
    }
    let bus = args
        .nats
        .start(Side::Coordinator, &name, &format!("coordinator {identity}"))?;
    let networked = bus.is_some();
    let bus: Arc<dyn Bus> = bus.unwrap_or_else(|| Arc::new(MemoryBus::new()));
    let bus = AccountBus::new(bus, &name);
    let kept = match kept {
        Some(k) => k,
        None => Kept::open(&args, networked)?,
    };
    let metrics = Arc::new(CoordinatorMetrics::new(bus.clone(), &identity)?);
    if let Some(addr) = args.log.metrics {
        metrics::serve(addr, metrics.clone()).await?;
    }
    let (desk, words) = mpsc::channel(TOLD);
    let ears = Ears::open(&bus, networked, words).await?;
    let end = asked_to_end()?;
    tokio::pin!(end);
    let rest = tokio::select! {
        rest = link::connect(account, &args.link, &metrics.waits) => rest?,
        why = &mut end => {
            tracing::info!("leaving: {why}; nothing was guarded yet");
            return Ok(ExitCode::SUCCESS);
        }
        never = wait::pulse(&metrics.beat) => match never {},
        never = wait::told(&metrics.waits, &bus, kept.lock.as_ref()) => match never {},
    };
    let (lead, leads) = watch::channel(false);
    let links = CoordinatorLinks {
        rest,
        bus: bus.clone(),
        store: kept.store,
        lock: kept.lock,
        identity: identity.clone(),
        observer: Arc::new(Eyes {
            metrics: metrics.clone(),
            leads: lead,
            desk,
        }),
    };
    let (control, receiver) = mpsc::channel(4);
    let told = Some(config.clone());
    let mut role = tokio::spawn(helios_coordinator::run(config, links, receiver));
    if networked {
        tracing::info!(account = name, identity, "coordinator runs");
    } else {
        tracing::info!(
            account = name,
            "coordinator runs alone: it guards the account; workers of other processes can't reach it"
        );
    }
    if let Some(addr) = args.admin {
        let (asked, asks) = mpsc::channel(4);
        let bound = admin::serve(addr, asked).await?;
        tracing::info!("admin port at {bound}: `helios kill --admin {bound}`");
        let local = Local {
            account: name.clone(),
            identity,
            bus: bus.clone(),
            leads: leads.clone(),
            control: control.clone(),
        };
        tokio::spawn(local.answer(asks));
    }
    let (strategies, wanted) = watch::channel(of_account(&objects, &name));
    let (acknowledged, acks) = watch::channel(BTreeMap::new());
    // Where an operator is, it alone says what the parameters are.
    if source.publishes() {
        let wanted = Wanted {
            strategies: wanted,
            leads: leads.clone(),
            acknowledged: acks,
        };
        tokio::spawn(publish::publish(bus, wanted, metrics.clone()));
    }
    let mut desk = Desk {
        account: name.clone(),
        alerts: Alerts::new(&name, logs),
        metrics,
        objects,
        strategies,
        acknowledged,
        control,
        leads,
        told,
        config_due: false,
        flattens: source.flattens(),
        json: args.json,
        shown: String::new(),
        newest: (0, 0),
    };
    let ended = desk.work(&mut role, &mut source, ears, end).await;
    if let Some(failure) = ended? {
        return Err(failure);
    }
    let left = timeout(LEAVE_BY, async {
        desk.control.send(Control::Shutdown).await.ok();
        (&mut role).await
    });
    match left.await {
        Ok(ended) => ended.context("the coordinator crashed")??,
        Err(_) => {
            role.abort();
            bail!("the coordinator did not end in {LEAVE_BY:?}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(all(test, feature = "kubernetes"))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: CoordinatorArgs,
    }

    fn refused(line: &[&str]) -> String {
        let parsed = Cli::try_parse_from([&["x"], line].concat());
        parsed.unwrap_err().to_string()
    }

    #[test]
    fn files_and_the_api_server_are_two_ways_and_neither_is_half_taken() {
        let line = ["x", "--kubernetes", "--account", "ns/a"];
        let whole = Cli::try_parse_from(line).unwrap().args;
        assert!(whole.kubernetes && whole.files.is_empty());
        assert!(refused(&[]).contains("FILES|DIR"));
        assert!(refused(&["--kubernetes"]).contains("--account"));
        for other in [&["f.yaml"][..], &["--state", "d"], &["--lock", "f"]] {
            let line = [&line[1..], other].concat();
            assert!(refused(&line).contains("cannot be used with"), "{other:?}");
        }
    }
}
