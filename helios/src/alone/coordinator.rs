//! `helios coordinator`: the guardian of one account as a process of its own, alone or with others over NATS.
//!
//! Here it is put together and taken down: arguments, state and lock, bus, metrics, role. What goes on in between is the
//! desk's.

use super::alerts::Alerts;
use super::desk::{Desk, Ears, Eyes, of_account};
use super::link::{self, LinkArgs};
use super::local::Local;
use super::nats::{self, NatsArgs, Side};
use super::publish::{self, Wanted};
use super::{LogArgs, block_on, own, pick};
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
use helios_crds::manifest::Manifests;
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
const LEAVE_BY: Duration = Duration::from_secs(5);
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
    #[arg(value_name = "FILES|DIR", required = true)]
    files: Vec<PathBuf>,
    /// Which account, `name` or `namespace/name`; may be left out when there is one
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
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
    let mut files = Files::new(args.files.clone());
    let manifests = files.load()?;
    let account = pick::account(&manifests, args.account.as_deref())?;
    let logs = args.log.start(account.spec.log_level)?;
    block_on(guard(args, files, manifests, logs))
}

/// Where its own state lies, and the lock that says who leads.
struct Kept {
    store: Arc<dyn GuardianStore>,
    lock: Option<Arc<dyn LeaseStore>>,
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

async fn guard(
    args: CoordinatorArgs,
    mut files: Files,
    manifests: Manifests,
    logs: Option<Logs>,
) -> Result<ExitCode> {
    let account = pick::account(&manifests, args.account.as_deref())?;
    let name = account.metadata.full_name();
    let mut objects = Objects::default();
    objects.accept(&manifests, true);
    let config = objects.coordinator(&name).context("no such account")?;
    if config.strategies.is_empty() {
        tracing::warn!("no strategy names this account: nothing is scanned for");
    }
    let identity = own::identity(args.identity.as_deref());
    let bus = args
        .nats
        .start(Side::Coordinator, &name, &format!("coordinator {identity}"))?;
    let networked = bus.is_some();
    let bus: Arc<dyn Bus> = bus.unwrap_or_else(|| Arc::new(MemoryBus::new()));
    let bus = AccountBus::new(bus, &name);
    let kept = Kept::open(&args, networked)?;
    let metrics = Arc::new(CoordinatorMetrics::new(bus.clone(), &identity)?);
    if let Some(addr) = args.log.metrics {
        metrics::serve(addr, metrics.clone()).await?;
    }
    let (desk, words) = mpsc::channel(TOLD);
    let ears = Ears::open(&bus, networked, words).await?;
    let rest = link::connect(account, &args.link).await?;
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
            leads: leads.clone(),
            control: control.clone(),
        };
        tokio::spawn(local.answer(asks));
    }
    let (strategies, wanted) = watch::channel(of_account(&objects, &name));
    let (acknowledged, acks) = watch::channel(BTreeMap::new());
    let wanted = Wanted {
        strategies: wanted,
        leads,
        acknowledged: acks,
    };
    tokio::spawn(publish::publish(bus, wanted, metrics.clone()));
    let mut desk = Desk {
        account: name.clone(),
        alerts: Alerts::new(&name, logs),
        metrics,
        objects,
        strategies,
        acknowledged,
        control,
        config_due: false,
        json: args.json,
        shown: String::new(),
        newest: (0, 0),
    };
    let ended = desk.work(&mut role, &mut files, ears).await;
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
