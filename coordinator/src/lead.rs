//! Who leads: follows the leader lock, reads what a new leader must know, and has the fence kept.
//!
//! Runs beside the guardian's loop, because everything here waits for a disk or a network. A message store that went back
//! ([`crate::fence`]) means that the epoch must rise; a fence of another coordinator with as high an epoch (two locks, or a
//! lock that was restored) that this one stands down until the other is silent. Renewals of the lock wait for neither.

use crate::CoordinatorLinks;
use crate::fence::{FenceKeeper, FenceSays};
use crate::store::{GuardianStore, StoreError, Stored};
use helios_bus::BusState;
use helios_bus::typed::AccountBus;
use helios_lease::{LeaderTask, Leadership, LeaseStore, SetupError, Times};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// Between two writes of the fence.
const BEAT: Duration = Duration::from_secs(1);
/// Longest that reading the guardian's state may take.
const LOAD_TIMEOUT: Duration = Duration::from_secs(2);

/// What the guardian's loop is told.
#[derive(Debug)]
pub(crate) enum News {
    /// This one leads.
    Gained {
        /// The state as stored; `Ok(None)` when there is none, an error when it can't be read.
        stored: Result<Option<Box<Stored>>, StoreError>,
        /// Times the lock has changed hands.
        transitions: u64,
        /// Highest epoch known of lock and fence.
        epoch: u64,
        /// Liveness ns until which it leads unless renewed; `None` without a lock.
        until_ns: Option<u64>,
        /// Whoever led before ended long enough ago that nothing it granted holds any more.
        waited_out: bool,
    },
    /// It still leads.
    Renewed(u64),
    /// It does not lead any more.
    Lost(String),
    /// The message store has gone back.
    FenceLost,
    /// It does not acknowledge the fence (`false`), or does again.
    FenceHeard(bool),
}

