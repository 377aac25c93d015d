//! The loop: watches fill the index, news fill the queue, and whoever leads looks at accounts.
//!
//! A standby keeps its index warm and writes nothing. Whether this process leads is asked before each look, and by the clock
//! before each request and push: a process that was stopped for too long finds its lead over when it wakes, and ends its looks
//! and links then. When it leads again it begins like one that has just started.

use crate::board::Board;
use crate::config::OperatorConfig;
use crate::events::Notes;
use crate::facts::Index;
use crate::lead::Lead;
use crate::links::{Connect, Links};
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::reconcile::{Context, reconcile};
use crate::served::{self, NotServed};
use crate::time::{ms, now_ms};
use crate::watch::{self, Sink};
use crate::writer::Writer;
use futures_util::FutureExt;
use helios_lease::{LeaderTask, LeaseStore, SetupError, Times};
use kube::Client;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch as signal};
use tokio::task::JoinSet;

/// Accounts looked at beside each other.
const LOOKS: usize = 32;
/// Between two times that what stands is handed to an account's bus while a look at it goes on.
const PUBLISH_EVERY_MS: u64 = 100;
/// News that may wait for the loop.
const NEWS: usize = 4096;
/// How long looks may go on after the process was asked to end.
const LEAVE_BY: Duration = Duration::from_secs(5);

