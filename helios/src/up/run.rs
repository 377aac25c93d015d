//! The loop of `helios up`: observe, plan, carry out; files, admin port, views and the end around it.

use super::args::Args;
use super::board::SharedBoard;
use super::logs::Logs;
use super::manifests::{Files, Objects};
use super::source::{self, RunningVenue};
use super::summary::Summary;
use super::tasks::Tasks;
use super::view::View;
use crate::admin::{self, Asked, Request};
use anyhow::{Context, Result, bail};
use helios_bus::Bus;
use helios_bus::memory::MemoryBus;
use helios_bus::typed::AccountBus;
use helios_coordinator::CoordinatorLinks;
use helios_coordinator::store::{FileStore, GuardianStore, MemoryStore};
use helios_core::params::OnDelete;
use helios_core::plan::{Action, Observed, ObservedAccount, WorkerSpec, step};
use helios_crds::LogLevel;
use helios_crds::manifest::Manifests;
use helios_worker::{WorkerConfig, WorkerLinks};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tracing::level_filters::LevelFilter;

/// Liveness time between looks at what should run; a change wakes the planner earlier.
const LOOK: Duration = Duration::from_millis(100);
/// Market time starts at the latest this long after the workers do, ready or not.
const START_BY: Duration = Duration::from_secs(60);
/// What leaving may take before it is cut short.
const LEAVE_BY: Duration = Duration::from_secs(20);

/// One account of the run.
struct Account {
    venue: RunningVenue,
    bus: AccountBus,
    store: Arc<dyn GuardianStore>,
    started: bool,
    since: Instant,
}

