//! Carrying out what the guardian wants.

use crate::CoordinatorLinks;
use crate::account::Contracts;
use crate::fitness::{self, Modes};
use crate::orders::Order;
use crate::outbox::Outbox;
use crate::saves::{Saved, Saves};
use crate::scan::{depth_within, scan};
use helios_binance::rest::Owners;
use helios_bus::typed::GrantQuestion;
use helios_core::guardian::{GuardianEffect, GuardianEvent, Transfer};
use helios_core::instrument::{Instrument, Symbol};
use helios_core::messages::{AccountSnapshot, Alert, GrantReply, Severity};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Depth asked for a slice, levels a side, by percent of the weight that is used: 500 reach 20 bp on liquid contracts, fewer
/// understate what is visible and make smaller slices, but a long fall must not use up what exits need.
const SLICE_DEPTH: [(u64, u32); 3] = [(40, 500), (70, 100), (u64::MAX, 50)];
/// What ending may take.
const FINISH_BY: Duration = Duration::from_secs(2);
/// A question older than this has no asker any more.
const QUESTIONS_KEPT: usize = 4096;

/// What comes back.
pub(crate) enum Answer {
    /// For the guardian.
    Event(GuardianEvent),
    /// What became of the save of this number and of those before it.
    Saved(u64, Saved),
    /// The contracts, read anew.
    Contracts(Box<Contracts>),
    /// The account's modes and its key's rights, read anew.
    Modes(Modes),
}

/// Between two tries to read the account's modes.
const MODES_AGAIN: Duration = Duration::from_secs(30);

/// A task that ends with its owner.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends requests and brings answers back.
pub(crate) struct Effects {
    links: CoordinatorLinks,
    contracts: Contracts,
    answers: mpsc::UnboundedSender<Answer>,
    questions: BTreeMap<(String, u64), GrantQuestion>,
    outbox: Outbox,
    saves: Saves,
    tasks: JoinSet<()>,
    /// Apart from the tasks, which are waited for at the end.
    modes: Option<AbortOnDrop>,
    /// The account was read once.
    has_read: Arc<AtomicBool>,
    owners: Arc<Owners>,
}

impl Effects {
    /// Nothing is saved before [`Saves::from`] has said what is stored.
    pub(crate) fn new(
        links: CoordinatorLinks,
        contracts: Contracts,
    ) -> (Self, mpsc::UnboundedReceiver<Answer>) {
        let (answers, receiver) = mpsc::unbounded_channel();
        let saves = Saves::start(links.store.clone(), answers.clone());
        (
            Self {
                outbox: Outbox::new(&links.bus),
                owners: Arc::new(Owners::new(links.bus.account())),
                links,
                contracts,
                answers,
                questions: BTreeMap::new(),
                saves,
                tasks: JoinSet::new(),
                modes: None,
                has_read: Arc::default(),
            },
            receiver,
        )
    }

    /// The end: states that wait are written and exits under way are answered, for as long as that may take.
    pub(crate) async fn finish(mut self) {
        let all = async {
            self.outbox.finish().await;
            self.saves.finish().await;
            while self.tasks.join_next().await.is_some() {}
        };
        if tokio::time::timeout(FINISH_BY, all).await.is_err() {
            tracing::warn!("the coordinator ends with requests under way");
        }
    }

    /// The states that are written.
    pub(crate) const fn saves(&self) -> &Saves {
        &self.saves
    }

    /// Questions of a term that is over get no answer from this one.
    pub(crate) fn forget_questions(&mut self) {
        self.questions.clear();
    }

    /// Keeps a question until the guardian answers it.
    pub(crate) fn hold(&mut self, q: GrantQuestion) -> GuardianEvent {
        let event = GuardianEvent::GrantRequested(q.request.clone());
        self.questions
            .insert((q.request.task_uid.clone(), q.request.seq), q);
        while self.questions.len() > QUESTIONS_KEPT {
            self.questions.pop_first();
        }
        event
    }

