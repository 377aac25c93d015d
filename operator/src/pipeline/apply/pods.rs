//! Workers are started, stopped, cleared away and struck off beside each other, as each is a pod of its own.
//!
//! A start is a creation by a fixed name, and every end names the uid that was seen, so that neither is wrong when the
//! world has moved on meanwhile.

use super::super::beside;
use super::super::plan::Plan;
use super::super::validate::{Account, Strategy};
use super::Hands;
use crate::{build, names};
use helios_core::plan::{Action, WorkerSpec};
use std::collections::BTreeSet;

enum Work<'p> {
    Create(&'p WorkerSpec, &'p Account, &'p Strategy),
    Delete {
        name: &'p str,
        uid: &'p str,
        now: bool,
    },
}

/// What is to be done with a pod, for which strategy, and how it is called when it fails.
struct Due<'p> {
    strategy: &'p str,
    shown: String,
    of: &'p str,
    work: Work<'p>,
}

impl Hands<'_> {
    /// Starts, stops, clears away and strikes off workers: beside each other, as each is a pod of its own.
    pub(super) async fn pods(&mut self, plan: &Plan, unready: &BTreeSet<String>) {
        let (world, validated) = (self.world, self.validated);
        let mut due = Vec::new();
        for action in &plan.actions {
            let (uid, now) = match action {
                Action::StartWorker(w) => {
                    if let (Some(a), Some(s)) = (&validated.account, self.strategy(&w.strategy))
                        && !unready.contains(&w.strategy)
                    {
                        due.push(Due {
                            strategy: &w.strategy,
                            shown: format!("worker of {}", w.symbol),
                            of: &w.spec_hash,
                            work: Work::Create(w, a, s),
                        });
                    }
                    continue;
                }
                Action::StopWorker { uid, .. } | Action::RemoveWorker { uid } => (uid, false),
                Action::StrikeWorker { uid } => (uid, true),
                _ => continue,
            };
            let pod = world.pods.iter().map(|p| &p.pod).find(|p| p.uid == *uid);
            if let Some(p) = pod {
                due.push(Due {
                    strategy: &p.strategy,
                    shown: format!("worker of {}", p.symbol),
                    of: uid,
                    work: Work::Delete {
                        name: &p.name,
                        uid,
                        now,
                    },
                });
            }
        }
        due.retain(|d| self.may(&d.shown, d.of, Some(d.strategy)));
        let (namespace, writer, settings) =
            (names::split(&world.account).0, self.writer, self.settings);
        let calls = due.into_iter().map(|d| async move {
            let result = match &d.work {
                // Of 500 pods only those are built that are on their way.
                Work::Create(w, a, s) => {
                    let (a, h) = (&a.manifest, &s.manifest);
                    let pod = build::marked_pod(a, h, settings, &w.symbol, &w.spec_hash);
                    writer.create_pod(&pod).await
                }
                Work::Delete { name, uid, now } => {
                    writer.delete_pod(namespace, name, uid, *now).await
                }
            };
            (d, result)
        });
        for (d, result) in beside::all(calls.collect()).await {
            if !self.went(&d.shown, d.of, Some(d.strategy), result) {
                continue;
            }
            match d.work {
                Work::Create(..) => drop(self.done.started.insert(d.strategy.into())),
                Work::Delete {
                    name, now: true, ..
                } => self.done.struck.push((d.strategy.into(), name.into())),
                Work::Delete { .. } => {}
            }
        }
    }
}
