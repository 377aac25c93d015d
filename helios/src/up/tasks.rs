//! The local actuator's hands: coordinators and workers as supervised tasks.
//!
//! A task that panics, fails or is killed becomes a `Failed` record; the planner removes it after its pause and starts the
//! next one, which reads the venue. Nothing here decides what should run.

use helios_core::params::OnDelete;
use helios_core::plan::{ObservedCoordinator, ObservedWorker, Phase, WorkerSpec};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

/// How a task ended, in words.
type Ended = Result<String, String>;

/// A failure longer ago than this is not "in a row" any more.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Task<C> {
    phase: Phase,
    since: Instant,
    failures: u32,
    control: mpsc::Sender<C>,
    abort: AbortHandle,
}

impl<C> Task<C> {
    fn new(control: mpsc::Sender<C>, abort: AbortHandle) -> Self {
        Self {
            phase: Phase::Running,
            since: Instant::now(),
            failures: 0,
            control,
            abort,
        }
    }
}

/// All tasks of the run.
#[derive(Debug)]
pub struct Tasks {
    origin: Instant,
    workers: BTreeMap<String, (WorkerSpec, Task<helios_worker::Control>)>,
    coordinators: BTreeMap<String, Task<helios_coordinator::Control>>,
    failures: BTreeMap<(String, String), (u32, Instant)>,
    /// When the last of a strategy's workers was gone, by strategy.
    ended: BTreeMap<String, Instant>,
    set: JoinSet<Ended>,
    ids: BTreeMap<String, Who>,
    next_uid: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Worker(String),
    Coordinator(String),
}

/// What was noticed when a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// `worker BTCUSDT` or `coordinator default/paper`.
    pub who: String,
    /// True when nobody had asked for it.
    pub failed: bool,
    /// In words.
    pub how: String,
}

impl Default for Tasks {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            workers: BTreeMap::new(),
            coordinators: BTreeMap::new(),
            failures: BTreeMap::new(),
            ended: BTreeMap::new(),
            set: JoinSet::new(),
            ids: BTreeMap::new(),
            next_uid: 1,
        }
    }
}

impl Tasks {
    /// Liveness ms since the run began.
    pub fn now_ms(&self) -> u64 {
        self.ms(Instant::now())
    }

    /// Liveness ms of an instant.
    pub fn ms(&self, t: Instant) -> u64 {
        u64::try_from(t.saturating_duration_since(self.origin).as_millis()).unwrap_or(u64::MAX)
    }

    /// A task id that no other task of any run has.
    pub fn new_uid(&mut self) -> String {
        let n = self.next_uid;
        self.next_uid += 1;
        format!("task-{}-{n}", std::process::id())
    }

    /// What runs, as the planner sees it.
    pub fn observe(&self) -> (Vec<ObservedCoordinator>, Vec<ObservedWorker>) {
        let coordinators = self
            .coordinators
            .iter()
            .map(|(account, t)| ObservedCoordinator {
                account: account.clone(),
                phase: t.phase,
                failures: t.failures,
                since_ms: self.ms(t.since),
            });
        let workers = self.workers.iter().map(|(uid, (spec, t))| ObservedWorker {
            uid: uid.clone(),
            spec: spec.clone(),
            phase: t.phase,
            failures: t.failures,
            since_ms: self.ms(t.since),
            ready: true,
            host_lost_ms: None,
        });
        (coordinators.collect(), workers.collect())
    }

    /// Starts a worker; `run` is given the control channel.
    pub fn start_worker<F>(
        &mut self,
        uid: String,
        spec: WorkerSpec,
        run: impl FnOnce(mpsc::Receiver<helios_worker::Control>) -> F,
    ) where
        F: Future<Output = Ended> + Send + 'static,
    {
        let (control, receiver) = mpsc::channel(4);
        let abort = self.set.spawn(run(receiver));
        self.ids.insert(key(abort.id()), Who::Worker(uid.clone()));
        self.workers.insert(uid, (spec, Task::new(control, abort)));
    }

