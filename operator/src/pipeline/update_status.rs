//! Saying how it is: statuses and events, written only where they differ, and not more often than once a second for an
//! object. An event goes with the write that shows the same.

use super::apply::Applied;
use super::beside;
use super::dereference::World;
use super::plan::{Plan, Progress};
use super::status::{account_status, strategy_status};
use super::validate::{Strategy, Validated};
use crate::config::Patience;
use crate::events::{Note, Notes};
use crate::memory::{Memory, Stated, Written};
use crate::names;
use crate::time::ms;
use crate::writer::{Refusal, Writer};
use helios_crds::kube::{AccountStatus, Condition, StrategyStatus};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;
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
    /// What is remembered of it when it is written.
    stated: Option<Stated>,
}

/// How soon a status is worth a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Haste {
    /// As soon as it may be.
    Soon,
    /// A strategy is on its way to what was committed, as its generation says already: only if it has not arrived soon.
    OnItsWay,
    /// Nothing but counts moves.
    Further,
    /// Nothing but counts moves of what has settled: only if it lasts, as a moment without readiness is no news.
    Blip,
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
                    stated: Some(self.stated(s, &before, &status)),
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
            let (_, name) = names::split(&self.world.account);
            let key = format!("account {name}");
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
                    stated: None,
                };
                let conditions = [&before.conditions[..], &status.conditions];
                self.say(&mut all, due, &a.object.object_ref(&()), conditions)
            }));
        }
        by(self.write(all).await);
        wake
    }

    /// A status that is written over another: over what a watch has shown, if it is late.
    fn stated(&self, s: &Strategy, before: &StrategyStatus, after: &StrategyStatus) -> Stated {
        let late = self.memory.stated.get(&s.name);
        Stated {
            uid: s.object.metadata.uid.clone(),
            before: late.map_or_else(|| before.clone(), |l| l.before.clone()),
            after: after.clone(),
        }
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
            match (result, d.stated) {
                (Ok(()), Some(stated)) => drop(self.memory.stated.insert(d.key, stated)),
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

    /// An event for each condition whose reason changed, where people should know.
    fn tell(
        &mut self,
        key: &str,
        object: &ObjectReference,
        before: &[Condition],
        after: &[Condition],
    ) {
        for c in after {
            let Some(type_) = ["Ready", "Degraded", "Stalled"]
                .into_iter()
                .find(|t| *t == c.type_)
            else {
                continue;
            };
            let old = before.iter().find(|b| b.type_ == c.type_);
            let good = (c.status == "True") == (type_ == "Ready");
            // Nothing to tell while all was well and is.
            if old.is_none() && good && type_ != "Ready"
                || old.is_some_and(|o| o.reason == c.reason)
            {
                continue;
            }
            let told = self
                .memory
                .told
                .insert((key.into(), type_), c.reason.clone());
            if told.as_deref() == Some(c.reason.as_str()) {
                continue;
            }
            // What ends well is told by Ready alone.
            if good && type_ != "Ready" {
                continue;
            }
            self.notes.tell(Note {
                object: object.clone(),
                warning: !good,
                reason: c.reason.clone(),
                words: c.message.clone(),
            });
        }
    }

    fn tell_rollout(&mut self, strategy: &str, object: &ObjectReference) {
        for (_, pod) in self.applied.struck.iter().filter(|(s, _)| s == strategy) {
            self.notes.tell(Note {
                object: object.clone(),
                warning: true,
                reason: "WorkerStruckOff".into(),
                words: format!(
                    "the node of {pod} is lost: the pod was struck off and is started elsewhere"
                ),
            });
        }
        let Some(d) = self.plan.documents.get(strategy) else {
            return;
        };
        let (reason, words) = match d.progress {
            Progress::Settled | Progress::RolledBack => return,
            Progress::Soaking => ("RolloutStarted", "canary symbols run the change first"),
            Progress::Promoted => ("RolloutPromoted", "all symbols run the change"),
        };
        let told = self.memory.told.insert(
            (strategy.into(), "Rollout"),
            format!("{reason} {}", d.document.generation),
        );
        let now = format!("{reason} {}", d.document.generation);
        // What was promoted before this process began is no news.
        if told.as_deref() != Some(now.as_str())
            && (told.is_some() || d.progress == Progress::Soaking)
        {
            self.notes.tell(Note {
                object: object.clone(),
                warning: false,
                reason: reason.into(),
                words: words.into(),
            });
        }
    }
}

/// Between two writes of a status: counts alone are worth less each time, as a strategy of many workers starts for long and
/// every one of them is news.
fn pause(last: Written, haste: Haste, patience: &Patience) -> Duration {
    match haste {
        Haste::Further => patience.counts_every * (1 << last.further.min(3)),
        _ => patience.status_every,
    }
}

impl Haste {
    /// It is written only if it lasts for a while.
    fn waits(self) -> bool {
        matches!(self, Self::OnItsWay | Self::Blip)
    }

    /// Of a strategy's status. One that goes on as it was said to, or sets out for what was committed with nothing else to say,
    /// can wait: of 50 strategies that start, or are changed by one commit, that is most of the news and the least of it.
    fn of(before: &StrategyStatus, after: &StrategyStatus) -> Self {
        let going = |c: &Condition| {
            let reasons = ["WorkersStarting", "ParametersPending"];
            c.type_ == "Reconciling" && c.status == "True" && reasons.contains(&c.reason.as_str())
        };
        let same = (&before.symbols, &before.taken, &before.rollout)
            == (&after.symbols, &after.taken, &after.rollout);
        if !same {
            return Self::Soon;
        }
        if !after.conditions.iter().any(going) {
            let settled = |c: &Condition| c.type_ == "Progressing" && c.reason == "Settled";
            let alone = before.conditions == after.conditions
                && after.conditions.iter().any(settled)
                && before.observed_generation == after.observed_generation
                && before.wanted_workers == after.wanted_workers;
            return if alone { Self::Blip } else { Self::Soon };
        }
        let said = |s: &StrategyStatus, besides: &[&str]| {
            let all = s.conditions.iter();
            let all = all.filter(|c| !besides.contains(&c.type_.as_str()));
            all.map(|c| (c.type_.clone(), c.status.clone(), c.reason.clone()))
                .collect::<Vec<_>>()
        };
        if said(before, &[]) == said(after, &[])
            && before.observed_generation == after.observed_generation
        {
            return Self::Further;
        }
        let way = ["Reconciling", "Progressing"];
        if before.observed_generation < after.observed_generation
            && said(before, &way) == said(after, &way)
        {
            return Self::OnItsWay;
        }
        Self::Soon
    }
}

/// What turns one status into another as a merge patch: absent fields are taken away. `None` when they are the same.
fn difference<T: Serialize>(before: &T, after: &T) -> Option<Value> {
    let value = |v: &T| serde_json::to_value(v).unwrap_or_default();
    merge_patch(&value(before), &value(after))
}

/// Objects are merged at every depth, so what is gone must be named at every depth.
fn merge_patch(before: &Value, after: &Value) -> Option<Value> {
    let (Value::Object(b), Value::Object(a)) = (before, after) else {
        return (before != after).then(|| after.clone());
    };
    let gone = b.keys().filter(|key| !a.contains_key(*key));
    let gone = gone.map(|key| (key.clone(), Value::Null));
    let changed = a.iter().filter_map(|(key, value)| {
        let differs = match b.get(key) {
            Some(old) => merge_patch(old, value)?,
            None => value.clone(),
        };
        Some((key.clone(), differs))
    });
    let patch: serde_json::Map<String, Value> = gone.chain(changed).collect();
    (!patch.is_empty()).then(|| patch.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use helios_crds::kube::RolloutStatus;
    use proptest::prelude::*;
    use proptest::strategy::Strategy;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_sent_and_what_is_gone_is_taken_away() {
        let before = StrategyStatus {
            ready: Some("1/2".into()),
            ready_workers: Some(1),
            symbols: vec!["A".into()],
            ..StrategyStatus::default()
        };
        assert_eq!(difference(&before, &before), None);
        let after = StrategyStatus {
            ready: Some("1/1".into()),
            symbols: Vec::new(),
            ..before.clone()
        };
        assert_eq!(
            difference(&before, &after),
            Some(json!({"ready": "1/1", "symbols": null}))
        );
    }

    #[test]
    fn counts_alone_are_written_less_and_less_often_and_anything_else_soon() {
        let patience = Patience::default();
        let seconds = |further, haste| {
            let last = Written { at_ms: 0, further };
            pause(last, haste, &patience).as_secs()
        };
        let pauses: Vec<u64> = (0..6).map(|n| seconds(n, Haste::Further)).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 40, 40]);
        assert_eq!(seconds(5, Haste::Soon), 1);
    }

    fn rollout(message: Option<String>, step: i32) -> RolloutStatus {
        RolloutStatus {
            generation: 2,
            step,
            canary_symbols: vec!["A".into()],
            started_at: None,
            outcome: None,
            message,
        }
    }

    fn statuses() -> impl Strategy<Value = StrategyStatus> {
        let rollout = (proptest::option::of("[ab]"), 0..2).prop_map(|(m, s)| rollout(m, s));
        let lists = proptest::collection::vec("[AB]", 0..3);
        let parts = (
            proptest::option::of("[ab]"),
            lists,
            proptest::option::of(rollout),
        );
        parts.prop_map(|(ready, symbols, rollout)| StrategyStatus {
            ready,
            symbols,
            rollout,
            ..StrategyStatus::default()
        })
    }

    proptest! {
        /// As an API server merges it.
        #[test]
        fn a_status_with_its_patch_is_the_other_status(before in statuses(), after in statuses()) {
            let mut now = serde_json::to_value(&before).unwrap();
            if let Some(patch) = difference(&before, &after) {
                merge(&mut now, &patch);
            }
            prop_assert_eq!(now, serde_json::to_value(&after).unwrap());
        }
    }

    fn merge(into: &mut Value, patch: &Value) {
        let (Value::Object(o), Value::Object(p)) = (&mut *into, patch) else {
            *into = patch.clone();
            return;
        };
        for (key, value) in p {
            if value.is_null() {
                o.remove(key);
            } else {
                merge(o.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
    }
}
