//! The operator's links to the accounts' buses: snapshots come in, parameters go out. One task for each account.
//!
//! Nothing of this is authority. A snapshot is a hint that wakes a look; parameters stand in a ConfigMap before they are
//! pushed, so a push that is lost costs seconds and nothing else. They are open while this process leads: an older document of
//! one that does not would be put over a newer one.

use crate::board::Board;
use crate::lead::Lead;
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
    lead: Lead,
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
        lead: Lead,
    ) -> Self {
        Self {
            connect,
            board,
            woken,
            silence_ms,
            lead,
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
                lead: self.lead.bound(),
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

    /// The lead is over. What was heard serves no longer: until it is heard anew it counts as old.
    pub fn close_all(&mut self) {
        for (account, (_, task)) in std::mem::take(&mut self.open) {
            task.abort();
            self.board.mute(&account);
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
    /// The term it was opened in.
    lead: Lead,
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
            if !state.borrow().connected || !self.lead.holds() {
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
            Ok(stands) => stands.then_some((strategy, document)),
            Err(e) => {
                tracing::debug!(strategy, "parameters not pushed: {e}");
                None
            }
        }
    }

    /// Writes a document unless it stands already. False where it does not, as it is another's to write by now.
    async fn push(
        &self,
        strategy: &str,
        document: &ParamsDocument,
    ) -> Result<bool, helios_bus::BusError> {
        if self.bus.read_params(strategy).await?.as_ref() == Some(document) {
            return Ok(true);
        }
        // The answer may have taken its time, and this process may have been stopped meanwhile.
        if !self.lead.holds() {
            return Ok(false);
        }
        self.bus.publish_params(strategy, document).await?;
        let (generation, step) = (document.generation, document.rollout_step);
        tracing::info!(strategy, generation, step, "parameters pushed");
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use helios_bus::memory::MemoryBus;
    use helios_core::messages::AccountSnapshot;
    use helios_lease::Leadership;

    struct One(Arc<MemoryBus>);

    impl Connect for One {
        fn bus(&self, _: &str) -> Result<Arc<dyn Bus>, String> {
            Ok(self.0.clone())
        }
    }

    fn document(generation: u64) -> Documents {
        let strategy = serde_json::json!({
            "apiVersion": helios_crds::API_VERSION, "kind": "HeliosStrategy",
            "metadata": {"name": "s", "namespace": "n"}, "spec": {"accountRef": {"name": "a"}},
        });
        let strategy = serde_json::from_value(strategy).unwrap();
        let d = helios_crds::convert::params_document(&strategy, "u", generation, 1);
        [("n/s".to_string(), Arc::new(d))].into()
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_leads_no_more_pushes_nothing_and_what_it_heard_is_old() {
        let lead = |transitions, until_ns| Leadership::Leader {
            transitions,
            until_ns,
            waited_out: true,
        };
        let (lock, shown) = watch::channel(lead(1, u64::MAX));
        let memory = Arc::new(MemoryBus::new());
        let bus = AccountBus::new(memory.clone(), "n/a");
        let (woken, _news) = mpsc::channel(100);
        let board = Arc::new(Board::default());
        let mut links = Links::new(
            Arc::new(One(memory)),
            board.clone(),
            woken,
            15_000,
            Lead::new(shown),
        );
        let stands = async || {
            tokio::time::sleep(Duration::from_secs(5)).await;
            bus.read_params("n/s").await.unwrap().map(|d| d.generation)
        };
        links.publish("n/a", document(1));
        assert_eq!(stands().await, Some(1));
        // By the clock: nobody has told it.
        lock.send_replace(lead(1, 0));
        links.publish("n/a", document(2));
        assert_eq!(stands().await, Some(1));
        // Nor in a term that it was not opened in.
        lock.send_replace(lead(3, u64::MAX));
        assert_eq!(stands().await, Some(1));
        let mut s = AccountSnapshot {
            epoch: 1,
            ..AccountSnapshot::default()
        };
        for seq in 1..3 {
            s.seq = seq;
            bus.publish_snapshot(&s).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert!(board.get("n/a").is_some());
        links.close_all();
        assert!(board.get("n/a").is_none());
        links.publish("n/a", document(2));
        assert_eq!(stands().await, Some(2));
    }
}
