//! Workers are started, stopped, cleared away and struck off beside each other, as each is a pod of its own.
//!
//! A start is a creation by a fixed name, and every end names the uid that was seen, so that neither is wrong when the
//! world has moved on meanwhile.

use super::super::plan::Plan;
use super::Hands;
use crate::{build, names};
use futures_util::{StreamExt, stream};
use helios_core::plan::Action;
use std::collections::BTreeSet;

/// Pods that are made or ended at once for one account.
const AT_ONCE: usize = 16;

impl Hands<'_> {
    /// Starts, stops, clears away and strikes off workers: beside each other, as each is a pod of its own.
    pub(super) async fn pods(&mut self, plan: &Plan, unready: &BTreeSet<String>) {
        enum Work {
            Create(serde_json::Value),
            Delete {
                name: String,
                uid: String,
                now: bool,
            },
        }
        let mut work = Vec::new();
        let pod_of = |uid: &str| {
            self.world
                .pods
                .iter()
                .map(|p| &p.pod)
                .find(|p| p.uid == uid)
        };
        for action in &plan.actions {
            let (uid, now) = match action {
                Action::StartWorker(w) => {
                    let (Some(s), Some(account)) =
                        (self.strategy(&w.strategy), &self.validated.account)
                    else {
                        continue;
                    };
                    if !unready.contains(&w.strategy) {
                        let pod =
                            build::pod(&account.manifest, &s.manifest, self.settings, &w.symbol);
                        work.push((
                            w.strategy.clone(),
                            format!("worker of {}", w.symbol),
                            Work::Create(pod),
                        ));
                    }
                    continue;
                }
                Action::StopWorker { uid, .. } | Action::RemoveWorker { uid } => (uid, false),
                Action::StrikeWorker { uid } => (uid, true),
                _ => continue,
            };
            if let Some(p) = pod_of(uid) {
                let delete = Work::Delete {
                    name: p.name.clone(),
                    uid: uid.clone(),
                    now,
                };
                work.push((
                    p.strategy.clone(),
                    format!("worker of {}", p.symbol),
                    delete,
                ));
            }
        }
        let mut due = Vec::new();
        for (strategy, shown, w) in work {
            let of = match &w {
                Work::Create(pod) => build::hash(pod),
                Work::Delete { uid, .. } => uid.clone(),
            };
            if self.may(&shown, &of, Some(&strategy)) {
                due.push((strategy, shown, of, w));
            }
        }
        let (namespace, writer) = (names::split(&self.world.account).0, self.writer);
        let calls = due.into_iter().map(|(strategy, shown, of, w)| async move {
            let result = match &w {
                Work::Create(pod) => writer.create_pod(pod).await,
                Work::Delete { name, uid, now } => {
                    writer.delete_pod(namespace, name, uid, *now).await
                }
            };
            (strategy, shown, of, w, result)
        });
        let results: Vec<_> = stream::iter(calls)
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        for (strategy, shown, of, w, result) in results {
            if !self.went(&shown, &of, Some(&strategy), result) {
                continue;
            }
            match w {
                Work::Create(_) => drop(self.done.started.insert(strategy)),
                Work::Delete {
                    name, now: true, ..
                } => self.done.struck.push((strategy, name)),
                Work::Delete { .. } => {}
            }
        }
    }
}
