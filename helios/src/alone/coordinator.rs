//! `helios coordinator`: the guardian of one account as a process of its own, alone or with others over NATS.

use super::alerts::Alerts;
use super::link::{self, LinkArgs};
use super::nats::{self, NatsArgs, Side};
use super::publish::{self, Wanted};
use super::{LogArgs, asked_to_end, block_on, own, pick, say};
use crate::logs::Logs;
use crate::manifests::{Files, Objects};
use crate::metrics::{self, CoordinatorMetrics};
use anyhow::{Context, Result, bail};
use clap::Args;
use helios_bus::Bus;
use helios_bus::memory::MemoryBus;
use helios_bus::typed::{AccountBus, Typed, TypedWatch};
use helios_coordinator::observe::Observer;
use helios_coordinator::store::{FileStore, GuardianStore, MemoryStore};
use helios_coordinator::{Control, CoordinatorLinks};
use helios_core::guardian::GuardianEffect;
use helios_core::messages::{AccountSnapshot, Alert};
use helios_crds::HeliosStrategy;
use helios_crds::manifest::{ManifestError, Manifests};
use helios_lease::{FileLease, LeaseStore};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// What leaving may take before it is cut short.
const LEAVE_BY: Duration = Duration::from_secs(5);
/// Words of the role that may wait for the desk.
const TOLD: usize = 1024;
/// Between signs of life of the loop.
const BEAT: Duration = Duration::from_millis(500);

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

/// What the role does, as it does it: to the metrics, to the desk, and to whoever waits for leadership.
#[derive(Debug)]
struct Eyes {
    metrics: Arc<CoordinatorMetrics>,
    leads: watch::Sender<bool>,
    desk: mpsc::Sender<Heard>,
}

impl Observer for Eyes {
    fn effect(&self, effect: &GuardianEffect) {
        self.metrics.effect(effect);
        let told = match effect {
            GuardianEffect::Alert(a) => Heard::Own(a.clone()),
            GuardianEffect::Publish(s) => Heard::Snapshot(s.clone()),
            _ => return,
        };
        // The role never waits for the desk; what finds no room is in the log of the role.
        let _ = self.desk.try_send(told);
    }

    fn fence_acknowledged(&self) {
        self.metrics.fence_acknowledged();
    }

    fn leadership(&self, leading: bool, epoch: u64) {
        self.metrics.leadership(leading, epoch);
        self.leads
            .send_if_modified(|l| std::mem::replace(l, leading) != leading);
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

fn of_account(objects: &Objects, account: &str) -> BTreeMap<String, HeliosStrategy> {
    let all = objects.strategies.iter();
    let of_it = all.filter(|(_, c)| c.object.account_name() == account);
    of_it
        .map(|(name, c)| {
            let mut object = c.object.clone();
            // One that was taken out of the files keeps what it has until it is flat, and opens nothing.
            object.spec.suspend |= c.deleting;
            (name.clone(), object)
        })
        .collect()
}

/// What is heard: this process's own words at once, whatever the network does, and the others' over it.
struct Ears {
    own: mpsc::Receiver<Heard>,
    network: Option<(TypedWatch<AccountSnapshot>, Typed<Alert>)>,
}

impl Ears {
    async fn open(bus: &AccountBus, networked: bool, own: mpsc::Receiver<Heard>) -> Result<Self> {
        let network = if networked {
            Some((bus.snapshots().await?, bus.alerts().await?))
        } else {
            None
        };
        Ok(Self { own, network })
    }

    async fn next(&mut self) -> Heard {
        let (snapshots, alerts) = match &mut self.network {
            Some((s, a)) => (Some(s), Some(a)),
            None => (None, None),
        };
        tokio::select! {
            // Own words before their echo.
            biased;
            Some(own) = self.own.recv() => own,
            Some((s, _)) = maybe(snapshots.map(|s| s.next())) => Heard::Snapshot(Box::new(s)),
            Some(a) = maybe(alerts.map(|a| a.next())) => Heard::Other(a),
            else => std::future::pending().await,
        }
    }
}

async fn maybe<T>(f: Option<impl Future<Output = T>>) -> T {
    match f {
        Some(f) => f.await,
        None => std::future::pending().await,
    }
}

#[derive(Debug)]
enum Heard {
    Snapshot(Box<AccountSnapshot>),
    Own(Alert),
    Other(Alert),
}

type Role = tokio::task::JoinHandle<Result<(), helios_coordinator::CoordinatorError>>;

/// The process around the role: files in, words out.
struct Desk {
    account: String,
    alerts: Alerts,
    metrics: Arc<CoordinatorMetrics>,
    objects: Objects,
    strategies: watch::Sender<BTreeMap<String, HeliosStrategy>>,
    acknowledged: watch::Sender<BTreeMap<String, u64>>,
    control: mpsc::Sender<Control>,
    /// The role has yet to be told of an edit.
    config_due: bool,
    json: bool,
    shown: String,
    newest: (u64, u64),
}

impl Desk {
    /// Until somebody asks it to end, or the role ends by itself (then with why).
    async fn work(
        &mut self,
        role: &mut Role,
        files: &mut Files,
        mut ears: Ears,
    ) -> Result<Option<anyhow::Error>> {
        let end = asked_to_end()?;
        tokio::pin!(end);
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                why = &mut end => {
                    tracing::info!("leaving: {why}; stops stay at the venue");
                    return Ok(None);
                }
                ended = &mut *role => {
                    return Ok(Some(match ended {
                        Err(e) => anyhow::Error::new(e).context("the coordinator crashed"),
                        Ok(Err(e)) => anyhow::Error::new(e).context("the coordinator failed"),
                        Ok(Ok(())) => anyhow::anyhow!("the coordinator ended without being asked to"),
                    }));
                }
                heard = ears.next() => self.heard(heard),
                changed = files.changed() => self.reload(changed),
                _ = beat.tick() => self.metrics.beat.beat(),
            }
            self.tell();
        }
    }

    fn heard(&mut self, heard: Heard) {
        match heard {
            Heard::Snapshot(s) => {
                self.metrics.snapshot(&s);
                if (s.epoch, s.seq) <= self.newest {
                    return;
                }
                self.newest = (s.epoch, s.seq);
                let acks = publish::acknowledged(&s);
                self.acknowledged.send_if_modified(|a| {
                    *a != acks && {
                        *a = acks;
                        true
                    }
                });
                show(&s, self.json, &mut self.shown);
            }
            Heard::Own(a) => {
                self.alerts.own(&a);
                self.metrics.alert(&a);
            }
            Heard::Other(a) => {
                if self.alerts.heard(&a) {
                    self.metrics.alert(&a);
                }
            }
        }
    }

    /// Takes changed files in, whole or not at all.
    fn reload(&mut self, changed: Result<Manifests, ManifestError>) {
        match changed {
            Ok(m) => {
                for words in self.objects.accept(&m, false) {
                    tracing::info!("{words}");
                }
                let all = of_account(&self.objects, &self.account);
                self.strategies.send_if_modified(|s| {
                    *s != all && {
                        *s = all;
                        true
                    }
                });
                self.config_due = true;
            }
            Err(e) => {
                tracing::error!("the edit is not used, the old parameters stay in force:\n{e}")
            }
        }
    }

    /// Tells the role what it has not been told; one that is busy is told next time.
    fn tell(&mut self) {
        if !self.config_due {
            return;
        }
        if let (Some(config), Ok(slot)) = (
            self.objects.coordinator(&self.account),
            self.control.try_reserve(),
        ) {
            slot.send(Control::Config(Box::new(config)));
            self.config_due = false;
        }
    }
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