    /// Starts a coordinator.
    pub fn start_coordinator<F>(
        &mut self,
        account: String,
        run: impl FnOnce(mpsc::Receiver<helios_coordinator::Control>) -> F,
    ) where
        F: Future<Output = Ended> + Send + 'static,
    {
        let (control, receiver) = mpsc::channel(16);
        let abort = self.set.spawn(run(receiver));
        self.ids
            .insert(key(abort.id()), Who::Coordinator(account.clone()));
        self.coordinators.insert(account, Task::new(control, abort));
    }

    /// Asks a worker to leave.
    pub fn stop_worker(&mut self, uid: &str, how: OnDelete) {
        // A dead one can't leave: what it held is the coordinator's to see to.
        if self
            .workers
            .get(uid)
            .is_some_and(|(_, t)| t.phase == Phase::Failed)
        {
            self.remove_worker(uid);
        }
        if let Some((_, t)) = self.workers.get_mut(uid) {
            (t.phase, t.since) = (Phase::Ending, Instant::now());
            // A worker that is still setting up reads it as soon as it listens; one that is gone needs none.
            let _ = t.control.try_send(helios_worker::Control::Shutdown(how));
        }
    }

    /// Clears away what is left of a worker.
    pub fn remove_worker(&mut self, uid: &str) {
        if let Some((spec, _)) = self.workers.remove(uid) {
            self.ended.insert(spec.strategy, Instant::now());
        }
    }

    /// Liveness ms at which the last of a strategy's workers was gone; 0 when it had none in this run.
    pub fn worker_ended_ms(&self, strategy: &str) -> u64 {
        self.ended.get(strategy).map_or(0, |t| self.ms(*t))
    }

    /// Says something to a coordinator.
    pub fn tell_coordinator(
        &mut self,
        account: &str,
        message: helios_coordinator::Control,
    ) -> bool {
        let Some(t) = self.coordinators.get_mut(account) else {
            return false;
        };
        if matches!(message, helios_coordinator::Control::Shutdown) {
            (t.phase, t.since) = (Phase::Ending, Instant::now());
        }
        t.control.try_send(message).is_ok()
    }

    /// Kills the worker of a symbol as a crash would; the next one starts `hold` later.
    pub fn kill_worker(&mut self, symbol: &str, hold: Duration) -> bool {
        let running = self
            .workers
            .values_mut()
            .find(|(s, t)| s.symbol == symbol && t.phase == Phase::Running);
        let Some((_, t)) = running else { return false };
        t.abort.abort();
        (t.phase, t.since) = (Phase::Failed, Instant::now() + hold);
        true
    }

    /// Aborts whatever still runs.
    pub fn abort_all(&mut self) {
        self.set.abort_all();
    }

