//! Saying how it is: statuses and events, written only where they differ, and not more often than once a second for an
//! object. An event goes with the write that shows the same.

mod haste;
mod patch;
mod tell;
mod unreadable;

use super::apply::Applied;
use super::beside;
use super::dereference::World;
use super::plan::Plan;
use super::status::{account_status, strategy_status};
use super::validate::Validated;
use crate::config::Patience;
use crate::events::Notes;
use crate::late::Late;
use crate::memory::{Memory, Written};
use crate::names;
use crate::time::ms;
use crate::writer::{Refusal, Writer};
use haste::{Haste, pause};
use helios_crds::kube::{AccountStatus, Condition, StrategyStatus};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use patch::difference;
use serde_json::Value;
use tokio::time::Instant;

/// Everything that a status follows from, and where it is written.
pub struct Clerk<'a> {
    /// The API server.
    pub writer: &'a Writer,
    /// Events.
    pub notes: &'a Notes,
    /// The world that was planned by.
    pub world: &'a World,
    /// The objects that were planned by.
    pub validated: &'a Validated,
    /// What was planned.
    pub plan: &'a Plan,
    /// What was done.
    pub applied: &'a Applied,
    /// Patience.
    pub patience: &'a Patience,
    /// What is remembered.
    pub memory: &'a mut Memory,
    /// When the look began.
    pub began: Instant,
}

/// A status that differs from what stands.
struct Due {
    key: String,
    /// Name of the strategy; `None` for the account.
    strategy: Option<String>,
    patch: Value,
    haste: Haste,
    /// What is remembered of it when it is written: whose it is, what it was, and what it is then.
    of_strategy: Option<(Option<String>, StrategyStatus, StrategyStatus)>,
}

impl Clerk<'_> {
    /// Writes what differs; returns liveness ms by which it must be looked at again, if any.
    pub async fn update(mut self) -> Option<u64> {
        if !self.writer.leads() {
            // Nor are events told of it: what it has seen is old.
            return None;
        }
        let mut wake: Option<u64> = self.applied.retry_ms;
        let mut by = |at: Option<u64>| {
            if let Some(at) = at {
                wake = Some(wake.map_or(at, |w: u64| w.min(at)));
            }
        };
        let mut all = Vec::new();
        let validated = self.validated;
        for s in &validated.strategies {
            if self.applied.finalized.contains(&s.name) {
                continue;
            }
            let (status, at) = strategy_status(
                self.world,
                self.validated,
                s,
                self.plan,
                self.applied,
                self.memory,
                self.patience,
            );
            by(at);
            let before = s.object.status.clone().unwrap_or_default();
            let haste = Haste::of(&before, &status);
            if !haste.waits() || before == status {
                self.memory.on_its_way.remove(&s.name);
            }
            by(difference(&before, &status).and_then(|patch| {
                let due = Due {
                    key: s.name.clone(),
                    strategy: Some(s.name.clone()),
                    patch,
                    haste,
                    of_strategy: Some((
                        s.object.metadata.uid.clone(),
                        before.clone(),
                        status.clone(),
                    )),
                };
                let conditions = [&before.conditions[..], &status.conditions];
                self.say(&mut all, due, &s.object.object_ref(&()), conditions)
            }));
            self.tell_rollout(&s.name, &s.object.object_ref(&()));
        }
        if let Some(a) = &validated.account
            && !self.applied.account_finalized
        {
            let (status, at) = account_status(
                self.world,
                self.validated,
                a,
                self.plan,
                self.applied,
                self.memory,
                self.patience,
            );
            by(at);
            let before = a.object.status.clone().unwrap_or_default();
            let key = self.key_of_account();
            if !self.applied.finalized.is_empty() {
                // The account may go now, and must not be refused for as long as a status waits.
                self.memory.written.remove(&key);
            }
            let counted = AccountStatus {
                coordinators: status.coordinators.clone(),
                ..before.clone()
            };
            let haste = if counted == status {
                Haste::Blip
            } else {
                Haste::Soon
            };
            if !haste.waits() || before == status {
                self.memory.on_its_way.remove(&key);
            }
            by(difference(&before, &status).and_then(|patch| {
                let due = Due {
                    key,
                    strategy: None,
                    patch,
                    haste,
                    of_strategy: None,
                };
                let conditions = [&before.conditions[..], &status.conditions];
                self.say(&mut all, due, &a.object.object_ref(&()), conditions)
            }));
        }
        by(self.say_unreadable(&mut all));
        by(self.write(all).await);
        wake
    }

    /// The account, as memory calls it.
    fn key_of_account(&self) -> String {
        format!("account {}", names::split(&self.world.account).1)
    }

    /// Takes a write in and tells what it shows, unless its object was written a moment ago; returns when it may be.
    fn say(
        &mut self,
        all: &mut Vec<Due>,
        due: Due,
        object: &ObjectReference,
        [before, after]: [&[Condition]; 2],
    ) -> Option<u64> {
        // A look that made many pods began long ago: what counts is when it writes.
        let now = self.world.now_ms + ms(self.began.elapsed());
        let last = self.memory.written.get(&due.key).copied();
        let mut next = last.map_or(now, |w| w.at_ms + ms(pause(w, due.haste, self.patience)));
        if due.haste.waits() {
            let ways = &mut self.memory.on_its_way;
            let since = *ways.entry(due.key.clone()).or_insert(now);
            let wait = match due.haste {
                Haste::Blip => self.patience.counts_every,
                _ => self.patience.on_its_way,
            };
            next = next.max(since + ms(wait));
        }
        if now < next {
            return Some(next);
        }
        let written = Written {
            at_ms: now,
            further: match last {
                Some(w) if due.haste == Haste::Further => w.further + 1,
                _ => 0,
            },
        };
        self.memory.written.insert(due.key.clone(), written);
        self.tell(&due.key, object, before, after);
        all.push(due);
        None
    }

    /// Writes, beside each other; returns when what failed is tried again.
    async fn write(&mut self, all: Vec<Due>) -> Option<u64> {
        let writer = self.writer;
        let account = &self.world.account;
        let calls = all.into_iter().map(|d| async move {
            let result = match &d.strategy {
                Some(s) => {
                    let (namespace, name) = names::split(s);
                    writer.strategy_status(namespace, name, &d.patch).await
                }
                None => {
                    let (namespace, name) = names::split(account);
                    writer.account_status(namespace, name, &d.patch).await
                }
            };
            (d, result)
        });
        let mut again = None;
        for (d, result) in beside::all(calls.collect()).await {
            match (result, d.of_strategy) {
                (Ok(()), Some((uid, before, after))) => {
                    let late = &mut self.memory.written_statuses;
                    let late = late
                        .entry((d.key, uid))
                        .or_insert_with(|| Late::over(before));
                    late.wrote(after, self.world.now_ms + ms(self.began.elapsed()));
                }
                (Ok(()), None) => {}
                (Err(f), _) if f.refusal == Refusal::Deposed => {}
                (Err(f), _) => {
                    tracing::warn!(object = d.key, "status not written: {f}");
                    again = Some(self.world.now_ms + 5000);
                }
            }
        }
        again
    }
}
