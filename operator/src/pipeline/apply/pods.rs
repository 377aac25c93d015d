//! Workers are started, stopped, cleared away and struck off beside each other, as each is a pod of its own.
//!
//! A start is a creation by a fixed name, and every end names the uid that was seen, so that neither is wrong when the
//! world has moved on meanwhile.

use super::super::beside::AT_ONCE;
use super::super::plan::Plan;
use super::super::validate::{Account, Strategy};
use super::Hands;
use crate::late::SEEN_BY_MS;
use crate::memory::Made;
use crate::time::ms;
use crate::{build, names};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use helios_core::plan::{Action, WorkerSpec};
use std::collections::BTreeSet;

/// How long a pod is waited for where one of that name was there already: it may be another's that is just going.
const CLEAR_BY_MS: u64 = 1_000;

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
    /// Forgets which workers were made as soon as they are to be seen.
    fn seen(&mut self) {
        let world = self.world;
        self.memory.made.retain(|_, m| {
            let uid = m.uid.as_ref();
            let shown = uid.is_some_and(|uid| world.pods.iter().any(|p| p.pod.uid == *uid));
            world.now_ms < m.until_ms && !shown
        });
    }

    /// False for a worker that was started already and is only not to be seen yet.
    fn unmade(&mut self, due: &Due<'_>) -> bool {
        let Work::Create(w, ..) = &due.work else {
            return true;
        };
        let Some(until) = self.memory.made.get(&w.symbol).map(|m| m.until_ms) else {
            return true;
        };
        self.again_at(until);
        false
    }

    /// Starts, stops, clears away and strikes off workers: beside each other, as each is a pod of its own.
    pub(super) async fn pods(&mut self, plan: &Plan, unready: &BTreeSet<String>) {
        let (world, validated) = (self.world, self.validated);
        self.seen();
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
        due.retain(|d| self.unmade(d) && self.may(&d.shown, d.of, Some(d.strategy)));
        let (namespace, writer, settings) =
            (names::split(&world.account).0, self.writer, self.settings);
        let mut waiting = due.into_iter();
        let mut running = FuturesUnordered::new();
        loop {
            // Of 500 pods only those are built that are on their way, and no call is made before there is room for it: one takes
            // kilobytes, and 20 accounts may have as many to start.
            while running.len() < AT_ONCE
                && let Some(d) = waiting.next()
            {
                running.push(async move {
                    let result = match &d.work {
                        Work::Create(w, a, s) => {
                            let (a, h) = (&a.manifest, &s.manifest);
                            let pod = build::marked_pod(a, h, settings, &w.symbol, &w.spec_hash);
                            writer.create_pod(&pod).await
                        }
                        Work::Delete { name, uid, now } => {
                            let deleted = writer.delete_pod(namespace, name, uid, *now).await;
                            deleted.map(|()| None)
                        }
                    };
                    (d, result)
                });
            }
            let Some((d, result)) = running.next().await else {
                break;
            };
            let uid = result.as_ref().ok().cloned().flatten();
            if !self.went(&d.shown, d.of, Some(d.strategy), result.map(drop)) {
                continue;
            }
            match d.work {
                Work::Create(w, ..) => {
                    let patience = match uid {
                        Some(_) => SEEN_BY_MS,
                        None => CLEAR_BY_MS,
                    };
                    let until_ms = self.world.now_ms + ms(self.began.elapsed()) + patience;
                    self.memory
                        .made
                        .insert(w.symbol.clone(), Made { uid, until_ms });
                    self.done.started.insert(d.strategy.into());
                }
                Work::Delete {
                    name, now: true, ..
                } => self.done.struck.push((d.strategy.into(), name.into())),
                Work::Delete { .. } => {}
            }
        }
    }
}