/// Why the operator ended.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The kinds are not served as they must be.
    #[error(transparent)]
    NotServed(#[from] NotServed),
    /// The lease's times can't work.
    #[error(transparent)]
    Lease(#[from] SetupError),
    /// A watch ended, which none does by itself.
    #[error("a watch has ended: the operator can't see any more")]
    Blind,
    /// The metrics can't be set up.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
}

/// What the operator works with.
pub struct OperatorLinks {
    /// The API server. It must send nothing twice: whoever waits here decides about that.
    pub client: Client,
    /// Buses of accounts.
    pub connect: Arc<dyn Connect>,
    /// The leader lock.
    pub lease: Arc<dyn LeaseStore>,
    /// Metrics, shared with whoever serves them.
    pub metrics: Arc<Metrics>,
    /// True once the process is asked to end.
    pub ending: signal::Receiver<bool>,
}

/// Times of the operator's own lock: a killed leader is followed within 15 s, and one whose API server takes its second for
/// each answer goes on. To lose the lead costs more than to wait: the next term looks at everything anew, just when the API
/// server is slow.
pub fn lease_times() -> Times {
    Times {
        duration: Duration::from_secs(9),
        renew_every: Duration::from_secs(2),
        renew_deadline: Duration::from_secs(7),
    }
}

/// Runs until it is asked to end.
///
/// # Errors
/// [`OperatorError`]; coordinators and workers go on without it.
pub async fn run(config: OperatorConfig, links: OperatorLinks) -> Result<(), OperatorError> {
    let mut ending = links.ending;
    let waiting = async {
        let mut beat = tokio::time::interval(Duration::from_secs(1));
        loop {
            beat.tick().await;
            links.metrics.turn(false);
        }
    };
    tokio::select! {
        served = served::wait(&links.client) => served?,
        () = waiting => {}
        _ = ending.wait_for(|e| *e) => return Ok(()),
    }
    let leader = LeaderTask::spawn(links.lease, config.identity.clone(), lease_times())?;
    let index = Arc::new(Mutex::new(Index::default()));
    let board = Arc::new(Board::default());
    let (woken, mut news) = mpsc::channel(NEWS);
    let sink = Sink {
        index: index.clone(),
        woken: woken.clone(),
    };
    let mut watches = watch::start(&links.client, config.namespace.as_deref(), &sink);
    let silence_ms = ms(config.patience.stale_after);
    let lead = Lead::new(leader.leadership());
    let context = Context {
        writer: Writer::new(
            links.client.clone(),
            config.concurrency,
            config.patience.call,
            links.metrics.clone(),
            lead.clone(),
        ),
        notes: Notes::start(links.client, config.identity.clone()),
        metrics: links.metrics,
        index,
        board: board.clone(),
        memories: Mutex::default(),
        config,
    };
    let mut operator = Operator {
        context: Arc::new(context),
        links: Links::new(links.connect, board, woken, silence_ms, lead.clone()),
        queue: Queue::default(),
        looks: JoinSet::new(),
        term: None,
        fresh: false,
        unpublished: BTreeSet::new(),
        published: BTreeMap::new(),
        lead,
    };
    let ended = loop {
        let wait = operator.turn();
        tokio::select! {
            _ = ending.wait_for(|e| *e) => break Ok(()),
            Some(_) = watches.join_next() => break Err(OperatorError::Blind),
            Some(account) = news.recv() => {
                operator.news(account);
                while let Ok(account) = news.try_recv() {
                    operator.news(account);
                }
            }
            Some(done) = operator.looks.join_next() => operator.looked(done.ok()),
            changed = operator.lead.changed() => if changed.is_err() {
                tracing::error!("the leader lock has ended");
                break Err(OperatorError::Blind);
            },
            () = tokio::time::sleep(wait) => {}
        }
    };
    // Looks under way end first, then the lead is handed over: the next one starts from what stands.
    let looks = async { while operator.looks.join_next().await.is_some() {} };
    if tokio::time::timeout(LEAVE_BY, looks).await.is_err() {
        tracing::warn!("a look did not end in {LEAVE_BY:?}");
    }
    operator.looks.abort_all();
    operator.context.metrics.leads(false);
    leader.release().await;
    ended
}

struct Operator {
    context: Arc<Context>,
    links: Links,
    queue: Queue,
    looks: JoinSet<(String, u64)>,
    /// The term in which it leads.
    term: Option<u64>,
    /// It has just begun to lead, and has not looked at everything yet.
    fresh: bool,
    /// Accounts that are being looked at and of which there is news.
    unpublished: BTreeSet<String>,
    /// When what stands was last handed to an account's bus, liveness ms.
    published: BTreeMap<String, u64>,
    lead: Lead,
}

impl Operator {
    /// Starts what is due, if this process leads; returns how long nothing is.
    fn turn(&mut self) -> Duration {
        const IDLE: Duration = Duration::from_secs(1);
        let term = self.lead.now();
        let leads = term.is_some();
        let synced = self.index(|i| i.synced());
        self.context.metrics.turn(synced);
        if term != self.term {
            self.term = term;
            self.context.metrics.leads(leads);
            tracing::info!("{}", if leads { "leads" } else { "stands by" });
            self.stop();
            self.fresh = leads;
        }
        if !leads || !synced {
            return Duration::from_millis(200);
        }
        let now = now_ms();
        if std::mem::take(&mut self.fresh) || (self.queue.next().is_none() && self.queue.idle()) {
            // A lead begins, or nothing is due at all: everything known is looked at.
            for account in self.index(Index::all_accounts) {
                self.queue.at(&account, now);
            }
        }
        while self.looks.len() < LOOKS
            && let Some(account) = self.queue.take(now)
        {
            self.publish(&account);
            let context = self.context.clone();
            self.looks.spawn(async move {
                let look = AssertUnwindSafe(reconcile(&context, &account)).catch_unwind();
                let next = look.await.unwrap_or_else(|_| {
                    tracing::error!(
                        account,
                        "a look panicked: this is a bug; it is tried again in a while"
                    );
                    now_ms() + 30_000
                });
                (account, next)
            });
        }
        if self.publish_meanwhile(now) {
            return Duration::from_millis(PUBLISH_EVERY_MS);
        }
        match self.queue.next() {
            Some(at) => Duration::from_millis(at.saturating_sub(now_ms()).max(1)).min(IDLE),
            None => IDLE,
        }
    }

    /// Nothing of a term outlives it: looks under way end, links close, and what was remembered is of a time when nobody else
    /// wrote.
    fn stop(&mut self) {
        self.looks = JoinSet::new();
        self.links.close_all();
        self.queue.clear();
        self.unpublished.clear();
        self.published.clear();
        let memories = &self.context.memories;
        memories
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn news(&mut self, account: String) {
        self.queue.news(&account, now_ms());
        if self.queue.runs(&account) {
            self.unpublished.insert(account);
        }
    }

    /// What a look has written is pushed while it goes on: workers need not wait until it has said how everything is. True
    /// while some of that must wait.
    fn publish_meanwhile(&mut self, now_ms: u64) -> bool {
        let at = |o: &Self, account: &String| o.published.get(account).copied().unwrap_or(0);
        for account in std::mem::take(&mut self.unpublished) {
            if now_ms < at(self, &account) + PUBLISH_EVERY_MS {
                self.unpublished.insert(account);
            } else {
                self.publish(&account);
            }
        }
        !self.unpublished.is_empty()
    }

    fn index<T>(&self, read: impl FnOnce(&Index) -> T) -> T {
        read(
            &self
                .context
                .index
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// What stands in an account's ConfigMaps, and belongs to strategies that exist, goes to its bus.
    fn publish(&mut self, account: &str) {
        let documents: BTreeMap<_, _> = self.index(|i| {
            let of = i.documents.iter().filter(|(_, d)| d.account == account);
            of.filter_map(|(_, d)| {
                let object = i.strategies.get(&d.strategy)?.object.as_ref().ok()?;
                (object.metadata.uid == d.owner).then_some(())?;
                Some((d.strategy.clone(), d.document.clone()?))
            })
            .collect()
        });
        self.unpublished.remove(account);
        if self.index(|i| i.accounts.get(account).is_some()) {
            self.published.insert(account.into(), now_ms());
            self.links.publish(account, documents);
        }
    }

    fn looked(&mut self, done: Option<(String, u64)>) {
        let Some((account, next)) = done else { return };
        self.queue.done(&account);
        let known: BTreeSet<String> = self.index(Index::all_accounts);
        if known.contains(&account) {
            self.queue.at(&account, next);
        } else {
            self.links.close(&account);
            self.published.remove(&account);
            self.context.forget(&account);
        }
        let (accounts, pods) = self.index(|i| (i.accounts.len(), i.pods.len()));
        let memories = self
            .context
            .memories
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let waiting = memories
            .values()
            .filter_map(|m| Some(m.try_lock().ok()?.backoff.len()))
            .sum();
        drop(memories);
        self.context.metrics.sizes(accounts, pods, waiting);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use helios_core::time::NS_PER_S;
    use helios_lease::clock::At;
    use helios_lease::elector::{Elector, Input, Output};
    use helios_lease::store::{LeaseError, Version};
    use helios_lease::{LeaseRecord, MicroTime};

    /// An API server that answers everything after a second, and of which each fifth answer to a write is lost.
    #[test]
    fn a_leader_whose_api_server_takes_a_second_for_each_answer_goes_on() {
        let times = lease_times();
        let mut elector = Elector::new("a", times).unwrap();
        let (mut now, mut led, mut writes) = (0, false, 0_u64);
        let mut stands: Option<(LeaseRecord, Version)> = None;
        let mut input = Input::Tick;
        while now < 300 * NS_PER_S {
            let wall = MicroTime::from_unix_us(i64::try_from(now / 1000).unwrap());
            let out = elector.step(At { mono_ns: now, wall }, input);
            led |= out.iter().any(|o| matches!(o, Output::Became { .. }));
            assert!(
                !out.iter().any(|o| matches!(o, Output::Lost { .. })),
                "lost at {now} ns"
            );
            let mut after = elector.next_ns().saturating_sub(now);
            input = Input::Tick;
            for o in out {
                let answer = match o {
                    Output::Read => Input::ReadDone(Ok(stands.clone())),
                    Output::Write(over, record) => {
                        assert_eq!(over, stands.as_ref().map(|s| s.1.clone()));
                        writes += 1;
                        let version = Version(writes.to_string());
                        stands = Some((record, version.clone()));
                        let lost = writes % 5 == 0;
                        after = if lost {
                            crate::time::ms(times.call()) * 1_000_000
                        } else {
                            NS_PER_S
                        };
                        let answer = if lost {
                            Err(LeaseError::Timeout)
                        } else {
                            Ok(version)
                        };
                        input = Input::WriteDone(answer);
                        continue;
                    }
                    _ => continue,
                };
                (input, after) = (answer, NS_PER_S);
            }
            now += after;
        }
        assert!(led && writes > 100, "{writes} writes");
    }
}
