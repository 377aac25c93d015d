//! The operator's links to the accounts' buses: snapshots come in, parameters go out. One task for each account.
//!
//! Nothing of this is authority. A snapshot is a hint that wakes a look; parameters stand in a ConfigMap before they are
//! pushed, so a push that is lost costs seconds and nothing else.

use crate::board::Board;
use crate::time::now_ms;
use futures_util::{StreamExt, future, stream};
use helios_bus::Bus;
use helios_bus::typed::AccountBus;
use helios_core::messages::ParamsDocument;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::MissedTickBehavior;

/// How often it is looked whether what was pushed stands.
const LOOK: Duration = Duration::from_secs(2);
/// Documents of one account that are pushed at once.
const PUSHES: usize = 8;

/// Makes the bus of an account. It connects by itself, now or when a server is there.
pub trait Connect: Send + Sync {
    /// The bus of the account `namespace/name`.
    ///
    /// # Errors
    /// In words, when it can't even be tried.
    fn bus(&self, account: &str) -> Result<Arc<dyn Bus>, String>;
}

/// Documents of one account, by strategy.
type Documents = BTreeMap<String, Arc<ParamsDocument>>;

/// All links.
pub struct Links {
    connect: Arc<dyn Connect>,
    board: Arc<Board>,
    woken: mpsc::Sender<String>,
    silence_ms: u64,
    open: BTreeMap<String, (watch::Sender<Documents>, AbortHandle)>,
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Links({})", self.open.len())
    }
}

impl Links {
    /// None open yet. Accounts whose snapshot changed in what matters go to `woken`.
    pub fn new(
        connect: Arc<dyn Connect>,
        board: Arc<Board>,
        woken: mpsc::Sender<String>,
        silence_ms: u64,
    ) -> Self {
        Self {
            connect,
            board,
            woken,
            silence_ms,
            open: BTreeMap::new(),
        }
    }

    /// What shall stand on an account's bus; opens its link when there is none.
    pub fn publish(&mut self, account: &str, documents: Documents) {
        if !self.open.contains_key(account) {
            let bus = match self.connect.bus(account) {
                Ok(bus) => bus,
                Err(why) => return tracing::warn!(account, "no link to its bus: {why}"),
            };
            let (sender, receiver) = watch::channel(Documents::new());
            let link = Link {
                bus: AccountBus::new(bus, account),
                board: self.board.clone(),
                woken: self.woken.clone(),
                silence_ms: self.silence_ms,
            };
            let task = tokio::spawn(link.run(receiver)).abort_handle();
            self.open.insert(account.into(), (sender, task));
        }
        if let Some((sender, _)) = self.open.get(account) {
            sender.send_if_modified(|d| {
                let changed = *d != documents;
                *d = documents;
                changed
            });
        }
    }

    /// The account is gone.
    pub fn close(&mut self, account: &str) {
        if let Some((_, task)) = self.open.remove(account) {
            task.abort();
        }
        self.board.forget(account);
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        for (_, task) in self.open.values() {
            task.abort();
        }
    }
}

struct Link {
    bus: AccountBus,
    board: Arc<Board>,
    woken: mpsc::Sender<String>,
    silence_ms: u64,
}

impl Link {
    async fn run(self, mut documents: watch::Receiver<Documents>) {
        let mut snapshots = match self.bus.snapshots().await {
            Ok(s) => s,
            Err(e) => return tracing::error!(account = self.bus.account(), "no link: {e}"),
        };
        let mut state = self.bus.transport().state();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pushed = Documents::new();
        loop {
            tokio::select! {
                s = snapshots.next() => {
                    let Some((s, _)) = s else { return };
                    let now = now_ms();
                    let account = self.bus.account();
                    if self.board.hear(account, s, now, self.silence_ms) && self.woken.send(account.into()).await.is_err() {
                        return;
                    }
                    continue;
                }
                changed = documents.changed() => if changed.is_err() { return },
                // A store that came back, perhaps with old data: what stands there is looked at anew.
                changed = state.changed() => {
                    if changed.is_err() { return }
                    pushed.clear();
                }
                _ = look.tick() => {}
            }
            if !state.borrow().connected {
                continue;
            }
            let wanted = documents.borrow_and_update().clone();
            let due = wanted
                .into_iter()
                .filter(|(strategy, d)| pushed.get(strategy) != Some(d));
            // Beside each other: a store that syncs every write takes many at once as fast as one.
            let calls: Vec<_> = due.map(|(s, d)| self.pushed(s, d)).collect();
            let done = stream::iter(calls).buffer_unordered(PUSHES);
            pushed.extend(done.filter_map(future::ready).collect::<Vec<_>>().await);
        }
    }

    /// Writes a document; returns it when it stands.
    async fn pushed(
        &self,
        strategy: String,
        document: Arc<ParamsDocument>,
    ) -> Option<(String, Arc<ParamsDocument>)> {
        match self.push(&strategy, &document).await {
            Ok(()) => Some((strategy, document)),
            Err(e) => {
                tracing::debug!(strategy, "parameters not pushed: {e}");
                None
            }
        }
    }

    /// Writes a document unless it stands already.
    async fn push(
        &self,
        strategy: &str,
        document: &ParamsDocument,
    ) -> Result<(), helios_bus::BusError> {
        if self.bus.read_params(strategy).await?.as_ref() == Some(document) {
            return Ok(());
        }
        self.bus.publish_params(strategy, document).await?;
        let (generation, step) = (document.generation, document.rollout_step);
        tracing::info!(strategy, generation, step, "parameters pushed");
        Ok(())
    }
}