    /// Carries out the effects of one event, in order; orders as [`crate::orders`] says. The newest snapshot is handed back.
    pub(crate) fn carry_out(
        &mut self,
        effects: &mut Vec<GuardianEffect>,
        leading: bool,
    ) -> Option<AccountSnapshot> {
        while self.tasks.try_join_next().is_some() {}
        let mut orders = Vec::new();
        let mut newest = None;
        for mut effect in effects.drain(..) {
            // Before anybody sees it: who looks at this process sees what the others read.
            if let GuardianEffect::Publish(snapshot) = &mut effect {
                snapshot.holder.clone_from(&self.links.identity);
            }
            // What a standby sees its leader tells people of.
            if !leading && let GuardianEffect::Alert(a) = &effect {
                tracing::info!(code = a.code, symbol = a.symbol, "standby sees: {}", a.text);
                continue;
            }
            if leading || !matches!(effect, GuardianEffect::Ladder { .. }) {
                self.links.observer.effect(&effect);
            }
            match effect {
                GuardianEffect::Reply { task_uid, reply } => self.answer(task_uid, &reply),
                GuardianEffect::Command(symbol, command) => self.outbox.command(&symbol, command),
                GuardianEffect::Place { symbol, order, .. } => {
                    orders.push(Order::Place(symbol, order));
                }
                GuardianEffect::PlaceStop(s, o) => orders.push(Order::Stop(s, o)),
                GuardianEffect::Cancel(s, t) => orders.push(Order::Cancel(s, t)),
                GuardianEffect::Query(s, t) => orders.push(Order::Query(s, t)),
                GuardianEffect::Reconcile { asked_at } => self.reconcile(asked_at, leading),
                GuardianEffect::ReadDepth(symbol) => self.read_depth(symbol),
                GuardianEffect::Scan => self.scan(),
                GuardianEffect::ReadTransfers { since_ms } => self.read_transfers(since_ms),
                GuardianEffect::Publish(snapshot) => {
                    newest = Some((*snapshot).clone());
                    self.outbox.snapshot(snapshot);
                }
                GuardianEffect::Persist(state) => self.saves.save(state),
                GuardianEffect::Alert(alert) => self.alert(alert),
                GuardianEffect::Ladder {
                    level,
                    margin_ratio,
                } => {
                    tracing::warn!(?level, %margin_ratio, "margin ladder");
                }
            }
        }
        if !orders.is_empty() {
            self.send_orders(orders);
        }
        newest
    }

    fn answer(&mut self, task_uid: String, reply: &GrantReply) {
        let seq = match reply {
            GrantReply::Granted(g) => g.seq,
            GrantReply::Denied { seq, .. } => *seq,
        };
        if let Some(Err(e)) = self
            .questions
            .remove(&(task_uid, seq))
            .map(|q| q.answer(reply))
        {
            tracing::warn!(error = %e, "grant not answered");
        }
    }

    fn alert(&mut self, alert: Alert) {
        match alert.severity {
            Severity::Critical => {
                tracing::error!(code = alert.code, symbol = alert.symbol, "{}", alert.text)
            }
            Severity::Warning => {
                tracing::warn!(code = alert.code, symbol = alert.symbol, "{}", alert.text)
            }
            Severity::Info => {
                tracing::info!(code = alert.code, symbol = alert.symbol, "{}", alert.text)
            }
        }
        self.outbox.alert(alert);
    }

    fn instrument(&self, symbol: &str) -> Option<Arc<Instrument>> {
        let i = self.contracts.instruments.get(symbol);
        if i.is_none() {
            tracing::error!(symbol, "order for a contract that is not known");
        }
        i
    }

    fn send_orders(&mut self, orders: Vec<Order>) {
        let known = |o: Order| self.instrument(o.symbol()).map(|i| (i, o));
        let orders = orders.into_iter().filter_map(known).collect();
        let tasks = &mut self.tasks;
        crate::orders::send(&self.links.rest, orders, &self.answers, tasks);
    }

    /// Reads the contracts anew; a read that fails is tried again when the next one is due.
    pub(crate) fn read_contracts(&mut self) {
        let (rest, answers) = (self.links.rest.clone(), self.answers.clone());
        self.tasks.spawn(async move {
            match Contracts::load(&rest).await {
                Ok(fresh) => drop(answers.send(Answer::Contracts(Box::new(fresh)))),
                Err(e) => tracing::warn!(error = %e, "contracts not read anew"),
            }
        });
    }