/// The task that follows leadership.
pub(crate) struct Lead {
    pub(crate) news: mpsc::Receiver<News>,
    /// The epoch to write into the fence: set by the loop when it is written down, `None` while not leading.
    epoch: watch::Sender<Option<u64>>,
    again: mpsc::Sender<()>,
    release: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Lead {
    /// # Errors
    /// The identity or the times can't be used for a lock.
    pub(crate) fn start(links: &CoordinatorLinks) -> Result<Self, SetupError> {
        let lock = links
            .lock
            .clone()
            .map(|l: Arc<dyn LeaseStore>| {
                LeaderTask::spawn(l, links.identity.clone(), Times::default())
            })
            .transpose()?;
        let (tx, news) = mpsc::channel(16);
        let (epoch, epoch_rx) = watch::channel(None);
        let (again, again_rx) = mpsc::channel(1);
        let (release, released) = oneshot::channel();
        let keeper = Keeper {
            store: links.store.clone(),
            bus: links.bus.clone(),
            fence: FenceKeeper::new(
                links.bus.clone(),
                links.identity.clone(),
                links.observer.clone(),
            ),
            epoch: epoch_rx,
            news: tx,
            term: None,
            held: false,
            transitions: 0,
            until_ns: None,
            waited_out: false,
            rollbacks: 0,
            fence_lost_at: None,
        };
        Ok(Self {
            news,
            epoch,
            again,
            release: Some(release),
            task: tokio::spawn(keeper.run(lock, again_rx, released)),
        })
    }

    /// The epoch that is in force and written down, or none.
    pub(crate) fn set_epoch(&self, epoch: Option<u64>) {
        self.epoch.send_if_modified(|e| {
            let changed = *e != epoch;
            *e = epoch;
            changed
        });
    }

    /// The term is to begin anew while the lock is held: somebody else wrote the guardian's state.
    pub(crate) fn begin_anew(&self) {
        let _ = self.again.try_send(());
    }

    /// Hands the lock over.
    pub(crate) async fn release(mut self) {
        if let Some(r) = self.release.take() {
            let _ = r.send(());
        }
        let _ = timeout(Duration::from_secs(4), &mut self.task).await;
        self.task.abort();
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Keeper {
    store: Arc<dyn GuardianStore>,
    bus: AccountBus,
    fence: FenceKeeper,
    epoch: watch::Receiver<Option<u64>>,
    news: mpsc::Sender<News>,
    /// The lock's term that the loop was last told of.
    term: Option<u64>,
    held: bool,
    transitions: u64,
    until_ns: Option<u64>,
    waited_out: bool,
    rollbacks: u64,
    fence_lost_at: Option<Instant>,
}

impl Keeper {
    async fn run(
        mut self,
        lock: Option<LeaderTask>,
        mut again: mpsc::Receiver<()>,
        mut released: oneshot::Receiver<()>,
    ) {
        let mut shown = lock.as_ref().map(LeaderTask::leadership);
        let mut state = self.bus.transport().state();
        self.rollbacks = state.borrow().rollbacks;
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        match &mut shown {
            None => {
                self.held = true;
                self.take_over().await;
            }
            Some(s) => {
                let now = s.borrow_and_update().clone();
                self.lock_says(now).await;
            }
        }
        let mut bus_open = true;
        loop {
            tokio::select! {
                biased;
                _ = &mut released => break,
                changed = async { match &mut shown {
                    Some(s) => s.changed().await,
                    None => std::future::pending().await,
                }} => {
                    if changed.is_err() {
                        self.lose("the leader lock's task ended".into()).await;
                        return;
                    }
                    let now = shown.as_mut().map(|s| s.borrow_and_update().clone());
                    if let Some(now) = now {
                        self.lock_says(now).await;
                    }
                }
                Some(()) = again.recv() => {
                    self.waited_out = false;
                    if self.held && !self.fence.yields() {
                        self.take_over().await;
                    }
                }
                changed = state.changed(), if bus_open => match changed {
                    Ok(()) => {
                        let BusState { rollbacks, .. } = *state.borrow_and_update();
                        if rollbacks != self.rollbacks {
                            self.rollbacks = rollbacks;
                            self.fence_lost().await;
                        }
                    }
                    Err(_) => bus_open = false,
                },
                said = self.fence.says() => self.fence_says(said).await,
                _ = beat.tick() => {
                    let epoch = *self.epoch.borrow();
                    self.fence.beat(epoch.filter(|_| self.held));
                }
            }
        }
        if let Some(lock) = lock {
            lock.release().await;
        }
    }

    async fn tell(&mut self, news: News) {
        // The loop gone means that the process ends.
        let _ = self.news.send(news).await;
    }

    async fn lock_says(&mut self, now: Leadership) {
        match now {
            Leadership::Leader {
                transitions,
                until_ns,
                waited_out,
            } => {
                self.waited_out = waited_out;
                self.until_ns = Some(until_ns);
                if self.held && self.term == Some(transitions) {
                    if !self.fence.yields() {
                        self.tell(News::Renewed(until_ns)).await;
                    }
                    return;
                }
                (self.held, self.transitions) = (true, transitions);
                self.term = Some(transitions);
                self.take_over().await;
            }
            Leadership::Standby { holder } => {
                if self.held {
                    let by = holder.map_or_else(String::new, |h| format!(", held by {h}"));
                    self.lose(format!("the leader lock was not renewed in time{by}"))
                        .await;
                }
            }
        }
    }

    async fn lose(&mut self, why: String) {
        (self.held, self.term, self.waited_out) = (false, None, false);
        self.fence.forget();
        self.tell(News::Lost(why)).await;
    }

    /// Reads what the new leader must know, and tells the loop.
    async fn take_over(&mut self) {
        let state = timeout(LOAD_TIMEOUT, self.store.load());
        let (fence, state) = tokio::join!(self.fence.read(), state);
        let epoch = self.transitions.max(fence.unwrap_or(0));
        let stored = state
            .map(|s| s.map(|s| s.map(Box::new)))
            .unwrap_or_else(|_| {
                Err(StoreError::Io {
                    path: std::path::PathBuf::new(),
                    why: format!("not read within {LOAD_TIMEOUT:?}"),
                })
            });
        self.tell(News::Gained {
            stored,
            transitions: self.transitions,
            epoch,
            until_ns: self.until_ns,
            waited_out: self.waited_out,
        })
        .await;
    }

    async fn fence_lost(&mut self) {
        // The transport and the fence's own revision both notice: once is enough.
        let lately = self.fence_lost_at.is_some_and(|t| t.elapsed() < 2 * BEAT);
        if self.held && !self.fence.yields() && !lately {
            self.fence_lost_at = Some(Instant::now());
            self.tell(News::FenceLost).await;
        }
    }

    async fn fence_says(&mut self, said: FenceSays) {
        match said {
            FenceSays::Nothing => {}
            FenceSays::WentBack => self.fence_lost().await,
            FenceSays::Unheard => self.tell(News::FenceHeard(false)).await,
            FenceSays::Heard => self.tell(News::FenceHeard(true)).await,
            FenceSays::Outranked { holder, epoch } => {
                let why =
                    format!("{holder} leads with epoch {epoch}: two leader locks for one account?");
                self.tell(News::Lost(why)).await;
            }
            FenceSays::Silent => {
                // It may still grant without being able to write.
                self.waited_out = false;
                if self.held {
                    self.take_over().await;
                }
            }
        }
    }
}
