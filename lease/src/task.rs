//! Runs an [`Elector`] against a store, and shows whether this process leads.
//!
//! Timers of the runtime stand still while a machine sleeps, and a stopped process can't publish. So a value that says
//! "leader" carries its end, and whoever acts on it asks [`Leadership::leads`] at that moment.

use crate::clock::At;
use crate::elector::{Elector, Input, Output};
use crate::store::{LeaseError, LeaseStore};
use crate::times::{SetupError, Times};
use helios_clock::mono_ns;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// What this process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leadership {
    /// A candidate.
    Standby {
        /// Whom the record names, as far as known. It may have ended since.
        holder: Option<String>,
    },
    /// The leader, if its end has not come yet.
    Leader {
        /// Number of the term; grows from term to term.
        transitions: u64,
        /// End of the lead unless renewed, [`mono_ns`].
        until_ns: u64,
        /// Whoever led before ended at least duration − renew deadline before this term began: the record was watched for
        /// the whole duration. False when the lead was handed over.
        waited_out: bool,
    },
}

impl Leadership {
    /// Leads at this instant of [`mono_ns`]. To be asked right before each act.
    pub fn leads(&self, now_ns: u64) -> bool {
        matches!(self, Self::Leader { until_ns, .. } if now_ns < *until_ns)
    }
}

/// A candidate at work. Dropped, it stops at once and its lease runs out by itself.
#[derive(Debug)]
pub struct LeaderTask {
    leadership: watch::Receiver<Leadership>,
    release: mpsc::Sender<()>,
    task: Option<JoinHandle<()>>,
    patience: Duration,
}

impl LeaderTask {
    /// Starts it; needs a Tokio runtime. The identity must be another in every life of a process.
    ///
    /// # Errors
    /// What [`Elector::new`] refuses.
    pub fn spawn(
        store: Arc<dyn LeaseStore>,
        identity: impl Into<String>,
        times: Times,
    ) -> Result<Self, SetupError> {
        let elector = Elector::new(identity, times)?;
        let (leadership, shown) = watch::channel(Leadership::Standby { holder: None });
        let (release, asked) = mpsc::channel(1);
        let runner = Runner {
            store,
            elector,
            call_timeout: times.call(),
            shown: Shown(leadership),
            trouble: None,
        };
        Ok(Self {
            leadership: shown,
            release,
            task: Some(tokio::spawn(runner.run(asked))),
            patience: times.renew_deadline,
        })
    }

    /// Follows what this process is.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.clone()
    }

    /// Hands the lead over: first everyone here sees standby, then the record is released, so that a candidate takes over
    /// at its next look. Whoever acts as the leader must have ended before. Takes at most the renew deadline; true when
    /// the record is known to be free of this candidate.
    pub async fn release(mut self) -> bool {
        // Full means asked already; closed means ended.
        let _ = self.release.try_send(());
        let Some(task) = self.task.as_mut() else {
            return false;
        };
        matches!(tokio::time::timeout(self.patience, task).await, Ok(Ok(())))
    }
}

impl Drop for LeaderTask {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Whatever ends the task, the last word is standby.
struct Shown(watch::Sender<Leadership>);

impl Shown {
    fn show(&self, new: Leadership) {
        self.0.send_if_modified(|old| {
            let changed = *old != new;
            *old = new;
            changed
        });
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.show(Leadership::Standby { holder: None });
    }
}

type Call = Pin<Box<dyn Future<Output = Input> + Send>>;

struct Runner {
    store: Arc<dyn LeaseStore>,
    elector: Elector,
    call_timeout: Duration,
    shown: Shown,
    /// The last failure, to tell each but once.
    trouble: Option<LeaseError>,
}

impl Runner {
    async fn run(mut self, mut asked: mpsc::Receiver<()>) {
        let mut call: Option<Call> = None;
        let mut open = true;
        while !self.elector.is_done() {
            let wait = Duration::from_nanos(self.elector.next_ns().saturating_sub(mono_ns()));
            let input = tokio::select! {
                answer = async { match call.as_mut() {
                    Some(c) => c.await,
                    None => std::future::pending().await,
                }} => {
                    call = None;
                    answer
                }
                // Bounded: sooner than asked for does no harm.
                () = tokio::time::sleep(wait.min(Duration::from_secs(60))) => Input::Tick,
                got = asked.recv(), if open => {
                    open = false;
                    if got.is_none() {
                        continue;
                    }
                    Input::Release
                }
            };
            self.note(&input);
            let outputs = self.elector.step(At::now(), input);
            self.show(&outputs);
            for o in outputs {
                if let Some(c) = self.start(o) {
                    call = Some(c);
                }
            }
        }
    }

    fn show(&self, outputs: &[Output]) {
        for o in outputs {
            match o {
                Output::Became { transitions, .. } => tracing::info!(transitions, "leads"),
                Output::Lost { why } => tracing::warn!(?why, "leads no more"),
                Output::Renewed { .. } | Output::Read | Output::Write(..) => {}
            }
        }
        self.shown.show(match self.elector.lead() {
            Some((transitions, until_ns)) => Leadership::Leader {
                transitions,
                until_ns,
                waited_out: self.elector.waited_out(),
            },
            None => Leadership::Standby {
                holder: self.elector.holder().map(str::to_string),
            },
        });
    }

    fn note(&mut self, input: &Input) {
        let error = match input {
            Input::ReadDone(r) => r.as_ref().err(),
            Input::WriteDone(r) => r.as_ref().err().filter(|e| **e != LeaseError::Conflict),
            Input::Tick | Input::Release => return,
        };
        if let Some(e) = error.filter(|e| self.trouble.as_ref() != Some(e)) {
            tracing::warn!(error = %e, "lease store fails");
        }
        if error.is_none() && self.trouble.is_some() {
            tracing::info!("lease store works again");
        }
        self.trouble = error.cloned();
    }

    fn start(&self, output: Output) -> Option<Call> {
        let (store, limit) = (self.store.clone(), self.call_timeout);
        match output {
            Output::Read => Some(Box::pin(async move {
                let r = tokio::time::timeout(limit, store.read()).await;
                Input::ReadDone(r.unwrap_or(Err(LeaseError::Timeout)))
            })),
            Output::Write(expected, record) => Some(Box::pin(async move {
                let w = store.write(expected.as_ref(), &record);
                let r = tokio::time::timeout(limit, w).await;
                Input::WriteDone(r.unwrap_or(Err(LeaseError::Timeout)))
            })),
            Output::Became { .. } | Output::Renewed { .. } | Output::Lost { .. } => None,
        }
    }
}

#[cfg(test)]
#[path = "task_tests.rs"]
mod tests;