    /// Reads the account's modes and its key's rights, again and again until that has succeeded.
    pub(crate) fn read_modes(&mut self) {
        let (rest, answers) = (self.links.rest.clone(), self.answers.clone());
        let reading = tokio::spawn(async move {
            loop {
                match fitness::read(&rest).await {
                    Ok(modes) => return drop(answers.send(Answer::Modes(modes))),
                    Err(e) => tracing::warn!(error = %e, "the account's modes are not read"),
                }
                tokio::time::sleep(MODES_AGAIN).await;
            }
        });
        // The one before has not succeeded yet, or is over.
        self.modes = Some(AbortOnDrop(reading));
    }

    /// Takes the contracts in; what there is then, when anything changed.
    pub(crate) fn renew(&mut self, fresh: Contracts) -> Option<&Contracts> {
        self.contracts.renew(fresh).then_some(&self.contracts)
    }

    /// Reads the whole account. The first read and a leader's have a lane of their own: without them nobody gets the account
    /// out of danger.
    fn reconcile(&mut self, asked_at: u64, leading: bool) {
        let urgent = leading || !self.has_read.load(Ordering::Relaxed);
        let rest = if urgent {
            self.links.rest.urgent()
        } else {
            self.links.rest.clone()
        };
        let owners = self.owners.clone();
        let (instruments, answers, has_read) = (
            self.contracts.instruments.clone(),
            self.answers.clone(),
            self.has_read.clone(),
        );
        self.tasks.spawn(async move {
            let event = crate::account::read(&rest, &instruments, &owners, asked_at).await;
            if matches!(event, GuardianEvent::Reconciled { .. }) {
                has_read.store(true, Ordering::Relaxed);
            }
            let _ = answers.send(Answer::Event(event));
        });
    }

    fn read_transfers(&mut self, since_ms: i64) {
        let (rest, answers) = (self.links.rest.clone(), self.answers.clone());
        self.tasks.spawn(async move {
            let asset = rest.config().margin_asset.clone();
            let event = match rest.income(Some("TRANSFER"), since_ms).await {
                Ok(rows) => {
                    let ours = rows.into_iter().filter(|r| r.asset == asset);
                    let transfers = ours.map(|r| Transfer {
                        id: r.id,
                        venue_ms: r.time_ms,
                        amount: r.amount,
                    });
                    GuardianEvent::Transfers(transfers.collect())
                }
                Err(e) => {
                    tracing::warn!(error = %e, "transfers not read");
                    GuardianEvent::TransfersFailed
                }
            };
            let _ = answers.send(Answer::Event(event));
        });
    }

    fn read_depth(&mut self, symbol: Symbol) {
        let Some(i) = self.instrument(&symbol) else {
            return;
        };
        let (rest, answers) = (self.links.rest.clone(), self.answers.clone());
        let budget = rest.budget();
        let used = budget.usage().weight_1m * 100 / u64::from(budget.limits().weight_1m.max(1));
        let levels = SLICE_DEPTH.iter().find(|(below, _)| used < *below);
        let levels = levels.map_or(50, |(_, n)| *n);
        self.tasks.spawn(async move {
            match rest
                .depth(&i, levels, helios_binance::rest::Lane::Exit)
                .await
            {
                Ok(s) => {
                    let (bid, ask) = depth_within(&i, &s, 20);
                    let _ =
                        answers.send(Answer::Event(GuardianEvent::VisibleDepth(symbol, bid, ask)));
                }
                Err(e) => tracing::warn!(%symbol, error = %e, "depth not read"),
            }
        });
    }

    fn scan(&mut self) {
        let (rest, answers) = (self.links.rest.clone(), self.answers.clone());
        let taker = self
            .contracts
            .fees
            .map_or(rust_decimal::Decimal::new(5, 4), |f| f.taker);
        self.tasks.spawn(async move {
            // A failed scan leaves the watchlist as it is; the next one is due on time.
            let mut pause = Duration::from_millis(250);
            loop {
                match scan(&rest, taker).await {
                    Ok(r) => {
                        tracing::info!(contracts = r.candidates.len(), "market scanned");
                        let _ = answers.send(Answer::Event(GuardianEvent::Scanned {
                            candidates: r.candidates,
                            correlations: r.correlations,
                        }));
                        return;
                    }
                    Err(e) => tracing::warn!(error = %e, "market not scanned"),
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(30));
            }
        });
    }
}