    /// No task is left.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.workers.is_empty() && self.coordinators.is_empty()
    }

    /// Coordinators that run or end.
    pub fn coordinators_left(&self) -> usize {
        self.coordinators
            .values()
            .filter(|t| t.phase != Phase::Failed)
            .count()
    }

    /// Workers that run or end.
    pub fn workers_left(&self) -> usize {
        self.workers
            .values()
            .filter(|(_, t)| t.phase != Phase::Failed)
            .count()
    }

    /// Waits for the next task to end and notes it; never resolves while none runs.
    pub async fn next_ending(&mut self) -> Ending {
        loop {
            match self.set.join_next_with_id().await {
                None => std::future::pending::<()>().await,
                Some(Ok((id, how))) => {
                    if let Some(e) = self.note(id, how) {
                        return e;
                    }
                }
                Some(Err(e)) => {
                    let id = e.id();
                    if let Some(e) = self.note(id, Err(crash(e))) {
                        return e;
                    }
                }
            }
        }
    }

    fn note(&mut self, id: Id, how: Ended) -> Option<Ending> {
        let who = self.ids.remove(&key(id))?;
        let (name, phase, failures_key) = match &who {
            Who::Worker(uid) => {
                let (spec, t) = self.workers.get(uid)?;
                (
                    format!("worker {}", spec.symbol),
                    t.phase,
                    (spec.account.clone(), spec.symbol.clone()),
                )
            }
            Who::Coordinator(account) => {
                let t = self.coordinators.get(account)?;
                (
                    format!("coordinator {account}"),
                    t.phase,
                    (account.clone(), String::new()),
                )
            }
        };
        let failed = phase != Phase::Ending;
        let text = match &how {
            Ok(words) | Err(words) => words.clone(),
        };
        if !failed {
            match who {
                Who::Worker(uid) => self.remove_worker(&uid),
                Who::Coordinator(account) => drop(self.coordinators.remove(&account)),
            }
            return Some(Ending {
                who: name,
                failed,
                how: text,
            });
        }
        let now = Instant::now();
        let seen = self.failures.entry(failures_key).or_insert((0, now));
        seen.0 = if now.duration_since(seen.1) > FORGIVEN_AFTER {
            1
        } else {
            seen.0 + 1
        };
        seen.1 = now;
        let failures = seen.0;
        match who {
            Who::Worker(uid) => {
                if let Some((_, t)) = self.workers.get_mut(&uid) {
                    // A killed one already carries the instant its pause counts from.
                    if t.phase != Phase::Failed {
                        (t.phase, t.since) = (Phase::Failed, now);
                    }
                    t.failures = failures;
                }
            }
            Who::Coordinator(account) => {
                if let Some(t) = self.coordinators.get_mut(&account) {
                    (t.phase, t.since, t.failures) = (Phase::Failed, now, failures);
                }
            }
        }
        Some(Ending {
            who: name,
            failed,
            how: text,
        })
    }
}

fn key(id: Id) -> String {
    id.to_string()
}

fn crash(e: JoinError) -> String {
    if e.is_cancelled() {
        return "killed".into();
    }
    let payload = e.into_panic();
    let words = payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned());
    format!("crashed: {}", words.unwrap_or_else(|| "no words".into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn spec(symbol: &str) -> WorkerSpec {
        WorkerSpec {
            account: "d/a".into(),
            symbol: symbol.into(),
            strategy: "d/s".into(),
            spec_hash: "h".into(),
        }
    }

    #[tokio::test]
    async fn a_crashed_worker_is_seen_as_failed_and_one_that_was_asked_to_end_is_gone() {
        let mut t = Tasks::default();
        t.start_worker("1".into(), spec("A"), |_| async { panic!("boom") });
        let e = t.next_ending().await;
        assert!(e.failed && e.how == "crashed: boom", "{e:?}");
        assert_eq!(
            (t.observe().1[0].phase, t.observe().1[0].failures),
            (Phase::Failed, 1)
        );
        t.remove_worker("1");
        t.start_worker("2".into(), spec("A"), |mut c| async move {
            c.recv().await.map(|_| "left".into()).ok_or("lost".into())
        });
        t.stop_worker("2", OnDelete::Flatten);
        assert_eq!(
            t.next_ending().await,
            Ending {
                who: "worker A".into(),
                failed: false,
                how: "left".into()
            }
        );
        assert!(t.is_empty());
        let at = t.worker_ended_ms("d/s");
        assert!(at <= t.now_ms() && t.ended.contains_key("d/s"));
        assert_eq!(t.worker_ended_ms("d/other"), 0);
    }

    #[tokio::test]
    async fn a_killed_worker_holds_its_name_until_the_hold_is_over() {
        let mut t = Tasks::default();
        t.start_worker("1".into(), spec("A"), |_| std::future::pending());
        assert!(t.kill_worker("A", Duration::from_secs(3)));
        assert!(!t.kill_worker("B", Duration::ZERO));
        assert!(t.next_ending().await.failed);
        let seen = &t.observe().1[0];
        assert!(seen.phase == Phase::Failed && seen.since_ms >= t.now_ms() + 2000);
    }
}
