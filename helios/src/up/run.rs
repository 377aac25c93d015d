//! The loop of `helios up`: observe, plan, carry out; files, admin port, views and the end around it.

use super::args::Args;
use super::board::SharedBoard;
use super::source::{self, RunningVenue};
use super::tasks::Tasks;
use super::view::View;
use crate::admin::{self, Asked};
use crate::logs::Logs;
use crate::manifests::{Files, Objects};
use anyhow::{Context, Result, bail};
use helios_bus::Bus;
use helios_bus::memory::MemoryBus;
use helios_bus::typed::AccountBus;
use helios_coordinator::store::{FileStore, GuardianStore, MemoryStore};
use helios_crds::manifest::Manifests;
use helios_venue::server::Ledger;
use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tracing::level_filters::LevelFilter;

/// Liveness time between looks at what should run; a change wakes the planner earlier.
const LOOK: Duration = Duration::from_millis(100);
/// Market time starts at the latest this long after the workers do, ready or not.
const START_BY: Duration = Duration::from_secs(60);

/// A market that is resumed with open positions starts after this long: their stops stand, and marks are needed.
const RESUME_AFTER: Duration = Duration::from_secs(2);

/// One account of the run.
pub(super) struct Account {
    pub(super) venue: RunningVenue,
    pub(super) bus: AccountBus,
    /// The venue's books when the run began: a kept state has a past.
    pub(super) base: Ledger,
    pub(super) store: Arc<dyn GuardianStore>,
    started: bool,
    since: Instant,
}

/// Everything of a run.
pub(super) struct Run {
    pub(super) args: Args,
    pub(super) objects: Objects,
    pub(super) accounts: BTreeMap<String, Account>,
    pub(super) tasks: Tasks,
    pub(super) board: SharedBoard,
    pub(super) logs: Logs,
    /// Symbols that the coordinator was asked to close because no worker was left to.
    pub(super) released: BTreeSet<String>,
}