struct Run {
    args: Args,
    objects: Objects,
    accounts: BTreeMap<String, Account>,
    tasks: Tasks,
    board: SharedBoard,
    logs: Logs,
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
    ended?;
    run.leave().await;
    let agree = run.finish().await?;
    Ok(if agree {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn level(m: &Manifests) -> LevelFilter {
    let levels = m.accounts.iter().map(|a| match a.object.spec.log_level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    });
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
                Some((request, answer)) = admin.recv() => drop(answer.send(self.answer(request))),
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

    /// One step of the planner.
    async fn plan(&mut self) {
        let (coordinators, workers) = self.tasks.observe();
        let accounts = {
            let board = self.board.lock();
            self.objects
                .accounts
                .keys()
                .map(|name| ObservedAccount {
                    name: name.clone(),
                    deleting: false,
                    snapshot: board
                        .accounts
                        .get(name)
                        .and_then(|a| a.snapshot.clone())
                        .filter(|s| s.known || !s.wanted.is_empty()),
                })
                .collect()
        };
        let observed = Observed {
            now_ms: self.tasks.now_ms(),
            accounts,
            strategies: self.objects.observe(),
            coordinators,
            workers,
        };
        for action in step(&observed) {
            tracing::debug!(?action, "plan");
            self.act(action).await;
        }
    }

    async fn act(&mut self, action: Action) {
        match action {
            Action::StartCoordinator { account } => self.start_coordinator(account),
            Action::PublishParams { strategy, document } => {
                let Some(c) = self.objects.strategies.get_mut(&strategy) else {
                    return;
                };
                let Some(a) = self.accounts.get(&Objects::account_of(&c.object)) else {
                    return;
                };
                match a.bus.publish_params(&strategy, &document).await {
                    Ok(()) => c.published = Some(document.order()),
                    Err(e) => tracing::error!(strategy, error = %e, "parameters not published"),
                }
            }
            Action::StartWorker(spec) => self.start_worker(spec),
            Action::StopWorker { uid, how } => self.tasks.stop_worker(&uid, how),
            Action::RemoveWorker { uid } => self.tasks.remove_worker(&uid),
            // The worker has left as `onDelete` says before it ended; a dead worker's position keeps its stops, and the
            // guardian, which no longer wants the symbol, drains it.
            Action::Release {
                account, symbol, ..
            } => tracing::debug!(account, symbol, "waiting for the coordinator to release it"),
            Action::FinalizeStrategy { strategy } => {
                self.objects.strategies.remove(&strategy);
                tracing::info!(strategy, "strategy is gone");
            }
            Action::StopCoordinator { account } => {
                self.tasks
                    .tell_coordinator(&account, helios_coordinator::Control::Shutdown);
            }
            Action::FinalizeAccount { account } => tracing::info!(account, "account is gone"),
        }
    }

    fn start_coordinator(&mut self, account: String) {
        let (Some(a), Some(config)) = (
            self.accounts.get(&account),
            self.objects.coordinator(&account),
        ) else {
            return;
        };
        let links = CoordinatorLinks {
            rest: a.venue.rest.clone(),
            bus: a.bus.clone(),
            store: a.store.clone(),
        };
        self.tasks.start_coordinator(account, |control| async move {
            helios_coordinator::run(config, links, control)
                .await
                .map(|()| "as asked".into())
                .map_err(|e| e.to_string())
        });
    }

    fn start_worker(&mut self, spec: WorkerSpec) {
        let Some(a) = self.accounts.get(&spec.account) else {
            return;
        };
        let observed = self.objects.observe();
        let Some(s) = observed.iter().find(|s| s.name == spec.strategy) else {
            return;
        };
        let uid = self.tasks.new_uid();
        let config = WorkerConfig {
            account: spec.account.clone(),
            strategy: spec.strategy.clone(),
            strategy_uid: Objects::uid(&spec.strategy),
            task_uid: uid.clone(),
            symbol: spec.symbol.clone(),
            environment: helios_core::params::Environment::Paper,
            params: s.params.clone(),
            depth_cadence: "100ms".into(),
        };
        let links = WorkerLinks {
            rest: a.venue.rest.clone(),
            bus: a.bus.clone(),
        };
        tracing::info!(
            symbol = spec.symbol,
            strategy = spec.strategy,
            uid,
            "worker starts"
        );
        self.tasks.start_worker(uid, spec, |control| async move {
            helios_worker::run(config, links, control)
                .await
                .map(|e| format!("{e:?}"))
                .map_err(|e| e.to_string())
        });
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
            if ready || a.since.elapsed() > START_BY {
                if !ready {
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
                    if let Some(c) = self.objects.coordinator(&account) {
                        self.tasks.tell_coordinator(
                            &account,
                            helios_coordinator::Control::Config(Box::new(c)),
                        );
                    }
                }
            }
            Err(e) => {
                tracing::error!("the edit is not used, the old parameters stay in force:\n{e}");
                self.board.lock().manifest_problem = e.to_string();
            }
        }
    }

    fn answer(&mut self, request: Request) -> Result<serde_json::Value, String> {
        match request {
            Request::KillWorker { symbol, hold_ms } => {
                if self
                    .tasks
                    .kill_worker(&symbol, Duration::from_millis(hold_ms))
                {
                    Ok(format!("worker {symbol} killed; the next one starts in {hold_ms} ms or a little later").into())
                } else {
                    Err(format!("no worker trades {symbol}"))
                }
            }
            Request::Latch { name, set } => {
                let accounts: Vec<String> = self.accounts.keys().cloned().collect();
                let told = accounts
                    .iter()
                    .filter(|a| {
                        self.tasks.tell_coordinator(
                            a,
                            helios_coordinator::Control::Latch {
                                name: name.clone(),
                                set,
                            },
                        )
                    })
                    .count();
                if told == accounts.len() {
                    Ok(format!("latch {name} {}", if set { "set" } else { "released" }).into())
                } else {
                    Err("a coordinator is not running: try again".into())
                }
            }
            Request::Status => {
                let board = self.board.lock();
                let accounts: serde_json::Map<String, serde_json::Value> = board
                    .accounts
                    .iter()
                    .map(|(name, a)| {
                        let v = serde_json::json!({
                            "market": a.label, "time": a.market, "snapshot": a.snapshot, "workers": a.reports, "closed": a.closed,
                            "venue": self.accounts.get(name).map(|x| x.venue.handle.rest_url()),
                            "venueAdmin": self.accounts.get(name).map(|x| x.venue.handle.admin_url()),
                        });
                        (name.clone(), v)
                    })
                    .collect();
                Ok(
                    serde_json::json!({"accounts": accounts, "alerts": board.alerts, "failures": board.failures, "manifestProblem": board.manifest_problem}),
                )
            }
        }
    }

    /// Entries cancelled, positions flattened or left protected as `onDelete` says.
    async fn leave(&mut self) {
        let (_, workers) = self.tasks.observe();
        for w in workers {
            let how = self
                .objects
                .strategies
                .get(&w.spec.strategy)
                .map_or(OnDelete::KeepProtected, |c| {
                    helios_crds::convert::strategy_params(&c.object).on_delete
                });
            self.tasks.stop_worker(&w.uid, how);
        }
        let left = timeout(LEAVE_BY, async {
            while self.tasks.workers_left() > 0 {
                let e = self.tasks.next_ending().await;
                tracing::info!("{} ended: {}", e.who, e.how);
            }
        });
        if left.await.is_err() {
            tracing::error!(
                "workers did not leave in {LEAVE_BY:?}: what is open keeps its stops at the venue"
            );
        }
        // The last reports are still on the bus.
        tokio::time::sleep(Duration::from_millis(50)).await;
        for account in self.accounts.keys() {
            self.tasks
                .tell_coordinator(account, helios_coordinator::Control::Shutdown);
        }
        let _ = timeout(Duration::from_secs(2), async {
            while !self.tasks.is_empty() {
                self.tasks.next_ending().await;
            }
        })
        .await;
        self.tasks.abort_all();
    }

    /// Summaries, and the venue's end. False when books disagree.
    async fn finish(self) -> Result<bool> {
        let mut agree = true;
        let mut summaries = Vec::new();
        for (name, a) in self.accounts {
            let (ledger, audit, stats) = (
                a.venue.handle.ledger().await?,
                a.venue.handle.audit().await?,
                a.venue.handle.stats().await?,
            );
            let s = {
                let board = self.board.lock();
                let account = board.accounts.get(&name).cloned().unwrap_or_default();
                Summary::new(
                    &name,
                    &account,
                    &ledger,
                    audit,
                    &stats,
                    self.logs.errors(),
                    board.failures,
                )
            };
            agree &= s.books_agree;
            a.venue
                .handle
                .shutdown()
                .await
                .context("the venue's state can't be saved")?;
            summaries.push(s);
        }
        for s in &summaries {
            if self.args.json {
                eprintln!("{}", s.table())
            } else {
                println!("{}", s.table())
            }
        }
        if self.args.json {
            let line = if summaries.len() == 1 {
                serde_json::to_string(&summaries[0])?
            } else {
                serde_json::to_string(&summaries)?
            };
            println!("{line}");
        }
        Ok(agree)
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