/// Runs until Ctrl-C, `--for` or the end of a recording.
pub async fn run(args: Args) -> Result<ExitCode> {
    let mut files = Files::new(args.files.clone());
    let manifests = files.load()?;
    if manifests.accounts.is_empty() || manifests.strategies.is_empty() {
        bail!("nothing to run: write at least one HeliosAccount and one HeliosStrategy");
    }
    if manifests.accounts.len() > 1 && (args.replay.is_some() || args.venue.port() != 0) {
        bail!(
            "--replay and --venue with a port serve one account: these manifests have {}",
            manifests.accounts.len()
        );
    }
    let on_terminal = std::io::stdout().is_terminal() && !args.plain && !args.json;
    let logs = Logs::start(&args.logs, level(&manifests), !on_terminal, args.json)?;
    let (admin_tx, mut admin_rx) = mpsc::channel(16);
    let admin = admin::serve(args.admin, admin_tx).await?;
    let mut run = Run::new(args, logs, &manifests).await?;
    tracing::info!(%admin, logs = %run.args.logs.display(), "helios up");
    for (name, a) in &run.accounts {
        tracing::info!(
            account = name,
            speed = a.venue.speed,
            venue = a.venue.handle.rest_url(),
            "{}",
            a.venue.label
        );
    }
    let mut view = View::start(on_terminal, &run.board)?;
    let ended = run.trade(&mut files, &mut admin_rx, &mut view).await;
    view.stop();
    // Whatever ended it: positions are left in order first.
    run.leave().await;
    let agree = run.finish().await?;
    ended?;
    Ok(if agree {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn level(m: &Manifests) -> LevelFilter {
    let levels = m
        .accounts
        .iter()
        .map(|a| crate::logs::filter(a.object.spec.log_level));
    levels.max().unwrap_or(LevelFilter::INFO)
}

impl Run {
    async fn new(args: Args, logs: Logs, manifests: &Manifests) -> Result<Self> {
        let mut objects = Objects::default();
        objects.accept(manifests, true);
        let bus: Arc<dyn Bus> = Arc::new(MemoryBus::new());
        let board = SharedBoard::default();
        let mut accounts = BTreeMap::new();
        for (name, (object, _)) in &objects.accounts {
            let venue = source::start(object, &args).await?;
            let base = venue.handle.ledger().await?;
            let account_bus = AccountBus::new(bus.clone(), name.clone());
            board
                .lock()
                .accounts
                .entry(name.clone())
                .or_default()
                .label
                .clone_from(&venue.label);
            listen(name, &account_bus, &board, &logs).await?;
            let store: Arc<dyn GuardianStore> = match &args.state {
                Some(dir) => Arc::new(FileStore::new(&source::state_dir(dir, object))),
                None => Arc::new(MemoryStore::default()),
            };
            accounts.insert(
                name.clone(),
                Account {
                    venue,
                    bus: account_bus,
                    base,
                    store,
                    started: false,
                    since: Instant::now(),
                },
            );
        }
        Ok(Self {
            args,
            objects,
            accounts,
            tasks: Tasks::default(),
            board,
            logs,
            released: BTreeSet::new(),
        })
    }

    /// Trades until something ends it.
    async fn trade(
        &mut self,
        files: &mut Files,
        admin: &mut mpsc::Receiver<Asked>,
        view: &mut View,
    ) -> Result<()> {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut until: Option<Instant> = None;
        let ctrl_c = tokio::signal::ctrl_c();
        tokio::pin!(ctrl_c);
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let board = self.board.clone();
        loop {
            self.plan().await;
            tokio::select! {
                _ = &mut ctrl_c => { tracing::info!("leaving: Ctrl-C"); return Ok(()) }
                _ = terminate.recv() => { tracing::info!("leaving: asked to end"); return Ok(()) }
                () = view.quit() => { tracing::info!("leaving: q"); return Ok(()) }
                () = async { match until { Some(t) => sleep_until(t).await, None => std::future::pending().await } } => {
                    tracing::info!("leaving: the time is up");
                    return Ok(());
                }
                changed = files.changed() => self.reload(changed),
                Some((request, answer)) = admin.recv() => self.answer(request, answer),
                e = self.tasks.next_ending() => {
                    if e.failed {
                        self.board.lock().failures += 1;
                        tracing::warn!("{} ended: {}; it is started again", e.who, e.how);
                    } else {
                        tracing::info!("{} ended: {}", e.who, e.how);
                    }
                }
                () = board.changed() => {}
                _ = look.tick() => {
                    if self.start_markets().await? && until.is_none() {
                        until = self.args.run_for.map(|d| Instant::now() + d);
                    }
                    if self.all_ended().await {
                        tracing::info!("leaving: the recording is over");
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Market time starts when every wanted symbol's worker reports a synced book and a grant.
    async fn start_markets(&mut self) -> Result<bool> {
        let mut all = true;
        for (name, a) in &mut self.accounts {
            if a.started {
                let stats = a.venue.handle.stats().await.ok();
                self.board
                    .lock()
                    .accounts
                    .entry(name.clone())
                    .or_default()
                    .market = stats;
                continue;
            }
            let (ready, waiting) = readiness(&self.board, name);
            // With positions from a run before, marks come first: without them the account is unknown and grants nothing.
            let resumed = !a.base.positions.is_empty() && a.since.elapsed() > RESUME_AFTER;
            if ready || resumed || a.since.elapsed() > START_BY {
                if !ready && !resumed {
                    tracing::warn!(
                        account = name,
                        ?waiting,
                        "market time starts although not every worker is ready"
                    );
                }
                a.venue
                    .handle
                    .start_market()
                    .await
                    .context("market time can't start")?;
                a.started = true;
                tracing::info!(account = name, "market time starts");
            } else {
                all = false;
            }
        }
        Ok(all)
    }

    /// Every account's recording is over.
    async fn all_ended(&self) -> bool {
        for a in self.accounts.values() {
            match a.venue.handle.stats().await {
                Ok(s) if s.state == helios_venue::server::MarketState::Ended => {}
                _ => return false,
            }
        }
        true
    }

    /// Takes changed files in, whole or not at all.
    fn reload(&mut self, changed: Result<Manifests, helios_crds::manifest::ManifestError>) {
        match changed {
            Ok(m) => {
                self.board.lock().manifest_problem.clear();
                for words in self.objects.accept(&m, false) {
                    tracing::info!("{words}");
                }
                let accounts: Vec<String> = self.objects.accounts.keys().cloned().collect();
                for account in accounts {
                    self.tell_config(&account);
                }
            }
            Err(e) => {
                tracing::error!("the edit is not used, the old parameters stay in force:\n{e}");
                self.board.lock().manifest_problem = e.to_string();
            }
        }
    }
}

/// Whether every wanted symbol has a worker with a synced book and a grant; else, which are waited for.
fn readiness(board: &SharedBoard, account: &str) -> (bool, Vec<String>) {
    let board = board.lock();
    let Some(a) = board.accounts.get(account) else {
        return (false, Vec::new());
    };
    let Some(s) = &a.snapshot else {
        return (false, vec!["coordinator".into()]);
    };
    let wanted: Vec<&String> = s.wanted.values().flatten().collect();
    let waiting: Vec<String> = wanted
        .iter()
        .filter(|symbol| {
            !a.reports
                .get(**symbol)
                .is_some_and(|r| r.view.book_synced && r.view.granted)
        })
        .map(ToString::to_string)
        .collect();
    (!wanted.is_empty() && waiting.is_empty(), waiting)
}

/// Brings an account's reports, snapshots and alerts to the board, for as long as the bus lives.
async fn listen(name: &str, bus: &AccountBus, board: &SharedBoard, logs: &Logs) -> Result<()> {
    let (mut reports, mut snapshots, mut alerts) = (
        bus.reports().await?,
        bus.snapshots().await?,
        bus.alerts().await?,
    );
    let (name, board, logs) = (name.to_string(), board.clone(), logs.clone());
    tokio::spawn(async move {
        loop {
            tokio::select! {
                Some(r) = reports.next() => board.report(&name, r),
                Some((s, _)) = snapshots.next() => board.snapshot(&name, s),
                Some(a) = alerts.next() => {
                    logs.alert(&name, &a);
                    board.alert(a);
                }
                else => return,
            }
        }
    });
    Ok(())
}
